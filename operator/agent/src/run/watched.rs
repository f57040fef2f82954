//! Everything that is watched, in both clusters, and whom its events wake.

use std::{fmt::Debug, sync::Arc};

use eai_api::{Assignment, names::ASSIGNMENT_LABEL};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Node, Pod},
};
use kube::{
    Api, Resource,
    runtime::{
        reflector::{ObjectRef, Store, store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, mpsc::UnboundedSender, watch};

use super::Base;
use crate::{
    context::Stores,
    report::pod::{LightPod, trim as trim_light},
    trim,
    watch::{Reconnects, Watch, config, drive},
    work,
};

/// What watches are started with.
pub(super) struct Watches<'a> {
    /// The parts of the agent.
    pub(super) base: &'a mut Base,
    /// Asks for an Assignment to be looked at.
    pub(super) wake: &'a UnboundedSender<ObjectRef<Assignment>>,
    /// Says that there may be something to report.
    pub(super) changed: &'a Arc<Notify>,
}

/// Stores that are being filled.
pub(super) struct Watched {
    /// Those that work is decided from.
    pub(super) stores: Stores,
    /// All nodes.
    pub(super) nodes: Store<Node>,
    /// All pods that aren't over.
    pub(super) light_pods: Store<LightPod>,
}

impl Watches<'_> {
    /// Starts them. `reconnected` tells when the hub came back.
    pub(super) fn start(mut self, reconnected: Reconnects) -> Watched {
        let (hub, member) = (self.base.hub.clone(), self.base.member.clone());
        let (work, hub_namespace) = (self.base.config.work_namespace.clone(), self.base.hub_namespace());
        // The member's own API server is near; the end of each watch request is check enough.
        let (_, never) = watch::channel(0);
        let ours = || config().labels(ASSIGNMENT_LABEL);
        let live = config().fields("status.phase!=Succeeded,status.phase!=Failed");

        let assigned = self.assigned();
        let assignments = Api::<Assignment>::namespaced(hub, &hub_namespace);
        let assignments = self.spawn(assignments, config(), trim::nothing, reconnected, assigned);
        let related = self.related();
        let jobs = Api::<Job>::namespaced(member.clone(), &work);
        let jobs = self.spawn(jobs, ours(), trim::job, never.clone(), related);
        let related = self.related();
        let pods = Api::<Pod>::namespaced(member.clone(), &work);
        let pods = self.spawn(pods, ours(), trim::pod, never.clone(), related);
        let noted = self.noted();
        let nodes = self.spawn(Api::<Node>::all(member.clone()), config(), trim::node, never.clone(), noted);
        let noted = self.noted();
        let light_pods = self.spawn(Api::<LightPod>::all(member), live, trim_light, never, noted);
        Watched { stores: Stores { assignments, jobs, pods, nodes: nodes.clone() }, nodes, light_pods }
    }

    fn spawn<K>(
        &mut self,
        api: Api<K>,
        config: watcher::Config,
        trim: fn(&mut K),
        reconnects: Reconnects,
        changed: impl FnMut(&K) + Send + 'static,
    ) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let (reader, writer) = store();
        let watch = Watch { api, config, writer, trim, reconnects };
        self.base.tasks.spawn(drive(watch, self.base.shutdown.clone(), changed));
        reader
    }

    /// Wakes the Assignment itself. An error of sending only says that the agent is stopping.
    fn assigned(&self) -> impl FnMut(&Assignment) + Send + 'static + use<> {
        let (wake, changed) = (self.wake.clone(), Arc::clone(self.changed));
        move |assignment| {
            let _ = wake.send(ObjectRef::from_obj(assignment));
            changed.notify_one();
        }
    }

    /// Wakes the Assignment that an object in the member's cluster belongs to.
    fn related<K: Resource>(&self) -> impl FnMut(&K) + Send + 'static + use<K> {
        let (wake, changed) = (self.wake.clone(), Arc::clone(self.changed));
        let hub_namespace = self.base.hub_namespace();
        move |object| {
            changed.notify_one();
            if let Some(assignment) = work::assignment_of(object, &hub_namespace) {
                let _ = wake.send(assignment);
            }
        }
    }

    /// Only capacity depends on it.
    fn noted<K>(&self) -> impl FnMut(&K) + Send + 'static + use<K> {
        let changed = Arc::clone(self.changed);
        move |_| changed.notify_one()
    }
}
