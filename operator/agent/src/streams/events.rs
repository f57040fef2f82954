//! What the member's cluster says of work: why a pod waits, what happened to it. Without the names of its machines.

use eai_api::session::MemberEvent;
use eai_runtime::stream::{Message, over};
use k8s_openapi::{api::core::v1::Event, jiff::Timestamp};
use kube::{Api, api::ListParams};

use crate::context::Context;

/// Events read at a time, and how often: a namespace full of others' events isn't read to its end.
const PAGE: u32 = 500;
const PAGES: u32 = 8;
/// The most events that are told, the last ones.
const MOST: usize = 500;
/// The most characters of a sentence.
const MOST_TEXT: usize = 500;

/// The events of an Assignment's Job and pods, as messages, and the end.
pub async fn of(context: &Context, assignment: &str) -> Result<Vec<Message>, String> {
    let api: Api<Event> = Api::namespaced(context.member.clone(), &context.config.work_namespace);
    let (mut events, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    for _ in 0..PAGES {
        let list = api.list(&page).await.map_err(|error| {
            tracing::warn!(%error, "events can't be listed");
            "its agent can't list events; its chart may be of an earlier version".to_owned()
        })?;
        events.extend(list.items.into_iter().filter(|event| is_of(event, assignment)));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
            None => break,
        }
    }
    let nodes: Vec<String> =
        context.stores.nodes.state().iter().filter_map(|node| node.metadata.name.clone()).collect();
    let mut told: Vec<_> = events.iter().map(|event| tell(event, assignment, &nodes)).collect();
    told.sort_by_key(|event| event.at);
    let text = |event: &MemberEvent| serde_json::to_string(event).ok().map(|text| Message::Text(text.into()));
    Ok(told[told.len().saturating_sub(MOST)..].iter().filter_map(text).chain([over()]).collect())
}

/// Whether it is about the Assignment's Job, which is called like it, or one of its pods: `ASSIGNMENT-INDEX-xxxxx`.
fn is_of(event: &Event, assignment: &str) -> bool {
    let name = event.involved_object.name.as_deref().unwrap_or_default();
    name.strip_prefix(assignment).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn tell(event: &Event, assignment: &str, nodes: &[String]) -> MemberEvent {
    let series = event.series.as_ref();
    let last = series.and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = last.or(event.last_timestamp.as_ref().map(|time| time.0));
    let last =
        last.or(event.event_time.as_ref().map(|time| time.0)).or(event.first_timestamp.as_ref().map(|time| time.0));
    let name = event.involved_object.name.as_deref().unwrap_or_default();
    let index = name.strip_prefix(assignment).and_then(|rest| rest.strip_prefix('-')?.split('-').next()?.parse().ok());
    MemberEvent {
        at: last.map_or(0, Timestamp::as_second),
        count: series.and_then(|series| series.count).or(event.count).unwrap_or(1),
        warning: event.type_.as_deref() == Some("Warning"),
        reason: event.reason.clone().unwrap_or_default().chars().take(MOST_TEXT).collect(),
        index,
        message: without(event.message.as_deref().unwrap_or_default(), nodes).chars().take(MOST_TEXT).collect(),
    }
}

/// `text` without the names of `nodes`, longest first, as one may be the beginning of another.
fn without(text: &str, nodes: &[String]) -> String {
    let mut nodes: Vec<&String> = nodes.iter().filter(|node| !node.is_empty()).collect();
    nodes.sort_by_key(|node| std::cmp::Reverse(node.len()));
    nodes.iter().fold(text.to_owned(), |text, node| text.replace(node.as_str(), "(a node)"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn event(name: &str, message: &str) -> Event {
        serde_json::from_value(json!({
            "metadata": { "name": "e" }, "involvedObject": { "kind": "Pod", "name": name }, "type": "Warning",
            "reason": "FailedScheduling", "message": message, "count": 3, "lastTimestamp": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn only_what_is_of_the_work_is_told() {
        assert!(is_of(&event("u-g1-a1", ""), "u-g1-a1"));
        assert!(is_of(&event("u-g1-a1-0-x7f2k", ""), "u-g1-a1"));
        for other in ["u-g1-a10", "u-g1-a10-0-x7f2k", "u-g1-a", "eai-agent-probe", ""] {
            assert!(!is_of(&event(other, ""), "u-g1-a1"), "{other}");
        }
    }

    #[test]
    fn machines_arent_named() {
        let nodes = ["node-1".to_owned(), "node-10".to_owned()];
        let told = tell(&event("u-g1-a1-3-x7f2k", "bound to node-10, not node-1: too small"), "u-g1-a1", &nodes);
        assert_eq!(told.message, "bound to (a node), not (a node): too small");
        assert_eq!((told.index, told.count, told.at, told.warning), (Some(3), 3, 1_767_225_600, true));
        assert_eq!(tell(&event("u-g1-a1", ""), "u-g1-a1", &nodes).index, None);
    }
}
