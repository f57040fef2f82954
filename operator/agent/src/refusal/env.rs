//! Environment, command and arguments.

use std::collections::{BTreeMap, BTreeSet};

use eai_api::{AssignmentSpec, assignment::Workload};
use eai_core::seal::{KeyPair, Purpose};
use zeroize::Zeroizing;

use super::{Reason, Refusal, refuse};

/// The most that environment, command and arguments may hold together, names included; likewise the secrets.
const MAX_BYTES: usize = 256 << 10;
/// The most variables, and the most words of a command.
const MAX_COUNT: usize = 512;

/// Secret environment variables by name. The values are wiped from memory when dropped.
pub type Secrets = BTreeMap<String, Zeroizing<String>>;

/// Plain environment, command and arguments can be handed to a container.
pub(super) fn environment(workload: &Workload) -> Result<(), Refusal> {
    let mut names = BTreeSet::new();
    for variable in &workload.env {
        check_name(&variable.name)?;
        if !names.insert(&variable.name) {
            return refuse(Reason::BadEnvironment, format!("env: {} is there twice", variable.name));
        }
    }
    let words = || workload.command.iter().chain(&workload.args);
    let values = workload.env.iter().map(|v| &v.value);
    if words().chain(values).any(|text| text.contains('\0')) {
        return refuse(Reason::BadEnvironment, "env, command or args: a NUL can't be handed to a program");
    }
    let env = workload.env.iter().map(|v| v.name.len() + v.value.len());
    let bytes: usize = words().map(String::len).chain(env).sum();
    if bytes > MAX_BYTES || workload.env.len() > MAX_COUNT || words().count() > MAX_COUNT {
        return refuse(
            Reason::BadEnvironment,
            format!("env, command and args: more than {MAX_BYTES} bytes, or than {MAX_COUNT} of either"),
        );
    }
    Ok(())
}

/// Opens the sealed environment. Values that can't be read are never shown, not even in part.
pub fn open_secrets(spec: &AssignmentSpec, keys: &KeyPair) -> Result<Option<Secrets>, Refusal> {
    let Some(sealed) = &spec.workload.sealed_env else { return Ok(None) };
    let refused = |reason, message: &str| Refusal { reason, message: format!("sealedEnv: {message}") };
    let plain = keys
        .open(Purpose::JobSecrets, &spec.job.uid, sealed)
        .map_err(|error| refused(Reason::SecretsNotForUs, &error.to_string()))?;
    let secrets: BTreeMap<String, String> = serde_json::from_slice(&plain)
        .map_err(|_| refused(Reason::BadEnvironment, "what was sealed isn't names and values"))?;
    let secrets: Secrets = secrets.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect();
    for name in secrets.keys() {
        check_name(name)?;
        if spec.workload.env.iter().any(|v| v.name == *name) {
            return Err(refused(Reason::BadEnvironment, &format!("{name} is in env too")));
        }
    }
    let bytes: usize = secrets.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_BYTES || secrets.len() > MAX_COUNT {
        return Err(refused(Reason::BadEnvironment, &format!("more than {MAX_BYTES} bytes or {MAX_COUNT} variables")));
    }
    if secrets.values().any(|value| value.contains('\0')) {
        return Err(refused(Reason::BadEnvironment, "a NUL can't be handed to a program"));
    }
    Ok(Some(secrets))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let valid = name.bytes().next().is_some_and(first)
        && name.bytes().all(|b| first(b) || b.is_ascii_digit())
        && name.len() <= 128;
    if !valid {
        return refuse(Reason::BadEnvironment, "env: a variable's name is letters, digits and _");
    }
    if name.starts_with("EAI_") {
        return refuse(Reason::BadEnvironment, format!("env: {name} begins with EAI_, which is the platform's"));
    }
    Ok(())
}
