//! Which members a release is offered to next, and whether it goes on. Pure.

use eai_api::{
    agent_release::{FailedMember, ReleasePhase},
    member_report::{UpdateAttempt, UpdateOffer, UpdateResult},
};
use eai_core::{digest::Digest, release::is_newer};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use semver::Version;

/// How many members have a release after a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wave {
    /// So many.
    Count(usize),
    /// So many of a hundred, and at least one.
    Percent(usize),
}

impl Wave {
    /// `10` or `10%`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().map(Self::Percent),
            None => text.parse().ok().map(Self::Count),
        }
    }

    /// How many of `all` that are.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count.min(all),
            Self::Percent(percent) => all.saturating_mul(percent).div_ceil(100).min(all),
        }
    }
}

/// A release.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its image's digest.
    pub digest: String,
    /// Its waves.
    pub waves: Vec<Wave>,
    /// For how long a wave has to be well.
    pub soak: SignedDuration,
    /// How long a member may take.
    pub deadline: SignedDuration,
    /// Nothing more is offered.
    pub paused: bool,
}

/// A member whose owner takes updates and whose agent can be given one.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Whether it is heard.
    pub alive: bool,
    /// The digest of its agent's image.
    pub digest: String,
    /// Its agent's version.
    pub version: Version,
    /// Why it doesn't work with all it has.
    pub degraded: Option<String>,
    /// Attempts on record that it lost.
    pub lost: u32,
    /// What became of the last offer.
    pub last: Option<UpdateAttempt>,
    /// What it is offered.
    pub offer: Option<UpdateOffer>,
}

/// How far a release has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// Where it stands.
    pub phase: ReleasePhase,
    /// The wave, from 1.
    pub wave: u32,
    /// Since when all of it are well.
    pub soaking_since: Option<Timestamp>,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// How far it has come.
    pub course: Course,
    /// Members that take it or have it.
    pub members: usize,
    /// Those that have it.
    pub updated: usize,
    /// Those of the wave that aren't updated and well yet.
    pub awaited: Vec<String>,
    /// Those over which it stops.
    pub failed: Vec<FailedMember>,
    /// To whom it is offered now.
    pub offer: Vec<String>,
    /// From whom the offer is taken back.
    pub withdraw: Vec<String>,
}

/// Decides how `release`, which has come so far, goes on at `now`.
pub fn decide(release: &Release, before: &Course, members: &[Candidate], now: Timestamp) -> Decision {
    let view = View { release, wave: before.wave.max(1), now };
    let concerned = view.concerned(members);
    let mut decision = Decision {
        course: before.clone(),
        members: concerned.len(),
        updated: concerned.iter().filter(|m| view.has(m)).count(),
        ..Decision::default()
    };
    if before.phase == ReleasePhase::Stopped {
        return withdrawn(decision, &view, members);
    }
    let current: Vec<_> = concerned.iter().copied().filter(|m| view.in_wave(m)).collect();
    if before.phase != ReleasePhase::Complete {
        decision.failed = current.iter().filter_map(|m| view.failure(m)).collect();
    }
    if !decision.failed.is_empty() {
        decision.course = Course { phase: ReleasePhase::Stopped, soaking_since: None, wave: view.wave };
        return withdrawn(decision, &view, members);
    }
    decision.awaited = current.iter().filter(|m| !view.is_well(m)).map(|m| m.name.clone()).collect();
    if !release.paused && !concerned.is_empty() {
        go_on(&mut decision, &view, &concerned, current.is_empty());
    }
    decision
}

/// The wave is filled up, or soaks, or is over.
fn go_on(decision: &mut Decision, view: &View<'_>, concerned: &[&Candidate], nobody_in_it: bool) {
    let taken = concerned.iter().filter(|m| view.has(m) || view.is_offered(m)).count();
    let open = concerned.iter().filter(|m| !view.has(m) && !view.is_offered(m));
    let target = view.target(concerned.len());
    let rolling = |wave| Course { phase: ReleasePhase::Rolling, wave, soaking_since: None };
    let was = std::mem::replace(&mut decision.course, rolling(view.wave));
    if was.phase == ReleasePhase::Complete {
        // Who takes updates only now comes in a wave of its own: the others have soaked.
        decision.course = if taken < target { rolling(view.wave.saturating_add(1)) } else { was };
        return;
    }
    if taken < target {
        decision.offer = open.take(target - taken).map(|m| m.name.clone()).collect();
        return;
    }
    if !decision.awaited.is_empty() {
        return;
    }
    let since = was.soaking_since.unwrap_or(view.now);
    let soaked = nobody_in_it || view.now.duration_since(since) >= view.release.soak;
    match (soaked, view.is_last()) {
        (true, true) => decision.course.phase = ReleasePhase::Complete,
        (true, false) => decision.course.wave += 1,
        (false, _) => decision.course.soaking_since = Some(since),
    }
}

