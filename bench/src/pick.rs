//! Which pages are touched: the same by each contender, drawn from a seed.
#![allow(unsafe_code)]

use std::time::Instant;

pub(crate) const PAGE: usize = 4096;

/// Random numbers (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Ranks by Zipf's law with an exponent, and where they lie: scattered, by a permutation.
pub(crate) struct Zipf {
    cumulated: Vec<f64>,
    place: Vec<u32>,
}

impl Zipf {
    pub(crate) fn new(count: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=count).map(|rank| (rank as f64).powf(-exponent));
        let cumulated: Vec<f64> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        let cumulated = cumulated.into_iter().map(|weight| weight / sum).collect();
        let mut place: Vec<u32> = (0..count as u32).collect();
        let mut random = Random(99);
        for at in (1..count).rev() {
            place.swap(at, random.below(at + 1));
        }
        Self { cumulated, place }
    }

    pub(crate) fn pick(&self, random: &mut Random) -> usize {
        let unit = random.unit();
        let rank = self.cumulated.partition_point(|weight| *weight < unit);
        self.place[rank.min(self.place.len() - 1)] as usize
    }
}

/// Touches of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picks {
    pub(crate) zipf: bool,
    pub(crate) write: bool,
    pub(crate) threads: usize,
    /// Touches of all threads together.
    pub(crate) count: usize,
    pub(crate) seed: u64,
}

impl Picks {
    pub(crate) fn text(&self) -> String {
        let Self { zipf, write, threads, count, seed } = self;
        format!("{} {} {threads} {count} {seed}", u8::from(*zipf), u8::from(*write))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Option<Vec<u64>> = text.split(' ').map(|word| word.parse().ok()).collect();
        let [zipf, write, threads, count, seed] = words?[..] else { return None };
        Some(Self {
            zipf: zipf != 0,
            write: write != 0,
            threads: threads as usize,
            count: count as usize,
            seed,
        })
    }

    fn of(&self, thread: usize, pages: usize) -> Vec<u32> {
        static ZIPF: std::sync::OnceLock<Zipf> = std::sync::OnceLock::new();
        let zipf = self.zipf.then(|| ZIPF.get_or_init(|| Zipf::new(pages, 0.99)));
        let mut random = Random(self.seed << 8 | thread as u64);
        let pick = |_| match zipf {
            Some(zipf) => zipf.pick(&mut random) as u32,
            None => random.below(pages) as u32,
        };
        (0..self.count / self.threads).map(pick).collect()
    }
}

/// Touches pages of what lies at `start`; nanoseconds from the first to the last.
pub(crate) fn drive(start: *mut u8, len: usize, picks: &Picks) -> f64 {
    let of: Vec<_> = (0..picks.threads).map(|thread| picks.of(thread, len / PAGE)).collect();
    let base = start.expose_provenance();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for of in &of {
            scope.spawn(move || {
                let mut sum = 0u64;
                for page in of {
                    let address = base + *page as usize * PAGE + (*page as usize * 8) % PAGE;
                    let word = std::ptr::with_exposed_provenance_mut::<u64>(address);
                    // SAFETY: the callers' mappings are as long as they say, and no reference covers
                    // them. What threads write to one word at the same time may be lost: nobody asks.
                    unsafe {
                        let value = word.read_volatile();
                        sum = sum.wrapping_add(value);
                        if picks.write {
                            word.write_volatile(value.wrapping_add(1));
                        }
                    }
                }
                std::hint::black_box(sum);
            });
        }
    });
    begin.elapsed().as_nanos() as f64
}

/// The sum of all words.
pub(crate) fn sum(start: *const u8, len: usize) -> u64 {
    let words = start.cast::<u64>();
    let mut sums = [0u64; 8];
    for at in (0..len / 8).step_by(8) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the callers' mappings are as long as they say, and aligned.
            *sum = sum.wrapping_add(unsafe { words.add(at + lane).read_volatile() });
        }
    }
    sums.iter().fold(0, |all, sum| all.wrapping_add(*sum))
}
