//! Objects that a schema allows, and the odd ones among them before all.

use proptest::{prelude::*, string::string_regex};
use serde_json::{Map, Value, json};

/// Values that `schema` may allow: edges of every bound, integers written as floats, nulls, absent fields, strange
/// strings. Some break a rule; whoever asks sorts those out.
pub fn values(schema: &Value) -> BoxedStrategy<Value> {
    let some = match schema["type"].as_str().unwrap_or_default() {
        "object" => object(schema),
        "array" => array(schema),
        "string" => string(schema),
        "integer" => integer(schema),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        other => panic!("a type that isn't known here: {other:?}"),
    };
    if schema["nullable"] == true { prop_oneof![9 => some, 1 => Just(Value::Null)].boxed() } else { some }
}

fn object(schema: &Value) -> BoxedStrategy<Value> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let fields: Vec<BoxedStrategy<Option<(String, Value)>>> = properties
        .into_iter()
        .map(|(name, property)| {
            let there = values(&property).prop_map({
                let name = name.clone();
                move |value| Some((name.clone(), value))
            });
            if required.contains(&json!(name)) {
                there.boxed()
            } else {
                prop_oneof![6 => there, 3 => Just(None), 1 => Just(Some((name, Value::Null)))].boxed()
            }
        })
        .collect();
    fields.prop_map(|fields| Value::Object(fields.into_iter().flatten().collect::<Map<_, _>>())).boxed()
}

fn array(schema: &Value) -> BoxedStrategy<Value> {
    prop::collection::vec(values(&schema["items"]), 0..3).prop_map(Value::from).boxed()
}

fn integer(schema: &Value) -> BoxedStrategy<Value> {
    let bound = |name: &str| schema[name].as_f64();
    // A bound that is forgotten shows up here: the API server takes any number of digits.
    let (least, most) = (bound("minimum").unwrap_or(-1e300), bound("maximum").unwrap_or(1e300));
    #[allow(clippy::cast_possible_truncation, reason = "bounds are below 2^53, or the test is to fail")]
    let (low, high) = (least as i64, most as i64);
    let float = |value: f64| json!(value);
    let near = low.max(-9)..=high.min(low.max(9));
    prop_oneof![
        Just(float(least)),
        Just(float(most)),
        (low..=high).prop_map(Value::from),
        near.clone().prop_map(Value::from),
        #[allow(clippy::cast_precision_loss, reason = "small")]
        near.prop_map(|n| json!(n as f64)),
    ]
    .boxed()
}

fn string(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
        return prop::sample::select(values.clone()).boxed();
    }
    let most = usize::try_from(schema["maxLength"].as_u64().unwrap_or(300)).unwrap().min(300);
    let wild = prop_oneof![
        Just(String::new()),
        Just("\u{0}\u{7f}\u{202e}\"\\".to_owned()),
        Just("é".repeat(most)),
        ".{0,12}",
    ];
    let Some(shape) = shape(schema) else { return wild.prop_map(Value::from).boxed() };
    let shaped = string_regex(&shape).unwrap();
    prop_oneof![12 => shaped, 1 => wild, 2 => prop::sample::select(MOMENTS).prop_map(str::to_owned)]
        .prop_map(Value::from)
        .boxed()
}

/// Moments that some reader takes and another doesn't.
const MOMENTS: &[&str] = &[
    "2026-02-29T00:00:00Z",
    "2028-02-29T00:00:00Z",
    "2026-01-01T00:00:00",
    "2026-01-01t00:00:00z",
    "2026-01-01T00:00:00x123z",
    "2026-01-01T00:00:00.123456789012345678901234567890Z",
    "2026-01-01T00:00:00+99:99",
    "2026-01-01T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "2999-12-31T23:59:59.999999999-23:59",
];

/// The regular expression that a string must match, from its pattern or its CEL rule, without anchors.
fn shape(schema: &Value) -> Option<String> {
    let mut rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let in_rule = |rule: &Value| {
        let (_, rest) = rule["rule"].as_str()?.split_once("matches('")?;
        rest.split_once("')").map(|(shape, _)| shape.to_owned())
    };
    let shape = schema["pattern"].as_str().map(str::to_owned).or_else(|| rules.find_map(in_rule))?;
    Some(shape.trim_start_matches('^').trim_end_matches('$').to_owned())
}
