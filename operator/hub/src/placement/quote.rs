//! What would become of a job now, without it being there.
//!
//! It is decided as a pass decides, on the same members, money and demand. Whoever serves the question has none of that
//! and hands it over; on a replica that doesn't lead nobody answers.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use eai_api::{
    AIJob,
    names::{ARTIFACTS_GROUP, VERSION},
    quote::{Answer, Place, Quote},
};
use eai_chain::LedgerError;
use eai_core::placement::{Market, Request};
use eai_runtime::clock;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    funds::Till,
    keep_up, look, members, order,
    pass::{self, Verdict, Waiting},
    preempt::Field,
    set_aside,
};
use crate::{
    aijob::{
        build::{money, situation::unix_seconds},
        claim::Claim,
    },
    hub::Hub,
    settle::{Funds, Purse},
};

/// Questions that wait for an answer.
const MOST: usize = 16;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Members that an answer lists.
const MOST_MEMBERS: usize = 128;

/// A question: a job as it would be made, with its namespace.
pub struct Ask {
    job: AIJob,
    reply: oneshot::Sender<Quote>,
}

/// Where questions are asked and taken.
#[derive(Clone)]
pub struct Quotes {
    asks: mpsc::Sender<Ask>,
    taken: Arc<Mutex<mpsc::Receiver<Ask>>>,
}

impl Default for Quotes {
    fn default() -> Self {
        let (asks, taken) = mpsc::channel(MOST);
        Self { asks, taken: Arc::new(Mutex::new(taken)) }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Too many ask.
    #[error("too many quotes are asked for at once; try again")]
    Busy,
    /// Nobody answered in time.
    #[error("this replica of the hub doesn't lead, or has just begun to; try again")]
    NotLeading,
}

impl Quotes {
    /// Asks, and waits for the answer.
    pub async fn ask(&self, job: AIJob) -> Result<Quote, Unanswered> {
        let (reply, answer) = oneshot::channel();
        self.asks.try_send(Ask { job, reply }).map_err(|_| Unanswered::Busy)?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(quote)) => Ok(quote),
            _ => Err(Unanswered::NotLeading),
        }
    }

    /// The next question that somebody still waits for.
    async fn next(&self) -> Ask {
        let mut taken = self.taken.lock().await;
        loop {
            match taken.recv().await {
                Some(ask) if !ask.reply.is_closed() => return ask,
                Some(_) => {}
                // The sender is in `self`, so this doesn't happen; and if it did, there would be nothing to answer.
                None => std::future::pending().await,
            }
        }
    }
}

/// Answers until `shutdown`, one after another and beside the passes, which wait for nobody's questions.
pub async fn run(hub: &Hub, shutdown: CancellationToken) {
    loop {
        let ask = tokio::select! {
            ask = hub.ctx.quotes.next() => ask,
            () = shutdown.cancelled() => return,
        };
        // Whoever asked may be gone by now.
        let _ = ask.reply.send(quote(hub, ask.job).await);
    }
}

async fn quote(hub: &Hub, job: AIJob) -> Quote {
    let namespace = job.metadata.namespace.as_deref().and_then(|name| hub.namespace_id(name));
    let Some(namespace) = namespace else {
        return waits("UnknownNamespace", "The hub doesn't know the namespace yet; try again.".to_owned(), Vec::new());
    };
    if let Some(why) = cannot_be(&job) {
        return waits("Invalid", why, Vec::new());
    }
    if !super::waits(&job, clock::now()) {
        let why =
            "It would wait for nothing: spec.suspend holds it back, spec.cancel ends it, or its deadline has passed.";
        return waits("HeldBack", why.to_owned(), Vec::new());
    }
    let (now, jobs) = (unix_seconds(clock::now()), hub.world.jobs.all());
    let request = match members::request(&job) {
        Ok(request) => request,
        Err(error) => return waits("BadQuantity", format!("spec.resources: {error}."), Vec::new()),
    };
    if let Err(bad) = request.check() {
        return waits("BadQuantity", format!("spec: {bad}."), Vec::new());
    }
    let till = till(hub, &jobs, (job.spec.payment.account, namespace)).await;
    let (snapshot, offers) = look(hub, &jobs, now);
    let waiting = vec![Waiting { job: Arc::new(job), namespace }];
    let lines = order::lines(&snapshot, &jobs, waiting, &hub.rules.queue_weights);
    let trouble = hub.desk.has_trouble();
    let mut demand = hub.demand.lock().unwrap_or_else(PoisonError::into_inner);
    keep_up(&mut demand, &snapshot, &jobs);
    let market = Market::new(snapshot, &mut demand, now);
    let members = answers(&market, &request);
    // Nobody gives way to a question.
    let (field, trouble) = (Field::default(), trouble.as_deref());
    let world = pass::World { market, field, offers: &offers, till, trouble, rules: &hub.rules };
    match pass::pass(world, &lines).pop() {
        Some((waiting, Verdict::Claim(claim))) => placed(&waiting.job, claim, members),
        Some((_, Verdict::Wait(say, _) | Verdict::MakeRoom(_, say, _) | Verdict::GiveUp(say))) => {
            waits(say.reason(), say.message(), members)
        }
        Some((_, Verdict::Unknown)) | None => {
            waits("ChainUnavailable", "The payer's funds aren't known yet; try again.".to_owned(), members)
        }
    }
}

