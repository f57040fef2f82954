//! What a configuration must satisfy beyond its shape. Every problem is named, with its path, at once.

use std::{collections::BTreeSet, net::IpAddr};

use eai_core::{class::Class, image::ImageRef, quantity, release::ReleaseKey};
use serde::{Deserialize, Deserializer, de};

use super::{Config, Mode};

/// A quantity of cores in thousandths; none if the text is empty.
pub(super) fn milli<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    optional(deserializer, quantity::parse_milli)
}

/// A quantity of bytes; none if the text is empty.
pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    optional(deserializer, quantity::parse_units)
}

fn optional<'de, D, E>(deserializer: D, parse: impl Fn(&str) -> Result<u64, E>) -> Result<Option<u64>, D::Error>
where
    D: Deserializer<'de>,
    E: std::fmt::Display,
{
    /// YAML writes `4` where a person means the quantity "4".
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Quantity {
        Number(u64),
        Text(String),
    }
    let text = match Option::<Quantity>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Quantity::Number(number)) => number.to_string(),
        Some(Quantity::Text(text)) if text.is_empty() => return Ok(None),
        Some(Quantity::Text(text)) => text,
    };
    parse(&text).map(Some).map_err(de::Error::custom)
}

/// Everything that is wrong with `config`, as `path: what to do`.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    let mut wrong = |holds: bool, path: &str, what: &str| {
        if !holds {
            problems.push(format!("{path}: {what}"));
        }
    };
    wrong(
        config.member.len() <= 50 && is_label(&config.member),
        "member",
        "use at most 50 lower-case letters, digits and -",
    );
    for (path, name) in [("agentNamespace", &config.agent_namespace), ("workNamespace", &config.work_namespace)] {
        wrong(is_label(name), path, "this is no namespace's name");
    }
    wrong(
        config.agent_namespace != config.work_namespace,
        "workNamespace",
        "must not be the agent's own, which holds its keys",
    );
    wrong(
        config.outputs_image.parse::<ImageRef>().is_ok(),
        "outputsImage",
        "name this agent's image by registry and digest, REGISTRY/REPOSITORY@sha256:…",
    );
    wrong(config.agent_binary.starts_with('/'), "agentBinary", "write an absolute path");
    wrong(
        (600..=30 * 86_400).contains(&config.offer_valid_seconds),
        "offerValidSeconds",
        "must be from 600 (ten minutes) to 2592000 (thirty days)",
    );
    wrong(config.start_within_seconds > 0, "startWithinSeconds", "must be at least 1");
    wrong(config.limits.max_pods > 0, "limits.maxPods", "must be at least 1");
    wrong(
        config.limits.max_duration_seconds != Some(0),
        "limits.maxDurationSeconds",
        "must be at least 1; leave it out for no limit",
    );
    for (i, server) in config.dns_servers.iter().enumerate() {
        wrong(server.parse::<IpAddr>().is_ok(), &format!("dnsServers[{i}]"), "write an IP address");
    }
    wrong(
        !config.limits.allow_internet || !config.dns_servers.is_empty(),
        "dnsServers",
        "work that may reach the internet needs a name server",
    );
    if let Some(update) = &config.update
        && let Err(error) = ReleaseKey::from_pem(&update.release_key)
    {
        problems.push(format!("update.releaseKey: {error}"));
    }
    problems.extend(connection(config));
    problems.extend(prices(config));
    problems
}

fn connection(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    match (config.mode, &config.hub, &config.member_kubeconfig) {
        (Mode::Pull, Some(hub), None) => {
            if !hub.url.starts_with("https://") || hub.url.parse::<http::Uri>().is_err() {
                problems.push("hub.url: write the hub's API server as https://HOST:PORT".to_owned());
            }
        }
        (Mode::Pull, None, _) => problems.push("hub: mode Pull needs the hub's url".to_owned()),
        (Mode::Pull, _, Some(_)) => problems.push("memberKubeconfig: only mode Push takes one".to_owned()),
        (Mode::Push, None, Some(_)) => {}
        (Mode::Push, Some(_), _) => problems.push("hub: only mode Pull takes it".to_owned()),
        (Mode::Push, _, None) => problems.push("memberKubeconfig: mode Push needs one".to_owned()),
    }
    problems
}

fn prices(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    if config.prices.is_empty() {
        problems.push("prices: name at least one class and its rate; without one nothing is offered".to_owned());
    }
    let mut seen = BTreeSet::new();
    for (i, price) in config.prices.iter().enumerate() {
        if !seen.insert(&price.class) {
            problems.push(format!("prices[{i}].class: {} has a price already", price.class));
        }
        if price.class != Class::CPU && !config.limits.accelerators.contains_key(&price.class) {
            problems.push(format!(
                "prices[{i}].class: {} isn't among limits.accelerators, so it would never be given work",
                price.class
            ));
        }
    }
    for resource in config.limits.accelerators.keys() {
        if !is_resource(resource) {
            problems.push(format!("limits.accelerators: {resource} is no extended resource's name"));
        }
    }
    for (i, prefix) in config.limits.registries.iter().enumerate() {
        if prefix.trim_matches('/').is_empty() || prefix.contains(char::is_whitespace) || prefix.contains("://") {
            problems.push(format!("limits.registries[{i}]: write a registry's host, with a path if you like"));
        }
    }
    problems
}

/// Whether `name` is a DNS label.
fn is_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// Whether `name` is an extended resource's name: a domain, a slash, a word.
pub(crate) fn is_resource(name: &str) -> bool {
    let Some((domain, word)) = name.split_once('/') else { return false };
    let domain_ok = domain.contains('.')
        && domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        && domain != "kubernetes.io"
        && !domain.ends_with(".kubernetes.io");
    let word_ok = !word.is_empty()
        && word.len() <= 63
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    domain_ok && word_ok
}
