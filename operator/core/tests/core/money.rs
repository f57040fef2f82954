use eai_core::money::{Amount, AmountError};
use proptest::prelude::*;

fn wei(text: &str) -> u128 {
    text.parse::<Amount>().unwrap().wei()
}

#[test]
fn reads_whole_and_fractional_eai() {
    assert_eq!(wei("0"), 0);
    assert_eq!(wei("1"), 10u128.pow(18));
    assert_eq!(wei("1.25"), 1_250_000_000_000_000_000);
    assert_eq!(wei("0.000000000000000001"), 1);
    assert_eq!(wei("0001.500"), 1_500_000_000_000_000_000);
    assert_eq!(wei("2500000000"), 2_500_000_000 * 10u128.pow(18));
}

#[test]
fn writes_the_shortest_form() {
    for (wei, text) in [
        (0, "0"),
        (1, "0.000000000000000001"),
        (10u128.pow(18), "1"),
        (1_250_000_000_000_000_000, "1.25"),
        (100 * 10u128.pow(18), "100"),
    ] {
        assert_eq!(Amount::from_wei(wei).to_string(), text);
    }
}

#[test]
fn pads_for_tables() {
    assert_eq!(format!("{:>6}|", Amount::from_eai(5).unwrap()), "     5|");
    assert_eq!(format!("{:<6}|", "1.5".parse::<Amount>().unwrap()), "1.5   |");
}

#[test]
fn refuses_what_is_no_amount() {
    for text in
        ["", "-1", "+1", "1e18", "1,5", "1.", ".5", ".", "1.2.3", " 1", "1 ", "1 EAI", "0x10", "NaN", "inf", "١"]
    {
        assert_eq!(text.parse::<Amount>(), Err(AmountError::Malformed), "{text:?}");
    }
}

#[test]
fn refuses_more_digits_than_a_wei_has() {
    assert_eq!("0.0000000000000000001".parse::<Amount>(), Err(AmountError::TooPrecise));
    assert_eq!("1.0000000000000000000".parse::<Amount>(), Err(AmountError::TooPrecise));
}

#[test]
fn refuses_more_than_fits() {
    assert_eq!(Amount::MAX.to_string().parse::<Amount>(), Ok(Amount::MAX));
    assert_eq!("340282366920938463464".parse::<Amount>(), Err(AmountError::TooLarge));
    assert_eq!("340282366920938463463.374607431768211456".parse::<Amount>(), Err(AmountError::TooLarge));
    assert_eq!("9".repeat(60).parse::<Amount>(), Err(AmountError::TooLarge));
    assert_eq!(Amount::from_eai(u64::MAX).unwrap().wei(), u128::from(u64::MAX) * 10u128.pow(18));
}

#[test]
fn arithmetic_never_wraps() {
    let one = Amount::from_wei(1);
    assert_eq!(Amount::MAX.checked_add(one), None);
    assert_eq!(Amount::ZERO.checked_sub(one), None);
    assert_eq!(Amount::MAX.saturating_add(one), Amount::MAX);
    assert_eq!(Amount::ZERO.saturating_sub(one), Amount::ZERO);
    assert_eq!(one.checked_add(one), Some(Amount::from_wei(2)));
    assert_eq!(one.checked_sub(one), Some(Amount::ZERO));
    assert!(Amount::ZERO.is_zero() && !one.is_zero());
}

#[test]
fn json_is_a_string_and_nothing_else() {
    let amount: Amount = "1.5".parse().unwrap();
    assert_eq!(serde_json::to_string(&amount).unwrap(), "\"1.5\"");
    assert_eq!(serde_json::from_str::<Amount>("\"1.5\"").unwrap(), amount);
    for text in ["1.5", "1", "null", "\"-1\"", "{}"] {
        assert!(serde_json::from_str::<Amount>(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(wei: u128) {
        let amount = Amount::from_wei(wei);
        prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        if let Ok(amount) = text.parse::<Amount>() {
            prop_assert!(text.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }
    }

    #[test]
    fn order_is_the_order_of_wei(a: u128, b: u128) {
        prop_assert_eq!(Amount::from_wei(a).cmp(&Amount::from_wei(b)), a.cmp(&b));
    }
}