/// What the payer has left. Asked for this once: who only asks for a quote isn't watched from then on.
async fn till(hub: &Hub, jobs: &[Arc<AIJob>], (payer, namespace): Purse) -> Till {
    let Some(head) = hub.view.head() else { return Till::default() };
    let mut till = Till::new(head.time);
    let ledger = &hub.ctx.ledger;
    let funds = async {
        let free = ledger.balance(payer).await?;
        Ok::<_, LedgerError>(Funds { free, grant: ledger.authorization(payer, ledger.hub_key(), namespace).await? })
    };
    match funds.await {
        Ok(funds) => till.fill(payer, namespace, funds),
        Err(error) => tracing::debug!(%error, "a payer's funds can't be asked for"),
    }
    set_aside(hub, jobs, &mut till);
    till
}

/// What an AIJob can't have, which its definition would refuse: a question needn't have been checked by the API server.
fn cannot_be(job: &AIJob) -> Option<String> {
    let (placement, none) = (&job.spec.placement, Vec::new());
    let models = job.spec.accelerator.as_ref().map_or(&none, |accelerator| &accelerator.models);
    let lists = [
        ("spec.placement.regions", &placement.regions),
        ("spec.placement.members", &placement.members),
        ("spec.accelerator.models", models),
    ];
    let long = lists.iter().find(|(_, list)| list.len() > 64 || list.iter().any(|text| text.len() > 256));
    let many = placement.forms.len() > 8 || placement.sites.len() > 8;
    long.map(|(field, _)| format!("{field} is longer than an AIJob's can be."))
        .or_else(|| many.then(|| "spec.placement is longer than an AIJob's can be.".to_owned()))
}

/// What members say, those that take the job first, cheapest first.
fn answers(market: &Market<'_>, request: &Request) -> Vec<Answer> {
    let mut answers: Vec<Answer> = market
        .answers(request)
        .map(|(member, answer)| Answer {
            member: member.to_owned(),
            rate: answer.as_ref().ok().map(|offer| offer.rate),
            refusal: answer.err().map(|refusal| refusal.to_string()),
        })
        .collect();
    answers.sort_by_key(|answer| (answer.rate.is_none(), answer.rate));
    answers.truncate(MOST_MEMBERS);
    answers
}

fn placed(job: &AIJob, claim: Claim, members: Vec<Answer>) -> Quote {
    let price = money::Price { rate: claim.rate, units: claim.units };
    let longest = price.of_run(money::longest_run_ms(&job.spec));
    let message = format!("It would go to {} now, if nobody else's job goes first.", claim.member);
    let place = Place {
        class: claim.class.to_string(),
        rate: claim.rate,
        milli_units: claim.units.0,
        hourly: price.of_run(3_600_000),
        at_most: job.spec.budget.map_or(longest, |budget| budget.min(longest)),
        hold: claim.hold,
        start_within: claim.start_within,
        member: claim.member,
    };
    Quote { place: Some(place), ..waits("Placed", message, members) }
}

fn waits(reason: &str, message: String, members: Vec<Answer>) -> Quote {
    Quote {
        api_version: format!("{ARTIFACTS_GROUP}/{VERSION}"),
        kind: "Quote".to_owned(),
        place: None,
        reason: reason.to_owned(),
        message,
        members,
    }
}
