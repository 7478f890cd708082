//! Replacement policies over traces: how many touches find their page in memory. The policies are driven
//! as the pager drives them; LRU and OPT (Belady's, which knows the future) are references.

use std::collections::{BTreeSet, HashMap};

use folio_pager::policy::{Policy, Replacement, Verdict};

use crate::contest::{Contest, Hits};
use crate::pick::{Random, Zipf};

/// A budget of frames, and the part of the pager that chooses (crates/folio-pager/src/evict.rs).
struct Simulation {
    policy: Box<dyn Policy>,
    room: usize,
    /// By frame: the key, whether it rests, and how many loads came before.
    frames: Vec<Option<(u32, bool, u64)>>,
    free: Vec<u32>,
    /// By key.
    at: Vec<u32>,
    loads: u64,
    rests: u64,
}

const ABSENT: u32 = u32::MAX;

impl Simulation {
    fn new(replacement: Replacement, room: usize, keys: usize) -> Self {
        Self {
            policy: replacement.policy(room),
            room,
            frames: vec![None; room],
            free: (0..room as u32).rev().collect(),
            at: vec![ABSENT; keys],
            loads: 0,
            rests: 0,
        }
    }

    fn len(&self) -> usize {
        self.room - self.free.len()
    }

    /// Whether it was there.
    fn touch(&mut self, key: u32) -> bool {
        let frame = self.at[key as usize];
        if frame != ABSENT {
            if let Some((_, resting, _)) = &mut self.frames[frame as usize]
                && std::mem::take(resting)
            {
                self.policy.touched(frame);
            }
            return true;
        }
        while self.free.is_empty() {
            self.choose();
        }
        let frame = self.free.pop().unwrap();
        self.loads += 1;
        self.frames[frame as usize] = Some((key, false, self.loads));
        self.at[key as usize] = frame;
        self.policy.insert(frame, u64::from(key));
        false
    }

    fn choose(&mut self) {
        let frames = self.len() as u64;
        let spare = (frames / 64).min(512);
        let spared = 4.min(frames / 2);
        let (mut evicted, mut rests) = (0, 2 * spare + 32);
        let mut victims = Vec::new();
        for _ in 0..2 * frames + 2 {
            if evicted > spare {
                break;
            }
            let Some(verdict) = self.policy.next() else { break };
            let (frame, rest) = match verdict {
                Verdict::Rest(frame) => (frame, rests > 0),
                Verdict::Evict(frame) => (frame, false),
            };
            let Some((_, resting, born)) = &mut self.frames[frame as usize] else { continue };
            if rest && *resting {
                continue;
            }
            // Claimed already.
            if victims.contains(&frame) {
                self.policy.kept(frame);
                continue;
            }
            if self.loads - *born < spared && !*resting {
                self.policy.kept(frame);
                continue;
            }
            if rest {
                rests -= 1;
                *resting = true;
                self.rests += 1;
                continue;
            }
            victims.push(frame);
            evicted += 1;
        }
        for frame in victims {
            if let Some((key, _, _)) = self.frames[frame as usize].take() {
                self.at[key as usize] = ABSENT;
                self.policy.remove(frame);
                self.free.push(frame);
            }
        }
    }
}

fn lru(trace: &[u32], room: usize) -> usize {
    let mut last: HashMap<u32, usize> = HashMap::new();
    let mut order: BTreeSet<(usize, u32)> = BTreeSet::new();
    let mut hits = 0;
    for (now, &key) in trace.iter().enumerate() {
        match last.insert(key, now) {
            Some(before) if order.remove(&(before, key)) => hits += 1,
            _ if order.len() == room => {
                order.pop_first();
            }
            _ => {}
        }
        order.insert((now, key));
    }
    hits
}

fn opt(trace: &[u32], room: usize) -> usize {
    let mut next = vec![usize::MAX; trace.len()];
    let mut seen: HashMap<u32, usize> = HashMap::new();
    for (now, &key) in trace.iter().enumerate().rev() {
        // Those that never come again differ, so that the order is one.
        next[now] = seen.insert(key, now).unwrap_or(usize::MAX - now);
    }
    let mut held: HashMap<u32, usize> = HashMap::new();
    let mut order: BTreeSet<(usize, u32)> = BTreeSet::new();
    let mut hits = 0;
    for (now, &key) in trace.iter().enumerate() {
        if let Some(due) = held.remove(&key) {
            order.remove(&(due, key));
            hits += 1;
        } else if held.len() == room
            && let Some((_, victim)) = order.pop_last()
        {
            held.remove(&victim);
        }
        held.insert(key, next[now]);
        order.insert((next[now], key));
    }
    hits
}

fn traces(room: usize, keys: usize, count: usize) -> Vec<(String, Vec<u32>)> {
    let mut random = Random(11);
    let mut traces = Vec::new();
    traces.push(("uniform".to_owned(), (0..count).map(|_| random.below(keys) as u32).collect()));
    for exponent in [0.8, 0.99, 1.2] {
        let zipf = Zipf::new(keys, exponent);
        let trace = (0..count).map(|_| zipf.pick(&mut random) as u32).collect();
        traces.push((format!("Zipf {exponent}"), trace));
    }
    traces.push(("scan".to_owned(), (0..count).map(|at| (at % keys) as u32).collect()));
    let round = room + room / 8;
    traces.push((
        "loop, 9/8 of memory".to_owned(),
        (0..count).map(|at| (at % round) as u32).collect(),
    ));
    let zipf = Zipf::new(keys / 2, 0.99);
    let mut scanned = 0;
    let mixed = (0..count).map(|at| {
        if at % 4 == 0 {
            scanned += 1;
            (keys / 2 + scanned % (keys / 2)) as u32
        } else {
            zipf.pick(&mut random) as u32
        }
    });
    traces.push(("Zipf 0.99 and a scan".to_owned(), mixed.collect()));
    let hot = room / 2;
    let shifting = (0..count).map(|at| {
        let base = at / (count / 8) * hot;
        let within =
            if random.below(10) < 9 { base + random.below(hot) } else { random.below(keys) };
        (within % keys) as u32
    });
    traces.push(("a hot set that moves".to_owned(), shifting.collect()));
    traces
}

pub(crate) fn rows(contest: &mut Contest) {
    if !contest.wants("policies") {
        return;
    }
    let keys = if contest.quick { 1 << 14 } else { 1 << 17 };
    for share in [8, 32] {
        let room = keys / share;
        for (name, trace) in traces(room, keys, keys * 12) {
            let percent = |hits: usize| 100.0 * hits as f64 / trace.len() as f64;
            let mut by = Vec::new();
            for (policy, replacement) in [
                ("S3-FIFO", Replacement::S3Fifo),
                ("SIEVE", Replacement::Sieve),
                ("CLOCK", Replacement::Clock),
            ] {
                let mut simulation = Simulation::new(replacement, room, keys);
                let hits = trace.iter().filter(|key| simulation.touch(**key)).count();
                by.push((policy, percent(hits)));
                by.push(("rests", percent(simulation.rests as usize)));
            }
            by.push(("LRU", percent(lru(&trace, room))));
            by.push(("OPT", percent(opt(&trace, room))));
            contest.hits.push(Hits { trace: format!("{name}, memory 1/{share}"), by });
        }
    }
}
