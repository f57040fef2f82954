//! The common name in a certificate's subject. Pure.
//!
//! Only called on certificates whose chain has been verified; it reads no more of DER than a subject needs, and takes no
//! subject that a strict reader wouldn't.

/// id-at-commonName, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;

/// The one common name in `subject` (the content of an X.501 Name, without its outer tag). `None` if there is none, more
/// than one, or the subject is malformed.
pub fn common_name(subject: &[u8]) -> Option<&str> {
    let mut found = None;
    let mut sets = subject;
    while !sets.is_empty() {
        let (set, rest) = value(sets, SET)?;
        sets = rest;
        let mut attributes = set;
        while !attributes.is_empty() {
            let (attribute, rest) = value(attributes, SEQUENCE)?;
            attributes = rest;
            let (kind, text) = value(attribute, OBJECT_IDENTIFIER)?;
            if kind != COMMON_NAME {
                continue;
            }
            let tag = *text.first()?;
            if found.is_some() || !matches!(tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING) {
                return None;
            }
            let (text, rest) = value(text, tag)?;
            if !rest.is_empty() {
                return None;
            }
            found = Some(std::str::from_utf8(text).ok()?);
        }
    }
    found
}

/// The content of the element with `tag` that `bytes` begins with, and what follows it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        // One byte of length, which must need it.
        0x81 => match rest.split_first()? {
            (&length @ 0x80.., rest) => (usize::from(length), rest),
            _ => return None,
        },
        // Two, which must need both.
        0x82 => match rest.split_first_chunk::<2>()? {
            (length, rest) if length[0] > 0 => (usize::from(u16::from_be_bytes(*length)), rest),
            _ => return None,
        },
        _ => return None,
    };
    rest.split_at_checked(length)
}
