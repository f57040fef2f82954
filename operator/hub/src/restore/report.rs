//! What became of leases that are newer than the backup: ConfigMap `eai-restores`, with a table for each generation.

use std::collections::BTreeMap;

use eai_chain::{LeaseId, LeaseState, LeaseView, Opening};
use k8s_openapi::{api::core::v1::ConfigMap, jiff::Timestamp};
use kube::{
    Api, Resource as _,
    api::{Patch, PatchParams, PostParams},
    runtime::events::{Event, EventType},
};

use super::{Trouble, known::Known, orphans::Unknown};
use crate::context::Context;

/// The ConfigMap.
pub const RESTORES: &str = "eai-restores";
/// The most leases that a table names; a ConfigMap holds 1 MiB. The log names all.
const MOST_ROWS: usize = 600;
/// The most tables that are kept.
const MOST_TABLES: usize = 2;
const HEADER: &str =
    "lease,payer,provider,namespaceId,jobId,job,generation,attempt,openedAt,openedInBlock,hold,paid,refunded,state";

/// The last field of a line whose lease is closed.
const CLOSED: &str = "Closed";
/// How many fields at a line's end say where its lease stands.
const LAST_FIELDS: usize = 4;

/// One line of the table: a lease's id, and the rest.
type Table = BTreeMap<String, String>;

/// Reports what is about to be closed, so that a crash in between loses no line.
pub async fn begin(ctx: &Context, generation: u64, unknown: &[Unknown], known: &Known) -> Result<(), Trouble> {
    let rows = unknown.iter().map(|unknown| row(&unknown.opening, &unknown.view, known));
    merge(ctx, generation, rows.collect()).await
}

/// Takes down where everything stands that isn't said to be closed yet, and tells of it.
pub async fn finish(ctx: &Context, generation: u64, unknown: &[Unknown], known: &Known) -> Result<(), Trouble> {
    let mut rows = Table::new();
    for Unknown { opening, .. } in unknown {
        let lease = opening.terms.id();
        let Some(view) = ctx.ledger.lease(lease).await? else { continue };
        rows.extend([row(opening, &view, known)]);
        if view.state == LeaseState::Closed {
            tell(ctx, opening, &view, known).await;
        }
    }
    merge(ctx, generation, rows).await
}

/// Brings lines up to date whose leases an earlier process was about to close, or whose parties were.
pub async fn catch_up(ctx: &Context, generation: u64) -> Result<(), Trouble> {
    let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &ctx.config.namespace);
    let Some(data) = api.get_opt(RESTORES).await?.and_then(|map| map.data) else { return Ok(()) };
    let table = data.get(&key(generation)).map_or(Table::new(), |text| parsed(text));
    let mut rows = Table::new();
    for (lease, rest) in table.into_iter().filter(|(_, rest)| !rest.ends_with(CLOSED)) {
        let Ok(id) = lease.parse::<LeaseId>() else { continue };
        if let Some(view) = ctx.ledger.lease(id).await?
            && let Some(rest) = stands(&rest, &view)
        {
            rows.insert(lease, rest);
        }
    }
    merge(ctx, generation, rows).await
}

/// A line, but for its lease, with where that stands now in its last fields.
fn stands(rest: &str, view: &LeaseView) -> Option<String> {
    let fields: Vec<&str> = rest.split(',').collect();
    let kept = fields.get(..fields.len().checked_sub(LAST_FIELDS)?)?;
    let now = [view.hold.to_string(), view.paid.to_string(), view.refunded.to_string(), state(view).to_owned()];
    Some(kept.iter().map(|field| (*field).to_owned()).chain(now).collect::<Vec<_>>().join(","))
}

const fn state(view: &LeaseView) -> &'static str {
    match view.state {
        LeaseState::Open | LeaseState::Paused => "Open",
        LeaseState::Closing => "Closing",
        LeaseState::Closed => CLOSED,
    }
}

fn row(opening: &Opening, view: &LeaseView, known: &Known) -> (String, String) {
    let terms = &opening.terms;
    let at = i64::try_from(view.opened_at).ok().and_then(|at| Timestamp::from_second(at).ok());
    let job = known.job(terms.job);
    let job = job.map(|job| {
        format!("{}/{}", job.namespace.as_deref().unwrap_or_default(), job.name.as_deref().unwrap_or_default())
    });
    let fields = [
        terms.payer.to_string(),
        terms.provider.to_string(),
        terms.namespace.to_string(),
        terms.job.to_string(),
        job.unwrap_or_default(),
        terms.epoch.generation.to_string(),
        terms.epoch.attempt.to_string(),
        at.map(|at| at.to_string()).unwrap_or_default(),
        opening.block.to_string(),
        view.hold.to_string(),
        view.paid.to_string(),
        view.refunded.to_string(),
        state(view).to_owned(),
    ];
    (terms.id().to_string(), fields.join(","))
}

