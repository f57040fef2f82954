//! Beginning an attempt, if nothing speaks against it.

use eai_api::aijob::OnHubLoss;
use eai_core::fencing::Verdict as Right;

use super::{
    WorkError,
    apply::{Applier, names},
    build::{
        grant::{self, End},
        job,
    },
    snapshot::{JobFact, Snapshot, unix_ms},
};
use crate::{
    context::Context,
    demand::Demand,
    refusal::{self, Refusal, Secrets, Terms, Verdict},
};

/// What came of judging an Assignment.
pub(super) enum Admission {
    /// Its Job is there.
    Created(Box<JobFact>),
    /// It is never run.
    Refused(Refusal),
    /// It may be run once the probes are done.
    Wait,
    /// It may be run once there is a grant.
    Ungranted,
}

/// Judges an Assignment that has no grant to begin under: what the owner doesn't allow is refused without waiting for one.
pub(super) fn judge(context: &Context, snapshot: &Snapshot) -> Admission {
    if let Err(refusal) = refusal::open_secrets(&snapshot.assignment.spec, &context.keys) {
        return Admission::Refused(refusal);
    }
    verdict(context, snapshot).unwrap_or(Admission::Ungranted)
}

/// What the owner's limits say; `None` if nothing speaks against it.
fn verdict(context: &Context, snapshot: &Snapshot) -> Option<Admission> {
    let in_use = context.in_use(Some(snapshot.name()));
    let terms = Terms {
        config: &context.config,
        probes: *context.probes.borrow(),
        highest_generation: context.identity.generation(),
        in_use: &in_use,
    };
    match refusal::judge(snapshot.name(), &snapshot.assignment.spec, terms) {
        Verdict::Refuse(refusal) => Some(Admission::Refused(refusal)),
        Verdict::AwaitProbes => Some(Admission::Wait),
        Verdict::Admit => None,
    }
}

/// Judges the Assignment and, if nothing speaks against it, makes its Job.
pub(super) async fn admit(context: &Context, snapshot: &Snapshot) -> Result<Admission, WorkError> {
    let (name, uid, spec) = (snapshot.name(), snapshot.uid(), &snapshot.assignment.spec);
    let secrets = match refusal::open_secrets(spec, &context.keys) {
        Ok(secrets) => secrets,
        Err(refusal) => return Ok(Admission::Refused(refusal)),
    };
    {
        // Two Assignments at once must not both take the last of what the owner allows.
        let _admission = context.admission.lock().await;
        if let Some(otherwise) = verdict(context, snapshot) {
            return Ok(otherwise);
        }
        // From now on an older generation is refused, also after a restart.
        context.identity.raise_generation(spec.epoch.generation).await?;
        context.tracks.with(name, uid, |track| track.reserved = Some(Demand::of(&spec.workload)));
    }
    let made = begin(context, snapshot, secrets.as_ref()).await;
    if !matches!(made, Ok(Admission::Created(_))) {
        context.tracks.with(name, uid, |track| track.reserved = None);
    }
    made
}

/// Makes the Job, if the right to run is still there: what came before may have taken its time.
async fn begin(context: &Context, snapshot: &Snapshot, secrets: Option<&Secrets>) -> Result<Admission, WorkError> {
    let (name, uid, spec) = (snapshot.name(), snapshot.uid(), &snapshot.assignment.spec);
    let mut job = job::job(name, uid, spec, &context.config, &names(secrets));
    let secret = secrets.map(|secrets| job::secret(name, spec, &context.config, secrets));
    if snapshot.is_lent(None) {
        // In this order: what passes between the two brings the end forward, not back.
        let now_ms = unix_ms(context.pulse.wall());
        let right = snapshot.term.verdict(spec.on_hub_loss.into(), None, context.pulse.boot());
        let Right::Granted { remaining_ms } = right else { return Ok(Admission::Ungranted) };
        let ends = spec.on_hub_loss == OnHubLoss::SelfFence;
        grant::lend(&mut job, ends.then(|| End::first(&spec.workload, now_ms, remaining_ms)));
    }
    let job = Applier::new(context, name).create(job, secret).await?;
    let fact = JobFact::read(&job);
    let seen = context.tracks.with(name, uid, |track| {
        (track.created, track.created_at) = (Some(job), Some(tokio::time::Instant::now()));
        track.seen
    });
    context.metrics.jobs_created.inc();
    if let Some(seen) = seen {
        context.metrics.start_seconds.observe(seen.elapsed().as_secs_f64());
    }
    tracing::info!(assignment = name, job = %spec.job.name, namespace = %spec.job.namespace, "began");
    Ok(Admission::Created(Box::new(fact)))
}
