//! A member leaves: first the hub stops writing, then its tokens and rights go, then its namespace, then the object.
//!
//! Between its rights and its namespace what it said last of its work is read and settled: with the namespace its
//! Assignments go. Work that still runs there ends with its grants, and begins elsewhere then.
//!
//! An open watch outlives the token it was opened with, so the order matters: a watch that is still open sees the
//! namespace being emptied, and nothing new.

use eai_api::ComputeNode;
use k8s_openapi::jiff::SignedDuration;
use kube::{Client, ResourceExt as _};

use super::{
    apply::{self, ApplyError},
    gather,
    memory::Memory,
    snapshot::{Place, Snapshot},
    standing::{Leaving, Standing},
};

/// How long that is waited for. A chain that doesn't answer mustn't keep a member.
const SETTLE: SignedDuration = SignedDuration::from_secs(30);

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
        if let Some(unsettled) = unsettled(snapshot) {
            return Ok(Step::Waiting(Standing::Leaving(unsettled)));
        }
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

/// What is waited for while the member's last word on its work isn't settled, or not counted yet.
fn unsettled(snapshot: &Snapshot) -> Option<Leaving> {
    let since = snapshot.node.metadata.deletion_timestamp.as_ref()?;
    let left = snapshot.tally.map(|tally| tally.unread.saturating_add(tally.settling));
    let waits = snapshot.now.duration_since(since.0) < SETTLE && left != Some(0);
    waits.then_some(Leaving::Settling(left))
}

fn waiting(held: String) -> Step {
    Step::Waiting(Standing::Leaving(Leaving::Emptying(held)))
}
