//! Hub and agent on clocks of their own, against true time: the member's end always comes first.

use eai_core::fencing::{
    BootMs, Expiry, Heartbeats, Instance, Known, OnLoss, Policy, SteadyMs, Term, Verdict,
    expiry::expiry,
    lending::grant_now,
    term::{SUSPEND_LEAD_MS, deadline_seconds},
};
use proptest::prelude::*;

use super::epoch;

/// A clock that began at `offset` and runs `rate` per mille fast.
#[derive(Clone, Copy, Debug)]
struct Clock {
    offset: u64,
    rate: u64,
}

impl Clock {
    fn at(self, truth: u64) -> u64 {
        self.offset + truth * self.rate / 1_000
    }

    /// The true time at which it shows `shown` at last.
    fn truth(self, shown: u64) -> u64 {
        ((shown - self.offset) * 1_000).div_ceil(self.rate) + 1
    }
}

fn clock() -> impl Strategy<Value = Clock> {
    (0u64..10u64.pow(10), 900u64..=1_100).prop_map(|(offset, rate)| Clock { offset, rate })
}

/// One exchange: how late the heartbeat reaches the hub after the last, how late the hub writes, how late the grant
/// arrives; `None` if it never does.
#[derive(Clone, Debug)]
struct Exchange {
    gap: u64,
    writing: u64,
    arriving: Option<u64>,
}

fn exchanges() -> impl Strategy<Value = Vec<Exchange>> {
    let one = (1u64..300_000, 0u64..300_000, prop::option::of(0u64..900_000));
    prop::collection::vec(one.prop_map(|(gap, writing, arriving)| Exchange { gap, writing, arriving }), 1..12)
}

proptest! {
    /// Whatever the clocks show and however late words are: when the hub thinks that an attempt may go elsewhere, agent
    /// and control plane have each ended it, grace included.
    #[test]
    fn the_member_ends_before_the_hub_begins_anew(
        agent in clock(),
        hub in clock(),
        exchanges in exchanges(),
        valid in 30_000u64..900_000,
        began in 0u64..1_000_000,
    ) {
        let policy = Policy::new(valid);
        let mut heartbeats = Heartbeats::new(Instance(9));
        let (mut term, mut known, mut truth) = (Term::new(epoch(1, 1)), None, began);
        // The true moments at which grants arrive: the control plane is told of each at once.
        let mut deadline = 0;
        for exchange in exchanges {
            truth += exchange.gap;
            let sent = heartbeats.send(BootMs(agent.at(truth)));
            truth += exchange.writing;
            let now = SteadyMs(hub.at(truth));
            let Some(given) = grant_now(&policy, known.as_ref(), Some(sent), now) else { continue };
            known = Some(Known::saw(known, Some(given), now));
            let Some(late) = exchange.arriving else { continue };
            if let Ok(taken) = term.accept(epoch(1, 1), given, &heartbeats) {
                term = taken;
                let here = agent.at(truth + late);
                let left = term.remaining_ms(BootMs(here)).unwrap();
                // Elapsed since the Job's start at true time 0, by the member's own clock.
                let seconds = deadline_seconds(here - agent.at(0), left);
                deadline = deadline.max(if left > 0 { agent.at(0) + seconds * 1_000 } else { 0 });
            }
        }
        let Some(known) = known else { return Ok(()) };
        let Expiry::At(moment) = expiry(&policy, OnLoss::SelfFence, &known, None, known.at) else { panic!() };
        let elsewhere = hub.truth(moment.0);
        let grace = policy.grace_ms * 1_000 / agent.rate;
        if deadline > 0 {
            prop_assert!(agent.truth(deadline) + grace <= elsewhere);
        }
        // The agent, looking at any moment from then on, has fenced it.
        for later in [0, 1, 1_000_000] {
            let there = BootMs(agent.at(elsewhere + later - grace));
            let verdict = term.verdict(OnLoss::SelfFence, Some(0), there);
            prop_assert_eq!(verdict, Verdict::Fence);
        }
    }

    /// A fence is no trap: a member that is heard in time is never fenced.
    #[test]
    fn a_member_that_is_heard_runs_on(agent in clock(), hub in clock(), lag in 0u64..5_000) {
        let policy = Policy::new(60_000);
        let mut heartbeats = Heartbeats::new(Instance(9));
        let (mut term, mut known) = (Term::new(epoch(1, 1)), None::<Known>);
        for beat in 0..200u64 {
            let truth = beat * 10_000;
            let sent = heartbeats.send(BootMs(agent.at(truth)));
            let now = SteadyMs(hub.at(truth + lag));
            if let Some(given) = grant_now(&policy, known.as_ref(), Some(sent), now) {
                known = Some(Known::saw(known, Some(given), now));
                term = term.accept(epoch(1, 1), given, &heartbeats).unwrap();
            }
            let verdict = term.verdict(OnLoss::SelfFence, None, BootMs(agent.at(truth + 2 * lag)));
            let Verdict::Granted { remaining_ms } = verdict else { panic!("{verdict:?} at {truth}") };
            prop_assert!(remaining_ms > SUSPEND_LEAD_MS);
        }
    }
}
