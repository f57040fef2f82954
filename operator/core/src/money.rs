//! Amounts of EAI as exact integers of wei (10^-18 EAI).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Decimals of the EAI token.
pub const DECIMALS: usize = 18;
const ONE: u128 = 10u128.pow(18);

/// An amount of EAI in wei. Written and parsed as a decimal string of EAI, such as `"1.25"`.
///
/// The whole supply is 2.5e27 wei, so a `u128` (3.4e38) holds any sum that can exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u128);

/// Why a text is not an amount of EAI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Something other than ASCII digits and one point.
    #[error("write an amount of EAI as a decimal number, such as \"1.25\"; no sign, exponent or unit")]
    Malformed,
    /// More fractional digits than a wei can hold.
    #[error("an amount of EAI has at most 18 digits after the point")]
    TooPrecise,
    /// Beyond what fits; far beyond what exists.
    #[error("this amount is larger than all EAI there is")]
    TooLarge,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest value that can be represented.
    pub const MAX: Self = Self(u128::MAX);

    /// An amount of so many wei.
    pub const fn from_wei(wei: u128) -> Self {
        Self(wei)
    }

    /// An amount of so many whole EAI; `None` beyond what fits.
    pub fn from_eai(eai: u64) -> Option<Self> {
        u128::from(eai).checked_mul(ONE).map(Self)
    }

    /// This amount in wei.
    pub const fn wei(self) -> u128 {
        self.0
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` if it doesn't fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` if `other` is more.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The difference, zero if `other` is more.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum, at most [`Amount::MAX`].
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(AmountError::Malformed),
            Some(parts) => parts,
            None => (text, ""),
        };
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(AmountError::Malformed);
        }
        if fraction.len() > DECIMALS {
            return Err(AmountError::TooPrecise);
        }
        let whole: u128 = whole.parse().map_err(|_| AmountError::TooLarge)?;
        let fraction: u128 = format!("{fraction:0<DECIMALS$}").parse().map_err(|_| AmountError::Malformed)?;
        whole.checked_mul(ONE).and_then(|w| w.checked_add(fraction)).map(Self).ok_or(AmountError::TooLarge)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / ONE, self.0 % ONE);
        if fraction == 0 {
            return f.pad(&whole.to_string());
        }
        let fraction = format!("{fraction:018}");
        f.pad(&format!("{whole}.{}", fraction.trim_end_matches('0')))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
