//! A small machine: processes, and what /proc shows of them.
//!
//! It is written from the kernel's sources and from measurements, not from the table, so that the
//! two can disagree. What it knows beyond what /proc shows is for the witness.

use super::events::{Deed, Held};
use crate::procfs::{Condition, Credentials, Image, Stat, TICK_NS};
use crate::protocol::event::Event;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A process: its place among all that there have been.
pub(super) type Who = usize;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Alive,
    Zombie,
    Reaped,
}

/// How far the exec of a thread has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exec {
    No,
    /// The leader is gone, and the thread is the only one left.
    Alone,
    /// The old leader has been released, and the thread does not have its id yet.
    Between,
}

pub(super) struct Process {
    pub pid: i32,
    pub parent: Option<Who>,
    /// The parent at its birth.
    pub born_to: Option<Who>,
    /// The parent that its FORK names: with `CLONE_PARENT`, the first may have exited by then.
    pub fork_parent: Option<Who>,
    /// `CLOCK_BOOTTIME`
    pub start_ns: u64,
    pub session: i32,
    pub comm: [u8; 16],
    pub ids: Credentials,
    /// 0: it has no program.
    pub program: u64,
    pub is_kernel_thread: bool,
    pub is_subreaper: bool,
    pub has_run: bool,
    pub has_memory: bool,
    pub has_leader: bool,
    /// Threads beside the leader.
    pub threads: u32,
    pub exec: Exec,
    pub phase: Phase,
    /// How many leaders it has had. The EXIT of an old one is that of a thread.
    pub leaders: u32,
    // ---- What the witness asks for ----
    /// The wait(2) status.
    pub status: Option<i32>,
    /// The codes in the EXITs of its leaders.
    pub leader_codes: Vec<i32>,
    /// The machine's time at which it was a zombie, or gone.
    pub ended_ns: Option<u64>,
    /// Its FORK was queued when the parent that it names had exited: `CLONE_PARENT`.
    pub is_fork_late: bool,
    /// When the EXIT was queued that reports its end.
    pub exit_queued_ns: Option<u64>,
    /// When an EXIT was queued last.
    pub last_exit_queued_ns: Option<u64>,
    /// The EXIT that reports its end was generated before the process was reaped.
    pub exit_has_parent: bool,
    /// The timestamp of its FORK, if that was queued.
    pub fork_ns: Option<u64>,
    /// The timestamps of its EXECs that were queued.
    pub execs: Vec<u64>,
    /// When it ran another program.
    pub programs_ns: Vec<u64>,
    /// Every program that it has had, the first from its parent.
    pub programs: Vec<u64>,
    /// It never had another thread than its leader.
    pub is_simple: bool,
}

impl Process {
    pub(super) const fn start_tick(&self) -> u64 {
        self.start_ns / TICK_NS * TICK_NS
    }

    pub(super) fn is_alive(&self) -> bool {
        self.phase == Phase::Alive
    }

    pub(super) fn can_act(&self) -> bool {
        self.is_alive() && self.exec == Exec::No && self.has_memory
    }
}
/// What of the machine stays as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Setup {
    /// How many events the queue holds.
    pub capacity: usize,
    /// Linux 6.15 or later: pidfds and zombies show the status of a process.
    pub shows_exit_status: bool,
    /// A security module hides programs and statuses.
    pub is_confined: bool,
    /// Bits of [`field`](crate::table::field).
    pub fields: u32,
    /// How many pids there are beside 1 and 2.
    pub pids: i32,
    /// How long the machine has slept before.
    pub slept_ns: u64,
    /// How many processes may be waited for.
    pub max_watches: usize,
    /// How many pids /proc lists at a time.
    pub listed: usize,
    /// How many operations come before the table is opened.
    pub before: usize,
    /// The family of this process is reported, counted round and round among those that live when the table
    /// is opened; `None`: every process is reported.
    pub family: Option<u8>,
}

pub(super) struct Machine {
    pub setup: Setup,
    pub now_ns: u64,
    pub slept_ns: u64,
    pub processes: Vec<Process>,
    /// Events that are not queued yet.
    pub held: Vec<Held>,
    pub may_trace: bool,
    pub programs: u64,
    names: u64,
    // ---- The connector ----
    /// When the table was opened.
    pub opened_ns: u64,
    /// The same moment by `CLOCK_BOOTTIME`.
    pub opened_boot_ns: u64,
    /// The processes that a look showed between two leaders: without a parent.
    pub seen_between: BTreeSet<Who>,
    /// The process whose family is reported.
    pub root: Option<Who>,
    /// The processes whose parents led to the root when the table was opened, each with those parents.
    pub family_at_opening: BTreeMap<Who, Vec<Who>>,
    /// The pids of the root's ancestors when the table was opened.
    pub pids_of_ancestors: BTreeSet<i32>,
    /// The kinds of events that are listened for; 0: nobody listens.
    pub listened: u32,
    /// The pids whose owners had many threads at some time.
    pub pids_with_many_threads: BTreeSet<i32>,
    /// The processes whose threads' FORKs are not queued.
    pub unheard: Vec<i32>,
    pub queue: VecDeque<Event>,
    pub dropped: u64,
    pub deaf_since_ns: Option<u64>,
    pub announcement: Option<Event>,
    pub was_deaf: bool,
    /// The pid that is looked at: until the end of the look, from its beginning if the pid has an owner then, and
    /// otherwise from the reading of the command. The kernel gives out all other pids before it gives out this one
    /// again.
    pub read_pid: i32,
    /// When the table asked for the time last. If it reads a command next, the look begins there.
    pub asked_ns: u64,
    pub failing_pidfds: u8,
    pub failing_looks: u8,
    /// Whose FORK has this timestamp.
    pub forks: BTreeMap<u64, Who>,
    /// What happened, if that is of interest.
    pub trace: Option<Vec<String>>,
}

