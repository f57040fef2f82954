//! That the end of a grant is looked at on time, whatever else is stuck, failed or asleep.
//!
//! Timers stand still while a laptop sleeps, and a request to a hub that is away takes as long as it takes. So every
//! second the boot-time clock is asked.

use std::{sync::Arc, time::Duration};

use eai_api::Assignment;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// Between looks at the clock.
const LOOK: Duration = Duration::from_secs(1);

/// Wakes attempts whose right to run is over, until `shutdown`.
pub async fn watch(context: Arc<Context>, wake: UnboundedSender<ObjectRef<Assignment>>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        for name in context.tracks.due(context.pulse.boot()) {
            // An error of sending only says that the agent is stopping.
            let _ = wake.send(ObjectRef::new(&name).within(&context.hub_namespace));
        }
    }
}

/// Ends when the right to run of the attempt called `name` does, if that is later than now: whatever is under way then
/// must not keep it from being fenced.
pub async fn interrupt(context: &Context, name: &str, uid: &str) {
    let since = context.pulse.boot();
    loop {
        let at = context.tracks.with(name, uid, |track| track.fence_at).filter(|&at| at > since);
        let left = at.map(|at| Duration::from_millis(at.since(context.pulse.boot())));
        if left.is_some_and(|left| left.is_zero()) {
            return;
        }
        tokio::time::sleep(left.unwrap_or(LOOK).min(LOOK)).await;
    }
}
