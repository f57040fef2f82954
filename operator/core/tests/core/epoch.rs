use eai_core::epoch::{Epoch, EpochError};
use proptest::prelude::*;

const UID: &str = "6b3a2c9e-1f04-4d0e-9a39-0d0c8f1e7a55";

#[test]
fn names_are_uid_generation_attempt() {
    let epoch = Epoch { generation: 2, attempt: 13 };
    assert_eq!(epoch.name(UID), format!("{UID}-g2-a13"));
    assert_eq!(Epoch::from_name(&epoch.name(UID)), Ok((UID, epoch)));
}

#[test]
fn later_epochs_are_greater() {
    let epoch = |generation, attempt| Epoch { generation, attempt };
    assert!(epoch(1, 2) > epoch(1, 1));
    assert!(epoch(2, 1) > epoch(1, 99));
    assert_eq!(epoch(1, 1).next(), epoch(1, 2));
    assert_eq!(epoch(1, u64::MAX).next(), epoch(1, u64::MAX));
}

#[test]
fn refuses_what_is_no_epoch() {
    for text in
        ["", "g1", "a1", "g1-a", "g-a1", "g1a1", "g01-a1", "g1-a01", "g1-a1 ", "g-1-a1", "g+1-a1", "G1-A1", "g1-a1-a2"]
    {
        assert_eq!(text.parse::<Epoch>(), Err(EpochError), "{text:?}");
    }
    for name in ["", UID, "-g1", "x-a1", "x-g1-b1", "x-g1-a1x"] {
        assert!(Epoch::from_name(name).is_err(), "{name:?}");
    }
}

proptest! {
    #[test]
    fn reads_back(generation: u64, attempt: u64, uid in "[a-z0-9-]{1,40}") {
        let epoch = Epoch { generation, attempt };
        prop_assert_eq!(epoch.to_string().parse::<Epoch>(), Ok(epoch));
        let name = epoch.name(&uid);
        prop_assert_eq!(Epoch::from_name(&name), Ok((uid.as_str(), epoch)));
    }

    /// Two spellings never mean one epoch, so a name has exactly one Job.
    #[test]
    fn one_spelling_only(text in "g[0-9]{1,4}-a[0-9]{1,4}") {
        if let Ok(epoch) = text.parse::<Epoch>() {
            prop_assert_eq!(epoch.to_string(), text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}") {
        let _ = Epoch::from_name(&text);
        let _ = text.parse::<Epoch>();
    }
}
