//! What the parts of the job side share.

use std::sync::{Arc, Mutex as BlockingMutex};

use eai_api::{AIJob, Assignment};
use eai_chain::{HubId, NamespaceId};
use eai_core::placement::Demand;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::{Mutex, Notify, mpsc::UnboundedSender};

use crate::{
    aijob::{build::Rules, claim::Parties},
    context::Shared,
    fencing::{Fence, StakeBook},
    herald::Herald,
    metrics::Metrics,
    placement::{Backoffs, Offers},
    settle::{Desk, View},
    world::World,
};

/// What the parts of the job side share.
pub struct Hub {
    /// The process's handles.
    pub ctx: Shared,
    /// What is watched.
    pub world: World,
    /// What was asked of the chain.
    pub desk: Arc<Desk>,
    /// What is known of it.
    pub view: Arc<View>,
    /// Offers whose signatures were checked.
    pub offers: Offers,
    /// Jobs that are left alone for a while.
    pub backoffs: Backoffs,
    /// The hub's rules.
    pub rules: Rules,
    /// The hub's id on the chain.
    pub id: HubId,
    /// What was lent to which attempt.
    pub fence: Fence,
    /// What members' owners have staked.
    pub stakes: StakeBook,
    /// Held by whoever hands out members' room, from looking at what is free until what was handed out is on record.
    pub room: Mutex<()>,
    /// What the jobs that came say of those to come; locked while decisions are taken, never across an await.
    pub demand: BlockingMutex<Demand>,
    /// Wakes the placement pass.
    pub pass: Arc<Notify>,
    /// Has jobs looked at.
    pub jobs: UnboundedSender<ObjectRef<AIJob>>,
    /// Has Assignments looked at.
    pub assignments: UnboundedSender<ObjectRef<Assignment>>,
    /// Tells people.
    pub herald: Herald,
    /// Figures.
    pub metrics: Metrics,
}

impl Hub {
    /// Has a job looked at.
    pub fn wake(&self, job: ObjectRef<AIJob>) {
        // The receiver is gone only when the process ends.
        let _ = self.jobs.send(job);
    }

    /// The id of a namespace on the chain; `None` if there is no such namespace, or it isn't known yet.
    pub fn namespace_id(&self, name: &str) -> Option<NamespaceId> {
        Some(NamespaceId::of(self.id, &self.world.namespace_uid(name)?))
    }

    /// Who opens the leases of a job.
    pub fn parties(&self, job: &AIJob) -> Option<Parties> {
        let namespace = self.namespace_id(job.metadata.namespace.as_deref()?)?;
        Some(Parties { hub_key: self.ctx.ledger.hub_key(), namespace })
    }
}