/// Puts `rows` in the table of `generation`, in place of what they said before.
async fn merge(ctx: &Context, generation: u64, rows: Table) -> Result<(), Trouble> {
    if rows.is_empty() {
        return Ok(());
    }
    let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &ctx.config.namespace);
    let before = api.get_opt(RESTORES).await?;
    let mut data = before.as_ref().and_then(|map| map.data.clone()).unwrap_or_default();
    let table = joined(data.get(&key(generation)).map(String::as_str), rows);
    data.insert(key(generation), table);
    while data.len() > MOST_TABLES {
        data.pop_first();
    }
    let mut map = ConfigMap { data: Some(data), ..ConfigMap::default() };
    map.metadata.name = Some(RESTORES.to_owned());
    match before {
        None => {
            api.create(&PostParams::default(), &map).await?;
        }
        Some(before) => {
            map.metadata.resource_version = before.metadata.resource_version;
            api.patch(RESTORES, &PatchParams::default(), &Patch::Merge(&map)).await?;
        }
    }
    Ok(())
}

/// The key of a generation's table, so that they sort by number.
fn key(generation: u64) -> String {
    format!("g{generation:020}.csv")
}

/// A table as text, with `rows` in it: the first [`MOST_ROWS`] by their leases, and how many more there were.
fn joined(before: Option<&str>, rows: Table) -> String {
    let mut table = parsed(before.unwrap_or_default());
    let mut more = 0;
    for (lease, rest) in rows {
        if table.len() < MOST_ROWS || table.contains_key(&lease) {
            table.insert(lease, rest);
        } else {
            more += 1;
        }
    }
    let lines = table.iter().map(|(lease, rest)| format!("{lease},{rest}\n"));
    let note = if more == 0 { String::new() } else { format!("# {more} more are in the operator's log\n") };
    format!("{HEADER}\n{}{note}", lines.collect::<String>())
}

fn parsed(text: &str) -> Table {
    let lines = text.lines().skip(1).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(',')).map(owned).collect()
}

fn owned((lease, rest): (&str, &str)) -> (String, String) {
    (lease.to_owned(), rest.to_owned())
}

/// Says of one lease that is closed what became of it: in the log, and on its job, where there is one, or on the table.
async fn tell(ctx: &Context, opening: &Opening, view: &LeaseView, known: &Known) {
    let (lease, terms): (LeaseId, _) = (opening.terms.id(), &opening.terms);
    tracing::warn!(
        %lease, payer = %terms.payer, provider = %terms.provider, namespace = %terms.namespace,
        paid = %view.paid, refunded = %view.refunded, "a lease newer than the backup is closed"
    );
    let table = || {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(RESTORES.to_owned());
        map.metadata.namespace = Some(ctx.config.namespace.clone());
        map.object_ref(&())
    };
    let about = known.job(terms.job).cloned().unwrap_or_else(table);
    let note = format!(
        "The hub was restored from a backup that doesn't know lease {lease} of {}: its work is stopped and not paid \
         further; {} EAI were paid before, {} EAI went back.",
        terms.payer, view.paid, view.refunded
    );
    let event = Event {
        type_: EventType::Warning,
        reason: "LostInRestore".to_owned(),
        note: Some(note),
        action: "Restore".to_owned(),
        secondary: None,
    };
    if let Err(error) = ctx.recorder.publish(&event, &about).await {
        tracing::debug!(%error, %lease, "an event couldn't be written");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table(rows: &[(&str, &str)]) -> Table {
        rows.iter().copied().map(owned).collect()
    }

    #[test]
    fn a_row_takes_the_place_of_what_it_said_before() {
        let first = joined(None, table(&[("0x1", "a,Open"), ("0x2", "b,Open")]));
        let second = joined(Some(&first), table(&[("0x1", "a,Closed")]));
        assert_eq!(second, format!("{HEADER}\n0x1,a,Closed\n0x2,b,Open\n"));
        assert_eq!(joined(Some(&second), Table::new()), second);
    }

    #[test]
    fn a_table_is_bounded_and_says_so() {
        let many = (0..MOST_ROWS + 3).map(|n| (format!("0x{n:064x}"), "x".repeat(700)));
        let text = joined(None, many.collect());
        assert_eq!(text.lines().count(), MOST_ROWS + 2);
        assert!(text.ends_with("# 3 more are in the operator's log\n"));
        assert!(text.len() * MOST_TABLES < 1 << 20, "{}", text.len());
        let known = (0..1).map(|n| (format!("0x{n:064x}"), "closed".to_owned())).collect();
        assert!(joined(Some(&text), known).contains(",closed\n"), "what is in it is still brought up to date");
    }

    #[test]
    fn a_line_says_where_its_lease_stands_now() {
        let view = LeaseView {
            state: LeaseState::Closed,
            hold: "3".parse().unwrap(),
            paid: "1".parse().unwrap(),
            refunded: "2".parse().unwrap(),
            held: "0".parse().unwrap(),
            opened_at: 7,
            closing_at: None,
        };
        assert_eq!(stands("0xa,team/b,3,1,0,Open", &view).unwrap(), "0xa,team/b,3,1,2,Closed");
        assert_eq!(stands("Open", &view), None, "somebody else's line is left alone");
    }

    #[test]
    fn tables_sort_by_generation() {
        assert!(key(9) < key(10) && key(10) < key(u64::MAX));
    }
}
