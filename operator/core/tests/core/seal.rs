use eai_core::seal::{KeyPair, Purpose, SealError, Sealed, seal};
use proptest::prelude::*;

const TOKEN: Purpose = Purpose::MemberToken;

#[test]
fn the_holder_of_the_key_opens_it() {
    let keys = KeyPair::generate();
    let sealed = seal(&keys.public(), TOKEN, "uid-1", b"secret").unwrap();
    assert_eq!(keys.open(TOKEN, "uid-1", &sealed).unwrap().as_slice(), b"secret");
}

#[test]
fn a_key_read_back_is_the_same_key() {
    let keys = KeyPair::generate();
    let again = KeyPair::from_private(&keys.private()).unwrap();
    assert_eq!(again.public(), keys.public());
    let sealed = seal(&keys.public(), TOKEN, "", b"").unwrap();
    assert_eq!(again.open(TOKEN, "", &sealed).unwrap().as_slice(), b"");
}

#[test]
fn nobody_else_opens_it() {
    let sealed = seal(&KeyPair::generate().public(), TOKEN, "uid", b"secret").unwrap();
    assert_eq!(KeyPair::generate().open(TOKEN, "uid", &sealed).unwrap_err(), SealError::NotForUs);
}

#[test]
fn purpose_and_context_are_bound() {
    let keys = KeyPair::generate();
    let sealed = seal(&keys.public(), TOKEN, "uid", b"secret").unwrap();
    assert_eq!(keys.open(Purpose::JobSecrets, "uid", &sealed).unwrap_err(), SealError::NotForUs);
    assert_eq!(keys.open(TOKEN, "other", &sealed).unwrap_err(), SealError::NotForUs);
}

#[test]
fn sealing_twice_looks_different() {
    let keys = KeyPair::generate();
    let once = seal(&keys.public(), TOKEN, "uid", b"secret").unwrap();
    assert_ne!(once, seal(&keys.public(), TOKEN, "uid", b"secret").unwrap());
}

#[test]
fn rubbish_is_refused_by_name() {
    let keys = KeyPair::generate();
    for key in ["", "!", "AAAA", &"A".repeat(400)] {
        assert_eq!(seal(key, TOKEN, "", b"").unwrap_err(), SealError::BadPublicKey, "{key}");
        assert_eq!(KeyPair::from_private(key).err(), Some(SealError::BadPrivateKey), "{key}");
    }
    let malformed = Sealed { encapsulated_key: "!".to_owned(), ciphertext: String::new() };
    assert_eq!(keys.open(TOKEN, "", &malformed).unwrap_err(), SealError::Malformed);
    let short = Sealed { ciphertext: String::new(), ..seal(&keys.public(), TOKEN, "", b"x").unwrap() };
    assert_eq!(keys.open(TOKEN, "", &short).unwrap_err(), SealError::NotForUs);
}

/// A key whose shared secret is all zeros (RFC 9180 7.1.4) must not be sealed to.
#[test]
fn a_key_of_small_order_is_refused() {
    assert_eq!(
        seal("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", TOKEN, "", b"x").unwrap_err(),
        SealError::BadPublicKey
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_text_opens_to_itself(plain in prop::collection::vec(any::<u8>(), 0..2000), context in ".{0,40}") {
        let keys = KeyPair::generate();
        let sealed = seal(&keys.public(), TOKEN, &context, &plain).unwrap();
        prop_assert_eq!(keys.open(TOKEN, &context, &sealed).unwrap().to_vec(), plain);
    }

    #[test]
    fn a_changed_letter_is_noticed(at in 0usize..40, letter in "[A-Za-z0-9+/]") {
        let keys = KeyPair::generate();
        let sealed = seal(&keys.public(), TOKEN, "uid", b"a secret of some length, to change").unwrap();
        let mut text = sealed.ciphertext.clone();
        text.replace_range(at..=at, &letter);
        let changed = Sealed { ciphertext: text, ..sealed.clone() };
        prop_assert_eq!(keys.open(TOKEN, "uid", &changed).is_ok(), changed == sealed);
    }
}
