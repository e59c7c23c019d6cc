//! CPU time of processes, as the kernel counts it.

use std::collections::BTreeMap;

/// What processes are counted under, in the order in which they are shown.
pub(crate) const GROUPS: [&str; 6] =
    ["coordinator", "agents", "audit", "nats-server", "internet", "load"];

/// What a deployment has as well.
const SYSTEM: [&str; 4] = ["coordinator", "agents", "audit", "nats-server"];

/// Where clients of the Open MPIC API come in: it is shown by its own part of the benchmark alone.
pub(crate) const GATEWAY: &str = "gateway";
/// Who asks: this process.
pub(crate) const CLIENT: &str = "load";

/// Seconds of CPU time by group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpu(BTreeMap<&'static str, f64>);

impl Cpu {
    /// What these processes, and this one, have used so far.
    pub(crate) fn of(pids: &BTreeMap<String, u32>) -> Self {
        let mut used = Self::default();
        for (name, pid) in pids {
            *used.0.entry(group_of(name)).or_default() += seconds(&pid.to_string());
        }
        used.0.insert(CLIENT, seconds("self"));
        used
    }

    /// What was used since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self(all().map(|group| (group, self.group(group) - before.group(group))).collect())
    }

    /// Of one group.
    pub(crate) fn group(&self, group: &str) -> f64 {
        self.0.get(group).copied().unwrap_or(0.0)
    }

    /// Of what a deployment has as well.
    pub(crate) fn system(&self) -> f64 {
        SYSTEM.iter().map(|group| self.group(group)).sum()
    }
}

fn all() -> impl Iterator<Item = &'static str> {
    GROUPS.into_iter().chain([GATEWAY])
}

fn group_of(process: &str) -> &'static str {
    all()
        .find(|group| process.starts_with(group.trim_end_matches('s')))
        .unwrap_or_else(|| panic!("{process} is in no group"))
}

/// User and system time of a process, from `/proc/PID/stat`.
pub(crate) fn seconds(pid: &str) -> f64 {
    // Every Linux counts these in hundredths of a second.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name may hold spaces; it ends at the last parenthesis, before the third field.
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |number: usize| fields.get(number - 3).unwrap().parse::<f64>().unwrap();
    (ticks(14) + ticks(15)) / TICKS_PER_SECOND
}

/// CPU time of this thread in seconds, to the nanosecond, from `/proc/thread-self/schedstat`.
pub(crate) fn of_this_thread() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = stat.split_whitespace().next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}
