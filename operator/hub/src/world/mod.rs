//! What the hub watches: jobs, Assignments, members and namespaces, each in memory once.

mod cache;
mod sights;

use std::{fmt::Debug, hash::Hash, sync::Arc};

use eai_api::{AIJob, Assignment, ComputeNode, MemberReport, names::member_namespace};
use eai_runtime::clock;
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedSender;

pub use cache::Cache;
pub use sights::Sights;

/// Objects read at a time: each may be some hundred KiB, of which little is kept.
const PAGE: u32 = 50;

/// What is watched.
pub struct World {
    /// Jobs.
    pub jobs: Cache<AIJob>,
    /// Assignments.
    pub assignments: Cache<Assignment>,
    /// Members.
    pub nodes: Store<ComputeNode>,
    /// What members report.
    pub reports: Store<MemberReport>,
    /// Namespaces: only their UIDs matter.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    /// What was seen of Assignments.
    pub sights: Sights,
}

/// The writing ends of a [`World`].
pub struct Writers {
    jobs: Writer<AIJob>,
    assignments: Writer<Assignment>,
    nodes: Writer<ComputeNode>,
    reports: Writer<MemberReport>,
    namespaces: Writer<PartialObjectMeta<Namespace>>,
}

/// Something that changed.
#[derive(Clone, Debug)]
pub enum Change {
    /// A job, and whether it is gone.
    Job(ObjectRef<AIJob>, bool),
    /// An Assignment, and the job it is of.
    Assignment(ObjectRef<Assignment>, ObjectRef<AIJob>),
    /// A member or its report.
    Member,
    /// A namespace.
    Namespace,
}

impl World {
    /// An empty world, and the means to fill it.
    pub fn new() -> (Self, Writers) {
        let (jobs_store, jobs) = reflector::store();
        let (assignments_store, assignments) = reflector::store();
        let (nodes_store, nodes) = reflector::store();
        let (reports_store, reports) = reflector::store();
        let (namespaces_store, namespaces) = reflector::store();
        let world = Self {
            jobs: Cache::new(jobs_store, cache::strip_job),
            assignments: Cache::new(assignments_store, cache::strip_assignment),
            nodes: nodes_store,
            reports: reports_store,
            namespaces: namespaces_store,
            sights: Sights::default(),
        };
        (world, Writers { jobs, assignments, nodes, reports, namespaces })
    }

    /// Waits until everything has been listed once. An error means that a watch ended.
    pub async fn ready(&self) -> Result<(), reflector::store::WriterDropped> {
        self.jobs.store().wait_until_ready().await?;
        self.assignments.store().wait_until_ready().await?;
        self.nodes.wait_until_ready().await?;
        self.reports.wait_until_ready().await?;
        self.namespaces.wait_until_ready().await
    }

    /// The UID of a namespace that exists.
    pub fn namespace_uid(&self, name: &str) -> Option<String> {
        self.namespaces.get(&ObjectRef::new(name))?.metadata.uid.clone()
    }

    /// What a member reports.
    pub fn report(&self, member: &str) -> Option<Arc<MemberReport>> {
        self.reports.get(&ObjectRef::new(member).within(&member_namespace(member)))
    }

    /// A member that is enrolled and not leaving.
    pub fn member(&self, name: &str) -> Option<Arc<ComputeNode>> {
        self.nodes.get(&ObjectRef::new(name)).filter(|node| node.metadata.deletion_timestamp.is_none())
    }
}

/// Watches until it is dropped, telling `changes` what to look at.
pub async fn watch(client: Client, world: &World, writers: Writers, changes: UnboundedSender<Change>) {
    let tell = |change| drop(changes.send(change));
    let jobs = stream(watched(&client), cache::strip_job, writers.jobs).for_each(|event| {
        world.jobs.saw(&event);
        for (job, gone) in touched(&event, &world.jobs) {
            tell(Change::Job(ObjectRef::from_obj(job.as_ref()), gone));
        }
        futures::future::ready(())
    });
    let assignments = stream(watched(&client), cache::strip_assignment, writers.assignments).for_each(|event| {
        world.assignments.saw(&event);
        for (assignment, gone) in touched(&event, &world.assignments) {
            if gone {
                world.sights.gone(&assignment);
            } else {
                world.sights.saw(&assignment, now_ms());
            }
            let job = ObjectRef::new(&assignment.spec.job.name).within(&assignment.spec.job.namespace);
            tell(Change::Assignment(ObjectRef::from_obj(assignment.as_ref()), job));
        }
        futures::future::ready(())
    });
    let nodes = stream::<ComputeNode>(watched(&client), cache::strip, writers.nodes).for_each(|event| {
        tell_of(&event, Change::Member, &tell);
        futures::future::ready(())
    });
    let reports = stream::<MemberReport>(watched(&client), cache::strip, writers.reports).for_each(|event| {
        tell_of(&event, Change::Member, &tell);
        futures::future::ready(())
    });
    let namespaces = stream(watched(&client), cache::strip, writers.namespaces).for_each(|event| {
        tell_of(&event, Change::Namespace, &tell);
        futures::future::ready(())
    });
    futures::join!(jobs, assignments, nodes, reports, namespaces);
}

fn watched<K>(client: &Client) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher::watcher(Api::all(client.clone()), watcher::Config::default().page_size(PAGE))
}

/// A watch that goes on after errors; what `trim` leaves is stored.
fn stream<K>(
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send,
    trim: fn(&mut K),
    writer: Writer<K>,
) -> impl Stream<Item = watcher::Event<K>>
where
    K: Resource + Clone + Debug + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    events.default_backoff().modify(trim).reflect(writer).filter_map(|event| async move {
        event.inspect_err(|error| tracing::warn!(%error, "a watch is tried again")).ok()
    })
}

/// The objects that an event is about, and whether they are gone. A list counts once it is complete: until then the
/// store still holds what was before.
fn touched<K>(event: &watcher::Event<K>, cache: &Cache<K>) -> Vec<(Arc<K>, bool)>
where
    K: Resource<DynamicType = ()> + Clone + Debug + 'static,
{
    match event {
        watcher::Event::Apply(object) => vec![(Arc::new(object.clone()), false)],
        watcher::Event::Delete(object) => vec![(Arc::new(object.clone()), true)],
        watcher::Event::InitDone => cache.store().state().into_iter().map(|object| (object, false)).collect(),
        watcher::Event::Init | watcher::Event::InitApply(_) => Vec::new(),
    }
}

fn tell_of<K>(event: &watcher::Event<K>, change: Change, tell: &impl Fn(Change)) {
    // While a list comes in, one word at its end is enough.
    if !matches!(event, watcher::Event::Init | watcher::Event::InitApply(_)) {
        tell(change);
    }
}

/// Now, in Unix milliseconds.
pub fn now_ms() -> u64 {
    crate::aijob::build::situation::unix_ms(clock::now())
}
