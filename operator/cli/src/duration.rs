//! Durations as people write them: `90s`, `30m`, `24h`, `7d`.

use std::{str::FromStr, time::Duration};

/// A duration of whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub u64);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = text.chars().last().filter(char::is_ascii_alphabetic);
        let digits = unit.map_or(text, |u| text.strip_suffix(u).unwrap_or(text));
        let factor = match unit {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            _ => return Err("write a duration such as 90s, 30m, 24h or 7d".to_owned()),
        };
        let number: u64 = digits.parse().map_err(|_| "write a duration such as 90s, 30m, 24h or 7d".to_owned())?;
        number.checked_mul(factor).filter(|s| *s > 0).map(Self).ok_or_else(|| "out of range".to_owned())
    }
}

impl From<Seconds> for Duration {
    fn from(seconds: Seconds) -> Self {
        Self::from_secs(seconds.0)
    }
}

/// How long ago, as kubectl writes ages: `45s`, `12m`, `3h`, `9d`.
pub fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..120 => format!("{s}s"),
        s @ 120..7200 => format!("{}m", s / 60),
        s @ 7200..172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units() {
        for (text, seconds) in [("1s", 1), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
        }
        for text in ["", "s", "5", "-1h", "1.5h", "1y", "0s", "5 m", "99999999999999999d", "٣h", "1é"] {
            assert!(text.parse::<Seconds>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ages_are_short() {
        for (seconds, text) in
            [(-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_800, "2d")]
        {
            assert_eq!(age(seconds), text);
        }
    }
}
