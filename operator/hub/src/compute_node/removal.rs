//! A member leaves: first the hub stops writing, then its tokens and rights go, then its namespace, then the object.
//!
//! An open watch outlives the token it was opened with, so the order matters: a watch that is still open sees the
//! namespace being emptied, and nothing new.

use eai_api::ComputeNode;
use kube::{Client, ResourceExt as _};

use super::{
    apply::{self, ApplyError},
    gather,
    memory::Memory,
    snapshot::{Place, Snapshot},
    standing::{Leaving, Standing},
};

/// How far leaving has come.
pub enum Step {
    /// The ComputeNode is gone.
    Gone,
    /// It stays for now.
    Waiting(Standing),
}

/// Takes the next step of leaving.
pub async fn leave(client: &Client, memory: &Memory, snapshot: &Snapshot) -> Result<Step, ApplyError> {
    let node: &ComputeNode = &snapshot.node;
    let member = node.name_any();
    memory.doubt(&member);
    if !apply::has_finalizer(node) {
        return Ok(Step::Gone);
    }
    if let Place::Ours { uid } = &snapshot.place {
        apply::revoke(client, node).await?;
        apply::remove_namespace(client, &member, uid).await?;
    }
    match gather::place(client, node).await.map_err(ApplyError::api("reading the namespace"))? {
        Place::Ours { .. } => Ok(waiting(String::new())),
        Place::Terminating { held } => Ok(waiting(held)),
        Place::Absent | Place::Foreign { .. } => {
            if let Some(invite) = &snapshot.invite {
                apply::remove_invite(client, &member, &invite.uid).await?;
            }
            apply::remove_finalizer(client, node).await?;
            memory.forget(&member);
            Ok(Step::Gone)
        }
    }
}

fn waiting(held: String) -> Step {
    Step::Waiting(Standing::Leaving(Leaving::Emptying(held)))
}
