//! Whether so many members fell silent at once that the hub should doubt itself.

use std::time::{Duration, Instant};

use eai_core::fencing::silence::Voice as Weighed;
use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;

/// Between looks: well within the time in which members count as having fallen silent at once.
const EVERY: Duration = Duration::from_secs(5);

/// Looks, until `shutdown`.
pub async fn watch(hub: &Hub, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.cancelled() => return,
        }
        look(hub, Instant::now());
    }
}

fn look(hub: &Hub, now: Instant) {
    let accepted = hub.world.nodes.state().into_iter().filter(|node| node.spec.accepted);
    // What members have staked isn't read from the chain yet, so each counts the same.
    let weighed = accepted.map(|node| Weighed {
        stake: 0,
        silent_since: hub.ctx.heartbeats.silent_since(&node.name_any(), now).map(|at| hub.fence.steady(at)),
    });
    hub.fence.weigh(&weighed.collect::<Vec<_>>(), hub.fence.steady(now));
}
