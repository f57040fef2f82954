//! Members without a cluster behind them: all that is real of them is their token, and what they say.
//!
//! The hub's admin makes their ComputeNode and accepts it; the hub hands each a token, sealed to its key, as it does to any
//! agent. They beat as an agent does. They offer nothing, so they get no work.

mod crowd;

use eai_api::{
    ComputeNode,
    compute_node::SealedToken,
    names::{HEARTBEAT_ANNOTATION, HEARTBEAT_LEASE, member_namespace},
};
use eai_core::{
    fencing::{Heartbeat, Instance},
    seal::{KeyPair, Purpose},
};
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde::Deserialize;
use serde_json::json;

pub use self::crowd::Crowd;
use crate::{
    bearer::Bearer,
    error::{Error, Result},
    people::Person,
    run,
    stage::Stage,
    vendor::random_key,
};

/// How long the hub may take to hand out tokens, in seconds.
const ENROL: u64 = 120;

/// A member that nothing stands behind.
pub struct Ghost {
    /// Its name.
    pub name: String,
    /// For the hub's API server; good for an hour, and not renewed.
    token: String,
    client: Client,
    instance: Instance,
    sequence: u64,
}

/// What the hub seals: see the agent's `identity`.
#[derive(Deserialize)]
struct Handover {
    token: String,
}

/// One that isn't let in yet.
struct Applicant {
    name: String,
    owner: Person,
    keys: KeyPair,
}

impl Ghost {
    /// Makes a ghost a member of the hub. It isn't heard before its first heartbeat.
    pub async fn enrol(stage: &Stage, name: &str) -> Result<Self> {
        let mut ghosts = Self::enrol_all(stage, &[name.to_owned()]).await?;
        ghosts.pop().ok_or_else(|| Error::unexpected("enrolling", format!("{name} isn't there")))
    }

    /// Makes several members of the hub at once. If that fails none stays.
    pub async fn enrol_all(stage: &Stage, names: &[String]) -> Result<Vec<Self>> {
        let enrolled = let_in(stage, names).await;
        if enrolled.is_err() {
            // What went wrong says more than that tidying up did, too.
            let _ = remove(stage, names);
        }
        enrolled
    }

    /// Writes its Lease as an agent does every 10 s.
    pub async fn heartbeat(&mut self) -> Result<()> {
        self.sequence += 1;
        let heartbeat = Heartbeat { instance: self.instance, sequence: self.sequence };
        let now = k8s_openapi::jiff::Timestamp::now();
        let patch = json!({
            "metadata": {"annotations": {HEARTBEAT_ANNOTATION: heartbeat.to_string()}},
            "spec": {"holderIdentity": "ghost", "renewTime": MicroTime(now)},
        });
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace());
        let written = leases.patch(HEARTBEAT_LEASE, &PatchParams::default(), &Patch::Merge(&patch)).await;
        written.map_err(|error| self.unexpected("its heartbeat", error))?;
        Ok(())
    }

    /// Whoever steals its token.
    pub fn thief<'a>(&self, stage: &'a Stage) -> Result<Bearer<'a>> {
        Bearer::new(stage, &format!("{}-stolen", self.name), &self.token)
    }

    /// Its namespace on the hub.
    pub fn namespace(&self) -> String {
        member_namespace(&self.name)
    }

    /// Removes it from the hub, as its admin does, and waits until it is gone.
    pub fn leave(self, stage: &Stage) -> Result<()> {
        remove(stage, &[self.name])
    }

    fn unexpected(&self, what: &str, why: impl ToString) -> Error {
        Error::unexpected(format!("{}: {what}", self.name), why)
    }
}

async fn let_in(stage: &Stage, names: &[String]) -> Result<Vec<Ghost>> {
    let applicant = |name: &String| {
        let owner = Person::with_key(&random_key()?)?;
        Ok(Applicant { name: name.clone(), owner, keys: KeyPair::generate() })
    };
    let applicants = names.iter().map(applicant).collect::<Result<Vec<_>>>()?;
    let nodes = applicants.iter().map(|applicant| {
        json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "ComputeNode",
            "metadata": {"name": applicant.name},
            "spec": {
                "owner": applicant.owner.address, "form": "Personal", "site": "Home", "region": "nowhere",
                "sealingKey": applicant.keys.public(), "accepted": true,
            },
        })
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": nodes.collect::<Vec<_>>()});
    stage.hub.apply(&list.to_string())?;
    let mut ghosts = Vec::new();
    for applicant in applicants {
        let what = format!("{}'s token", applicant.name);
        let handover = run::wait(&what, ENROL, || handed_over(stage, &applicant))?;
        let client = Bearer::new(stage, &applicant.name, &handover.token)?.client().await?;
        ghosts.push(Ghost {
            name: applicant.name,
            token: handover.token,
            client,
            instance: Instance(fastrand::u64(..)),
            sequence: 0,
        });
    }
    Ok(ghosts)
}

/// What the hub has handed to `applicant`, or why it can't be had yet.
fn handed_over(stage: &Stage, applicant: &Applicant) -> std::result::Result<Handover, String> {
    let node = stage.hub.get(&["computenode", &applicant.name]).map_err(|error| error.to_string())?;
    let node: ComputeNode = serde_json::from_value(node).map_err(|error| error.to_string())?;
    let status = node.status.unwrap_or_default();
    let Some(SealedToken { sealed, .. }) = status.token else { return Err(format!("{:?}", status.conditions)) };
    let uid = node.metadata.uid.unwrap_or_default();
    let plain = applicant.keys.open(Purpose::MemberToken, &uid, &sealed).map_err(|error| error.to_string())?;
    serde_json::from_slice(&plain).map_err(|error| error.to_string())
}

fn remove(stage: &Stage, names: &[String]) -> Result<()> {
    let delete = ["delete", "computenode", "--ignore-not-found", "--timeout=180s"];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.hub.kubectl(&[&delete[..], &names].concat()).map(drop)
}
