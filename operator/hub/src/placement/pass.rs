//! One placement pass over all jobs that wait: pure, so that the same world always gives the same claims.
//!
//! 1. Whose turn it is ([`Turns`]); what is placed counts for the next turn.
//! 2. Can the payer pay for it anywhere? If not, it takes no part.
//! 3. Where does it fit, at what price ([`Market::decide`])?
//! 4. Can the payer pay for it there? Then capacity and money are taken out for the rest of the pass.
//!
//! Within a pass capacity and money only shrink, so a request that was refused once is refused again without a look.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use eai_api::{AIJob, aijob::policy::PolicyError};
use eai_chain::NamespaceId;
use eai_core::{
    metering::MilliUnits,
    money::Amount,
    offer::SignedOffer,
    placement::{Constraint, Decision, Market, Refusal, Request, Turns},
};

use super::{
    funds::Till,
    members,
    offers::Offers,
    order::{Lines, MOST_IN_LINE},
    preempt::{Field, Making},
};
use crate::aijob::{
    build::{Rules, money, rules::LEAST_RUN_MS},
    claim::{Claim, budget_left, first_hold},
    words::{Say, Unfunded},
};

/// The most refusals that a job lists.
const MOST_REFUSALS: usize = 64;

/// A job that waits, and its namespace's id.
pub struct Waiting {
    /// The job.
    pub job: Arc<AIJob>,
    /// Its namespace on the chain.
    pub namespace: NamespaceId,
}

/// What a pass decides on.
pub struct World<'a> {
    /// Members, and what they have free.
    pub market: Market<'a>,
    /// Who may give way.
    pub field: Field,
    /// Their offers, by member.
    pub offers: &'a HashMap<String, Vec<SignedOffer>>,
    /// What payers have left.
    pub till: Till,
    /// Why the chain can't be used now.
    pub trouble: Option<&'a str>,
    /// The hub's rules.
    pub rules: &'a Rules,
}

/// What a pass comes to about a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Claim this member.
    Claim(Claim),
    /// It waits, for this reason; with a line per member that doesn't take it.
    Wait(Say, Vec<String>),
    /// It waits for these to give way.
    MakeRoom(Vec<Arc<AIJob>>, Say, Vec<String>),
    /// Every member that could take it has refused it.
    GiveUp(Say),
    /// It can't be told now; another pass follows.
    Unknown,
}

/// Decides about each job in turn.
pub fn pass<'a>(mut world: World<'_>, lines: &'a Lines) -> Vec<(&'a Waiting, Verdict)> {
    let mut refused: HashMap<Request, Vec<String>> = HashMap::new();
    let mut turns = Turns::new(&lines.queues, &lines.total);
    let mut verdicts = Vec::new();
    // Room that was made is its namespace's own, so whom it was made for takes it, and nothing else, before anybody's turn.
    let mut claimed = HashSet::new();
    for waiting in lines.jobs.iter().flatten() {
        let Some(on) = world.field.made_on(uid(waiting)).map(ToOwned::to_owned) else { continue };
        let verdict = one(&mut world, &mut refused, waiting, Some(&on));
        if matches!(verdict, Verdict::Claim(_)) {
            claimed.insert(uid(waiting));
            verdicts.push((waiting, verdict));
        }
    }
    while let Some(turn) = turns.next() {
        let waiting = &lines.jobs[turn.queue][turn.job];
        if claimed.contains(uid(waiting)) {
            turns.placed();
            continue;
        }
        let verdict = one(&mut world, &mut refused, waiting, None);
        if matches!(verdict, Verdict::Claim(_)) {
            turns.placed();
        }
        verdicts.push((waiting, verdict));
    }
    verdicts.extend(lines.beyond.iter().map(|waiting| (waiting, beyond())));
    verdicts
}

fn uid(waiting: &Waiting) -> &str {
    waiting.job.metadata.uid.as_deref().unwrap_or_default()
}

fn beyond() -> Verdict {
    let message = format!(
        "{MOST_IN_LINE} jobs of its namespace wait before it, as many as are looked at; it waits until some of them went."
    );
    Verdict::Wait(Say::Blocked { reason: "TooManyWaiting", message }, Vec::new())
}

