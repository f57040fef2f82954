//! Memory and processor time of the hub and the agent, and how busy the whole machine is, from /proc.
//!
//! The testbed's containers are processes of this machine in control groups of their own, so they are found by program
//! and by the cluster whose group they are in. The peak is the kernel's (`VmHWM`), since the process began.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time::sleep};

/// How often it is looked for processes that came or went.
const EVERY: Duration = Duration::from_secs(1);
/// Clock ticks a second, as /proc counts processor time on every Linux architecture in use.
const TICKS: u64 = 100;

/// What one program took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    /// The most resident memory that one process of it had, in KiB.
    pub rss_kib: u64,
    /// Processor time from the start to the end of the measure, in milliseconds.
    pub cpu_ms: u64,
    /// How many processes of it there were. More than one: it was started again, or has replicas.
    pub processes: usize,
}

/// What both took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    /// eai-operator.
    pub hub: Peak,
    /// The member's eai-agent.
    pub agent: Peak,
}

/// A process as it was seen first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    rss_kib: u64,
    first_ticks: u64,
    last_ticks: u64,
}

/// The processes of one program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Processes(BTreeMap<u32, Seen>);

impl Processes {
    fn saw(&mut self, pid: u32, rss_kib: u64, ticks: u64) {
        let seen = self.0.entry(pid).or_insert(Seen { rss_kib, first_ticks: ticks, last_ticks: ticks });
        seen.rss_kib = seen.rss_kib.max(rss_kib);
        seen.last_ticks = ticks;
    }

    fn peak(&self) -> Peak {
        let ticks: u64 = self.0.values().map(|seen| seen.last_ticks - seen.first_ticks).sum();
        Peak {
            rss_kib: self.0.values().map(|seen| seen.rss_kib).max().unwrap_or_default(),
            cpu_ms: ticks * 1000 / TICKS,
            processes: self.0.len(),
        }
    }
}

/// Looks at the processes until stopped.
pub struct Sampler {
    done: Arc<AtomicBool>,
    task: JoinHandle<Peaks>,
}

impl Sampler {
    /// Begins; `member` is the cluster of the agent that is measured.
    pub fn start(member: &str) -> Self {
        let (done, member) = (Arc::new(AtomicBool::new(false)), member.to_owned());
        let stop = Arc::clone(&done);
        let task = tokio::spawn(async move {
            let (mut hub, mut agent) = (Processes::default(), Processes::default());
            loop {
                let last = stop.load(Ordering::SeqCst);
                look("hub", "eai-operator", &mut hub);
                look(&member, "eai-agent", &mut agent);
                if last {
                    return Peaks { hub: hub.peak(), agent: agent.peak() };
                }
                sleep(EVERY).await;
            }
        });
        Self { done, task }
    }

    /// Ends, after a last look.
    pub async fn stop(self) -> Peaks {
        self.done.store(true, Ordering::SeqCst);
        self.task.await.unwrap_or_default()
    }
}

fn look(cluster: &str, program: &str, processes: &mut Processes) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some((rss, ticks)) = process(&entry.path(), cluster, program) {
            processes.saw(pid, rss, ticks);
        }
    }
}

/// Peak memory (KiB) and processor time (ticks) of a process, if it is `program` in a pod of `cluster`.
fn process(dir: &Path, cluster: &str, program: &str) -> Option<(u64, u64)> {
    let read = |file: &str| fs::read_to_string(dir.join(file)).ok();
    if !is_program(&read("cmdline")?, program) || !in_pod(&read("cgroup")?, cluster) {
        return None;
    }
    Some((high_water_kib(&read("status")?)?, ticks(&read("stat")?)?))
}

fn is_program(cmdline: &str, program: &str) -> bool {
    cmdline.split('\0').next().and_then(|path| path.rsplit('/').next()) == Some(program)
}

fn in_pod(cgroups: &str, cluster: &str) -> bool {
    cgroups.contains(&format!("/eai-testbed/{cluster}/pods/"))
}

fn high_water_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// User and system time. The program's name, in brackets, may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The machine's processor time at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    used: u64,
    idle: u64,
}

impl Busy {
    /// As it is now.
    pub fn now() -> Self {
        fs::read_to_string("/proc/stat").ok().as_deref().and_then(Self::parse).unwrap_or_default()
    }

    /// Ticks in all since the machine started: user, nice, system, idle, waiting for disks, interrupts, stolen.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
        let idle = ticks.get(3)? + ticks.get(4)?;
        Some(Self { used: ticks.iter().sum::<u64>() - idle, idle })
    }

    /// How much of the time since then was used by anybody.
    pub fn percent(self) -> u64 {
        self.until(Self::now())
    }

    fn until(self, now: Self) -> u64 {
        let (used, idle) = (now.used.saturating_sub(self.used), now.idle.saturating_sub(self.idle));
        (used * 100).checked_div(used + idle).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn finds_the_program_and_its_pod() {
        assert!(is_program("/usr/bin/eai-agent\0--config\0/etc/x\0", "eai-agent"));
        assert!(!is_program("sh\0-c\0eai-agent\0", "eai-agent"));
        let cgroups = "4:memory:/eai-testbed/home/pods/burstable/podabc/def\n0::/\n";
        assert!(in_pod(cgroups, "home") && !in_pod(cgroups, "hub"));
    }

    #[test]
    fn reads_peak_and_times() {
        assert_eq!(high_water_kib("VmPeak:\t 99 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n"), Some(2048));
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 1";
        assert_eq!(ticks(stat), Some(200));
        assert_eq!(ticks("7 (x"), None);
    }

    #[test]
    fn a_restart_counts_both_processes_times_and_the_larger_peak() {
        let mut processes = Processes::default();
        for (pid, rss, ticks) in [(1, 10, 100), (1, 30, 150), (1, 20, 160), (2, 25, 0), (2, 26, 40)] {
            processes.saw(pid, rss, ticks);
        }
        assert_eq!(processes.peak(), Peak { rss_kib: 30, cpu_ms: 1000, processes: 2 });
        assert_eq!(Processes::default().peak(), Peak::default());
    }

    #[test]
    fn the_machine_is_as_busy_as_its_ticks_say() {
        let at = |user: u64, idle: u64| Busy::parse(&format!("cpu  {user} 0 10 {idle} 5 0 0 0 0 0\ncpu0 1\n")).unwrap();
        assert_eq!(at(100, 1000).until(at(175, 1025)), 75);
        assert_eq!(at(100, 1000).until(at(100, 1000)), 0);
        assert_eq!(Busy::parse("cpu0 1 2 3"), None);
        assert!(Busy::now().idle > 0);
    }

    #[test]
    fn this_process_isnt_in_a_pod() {
        assert_eq!(process(Path::new("/proc/self"), "hub", "eai-operator"), None);
    }
}
