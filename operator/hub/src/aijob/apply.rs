//! What is written and asked for, once it is decided.
//!
//! Every write of a job is conditional on the version it was decided on. Whoever loses drops the decision: the newer
//! object is on its way and is decided on anew. So two hubs at once, or one with an old copy, can't both carry out what
//! they decided.

use eai_api::{
    AIJob, AIJobStatus, Assignment,
    aijob::Attempt,
    assignment::{Acknowledged, Desired, Grant},
    names::{SETTLEMENT_FINALIZER, member_namespace},
};
use eai_chain::{LeaseId, OpenOutcome, OpenRequest, SignedVoucher, TopUp, UsageRoot, Voucher};
use eai_runtime::clock;
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    runtime::reflector::ObjectRef,
};
use serde_json::json;

use super::{
    build::{
        Asked, Bill, Wish,
        situation::{unix_ms, unix_seconds},
    },
    claim::{self, Claim},
    secrets::{self, SecretsError},
    words::Say,
    workload,
};
use crate::{herald::News, hub::Hub};

/// Why something couldn't be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody else wrote first; what was decided is dropped.
    #[error("somebody else wrote it meanwhile")]
    Conflict,
    /// The object is gone.
    #[error("it is gone")]
    Gone,
    /// The API server refused, or didn't answer.
    #[error(transparent)]
    Api(kube::Error),
}

impl From<kube::Error> for WriteError {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.code == 409 => Self::Conflict,
            kube::Error::Api(status) if status.code == 404 => Self::Gone,
            _ => Self::Api(error),
        }
    }
}

/// Why a wish couldn't be fulfilled. It is wished again.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// Writing failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The job's secrets can't be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The job's resources can't be read.
    #[error("spec.resources: {0}")]
    Quantity(#[from] eai_core::quantity::QuantityError),
    /// The ledger refuses to sign.
    #[error(transparent)]
    Ledger(#[from] eai_chain::LedgerError),
    /// The job's namespace isn't known.
    #[error("the job's namespace isn't known")]
    NoNamespace,
    /// The member isn't enrolled.
    #[error("the member isn't enrolled")]
    NoMember,
    /// The lease isn't this hub's.
    #[error(
        "lease {lease} was opened under another hub key or hub id than this hub has; give the hub the ones it had then"
    )]
    ForeignLease {
        /// The lease.
        lease: String,
    },
}

/// Writes a job's status if nobody else wrote the job since `job` was read; returns the job as it is then.
pub async fn write_status(api: &Api<AIJob>, job: &AIJob, status: AIJobStatus) -> Result<AIJob, WriteError> {
    let mut next = job.clone();
    next.status = Some(status);
    let mut written = api.replace_status(&job.name_any(), &PostParams::default(), &next).await?;
    written.metadata.managed_fields = None;
    Ok(written)
}

/// Adds a finalizer if nobody else wrote the job since `job` was read; returns the job as it is then.
pub async fn add_finalizer(api: &Api<AIJob>, job: &AIJob, finalizer: &str) -> Result<AIJob, WriteError> {
    if job.finalizers().iter().any(|f| f == finalizer) {
        return Ok(job.clone());
    }
    let mut finalizers = job.finalizers().to_vec();
    finalizers.push(finalizer.to_owned());
    set_finalizers(api, job, finalizers).await
}

/// Takes a finalizer off if nobody else wrote the job since `job` was read; returns the job as it is then.
pub async fn remove_finalizer(api: &Api<AIJob>, job: &AIJob, finalizer: &str) -> Result<AIJob, WriteError> {
    let kept = job.finalizers().iter().filter(|f| *f != finalizer).cloned().collect();
    set_finalizers(api, job, kept).await
}

