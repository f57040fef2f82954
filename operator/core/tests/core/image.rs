use eai_core::image::{ImageError, ImageRef};
use proptest::prelude::*;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn parse(name: &str) -> Result<ImageRef, ImageError> {
    format!("{name}@{DIGEST}").parse()
}

#[test]
fn reads_registry_repository_and_digest() {
    for (name, registry, repository) in [
        ("registry.example.com/team/trainer", "registry.example.com", "team/trainer"),
        ("10.0.0.1:5000/a", "10.0.0.1:5000", "a"),
        ("localhost/a/b/c", "localhost", "a/b/c"),
        ("localhost:5000/a_b.c-d", "localhost:5000", "a_b.c-d"),
        ("[::1]:5000/a", "[::1]:5000", "a"),
    ] {
        let image = parse(name).unwrap();
        assert_eq!((image.registry(), image.repository()), (registry, repository));
        assert_eq!(image.digest().to_string(), DIGEST);
        assert_eq!(image.to_string(), format!("{name}@{DIGEST}"));
    }
}

#[test]
fn a_tag_is_no_digest() {
    for text in [
        "registry.example.com/a",
        "registry.example.com/a:latest",
        "registry.example.com/a@sha256:abc",
        "registry.example.com/a@sha512:00",
        "registry.example.com/a@",
        "",
    ] {
        assert_eq!(text.parse::<ImageRef>(), Err(ImageError::NoDigest), "{text}");
    }
    let upper = format!("registry.example.com/a@{}", DIGEST.to_uppercase().replace("SHA256", "sha256"));
    assert_eq!(upper.parse::<ImageRef>(), Err(ImageError::NoDigest));
}

#[test]
fn a_name_needs_its_registry() {
    for name in ["trainer", "team/trainer", "bad host.com/a", "/a", "user:pw@host.com/a", "a.b\n/c"] {
        assert!(parse(name).is_err(), "{name:?}");
    }
    assert_eq!(parse("team/trainer"), Err(ImageError::NoRegistry));
}

#[test]
fn a_repository_is_clean() {
    for name in
        ["r.io/", "r.io/A", "r.io/a//b", "r.io/a/", "r.io/../etc", "r.io/.a", "r.io/a-", "r.io/a b", "r.io/a:tag"]
    {
        assert_eq!(parse(name), Err(ImageError::BadRepository), "{name}");
    }
}

#[test]
fn a_prefix_ends_at_a_slash() {
    let image = parse("r.io/team/trainer").unwrap();
    for prefix in ["r.io", "r.io/", "r.io/team", "r.io/team/", "r.io/team/trainer"] {
        assert!(image.is_under(prefix), "{prefix}");
    }
    for prefix in ["", "/", "r", "r.i", "r.io/tea", "r.io/team/train", "r.io/teams", "evil.io", "r.io.evil.io", "R.io"]
    {
        assert!(!image.is_under(prefix), "{prefix}");
    }
}

#[test]
fn a_host_that_begins_alike_is_another() {
    assert!(!parse("r.io.evil.com/team/a").unwrap().is_under("r.io"));
    assert!(!parse("r.io:5000/team/a").unwrap().is_under("r.io"));
}

proptest! {
    #[test]
    fn what_is_read_is_written_alike(text in "[a-z.:]{1,12}/[a-z/._-]{1,20}") {
        if let Ok(image) = parse(&text) {
            prop_assert_eq!(image.to_string(), format!("{text}@{DIGEST}"));
            prop_assert!(image.is_under(image.registry()));
            prop_assert!(!image.repository().split('/').any(|p| p.is_empty() || p == ".." || p == "."));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,120}") {
        let _ = text.parse::<ImageRef>();
        let _ = parse(&text);
    }
}
