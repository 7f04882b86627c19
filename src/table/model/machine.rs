//! A small machine: processes, what becomes of them, and the events that its kernel generates.
//!
//! It is written from the kernel's sources and from measurements, not from the table, so that the
//! two can disagree. What it knows beyond what /proc shows is for the witness.

use crate::procfs::{Condition, Credentials, Image, Stat, TICK_NS};
use crate::protocol::event::{Event, kind, reason};
use std::collections::{BTreeMap, VecDeque};

/// A process: its place among all that there have been.
pub(super) type Who = usize;

/// When the event of a deed is queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Delay {
    /// With the deed.
    No,
    /// The task is preempted before the kernel generates the event.
    Unstamped,
    /// The task is preempted when the event has its timestamp and is not queued yet.
    Stamped,
}

/// How a process comes to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Birth {
    Plain,
    /// `CLONE_PARENT`: the parent is the caller's.
    Sibling,
    /// A thread with a name and ids of its own forks.
    OfOtherThread,
    /// The kernel starts a thread of its own.
    KernelThread,
    /// The kernel starts a helper, which is about to run a program. Before Linux 5.19 it is a kernel
    /// thread until then.
    Helper {
        is_kernel_thread: bool,
    },
}

/// What happens on the machine. `who` chooses among those that can do it; if there is none, nothing
/// happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Time passes.
    Wait {
        ns: u64,
    },
    /// The machine sleeps.
    Sleep {
        ns: u64,
    },
    /// `pid` chooses among those that are free.
    Fork {
        who: u8,
        pid: u8,
        birth: Birth,
        delay: Delay,
    },
    /// The leader runs another program.
    Exec {
        who: u8,
        new_ids: bool,
        delay: Delay,
    },
    /// The process exits. `is_ignored`: its parent ignores SIGCHLD, so it is never a zombie.
    Exit {
        who: u8,
        code: i32,
        is_ignored: bool,
        delay: Delay,
    },
    /// A zombie's parent waits for it.
    Reap {
        who: u8,
    },
    /// A thread starts.
    Thread {
        who: u8,
    },
    /// A thread, not the leader, exits. If it is the last, the process exits.
    ThreadExit {
        who: u8,
        code: i32,
    },
    /// The leader exits, and other threads live on.
    LeaderExit {
        who: u8,
        code: i32,
        delay: Delay,
    },
    /// A thread calls exec: it ends all others, the leader too.
    ThreadExec {
        who: u8,
        delay: Delay,
    },
    /// The exec of a thread comes one step further: between two leaders, then done.
    ThreadExecStep {
        who: u8,
        delay: Delay,
    },
    /// The exec of a thread fails when the thread has become the leader: the process is killed.
    ThreadExecFails {
        who: u8,
        delay: Delay,
    },
    /// The process frees its memory because it is about to exit.
    DropMemory {
        who: u8,
    },
    /// The process uses memory for the first time.
    Fault {
        who: u8,
    },
    Rename {
        who: u8,
        delay: Delay,
    },
    SetSession {
        who: u8,
        delay: Delay,
    },
    SetUser {
        who: u8,
        delay: Delay,
    },
    SetGroup {
        who: u8,
        delay: Delay,
    },
    /// Orphans among its descendants become its children.
    BecomeSubreaper {
        who: u8,
    },
    /// A preempted task goes on: the event is generated, or queued.
    GoOn {
        which: u8,
    },
    /// A process renames itself so many times.
    Flood {
        who: u8,
        count: u8,
    },
    /// Somebody makes the kernel deaf.
    Deafen,
    /// The connector notices that, and repairs it.
    Check,
    /// So many calls of pidfd_open(2) fail.
    FailPidfds {
        count: u8,
    },
    /// So many looks at /proc fail.
    FailLooks {
        count: u8,
    },
    /// The table's process gives up its privileges: it may no longer trace.
    DropPrivileges,
}

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
    leaders: u32,
    // ---- What the witness asks for ----
    /// The wait(2) status.
    pub status: Option<i32>,
    /// The codes in the EXITs of its leaders.
    pub leader_codes: Vec<i32>,
    /// The machine's time at which it was a zombie, or gone.
    pub ended_ns: Option<u64>,
    /// When the EXIT was queued that reports its end.
    pub exit_queued_ns: Option<u64>,
    /// That EXIT was generated before the process was reaped.
    pub exit_has_parent: bool,
    /// The timestamp of its FORK, if that was queued.
    pub fork_ns: Option<u64>,
    /// The timestamps of its EXECs that were queued.
    pub execs: Vec<u64>,
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

    fn can_act(&self) -> bool {
        self.is_alive() && self.exec == Exec::No && self.has_memory
    }
}

