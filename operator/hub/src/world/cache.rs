//! A watched kind: what the API server last said, or what we last wrote if that is newer.
//!
//! Between a write and the watch event that echoes it, the watched copy is old. Deciding on it would at best lose a
//! conditional update and at worst hand out the same capacity twice, so what a write returned is kept beside it until
//! the watch has caught up.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eai_api::{AIJob, Assignment};
use kube::{
    Resource, ResourceExt as _,
    runtime::{
        reflector::{ObjectRef, Store},
        watcher,
    },
};

/// How long our own copy is believed if the watch never echoes it: the object was deleted while the watch was down.
const BELIEF: Duration = Duration::from_secs(30);

type Fresh<K> = HashMap<ObjectRef<K>, (Arc<K>, Instant)>;

/// A watched kind with our own writes on top.
pub struct Cache<K: Resource + 'static>
where
    K::DynamicType: Hash + Eq,
{
    store: Store<K>,
    fresh: Mutex<Fresh<K>>,
    trim: fn(&mut K),
}

impl<K> Cache<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + 'static,
{
    /// A cache over what a reflector stores, which keeps what `trim` leaves of our own writes.
    pub fn new(store: Store<K>, trim: fn(&mut K)) -> Self {
        Self { store, fresh: Mutex::default(), trim }
    }

    /// The watched copies alone.
    pub fn store(&self) -> Store<K> {
        self.store.clone()
    }

    /// The newest copy of an object.
    pub fn get(&self, key: &ObjectRef<K>) -> Option<Arc<K>> {
        let watched = self.store.get(key);
        let mut fresh = self.fresh();
        let Some((ours, at)) = fresh.get(key) else { return watched };
        if watched.as_ref().is_some_and(|watched| !newer(ours.as_ref(), watched)) || at.elapsed() > BELIEF {
            fresh.remove(key);
            return watched;
        }
        Some(ours.clone())
    }

    /// The newest copies of all objects.
    pub fn all(&self) -> Vec<Arc<K>> {
        let mut all = self.store.state();
        let mut fresh = self.fresh();
        fresh.retain(|_, (_, at)| at.elapsed() <= BELIEF);
        if fresh.is_empty() {
            return all;
        }
        let mut unseen: HashMap<_, _> = fresh.iter().map(|(key, (ours, _))| (key.clone(), ours.clone())).collect();
        for slot in &mut all {
            if let Some(ours) = unseen.remove(&ObjectRef::from_obj(slot.as_ref()))
                && newer(ours.as_ref(), slot)
            {
                *slot = ours;
            }
        }
        all.extend(unseen.into_values());
        all
    }

    /// Keeps what a write returned.
    pub fn put(&self, mut object: K) -> Arc<K> {
        (self.trim)(&mut object);
        let object = Arc::new(object);
        self.fresh().insert(ObjectRef::from_obj(object.as_ref()), (object.clone(), Instant::now()));
        object
    }