impl Machine {
    pub(super) fn new(setup: Setup, is_traced: bool) -> Self {
        let mut machine = Self {
            setup,
            now_ns: 1_000_000_000,
            slept_ns: setup.slept_ns,
            processes: Vec::new(),
            held: Vec::new(),
            may_trace: true,
            programs: 1,
            names: 0,
            opened_ns: 0,
            opened_boot_ns: 0,
            seen_between: BTreeSet::new(),
            root: None,
            family_at_opening: BTreeMap::new(),
            pids_of_ancestors: BTreeSet::new(),
            listened: 0,
            pids_with_many_threads: BTreeSet::new(),
            unheard: Vec::new(),
            queue: VecDeque::new(),
            dropped: 0,
            deaf_since_ns: None,
            announcement: None,
            was_deaf: false,
            read_pid: 0,
            asked_ns: 0,
            failing_pidfds: 0,
            failing_looks: 0,
            forks: BTreeMap::new(),
            trace: is_traced.then(Vec::new),
        };
        let init = machine.born(1, None, None);
        machine.processes[init].program = 1;
        machine.processes[init].programs = vec![1];
        let threads = machine.born(2, None, None);
        machine.processes[threads].is_kernel_thread = true;
        machine.wait(50_000_000);
        machine
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} us  {}", self.now_ns / 1000 - 1_000_000, line()));
        }
    }

    // ---- Time ----

    /// The time; no two moments are equal.
    pub(super) const fn tick(&mut self) -> u64 {
        self.now_ns += 500;
        self.now_ns
    }

    pub(super) const fn wait(&mut self, ns: u64) {
        self.now_ns += ns;
    }

    // ---- Processes ----

    /// The living process, or the zombie, that has this pid.
    pub(super) fn find(&self, pid: i32) -> Option<Who> {
        self.processes.iter().rposition(|p| p.pid == pid && p.phase != Phase::Reaped)
    }

    pub(super) fn born(&mut self, pid: i32, parent: Option<Who>, model: Option<Who>) -> Who {
        let start_ns = self.tick() + self.slept_ns;
        let model = model.map(|model| &self.processes[model]);
        let process = Process {
            pid,
            parent,
            born_to: parent,
            fork_parent: parent,
            start_ns,
            session: model.map_or(0, |model| model.session),
            comm: model.map_or(*b"first\0\0\0\0\0\0\0\0\0\0\0", |model| model.comm),
            ids: model.map_or(NOBODY, |model| model.ids),
            program: model.map_or(0, |model| model.program),
            is_kernel_thread: false,
            is_subreaper: false,
            has_run: false,
            has_memory: true,
            has_leader: true,
            threads: 0,
            exec: Exec::No,
            phase: Phase::Alive,
            leaders: 1,
            status: None,
            leader_codes: Vec::new(),
            ended_ns: None,
            is_fork_late: false,
            exit_queued_ns: None,
            last_exit_queued_ns: None,
            exit_has_parent: false,
            fork_ns: None,
            execs: Vec::new(),
            programs_ns: Vec::new(),
            programs: model.map_or(Vec::new(), |model| vec![model.program]),
            is_simple: true,
        };
        self.processes.push(process);
        self.processes.len() - 1
    }

    pub(super) fn is_preempted(&self, who: Who) -> bool {
        self.held.iter().any(|held| {
            held.actor == Some(who) || held.who == who && matches!(held.deed, Deed::Fork)
        })
    }

    /// The `nth` process, counted round and round in the order of pids, that can do something.
    pub(super) fn pick(&self, nth: u8, can: impl Fn(&Process) -> bool) -> Option<Who> {
        let mut able: Vec<Who> = (0..self.processes.len())
            .filter(|who| {
                let process = &self.processes[*who];
                process.pid != 2 && can(process) && !self.is_preempted(*who)
            })
            .collect();
        able.sort_by_key(|who| self.processes[*who].pid);
        able.get(usize::from(nth).checked_rem(able.len())?).copied()
    }

    pub(super) fn new_name(&mut self) -> [u8; 16] {
        self.names += 1;
        let mut name = [0; 16];
        let text = format!("name {}", self.names);
        name[..text.len()].copy_from_slice(text.as_bytes());
        name
    }

    pub(super) fn new_ids(&mut self) -> Credentials {
        self.names += 1;
        let id = 1000 + self.names as u32;
        Credentials { ruid: id, euid: id + 1, rgid: id + 2, egid: id + 3 }
    }

    // ---- Families ----

    /// Chooses the process whose family is reported, if one is.
    pub(super) fn choose_root(&mut self) -> Option<i32> {
        let nth = self.setup.family?;
        let living: Vec<Who> =
            (1..self.processes.len()).filter(|who| self.processes[*who].is_alive()).collect();
        let root = living[usize::from(nth) % living.len()];
        self.root = Some(root);
        let mut ancestor = self.processes[root].parent;
        while let Some(at) = ancestor {
            self.pids_of_ancestors.insert(self.processes[at].pid);
            ancestor = self.processes[at].parent;
        }
        for who in living {
            let mut path = Vec::new();
            let mut next = Some(who);
            while let Some(at) = next.filter(|at| *at != root) {
                next = self.processes[at].parent;
                path.extend(next);
            }
            if next == Some(root) {
                self.family_at_opening.insert(who, path);
            }
        }
        Some(self.processes[root].pid)
    }

    /// Whether a process descends from the root by birth, or is the root.
    pub(super) fn is_member(&self, who: Who) -> bool {
        let Process { born_to, fork_parent, .. } = self.processes[who];
        let is_born = |parent: Option<Who>| parent.is_some_and(|parent| self.is_member(parent));
        self.root.is_none_or(|root| root == who) || is_born(born_to) || is_born(fork_parent)
    }

    /// A pid may be used by nobody, nor be the id of a session.
    pub(super) fn free_pid(&self, nth: u8) -> Option<i32> {
        let is_used = |pid: i32| {
            let uses = |p: &Process| p.phase != Phase::Reaped && (p.pid == pid || p.session == pid);
            self.processes.iter().any(uses)
        };
        let free: Vec<i32> = (3..3 + self.setup.pids)
            .filter(|pid| !is_used(*pid) && *pid != self.read_pid)
            .collect();
        free.get(usize::from(nth).checked_rem(free.len())?).copied()
    }

    // ---- /proc ----

    /// Whether this process is shown everything about another.
    fn shows_all(&self) -> bool {
        self.may_trace && !self.setup.is_confined
    }

    /// What /proc/PID/stat shows.
    pub(super) fn stat(&self, who: Who) -> Stat {
        let process = &self.processes[who];
        let condition = match (process.phase, process.exec) {
            (Phase::Alive, Exec::Between) => Condition::BetweenLeaders,
            (Phase::Alive, _) if process.has_leader => Condition::Led,
            (Phase::Alive, _) => Condition::Leaderless,
            _ => Condition::Zombie { status: self.shown_status(process) },
        };
        let has_memory = condition == Condition::Led && process.has_memory && process.program != 0;
        let image = match condition {
            Condition::Led if !has_memory => Image::NONE,
            Condition::Led if self.shows_all() => Image::at(process.program + 1, 1),
            _ => Image::UNKNOWN,
        };
        let parent = process.parent.map_or(0, |parent| self.processes[parent].pid);
        // Where the old leader has been released, the kernel has no parent and no faults to show,
        // and shows session -1 (`do_task_stat` in `fs/proc/array.c`), of which the sign is lost.
        let is_between = condition == Condition::BetweenLeaders;
        Stat {
            condition,
            parent: if is_between { 0 } else { parent },
            session: if is_between { 1 } else { process.session },
            start_ns: process.start_tick(),
            image,
            comm: process.comm,
            // A leader is counted until it is reaped.
            has_threads: process.is_alive() && !is_between && process.threads > 0,
            is_kernel_thread: process.is_kernel_thread,
            is_exiting: false,
            has_run: process.has_run && !is_between,
        }
    }

    /// The program that /proc/PID/cmdline shows, if any.
    pub(super) fn shown_program(&self, who: Who) -> Option<u64> {
        let process = &self.processes[who];
        let is_shown = process.is_alive() && process.has_leader && process.has_memory;
        (is_shown && process.program != 0).then_some(process.program)
    }

    /// Before Linux 6.15 the field is the leader's.
    fn shown_status(&self, process: &Process) -> i32 {
        let own = process.status.unwrap_or(0);
        let leaders = process.leader_codes.last().copied().unwrap_or(0);
        match self.shows_all() {
            false => 0,
            true if self.setup.shows_exit_status => own,
            true => leaders,
        }
    }
}

const NOBODY: Credentials = Credentials { ruid: 0, euid: 0, rgid: 0, egid: 0 };