/// Stopped: who doesn't have it isn't offered it any more.
fn withdrawn(mut decision: Decision, view: &View<'_>, members: &[Candidate]) -> Decision {
    let back = members.iter().filter(|m| view.is_offered(m) && !view.has(m));
    decision.withdraw = back.map(|m| m.name.clone()).collect();
    decision.withdraw.sort();
    decision
}

/// A release as it is looked at.
struct View<'a> {
    release: &'a Release,
    wave: u32,
    now: Timestamp,
}

impl View<'_> {
    /// Members that have it, are offered it, or could be now: in the release's own order, which favours nobody.
    fn concerned<'m>(&self, members: &'m [Candidate]) -> Vec<&'m Candidate> {
        let takes = |m: &Candidate| m.alive && is_newer(&self.release.version, &m.version);
        let mut all: Vec<_> = members.iter().filter(|m| self.has(m) || self.is_offered(m) || takes(m)).collect();
        let place = |m: &Candidate| *Digest::of(format!("{}\n{}", self.release.name, m.name).as_bytes()).bytes();
        all.sort_by_cached_key(|m| (place(m), m.name.clone()));
        all
    }

    fn has(&self, member: &Candidate) -> bool {
        member.digest == self.release.digest
    }

    fn is_offered(&self, member: &Candidate) -> bool {
        member.offer.as_ref().is_some_and(|offer| offer.release == self.release.name)
    }

    fn in_wave(&self, member: &Candidate) -> bool {
        self.is_offered(member) && member.offer.as_ref().is_some_and(|offer| offer.wave == self.wave)
    }

    fn is_last(&self) -> bool {
        usize::try_from(self.wave).is_ok_and(|wave| wave >= self.release.waves.len())
    }

    /// How many of `all` have it after this wave. One after the last, for those who came late, goes as far as the last.
    fn target(&self, all: usize) -> usize {
        let wave = usize::try_from(self.wave).unwrap_or(usize::MAX);
        let waves = self.release.waves.iter().take(wave);
        waves.map(|wave| wave.of(all)).max().unwrap_or(all)
    }

    fn is_well(&self, member: &Candidate) -> bool {
        self.has(member) && member.alive && !newly_degraded(member)
    }

    /// Why the release stops over a member of the wave.
    fn failure(&self, member: &Candidate) -> Option<FailedMember> {
        let offer = member.offer.as_ref()?;
        let late = self.now.duration_since(offer.since.0) > self.release.deadline;
        let said = member.last.as_ref().filter(|last| last.release == self.release.name);
        let said = said.filter(|last| last.result != UpdateResult::Updating);
        let has = self.has(member);
        let (reason, message) = if let (false, Some(last)) = (has, said) {
            (last.reason.clone(), last.message.clone())
        } else if has && !member.alive {
            ("Unreachable".to_owned(), "nothing is heard of it since it was updated".to_owned())
        } else if member.lost > offer.lost_before {
            ("WorkLost".to_owned(), "it has lost work since it was offered the update".to_owned())
        } else if late && !has {
            let why = format!("it didn't run it within {} s", self.release.deadline.as_secs());
            ("DeadlineExceeded".to_owned(), why)
        } else if late && newly_degraded(member) {
            let cause = member.degraded.as_deref().unwrap_or_default();
            ("Degraded".to_owned(), format!("it doesn't work with all it has since then ({cause})"))
        } else {
            return None;
        };
        Some(FailedMember { member: member.name.clone(), reason, message })
    }
}

/// Whether it doesn't work with all it has, for another cause than before it was offered the release.
fn newly_degraded(member: &Candidate) -> bool {
    let before = member.offer.as_ref().and_then(|offer| offer.degraded_before.as_ref());
    member.degraded.is_some() && member.degraded.as_ref() != before
}
