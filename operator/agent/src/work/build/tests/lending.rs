//! A member's Job under any grants, delays, crashes and controllers, against what was granted.

use eai_api::Assignment;
use eai_core::fencing::{BootMs, Grant, Heartbeats, Instance, Term, term::SUSPEND_LEAD_MS};
use k8s_openapi::{
    api::batch::v1::Job,
    jiff::{SignedDuration, Timestamp},
};
use proptest::prelude::*;

use super::*;
use crate::{
    testing::{BOOT, at, granted, pod_with, running},
    work::{
        build::grant::{self, End},
        snapshot::unix_ms,
    },
};

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A heartbeat is sent.
    Beat,
    /// A grant that echoes the so manieth last heartbeat arrives, good for so many seconds.
    Granted(usize, u64),
    /// The agent looks, and does what it decides.
    Look,
    /// The Job controller looks.
    Control,
    /// The agent begins anew.
    Restart,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => prop_oneof![0u64..3_000, 0u64..120_000].prop_map(Event::Pass),
        2 => Just(Event::Beat),
        3 => (0usize..4, 1u64..900).prop_map(|(back, seconds)| Event::Granted(back, seconds)),
        6 => Just(Event::Look),
        4 => Just(Event::Control),
        1 => Just(Event::Restart),
    ];
    prop::collection::vec(event, 1..60)
}

/// A member: its agent, its Job and its controller.
struct Member {
    now_ms: u64,
    assignment: Assignment,
    job: Option<Job>,
    instance: u64,
    heartbeats: Heartbeats,
    sent: Vec<BootMs>,
    term: Term,
    /// The end of the longest grant that any run of the agent was given: nothing may run later.
    granted_ms: u64,
    /// Whether Kubernetes forgets the start of a Job that is suspended, as it does from 1.36 on.
    forgets: bool,
    /// Whether the start that the Job has now was looked at since.
    looked: bool,
}

impl Member {
    fn new(forgets: bool) -> Self {
        let assignment = granted(assignment(spec_with(json!({ "maxDurationSeconds": 7_200 }))), 1);
        let term = Term::new(assignment.spec.epoch);
        let heartbeats = Heartbeats::new(Instance(1));
        Self {
            now_ms: 0,
            assignment,
            job: None,
            instance: 1,
            heartbeats,
            sent: Vec::new(),
            term,
            granted_ms: 0,
            forgets,
            looked: false,
        }
    }

    fn boot(&self) -> BootMs {
        BOOT.after(self.now_ms)
    }

