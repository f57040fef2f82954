//! Many ghosts that beat by themselves, and fall silent all at once.

use std::time::Duration;

use futures::future::join_all;
use tokio::{sync::watch, task::JoinHandle, time::MissedTickBehavior};

use super::{Ghost, remove};
use crate::{error::Result, stage::Stage};

/// Between heartbeats: as agents.
const EVERY: Duration = Duration::from_secs(10);
/// How long the hub may take to hear all of them, in seconds.
const HEARD: u64 = 60;

/// Ghosts that beat together.
pub struct Crowd {
    names: Vec<String>,
    speaks: watch::Sender<bool>,
    beating: JoinHandle<()>,
}

impl Crowd {
    /// Enrols `count` ghosts called `PREFIX-1` and on, and has them beat. Returns once the hub hears all of them. They
    /// beat on the runtime of the caller, for at most an hour: their tokens aren't renewed.
    pub async fn enrol(stage: &Stage, prefix: &str, count: usize) -> Result<Self> {
        let names: Vec<String> = (1..=count).map(|number| format!("{prefix}-{number}")).collect();
        let ghosts = Ghost::enrol_all(stage, &names).await?;
        let (speaks, told) = watch::channel(true);
        let crowd = Self { names, speaks, beating: tokio::spawn(beat(ghosts, told)) };
        match crowd.heard(stage) {
            Ok(()) => Ok(crowd),
            Err(error) => {
                // What went wrong says more than that tidying up did, too.
                let _ = crowd.leave(stage);
                Err(error)
            }
        }
    }

    /// None of them says anything any more.
    pub fn fall_silent(&self) {
        self.speaks.send_replace(false);
    }

    /// Waits until the hub hears all of them.
    pub fn heard(&self, stage: &Stage) -> Result<()> {
        let timeout = format!("--timeout={HEARD}s");
        let wait = ["wait", "--for=condition=Available", "computenode", &timeout];
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        stage.hub.kubectl(&[&wait[..], &names].concat()).map(drop)
    }

    /// Removes all of them from the hub and waits until they are gone.
    pub fn leave(self, stage: &Stage) -> Result<()> {
        self.beating.abort();
        remove(stage, &self.names)
    }
}

/// Beats while `told` to.
async fn beat(mut ghosts: Vec<Ghost>, mut told: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            changed = told.changed() => match changed {
                Ok(()) => interval.reset(),
                Err(_) => return,
            },
        }
        if !*told.borrow() {
            continue;
        }
        // The hub may be what is broken just now: the next ones may get through.
        for error in join_all(ghosts.iter_mut().map(Ghost::heartbeat)).await.into_iter().filter_map(Result::err) {
            eprintln!("{error}");
        }
    }
}
