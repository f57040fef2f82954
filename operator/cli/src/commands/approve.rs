//! The admin's half of the double opt-in.

use eai_api::ComputeNode;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{error::Result, hub::Hub, output};

/// Accepts a member.
pub async fn run(hub: &Hub, member: &str) -> Result<()> {
    let nodes: Api<ComputeNode> = Api::all(hub.client.clone());
    let node = nodes.get(member).await?;
    let patch = Patch::Merge(json!({"spec": {"accepted": true}}));
    nodes.patch(member, &PatchParams::default(), &patch).await?;
    output::say(format!("{member} is accepted; its owner's account {} is paid for what it runs", node.spec.owner))?;
    output::say(format!("watch it: kubectl get computenode {member} -w"))?;
    Ok(())
}
