//! What is wrong with a member, and what is under way: conditions that are there only while they hold. Pure.

use eai_api::{
    MemberReportSpec,
    condition::{DEGRADED, DRAINING, UNREACHABLE},
};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::{offers::Offers, snapshot::Snapshot, standing::Standing};
use crate::{placement::unbelievable, tally::Tally};

/// As many of one kind of trouble are named.
const NAMED: usize = 3;

/// The kinds of conditions that [`aspects`] speaks of.
pub const KINDS: [&str; 3] = [UNREACHABLE, DEGRADED, DRAINING];
/// The reason of Draining when nothing is left.
pub const DRAINED: &str = "Drained";

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aspect {
    /// The condition's type.
    pub kind: &'static str,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in a sentence that a person can act on.
    pub message: String,
}

/// What holds of a member that stands as `standing` says, with `offers` as they were checked.
pub fn aspects(snapshot: &Snapshot, standing: &Standing, offers: Option<&Offers>) -> Vec<Aspect> {
    if !snapshot.node.spec.accepted || matches!(standing, Standing::Leaving(_)) {
        return Vec::new();
    }
    let degraded = snapshot.report.as_deref().filter(|_| snapshot.pulse.alive);
    let all = [
        unreachable(snapshot),
        degraded.and_then(|report| self::degraded(snapshot, report, offers)),
        snapshot.drain_by().map(|by| draining(snapshot, by)),
    ];
    all.into_iter().flatten().collect()
}

fn unreachable(snapshot: &Snapshot) -> Option<Aspect> {
    let since = snapshot.pulse.last_seen.filter(|_| !snapshot.pulse.alive)?;
    let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
    let kept = snapshot.tally.map_or_else(|| "what it has is being counted".to_owned(), kept);
    let message = format!("nothing is heard of it since {since}, so it gets no new work; {kept}");
    Some(Aspect { kind: UNREACHABLE, reason: "HeartbeatLost", message })
}

/// Until when a silent member's work is kept for it.
fn kept(tally: Tally) -> String {
    if tally.attempts == 0 {
        return "it has no work".to_owned();
    }
    let waiting = match tally.waiting {
        0 => None,
        n => Some(format!(
            "{} nobody else until it is heard or the vendor cancels (onHubLoss Continue, or an agent without grants)",
            if n == 1 { "1 attempt is given to".to_owned() } else { format!("{n} attempts are given to") }
        )),
    };
    let rest = tally.attempts.saturating_sub(tally.waiting);
    let fenced = match (rest, tally.kept_until) {
        (0, _) => None,
        (_, Some(by)) => Some(format!("unless it is heard, {} elsewhere by {by}", begin(rest))),
        (_, None) => Some(format!("{} elsewhere now", begin(rest))),
    };
    [fenced, waiting].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn begin(attempts: u32) -> String {
    if attempts == 1 { "its 1 attempt begins".to_owned() } else { format!("its {attempts} attempts begin") }
}

/// What keeps a member that is heard from working with all it has, worst first.
fn degraded(snapshot: &Snapshot, report: &MemberReportSpec, offers: Option<&Offers>) -> Option<Aspect> {
    let mut causes = Vec::new();
    let unbelieved = unbelievable(&snapshot.node.name_any(), report);
    if !unbelieved.is_empty() {
        let what = named(&unbelieved);
        let text = format!("it reports what can't be, so those nodes aren't counted: {what}; see to its agent");
        causes.push(("ReportNotBelieved", text));
    }
    if !snapshot.doubts.is_empty() {
        let what = named(&snapshot.doubts);
        let text =
            format!("it reports what can't be, and is paid for what the hub saw alone: {what}; see to its agent");
        causes.push(("ReportNotBelieved", text));
    }
    if !report.nodes_away.is_empty() {
        let what = named(&report.nodes_away);
        causes.push(("NodesAway", format!("nodes of it aren't ready or don't answer, so they get no work: {what}")));
    }
    let refused = offers.map_or(&[][..], |offers| &offers.refused);
    if !refused.is_empty() {
        let words: Vec<_> = refused.iter().map(ToString::to_string).collect();
        causes.push(("OffersRefused", named(&words)));
    }
    if !report.probes.sandbox {
        let text = "no probe ran in a sandbox without network there, so it gets only work that may reach the internet: \
                    set runtimeClass in the agent's chart values, and see the agent's log";
        causes.push(("NoSandbox", text.to_owned()));
    }
    let reason = causes.first()?.0;
    let message = causes.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; ");
    Some(Aspect { kind: DEGRADED, reason, message })
}

/// The first few, and how many more there are.
fn named(all: &[String]) -> String {
    let first = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn draining(snapshot: &Snapshot, by: Timestamp) -> Aspect {
    let member = snapshot.node.name_any();
    let going = |message: String| Aspect { kind: DRAINING, reason: "Draining", message };
    let back = match snapshot.node.spec.drain {
        Some(_) => format!("kubectl eai uncordon {member} lets it work again"),
        None => "an empty drain.by in its agent's chart values lets it work again".to_owned(),
    };
    match snapshot.tally {
        None => going("it takes no new work; what it has is being counted".to_owned()),
        Some(Tally { empty: true, .. }) => Aspect {
            kind: DRAINING,
            reason: DRAINED,
            message: format!("nothing is left on it: kubectl eai leave {member} removes it, {back}"),
        },
        Some(Tally { attempts: 0, settling: 0, .. }) => going("nothing is left on it that is known of".to_owned()),
        Some(Tally { attempts: 0, settling, .. }) => going(format!("nothing runs on it; {settling} to be settled")),
        Some(Tally { attempts, settling, .. }) => {
            let settled = if settling == 0 { String::new() } else { format!(", {settling} to be settled") };
            let left = if attempts == 1 { "1 attempt is".to_owned() } else { format!("{attempts} attempts are") };
            going(format!("{left} left on it{settled}; what still runs at {by} is ended then and begun elsewhere"))
        }
    }
}
