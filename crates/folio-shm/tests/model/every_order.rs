//! Runs of a scenario in every order.

/// Runs a scenario in every order with so many preemptions.
pub fn check(preemptions: usize, scenario: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // `LOOM_MAX_PREEMPTIONS` makes it quicker where it has been run in full.
    let most = builder.preemption_bound.unwrap_or(preemptions);
    builder.preemption_bound = Some(preemptions.min(most));
    builder.max_branches = 10_000;
    builder.check(scenario);
}
