//! Which pages `folio map` touches, a part of [`arguments`](crate::arguments).

use std::str::FromStr;

/// Which pages are touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// None.
    None,
    /// The first one.
    First,
    /// Every one, in order.
    All,
    /// So many different ones, in no order. At least one.
    Random(u64),
}

impl Touch {
    /// How many of so many pages it means.
    pub fn of(self, count: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::First => count.min(1),
            Self::All => count,
            Self::Random(some) => count.min(some),
        }
    }
}

impl FromStr for Touch {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "none, first, all, or random:N for N different pages, at least 1";
        match text {
            "none" => Ok(Self::None),
            "first" => Ok(Self::First),
            "all" => Ok(Self::All),
            _ => {
                let count = text.strip_prefix("random:").ok_or(EXPECTED)?;
                match count.parse() {
                    Ok(0) | Err(_) => Err(EXPECTED),
                    Ok(count) => Ok(Self::Random(count)),
                }
            }
        }
    }
}
