use axum::http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::super::identity::*;

pub fn names() -> HeaderNames {
    HeaderNames {
        user: header_names("user", Some(r#"["X-Remote-User","X-Other-User"]"#)).unwrap(),
        uid: header_names("uid", Some(r#"["X-Remote-Uid"]"#)).unwrap(),
        group: header_names("group", Some(r#"["X-Remote-Group"]"#)).unwrap(),
        extra_prefix: vec!["x-remote-extra-".to_owned()],
    }
}

fn read(headers: &[(&str, &str)]) -> Option<Identity> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    Identity::read(&map, &names())
}

#[test]
fn everything_the_api_server_says_is_read() {
    let who = read(&[
        ("X-Remote-User", "system:serviceaccount:cn-m:agent"),
        ("X-Remote-Uid", "u-1"),
        ("X-Remote-Group", "system:serviceaccounts"),
        ("x-remote-group", "system:authenticated"),
        ("X-Remote-Extra-Authentication.kubernetes.io%2Fcredential-Id", "JTI=1"),
        ("X-Remote-Extra-scopes", "a"),
        ("X-Remote-Extra-Scopes", "b"),
        ("X-Unrelated", "x"),
    ])
    .unwrap();
    assert_eq!(who.user, "system:serviceaccount:cn-m:agent");
    assert_eq!(who.uid, "u-1");
    assert_eq!(who.groups, ["system:serviceaccounts", "system:authenticated"]);
    assert_eq!(who.extra.len(), 2);
    assert_eq!(who.extra["authentication.kubernetes.io/credential-id"], ["JTI=1"]);
    assert_eq!(who.extra["scopes"], ["a", "b"]);
}

#[test]
fn without_a_user_there_is_nobody() {
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[("X-Remote-Group", "system:masters")]), None);
    assert_eq!(read(&[("X-Remote-User", "")]), None);
}

#[test]
fn the_first_header_that_names_a_user_counts() {
    assert_eq!(read(&[("X-Other-User", "b"), ("X-Remote-User", "a")]).unwrap().user, "a");
    assert_eq!(read(&[("X-Other-User", "b"), ("X-Remote-User", "")]).unwrap().user, "b");
}

#[test]
fn a_group_that_is_no_text_makes_the_request_nobodys() {
    let mut map = HeaderMap::new();
    map.append("x-remote-user", HeaderValue::from_static("a"));
    map.append("x-remote-group", HeaderValue::from_bytes(&[0xff, 0xfe]).unwrap());
    assert_eq!(Identity::read(&map, &names()), None);
}

#[test]
fn lists_that_are_none_are_refused() {
    for text in ["", "x", "{}", "[1]", r#"["a b"]"#] {
        assert!(header_names("f", Some(text)).is_err(), "{text}");
    }
    assert_eq!(header_names("f", None), Ok(Vec::new()));
}

proptest! {
    #[test]
    fn an_escaped_key_comes_back(key in "[a-z0-9./ %_-]{1,20}", value in "[ -~]{0,20}") {
        let escaped: String = key.bytes().map(|b| {
            if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }
        }).collect();
        let mut map = HeaderMap::new();
        map.append("x-remote-user", HeaderValue::from_static("a"));
        map.append(HeaderName::try_from(format!("x-remote-extra-{escaped}")).unwrap(), HeaderValue::from_str(&value).unwrap());
        let who = Identity::read(&map, &names()).unwrap();
        prop_assert_eq!(&who.extra[&key], &vec![value]);
    }

    #[test]
    fn any_headers_may_come(pairs in proptest::collection::vec(("[a-zA-Z0-9%-]{1,30}", proptest::collection::vec(any::<u8>(), 0..20)), 0..20)) {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(format!("x-remote-{name}")), HeaderValue::from_bytes(&value)) {
                map.append(name, value);
            }
        }
        let _ = Identity::read(&map, &names());
    }
}