async fn set_finalizers(api: &Api<AIJob>, job: &AIJob, finalizers: Vec<String>) -> Result<AIJob, WriteError> {
    let patch = json!({ "metadata": { "resourceVersion": job.resource_version(), "finalizers": finalizers } });
    let mut written = api.patch(&job.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
    written.metadata.managed_fields = None;
    Ok(written)
}

/// Fulfils a wish for `job`. `whole` is the job as the API server just gave it back, if it was just written.
pub async fn fulfil(hub: &Hub, job: &AIJob, wish: Wish, whole: Option<&AIJob>) -> Result<(), WishError> {
    if wish == Wish::Place {
        hub.pass.notify_one();
        return Ok(());
    }
    if wish == Wish::Release {
        return release(hub, job).await;
    }
    let Some(attempt) = job.status.as_ref().and_then(|s| s.attempt.as_ref()) else { return Ok(()) };
    match wish {
        Wish::OpenLease => open(hub, job, attempt),
        Wish::LookAtLease => {
            hub.desk.ask_look(&ObjectRef::from_obj(job), lease_id(attempt)?);
            Ok(())
        }
        Wish::LookAtFunds => look_at_funds(hub, job),
        Wish::TopUp(hold) => {
            let terms = terms(hub, job, attempt)?;
            hub.desk.ask(&ObjectRef::from_obj(job), terms.id(), TopUp { terms, hold });
            Ok(())
        }
        Wish::Settle(bill) => settle(hub, job, attempt, bill),
        Wish::Assign(desired, grant) => assign(hub, job, attempt, (desired, grant), whole).await,
        Wish::Tell(desired, noted, grant) => tell(hub, job, attempt, desired, &noted, grant.as_ref()).await,
        Wish::Place | Wish::Release => Ok(()),
    }
}

async fn release(hub: &Hub, job: &AIJob) -> Result<(), WishError> {
    let api: Api<AIJob> = Api::namespaced(hub.ctx.client.clone(), &job.namespace().unwrap_or_default());
    match remove_finalizer(&api, job, SETTLEMENT_FINALIZER).await {
        // A job that is being deleted is gone with its last finalizer.
        Ok(written) if written.metadata.deletion_timestamp.is_none() => drop(hub.world.jobs.put(written)),
        Ok(_) | Err(WriteError::Gone) => {}
        Err(error) => return Err(error.into()),
    }
    if let Some(attempt) = job.status.as_ref().and_then(|s| s.attempt.as_ref()) {
        hub.desk.forget(lease_id(attempt)?);
    }
    hub.backoffs.reset(job.uid().as_deref().unwrap_or_default());
    Ok(())
}

/// The terms of an attempt's lease, if this hub can speak for it.
fn terms(hub: &Hub, job: &AIJob, attempt: &Attempt) -> Result<eai_chain::LeaseTerms, WishError> {
    let parties = hub.parties(job).ok_or(WishError::NoNamespace)?;
    let terms = claim::terms(job, attempt, parties);
    if terms.id().to_string() != attempt.lease.id {
        return Err(WishError::ForeignLease { lease: attempt.lease.id.clone() });
    }
    Ok(terms)
}

fn lease_id(attempt: &Attempt) -> Result<LeaseId, WishError> {
    attempt.lease.id.parse().map_err(|_| WishError::ForeignLease { lease: attempt.lease.id.clone() })
}

/// Asks for the lease, under an offer of the member that is good now. Without one nothing is asked, and the claim runs
/// out at `openBy`.
fn open(hub: &Hub, job: &AIJob, attempt: &Attempt) -> Result<(), WishError> {
    let terms = terms(hub, job, attempt)?;
    let (node, report) = member(hub, attempt).ok_or(WishError::NoMember)?;
    let now = unix_seconds(clock::now());
    let Some(offer) = hub.offers.covering(&node, &report, &attempt.class, attempt.rate, now) else {
        tracing::warn!(
            job = job.name_any(),
            member = attempt.member,
            "the member has no offer to open the lease under"
        );
        return Ok(());
    };
    let request = OpenRequest {
        payer: terms.payer,
        namespace: terms.namespace,
        job: terms.job,
        epoch: terms.epoch,
        rate: terms.rate,
        units: terms.units,
        hold: attempt.lease.hold,
        open_by: attempt.lease.open_by.as_ref().map_or(0, |t| unix_seconds(t.0)),
        offer,
    };
    hub.desk.ask(&ObjectRef::from_obj(job), terms.id(), request);
    Ok(())
}

type Member = (std::sync::Arc<eai_api::ComputeNode>, std::sync::Arc<eai_api::MemberReport>);

fn member(hub: &Hub, attempt: &Attempt) -> Option<Member> {
    Some((hub.world.member(&attempt.member)?, hub.world.report(&attempt.member)?))
}

fn look_at_funds(hub: &Hub, job: &AIJob) -> Result<(), WishError> {
    // Asking makes the view fetch them; the job is looked at again within seconds, while it runs short of money.
    let namespace = hub.parties(job).ok_or(WishError::NoNamespace)?.namespace;
    hub.view.funds((job.spec.payment.account, namespace));
    Ok(())
}

fn settle(hub: &Hub, job: &AIJob, attempt: &Attempt, bill: Bill) -> Result<(), WishError> {
    let terms = match terms(hub, job, attempt) {
        // Said in the job's conditions: somebody must give the hub its key back.
        Err(error @ WishError::ForeignLease { .. }) => {
            hub.desk.give_up::<SignedVoucher>(lease_id(attempt)?, error.to_string());
            return Err(error);
        }
        terms => terms?,
    };
    let lease = terms.id();
    let assignment = current_assignment(hub, job, attempt);
    let root = assignment.and_then(|a| a.status.as_ref()?.usage_root.as_ref()?.parse::<UsageRoot>().ok());
    let voucher = hub.ctx.ledger.sign_voucher(Voucher {
        terms,
        amount: bill.amount,
        usage: bill.usage,
        usage_root: root.unwrap_or_default(),
        is_final: bill.is_final,
    })?;
    hub.desk.ask(&ObjectRef::from_obj(job), lease, voucher);
    Ok(())
}

/// The Assignment of a job's current attempt.
pub fn current_assignment(hub: &Hub, job: &AIJob, attempt: &Attempt) -> Option<std::sync::Arc<Assignment>> {
    let name = attempt.epoch.name(&job.uid()?);
    hub.world.assignments.get(&ObjectRef::new(&name).within(&member_namespace(&attempt.member)))
}

/// Makes the attempt's Assignment. The name is the epoch's, so whoever comes second finds it made.
async fn assign(
    hub: &Hub,
    job: &AIJob,
    attempt: &Attempt,
    (desired, grant): (Desired, Option<Grant>),
    whole: Option<&AIJob>,
) -> Result<(), WishError> {
    let whole = if let Some(whole) = whole {
        whole.clone()
    } else {
        // The record is as old as the watch: nothing may be made from it that somebody else has ended meanwhile.
        let api: Api<AIJob> = Api::namespaced(hub.ctx.client.clone(), &job.namespace().unwrap_or_default());
        let live = api.get_opt(&job.name_any()).await.map_err(WriteError::from)?;
        live.filter(|live| live.resource_version() == job.resource_version()).ok_or(WriteError::Conflict)?
    };
    let (node, report) = member(hub, attempt).ok_or(WishError::NoMember)?;
    let uid = job.uid().unwrap_or_default();
    // What is made to stop is never opened.
    let sealed = if job.spec.secrets.is_empty() || desired == Desired::Stop {
        None
    } else {
        let environment = secrets::read(&hub.ctx.client, job, &hub.ctx.config.account()).await?;
        Some(secrets::seal_to(&node, &report, &uid, &environment)?)
    };
    let assignment = workload::assignment(&whole, attempt, (desired, grant), sealed)?;
    let api: Api<Assignment> = Api::namespaced(hub.ctx.client.clone(), &member_namespace(&attempt.member));
    let made = match api.create(&PostParams::default(), &assignment).await {
        Ok(made) => {
            hub.fence.made(&made.name_any(), desired == Desired::Stop);
            made
        }
        Err(kube::Error::Api(status)) if status.code == 409 => {
            api.get(&assignment.name_any()).await.map_err(WriteError::from)?
        }
        Err(error) => return Err(WriteError::from(error).into()),
    };
    if let Some(opened) = &attempt.lease.opened_at {
        let took = clock::now().duration_since(opened.0);
        hub.metrics.stepped("assign", took.try_into().unwrap_or_default());
    }
    tracing::info!(job = %ObjectRef::from_obj(job), assignment = made.name_any(), member = attempt.member, "assigned");
    hub.world.sights.saw(&made, unix_ms(clock::now()));
    hub.world.assignments.put(made);
    Ok(())
}

async fn tell(
    hub: &Hub,
    job: &AIJob,
    attempt: &Attempt,
    desired: Desired,
    noted: &Acknowledged,
    grant: Option<&Grant>,
) -> Result<(), WishError> {
    let Some(assignment) = current_assignment(hub, job, attempt) else { return Ok(()) };
    let written = tell_assignment(hub, &assignment, desired, noted, grant).await?;
    hub.world.assignments.put(written);
    Ok(())
}

/// Says in an Assignment's spec what is wanted, what was noted and what is lent, if nobody wrote it since it was read: so
/// no grant can follow a Stop, and none is undone by one that is older.
pub async fn tell_assignment(
    hub: &Hub,
    assignment: &Assignment,
    desired: Desired,
    noted: &Acknowledged,
    grant: Option<&Grant>,
) -> Result<Assignment, WriteError> {
    let api: Api<Assignment> =
        Api::namespaced(hub.ctx.client.clone(), assignment.namespace().as_deref().unwrap_or_default());
    let mut patch = json!({
        "metadata": { "resourceVersion": assignment.resource_version() },
        "spec": { "desired": desired, "acknowledged": noted },
    });
    if let Some(grant) = grant {
        patch["spec"]["grant"] = json!(grant);
    }
    let mut written: Assignment =
        api.patch(&assignment.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
    written.metadata.managed_fields = None;
    Ok(written)
}

/// Tells people why a job waits, if there is nothing more important to tell.
pub fn waiting_event(hub: &Hub, job: &AIJob, say: &Say) {
    hub.herald.mention(News::about(job, say.is_warning(), say.reason(), say.message()));
}

/// Tells people that a member is claimed.
pub fn placed_event(hub: &Hub, job: &AIJob, claim: &Claim) {
    let text = format!(
        "{} takes the job at {} EAI per unit-hour; {} EAI are to be held.",
        claim.member, claim.rate, claim.hold
    );
    hub.herald.tell(News::about(job, false, "Placed", text));
}

/// Forgets the lease of an attempt that is on record as past.
pub fn forget(hub: &Hub, attempt: &Attempt) {
    if let Ok(lease) = lease_id(attempt) {
        hub.desk.forget(lease);
    }
}

/// The chain refused a claim's lease. If that was for the offer, the offer isn't used again.
pub fn refused_lease(hub: &Hub, job: &AIJob, attempt: &Attempt) {
    let Ok(lease) = lease_id(attempt) else { return };
    let answer = hub.desk.answers(lease).open;
    if let Asked::Answered(OpenOutcome::Skipped(skipped)) = answer
        && skipped.reason.is_about_offer()
        && let Some((node, report)) = member(hub, attempt)
    {
        let now = unix_seconds(clock::now());
        if let Some(offer) = hub.offers.covering(&node, &report, &attempt.class, attempt.rate, now) {
            tracing::warn!(job = job.name_any(), member = attempt.member, reason = %skipped.reason, "an offer is no good");
            hub.offers.refuse(&offer);
        }
    }
    hub.desk.forget(lease);
}
