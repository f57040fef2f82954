//! Who called the API servers how often.
//!
//! API servers count requests by what is asked, not by who asks. They do count by FlowSchema, and the hub's chart brings
//! one for the operator and one for the agents' own kinds; the rest of an agent's requests (its heartbeat, its tokens)
//! fall under Kubernetes' schema for service accounts, which has nobody else here. On the member, that schema holds its
//! agent alone. The controllers of Kubernetes itself, nodes and people fall under other schemas.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::prometheus::samples;
use crate::{error::Result, stage::Stage};

/// Requests by FlowSchema.
const BY_SCHEMA: &str = "apiserver_flowcontrol_dispatched_requests_total";
/// Requests by what is asked, whoever asks.
const BY_REQUEST: &str = "apiserver_request_total";
/// What is asked too seldom to be shown, in calls per job.
const SELDOM: f64 = 0.2;

const OPERATOR: &[&str] = &["eai-operator"];
const AGENTS: &[&str] = &["eai-agents", "service-accounts"];
const MEMBERS_AGENT: &[&str] = &["service-accounts"];

/// Counters at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calls {
    /// The operator's, on the hub.
    operator: f64,
    /// All agents', on the hub.
    agents: f64,
    /// The agent's, on its own member.
    member: f64,
    /// Everybody's on the hub, by verb and resource.
    requests: BTreeMap<String, f64>,
}

/// Calls per second while no job is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates(Calls);

/// What a job costs in calls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PerJob {
    /// The operator's and the agents' on the hub.
    pub hub: f64,
    /// The operator's.
    pub operator: f64,
    /// The agents'.
    pub agents: f64,
    /// The agent's to its own cluster.
    pub member: f64,
    /// Calls a minute without any job: operator and agents on the hub.
    pub idle_per_minute: f64,
    /// Everybody's calls on the hub by verb and resource, Kubernetes' own controllers included.
    pub by_request: BTreeMap<String, f64>,
}

impl Calls {
    /// Asks both API servers.
    pub fn read(stage: &Stage, member: &str) -> Result<Self> {
        let hub = stage.hub.kubectl(&["get", "--raw", "/metrics"])?;
        let member = stage.member(member)?.cluster.kubectl(&["get", "--raw", "/metrics"])?;
        Ok(Self::parse(&hub, &member))
    }

    fn parse(hub: &str, member: &str) -> Self {
        let mut requests = BTreeMap::new();
        for (labels, value) in samples(hub, BY_REQUEST) {
            let label = |name: &str| labels.get(name).map_or("", String::as_str);
            let below = if label("subresource").is_empty() { "" } else { "/" };
            let asked = format!("{} {}{below}{}", label("verb"), label("resource"), label("subresource"));
            *requests.entry(asked).or_default() += value;
        }
        Self {
            operator: of_schemas(hub, OPERATOR),
            agents: of_schemas(hub, AGENTS),
            member: of_schemas(member, MEMBERS_AGENT),
            requests,
        }
    }

    /// What each of `jobs` cost since `before`, less what would have gone on without them in that time.
    pub fn since(&self, before: &Self, idle: &Rates, took: Duration, jobs: u32) -> PerJob {
        let seconds = took.as_secs_f64();
        let per_job = |now: f64, then: f64, rate: f64| rounded((now - then - rate * seconds) / f64::from(jobs));
        let operator = per_job(self.operator, before.operator, idle.0.operator);
        let agents = per_job(self.agents, before.agents, idle.0.agents);
        let of = |counts: &BTreeMap<String, f64>, asked: &str| counts.get(asked).copied().unwrap_or_default();
        let by_request = self.requests.iter().map(|(asked, now)| {
            (asked.clone(), per_job(*now, of(&before.requests, asked), of(&idle.0.requests, asked)))
        });
        PerJob {
            hub: rounded(operator + agents),
            operator,
            agents,
            member: per_job(self.member, before.member, idle.0.member),
            idle_per_minute: rounded((idle.0.operator + idle.0.agents) * 60.0),
            by_request: by_request.filter(|(_, calls)| *calls >= SELDOM).collect(),
        }
    }
}

