use eai_core::digest::{Digest, DigestError};
use proptest::prelude::*;

/// FIPS 180-4's example.
const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn is_sha256() {
    assert_eq!(Digest::of(b"abc").to_string(), ABC);
    assert_eq!(ABC.parse::<Digest>(), Ok(Digest::of(b"abc")));
    assert_eq!(Digest::from_bytes(*Digest::of(b"abc").bytes()), Digest::of(b"abc"));
}

#[test]
fn one_spelling_only() {
    let short = &ABC[..ABC.len() - 1];
    for text in [
        "",
        "sha256:",
        &ABC[7..],
        short,
        &format!("{ABC}0"),
        &ABC.to_uppercase(),
        &ABC.replace("ba78", "BA78"),
        &format!(" {ABC}"),
    ] {
        assert_eq!(text.parse::<Digest>(), Err(DigestError), "{text}");
    }
}

#[test]
fn json_is_the_text() {
    let digest = Digest::of(b"abc");
    assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{ABC}\""));
    assert_eq!(serde_json::from_str::<Digest>(&format!("\"{ABC}\"")).unwrap(), digest);
    assert!(serde_json::from_str::<Digest>("\"sha256:00\"").is_err());
    assert!(serde_json::from_str::<Digest>("7").is_err());
}

proptest! {
    #[test]
    fn reads_back(bytes: [u8; 32]) {
        let digest = Digest::from_bytes(bytes);
        prop_assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
    }
}