    /// Takes note of what the watch says, after the store did.
    pub fn saw(&self, event: &watcher::Event<K>) {
        match event {
            watcher::Event::Delete(object) => drop(self.fresh().remove(&ObjectRef::from_obj(object))),
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                let key = ObjectRef::from_obj(object);
                let mut fresh = self.fresh();
                if fresh.get(&key).is_some_and(|(ours, _)| !newer(ours.as_ref(), object)) {
                    fresh.remove(&key);
                }
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh<K>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `ours` is a later version than `theirs`, or another object of the same name. Versions of one kind compare as
/// numbers; one that isn't a number is not trusted to be newer.
fn newer<K: Resource>(ours: &K, theirs: &K) -> bool {
    let version = |object: &K| object.meta().resource_version.as_deref().and_then(|v| v.parse::<u64>().ok());
    version(ours).zip(version(theirs)).is_some_and(|(ours, theirs)| ours > theirs)
}

/// Drops what nothing here reads and what would double the memory that a thousand objects take.
pub fn strip<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
    object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
}

/// Drops what a vendor can make large and only the making of an Assignment reads, from the API server.
pub fn strip_job(job: &mut AIJob) {
    strip(job);
    (job.metadata.labels, job.metadata.annotations) = (None, None);
    (job.spec.command, job.spec.args, job.spec.env) = (Vec::new(), Vec::new(), Vec::new());
}

/// The same for an Assignment: its text is its member's to read.
pub fn strip_assignment(assignment: &mut Assignment) {
    strip(assignment);
    let workload = &mut assignment.spec.workload;
    (workload.command, workload.args, workload.env) = (Vec::new(), Vec::new(), Vec::new());
    workload.sealed_env = None;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use eai_api::MemberReport;
    use kube::runtime::reflector::store::Writer;

    use super::*;

    fn report(version: &str) -> MemberReport {
        let mut report = MemberReport::new("home", eai_api::MemberReportSpec::default());
        report.metadata.namespace = Some("cn-home".to_owned());
        report.metadata.resource_version = Some(version.to_owned());
        report
    }

    fn versions<K: Resource>(all: &[Arc<K>]) -> Vec<&str> {
        all.iter().map(|o| o.meta().resource_version.as_deref().unwrap()).collect()
    }

    #[test]
    fn our_write_counts_until_the_watch_has_caught_up() {
        let mut writer = Writer::<MemberReport>::default();
        let cache = Cache::new(writer.as_reader(), strip);
        let key = ObjectRef::new("home").within("cn-home");
        let mut see = |event: watcher::Event<MemberReport>| {
            writer.apply_watcher_event(&event);
            cache.saw(&event);
        };
        see(watcher::Event::Apply(report("9")));
        cache.put(report("11"));
        assert_eq!(versions(&cache.all()), ["11"]);
        see(watcher::Event::Apply(report("10")));
        assert_eq!(cache.get(&key).unwrap().metadata.resource_version.as_deref(), Some("11"), "9 < 10 < 11");
        see(watcher::Event::Apply(report("12")));
        assert_eq!(versions(&cache.all()), ["12"]);
        see(watcher::Event::Delete(report("13")));
        assert!(cache.get(&key).is_none() && cache.all().is_empty());
    }

    #[test]
    fn an_object_we_made_is_there_before_the_watch_says_so() {
        let writer = Writer::<MemberReport>::default();
        let cache = Cache::new(writer.as_reader(), strip);
        cache.put(report("3"));
        assert_eq!(versions(&cache.all()), ["3"]);
    }

    #[test]
    fn what_a_vendor_can_make_large_isnt_kept() {
        let job = || -> AIJob {
            serde_json::from_value(serde_json::json!({
                "apiVersion": "eai.network/v1alpha1", "kind": "AIJob",
                "metadata": { "name": "x", "namespace": "team", "labels": { "a": "b" }, "annotations": { "c": "d" },
                    "finalizers": ["f"] },
                "spec": { "image": "i", "command": ["c"], "args": ["a"], "env": [{ "name": "N", "value": "v" }],
                    "maxPrice": "1", "maxDurationSeconds": 1, "payment": { "account": format!("0x{}", "a".repeat(40)) } },
            }))
            .unwrap()
        };
        let cache = Cache::new(Writer::<AIJob>::default().as_reader(), strip_job);
        let kept = cache.put(job());
        assert!(kept.metadata.labels.is_none() && kept.metadata.annotations.is_none());
        assert!(kept.spec.command.is_empty() && kept.spec.args.is_empty() && kept.spec.env.is_empty());
        assert_eq!((kept.spec.image.as_str(), kept.finalizers().len()), ("i", 1));
    }

    #[test]
    fn stripping_leaves_what_matters() {
        let mut object: Assignment = serde_json::from_value(serde_json::json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "Assignment",
            "metadata": { "name": "x", "managedFields": [{ "manager": "kubectl" }], "labels": { "a": "b" },
                "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}", "c": "d" } },
            "spec": { "job": { "namespace": "a", "name": "b", "uid": "c" }, "epoch": { "generation": 1, "attempt": 1 },
                "workload": { "image": "i", "cpuMillis": 1, "memoryBytes": 1, "completions": 1, "parallelism": 1,
                    "maxDurationSeconds": 1 },
                "class": "cpu", "rate": "1", "leaseId": "0x" },
        }))
        .unwrap();
        strip(&mut object);
        assert_eq!(object.annotations().len(), 1);
        assert!(object.metadata.managed_fields.is_none() && object.labels().len() == 1);
    }
}
