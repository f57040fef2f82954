use eai_core::address::{Address, AddressError};
use proptest::prelude::*;

#[test]
fn reads_any_case_and_writes_lower() {
    let lower = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
    let mixed: Address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
    assert_eq!(mixed.to_string(), lower);
    assert_eq!(format!("{mixed:?}"), lower);
    assert_eq!(lower.parse(), Ok(mixed));
}

#[test]
fn refuses_what_is_no_address() {
    let digits = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266";
    for text in [
        "",
        "0x",
        digits,
        &format!("0X{digits}"),
        &format!("0x{digits}0"),
        &format!("0x{}", &digits[1..]),
        &format!("0x{}g", &digits[1..]),
    ] {
        assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
    }
}

#[test]
fn json_is_the_text() {
    let address = Address([0xab; 20]);
    let text = serde_json::to_string(&address).unwrap();
    assert_eq!(text, format!("\"0x{}\"", "ab".repeat(20)));
    assert_eq!(serde_json::from_str::<Address>(&text).unwrap(), address);
    assert!(serde_json::from_str::<Address>("\"0xab\"").is_err());
    assert!(serde_json::from_str::<Address>("[1]").is_err());
}

proptest! {
    #[test]
    fn reads_back(bytes: [u8; 20]) {
        let address = Address(bytes);
        prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
    }
}
