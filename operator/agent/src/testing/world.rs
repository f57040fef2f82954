//! A whole agent's context over two API servers in memory.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use eai_api::{Assignment, AssignmentStatus};
use eai_core::fencing::Instance;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Node, Pod},
};
use kube::runtime::{
    reflector::{ObjectRef, store, store::Writer},
    watcher::Event,
};
use tokio::sync::{
    mpsc::{UnboundedReceiver, unbounded_channel},
    watch,
};

use super::{api::Api, clock::TestClock};
use crate::{
    artifacts::{Artifacts, Clients},
    config::Config,
    context::{Context, Stores, Tracks},
    fence::Pulse,
    identity::Identity,
    metrics::Metrics,
    refusal::Probes,
};

pub const INSTANCE: Instance = Instance(0xEA1);
pub const HUB: &str = "/apis/eai.network/v1alpha1/namespaces/cn-home-1/assignments";
pub const JOBS: &str = "/apis/batch/v1/namespaces/eai-work/jobs";
pub const PODS: &str = "/api/v1/namespaces/eai-work/pods";
pub const SECRETS: &str = "/api/v1/namespaces/eai-work/secrets";
pub const IDENTITY: &str = "/api/v1/namespaces/eai-agent/secrets/eai-agent-identity";

/// An agent, its hub and its member.
pub struct World {
    pub context: Arc<Context>,
    pub hub: Api,
    pub member: Api,
    pub found: watch::Sender<Probes>,
    pub clock: TestClock,
    _woken: UnboundedReceiver<ObjectRef<Assignment>>,
    assignments: Writer<Assignment>,
    jobs: Writer<Job>,
    pods: Writer<Pod>,
    _nodes: Writer<Node>,
}

impl World {
    /// With the usual configuration.
    pub async fn new() -> Self {
        Self::with(super::config()).await
    }

    pub async fn with(config: Config) -> Self {
        let (hub, member, clock) = (Api::default(), Api::default(), TestClock::default());
        let (identity, _) = Identity::load(member.client(), "eai-agent").await.unwrap();
        member.calls();
        let (assignments, assignments_writer) = store();
        let (jobs, jobs_writer) = store();
        let (pods, pods_writer) = store();
        let (nodes, nodes_writer) = store();
        let (found, probes) = watch::channel(Probes { sandbox: Some(true), internet_isolated: Some(true) });
        let (wake, woken) = unbounded_channel();
        let clients = Clients {
            member: member.client(),
            hub: hub.client(),
            work_namespace: "eai-work".to_owned(),
            hub_namespace: "cn-home-1".to_owned(),
            agent_binary: config.agent_binary.clone(),
            scratch: std::env::temp_dir(),
        };
        let context = Context {
            artifacts: Artifacts::new(clients, pods.clone(), wake),
            member: member.client(),
            hub: hub.client(),
            hub_namespace: "cn-home-1".to_owned(),
            keys: Arc::clone(&identity.keys),
            pulse: Arc::new(Pulse::new(INSTANCE, clock.clone())),
            identity,
            stores: Stores { assignments, jobs, pods, nodes },
            probes,
            metrics: Metrics::new().unwrap(),
            tracks: Tracks::default(),
            admission: tokio::sync::Mutex::new(()),
            config,
        };
        Self {
            context: Arc::new(context),
            hub,
            member,
            found,
            clock,
            _woken: woken,
            assignments: assignments_writer,
            jobs: jobs_writer,
            pods: pods_writer,
            _nodes: nodes_writer,
        }
    }

    /// Puts an Assignment on the hub and in the agent's cache.
    pub fn assign(&mut self, assignment: &Assignment) -> Arc<Assignment> {
        let name = assignment.metadata.name.clone().unwrap();
        self.hub.put(&format!("{HUB}/{name}"), assignment);
        self.assignments.apply_watcher_event(&Event::Apply(assignment.clone()));
        Arc::new(assignment.clone())
    }

    /// The agent looks at an Assignment.
    pub async fn look(&self, assignment: &Arc<Assignment>) {
        crate::work::reconcile(Arc::clone(assignment), Arc::clone(&self.context)).await.unwrap();
    }

    /// The Assignment is deleted on the hub, and the watch shows it.
    pub fn unassign(&mut self, assignment: &Assignment) {
        self.hub.remove(&format!("{HUB}/{}", assignment.metadata.name.as_deref().unwrap()));
        self.assignments.apply_watcher_event(&Event::Delete(assignment.clone()));
    }

    /// The watch of Jobs shows what is there.
    pub fn see_job(&mut self, name: &str) -> Job {
        let job: Job = serde_json::from_value(self.member.get(&format!("{JOBS}/{name}")).unwrap()).unwrap();
        self.jobs.apply_watcher_event(&Event::Apply(job.clone()));
        job
    }

    /// The watch of Jobs shows that it is gone.
    pub fn lose_job(&mut self, job: &Job) {
        self.jobs.apply_watcher_event(&Event::Delete(job.clone()));
    }

    /// A pod is there, and the watch shows it.
    pub fn see_pod(&mut self, pod: &Pod) {
        self.member.put(&format!("{PODS}/{}", pod.metadata.name.as_deref().unwrap()), pod);
        self.pods.apply_watcher_event(&Event::Apply(pod.clone()));
    }

    /// The status that the hub has.
    pub fn told(&self, name: &str) -> AssignmentStatus {
        let object = self.hub.get(&format!("{HUB}/{name}")).unwrap();
        serde_json::from_value(object["status"].clone()).unwrap_or_default()
    }
}
