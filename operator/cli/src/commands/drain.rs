//! Emptying a member: no new work, what may move moves, and the rest is waited for within a bound.

use std::time::Duration;

use eai_api::{
    ComputeNode,
    condition::{DRAINING, UNREACHABLE},
};
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::cordon;
use crate::{
    duration::Seconds,
    error::{Error, Result},
    hub::Hub,
    output,
};

/// How long beyond the bound it may take: the last work ends and is settled.
const GRACE: Duration = Duration::from_mins(3);
/// Between looks.
const POLL: Duration = Duration::from_millis(500);
/// The reason of Draining when nothing is left.
const DRAINED: &str = "Drained";

/// What became of a drain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing is left there.
    Empty,
    /// Time is up, and something is; the hub's word on it.
    Left(String),
    /// The member itself is gone.
    Gone,
    /// The hub is of an earlier version, which drains nothing.
    Unknown,
}

/// Empties a member.
pub async fn run(hub: &Hub, member: &str, within: Seconds) -> Result<()> {
    match empty(hub, member, within, GRACE).await? {
        End::Empty => output::say(format!("{member} is empty")),
        End::Left(why) => Err(Error::Failed(format!("{member} isn't empty yet: {why}"))),
        End::Gone => Err(Error::NotFound(format!("{member} has left"))),
        End::Unknown => Err(Error::Failed(
            "this hub is of an earlier version, which can't drain; update it and its CRDs first".to_owned(),
        )),
    }
}

/// Has a member emptied, and says how that goes on until it is, or until `grace` after the bound.
pub async fn empty(hub: &Hub, member: &str, within: Seconds, grace: Duration) -> Result<End> {
    let by = bound(Timestamp::now(), within)?;
    let node = cordon::set(hub, member, json!({"cordon": true, "drain": {"by": by.to_string()}})).await?;
    if node.spec.drain.is_none() {
        return Ok(End::Unknown);
    }
    output::say(format!("{member} gets no new work; what starts, is paused or may be preempted moves now"))?;
    output::say(format!("what still runs there at {by} is ended then and begun elsewhere"))?;
    output::say(format!("this goes on if you stop watching; take it back: kubectl eai uncordon {member}"))?;
    let end = Instant::now() + Duration::from(within) + grace;
    watch(hub, member, node.metadata.generation, end).await
}

/// The moment to write: whole seconds, by this machine's clock.
fn bound(now: Timestamp, within: Seconds) -> Result<Timestamp> {
    let seconds = i64::try_from(within.0).ok().map(SignedDuration::from_secs);
    let by = seconds.and_then(|seconds| now.checked_add(seconds).ok());
    let by = by.and_then(|by| Timestamp::from_second(by.as_second()).ok());
    by.ok_or_else(|| Error::Usage("--within: that is too far away".to_owned()))
}

async fn watch(hub: &Hub, member: &str, generation: Option<i64>, end: Instant) -> Result<End> {
    let nodes: Api<ComputeNode> = Api::all(hub.client.clone());
    let mut said = String::new();
    loop {
        let Some(node) = nodes.get_opt(member).await? else { return Ok(End::Gone) };
        let (empty, word) = word(&node, generation);
        if word != said {
            output::say(format!("  {word}"))?;
            said = word;
        }
        if empty {
            return Ok(End::Empty);
        }
        if Instant::now() >= end {
            return Ok(End::Left(said));
        }
        sleep(POLL).await;
    }
}

