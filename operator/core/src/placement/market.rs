//! Decisions, one after another, on members that change only by them.
//!
//! Requests that differ in nothing but their past are of one kind. Each kind ranks the members that take it once, and
//! then looks only at those that changed since it was last asked, so that a decision costs what changed, not what there
//! is. No member is left out.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
};

use super::{
    demand::{Demand, Stock},
    filter::filter,
    fit,
    model::{Gang, Member, Offered, Request, Snapshot},
    pack::Shape,
    refusal::Refusal,
};
use crate::{class::Class, money::Amount};

/// Members in rankings that are remembered, some 50 MB; with more, all are forgotten and ranked again as they are asked.
const MOST_RANKED: usize = 1 << 19;

/// Nodes that a decision names, at most.
const MOST_NAMED: usize = 16;
/// What a member loses that can't be weighed: more than any that can, and the same for all.
const UNWEIGHED: i64 = i64::MAX / 4;

/// Where a job goes, and at what price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The member.
    pub member: String,
    /// Its offer.
    pub offer: Offered,
}

/// Members, what they have left, and the jobs that usually come.
#[derive(Debug)]
pub struct Market<'a> {
    members: Vec<Member>,
    places: HashMap<String, usize>,
    stocks: Vec<Stock>,
    /// How often each member changed.
    versions: Vec<u32>,
    /// The members' places in order of their names.
    by_name: Vec<u32>,
    changed: Vec<usize>,
    kinds: HashMap<Request, Ranking>,
    demand: &'a mut Demand,
    now: u64,
}

/// The members that take a kind of request, best first; entries of members that changed since are out of date.
#[derive(Debug, Default)]
struct Ranking {
    best: BinaryHeap<Reverse<Entry>>,
    /// How many of the changes it has taken in; nothing was looked at yet if there is none.
    seen: Option<usize>,
}

/// Lower is better, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    rate: Amount,
    loss: i64,
    devices_left: u64,
    cpu_left: u64,
    by_name: u32,
    member: usize,
    version: u32,
    valid_until: u64,
}

