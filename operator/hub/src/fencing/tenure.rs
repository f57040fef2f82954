//! After a restore: attempts that the record has lost may be running, until every grant that they can have has run out.
//!
//! That a generation has waited for this is on record in ConfigMap `eai-hub-info`: a process that ends while it waits
//! would otherwise be followed by one that doesn't know.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use eai_api::names::HUB_INFO;
use eai_core::fencing::{Policy, Tenure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::reflector::ObjectRef,
};
use tokio_util::sync::CancellationToken;

use super::Fence;
use crate::hub::Hub;

/// The key in `eai-hub-info` of the last generation that has settled in.
pub const SETTLED_IN: &str = "settledInGeneration";
/// The key of the longest validity that this hub ever lent for, in milliseconds: what a restore may have lost was lent by
/// the settings of then.
const LENT_FOR: &str = "lentForMs";
/// Its field manager: the rest of that ConfigMap is written on its own.
const MANAGER: &str = "eai-operator-tenure";
/// Until what couldn't be read or written is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Waits for what a restore may have lost, if this generation is new; then lets work begin.
pub async fn settle_in(hub: &Hub, shutdown: CancellationToken) {
    let generation = hub.rules.generation;
    let mut said = false;
    loop {
        let wait = match step(hub, generation, Instant::now()).await {
            Ok(None) => break,
            Ok(Some(wait)) => {
                if !std::mem::replace(&mut said, true) {
                    let seconds = wait.as_secs();
                    tracing::warn!(generation, seconds, "restored: nothing begins until what was lost has run out");
                }
                wait
            }
            Err(error) => {
                tracing::warn!(%error, "whether this generation has settled in can't be read or written; tried again");
                RETRY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => return,
        }
    }
    hub.fence.settled_in.store(true, Ordering::Release);
    hub.pass.notify_one();
    // What was inherited is lent something again.
    for job in hub.world.jobs.all() {
        hub.wake(ObjectRef::from_obj(job.as_ref()));
    }
}

/// Whether there is still something to wait for, and how long.
async fn step(hub: &Hub, generation: u64, now: Instant) -> Result<Option<Duration>, kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(hub.ctx.client.clone(), &hub.ctx.config.namespace);
    let map = api.get_opt(HUB_INFO).await?;
    let (before, lent_ms) = (recorded(map.as_ref(), SETTLED_IN), recorded(map.as_ref(), LENT_FOR));
    let longest_ms = lent_ms.max(hub.ctx.fencing.valid_for_ms);
    if before >= generation && lent_ms == longest_ms {
        return Ok(None);
    }
    let wait = hub.fence.to_wait(restored(before, generation), longest_ms, now);
    if before < generation && !wait.is_zero() {
        return Ok(Some(wait));
    }
    let entries = [(SETTLED_IN, generation.max(before)), (LENT_FOR, longest_ms)];
    let data = entries.map(|(key, value)| (key.to_owned(), value.to_string()));
    let mut map = ConfigMap { data: Some(BTreeMap::from(data)), ..ConfigMap::default() };
    map.metadata.name = Some(HUB_INFO.to_owned());
    api.patch(HUB_INFO, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&map)).await?;
    Ok(None)
}

/// The number that is on record under `key`; 0 for none.
fn recorded(map: Option<&ConfigMap>, key: &str) -> u64 {
    map.and_then(|map| map.data.as_ref()?.get(key)?.parse().ok()).unwrap_or(0)
}

/// Whether a hub of `generation`, with `before` on record, was restored from a backup. The first generation of a hub
/// that has none on record is a new hub, or one of an earlier version that goes on.
fn restored(before: u64, generation: u64) -> bool {
    before > 0 || generation > 1
}

impl Fence {
    /// How long a hub that was or wasn't `restored`, and has lent for `longest_ms` at most, still waits before anything
    /// begins.
    fn to_wait(&self, restored: bool, longest_ms: u64, now: Instant) -> Duration {
        let tenure = Tenure { since: self.steady(self.began), restored };
        let policy = Policy { valid_for_ms: longest_ms, ..self.policy };
        if tenure.may_begin(&policy, self.steady(now)) {
            return Duration::ZERO;
        }
        let whole = Duration::from_millis(policy.fence_after_ms(longest_ms));
        whole.saturating_sub(now.saturating_duration_since(self.began)).max(Duration::from_millis(50))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn map(value: &str) -> ConfigMap {
        let data = BTreeMap::from([(SETTLED_IN.to_owned(), value.to_owned()), ("hubId".to_owned(), "x".to_owned())]);
        ConfigMap { data: Some(data), ..ConfigMap::default() }
    }

    #[test]
    fn only_a_higher_generation_than_the_record_says_waits() {
        assert_eq!(recorded(None, SETTLED_IN), 0);
        assert_eq!(recorded(Some(&map("3")), SETTLED_IN), 3);
        assert_eq!(recorded(Some(&map("three")), SETTLED_IN), 0, "what can't be read was not settled in");
        assert!(!restored(0, 1), "a new hub");
        assert!(restored(0, 2) && restored(1, 2) && restored(2, 7));
    }

    #[test]
    fn a_restored_hub_waits_for_everything_that_can_have_been_lent() {
        let began = Instant::now();
        let fence = Fence::new(Policy::new(60_000), began);
        let whole = Duration::from_millis(fence.policy.fence_after_ms(60_000));
        assert_eq!(whole, Duration::from_mins(2));
        assert_eq!(fence.to_wait(true, 60_000, began), whole);
        assert!(!fence.to_wait(true, 60_000, began + Duration::from_secs(119)).is_zero());
        assert!(fence.to_wait(true, 60_000, began + whole).is_zero());
        assert!(fence.to_wait(false, 60_000, began).is_zero());
        assert!(!fence.to_wait(true, 600_000, began + whole).is_zero(), "it once lent for longer");
    }
}