/// Decides about one job; where it is to be placed `on` one member alone, it is claimed there or nothing is said.
fn one(
    world: &mut World<'_>,
    refused: &mut HashMap<Request, Vec<String>>,
    waiting: &Waiting,
    on: Option<&str>,
) -> Verdict {
    let job = waiting.job.as_ref();
    let (mut request, units) = match (members::request(job), money::gang_units(&job.spec)) {
        (Ok(request), Ok(units)) => (request, units),
        (Err(error), _) | (_, Err(error)) => {
            return Verdict::Wait(
                Say::Blocked { reason: "BadQuantity", message: format!("spec.resources: {error}.") },
                Vec::new(),
            );
        }
    };
    if let Err(bad) = request.check() {
        return Verdict::Wait(Say::Blocked { reason: "BadQuantity", message: format!("spec: {bad}.") }, Vec::new());
    }
    if let Err(bad) = policies(job) {
        return Verdict::Wait(Say::Blocked { reason: "BadPolicy", message: format!("spec.{bad}.") }, Vec::new());
    }
    if !world.till.knows(job.spec.payment.account, waiting.namespace) {
        return without_chain(world, job);
    }
    if let Some(say) = unpayable(world, waiting, &request, units) {
        return Verdict::Wait(say, Vec::new());
    }
    if let Some(on) = on {
        request.constraints.push(Constraint { attribute: "member", allowed: vec![on.to_owned()] });
        let decision = world.market.decide(&request);
        return decision.map_or(Verdict::Unknown, |decision| claim(world, waiting, &request, units, decision));
    }
    // Whom it failed on before makes no difference to who takes it at all.
    let key = Request { avoid: Vec::new(), ..request.clone() };
    if let Some(lines) = refused.get(&key).filter(|_| !world.field.may_help(job)) {
        return no_member(lines.clone());
    }
    if let Some(decision) = world.market.decide(&request) {
        let verdict = claim(world, waiting, &request, units, decision);
        if matches!(verdict, Verdict::Claim(_)) || request.avoid.is_empty() {
            return verdict;
        }
        // It can't be paid there; a member that failed it before may be cheaper.
        let any = Request { avoid: Vec::new(), ..request };
        return world.market.decide(&any).map_or(verdict, |cheapest| claim(world, waiting, &any, units, cheapest));
    }
    let refusals: Vec<(&str, Refusal)> = world.market.refusals(&request).collect();
    if let Some(why) = for_good(&refusals) {
        return Verdict::GiveUp(Say::RefusedByAll { why });
    }
    let lines = lines(&refusals);
    drop(refusals);
    refused.insert(key, lines.clone());
    make_room(world, waiting, &request, units, lines)
}

/// Whether members' clusters can follow what the job says of failures and successes. Admission has seen to nearly all of it.
fn policies(job: &AIJob) -> Result<(), PolicyError> {
    let (spec, count) = (&job.spec, job.spec.completions);
    spec.failure_policy.as_ref().map_or(Ok(()), |policy| policy.check(count))?;
    spec.success_policy.as_ref().map_or(Ok(()), |policy| policy.check(count))
}

/// Has others give way to a job that fits nowhere, for the reasons in `lines`, if any may.
fn make_room(
    world: &mut World<'_>,
    waiting: &Waiting,
    request: &Request,
    units: MilliUnits,
    lines: Vec<String>,
) -> Verdict {
    let (job, till, rules) = (waiting.job.as_ref(), &world.till, world.rules);
    let payable = |rate: Amount| {
        let hold = first_hold(job, rate, units, rules);
        let check = till.check(job.spec.payment.account, waiting.namespace, rate, hold);
        too_small(job, rate, units, hold).is_none() && check.is_ok()
    };
    match world.field.make_room(job, request, &world.market, payable) {
        // What is free there already is kept for it: with what they leave it makes the room.
        Some(Making::Ask(member, jobs)) => {
            world.market.hold(&member, request);
            Verdict::MakeRoom(jobs.clone(), making_room(member, &jobs), lines)
        }
        Some(Making::Wait(member, jobs)) => {
            world.market.hold(&member, request);
            Verdict::Wait(making_room(member, &jobs), lines)
        }
        None => no_member(lines),
    }
}

fn making_room(member: String, jobs: &[Arc<AIJob>]) -> Say {
    Say::MakingRoom { member, jobs: jobs.iter().filter_map(|job| job.metadata.name.clone()).collect() }
}

