//! Watching one kind of object: into a store, and an event out for every change.

use std::{collections::HashMap, fmt::Debug, hash::Hash, pin::pin, sync::Arc};

use futures::StreamExt as _;
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt as _,
        reflector::{ObjectRef, store::Writer},
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

/// Rises when connections to a cluster should be made anew: those that were open may be dead without anyone knowing.
pub type Reconnects = Receiver<u64>;

/// What is watched, and how.
pub struct Watch<K: Resource<DynamicType = ()> + Clone + 'static> {
    /// The objects.
    pub api: Api<K>,
    /// Which of them.
    pub config: watcher::Config,
    /// Where they are kept.
    pub writer: Writer<K>,
    /// Drops what nobody here reads, before an object is kept.
    pub trim: fn(&mut K),
    /// When to connect anew.
    pub reconnects: Reconnects,
}

/// How long one watch request lasts. A connection that died without a word is noticed at its end.
const TIMEOUT_SECONDS: u32 = 60;

/// The configuration of watches.
pub fn config() -> watcher::Config {
    watcher::Config::default().timeout(TIMEOUT_SECONDS).page_size(200)
}

/// Keeps the store up to date and calls `changed` for every object that came, changed or went, also while the connection
/// was lost. Runs until `shutdown`.
pub async fn drive<K>(watch: Watch<K>, shutdown: CancellationToken, mut changed: impl FnMut(&K))
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let Watch { api, config, mut writer, trim, mut reconnects } = watch;
    loop {
        let mut stream = pin!(watcher(api.clone(), config.clone()).default_backoff());
        loop {
            tokio::select! {
                event = stream.next() => match event {
                    Some(Ok(event)) => take(&event.modify(|object| strip(object, trim)), &mut writer, &mut changed),
                    Some(Err(error)) => tracing::warn!(kind = %K::kind(&()), %error, "watching"),
                    None => break,
                },
                Ok(()) = reconnects.changed() => break,
                () = shutdown.cancelled() => return,
            }
        }
    }
}

/// What only API servers need, and what is often most of an object.
fn strip<K: Resource>(object: &mut K, trim: fn(&mut K)) {
    object.meta_mut().managed_fields = None;
    trim(object);
}

fn take<K>(event: &Event<K>, writer: &mut Writer<K>, changed: &mut impl FnMut(&K))
where
    K: Resource<DynamicType = ()> + Clone + Debug + 'static,
    ObjectRef<K>: Hash + Eq,
{
    match event {
        Event::Apply(object) | Event::Delete(object) => {
            writer.apply_watcher_event(event);
            changed(object);
        }
        Event::InitDone => {
            // Those that went while nobody looked are only in the old store, those that came only in the new.
            let reader = writer.as_reader();
            let mut all: HashMap<ObjectRef<K>, Arc<K>> = by_ref(reader.state());
            writer.apply_watcher_event(event);
            all.extend(by_ref(reader.state()));
            for object in all.values() {
                changed(object);
            }
        }
        Event::Init | Event::InitApply(_) => writer.apply_watcher_event(event),
    }
}

fn by_ref<K>(objects: Vec<Arc<K>>) -> HashMap<ObjectRef<K>, Arc<K>>
where
    K: Resource<DynamicType = ()>,
{
    objects.into_iter().map(|object| (ObjectRef::from_obj(&*object), object)).collect()
}
