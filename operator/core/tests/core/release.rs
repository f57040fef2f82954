//! Which releases an owner's agent takes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use eai_core::{
    digest::Digest,
    image::ImageRef,
    release::{MOST_PAYLOAD, ReleaseError, ReleaseKey, is_newer, verify},
};
use proptest::prelude::*;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

struct Signer {
    pair: EcdsaKeyPair,
    key: ReleaseKey,
}

/// A public key of P-256 as openssl and cosign write it.
fn pem(point: &[u8]) -> String {
    let mut der = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    der.extend_from_slice(point);
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let key = ReleaseKey::from_pem(&pem(pair.public_key().as_ref())).unwrap();
        Self { pair, key }
    }

    fn sign(&self, payload: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), payload).unwrap().as_ref().to_vec()
    }
}

fn image() -> ImageRef {
    format!("registry.example.com/eai/eai-agent@{}", Digest::of(b"0.2.0")).parse().unwrap()
}

fn payload() -> Value {
    json!({
        "critical": {
            "identity": { "docker-reference": "registry.example.com/eai/eai-agent" },
            "image": { "docker-manifest-digest": Digest::of(b"0.2.0").to_string() },
            "type": "cosign container image signature",
        },
        "optional": { "eai.network/version": "0.2.0", "by": "a person" },
    })
}

/// What comes of `change` in the payload, signed all the same.
fn signed(change: impl FnOnce(&mut Value)) -> Result<String, ReleaseError> {
    let mut value = payload();
    change(&mut value);
    signed_bytes(value.to_string().as_bytes())
}

fn signed_bytes(bytes: &[u8]) -> Result<String, ReleaseError> {
    let signer = Signer::new();
    verify(&signer.key, &image(), "0.2.0", bytes, &signer.sign(bytes)).map(|version| version.to_string())
}

#[test]
fn what_the_release_key_signed_is_taken() {
    assert_eq!(signed(|_| {}), Ok("0.2.0".to_owned()));
    assert_eq!(signed_bytes(format!(" {} \n", payload()).as_bytes()), Ok("0.2.0".to_owned()), "space is JSON's");
}

/// Made with the openssl command, as docs/updates.md says: the form is theirs, not ours.
#[test]
fn what_openssl_signed_is_taken() {
    let key = ReleaseKey::from_pem(include_str!("release/key.pub")).unwrap();
    let payload = include_bytes!("release/payload.json");
    let signature = STANDARD.decode(include_str!("release/payload.sig").trim()).unwrap();
    let image = format!("registry.example.com/eai/eai-agent@sha256:{}", "5".repeat(64)).parse().unwrap();
    assert_eq!(verify(&key, &image, "0.2.0", payload, &signature).unwrap().to_string(), "0.2.0");
}

#[test]
fn a_signature_that_is_not_the_keys_over_these_bytes_is_refused() {
    let (signer, other, bytes) = (Signer::new(), Signer::new(), payload().to_string());
    let signature = signer.sign(bytes.as_bytes());
    let says = |key: &ReleaseKey, bytes: &[u8], signature: &[u8]| verify(key, &image(), "0.2.0", bytes, signature);
    assert!(says(&signer.key, bytes.as_bytes(), &signature).is_ok());
    assert_eq!(says(&other.key, bytes.as_bytes(), &signature), Err(ReleaseError::BadSignature));
    assert_eq!(says(&signer.key, format!("{bytes} ").as_bytes(), &signature), Err(ReleaseError::BadSignature));
    for wrong in [&[][..], &[0; 72], &signature[..signature.len() - 1], &[&signature[..], &[0]].concat()] {
        assert_eq!(says(&signer.key, bytes.as_bytes(), wrong), Err(ReleaseError::BadSignature), "{wrong:?}");
    }
}

#[test]
fn what_is_signed_and_says_something_else_is_refused() {
    let critical = |name: &'static str, to: Value| move |value: &mut Value| value["critical"][name] = to;
    let version = |to: Value| move |value: &mut Value| value["optional"]["eai.network/version"] = to;
    let other = Digest::of(b"another");
    let digest = json!({ "docker-manifest-digest": other.to_string() });
    assert_eq!(signed(critical("image", digest)), Err(ReleaseError::WrongDigest { signed: other }));
    assert_eq!(signed(critical("type", json!("atomic container signature"))), Err(ReleaseError::WrongType));
    let older = ReleaseError::WrongVersion { signed: "0.1.9".parse().unwrap(), offered: "0.2.0".to_owned() };
    assert_eq!(signed(version(json!("0.1.9"))), Err(older));
    let malformed = Err(ReleaseError::Malformed);
    for wrong in [json!(null), json!(2), json!("latest"), json!("v0.2.0"), json!("0.2"), json!("0.2.0 ")] {
        assert_eq!(signed(version(wrong.clone())), malformed, "{wrong}");
    }
    assert_eq!(signed(critical("image", json!({ "docker-manifest-digest": "sha256:12" }))), malformed);
    assert_eq!(signed(critical("image", json!({}))), malformed);
    assert_eq!(signed(critical("type", json!(["cosign container image signature"]))), malformed);
    for field in ["critical", "optional"] {
        assert_eq!(signed(|value| drop(value.as_object_mut().unwrap().remove(field))), malformed, "no {field}");
        assert_eq!(signed(|value| value[field] = json!(null)), malformed, "{field} is null");
    }
}