/// Nothing is known of the payer's funds.
fn without_chain(world: &World<'_>, job: &AIJob) -> Verdict {
    let Some(trouble) = world.trouble else { return Verdict::Unknown };
    let payer = job.spec.payment.account;
    let message = format!("The chain can't be asked for {payer}'s funds now ({trouble}); the job waits.");
    Verdict::Wait(Say::ChainUnavailable(message), Vec::new())
}

/// Why the payer can't pay for the job anywhere.
fn unpayable(world: &World<'_>, waiting: &Waiting, request: &Request, units: MilliUnits) -> Option<Say> {
    let job = waiting.job.as_ref();
    let payer = job.spec.payment.account;
    if let Some(budget) = job.spec.budget.filter(|_| budget_left(job).is_some_and(Amount::is_zero)) {
        return Some(unfunded(waiting, Unfunded::Budget { budget }));
    }
    // The cheapest offer of the class there is; without one, only whether anything is authorised matters.
    let class = request.need.class();
    let rates = world.market.members().iter().filter_map(|m| m.offers.get(&class)).map(|o| o.rate);
    let cheapest = rates.min().unwrap_or(Amount::ZERO);
    let hold = first_hold(job, cheapest, units, world.rules);
    if let Some(why) = too_small(job, cheapest, units, hold) {
        return Some(unfunded(waiting, why));
    }
    world.till.check(payer, waiting.namespace, cheapest, hold).err().map(|why| unfunded(waiting, why))
}

/// Whether `hold`, which the budget may have cut, buys too short a run to be worth a lease.
fn too_small(job: &AIJob, rate: Amount, units: MilliUnits, hold: Amount) -> Option<Unfunded> {
    let useful = money::longest_run_ms(&job.spec).min(LEAST_RUN_MS);
    let least = money::Price { rate, units }.of_run(useful);
    (hold < least).then_some(Unfunded::BudgetTooSmall { left: hold, least })
}

fn claim(
    world: &mut World<'_>,
    waiting: &Waiting,
    request: &Request,
    units: MilliUnits,
    decision: Decision,
) -> Verdict {
    let job = waiting.job.as_ref();
    let class = request.need.class();
    let offers = world.offers.get(&decision.member).map_or(&[][..], Vec::as_slice);
    let Some(offer) = Offers::best(offers, &class) else {
        return no_member(vec![format!("{}: its offer was withdrawn", decision.member)]);
    };
    let rate = decision.offer.rate;
    let hold = first_hold(job, rate, units, world.rules);
    if let Some(why) = too_small(job, rate, units, hold) {
        return Verdict::Wait(unfunded(waiting, why), Vec::new());
    }
    if let Err(why) = world.till.draw(job.spec.payment.account, waiting.namespace, rate, hold) {
        return Verdict::Wait(unfunded(waiting, why), Vec::new());
    }
    let nodes = world.market.take(&decision.member, request);
    Verdict::Claim(Claim {
        nodes,
        member: decision.member,
        provider: offer.offer.provider,
        class,
        rate,
        units,
        hold,
        start_within: offer.offer.start_within,
    })
}

/// Why nobody will ever take the job, if some refused it before and none of the others could.
fn for_good(refusals: &[(&str, Refusal)]) -> Option<String> {
    let before = refusals.iter().filter(|(_, why)| matches!(why, Refusal::Before(_)));
    let before: Vec<String> = before.map(|(member, why)| format!("{member}: {why}")).collect();
    let nobody_else = !refusals.iter().any(|(_, why)| why.passes());
    (nobody_else && !before.is_empty()).then(|| before.join("; "))
}

fn unfunded(waiting: &Waiting, why: Unfunded) -> Say {
    let namespace = waiting.job.metadata.namespace.clone().unwrap_or_default();
    Say::Unfunded { why, payer: waiting.job.spec.payment.account, namespace }
}

fn no_member(lines: Vec<String>) -> Verdict {
    Verdict::Wait(Say::NoMember { refusals: lines.clone() }, lines)
}

fn lines(refusals: &[(&str, Refusal)]) -> Vec<String> {
    refusals.iter().take(MOST_REFUSALS).map(|(member, refusal)| format!("{member}: {refusal}")).collect()
}
