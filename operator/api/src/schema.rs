//! Schemas of strings that mean more than a string.
//!
//! What people write is checked by a CEL rule, whose sentence they read on a refusal after the field's path. What programs
//! write (`written_*`) is checked by a pattern alone: CEL is charged for by how often a rule could run, and lists of
//! statuses would go over Kubernetes' budget.

use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};

/// The largest integer every JSON reader keeps exactly (2^53 - 1).
pub const MAX_INTEGER: u64 = 9_007_199_254_740_991;

/// What RFC 3339 and every reader here agree on. `format: date-time` alone lets pass what our readers refuse, such as an
/// offset of 99 hours, and one object that can't be read stops everybody's watch. Kubernetes keeps whole seconds.
const MOMENT: &str = "^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\
     (Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

/// A rule for a field of an AIJob that is as it was made.
pub fn fixed() -> Rule {
    Rule::new("self == oldSelf").message("can't change; for another job, create another")
}

fn text(max_length: u32, rule: &str, message: &str) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": max_length,
        "x-kubernetes-validations": [{ "rule": rule, "message": message }],
    })
}

fn pattern(max_length: u32, pattern: &str) -> Schema {
    json_schema!({ "type": "string", "maxLength": max_length, "pattern": pattern })
}

/// A moment, from a program.
pub fn written_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time", "maxLength": 25, "pattern": MOMENT })
}

/// A moment. CEL's own reading of it finds the 30th of February.
pub fn time(_: &mut SchemaGenerator) -> Schema {
    text(
        25,
        &format!("self.matches('{MOMENT}') && timestamp(self).getFullYear() > 0"),
        "write a moment as RFC 3339 does, to the second, such as 2026-03-01T18:00:00Z",
    )
}

/// Conditions, one of each type.
pub fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": { "type": "string", "maxLength": 316 },
                "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                "observedGeneration": { "type": "integer", "minimum": 0, "maximum": MAX_INTEGER },
                "lastTransitionTime": { "type": "string", "format": "date-time", "maxLength": 25, "pattern": MOMENT },
                "reason": { "type": "string", "maxLength": 1024 },
                "message": { "type": "string", "maxLength": 32_768 },
            },
        },
    })
}

/// A generation that a status speaks of.
pub fn generation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 0, "maximum": MAX_INTEGER })
}

/// An exit code.
pub fn exit_code(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX })
}

/// An amount of EAI, from a program.
pub fn written_amount(_: &mut SchemaGenerator) -> Schema {
    pattern(32, "^[0-9]{1,12}([.][0-9]{1,18})?$")
}

/// An account on the chain, from a program.
pub fn written_address(_: &mut SchemaGenerator) -> Schema {
    pattern(42, "^0x[0-9a-fA-F]{40}$")
}

/// An extended resource's name, from a program.
pub fn written_resource(_: &mut SchemaGenerator) -> Schema {
    pattern(128, "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$")
}