#[test]
fn bytes_that_are_no_payload_are_refused_although_they_are_signed() {
    let whole = payload().to_string();
    let twice = whole.replace("\"by\"", "\"eai.network/version\":\"0.3.0\",\"by\"");
    for wrong in ["", "{}", "[]", "null", "\u{0}", &whole[1..], &whole[..whole.len() - 1], &format!("{whole}x"), &twice]
    {
        assert_eq!(signed_bytes(wrong.as_bytes()), Err(ReleaseError::Malformed), "{wrong}");
    }
    assert_eq!(signed_bytes(&[0xff, 0xfe]), Err(ReleaseError::Malformed));
    let huge = format!("{whole}{}", " ".repeat(MOST_PAYLOAD));
    assert_eq!(signed_bytes(huge.as_bytes()), Err(ReleaseError::TooLong(huge.len())));
}

#[test]
fn an_offer_under_another_version_is_refused() {
    let (signer, bytes) = (Signer::new(), payload().to_string());
    let signature = signer.sign(bytes.as_bytes());
    for wrong in ["0.2.1", "0.2.0-rc.1", "0.2.0+1", "", "latest"] {
        let said = verify(&signer.key, &image(), wrong, bytes.as_bytes(), &signature);
        assert!(matches!(said, Err(ReleaseError::WrongVersion { .. })), "{wrong}: {said:?}");
    }
}

#[test]
fn only_a_public_key_of_p256_in_pem_is_a_release_key() {
    let point = [&[4][..], &[7; 64]].concat();
    assert!(ReleaseKey::from_pem(&pem(&point)).is_ok());
    let private = pem(&point).replace("PUBLIC", "PRIVATE");
    let compressed = pem(&[&[2][..], &[7; 64]].concat());
    for wrong in ["", "key", "-----BEGIN PUBLIC KEY-----", &private, &compressed, &pem(&point[..64]), &pem(&[4; 66])] {
        assert!(ReleaseKey::from_pem(wrong).is_err(), "{wrong}");
    }
    let ed25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----";
    assert!(ReleaseKey::from_pem(ed25519).is_err());
}

#[test]
fn a_version_is_newer_only_if_it_comes_after() {
    for (new, old, wanted) in [
        ("0.2.0", "0.1.9", true),
        ("0.10.0", "0.9.0", true),
        ("1.0.0", "1.0.0-rc.1", true),
        ("0.2.0", "0.2.0", false),
        ("0.2.0+build.2", "0.2.0+build.1", false),
        ("0.2.0-rc.1", "0.2.0", false),
        ("0.1.0", "0.2.0", false),
    ] {
        assert_eq!(is_newer(&new.parse().unwrap(), &old.parse().unwrap()), wanted, "{new} after {old}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever bit of payload or signature is changed, it isn't taken.
    #[test]
    fn one_bit_is_enough(at in any::<prop::sample::Index>(), bit in 0..8_u8, in_signature in any::<bool>()) {
        let (signer, mut bytes) = (Signer::new(), payload().to_string().into_bytes());
        let mut signature = signer.sign(&bytes);
        let target = if in_signature { &mut signature } else { &mut bytes };
        let at = at.index(target.len());
        target[at] ^= 1 << bit;
        prop_assert_eq!(verify(&signer.key, &image(), "0.2.0", &bytes, &signature), Err(ReleaseError::BadSignature));
    }

    /// Whatever is given, the answer is an answer.
    #[test]
    fn anything_may_come(payload in prop::collection::vec(any::<u8>(), 0..200), signature in prop::collection::vec(any::<u8>(), 0..80), text in ".{0,80}") {
        let signer = Signer::new();
        prop_assert!(verify(&signer.key, &image(), &text, &payload, &signature).is_err());
        let own = signer.sign(&payload);
        prop_assert!(verify(&signer.key, &image(), "0.2.0", &payload, &own).is_err());
        prop_assert!(ReleaseKey::from_pem(&text).is_err());
    }
}
