//! What an API server does with an object of ours: it prunes, defaults and checks it against the structural schema, then
//! runs the CEL rules. The rules run in kube's own CEL; the rest is here, as no crate has it.

use std::collections::BTreeSet;

use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use serde_json::{Map, Value, json};

/// A field that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Such as `spec.env[0].name`.
    pub path: String,
    /// A sentence.
    pub says: String,
}

/// One kind, as an API server serves it.
pub struct Server {
    schema: Value,
    rules: CompiledSchema,
    cel: Validator,
}

impl Server {
    /// The server of a kind.
    pub fn of(kind: &str) -> Self {
        let crd = eai_api::crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
        let validation = crd.spec.versions[0].schema.as_ref().unwrap();
        let mut schema = serde_json::to_value(validation.open_api_v3_schema.as_ref().unwrap()).unwrap();
        for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            schema["properties"][name] = json!({"type": kind});
        }
        Self::of_schema(schema)
    }

    /// The server of what such a schema allows: a kind's, or a part of one.
    pub fn of_schema(schema: Value) -> Self {
        let mut with_patterns = schema.clone();
        patterns_as_rules(&mut with_patterns);
        let rules = compile_schema(&with_patterns);
        assert!(!rules.has_errors(), "{:?}", rules.compilation_errors());
        Self { schema, rules, cel: Validator::new() }
    }

    /// The schema.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// What is stored of `object`, or why nothing is.
    pub fn admit(&self, object: &Value, old: Option<&Value>) -> Result<Value, Vec<Fault>> {
        let (stored, mut faults) = self.structural(object);
        let old = old.map(|old| self.structural(old).0);
        if let Err(errors) = self.cel.validate_compiled(&self.rules, &stored, old.as_ref()) {
            faults.extend(errors.into_iter().map(|e| Fault { path: e.field_path, says: e.message }));
        }
        if faults.is_empty() { Ok(stored) } else { Err(faults) }
    }

    fn structural(&self, object: &Value) -> (Value, Vec<Fault>) {
        let mut stored = object.clone();
        complete(&self.schema, &mut stored);
        let mut faults = Vec::new();
        check(&self.schema, &stored, "", &mut faults);
        (stored, faults)
    }
}

/// Drops unknown fields, and nulls where none is allowed; then fills defaults in.
fn complete(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let Some(properties) = schema["properties"].as_object() else { return };
            fields.retain(|name, value| {
                properties.get(name).is_some_and(|property| !value.is_null() || property["nullable"] == true)
            });
            for (name, property) in properties {
                if let (None, Some(default)) = (fields.get(name), property.get("default")) {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    complete(property, value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| complete(&schema["items"], item)),
        // The API server reads 1.0 and 1e3 as the integers they are, and writes them so.
        Value::Number(number) if schema["type"] == "integer" && number.is_f64() => {
            if let Some(whole) = whole(number) {
                *value = json!(whole);
            }
        }
        _ => {}
    }
}

/// The integer that a number is. A float is one only as far as a float is exact.
fn whole(number: &serde_json::Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    let float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT);
    number.as_i64().or_else(|| format!("{:.0}", float()?).parse().ok())
}

fn check(schema: &Value, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    let mut fault = |says: String| faults.push(Fault { path: path.to_owned(), says });
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    // As `metadata` is: the API server looks at it by itself.
    if *schema == json!({"type": "object"}) {
        return;
    }
    let kind = schema["type"].as_str().unwrap_or_default();
    let fits = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_number().is_some_and(|number| whole(number).is_some()),
        other => panic!("{path}: a type that isn't known here: {other:?}"),
    };
    if !fits {
        return fault(format!("must be of type {kind}"));
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.contains(value)) {
        fault(format!("Unsupported value: {value}: supported values: {values:?}"));
    }
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap();
            if schema["minimum"].as_f64().is_some_and(|least| number < least) {
                fault(format!("should be greater than or equal to {}", schema["minimum"]));
            }
            if schema["maximum"].as_f64().is_some_and(|most| number > most) {
                fault(format!("should be less than or equal to {}", schema["maximum"]));
            }
        }
        Value::String(text) => check_text(schema, text, fault),
        Value::Array(items) => check_list(schema, items, path, faults),
        Value::Object(fields) => check_fields(schema, fields, path, faults),
        Value::Null | Value::Bool(_) => {}
    }
}

