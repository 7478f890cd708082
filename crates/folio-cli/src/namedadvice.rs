//! An advice by its name, a part of [`arguments`](crate::arguments).

use clap::ValueEnum;
use clap::builder::PossibleValue;
use folio::Advice;

/// An advice by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedAdvice(pub Advice);

const ADVICE: [(NamedAdvice, &str, &str); 16] = [
    (NamedAdvice(Advice::Normal), "normal", "the default read-ahead"),
    (NamedAdvice(Advice::Random), "random", "no read-ahead"),
    (NamedAdvice(Advice::Sequential), "sequential", "much read-ahead"),
    (NamedAdvice(Advice::WillNeed), "will-need", "start reading now"),
    (NamedAdvice(Advice::Cold), "cold", "first candidates for eviction"),
    (NamedAdvice(Advice::PageOut), "page-out", "evict now"),
    (NamedAdvice(Advice::PopulateRead), "populate-read", "bring in for reading"),
    (NamedAdvice(Advice::PopulateWrite), "populate-write", "bring in for writing"),
    (NamedAdvice(Advice::HugePages), "huge-pages", "transparent huge pages"),
    (NamedAdvice(Advice::NoHugePages), "no-huge-pages", "base pages only"),
    (NamedAdvice(Advice::Collapse), "collapse", "make transparent huge pages now"),
    (NamedAdvice(Advice::Mergeable), "mergeable", "share equal pages (KSM)"),
    (NamedAdvice(Advice::Unmergeable), "unmergeable", "undo mergeable"),
    (NamedAdvice(Advice::DontDump), "dont-dump", "leave out of core dumps"),
    (NamedAdvice(Advice::DoDump), "do-dump", "undo dont-dump"),
    (NamedAdvice(Advice::SoftOffline), "soft-offline", "move off the physical pages; needs root"),
];

static ADVICE_VALUES: [NamedAdvice; 16] = {
    let mut values = [NamedAdvice(Advice::Normal); 16];
    let mut index = 0;
    while index < values.len() {
        values[index] = ADVICE[index].0;
        index += 1;
    }
    values
};

impl ValueEnum for NamedAdvice {
    fn value_variants<'a>() -> &'a [Self] {
        &ADVICE_VALUES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (_, name, help) = ADVICE.iter().find(|(advice, ..)| advice == self)?;
        Some(PossibleValue::new(*name).help(*help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advice_of_the_library_has_a_name() {
        for advice in Advice::ALL {
            assert!(ADVICE_VALUES.contains(&NamedAdvice(advice)), "{advice:?}");
            let name = NamedAdvice(advice).to_possible_value().unwrap().get_name().to_owned();
            assert_eq!(NamedAdvice::from_str(&name, false), Ok(NamedAdvice(advice)));
        }
    }
}
