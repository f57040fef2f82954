//! Events, apart from the work: telling people must not hold up what they are told of. When there is more to tell than
//! the API server takes, the rest is dropped; conditions say the same.

use eai_api::AIJob;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Resource as _,
    runtime::events::{Event, EventType, Recorder},
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Events that may wait to be written.
const ROOM: usize = 256;
/// The most characters of an event's note; the API takes 1 kB.
const MOST: usize = 1000;

/// Something to tell.
pub struct News {
    about: ObjectReference,
    event: Event,
}

impl News {
    /// News about a job.
    pub fn about(job: &AIJob, warning: bool, reason: &str, text: impl Into<String>) -> Self {
        let text: String = text.into();
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(text.chars().take(MOST).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        Self { about: job.object_ref(&()), event }
    }
}

/// Takes news.
pub struct Herald(Sender<News>);

impl Herald {
    /// A herald, and where its news come out.
    pub fn new() -> (Self, Receiver<News>) {
        let (sender, receiver) = channel(ROOM);
        (Self(sender), receiver)
    }

    /// Tells only if there is little else to tell.
    pub fn mention(&self, news: News) {
        if self.0.capacity() > ROOM / 2 {
            self.tell(news);
        }
    }

    /// Tells, or drops it if there is too much to tell.
    pub fn tell(&self, news: News) {
        if self.0.try_send(news).is_err() {
            tracing::debug!("an event is dropped");
        }
    }
}

/// Writes events until every herald is gone.
pub async fn run(recorder: Recorder, mut news: Receiver<News>) {
    while let Some(News { about, event }) = news.recv().await {
        if let Err(error) = recorder.publish(&event, &about).await {
            tracing::debug!(%error, reason = event.reason, "an event couldn't be written");
        }
    }
}
