//! Writes down why jobs wait, apart from the passes: a thousand waiting jobs must not hold up the one that fits.
//!
//! What is said of a job for the first time is written at once. After that there is no hurry: as money and capacity come
//! and go, reasons change to and fro for every job that waits, so changes are written at a limited rate, and the same
//! reason in other words (another amount free, say) hardly ever.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eai_api::{AIJob, aijob::Phase, condition};
use eai_runtime::clock;
use futures::StreamExt as _;
use kube::{Api, ResourceExt as _, runtime::reflector::ObjectRef};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    aijob::{
        apply::{self, WriteError},
        build::{Stage, situation::whole_seconds, stage},
        words::{self, Say},
    },
    hub::Hub,
};

/// How often the same reason may be written in other words.
const REWORD: Duration = Duration::from_mins(10);
/// How often another reason may be written.
const CHANGE: Duration = Duration::from_secs(10);
/// Statuses written at once.
const AT_ONCE: usize = 4;
/// The most changes that are written in each [`TURN`].
const CHANGES_A_TURN: usize = 10;
const TURN: Duration = Duration::from_secs(1);

/// What waits to be written down.
#[derive(Default)]
pub struct Scribe {
    notes: Mutex<Notes>,
    wake: Notify,
}

#[derive(Default)]
struct Notes {
    /// The first word on each job.
    first: HashMap<ObjectRef<AIJob>, Note>,
    /// The latest word on each job of which something is written already.
    changes: HashMap<ObjectRef<AIJob>, Note>,
    /// When each job was last written.
    written: HashMap<ObjectRef<AIJob>, Instant>,
}

struct Note {
    job: Arc<AIJob>,
    say: Say,
    lines: Vec<String>,
    give_up: bool,
}

impl Scribe {
    /// Has it written down why a job waits, unless it says so already.
    pub fn say(&self, job: &Arc<AIJob>, say: Say, lines: Vec<String>, give_up: bool) {
        let key = ObjectRef::from_obj(job.as_ref());
        let mut notes = self.lock();
        if super::says(job.status.as_ref(), &say) {
            notes.first.remove(&key);
            notes.changes.remove(&key);
            return;
        }
        let ready = job.status.as_ref().and_then(|s| s.conditions.iter().find(|c| c.type_ == condition::READY));
        let rest = ready.map(|c| if c.reason == say.reason() { REWORD } else { CHANGE });
        let wrote = notes.written.get(&key).map(Instant::elapsed);
        if rest.zip(wrote).is_some_and(|(rest, wrote)| wrote < rest) && !give_up {
            // A later pass says it again.
            notes.changes.remove(&key);
            return;
        }
        let note = Note { job: job.clone(), say, lines, give_up };
        if ready.is_none() || give_up {
            notes.first.insert(key, note);
        } else {
            notes.changes.insert(key, note);
        }
        drop(notes);
        self.wake.notify_one();
    }

    /// Writes until `shutdown`.
    pub async fn run(&self, hub: &Hub, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let (batch, more) = self.take();
            let writes = futures::stream::iter(batch).for_each_concurrent(AT_ONCE, |(key, note)| async move {
                match write(hub, note).await {
                    Ok(()) => drop(self.lock().written.insert(key, Instant::now())),
                    Err(WriteError::Conflict) => hub.metrics.conflict("wait"),
                    Err(error) => tracing::warn!(job = %key, %error, "couldn't write why a job waits"),
                }
            });
            let writes_then_rest = async {
                writes.await;
                if more {
                    tokio::time::sleep(TURN).await;
                } else {
                    self.wake.notified().await;
                }
            };
            tokio::select! {
                () = writes_then_rest => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// All that is new and some of what changed; says whether more changed.
    fn take(&self) -> (Vec<(ObjectRef<AIJob>, Note)>, bool) {
        let mut notes = self.lock();
        notes.written.retain(|_, at| at.elapsed() < REWORD);
        let mut batch: Vec<_> = notes.first.drain().collect();
        let some: Vec<_> = notes.changes.keys().take(CHANGES_A_TURN).cloned().collect();
        batch.extend(some.into_iter().filter_map(|key| notes.changes.remove_entry(&key)));
        (batch, !notes.changes.is_empty())
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(hub: &Hub, note: Note) -> Result<(), WriteError> {
    let job = hub.world.jobs.get(&ObjectRef::from_obj(note.job.as_ref())).unwrap_or(note.job);
    let mut status = job.status.clone().unwrap_or_default();
    if stage(&status) != Stage::Idle {
        return Ok(());
    }
    let now = clock::now();
    status.refusals = note.lines;
    if note.give_up {
        status.phase = Phase::Failed;
        status.finished_at = Some(whole_seconds(now));
    }
    words::write(&mut status, &note.say, job.metadata.generation, now);
    let namespace = job.namespace().unwrap_or_default();
    let api: Api<AIJob> = Api::namespaced(hub.ctx.client.clone(), &namespace);
    let written = apply::write_status(&api, &job, status).await?;
    apply::waiting_event(hub, &written, &note.say);
    hub.world.jobs.put(written);
    Ok(())
}
