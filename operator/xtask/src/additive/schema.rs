//! One schema against another, property by property.

use serde_json::{Map, Value};

use super::{Log, keywords, rules};

/// Compares what `old` and `new` say of the value at `at`, and of all in it.
pub fn compare(old: &Value, new: &Value, at: &str, log: &mut Log<'_>) {
    keywords::compare(old, new, at, log);
    rules::compare(old, new, at, log);
    let (before, after) = (properties(old), properties(new));
    for (name, property) in before.into_iter().flatten() {
        let inner = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        match after.and_then(|after| after.get(name)) {
            Some(now) => compare(property, now, &inner, log),
            None => log.add(&inner, "is gone"),
        }
    }
    for name in required(new) {
        // The API server fills a default in before it looks for what is required, also in what it has stored.
        let filled = after.and_then(|after| after.get(name)).is_some_and(|property| property.get("default").is_some());
        if !required(old).any(|before| before == name) && !filled {
            log.add(at, format!("{name} is required"));
        }
    }
    inside(old, new, "items", &format!("{at}[]"), log);
    inside(old, new, "additionalProperties", &format!("{at}{{}}"), log);
}

/// What lists and maps hold.
fn inside(old: &Value, new: &Value, keyword: &str, at: &str, log: &mut Log<'_>) {
    match (old.get(keyword), new.get(keyword)) {
        (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) => compare(old, new, at, log),
        // Whatever was allowed is now described, or the other way about; only to allow anything is harmless.
        (before, after) if before != after && after != Some(&Value::Bool(true)) => {
            log.add(at, format!("{keyword} changed"));
        }
        _ => {}
    }
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema["properties"].as_object()
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}
