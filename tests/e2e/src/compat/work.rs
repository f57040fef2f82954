//! Jobs that count seconds while versions change, and what became of them by their own word, containerd's and the chain's.

use alloy::primitives::hex;
use eai_chain::{LeaseId, LeaseState, LeaseView};
use eai_core::money::Amount;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    balances::Contracts,
    error::{Error, Result},
    jobs::{self, Job},
    report::assignment_name,
    stage::Stage,
    usage::Runs,
    vendor::Vendor,
};

/// The output in which a job leaves how many seconds it counted.
const COUNTED: &str = "counted";
/// How long a job may take to begin, and how much longer than it counts to end.
const PATIENCE: u64 = 240;

/// A job that counts.
#[derive(Clone, Debug)]
pub struct Work {
    /// The job.
    pub job: Job,
    seconds: u64,
}

/// What a job came to.
#[derive(Debug)]
pub struct Ended {
    /// The AIJob.
    pub object: Value,
    /// What is not as it should be.
    pub faults: Vec<String>,
    /// What its leases paid.
    pub paid: Amount,
}

impl Work {
    /// Submits a job to `member` that counts `seconds`. `image` has a shell.
    pub fn submit(stage: &Stage, vendor: &Vendor, image: &str, member: &str, name: &str, seconds: u64) -> Result<Self> {
        let name = format!("{name}-{member}");
        let script = format!(
            "trap 'exit 143' TERM; i=0; while [ $i -lt {seconds} ]; do sleep 1 & wait $!; i=$((i+1)); done; \
             echo $i > /eai/output/{COUNTED}"
        );
        let job = json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "AIJob",
            "metadata": {"name": name, "namespace": vendor.namespace},
            "spec": {
                "image": image, "command": ["sh", "-c", script],
                "resources": {"cpu": "50m", "memory": "64Mi"},
                "outputs": [{"name": COUNTED, "path": COUNTED}],
                "maxPrice": "5", "maxDurationSeconds": 900,
                "placement": {"members": [member]},
                "payment": {"account": vendor.person.address},
            },
        });
        stage.hub.apply(&job.to_string())?;
        Ok(Self { job: Job { namespace: vendor.namespace.clone(), name }, seconds })
    }

    /// Waits until it runs.
    pub fn runs(&self, stage: &Stage) -> Result<()> {
        self.job.wait_for(&stage.hub, PATIENCE, "Running", |job| jobs::phase(job) == "Running").map(drop)
    }

    /// Waits for its end, and holds it against what it wrote, what containerd says and what the chain paid.
    pub async fn end(&self, stage: &Stage, contracts: &Contracts, undisturbed: bool) -> Result<Ended> {
        let object = self.job.wait(&stage.hub, self.seconds + PATIENCE)?;
        let mut faults = Vec::new();
        if jobs::phase(&object) != "Succeeded" || !counted(&object, self.seconds) {
            faults.push(format!(
                "it didn't count to {}: {}: {}",
                self.seconds,
                jobs::phase(&object),
                jobs::message(&object)
            ));
        }
        let mut paid = Amount::default();
        for attempt in attempts(&object) {
            let Some(lease) = lease(contracts, attempt).await? else { continue };
            if lease.state != LeaseState::Closed || lease.paid.checked_add(lease.refunded) != Some(lease.hold) {
                faults.push(format!("its lease isn't settled: {lease:?}"));
            }
            paid = paid.saturating_add(lease.paid);
        }
        if undisturbed {
            faults.extend(disturbed(stage, &object)?);
        }
        if paid.is_zero() {
            faults.push("it was never paid".to_owned());
        }
        let name = &self.job.name;
        Ok(Ended { object, faults: faults.into_iter().map(|fault| format!("{name}: {fault}")).collect(), paid })
    }
}

/// What shows that a job wasn't left alone: more than one attempt or container, or a bill that isn't what ran.
fn disturbed(stage: &Stage, job: &Value) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let number = attempts(job).count();
    if number != 1 {
        faults.push(format!("it took {number} attempts"));
    }
    let member = &stage.member(job["status"]["member"].as_str().unwrap_or_default())?.cluster;
    if let Some(runs) = Runs::of(member, &assignment_name(job))? {
        let attempt = &job["status"]["attempt"];
        let count = |field: &str| attempt[field].as_u64().unwrap_or(0);
        let (billed, ran) = (count("usageMs"), runs.usage_ms(count("milliUnits")));
        if runs.count != 1 {
            faults.push(format!("{} containers ran", runs.count));
        }
        if billed.abs_diff(ran) > runs.tolerance_ms(count("milliUnits")) {
            faults.push(format!("billed for {billed} unit-milliseconds, ran for {ran}"));
        }
    }
    Ok(faults)
}

/// The attempt that is on record, and those before it.
fn attempts(job: &Value) -> impl Iterator<Item = &Value> {
    let past = job["status"]["pastAttempts"].as_array().into_iter().flatten();
    past.chain(Some(&job["status"]["attempt"]).filter(|attempt| attempt.is_object()))
}

async fn lease(contracts: &Contracts, attempt: &Value) -> Result<Option<LeaseView>> {
    let Some(id) = attempt["lease"]["id"].as_str() else { return Ok(None) };
    let id: LeaseId = id.parse().map_err(|_| Error::unexpected("an attempt's lease", id))?;
    contracts.reader()?.lease(id).await.map_err(|error| Error::unexpected("the chain", error))
}

/// Whether a job left behind that it counted `seconds`, by its output's digest.
fn counted(job: &Value, seconds: u64) -> bool {
    let digest: String = hex::encode(Sha256::digest(format!("{seconds}\n")));
    let outputs = job["status"]["outputs"].as_array();
    outputs.into_iter().flatten().any(|output| output["digest"].as_str().is_some_and(|d| d.ends_with(&digest)))
}
