//! Which versions are in use.

use serde::Serialize;

use crate::{
    error::{Error, Result},
    hub::Hub,
    output::{self, Format},
};

#[derive(Serialize)]
struct Versions {
    client: &'static str,
    hub: Option<String>,
    /// Why the hub's isn't known.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// This program's version and the hub's.
pub async fn run(hub: &Hub, format: Format) -> Result<()> {
    let (version, problem) = match hub.info().await {
        Ok(info) => (Some(info.version), None),
        Err(error) => (None, Some(error.to_string())),
    };
    print(format, &Versions { client: env!("CARGO_PKG_VERSION"), hub: version, problem })
}

/// This program's version, where there is no hub to ask.
pub fn alone(format: Format, error: &Error) -> Result<()> {
    print(format, &Versions { client: env!("CARGO_PKG_VERSION"), hub: None, problem: Some(error.to_string()) })
}

fn print(format: Format, versions: &Versions) -> Result<()> {
    output::print(format, versions, |versions| {
        let problem = || versions.problem.clone().unwrap_or_default();
        let hub = versions.hub.clone().unwrap_or_else(|| format!("unknown: {}", problem()));
        output::fields(&[("Client", versions.client.to_owned()), ("Hub", hub)])
    })
}
