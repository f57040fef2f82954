//! Reading counters out of Prometheus' text format.

use std::collections::BTreeMap;

/// A sample's labels.
pub type Labels = BTreeMap<String, String>;

/// The samples of the metric called `name`; lines that can't be read are left out.
pub fn samples<'a>(text: &'a str, name: &str) -> impl Iterator<Item = (Labels, f64)> + 'a {
    let prefix = format!("{name}{{");
    text.lines().filter_map(move |line| sample(line.strip_prefix(&prefix)?))
}

/// What follows the opening brace: labels, the closing brace, the value.
fn sample(mut rest: &str) -> Option<(Labels, f64)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(value) = rest.strip_prefix('}') {
            return Some((labels, value.split_whitespace().next()?.parse().ok()?));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.insert(name.to_owned(), value);
        rest = after;
    }
}

/// A label's value up to its closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return Some((value, &text[at + 1..])),
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            'n' if escaped => value.push('\n'),
            c => value.push(c),
        }
        escaped = false;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "# HELP calls_total Calls.\n# TYPE calls_total counter\n\
        calls_total{code=\"200\",verb=\"LIST\"} 12\n\
        calls_total{code=\"409\",verb=\"a\\\"b, }\\\\\\n\"} 1.5e+02 1700000000000\n\
        calls_total_other{code=\"200\"} 7\ncalls_total{code=\"200\n";

    #[test]
    fn reads_labels_and_values_of_one_metric() {
        let found: Vec<_> = samples(TEXT, "calls_total").collect();
        assert_eq!(found.len(), 2, "the other metric and the broken line are left out: {found:?}");
        assert_eq!(found[0].0["verb"], "LIST");
        assert!((found[0].1 - 12.0).abs() < f64::EPSILON);
        assert_eq!(found[1].0["verb"], "a\"b, }\\\n");
        assert!((found[1].1 - 150.0).abs() < f64::EPSILON);
    }
}
