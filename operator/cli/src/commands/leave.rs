//! Removing a member.

use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use eai_api::ComputeNode;
use kube::{Api, api::DeleteParams};
use tokio::time::{Instant, sleep};

use crate::{
    error::{Error, Result},
    hub::Hub,
};

/// How long to wait for the hub to let a member go.
const PATIENCE: Duration = Duration::from_mins(3);

/// Deletes the member and waits until the hub has taken back its rights and its namespace.
pub async fn run(hub: &Hub, member: &str, yes: bool) -> Result<()> {
    let nodes: Api<ComputeNode> = Api::all(hub.client.clone());
    nodes.get(member).await?;
    if !yes && !confirmed(member)? {
        return Err(Error::Failed("nothing was done".to_owned()));
    }
    nodes.delete(member, &DeleteParams::default()).await?;
    let end = Instant::now() + PATIENCE;
    while let Some(node) = nodes.get_opt(member).await? {
        if Instant::now() >= end {
            let conditions = node.status.map(|status| status.conditions).unwrap_or_default();
            let why = conditions.iter().find(|c| c.type_ == "Ready").map_or("no word from the hub", |c| &c.message);
            return Err(Error::Failed(format!("{member} is still leaving: {why}")));
        }
        sleep(Duration::from_millis(500)).await;
    }
    println!("{member} has left");
    Ok(())
}

fn confirmed(member: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage("this removes the member and its rights; say --yes".to_owned()));
    }
    print!("Remove {member}? Its running jobs end and are settled. [y/N] ");
    let io = |error: std::io::Error| Error::Failed(error.to_string());
    std::io::stdout().flush().map_err(io)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(io)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
