//! The steps: who is upgraded or rolled back when, and what runs meanwhile.

use std::{thread, time::Duration};

use eai_core::money::Amount;

use super::{
    objects,
    record::Record,
    release,
    work::{Ended, Work},
};
use crate::{
    balances::Contracts,
    deploy::Images,
    error::{Error, Result},
    jobs, run,
    stage::{Mode, Stage},
    vendor::Vendor,
};

/// What jobs count that only show that jobs run.
const SHORT: u64 = 10;
/// What jobs count that run while versions change: longer than a helm upgrade that waits.
const LONG: u64 = 120;
/// After a rollback no grant is renewed; by now the last one has run out.
const LAPSED: Duration = Duration::from_secs(release::VALID_FOR + 30);

/// What happens between an earlier release and this one.
pub struct Upgrade<'a> {
    pub now: &'a Stage,
    /// The earlier release's images, and this one's.
    pub before: Images,
    pub after: Images,
    /// The revision of the hub at first.
    pub first: String,
    /// Whether the earlier release lends the right to run.
    pub lent: bool,
    pub contracts: Contracts,
    pub vendor: Vendor,
    /// What the vendor had at first.
    pub given: Amount,
    /// An image with a shell.
    pub shell: String,
    pub record: &'a mut Record,
    /// What all jobs that ended have cost.
    pub paid: Amount,
}

