//! Kubernetes resource quantities as exact integers.

/// Why a text is not a usable quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number with an optional suffix.
    #[error("write a quantity as a number with an optional suffix, such as 500m, 2, 1.5 or 4Gi")]
    Malformed,
    /// Below zero, which nothing can have or ask for.
    #[error("a quantity can't be negative")]
    Negative,
    /// Beyond what fits.
    #[error("this quantity is too large")]
    TooLarge,
}

/// A quantity in thousandths, rounded up as Kubernetes does: `"250m"` is 250, `"2"` is 2000.
pub fn parse_milli(text: &str) -> Result<u64, QuantityError> {
    scaled(text, 1000)
}

/// A quantity in whole units, rounded up: `"1Ki"` is 1024, `"2"` is 2.
pub fn parse_units(text: &str) -> Result<u64, QuantityError> {
    scaled(text, 1)
}

/// `text` x `scale`, rounded up.
fn scaled(text: &str, scale: u128) -> Result<u64, QuantityError> {
    if text.starts_with('-') {
        return Err(QuantityError::Negative);
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (numerator, denominator) = factor(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || fraction.len() > 12 {
        return Err(QuantityError::Malformed);
    }
    let digits = format!("{whole}{fraction}");
    let value: u128 = digits.parse().map_err(|_| QuantityError::TooLarge)?;
    let places = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| QuantityError::Malformed)?);
    let product = value.checked_mul(numerator).and_then(|v| v.checked_mul(scale)).ok_or(QuantityError::TooLarge)?;
    u64::try_from(product.div_ceil(denominator * places)).map_err(|_| QuantityError::TooLarge)
}

/// A suffix as a fraction.
fn factor(suffix: &str) -> Result<(u128, u128), QuantityError> {
    let power = |base: u128, n: u32| Ok((base.pow(n), 1));
    match suffix {
        "" => Ok((1, 1)),
        "n" => Ok((1, 1_000_000_000)),
        "u" => Ok((1, 1_000_000)),
        "m" => Ok((1, 1000)),
        "k" => power(1000, 1),
        "M" => power(1000, 2),
        "G" => power(1000, 3),
        "T" => power(1000, 4),
        "P" => power(1000, 5),
        "E" => power(1000, 6),
        "Ki" => power(1024, 1),
        "Mi" => power(1024, 2),
        "Gi" => power(1024, 3),
        "Ti" => power(1024, 4),
        "Pi" => power(1024, 5),
        "Ei" => power(1024, 6),
        _ => match suffix.strip_prefix(['e', 'E']).map(str::parse::<u32>) {
            Some(Ok(exponent @ 0..=18)) => power(10, exponent),
            _ => Err(QuantityError::Malformed),
        },
    }
}
