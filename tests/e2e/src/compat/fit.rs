//! Values for the charts of an earlier release.

use std::path::Path;

use serde_json::Value;

use crate::{
    error::{Error, Result},
    run,
};

/// Takes out of `values` what the chart in `chart` doesn't know yet, by its schema.
pub fn fit(values: &mut Value, chart: &Path) -> Result<()> {
    let path = chart.join("values.schema.json");
    let schema: Value = serde_json::from_str(&run::read(&path)?)
        .map_err(|error| Error::unexpected(path.display().to_string(), error))?;
    keep_known(values, &schema);
    Ok(())
}

fn keep_known(value: &mut Value, schema: &Value) {
    let (Some(fields), Some(properties)) = (value.as_object_mut(), schema["properties"].as_object()) else { return };
    if schema["additionalProperties"] == false {
        fields.retain(|name, _| properties.contains_key(name));
    }
    for (name, field) in fields {
        keep_known(field, properties.get(name).unwrap_or(&Value::Null));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_a_closed_schema_lacks_is_taken_out() {
        let schema = json!({
            "additionalProperties": false,
            "properties": {
                "limits": {"additionalProperties": false, "properties": {"registries": {}, "accelerators": {"type": "object"}}},
                "open": {"properties": {"a": {}}},
            },
        });
        let mut values = json!({
            "limits": {"registries": ["r"], "accelerators": {"nvidia.com/gpu": 4}, "allowExec": true},
            "open": {"a": 1, "b": 2},
            "fencing": {"validForSeconds": 60},
        });
        keep_known(&mut values, &schema);
        let kept = json!({
            "limits": {"registries": ["r"], "accelerators": {"nvidia.com/gpu": 4}},
            "open": {"a": 1, "b": 2},
        });
        assert_eq!(values, kept);
    }
}
