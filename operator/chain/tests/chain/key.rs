//! Keys are read from files and shown to nobody.

use eai_chain::{Key, KeyError};

/// A development key that anvil, hardhat and their like publish, and its address.
const SECRET: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

#[test]
fn a_key_file_may_have_a_prefix_and_white_space() {
    let path = std::env::temp_dir().join(format!("eai-chain-key-{}", std::process::id()));
    for text in [SECRET.to_owned(), format!("0x{SECRET}\n"), format!("  {}\r\n", SECRET.to_uppercase())] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(Key::load(&path).unwrap().address().to_string(), ADDRESS);
    }
    std::fs::remove_file(&path).unwrap();
    let error = Key::load(&path).unwrap_err();
    assert!(matches!(&error, KeyError::Unreadable { .. }));
    assert!(error.to_string().contains(path.to_str().unwrap()));
}

#[test]
fn what_isnt_a_key_is_refused_and_not_quoted() {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let zero = "0".repeat(64);
    let long = format!("{SECRET}00");
    for text in ["", "0x", &SECRET[1..], &long, "correct horse battery staple", order, &zero] {
        let error = Key::parse(text).unwrap_err();
        assert!(matches!(error, KeyError::Malformed));
        assert!(text.len() < 3 || !format!("{error}{error:?}").contains(text));
    }
}

#[test]
fn a_key_shows_its_address_only() {
    let key = Key::parse(SECRET).unwrap();
    let shown = format!("{key:?} {key:#?}");
    assert!(shown.contains(ADDRESS) && !shown.contains(&SECRET[..8]));
}
