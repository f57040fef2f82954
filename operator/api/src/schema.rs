//! Schemas of strings that mean more than a string.
//!
//! What people write is checked by a CEL rule, whose sentence they read on a refusal after the field's path. What programs
//! write (`written_*`) is checked by a pattern alone: CEL is charged for by how often a rule could run, and lists of
//! statuses would go over Kubernetes' budget.

use schemars::{Schema, SchemaGenerator, json_schema};

/// The largest integer every JSON reader keeps exactly (2^53 - 1).
pub const MAX_INTEGER: u64 = 9_007_199_254_740_991;

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

/// A Kubernetes resource quantity that isn't negative.
pub fn quantity(_: &mut SchemaGenerator) -> Schema {
    text(
        24,
        "self.matches('^([0-9]{1,15}([.][0-9]{0,9})?|[.][0-9]{1,9})(m|k|M|G|T|Ki|Mi|Gi|Ti)?$')",
        "write a quantity such as 500m, 2 or 4Gi; it can't be negative",
    )
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

/// A name usable as a DNS label.
pub fn label(_: &mut SchemaGenerator) -> Schema {
    text(
        63,
        "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
        "use lower-case letters, digits and -, beginning and ending with a letter or digit",
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
