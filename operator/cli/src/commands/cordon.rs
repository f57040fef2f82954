//! Keeping new work off a member, and letting it have some again.

use eai_api::ComputeNode;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{error::Result, hub::Hub, output};

/// No new work; what runs goes on.
pub async fn cordon(hub: &Hub, member: &str) -> Result<()> {
    set(hub, member, json!({"cordon": true})).await?;
    output::say(format!("{member} gets no new work; what it has goes on there"))?;
    output::say(format!("let it work again: kubectl eai uncordon {member}"))
}

/// Work as before.
pub async fn uncordon(hub: &Hub, member: &str) -> Result<()> {
    let node = set(hub, member, json!({"cordon": false, "drain": null})).await?;
    output::say(format!("{member} can be given work again; what was asked to move moves on"))?;
    if !node.spec.accepted {
        output::say(format!("it isn't accepted, though: kubectl eai approve {member}"))?;
    }
    Ok(())
}

/// Changes a member's spec.
pub async fn set(hub: &Hub, member: &str, spec: Value) -> Result<ComputeNode> {
    let nodes: Api<ComputeNode> = Api::all(hub.client.clone());
    Ok(nodes.patch(member, &PatchParams::default(), &Patch::Merge(json!({"spec": spec}))).await?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{hub, refused};

    const NODE: &str = "/apis/eai.network/v1alpha1/computenodes/home-1";

    fn node() -> (u16, Value) {
        (200, json!({"metadata": {"name": "home-1"}, "spec": {"owner": format!("0x{}", "00".repeat(20))}}))
    }

    #[tokio::test]
    async fn a_cordon_says_one_thing_and_its_opposite_takes_back_a_drain_too() {
        let (hub, log) = hub(|_| node());
        cordon(&hub, "home-1").await.unwrap();
        assert_eq!(log.body("PATCH", NODE), json!({"spec": {"cordon": true}}));
        uncordon(&hub, "home-1").await.unwrap();
        assert_eq!(log.body("PATCH", NODE), json!({"spec": {"cordon": false, "drain": null}}));
        assert_eq!(log.lines().len(), 2);
    }

    #[tokio::test]
    async fn who_may_not_or_names_nobody_is_told() {
        for (code, exit) in [(404, 3), (403, 4)] {
            let (hub, _) = hub(move |_| refused(code));
            assert_eq!(cordon(&hub, "home-1").await.unwrap_err().exit_code(), exit);
            assert_eq!(uncordon(&hub, "home-1").await.unwrap_err().exit_code(), exit);
        }
    }
}