impl<'a> Market<'a> {
    /// The market of `snapshot` at `now` (Unix seconds), to which jobs come as `demand` says.
    pub fn new(snapshot: Snapshot, demand: &'a mut Demand, now: u64) -> Self {
        let members = snapshot.members;
        let stocks = members.iter().map(|member| demand.stock(member)).collect();
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|&a, &b| members[a].name.cmp(&members[b].name));
        let mut by_name = vec![0; members.len()];
        for (rank, &member) in (0..).zip(&order) {
            by_name[member] = rank;
        }
        Self {
            places: members.iter().enumerate().map(|(i, member)| (member.name.clone(), i)).collect(),
            versions: vec![0; members.len()],
            changed: Vec::new(),
            kinds: HashMap::new(),
            members,
            stocks,
            by_name,
            demand,
            now,
        }
    }

    /// The members as they are now.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Where `request` goes; `None` if nowhere, for which [`Self::refusals`] gives the reasons. Takes nothing.
    ///
    /// Among members that fit: one that hasn't failed the job before, then the lowest price, then the least loss of what
    /// the jobs to come could have had (and of time to fetch what isn't there), then the fewest accelerators and cores
    /// left over, then the name.
    pub fn decide(&mut self, request: &Request) -> Option<Decision> {
        let kind = Request { avoid: Vec::new(), refused: BTreeMap::new(), ..request.clone() };
        let most = MOST_RANKED / self.members.len().max(1);
        if self.kinds.len() >= most.max(1) && !self.kinds.contains_key(&kind) {
            self.kinds.clear();
        }
        let mut ranking = self.kinds.remove(&kind).unwrap_or_default();
        self.bring_up_to_date(&mut ranking, &kind);
        let (mut passed_over, mut second) = (Vec::new(), None);
        let mut best = None;
        while let Some(Reverse(entry)) = ranking.best.pop() {
            if entry.version != self.versions[entry.member] {
                continue;
            }
            passed_over.push(Reverse(entry));
            let name = &self.members[entry.member].name;
            if request.refused.contains_key(name) {
                continue;
            }
            if !request.avoid.contains(name) {
                best = Some(entry);
                break;
            }
            second.get_or_insert(entry);
        }
        ranking.best.extend(passed_over);
        self.kinds.insert(kind, ranking);
        let entry = best.or(second)?;
        let offer = Offered { rate: entry.rate, valid_until: entry.valid_until };
        Some(Decision { member: self.members[entry.member].name.clone(), offer })
    }

    /// What each member would take `request` for, or why it doesn't take it, by name.
    pub fn answers<'b>(
        &'b self,
        request: &'b Request,
    ) -> impl Iterator<Item = (&'b str, Result<Offered, Refusal>)> + 'b {
        let (mut order, class): (Vec<&Member>, _) = (self.members.iter().collect(), request.need.class());
        order.sort_by(|a, b| a.name.cmp(&b.name));
        order.into_iter().map(move |member| {
            let before = request.refused.get(&member.name).cloned().map(Refusal::Before);
            let answer = before.map_or_else(|| filter(member, request, &class, self.now).map(|(offer, _)| offer), Err);
            (member.name.as_str(), answer)
        })
    }

    /// Why each member that doesn't take `request` doesn't, by name.
    pub fn refusals<'b>(&'b self, request: &'b Request) -> impl Iterator<Item = (&'b str, Refusal)> + 'b {
        self.answers(request).filter_map(|(member, answer)| Some((member, answer.err()?)))
    }

    /// Takes what `request` uses out of what `member` has free. Returns the names of all nodes that its pods are best placed
    /// on, each once; none where it makes no difference, isn't known, or is more than can be named.
    pub fn take(&mut self, member: &str, request: &Request) -> Vec<String> {
        let Some(&at) = self.places.get(member) else { return Vec::new() };
        let nodes = self.take_best(at, request);
        self.changed(at);
        nodes
    }

    /// Keeps what `request` would use of `member` from everybody else, as far as it is free: room is being made for it there.
    pub fn hold(&mut self, member: &str, request: &Request) {
        let Some(&at) = self.places.get(member) else { return };
        fit::hold(&mut self.members[at], &request.gang());
        self.stocks[at] = self.demand.stock(&self.members[at]);
        self.changed(at);
    }

    /// What was ranked of a member is out of date.
    fn changed(&mut self, at: usize) {
        self.versions[at] = self.versions[at].wrapping_add(1);
        self.changed.push(at);
    }

    fn take_best(&mut self, at: usize, request: &Request) -> Vec<String> {
        let (member, gang) = (&mut self.members[at], request.gang());
        let mut chosen =
            if gang.one_island { Vec::new() } else { self.demand.nodes(&self.stocks[at], gang.need, gang.pods) };
        chosen.retain(|&node| fit::take_pod(&mut member.nodes[node], gang.need));
        let rest = gang.pods.saturating_sub(u32::try_from(chosen.len()).unwrap_or(u32::MAX));
        let weighed = !chosen.is_empty() || gang.one_island;
        chosen.extend(fit::take(member, &Gang { pods: rest, ..gang }));
        chosen.sort_unstable();
        chosen.dedup();
        self.demand.restock(&mut self.stocks[at], member, &chosen);
        if !weighed || member.nodes.len() == 1 || chosen.len() > MOST_NAMED {
            chosen.clear();
        }
        chosen.into_iter().map(|node| member.nodes[node].name.clone()).collect()
    }

    fn bring_up_to_date(&mut self, ranking: &mut Ranking, kind: &Request) {
        let behind = ranking.seen.map(|seen| self.changed.len() - seen);
        // Looking at all is cheaper than at more changes than there are members, and sheds what is out of date.
        let stale = ranking.best.len() > 2 * self.members.len() + 16;
        let (class, shape) = (kind.need.class(), self.demand.shape(&kind.need));
        let entries: Vec<Entry> = if behind.is_none_or(|n| n > self.members.len()) || stale {
            ranking.best.clear();
            (0..self.members.len()).filter_map(|at| self.entry(at, kind, &class, shape)).collect()
        } else {
            let mut changed = self.changed[ranking.seen.unwrap_or(0)..].to_vec();
            changed.sort_unstable();
            changed.dedup();
            changed.into_iter().filter_map(|at| self.entry(at, kind, &class, shape)).collect()
        };
        ranking.best.extend(entries.into_iter().map(Reverse));
        ranking.seen = Some(self.changed.len());
    }

    fn entry(&mut self, at: usize, kind: &Request, class: &Class, shape: Option<Shape>) -> Option<Entry> {
        let member = &self.members[at];
        let (offer, devices_left) = filter(member, kind, class, self.now).ok()?;
        // What can't be weighed goes last among equals, or it would pay to be too strange to weigh.
        let stock = &self.stocks[at];
        let lost = shape.and_then(|shape| self.demand.loss(stock, &kind.need, shape, kind.parallelism));
        let lost = lost.unwrap_or(UNWEIGHED);
        Some(Entry {
            rate: offer.rate,
            loss: lost.saturating_add(fetching(member, kind)),
            devices_left,
            cpu_left: member.nodes.iter().fold(0u64, |sum, n| sum.saturating_add(n.cpu_millis)),
            by_name: self.by_name[at],
            member: at,
            version: self.versions[at],
            valid_until: offer.valid_until,
        })
    }
}

/// Seconds that fetching an image or a set of data takes, as far as placement goes.
const FETCH_SECONDS: u64 = 120;

/// What is lost while accelerators wait for what isn't there yet, in millionths of an accelerator over the job's time.
fn fetching(member: &Member, request: &Request) -> i64 {
    let missing = request.content.iter().filter(|digest| !member.content.contains(*digest)).count() as u64;
    if missing == 0 || request.seconds == 0 {
        return 0;
    }
    let devices = u64::from(request.need.count).saturating_mul(u64::from(request.parallelism));
    let part = missing.saturating_mul(FETCH_SECONDS).saturating_mul(1_000_000) / request.seconds;
    i64::try_from(devices.saturating_mul(part.min(1_000_000))).unwrap_or(i64::MAX)
}
