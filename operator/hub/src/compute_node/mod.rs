//! ComputeNode: members join, are accepted, get their namespace and rights, and leave.

use crate::context::{Fatal, Shared};

/// Runs until `ctx.shutdown` is cancelled; called on the leader only.
pub async fn run(ctx: Shared) -> Result<(), Fatal> {
    ctx.shutdown.cancelled().await;
    Ok(())
}
