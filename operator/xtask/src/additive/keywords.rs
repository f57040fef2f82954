//! What a schema says of a single value: its type, and the bounds of what it may be.

use serde_json::Value;

use super::Log;

/// Keywords that say what a value is. Any change of them is one of its meaning.
const MEANING: [&str; 10] = [
    "type",
    "default",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
];

/// Bounds that get stricter by falling.
const MOST: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];

/// Bounds that get stricter by rising.
const LEAST: [&str; 4] = ["minimum", "minLength", "minItems", "minProperties"];

/// Keywords that get stricter by coming, and by any change.
const SHAPE: [&str; 3] = ["pattern", "format", "multipleOf"];

/// What is stricter when it is true.
const NARROWS: [&str; 3] = ["exclusiveMaximum", "exclusiveMinimum", "uniqueItems"];

/// What is stricter when it isn't true any more.
const WIDENS: [&str; 3] = ["nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"];

/// Compares everything but what is inside the value.
pub fn compare(old: &Value, new: &Value, at: &str, log: &mut Log<'_>) {
    for keyword in MEANING.into_iter().filter(|keyword| old.get(keyword) != new.get(keyword)) {
        log.add(at, format!("{keyword} changed from {} to {}", say(old, keyword), say(new, keyword)));
    }
    let (most, least) = (MOST.map(|keyword| (keyword, -1.0)), LEAST.map(|keyword| (keyword, 1.0)));
    for (keyword, stricter) in most.into_iter().chain(least) {
        if is_stricter(number(old, keyword), number(new, keyword), stricter) {
            log.add(at, format!("{keyword} went from {} to {}", say(old, keyword), say(new, keyword)));
        }
    }
    for keyword in SHAPE {
        if new.get(keyword).is_some() && old.get(keyword) != new.get(keyword) {
            log.add(at, format!("{keyword} is {}", say(new, keyword)));
        }
    }
    let is = |schema: &Value, keyword: &str| schema[keyword] == true;
    for keyword in NARROWS.into_iter().filter(|keyword| !is(old, keyword) && is(new, keyword)) {
        log.add(at, format!("{keyword} is true"));
    }
    for keyword in WIDENS.into_iter().filter(|keyword| is(old, keyword) && !is(new, keyword)) {
        log.add(at, format!("{keyword} isn't true any more"));
    }
    choices(old, new, at, log);
}

/// A choice that goes is refused to those who make it; one that comes can't be read by a program that doesn't know it.
fn choices(old: &Value, new: &Value, at: &str, log: &mut Log<'_>) {
    match (old["enum"].as_array(), new["enum"].as_array()) {
        (None, Some(_)) => log.add(at, "there is an enum"),
        (Some(before), Some(after)) => {
            for gone in before.iter().filter(|choice| !after.contains(choice)) {
                log.add(at, format!("the choice {gone} is gone"));
            }
            for come in after.iter().filter(|choice| !before.contains(choice)) {
                log.add(at, format!("the choice {come} is new: an earlier program can't read it"));
            }
        }
        (_, None) => {}
    }
}

/// Whether a bound came or moved the way that `stricter` gives by its sign.
fn is_stricter(old: Option<f64>, new: Option<f64>, stricter: f64) -> bool {
    match (old, new) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(old), Some(new)) => (new - old) * stricter > 0.0,
    }
}

fn number(schema: &Value, keyword: &str) -> Option<f64> {
    schema[keyword].as_f64()
}

fn say(schema: &Value, keyword: &str) -> String {
    schema.get(keyword).map_or_else(|| "none".to_owned(), ToString::to_string)
}
