//! Members without a cluster behind them: all that is real of them is their token, and what they say.
//!
//! The hub's admin makes their ComputeNode and accepts it; the hub hands each a token, sealed to its key, as it does to any
//! agent. They beat as an agent does. Until one is told to [`Ghost::offer`] something it gets no work.

mod crowd;

use eai_api::{
    ComputeNode, MemberReport, MemberReportSpec,
    compute_node::SealedToken,
    member_report::{NodeReport, OfferReport, Probes},
    names::{HEARTBEAT_ANNOTATION, HEARTBEAT_LEASE, member_namespace},
};
use eai_chain::{Domain, Key, sign_offer};
use eai_core::{
    class::Class,
    fencing::{Heartbeat, Instance},
    money::Amount,
    offer::Offer,
    seal::{KeyPair, Purpose},
};
use jiff::Timestamp;
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
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
    /// Whom its work would pay.
    pub owner: Person,
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

    /// Says that it has `cores`, and offers them at `rate` EAI per unit-hour, signed by its owner. For an hour.
    pub async fn offer(&self, domain: Domain, cores: u64, rate: Amount) -> Result<()> {
        let key = Key::parse(&self.owner.key).map_err(|error| self.unexpected("its owner's key", error))?;
        let offer = Offer {
            provider: self.owner.address,
            member: self.name.clone(),
            class: Class("cpu".to_owned()),
            rate,
            start_within: 600,
            valid_until: u64::try_from(Timestamp::now().as_second()).unwrap_or(0) + 3600,
            nonce: 0,
        };
        let signed = sign_offer(offer, domain, &key).map_err(|error| self.unexpected("its offer", error))?;
        let (offer, signature) = (signed.offer, signed.signature);
        let spec = MemberReportSpec {
            nodes: vec![NodeReport {
                name: "nowhere".to_owned(),
                free_cpu_millis: cores * 1000,
                free_memory_bytes: 64 << 30,
                ..NodeReport::default()
            }],
            probes: Probes { sandbox: true, internet_isolated: true },
            offers: vec![OfferReport {
                provider: offer.provider,
                class: offer.class.0,
                rate: offer.rate,
                start_within: offer.start_within,
                valid_until: offer.valid_until,
                nonce: offer.nonce,
                signature,
            }],
            ..MemberReportSpec::default()
        };
        let reports: Api<MemberReport> = Api::namespaced(self.client.clone(), &self.namespace());
        let made = reports.create(&PostParams::default(), &MemberReport::new(&self.name, spec)).await;
        made.map(drop).map_err(|error| self.unexpected("its report", error))
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
            owner: applicant.owner,
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
