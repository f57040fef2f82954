//! Who ran what in a job: in the log, and as Events on the AIJob. Not through the herald, which may drop what it is told.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use eai_api::AIJob;
use eai_runtime::clock;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, Resource as _, ResourceExt as _, api::PostParams};

/// The most characters of a command that are shown; a note holds 1 kB.
const MOST: usize = 600;

/// A command that was begun. Its end is recorded when this is dropped.
pub struct Record {
    events: Api<Event>,
    about: ObjectReference,
    user: String,
    command: String,
    began: Instant,
    end: String,
}

impl Record {
    /// Records that `user` begins to run `command`; it isn't to be run if this fails.
    pub async fn begin(client: &Client, job: &AIJob, user: &str, command: String) -> Result<Self, kube::Error> {
        let namespace = job.namespace().unwrap_or_default();
        tracing::info!(target: "audit", user, namespace, job = job.name_any(), command, "a command is run in a job");
        let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
        let (about, user) = (job.object_ref(&()), user.to_owned());
        let command: String = command.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
        let note = format!("{user} runs: {command}");
        events.create(&PostParams::default(), &event(&about, "ExecBegan", &note)).await?;
        let end = "it was cut off".to_owned();
        Ok(Self { events, about, user, command, began: Instant::now(), end })
    }

    /// How it ended.
    pub fn ends(&mut self, how: String) {
        self.end = how;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Self { user, command, end, .. } = self;
        let seconds = self.began.elapsed().as_secs();
        let job = self.about.name.as_deref().unwrap_or_default();
        tracing::info!(target: "audit", user, job, command, seconds, end, "a command in a job has ended");
        let end: String = end.chars().take(200).collect();
        let event = event(&self.about, "ExecEnded", &format!("after {seconds} s ({end}): {user} ran: {command}"));
        let events = self.events.clone();
        tokio::spawn(async move {
            if let Err(error) = events.create(&PostParams::default(), &event).await {
                tracing::error!(%error, "the end of a command can't be told as an Event; it is in this log");
            }
        });
    }
}

fn event(about: &ObjectReference, reason: &str, note: &str) -> Event {
    let unique = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let name = format!("{}.{unique:x}", about.name.as_deref().unwrap_or_default());
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: about.namespace.clone(), ..ObjectMeta::default() },
        action: Some("Exec".to_owned()),
        event_time: Some(MicroTime(clock::now())),
        note: Some(note.chars().take(1000).collect()),
        reason: Some(reason.to_owned()),
        regarding: Some(about.clone()),
        reporting_controller: Some("eai-operator".to_owned()),
        reporting_instance: Some("artifacts".to_owned()),
        type_: Some("Normal".to_owned()),
        ..Event::default()
    }
}
