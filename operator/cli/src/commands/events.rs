//! What happened to a job: what the hub says of it, and its member's cluster.

use std::{collections::HashSet, time::Duration};

use eai_api::{
    AIJob,
    session::{MemberEvent, Wish},
};
use eai_runtime::stream::{End, is_over};
use k8s_openapi::{api::core::v1::Event, jiff::Timestamp};
use kube::api::ListParams;
use tokio::time::sleep;

use crate::{
    arguments::Events,
    error::{Error, Result},
    hub::Hub,
    live, output,
};

/// Between looks.
const LOOK: Duration = Duration::from_secs(3);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Line {
    at: i64,
    from: String,
    warning: bool,
    reason: String,
    message: String,
    count: i32,
}

/// Prints a job's events, oldest first; with `--watch`, until the job has ended.
pub async fn run(hub: &Hub, arguments: &Events) -> Result<()> {
    let mut seen = HashSet::new();
    let mut said = false;
    loop {
        let status = hub.in_namespace::<AIJob>().get(&arguments.job).await?.status.unwrap_or_default();
        let mut lines = hubs(hub, &arguments.job).await?;
        if status.attempt.is_some() && !status.phase.is_final() {
            match members(hub, &arguments.job).await {
                Ok(more) => lines.extend(more),
                Err(error) if !said => {
                    said = true;
                    eprintln!("its member's events can't be shown now: {error}");
                }
                Err(_) => {}
            }
        }
        lines.sort();
        for line in lines {
            if seen.insert(line.clone()) {
                output::say(line.text())?;
            }
        }
        if !arguments.watch || status.phase.is_final() {
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

/// The events on the AIJob.
async fn hubs(hub: &Hub, job: &str) -> Result<Vec<Line>> {
    let fields = format!("involvedObject.kind=AIJob,involvedObject.name={job}");
    let events = hub.in_namespace::<Event>().list(&ListParams::default().fields(&fields)).await?;
    Ok(events.items.iter().map(Line::of_hub).collect())
}

/// Those of its Job and pods in its member's cluster.
async fn members(hub: &Hub, job: &str) -> Result<Vec<Line>> {
    let (mut link, _) = live::open(hub, job, &Wish::Events).await?;
    let mut lines = Vec::new();
    loop {
        match link.next().await {
            Ok(message) => {
                let event = message.to_text().ok().and_then(|text| serde_json::from_str::<MemberEvent>(text).ok());
                lines.extend(event.map(Line::of_member));
            }
            Err(End::Closed(frame)) if is_over(frame.as_ref()) => return Ok(lines),
            Err(end) => return Err(Error::Failed(end.to_string())),
        }
    }
}

impl Line {
    fn of_hub(event: &Event) -> Self {
        let series = event.series.as_ref();
        let last = series.and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
        let last = last.or(event.last_timestamp.as_ref().map(|time| time.0));
        let last = last.or(event.event_time.as_ref().map(|time| time.0));
        Self {
            at: last.map_or(0, Timestamp::as_second),
            from: "hub".to_owned(),
            warning: event.type_.as_deref() == Some("Warning"),
            reason: event.reason.clone().unwrap_or_default(),
            message: event.message.clone().unwrap_or_default(),
            count: series.and_then(|series| series.count).or(event.count).unwrap_or(1),
        }
    }

    fn of_member(event: MemberEvent) -> Self {
        let MemberEvent { at, count, warning, reason, index, message } = event;
        let from = index.map_or_else(|| "member".to_owned(), |index| format!("member/{index}"));
        Self { at, from, warning, reason, message, count }
    }

    fn text(&self) -> String {
        let at = Timestamp::from_second(self.at).map_or_else(|_| "-".to_owned(), |time| time.to_string());
        let kind = if self.warning { "Warning" } else { "Normal" };
        let times = if self.count > 1 { format!(" (x{})", self.count) } else { String::new() };
        // What a member says is somebody else's text: nothing in it moves the cursor.
        let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        format!("{at}  {kind:7}  {:9}  {}{times}: {}", self.from, plain(&self.reason), plain(&self.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_when_who_what_and_how_often() {
        let event = MemberEvent {
            at: 1_767_225_600,
            count: 3,
            warning: true,
            reason: "BackOff".to_owned(),
            index: Some(2),
            message: "can't pull\u{1b}[2J".to_owned(),
        };
        assert_eq!(
            Line::of_member(event).text(),
            "2026-01-01T00:00:00Z  Warning  member/2   BackOff (x3): can't pull [2J"
        );
    }
}
