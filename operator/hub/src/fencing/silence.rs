//! Whether so many members fell silent at once that the hub should doubt itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use eai_api::ComputeNode;
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

/// The members that count.
pub(super) fn accepted(hub: &Hub) -> Vec<Arc<ComputeNode>> {
    hub.world.nodes.state().into_iter().filter(|node| node.spec.accepted).collect()
}

fn look(hub: &Hub, now: Instant) {
    let members = accepted(hub);
    let weighed = members.iter().zip(hub.stakes.weights(&members)).map(|(node, stake)| Weighed {
        stake,
        silent_since: hub.ctx.heartbeats.silent_since(&node.name_any(), now).map(|at| hub.fence.steady(at)),
    });
    hub.fence.weigh(&weighed.collect::<Vec<_>>(), hub.fence.steady(now));
}
