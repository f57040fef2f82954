//! CEL rules: which new ones can't concern an object that was written without knowing of them.

use serde_json::Value;

use super::Log;

/// Compares the rules at one place. A rule that goes refuses nothing; one that comes is harmless only where it holds
/// whenever the new property that it is about is absent.
pub fn compare(old: &Value, new: &Value, at: &str, log: &mut Log<'_>) {
    let is_new = |property: &str| old["properties"].get(property).is_none() && undefaulted(new, property);
    for rule in rules(new).filter(|rule| !rules(old).any(|before| before == *rule)) {
        if !about_new(rule, is_new) {
            log.add(at, format!("there is a rule: {rule}"));
        }
    }
}

fn rules(schema: &Value) -> impl Iterator<Item = &str> {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.filter_map(|rule| rule["rule"].as_str())
}

/// A property with a default is never absent.
fn undefaulted(schema: &Value, property: &str) -> bool {
    schema["properties"][property].is_object() && schema["properties"][property].get("default").is_none()
}

/// Whether a rule says by its form that it holds without a property that `is_new`: `!has(self.new) || ...`, or
/// `has(self.new) == has(oldSelf.new) && (!has(self.new) || ...)`.
fn about_new(rule: &str, is_new: impl Fn(&str) -> bool) -> bool {
    if let Some(property) = between(rule, "has(self.", ") == has(oldSelf.") {
        let whole = format!("has(self.{property}) == has(oldSelf.{property}) && (");
        let rest = rule.strip_prefix(&whole).and_then(|rest| rest.strip_suffix(')'));
        return rest.is_some_and(|rest| is_closed(rest) && holds_without(rest, &is_new));
    }
    holds_without(rule, &is_new)
}

/// Whether `rule` is `!has(self.new) || ...`. A condition anywhere in the rest could be about the whole.
fn holds_without(rule: &str, is_new: &impl Fn(&str) -> bool) -> bool {
    let property = between(rule, "!has(self.", ") || ");
    property.is_some_and(is_new) && !rule.contains(" ? ")
}

/// What follows `before`, up to `after`, if that is a property's plain name.
fn between<'a>(rule: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (found, _) = rule.strip_prefix(before)?.split_once(after)?;
    found.chars().all(|c| c.is_ascii_alphanumeric()).then_some(found)
}

/// Whether no parenthesis is closed that isn't opened in `text`.
fn is_closed(text: &str) -> bool {
    let mut open = 0_i32;
    text.chars().all(|c| {
        open += i32::from(c == '(') - i32::from(c == ')');
        open >= 0
    })
}