/// What an event reports of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deed {
    Fork,
    Exec,
    /// `leader`: which of its leaders this is. `is_end`: the process exits with it.
    Exit {
        code: i32,
        leader: u32,
        is_end: bool,
    },
    Rename,
    SetUser,
    SetGroup,
    SetSession,
}

/// An event that is not queued yet.
#[derive(Clone, Copy, Debug)]
struct Held {
    who: Who,
    deed: Deed,
    /// The task that is preempted; `None`: it only has its exit left.
    actor: Option<Who>,
    /// `None`: it is not generated yet.
    event: Option<Event>,
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
    /// How many pids /proc lists at a time.
    pub listed: usize,
    /// How many operations come before the table is opened.
    pub before: usize,
}

pub(super) struct Machine {
    pub setup: Setup,
    pub now_ns: u64,
    pub slept_ns: u64,
    pub processes: Vec<Process>,
    held: Vec<Held>,
    pub may_trace: bool,
    programs: u64,
    names: u64,
    // ---- The connector ----
    /// The kinds of events that are listened for; 0: nobody listens.
    pub listened: u32,
    pub queue: VecDeque<Event>,
    pub dropped: u64,
    deaf_since_ns: Option<u64>,
    pub announcement: Option<Event>,
    pub was_deaf: bool,
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
            listened: 0,
            queue: VecDeque::new(),
            dropped: 0,
            deaf_since_ns: None,
            announcement: None,
            was_deaf: false,
            failing_pidfds: 0,
            failing_looks: 0,
            forks: BTreeMap::new(),
            trace: is_traced.then(Vec::new),
        };
        let init = machine.born(1, None, None);
        machine.processes[init].program = 1;
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

    fn born(&mut self, pid: i32, parent: Option<Who>, model: Option<Who>) -> Who {
        let start_ns = self.tick() + self.slept_ns;
        let model = model.map(|model| &self.processes[model]);
        let process = Process {
            pid,
            parent,
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
            exit_queued_ns: None,
            exit_has_parent: false,
            fork_ns: None,
            execs: Vec::new(),
            is_simple: true,
        };
        self.processes.push(process);
        self.processes.len() - 1
    }

    fn is_preempted(&self, who: Who) -> bool {
        self.held.iter().any(|held| {
            held.actor == Some(who) || held.who == who && matches!(held.deed, Deed::Fork)
        })
    }

    /// The `nth` process, counted round and round in the order of pids, that can do something.
    fn pick(&self, nth: u8, can: impl Fn(&Process) -> bool) -> Option<Who> {
        let mut able: Vec<Who> = (0..self.processes.len())
            .filter(|who| {
                let process = &self.processes[*who];
                process.pid != 2 && can(process) && !self.is_preempted(*who)
            })
            .collect();
        able.sort_by_key(|who| self.processes[*who].pid);
        able.get(usize::from(nth).checked_rem(able.len())?).copied()
    }

    fn new_name(&mut self) -> [u8; 16] {
        self.names += 1;
        let mut name = [0; 16];
        let text = format!("name {}", self.names);
        name[..text.len()].copy_from_slice(text.as_bytes());
        name
    }

    fn new_ids(&mut self) -> Credentials {
        self.names += 1;
        let id = 1000 + self.names as u32;
        Credentials { ruid: id, euid: id + 1, rgid: id + 2, egid: id + 3 }
    }

    /// A pid may be used by nobody, nor be the id of a session.
    fn free_pid(&self, nth: u8) -> Option<i32> {
        let is_used = |pid: i32| {
            let uses = |p: &Process| p.phase != Phase::Reaped && (p.pid == pid || p.session == pid);
            self.processes.iter().any(uses)
        };
        let free: Vec<i32> = (3..3 + self.setup.pids).filter(|pid| !is_used(*pid)).collect();
        free.get(usize::from(nth).checked_rem(free.len())?).copied()
    }

    // ---- Deeds ----

    pub(super) fn perform(&mut self, step: Step) {
        self.tick();
        if self.try_to(step).is_some() {
            self.note(|| format!("{step:?}"));
        }
    }

    fn try_to(&mut self, step: Step) -> Option<()> {
        match step {
            Step::Wait { ns } => self.wait(ns),
            Step::Sleep { ns } => {
                // Before the machine sleeps, each task is stopped outside of the kernel.
                while !self.held.is_empty() {
                    self.go_on(0);
                }
                self.slept_ns += ns;
            }
            Step::Fork { who, pid, birth, delay } => return self.fork(who, pid, birth, delay),
            Step::Exec { who, new_ids, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader)?;
                self.processes[who].threads = 0;
                self.run_program(who, new_ids, delay);
            }
            Step::Exit { who, code, is_ignored, delay } => {
                let can = |p: &Process| p.is_alive() && p.exec == Exec::No && p.pid > 2;
                let who = self.pick(who, can)?;
                self.exit(who, code, is_ignored, delay);
            }
            Step::Reap { who } => {
                let who = self.pick(who, |p| p.phase == Phase::Zombie)?;
                self.processes[who].phase = Phase::Reaped;
                let pid = self.processes[who].pid;
                self.note(|| format!("pid {pid} is reaped"));
            }
            Step::Thread { who } => {
                let who = self.pick(who, |p| p.can_act() && p.program != 0 && p.threads < 3)?;
                self.processes[who].threads += 1;
                self.processes[who].is_simple = false;
            }
            Step::ThreadExit { who, code } => {
                let who = self.pick(who, |p| p.can_act() && p.threads > 0)?;
                if self.processes[who].threads == 1 && !self.processes[who].has_leader {
                    self.exit(who, code, false, Delay::No);
                } else {
                    self.processes[who].threads -= 1;
                }
            }
            Step::LeaderExit { who, code, delay } => {
                let can = |p: &Process| p.can_act() && p.has_leader && p.threads > 0 && p.pid > 2;
                let who = self.pick(who, can)?;
                self.lose_leader(who, code, delay);
            }
            Step::ThreadExec { who, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.threads > 0)?;
                if self.processes[who].has_leader {
                    self.lose_leader(who, libc::SIGKILL, delay);
                }
                self.processes[who].threads = 1;
                self.processes[who].exec = Exec::Alone;
            }
            Step::ThreadExecStep { who, delay } => {
                let who = self.pick(who, |p| p.exec != Exec::No)?;
                if self.processes[who].exec == Exec::Alone {
                    self.processes[who].exec = Exec::Between;
                } else {
                    self.lead_again(who);
                    self.run_program(who, true, delay);
                }
            }
            Step::ThreadExecFails { who, delay } => {
                let who = self.pick(who, |p| p.exec == Exec::Between && p.pid > 2)?;
                self.lead_again(who);
                self.exit(who, libc::SIGSEGV, false, delay);
            }
            Step::DropMemory { who } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader && p.pid > 2)?;
                self.processes[who].has_memory = false;
            }
            Step::Fault { who } => {
                let who = self.pick(who, |p| p.can_act() && p.program != 0 && !p.has_run)?;
                self.processes[who].has_run = true;
            }
            Step::Rename { who, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader)?;
                self.rename(who, delay);
            }
            Step::SetSession { who, delay } => {
                let who =
                    self.pick(who, |p| p.can_act() && p.session != p.pid && p.program != 0)?;
                self.processes[who].session = self.processes[who].pid;
                self.announce(who, Deed::SetSession, delay);
            }
            Step::SetUser { who, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader && p.program != 0)?;
                let ids = self.new_ids();
                let old = &mut self.processes[who].ids;
                (old.ruid, old.euid) = (ids.ruid, ids.euid);
                self.announce(who, Deed::SetUser, delay);
            }
            Step::SetGroup { who, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader && p.program != 0)?;
                let ids = self.new_ids();
                let old = &mut self.processes[who].ids;
                (old.rgid, old.egid) = (ids.rgid, ids.egid);
                self.announce(who, Deed::SetGroup, delay);
            }
            Step::BecomeSubreaper { who } => {
                let who = self.pick(who, |p| p.can_act() && p.program != 0 && !p.is_subreaper)?;
                self.processes[who].is_subreaper = true;
            }
            Step::GoOn { which } => {
                let index = usize::from(which).checked_rem(self.held.len())?;
                self.go_on(index);
            }
            Step::Flood { who, count } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader && p.program != 0)?;
                for _ in 0..count {
                    self.rename(who, Delay::No);
                }
            }
            Step::Deafen => {
                if self.deaf_since_ns.is_some() || self.listened == 0 {
                    return None;
                }
                self.deaf_since_ns = Some(self.now_ns);
                self.was_deaf = true;
            }
            Step::Check => {
                let since_ns = self.deaf_since_ns.take()?;
                let until_ns = self.tick();
                self.announcement = Some(Event::overrun(0, since_ns, until_ns, reason::DEAF));
            }
            Step::FailPidfds { count } => self.failing_pidfds = count,
            Step::FailLooks { count } => self.failing_looks = count,
            Step::DropPrivileges => self.may_trace = false,
        }
        Some(())
    }

    fn fork(&mut self, who: u8, pid: u8, birth: Birth, delay: Delay) -> Option<()> {
        let pid = self.free_pid(pid)?;
        let can = |p: &Process| p.can_act() && p.program != 0;
        let (actor, parent, model) = match birth {
            Birth::KernelThread | Birth::Helper { .. } => (1, Some(1), None),
            Birth::Plain | Birth::OfOtherThread => {
                let who = self.pick(who, can)?;
                (who, Some(who), Some(who))
            }
            Birth::Sibling => {
                let who = self.pick(who, |p| can(p) && p.pid != 1)?;
                (who, self.processes[who].parent, Some(who))
            }
        };
        let child = self.born(pid, parent, model);
        let (name, ids) = (self.new_name(), self.new_ids());
        let process = &mut self.processes[child];
        match birth {
            Birth::Plain | Birth::Sibling => {}
            Birth::OfOtherThread => (process.comm, process.ids) = (name, ids),
            Birth::KernelThread => process.is_kernel_thread = true,
            Birth::Helper { is_kernel_thread } => process.is_kernel_thread = is_kernel_thread,
        }
        self.note(|| format!("pid {pid} is forked"));
        self.announce_by(Some(actor), child, Deed::Fork, delay);
        Some(())
    }

    fn run_program(&mut self, who: Who, new_ids: bool, delay: Delay) {
        self.programs += 1;
        let (name, ids, program) = (self.new_name(), self.new_ids(), self.programs);
        let process = &mut self.processes[who];
        (process.program, process.comm, process.is_kernel_thread) = (program, name, false);
        if new_ids {
            process.ids = ids;
        }
        self.announce(who, Deed::Exec, delay);
    }

    fn rename(&mut self, who: Who, delay: Delay) {
        self.processes[who].comm = self.new_name();
        if !self.processes[who].is_kernel_thread {
            self.announce(who, Deed::Rename, delay);
        }
    }

    fn lose_leader(&mut self, who: Who, code: i32, delay: Delay) {
        let process = &mut self.processes[who];
        process.has_leader = false;
        process.leader_codes.push(code);
        let leader = process.leaders;
        self.announce(who, Deed::Exit { code, leader, is_end: false }, delay);
    }

    fn lead_again(&mut self, who: Who) {
        let process = &mut self.processes[who];
        (process.has_leader, process.threads, process.exec) = (true, 0, Exec::No);
        process.leaders += 1;
    }

    /// The last thread exits.
    fn exit(&mut self, who: Who, code: i32, is_ignored: bool, delay: Delay) {
        let had_leader = self.processes[who].has_leader;
        let reaper = self.reaper_of(who);
        for process in &mut self.processes {
            if process.parent == Some(who) && process.phase != Phase::Reaped {
                process.parent = Some(reaper);
            }
        }
        let now_ns = self.tick();
        let process = &mut self.processes[who];
        (process.has_leader, process.threads, process.exec) = (false, 0, Exec::No);
        (process.status, process.ended_ns) = (Some(code), Some(now_ns));
        process.phase = if is_ignored { Phase::Reaped } else { Phase::Zombie };
        let (pid, leader) = (process.pid, process.leaders);
        if had_leader {
            process.leader_codes.push(code);
        }
        self.note(|| format!("pid {pid} exits: {code}"));
        if had_leader {
            self.announce(who, Deed::Exit { code, leader, is_end: true }, delay);
        }
    }

    /// Who becomes the parent of an exiting process's children.
    fn reaper_of(&self, who: Who) -> Who {
        let mut next = self.processes[who].parent;
        while let Some(ancestor) = next {
            let process = &self.processes[ancestor];
            if process.is_subreaper && process.is_alive() {
                return ancestor;
            }
            next = process.parent;
        }
        0
    }

    // ---- Events ----

    fn announce(&mut self, who: Who, deed: Deed, delay: Delay) {
        self.announce_by(Some(who), who, deed, delay);
    }

    fn announce_by(&mut self, actor: Option<Who>, who: Who, deed: Deed, delay: Delay) {
        let actor = actor.filter(|_| !matches!(deed, Deed::Exit { .. }));
        let event = if delay == Delay::Unstamped { None } else { self.generate(who, deed) };
        let held = Held { who, deed, actor, event };
        match delay {
            Delay::No => self.enqueue(&held),
            Delay::Unstamped => self.held.push(held),
            Delay::Stamped if event.is_some() => self.held.push(held),
            Delay::Stamped => {}
        }
    }

    fn go_on(&mut self, index: usize) {
        let mut held = self.held.remove(index);
        if held.event.is_none() {
            held.event = self.generate(held.who, held.deed);
        }
        self.enqueue(&held);
    }

    /// Every task goes on, and every exec comes to its end.
    pub(super) fn stand_still(&mut self) {
        (self.failing_pidfds, self.failing_looks) = (0, 0);
        loop {
            if !self.held.is_empty() {
                self.go_on(0);
            } else if self.processes.iter().any(|p| p.exec != Exec::No) {
                self.perform(Step::ThreadExecStep { who: 0, delay: Delay::No });
            } else {
                break;
            }
        }
        self.perform(Step::Check);
    }

    /// The event of a deed, as the kernel generates it now; `None` if it is that of a thread.
    fn generate(&mut self, who: Who, deed: Deed) -> Option<Event> {
        let timestamp_ns = self.tick();
        let process = &self.processes[who];
        let parent = process.parent.map_or(0, |parent| self.processes[parent].pid);
        let is_reaped = process.phase == Phase::Reaped;
        let pid = process.pid.cast_unsigned();
        let pair = |low: u32, high: u32| {
            let [a, b, c, d] = low.to_ne_bytes();
            let [e, f, g, h] = high.to_ne_bytes();
            u64::from_ne_bytes([a, b, c, d, e, f, g, h])
        };
        let ids = pair(pid, pid);
        let parents = pair(parent.cast_unsigned(), parent.cast_unsigned());
        let (kind, rest) = match deed {
            Deed::Fork => {
                let event = Event { kind: kind::FORK, timestamp_ns, ..Event::EMPTY };
                return Some(Event { data: [parents, ids, 0, 0, 0], ..event });
            }
            Deed::Exec => (kind::EXEC, [0, 0]),
            Deed::Exit { leader, .. } if leader != process.leaders => return None,
            Deed::Exit { code, .. } => {
                let signal = libc::SIGCHLD.cast_unsigned();
                let parents = if is_reaped { 0 } else { parents };
                (kind::EXIT, [pair(code.cast_unsigned(), signal), parents])
            }
            Deed::Rename => {
                let (low, high) = process.comm.split_at(8);
                let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("8 bytes"));
                (kind::COMM, [word(low), word(high)])
            }
            Deed::SetUser => (kind::UID, [pair(process.ids.ruid, process.ids.euid), 0]),
            Deed::SetGroup => (kind::GID, [pair(process.ids.rgid, process.ids.egid), 0]),
            Deed::SetSession => (kind::SID, [0, 0]),
        };
        let data = [ids, rest[0], rest[1], 0, 0];
        Some(Event { kind, timestamp_ns, data, ..Event::EMPTY })
    }

    fn enqueue(&mut self, held: &Held) {
        let Some(event) = held.event else { return };
        if self.listened & 1 << event.kind == 0 || self.deaf_since_ns.is_some() {
            return;
        }
        let (kind, tgid) = (event.kind, event.tgid());
        if self.queue.len() >= self.setup.capacity {
            self.dropped += 1;
            self.note(|| format!("event of pid {tgid} is lost: kind {kind}"));
            return;
        }
        self.queue.push_back(event);
        let now_ns = self.now_ns;
        let process = &mut self.processes[held.who];
        match held.deed {
            Deed::Fork => {
                process.fork_ns = Some(event.timestamp_ns);
                self.forks.insert(event.timestamp_ns, held.who);
            }
            Deed::Exec => process.execs.push(event.timestamp_ns),
            Deed::Exit { is_end: true, .. } => {
                process.exit_queued_ns = Some(now_ns);
                process.exit_has_parent = event.word(5) != 0;
            }
            _ => {}
        }
        let at = event.timestamp_ns / 1000 - 1_000_000;
        self.note(|| format!("event of pid {tgid} is queued: kind {kind}, stamped {at}"));
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
            is_kernel_thread: process.is_kernel_thread,
            has_run: process.has_run && !is_between,
        }
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
