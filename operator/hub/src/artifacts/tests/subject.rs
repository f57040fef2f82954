use proptest::prelude::*;
use rcgen::{DnType, ExtendedKeyUsagePurpose};

use super::{super::subject::common_name, authority::Authority};

fn name_of(name: Vec<(DnType, &str)>) -> Option<String> {
    let pair = Authority::new("ca").issue_with(name, ExtendedKeyUsagePurpose::ClientAuth);
    let certificate = webpki::EndEntityCert::try_from(&pair.der).unwrap();
    common_name(certificate.subject()).map(str::to_owned)
}

#[test]
fn the_common_name_is_found_among_other_attributes() {
    assert_eq!(name_of(vec![(DnType::CommonName, "front-proxy-client")]).as_deref(), Some("front-proxy-client"));
    let long = "x".repeat(64);
    for (before, after) in [(DnType::OrganizationName, DnType::CommonName), (DnType::CommonName, DnType::CountryName)] {
        let name = vec![(before.clone(), long.as_str()), (after.clone(), "de")];
        let expected = if before == DnType::CommonName { &long } else { "de" };
        assert_eq!(name_of(name).as_deref(), Some(expected));
    }
}

#[test]
fn a_subject_without_a_common_name_has_none() {
    assert_eq!(name_of(vec![]), None);
    assert_eq!(name_of(vec![(DnType::OrganizationName, "front-proxy-client")]), None);
}

/// A set of one attribute: the common name `text`.
fn set(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let mut bytes = vec![0x31, length + 9, 0x30, length + 7, 0x06, 3, 0x55, 4, 3, 0x0c, length];
    bytes.extend(text.as_bytes());
    bytes
}

#[test]
fn two_common_names_are_none() {
    assert_eq!(common_name(&set("a")), Some("a"));
    assert_eq!(common_name(&[set("a"), set("a")].concat()), None);
}

#[test]
fn a_cut_or_padded_subject_has_none() {
    let whole = set("front-proxy-client");
    for length in 0..whole.len() {
        assert_eq!(common_name(&whole[..length]), None);
    }
    assert_eq!(common_name(&[whole, vec![0]].concat()), None);
}

#[test]
fn lengths_are_written_in_one_way_only() {
    let mut padded = set("a");
    padded.splice(1..2, [0x81, padded[1]]);
    assert_eq!(common_name(&padded), None);
}

proptest! {
    #[test]
    fn any_bytes_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = common_name(&bytes);
    }

    #[test]
    fn a_changed_byte_never_makes_another_name_of_the_allowed_one(at in 0usize..29, byte in any::<u8>()) {
        let mut bytes = set("front-proxy-client");
        bytes[at] = byte;
        if let Some(name) = common_name(&bytes) {
            prop_assert_eq!(name.len(), "front-proxy-client".len());
        }
    }
}