fn check_text(schema: &Value, text: &str, mut fault: impl FnMut(String)) {
    let length = text.chars().count() as u64;
    if schema["maxLength"].as_u64().is_some_and(|most| length > most) {
        fault(format!("may not be more than {}", schema["maxLength"]));
    }
    if schema["minLength"].as_u64().is_some_and(|least| length < least) {
        fault(format!("should be at least {} chars long", schema["minLength"]));
    }
    if schema["format"] == "date-time" && !is_date_time(text) {
        fault("must be of type date-time".to_owned());
    }
}

/// As the API server sees it: a day of the calendar, then what is not quite RFC 3339.
fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let Some((date, time)) = lower.split_once('t') else { return false };
    let clock: Vec<_> = time.get(..8).unwrap_or_default().split(':').collect();
    let [hours, minutes, seconds] = clock.as_slice() else { return false };
    date.len() == 10
        && date.parse::<k8s_openapi::jiff::civil::Date>().is_ok()
        && *hours <= "23"
        && *minutes <= "59"
        && *seconds <= "59"
}

fn check_list(schema: &Value, items: &[Value], path: &str, faults: &mut Vec<Fault>) {
    if schema["maxItems"].as_u64().is_some_and(|most| items.len() as u64 > most) {
        faults.push(Fault { path: path.to_owned(), says: format!("must have at most {} items", schema["maxItems"]) });
    }
    if schema["minItems"].as_u64().is_some_and(|least| (items.len() as u64) < least) {
        faults
            .push(Fault { path: path.to_owned(), says: format!("should have at least {} items", schema["minItems"]) });
    }
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if schema["x-kubernetes-list-type"] == "set" && items[..index].contains(item) {
            faults.push(Fault { path: path.clone(), says: "Duplicate value".to_owned() });
        }
        let keys = schema["x-kubernetes-list-map-keys"].as_array();
        if keys.is_some_and(|keys| {
            !seen.insert(keys.iter().map(|k| item[k.as_str().unwrap()].to_string()).collect::<Vec<_>>())
        }) {
            faults.push(Fault { path: path.clone(), says: "Duplicate value".to_owned() });
        }
        check(&schema["items"], item, &path, faults);
    }
}

fn check_fields(schema: &Value, fields: &Map<String, Value>, path: &str, faults: &mut Vec<Fault>) {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for name in schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()) {
        if !fields.contains_key(name) {
            faults.push(Fault { path: under(name), says: "Required value".to_owned() });
        }
    }
    for (name, value) in fields {
        check(&schema["properties"][name], value, &under(name), faults);
    }
}

/// CEL has a regular expression engine already.
fn patterns_as_rules(schema: &mut Value) {
    if let Some(pattern) = schema["pattern"].as_str().map(str::to_owned) {
        let rule = json!({
            "rule": format!("self.matches({})", json!(pattern)),
            "message": format!("should match '{pattern}'"),
        });
        // `matches` is for strings; a moment would come as a timestamp.
        schema.as_object_mut().unwrap().remove("format");
        match schema["x-kubernetes-validations"].as_array_mut() {
            Some(rules) => rules.push(rule),
            None => schema["x-kubernetes-validations"] = json!([rule]),
        }
    }
    for property in schema["properties"].as_object_mut().into_iter().flat_map(|p| p.values_mut()) {
        patterns_as_rules(property);
    }
    if schema["items"].is_object() {
        patterns_as_rules(&mut schema["items"]);
    }
}