/// Whether the hub says that nothing is left, and its word on it. What it said of an earlier spec doesn't count.
fn word(node: &ComputeNode, generation: Option<i64>) -> (bool, String) {
    let conditions = node.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let of = |kind: &str| conditions.iter().find(|c| c.type_ == kind && c.observed_generation >= generation);
    let Some(draining) = of(DRAINING) else { return (false, "waiting for the hub to begin".to_owned()) };
    let silent = of(UNREACHABLE).map(|c| c.message.as_str());
    let words: Vec<_> = [Some(draining.message.as_str()), silent].into_iter().flatten().collect();
    (draining.reason == DRAINED, words.join("; "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::Value;

    use super::*;
    use crate::testing::{hub, refused};

    const NODE: &str = "/apis/eai.network/v1alpha1/computenodes/home-1";

    fn node(generation: i64, conditions: &[(&str, &str, &str, i64)]) -> Value {
        let condition = |(kind, reason, message, of): &(&str, &str, &str, i64)| {
            json!({"type": kind, "status": "True", "reason": reason, "message": message, "observedGeneration": of,
                "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let conditions: Vec<_> = conditions.iter().map(condition).collect();
        json!({"metadata": {"name": "home-1", "generation": generation},
            "spec": {"owner": format!("0x{}", "00".repeat(20)), "accepted": true, "drain": {"by": "2026-01-01T00:00:00Z"}},
            "status": {"conditions": conditions}})
    }

    fn said(value: Value, generation: i64) -> (bool, String) {
        word(&serde_json::from_value(value).unwrap(), Some(generation))
    }

    #[test]
    fn only_what_the_hub_said_of_this_drain_counts() {
        let going = ("Draining", "Draining", "2 attempts are left on it", 2);
        let done = ("Draining", "Drained", "nothing is left on it", 2);
        assert_eq!(said(node(3, &[]), 3), (false, "waiting for the hub to begin".to_owned()));
        assert_eq!(said(node(3, &[done]), 3), (false, "waiting for the hub to begin".to_owned()));
        assert_eq!(said(node(2, &[going]), 2), (false, "2 attempts are left on it".to_owned()));
        assert_eq!(said(node(2, &[done]), 2), (true, "nothing is left on it".to_owned()));
        let silent = ("Unreachable", "HeartbeatLost", "nothing is heard of it", 2);
        assert_eq!(said(node(2, &[silent, going]), 2).1, "2 attempts are left on it; nothing is heard of it");
    }

    #[test]
    fn the_bound_is_a_whole_second_that_can_be_written() {
        let now: Timestamp = "2026-01-01T00:00:00.7Z".parse().unwrap();
        assert_eq!(bound(now, Seconds(3600)).unwrap().to_string(), "2026-01-01T01:00:00Z");
        assert_eq!(bound(now, Seconds(u64::MAX)).unwrap_err().exit_code(), 2);
    }

    #[tokio::test]
    async fn a_drain_sets_a_bound_and_waits_until_the_hub_says_that_nothing_is_left() {
        let looks = AtomicUsize::new(0);
        let (hub, log) = hub(move |asked| {
            let look = if asked.method == "GET" { looks.fetch_add(1, Ordering::Relaxed) } else { 0 };
            let reason = if look < 2 { "Draining" } else { "Drained" };
            (200, node(2, &[("Draining", reason, "so many are left", 2)]))
        });
        run(&hub, "home-1", Seconds(60)).await.unwrap();
        let spec = log.body("PATCH", NODE)["spec"].clone();
        let by: Timestamp = spec["drain"]["by"].as_str().unwrap().parse().unwrap();
        let left = by.as_second() - Timestamp::now().as_second();
        assert_eq!((spec["cordon"].clone(), (50..=60).contains(&left)), (json!(true), true), "{left}");
        assert_eq!(log.lines().iter().filter(|line| line.starts_with("GET")).count(), 3);
    }

    #[tokio::test]
    async fn a_drain_that_comes_to_no_end_says_what_is_left() {
        let (hub, _) = hub(|_| (200, node(2, &[("Draining", "Draining", "1 attempt is left on it", 2)])));
        let end = empty(&hub, "home-1", Seconds(1), Duration::ZERO).await.unwrap();
        assert_eq!(end, End::Left("1 attempt is left on it".to_owned()));
    }

    #[tokio::test]
    async fn an_earlier_hub_and_a_member_that_is_not_there_are_told() {
        let (old, _) = hub(|_| {
            let mut node = node(2, &[]);
            node["spec"].as_object_mut().unwrap().remove("drain");
            (200, node)
        });
        assert!(run(&old, "home-1", Seconds(1)).await.unwrap_err().to_string().contains("earlier version"));
        let (nobody, log) = hub(|_| refused(404));
        assert_eq!(run(&nobody, "home-1", Seconds(1)).await.unwrap_err().exit_code(), 3);
        assert_eq!(log.lines(), [format!("PATCH {NODE}")]);
    }
}
