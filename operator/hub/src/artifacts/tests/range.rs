use proptest::prelude::*;

use super::super::range::*;

fn part(start: u64, length: u64) -> Range {
    Range::Part(Slice { start, length })
}

#[test]
fn the_forms_of_the_standard() {
    let cases = [
        (None, Range::Whole),
        (Some("bytes=0-0"), part(0, 1)),
        (Some("bytes=0-9"), part(0, 10)),
        (Some("bytes=0-99"), part(0, 10)),
        (Some("bytes=4-"), part(4, 6)),
        (Some("bytes=-3"), part(7, 3)),
        (Some("bytes=-30"), part(0, 10)),
        (Some("bytes=9-9"), part(9, 1)),
        (Some("bytes=10-"), Range::Unsatisfiable),
        (Some("bytes=10-20"), Range::Unsatisfiable),
        (Some("bytes=-0"), Range::Unsatisfiable),
        (Some("bytes=5-4"), Range::Whole),
        (Some("bytes=-"), Range::Whole),
        (Some("bytes=a-b"), Range::Whole),
        (Some("bytes=0-1,3-4"), Range::Whole),
        (Some("bytes=+1-2"), Range::Whole),
        (Some("items=0-1"), Range::Whole),
        (Some("bytes=0-99999999999999999999999999"), part(0, 10)),
        (Some("bytes=99999999999999999999999999-"), Range::Unsatisfiable),
    ];
    for (header, expected) in cases {
        assert_eq!(parse(header, 10), expected, "{header:?}");
    }
}

#[test]
fn of_nothing_there_is_no_part() {
    for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        assert_eq!(parse(Some(header), 0), Range::Unsatisfiable);
    }
}

proptest! {
    #[test]
    fn a_part_is_never_empty_and_never_outside(header in "bytes=[0-9,-]{0,45}", size in any::<u64>()) {
        if let Range::Part(Slice { start, length }) = parse(Some(&header), size) {
            prop_assert!(length > 0);
            prop_assert!(start.checked_add(length).is_some_and(|end| end <= size));
        }
    }

    #[test]
    fn a_part_is_what_was_asked_for(first in 0u64..200, last in 0u64..200, size in 1u64..100) {
        let wanted: Vec<u64> = (0..size).filter(|byte| (first..=last).contains(byte)).collect();
        let got = match parse(Some(&format!("bytes={first}-{last}")), size) {
            Range::Part(slice) => (slice.start..slice.start + slice.length).collect(),
            Range::Unsatisfiable => Vec::new(),
            Range::Whole => { prop_assert!(last < first); return Ok(()); }
        };
        prop_assert_eq!(got, wanted);
    }

    #[test]
    fn anything_may_come(header in ".*", size in any::<u64>()) {
        let _ = parse(Some(&header), size);
    }
}
