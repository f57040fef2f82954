//! Whom the API server speaks for: the `X-Remote-*` headers. To be read only once the connection's certificate has
//! shown that it is the API server's. Pure.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName};
use serde::Deserialize;

/// Whom a request is from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Their name.
    pub user: String,
    /// Their UID; empty if they have none.
    pub uid: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// What else the authenticator knows of them.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Which headers say what, as the ConfigMap `extension-apiserver-authentication` gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// The user's name: the first of these that isn't empty.
    pub user: Vec<HeaderName>,
    /// Their UID.
    pub uid: Vec<HeaderName>,
    /// Their groups: all values of all of these.
    pub group: Vec<HeaderName>,
    /// Prefixes of everything else, in lower case.
    pub extra_prefix: Vec<String>,
}

/// Why a list of header names can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is not a JSON list of header names")]
pub struct BadHeaderNames {
    /// The ConfigMap's key.
    pub field: &'static str,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Names(Vec<String>);

/// A JSON list of texts, as the ConfigMap holds them; empty if there is none.
pub fn list(field: &'static str, text: Option<&str>) -> Result<Vec<String>, BadHeaderNames> {
    let Some(text) = text else { return Ok(Vec::new()) };
    serde_json::from_str::<Names>(text).map(|names| names.0).map_err(|_| BadHeaderNames { field })
}

/// A JSON list of header names.
pub fn header_names(field: &'static str, text: Option<&str>) -> Result<Vec<HeaderName>, BadHeaderNames> {
    list(field, text)?.iter().map(|name| name.parse().map_err(|_| BadHeaderNames { field })).collect()
}

impl Identity {
    /// Reads whom a request is from; `None` if it doesn't say, or not in text.
    pub fn read(headers: &HeaderMap, names: &HeaderNames) -> Option<Self> {
        let user = first(headers, &names.user)?;
        let uid = first(headers, &names.uid).unwrap_or_default();
        let values = |name: &HeaderName| -> Option<Vec<String>> {
            headers.get_all(name).iter().map(|value| value.to_str().ok().map(str::to_owned)).collect()
        };
        let mut groups = Vec::new();
        for name in &names.group {
            groups.extend(values(name)?);
        }
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in headers.keys() {
            let Some(key) = names.extra_prefix.iter().find_map(|prefix| name.as_str().strip_prefix(prefix.as_str()))
            else {
                continue;
            };
            extra.entry(unescape(key)).or_default().extend(values(name)?);
        }
        Some(Self { user, uid, groups, extra })
    }
}

/// The first value of the first of these headers that has one.
fn first(headers: &HeaderMap, names: &[HeaderName]) -> Option<String> {
    let mut values = names.iter().filter_map(|name| headers.get(name)?.to_str().ok());
    values.find(|value| !value.is_empty()).map(str::to_owned)
}

/// Undoes percent-encoding. A text that isn't percent-encoded right is taken as it is, as Kubernetes does.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        match rest {
            [] => break,
            [b'%', high, low, tail @ ..] => {
                let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return text.to_owned() };
                bytes.push(high << 4 | low);
                rest = tail;
            }
            [b'%', ..] => return text.to_owned(),
            [byte, tail @ ..] => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
