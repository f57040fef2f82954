//! The `Range` header (RFC 9110), as far as one range of bytes goes. Pure.

/// Bytes to send: `start..start + length` of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The first byte.
    pub start: u64,
    /// How many.
    pub length: u64,
}

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Everything: no header, or one that a server may ignore (other units, several ranges, not understood).
    Whole,
    /// A part.
    Part(Slice),
    /// A part that lies outside.
    Unsatisfiable,
}

/// What `header` asks for of something `size` bytes long.
pub fn parse(header: Option<&str>, size: u64) -> Range {
    let Some(spec) = header.and_then(|header| header.strip_prefix("bytes=")) else { return Range::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Range::Whole };
    match (number(first), number(last)) {
        (Number::None, Number::Is(suffix)) => match suffix.min(size) {
            0 => Range::Unsatisfiable,
            length => Range::Part(Slice { start: size - length, length }),
        },
        (Number::Is(first), Number::None) if first < size => Range::Part(Slice { start: first, length: size - first }),
        (Number::Is(first), Number::Is(last)) if last < first => Range::Whole,
        (Number::Is(first), Number::Is(last)) if first < size => {
            Range::Part(Slice { start: first, length: last.min(size - 1) - first + 1 })
        }
        (Number::Is(_), Number::None | Number::Is(_)) => Range::Unsatisfiable,
        _ => Range::Whole,
    }
}

enum Number {
    None,
    Is(u64),
    Bad,
}

fn number(text: &str) -> Number {
    match text {
        "" => Number::None,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_or(Number::Is(u64::MAX), Number::Is),
        _ => Number::Bad,
    }
}