    fn wall(&self) -> Timestamp {
        at(0) + SignedDuration::from_millis(i64::try_from(self.now_ms).unwrap())
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Pass(ms) => self.now_ms += ms,
            Event::Beat => {
                let now = self.boot();
                self.heartbeats.send(now);
                self.sent.push(now);
            }
            Event::Granted(back, seconds) => self.granted(*back, *seconds),
            Event::Look => self.look(),
            Event::Control => self.control(),
            Event::Restart => {
                self.instance += 1;
                self.heartbeats = Heartbeats::new(Instance(self.instance));
                self.sent.clear();
                self.term = Term::new(self.assignment.spec.epoch);
            }
        }
    }

    fn granted(&mut self, back: usize, seconds: u64) {
        let Some(place) = self.sent.len().checked_sub(back + 1) else { return };
        let heartbeat = eai_core::fencing::Heartbeat { instance: Instance(self.instance), sequence: place as u64 + 1 };
        let grant = Grant { heartbeat, valid_for_ms: seconds * 1_000 };
        let Ok(taken) = self.term.accept(self.assignment.spec.epoch, grant, &self.heartbeats) else { return };
        self.term = taken;
        let until = self.sent[place].after(grant.valid_for_ms).since(BOOT);
        self.granted_ms = self.granted_ms.max(until);
    }

    fn look(&mut self) {
        let work = json!({ "creationTimestamp": self.wall().to_string() });
        let pods = [pod_with(0, "pod-0", running(0), work)];
        let pods = if self.runs() { &pods[..] } else { &[] };
        let mut seen = snapshot(self.assignment.clone(), self.job.as_ref(), pods, 0);
        (seen.term, seen.now, seen.boot) = (self.term, self.wall(), self.boot());
        let plan = decide(&seen);
        for step in &plan.steps {
            self.apply(step);
        }
        self.looked = true;
    }

    fn apply(&mut self, step: &Step) {
        if *step == Step::Admit {
            let left = self.term.remaining_ms(self.boot()).unwrap();
            let mut job = made_job(&self.assignment, json!({}));
            let now_ms = unix_ms(self.wall());
            grant::lend(&mut job, Some(End::first(&self.assignment.spec.workload, now_ms, left)));
            self.assignment = begun(self.assignment.clone());
            self.job = Some(job);
            return;
        }
        let Some(job) = self.job.as_mut() else { return };
        match step {
            Step::Suspend(suspend) => job.spec.as_mut().unwrap().suspend = Some(*suspend),
            Step::Resume(end) => {
                job.spec.as_mut().unwrap().suspend = Some(false);
                grant::lend(job, Some(*end));
            }
            Step::Deadline(end) => grant::lend(job, Some(*end)),
            other => assert!(!matches!(other, Step::Extend(_)), "that is for work without grants"),
        }
    }

    /// What the Job controller makes of the Job, at once.
    fn control(&mut self) {
        let (now, forgets) = (self.wall(), self.forgets);
        let Some(job) = self.job.as_mut() else { return };
        let suspend = job.spec.as_ref().unwrap().suspend == Some(true);
        let mut status = serde_json::to_value(job.status.clone()).unwrap();
        let halted = status["conditions"][0]["status"] == "True" && status["conditions"][0]["type"] == "Suspended";
        if status["conditions"][0]["type"] == "Failed" {
            return;
        }
        if suspend {
            status["conditions"] = json!([{ "type": "Suspended", "status": "True" }]);
            if forgets {
                status["startTime"] = Value::Null;
            }
        } else if let (Some(start), Some(end)) = (status["startTime"].as_str(), deadline(job))
            && now >= start.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(end)
        {
            status["conditions"] = json!([{ "type": "Failed", "status": "True", "reason": "DeadlineExceeded" }]);
        } else if halted || status["startTime"].is_null() {
            self.looked = false;
            status["startTime"] = json!(Timestamp::from_second(now.as_second()).unwrap().to_string());
            status["conditions"] = json!([]);
        }
        job.status = serde_json::from_value(status).unwrap();
    }

    fn runs(&self) -> bool {
        self.start_ms().is_some()
    }

    /// When what runs now began, in milliseconds since the beginning.
    fn start_ms(&self) -> Option<u64> {
        let job = self.job.as_ref()?;
        let fact = crate::work::snapshot::JobFact::read(job);
        let started = fact.started.filter(|_| !fact.suspended() && !fact.resuming && !fact.over())?;
        u64::try_from(started.as_millisecond() - at(0).as_millisecond()).ok()
    }

    /// When its cluster ends what runs now.
    fn end_ms(&self) -> Option<u64> {
        let end = deadline(self.job.as_ref()?).and_then(|seconds| u64::try_from(seconds).ok())?;
        Some(self.start_ms()? + end * 1_000)
    }
}

fn deadline(job: &Job) -> Option<i64> {
    job.spec.as_ref()?.active_deadline_seconds
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Once the agent has seen the start, nothing that runs has an end later than the longest grant ever given; and an
    /// agent that looks at the end of a grant leaves nothing running.
    #[test]
    fn no_end_is_later_than_any_grant(events in events(), forgets in any::<bool>()) {
        let mut member = Member::new(forgets);
        for event in events {
            let ran = member.runs();
            member.happens(&event);
            if let Some(end) = member.end_ms().filter(|_| member.looked) {
                prop_assert!(end <= member.granted_ms, "{end} after {event:?}, granted {}", member.granted_ms);
            }
            let over = member.now_ms + SUSPEND_LEAD_MS >= member.granted_ms;
            if matches!(event, Event::Look) && over && member.term.remaining_ms(member.boot()).is_some() {
                prop_assert!(!member.runs(), "fenced at {}", member.now_ms);
            }
            // Nothing begins or is resumed but under a grant.
            if matches!(event, Event::Look) && !ran && member.job.is_some() {
                prop_assert!(member.granted_ms > 0);
            }
        }
    }

    /// Its end is never so early that a member which is heard loses its work: its agent, who can begin it again, is first.
    #[test]
    fn the_agent_comes_before_the_jobs_own_end(waits in prop::collection::vec(1u64..150_000, 1..20), forgets in any::<bool>()) {
        let mut member = Member::new(forgets);
        member.happens(&Event::Beat);
        member.happens(&Event::Granted(0, 600));
        for event in [Event::Look, Event::Control, Event::Look] {
            member.happens(&event);
        }
        for wait in waits {
            for event in [Event::Pass(wait), Event::Control, Event::Beat, Event::Granted(0, 600), Event::Look] {
                member.happens(&event);
            }
            let end = member.end_ms().unwrap();
            prop_assert!(end + SUSPEND_LEAD_MS > member.granted_ms, "{end} for {}", member.granted_ms);
        }
    }
}