impl Upgrade<'_> {
    /// All steps. The first was to install.
    pub async fn run(mut self) -> Result<()> {
        self.short_jobs("first").await?;
        let running = self.begin_everywhere("over-hub")?;
        self.upgrade_hub()?;
        self.short_jobs("new-hub").await?;
        self.end_all(running, true).await?;
        self.upgrade_agents().await?;
        self.agents_back().await?;
        let crossing = self.hub_back().await?;
        self.hub_again(crossing).await?;
        self.nothing_is_left().await
    }

    fn upgrade_hub(&mut self) -> Result<()> {
        self.record
            .step("2. kinds and hub upgraded while a job runs on each member; the agents are the earlier release's");
        let stored = objects::stored(self.now)?;
        release::crds(self.now)?;
        release::hub(self.now, &self.after.operator, &self.before.agent)?;
        self.writable(&stored, "hub")
    }

    async fn upgrade_agents(&mut self) -> Result<()> {
        let running = self.begin_everywhere("over-agents")?;
        self.record.step("3. agents upgraded while a job runs on each member");
        release::agents(self.now, &self.after, &self.after.operator)?;
        self.short_jobs("new-agents").await?;
        self.end_all(running, true).await
    }

    /// An agent that knows of no grants doesn't move their ends on: work that began under one would be ended at its end.
    async fn agents_back(&mut self) -> Result<()> {
        let running = if self.lent { self.begin_everywhere("over-agents-back")? } else { Vec::new() };
        self.record.step("4. agents rolled back, under the new hub");
        release::agents_back(self.now, &self.before, &self.after.operator)?;
        self.short_jobs("agents-back").await?;
        self.end_all(running, true).await
    }

    /// In push mode the hub's revision names the agent's image, so such a member's agent goes back with it. The job that
    /// runs meanwhile is on a member that has its own.
    async fn hub_back(&mut self) -> Result<Work> {
        release::agents(self.now, &self.after, &self.after.operator)?;
        let home = self.now.members.iter().find(|member| member.mode == Mode::Pull);
        let home = home.ok_or_else(|| Error::unexpected("the members", "none is in pull mode"))?;
        let crossing = self.begin(&home.cluster.name, "over-hub-back", 2 * LONG)?;
        let stored = objects::stored(self.now)?;
        self.record.step("5. hub rolled back while a job runs; the agent of the member in pull mode is new");
        release::hub_back(self.now, &self.first)?;
        for member in self.now.members.iter().filter(|member| member.mode == Mode::Push) {
            release::agent_runs(self.now, member, &self.before.agent)?;
        }
        self.writable(&stored, "hub-back")?;
        self.short_jobs("hub-back").await?;
        thread::sleep(LAPSED);
        let job = crossing.job.read(&self.now.hub)?;
        let (phase, message) = (jobs::phase(&job), jobs::message(&job));
        self.record.saw(format!("{} is {phase} when its last grant has run out: {message}", crossing.job.name));
        if !matches!(phase, "Running" | "Paused" | "Starting" | "Settling" | "Succeeded") {
            self.record
                .faults(vec![format!("{} should run, or wait suspended: {phase}: {message}", crossing.job.name)]);
        }
        Ok(crossing)
    }

    async fn hub_again(&mut self, crossing: Work) -> Result<()> {
        self.record.step("6. hub and agents of this release again");
        release::hub(self.now, &self.after.operator, &self.after.agent)?;
        self.short_jobs("again").await?;
        self.end_all(vec![crossing], self.lent).await
    }

    async fn nothing_is_left(&mut self) -> Result<()> {
        self.record.step("7. nothing runs, and the money adds up");
        let left = run::wait("the members' containers to end", 60, || {
            let left = self.left().map_err(|error| error.to_string())?;
            if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
        });
        self.record.faults(left.err().map(|error| error.to_string()).into_iter().collect());
        let (has, given, paid) = (self.vendor.wealth(&self.contracts).await?, self.given, self.paid);
        self.record.saw(format!("given {given} EAI, paid {paid}, left {has}"));
        if paid.checked_add(has) != Some(given) {
            self.record.faults(vec![format!("{given} EAI were given, but {paid} paid and {has} left")]);
        }
        Ok(())
    }

    /// Work that still runs anywhere.
    fn left(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for member in &self.now.members {
            let Some((testbed, name)) = member.cluster.testbed() else { continue };
            let runs = testbed.container_runs(name)?.into_iter();
            let runs = runs.filter(|run| run.container == "work" && run.started_at > 0 && run.finished_at == 0);
            left.extend(runs.map(|run| format!("{}/{}", member.cluster.name, run.pod)));
        }
        Ok(left)
    }

    fn writable(&mut self, stored: &[objects::Stored], mark: &str) -> Result<()> {
        let faults = objects::unwritable(self.now, stored, mark)?;
        self.record.saw(format!("{} objects were stored before; {} can't be written", stored.len(), faults.len()));
        self.record.faults(faults);
        Ok(())
    }

    /// A job on each member, to its end.
    async fn short_jobs(&mut self, name: &str) -> Result<()> {
        let mut works = Vec::new();
        for member in &self.now.members {
            let member = &member.cluster.name;
            works.push(Work::submit(self.now, &self.vendor, &self.shell, member, name, SHORT)?);
        }
        self.end_all(works, true).await
    }

    /// A job on each member that goes on.
    fn begin_everywhere(&mut self, name: &str) -> Result<Vec<Work>> {
        let members: Vec<String> = self.now.members.iter().map(|member| member.cluster.name.clone()).collect();
        members.iter().map(|member| self.begin(member, name, LONG)).collect()
    }

    fn begin(&self, member: &str, name: &str, seconds: u64) -> Result<Work> {
        let work = Work::submit(self.now, &self.vendor, &self.shell, member, name, seconds)?;
        work.runs(self.now)?;
        Ok(work)
    }

    async fn end_all(&mut self, works: Vec<Work>, undisturbed: bool) -> Result<()> {
        for work in works {
            let Ended { object, faults, paid } = work.end(self.now, &self.contracts, undisturbed).await?;
            let (name, phase) = (&work.job.name, jobs::phase(&object));
            let how = if faults.is_empty() && undisturbed { ", undisturbed" } else { "" };
            self.record.saw(format!("{name}: {phase}{how}, paid {paid} EAI"));
            self.paid = self.paid.saturating_add(paid);
            self.record.faults(faults);
        }
        Ok(())
    }
}