/// A name usable as a DNS label, from a program.
pub fn written_label(_: &mut SchemaGenerator) -> Schema {
    pattern(63, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
}

/// An amount of EAI.
pub fn amount(_: &mut SchemaGenerator) -> Schema {
    text(
        32,
        "self.matches('^[0-9]{1,12}([.][0-9]{1,18})?$')",
        "write an amount of EAI as a decimal string such as \"1.25\": not negative, at most 18 digits after the point",
    )
}

/// An account on the chain.
pub fn address(_: &mut SchemaGenerator) -> Schema {
    text(42, "self.matches('^0x[0-9a-fA-F]{40}$')", "an address is 0x and 40 hexadecimal digits")
}

/// A 32-byte value in hexadecimal.
pub fn bytes32(_: &mut SchemaGenerator) -> Schema {
    pattern(66, "^0x[0-9a-f]{64}$")
}

/// A content digest.
pub fn digest(_: &mut SchemaGenerator) -> Schema {
    pattern(71, "^sha256:[0-9a-f]{64}$")
}

/// An image by digest.
pub fn image(_: &mut SchemaGenerator) -> Schema {
    text(
        512,
        "self.matches('^(localhost|[a-zA-Z0-9-]+([.][a-zA-Z0-9-]+)+|[a-zA-Z0-9.-]+:[0-9]+)\
         (/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)+@sha256:[0-9a-f]{64}$')",
        "name the image by registry and digest, such as registry.example.com/team/trainer@sha256:...; a tag may \
         change under a running job",
    )
}

/// A semantic version.
pub fn semantic_version(_: &mut SchemaGenerator) -> Schema {
    text(
        64,
        "self.matches('^(0|[1-9][0-9]{0,8})[.](0|[1-9][0-9]{0,8})[.](0|[1-9][0-9]{0,8})(-[a-z]{1,8}([.](0|[1-9][0-9]{0,8}))?)?$')",
        "write a semantic version such as 0.2.0 or 0.2.0-rc.1, without a v",
    )
}

/// A quantity above nothing and at most `most`; what is no quantity at all is told so by the same sentence.
fn quantity(least: &str, most: &str, message: &str) -> Schema {
    let written = "self.matches('^([0-9]{1,15}([.][0-9]{0,9})?|[.][0-9]{1,9})(m|k|M|G|T|Ki|Mi|Gi|Ti)?$')";
    let least = format!("quantity(self).compareTo(quantity('{least}')) >= 0");
    let most = format!("quantity(self).compareTo(quantity('{most}')) <= 0");
    text(24, &format!("{written} && {least} && {most}"), message)
}

/// Cores of a pod.
pub fn cores(_: &mut SchemaGenerator) -> Schema {
    quantity("1m", "10000", "write cores such as 500m or 4, from 1m to 10000")
}

/// Memory of a pod. Below a MiB it is a unit forgotten.
pub fn memory(_: &mut SchemaGenerator) -> Schema {
    quantity("1Mi", "100Ti", "write memory such as 512Mi or 4Gi, from 1Mi to 100Ti")
}

/// An extended resource's name.
pub fn resource(_: &mut SchemaGenerator) -> Schema {
    text(
        128,
        "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$') \
         && !self.startsWith('kubernetes.io/')",
        "name the accelerator's extended resource, such as nvidia.com/gpu",
    )
}

/// A class that can be priced.
pub fn class(_: &mut SchemaGenerator) -> Schema {
    pattern(128, "^(cpu|[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?)$")
}

/// The name of an environment variable.
pub fn env_name(_: &mut SchemaGenerator) -> Schema {
    text(
        128,
        "self.matches('^[A-Za-z_][A-Za-z0-9_]*$') && !self.startsWith('EAI_')",
        "an environment variable's name is letters, digits and _, and the prefix EAI_ is the platform's",
    )
}

/// The name of a Secret. The hub puts it in a request's path, where `..` or `?` would name something else.
pub fn secret_name(_: &mut SchemaGenerator) -> Schema {
    text(
        253,
        "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')",
        "name a Secret of this namespace: lower-case letters, digits, - and .",
    )
}

/// A key in a Secret.
pub fn secret_key(_: &mut SchemaGenerator) -> Schema {
    text(253, "self.matches('^[A-Za-z0-9._-]+$')", "name a key of the Secret: letters, digits, -, _ and .")
}

/// An X25519 public key, or nothing.
pub fn sealing_key(_: &mut SchemaGenerator) -> Schema {
    text(44, "self.matches('^([A-Za-z0-9+/]{43}=)?$')", "a sealing key is base64 of a 32-byte X25519 public key")
}

/// A name usable as a DNS label.
pub fn label(_: &mut SchemaGenerator) -> Schema {
    text(
        63,
        "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
        "use lower-case letters, digits and -, beginning and ending with a letter or digit",
    )
}

/// Completion indexes.
pub fn indexes(_: &mut SchemaGenerator) -> Schema {
    text(
        512,
        "self.matches('^[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*$') \
         && self.replace('-', ',').split(',').map(n, int(n)).isSorted()",
        "write completion indexes in increasing order, such as 0-2,5",
    )
}

/// A path relative to the output directory that stays within it.
pub fn output_path(_: &mut SchemaGenerator) -> Schema {
    text(
        256,
        "self.matches('^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$')",
        "write a path relative to /eai/output, such as model.safetensors, without .. or a leading /",
    )
}
