//! Writes down why jobs wait, apart from the passes: a thousand waiting jobs must not hold up the one that fits.
//!
//! A new reason is written at once. The same reason in other words (another amount free, say) is written once in a
//! while, so that a changing balance doesn't mean a thousand writes a block.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use eai_api::{AIJob, aijob::Phase, condition};
use futures::StreamExt as _;
use k8s_openapi::jiff::Timestamp;
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
const REWORD: Duration = Duration::from_mins(1);
/// Statuses written at once.
const AT_ONCE: usize = 4;

/// What waits to be written down.
#[derive(Default)]
pub struct Scribe {
    notes: Mutex<Notes>,
    wake: Notify,
}

#[derive(Default)]
struct Notes {
    /// The latest word on each job.
    waiting: HashMap<ObjectRef<AIJob>, Note>,
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
            notes.waiting.remove(&key);
            return;
        }
        let ready = job.status.as_ref().and_then(|s| s.conditions.iter().find(|c| c.type_ == condition::READY));
        let reworded = ready.is_some_and(|c| c.reason == say.reason());
        if reworded && notes.written.get(&key).is_some_and(|at| at.elapsed() < REWORD) {
            return;
        }
        notes.waiting.insert(key, Note { job: job.clone(), say, lines, give_up });
        drop(notes);
        self.wake.notify_one();
    }

    /// Writes until `shutdown`.
    pub async fn run(&self, hub: &Hub, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = self.wake.notified() => {}
                () = shutdown.cancelled() => return,
            }
            let batch: Vec<_> = {
                let mut notes = self.lock();
                notes.written.retain(|_, at| at.elapsed() < REWORD);
                notes.waiting.drain().collect()
            };
            let writes = futures::stream::iter(batch).for_each_concurrent(AT_ONCE, |(key, note)| async move {
                match write(hub, note).await {
                    Ok(()) => drop(self.lock().written.insert(key, Instant::now())),
                    Err(WriteError::Conflict) => hub.metrics.conflict("wait"),
                    Err(error) => tracing::warn!(job = %key, %error, "couldn't write why a job waits"),
                }
            });
            tokio::select! {
                () = writes => {}
                () = shutdown.cancelled() => return,
            }
        }
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
    let now = Timestamp::now();
    status.refusals = note.lines;
    if note.give_up {
        status.phase = Phase::Failed;
        status.finished_at = Some(whole_seconds(now));
    }
    words::write(&mut status, &note.say, job.metadata.generation, now);
    let namespace = job.namespace().unwrap_or_default();
    let api: Api<AIJob> = Api::namespaced(hub.ctx.client.clone(), &namespace);
    let written = apply::write_status(&api, &job, status).await?;
    apply::event(hub, &written, &note.say);
    hub.world.jobs.put(written);
    Ok(())
}
