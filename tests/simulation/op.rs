//! What happens in a run, as data: generated from a seed, printed as it would be written here.

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// This much time passes.
    Pass { ms: u64 },
    /// The CA submits its next job.
    Submit { site: Site, primary: Primary, budget_ms: u64 },
    /// The CA sends the octets of an earlier job again, as after a restart.
    Repeat { job: usize },
    /// The CA uses the id of an earlier job for another one.
    Conflict { job: usize },
    /// From now on the bus is like this: per thousand messages, and the longest delay.
    Weather { lost: u64, doubled: u64, delay_ms: u64 },
    /// A connection is cut, and mended after a while.
    Cut { process: Process, ms: u64 },
    /// A process is killed, and started again after a while.
    Kill { process: Process, ms: u64 },
    /// A process is asked to end, and started again.
    Roll { process: Process },
    /// The machine of the audit consumer loses power: what was not synced may be gone.
    PowerCut { ms: u64 },
    /// A call of the log's disk fails, `call` calls from now, with or without effect.
    DiskFails { call: usize, effect: Effect },
    /// The stream answers records like this, for a while.
    Stream { mood: Mood, ms: u64 },
    /// The resolver of an agent's place answers after this long from now on.
    SlowDns { agent: usize, ms: u64 },
    /// The root revokes the key of a remote, once in a run, and coordinators read the directory
    /// document again. The remote's agents go on with the key, as a thief would.
    Revoke { remote: usize },
    /// The CA asks for the proof that the record of an earlier job is in the log.
    Prove { job: usize },
    /// Whoever holds the bus and some perspectives does this, as long as the run lasts.
    Attack(Attack),
}

/// What is to be certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// The applicant's own.
    Honest,
    /// Another's, whom the attacker would impersonate.
    Victim,
}

/// Who makes the primary determination, and when the remotes are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primary {
    First,
    Together,
    External,
}

/// A process with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Process {
    Coordinator(usize),
    Agent(usize),
    Audit,
    Ca,
}

/// Whether a call that fails has been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Done,
    NotDone,
}

/// How the stream answers a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it should.
    Takes,
    /// It refuses it, for want of room.
    Full,
    /// It loses it.
    Loses,
    /// It stores it and says nothing: the leader died.
    Mute,
    /// It stores it and says that another of this id is being stored.
    InProcess,
    /// There is no stream.
    Absent,
}

/// What an attacker tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    /// Answers every assignment at once for every perspective, signed with the keys he holds.
    ForgeReplies,
    /// Answers for the perspectives he holds, at times that cannot be.
    MisdateReplies,
    /// Answers with replies that he saw before.
    ReplayReplies,
    /// Answers with octets that are too many, cut, unsigned or in another version.
    JunkReplies,
    /// Sends agents assignments of his own, and others' again.
    ForgeAssignments,
    /// Answers the CA with other jobs' records and with records of his own.
    ForgeAnswers,
    /// Has the stream take octets that are no record.
    JunkRecords,
}

/// Agents: of the primary, two of the first remote, one of each other.
pub(crate) const AGENTS: [&str; 8] = ["p0", "r0", "r0", "r1", "r2", "r3", "r4", "r5"];

/// A generator whose numbers are the same for ever.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `SplitMix64`.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[index(self.below(all.len() as u64))]
    }
}

pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// Operations of one run: a few jobs among some faults, never longer than a job's life allows.
pub(crate) fn generate(seed: u64) -> Vec<Op> {
    let mut rng = Rng::new(seed ^ 0x6f70_7321);
    let mut ops = Vec::new();
    let mut jobs = 0;
    let mut left_ms = 40_000_u64;
    for _ in 0..6 + rng.below(10) {
        let ms = (rng.below(60).pow(2) + rng.below(30)).min(left_ms);
        left_ms -= ms;
        let op = one(&mut rng, jobs);
        jobs += usize::from(matches!(op, Op::Submit { .. }));
        ops.extend([op, Op::Pass { ms }]);
    }
    ops
}

fn one(rng: &mut Rng, jobs: usize) -> Op {
    let ms = 100 + rng.below(100).pow(2);
    if jobs == 0 || (jobs < 3 && rng.below(4) == 0) {
        return Op::Submit {
            site: rng.pick(&[Site::Honest, Site::Honest, Site::Victim]),
            primary: rng.pick(&[Primary::First, Primary::Together, Primary::External]),
            budget_ms: rng.pick(&[5_000, 10_000, 30_000]),
        };
    }
    let job = index(rng.below(jobs as u64));
    match rng.below(16) {
        0 => Op::Repeat { job },
        1 => Op::Conflict { job },
        2 | 3 => Op::Weather {
            lost: rng.pick(&[0, 0, 20, 100, 300]),
            doubled: rng.pick(&[0, 20, 200]),
            delay_ms: rng.pick(&[1, 20, 100, 900]),
        },
        4 => Op::Cut { process: process(rng), ms },
        5 | 6 => Op::Kill { process: process(rng), ms },
        7 => Op::Roll { process: process(rng) },
        8 => Op::PowerCut { ms },
        9 => Op::DiskFails {
            call: index(rng.below(60)),
            effect: rng.pick(&[Effect::Done, Effect::NotDone]),
        },
        10 => Op::Stream {
            mood: rng.pick(&[Mood::Full, Mood::Loses, Mood::Mute, Mood::InProcess, Mood::Absent]),
            ms,
        },
        11 => Op::SlowDns {
            agent: index(rng.below(AGENTS.len() as u64)),
            ms: rng.pick(&[150, 2_000, 60_000]),
        },
        12 => Op::Revoke { remote: index(rng.below(6)) },
        13 => Op::Prove { job },
        _ => Op::Attack(rng.pick(&[
            Attack::ForgeReplies,
            Attack::MisdateReplies,
            Attack::ReplayReplies,
            Attack::JunkReplies,
            Attack::ForgeAssignments,
            Attack::ForgeAnswers,
            Attack::JunkRecords,
        ])),
    }
}

fn process(rng: &mut Rng) -> Process {
    match rng.below(7) {
        0..=2 => Process::Coordinator(index(rng.below(2))),
        3..=4 => Process::Agent(index(rng.below(AGENTS.len() as u64))),
        _ => Process::Audit,
    }
}
