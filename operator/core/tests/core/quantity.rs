use eai_core::quantity::{QuantityError, parse_milli, parse_units};
use proptest::prelude::*;

#[test]
fn cores() {
    for (text, milli) in [
        ("0", 0),
        ("250m", 250),
        ("1", 1000),
        ("1.5", 1500),
        ("0.5", 500),
        (".5", 500),
        ("2.", 2000),
        ("1k", 1_000_000),
        ("100u", 1),
        ("1n", 1),
        ("+2", 2000),
        ("1e3", 1_000_000),
        ("2E2", 200_000),
    ] {
        assert_eq!(parse_milli(text), Ok(milli), "{text}");
    }
}

#[test]
fn bytes() {
    for (text, bytes) in [
        ("128974848", 128_974_848),
        ("129e6", 129_000_000),
        ("129M", 129_000_000),
        ("123Mi", 128_974_848),
        ("1Ki", 1024),
        ("1.5Gi", 1_610_612_736),
        ("1Ti", 1 << 40),
        ("1Pi", 1 << 50),
        ("1Ei", 1 << 60),
        ("1E", 10u64.pow(18)),
        ("1m", 1),
    ] {
        assert_eq!(parse_units(text), Ok(bytes), "{text}");
    }
}

#[test]
fn refuses_what_is_no_quantity() {
    for text in ["", "m", "Gi", ".", "1.2.3", "1 Gi", "1gi", "abc", "1e", "1e-3", "1e99", "0x10", "1Mii", "１"] {
        assert_eq!(parse_units(text), Err(QuantityError::Malformed), "{text:?}");
    }
    for text in ["-1", "-0", "-500m"] {
        assert_eq!(parse_milli(text), Err(QuantityError::Negative), "{text}");
    }
    for text in ["17Ei", "99999999999999999999", "1e18E"] {
        assert!(parse_units(text).is_err(), "{text}");
    }
    assert_eq!(parse_units("17Ei"), Err(QuantityError::TooLarge));
    assert_eq!(parse_units(&"9".repeat(50)), Err(QuantityError::TooLarge));
}

proptest! {
    #[test]
    fn whole_numbers_are_themselves(n in 0u64..u64::MAX / 1000) {
        prop_assert_eq!(parse_units(&n.to_string()), Ok(n));
        prop_assert_eq!(parse_milli(&n.to_string()), Ok(n * 1000));
        prop_assert_eq!(parse_milli(&format!("{n}m")), Ok(n));
    }

    /// Never less than asked for: a fraction of a unit counts as a whole one.
    #[test]
    fn rounds_up(whole in 0u64..1_000_000, fraction in 1u64..1_000_000) {
        prop_assert_eq!(parse_units(&format!("{whole}.{fraction:06}")), Ok(whole + 1));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}") {
        let _ = parse_milli(&text);
        let _ = parse_units(&text);
    }
}
