//! Where two readings of one log meet.

/// An overlap shorter than this may be chance: a line that is there twice.
const LEAST: usize = 64;

/// How the end of a log goes with what was read of it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seam {
    /// What is new in it begins here; all of it may be known already.
    At(usize),
    /// Nothing of it is known, so something between the two may be missing.
    Open,
}

/// Where what is new in `end`, the last part of a log, begins for those who have `before`, which was read earlier and may
/// have stopped anywhere.
pub fn seam(before: &[u8], end: &[u8]) -> Seam {
    if before.ends_with(end) {
        return Seam::At(end.len());
    }
    if end.starts_with(before) {
        return Seam::At(before.len());
    }
    match overlap(before, end) {
        few if few < LEAST => Seam::Open,
        known => Seam::At(known),
    }
}

/// The length of the longest beginning of `end` that `before` ends with: the search of Knuth, Morris and Pratt for `end`,
/// of which what matches at the end of `before` is the answer.
fn overlap(before: &[u8], end: &[u8]) -> usize {
    let before = &before[before.len().saturating_sub(end.len())..];
    // For each beginning of `end`: the longest shorter beginning that it ends with. At most a mebibyte is compared.
    let mut borders: Vec<u32> = Vec::with_capacity(end.len());
    for (at, &byte) in end.iter().enumerate() {
        let matched = if at == 0 { 0 } else { extend(&borders, end, borders[at - 1] as usize, byte) };
        borders.push(u32::try_from(matched).unwrap_or(0));
    }
    let mut matched = 0;
    for &byte in before {
        matched = extend(&borders, end, matched, byte);
        if matched == end.len() {
            // Only at the very end could all of it match, and that was looked at before.
            matched = borders[matched - 1] as usize;
        }
    }
    matched
}

/// The length of the beginning of `pattern` that is matched after `byte`, if `matched` of it were before.
fn extend(borders: &[u32], pattern: &[u8], mut matched: usize, byte: u8) -> usize {
    loop {
        if pattern.get(matched) == Some(&byte) {
            return matched + 1;
        }
        if matched == 0 {
            return 0;
        }
        matched = borders[matched - 1] as usize;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_log_that_was_read_to_its_end_has_nothing_new() {
        assert_eq!(seam(b"one\ntwo\n", b"one\ntwo\n"), Seam::At(8));
        // Also where only its last part is still there.
        assert_eq!(seam(b"one\ntwo\n", b"two\n"), Seam::At(4));
        assert_eq!(seam(b"one\n", b""), Seam::At(0));
    }

    #[test]
    fn what_was_not_read_is_new() {
        assert_eq!(seam(b"one\ntw", b"one\ntwo\n"), Seam::At(6));
        assert_eq!(seam(b"", b"one\n"), Seam::At(0));
        let (known, long) = ("known line\n".repeat(9), "x".repeat(80));
        let (before, end) = (format!("{known}{long}"), format!("{long}\nlast\n"));
        assert_eq!(seam(before.as_bytes(), end.as_bytes()), Seam::At(80));
    }

    #[test]
    fn two_parts_that_do_not_touch_are_not_joined() {
        assert_eq!(seam(b"first\nsame\n", b"same\nlast\n"), Seam::Open);
        assert_eq!(seam(b"first\n", b"last\n"), Seam::Open);
    }

    proptest! {
        #[test]
        fn the_overlap_is_the_longest(before in "[ab]{0,40}", end in "[ab]{1,40}") {
            prop_assume!(!before.contains(&end));
            let longest = (0..=end.len()).rev().find(|&n| before.ends_with(&end[..n])).unwrap_or(0);
            prop_assert_eq!(overlap(before.as_bytes(), end.as_bytes()), longest);
        }

        #[test]
        fn the_two_parts_of_any_log_make_it_whole(log in "[a-c\n]{200,300}", stop in 100_usize..200, start in 0_usize..36) {
            let Seam::At(new) = seam(&log.as_bytes()[..stop], &log.as_bytes()[start..]) else {
                return Err(TestCaseError::fail("an overlap of at least 64 bytes is found"));
            };
            // A longer overlap than the true one means that the log repeats itself there.
            let whole = format!("{}{}", &log[..stop], &log[start..][new..]);
            prop_assert!(whole.len() <= log.len() && whole.ends_with(&log[start..]));
        }
    }
}