impl Rates {
    /// Counts for `time`, in which no job is there.
    pub async fn idle(stage: &Stage, member: &str, time: Duration) -> Result<Self> {
        let (before, began) = (Calls::read(stage, member)?, Instant::now());
        sleep(time).await;
        Ok(Self::between(&before, &Calls::read(stage, member)?, began.elapsed()))
    }

    fn between(before: &Calls, after: &Calls, time: Duration) -> Self {
        let seconds = time.as_secs_f64().max(f64::EPSILON);
        let requests = after.requests.iter().map(|(asked, now)| {
            let then = before.requests.get(asked).copied().unwrap_or_default();
            (asked.clone(), (now - then) / seconds)
        });
        Self(Calls {
            operator: (after.operator - before.operator) / seconds,
            agents: (after.agents - before.agents) / seconds,
            member: (after.member - before.member) / seconds,
            requests: requests.collect(),
        })
    }
}

fn of_schemas(text: &str, schemas: &[&str]) -> f64 {
    let ours = |name: Option<&String>| name.is_some_and(|name| schemas.contains(&name.as_str()));
    samples(text, BY_SCHEMA).filter(|(labels, _)| ours(labels.get("flow_schema"))).map(|(_, value)| value).sum()
}

/// To two decimals; a request or two that the idle time had more of isn't less than nothing.
fn rounded(value: f64) -> f64 {
    (value.max(0.0) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(operator: u32, agents: u32, heartbeats: u32, patches: u32) -> String {
        let schema =
            |name: &str, count: u32| format!("{BY_SCHEMA}{{flow_schema=\"{name}\",priority_level=\"x\"}} {count}\n");
        schema("eai-operator", operator)
            + &schema("eai-agents", agents)
            + &schema("service-accounts", heartbeats)
            + &schema("exempt", 5000)
            + &format!(
                "{BY_REQUEST}{{code=\"200\",resource=\"aijobs\",subresource=\"status\",verb=\"PUT\"}} {patches}\n"
            )
            + &format!("{BY_REQUEST}{{code=\"409\",resource=\"aijobs\",subresource=\"status\",verb=\"PUT\"}} 1\n")
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 0.001
    }

    #[test]
    fn a_job_costs_what_is_beyond_the_idle_rate() {
        let member = |count: u32| format!("{BY_SCHEMA}{{flow_schema=\"service-accounts\"}} {count}\n");
        let start = Calls::parse(&hub(100, 10, 20, 50), &member(7));
        let later = Calls::parse(&hub(106, 10, 26, 50), &member(7));
        let idle = Rates::between(&start, &later, Duration::from_mins(1));
        let end = Calls::parse(&hub(106 + 20 + 80, 10 + 40, 26 + 20 + 10, 50 + 60), &member(7 + 100));
        let per_job = end.since(&later, &idle, Duration::from_secs(200), 10);
        assert!(close(per_job.operator, 8.0), "100 calls less 200 s of 0.1/s: {per_job:?}");
        assert!(close(per_job.agents, 5.0), "40 of its kinds, and 30 others less 20: {per_job:?}");
        assert!(close(per_job.hub, 13.0) && close(per_job.member, 10.0), "{per_job:?}");
        assert!(close(per_job.idle_per_minute, 12.0), "{per_job:?}");
        assert!(close(per_job.by_request["PUT aijobs/status"], 6.0), "{per_job:?}");
    }

    #[test]
    fn what_is_seldom_asked_is_left_out_and_nothing_is_negative() {
        let start = Calls::parse(&hub(100, 0, 0, 50), "");
        let idle = Rates::between(&Calls::parse(&hub(0, 0, 0, 0), ""), &start, Duration::from_secs(10));
        let per_job = start.since(&start, &idle, Duration::from_secs(10), 10);
        assert!(close(per_job.operator, 0.0) && per_job.by_request.is_empty(), "{per_job:?}");
    }
}
