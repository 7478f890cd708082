//! Runs of a scenario in orders chosen at random.

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner};

use super::kernel;

/// Runs a scenario so often that few orders are left out, `FOLIO_SHM_RUNS` times if that is said; it is told after how
/// many steps somebody dies.
pub fn check(most_steps: usize, scenario: impl Fn(usize) + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    let runs = std::env::var("FOLIO_SHM_RUNS").map_or(3000, |runs| runs.parse().unwrap());
    Runner::new(RandomScheduler::new(runs), config).run(move || {
        // Where a process cannot have a pidfd, it looks around.
        if thread_rng().gen_bool(0.1) {
            kernel::forbid_watching();
        }
        scenario(up_to(most_steps));
    });
}

/// A number, at most this.
pub fn up_to(most: usize) -> usize {
    thread_rng().gen_range(0..=most)
}
