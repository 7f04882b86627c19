//! The words that rows are written in.
//!
//! The process has pid 7 and started 1,000 ms after the machine booted. An event comes at 2,000 ms;
//! the look at /proc that it causes, and the judgement, follow a millisecond later. Records, events
//! and looks that differ from that say so.

use super::super::*;
use crate::procfs::{Condition, Credentials, Image, Stat};
use crate::protocol::event::pair;
use crate::table::report::field;

pub const MS: u64 = 1_000_000;
/// The table has missed no event since it was opened.
pub const HEARING: Hearing =
    Hearing { complete_since_ns: 500 * MS, exits_since_ns: 500 * MS, has_thread_forks: true };
pub const PID: i32 = 7;
pub const INIT: i32 = 1;
pub const STARTED: u64 = 1_000 * MS;
pub const FOUND: u64 = 1_500 * MS;
pub const HEARD: u64 = 2_000 * MS;
pub const JUDGED: u64 = 2_001 * MS;

pub const CAT: [u8; 16] = *b"cat\0\0\0\0\0\0\0\0\0\0\0\0\0";
pub const DOG: [u8; 16] = *b"dog\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Two programs: what /proc shows of where their code and stacks are.
pub const PROGRAM: Image = Image::at(1, 1);
pub const OTHER_PROGRAM: Image = Image::at(2, 2);

// ---- Records ----

fn record(origin: Origin) -> Record {
    let sight = Sight { taken_ns: STARTED, ..sight(Condition::Led) };
    Record::seen(PID, &sight, origin)
}

/// A process whose FORK was seen.
pub fn forked() -> Record {
    record(Origin::Forked { at_ns: STARTED, predecessor_pending: false })
}

/// A process whose FORK was seen before the EXIT of the pid's previous owner.
pub fn forked_after_another() -> Record {
    record(Origin::Forked { at_ns: STARTED, predecessor_pending: true })
}

/// A process that exited before it could be read: even its start time is not known.
pub fn forked_unseen() -> Record {
    let origin = Origin::Forked { at_ns: STARTED, predecessor_pending: false };
    Record::inherited(PID, INIT, Some(&Process { comm: CAT, ..Process::EMPTY }), origin)
}

/// A process was found at this moment, and reported. Its FORK may still come.
pub fn awaited(at_ns: u64) -> Origin {
    had_run(at_ns, u64::MAX)
}

/// A process that had run was found by a look between these moments, and reported.
pub fn had_run(at_ns: u64, by_ns: u64) -> Origin {
    Origin::Found(Found { at_ns, is_reported: true, ran_by_ns: by_ns, is_fork_seen: false })
}

/// A process that a scan found at 1,500 ms and reported, and whose FORK may still come.
pub fn found() -> Record {
    let sight = Sight { taken_ns: FOUND, ..sight(Condition::Led) };
    Record::seen(PID, &sight, awaited(FOUND))
}

/// A process that had run when a scan found it.
pub fn found_running() -> Record {
    Record { origin: had_run(FOUND, FOUND), ..found() }
}

/// A process that a scan found and has not reported.
pub fn unreported() -> Record {
    let Origin::Found(found_then) = awaited(FOUND) else { unreachable!() };
    Record { origin: Origin::Found(Found { is_reported: false, ..found_then }), ..found() }
}

/// A child of pid 1 that a scan found and has not reported.
pub fn unreported_as(pid: i32) -> Record {
    let mut record = unreported();
    (record.process.pid, record.process.parent_pid) = (pid, INIT);
    record
}

pub fn kernel_thread() -> Record {
    let mut record = found();
    record.process.state |= state::KERNEL_THREAD;
    record.process.valid &= !field::COMM;
    Record { image: Image::NONE, ..record }
}

/// Whether the EXIT of the previous owner of the pid may still come.
pub fn expects_two_exits(record: &Record) -> bool {
    matches!(record.origin, Origin::Forked { predecessor_pending: true, .. })
}

impl Record {
    /// A look showed the inode of the process's pidfds.
    pub fn with_inode(mut self, inode: u64) -> Self {
        self.process.pidfd_inode = inode;
        self
    }

    /// A scan found the process, and then its FORK came.
    pub fn fork_seen(self) -> Self {
        let Origin::Found(found) = self.origin else { panic!("its FORK was seen first") };
        Self { origin: Origin::Found(Found { is_fork_seen: true, ..found }), ..self }
    }

    /// The FORK was generated at this moment.
    pub fn forked_at(self, ms: u64) -> Self {
        let Origin::Forked { predecessor_pending, .. } = self.origin else {
            panic!("it was found")
        };
        Self { origin: Origin::Forked { at_ns: ms * MS, predecessor_pending }, ..self }
    }

    /// An EXIT of the leader came, and the process lived on.
    pub fn leader_exited(self) -> Self {
        Self { leader_exit: Some(ExitCode::Leaders(0)), ..self }
    }

    /// The process has had no thread but its leader, as far as no event was lost since.
    pub fn single_threaded(self) -> Self {
        Self {
            threads: Threads::LeaderAlone {
                since_ns: STARTED,
                complete_ns: HEARING.complete_since_ns,
            },
            ..self
        }
    }

    /// The leader was seen to be gone; the pidfd is waited for.
    pub fn watched(self) -> Self {
        self.leaderless(Watch::Pidfd)
    }

    /// The leader was seen to be gone; the timer is waited for.
    pub fn unwatched(self) -> Self {
        self.leaderless(Watch::Timer)
    }

    fn leaderless(self, watch: Watch) -> Self {
        let mut record = Self { life: Life::Leaderless(watch), ..self };
        record.process.state |= state::LEADER_GONE;
        record
    }

    /// The process exited at 1,900 ms; so it was seen at 1,901 ms.
    pub fn exited(self, code: ExitCode) -> Self {
        let exit = Some(Exit { timestamp_ns: 1_900 * MS, code });
        Self { life: Life::Exited(Gone { at_ns: 1_901 * MS, exit, is_replaced: false }), ..self }
    }

    /// A scan no longer saw the process at 1,901 ms.
    pub fn vanished(self) -> Self {
        let gone = Gone { at_ns: 1_901 * MS, exit: None, is_replaced: false };
        Self { life: Life::Exited(gone), ..self }
    }

    /// The record says that another process was seen with the pid.
    pub fn replaced(self) -> Self {
        let Some(&gone) = self.gone() else { panic!("the process lives") };
        Self { life: Life::Exited(Gone { is_replaced: true, ..gone }), ..self }
    }

    pub fn program(self, image: Image) -> Self {
        Self { image, ..self }
    }
}

// ---- Events ----

/// An event, and when it is judged.
#[derive(Clone, Copy)]
pub struct Heard {
    pub event: Event,
    pub judged_ns: u64,
    pub slept: Slept,
}

fn heard(kind: u32, words: [u32; 6]) -> Heard {
    let [a, b, c, d, e, f] = words;
    let data = [pair(a, b), pair(c, d), pair(e, f), 0, 0];
    let event = Event { kind, timestamp_ns: HEARD, data, ..Event::EMPTY };
    Heard { event, judged_ns: JUDGED, slept: Slept(0) }
}

fn about(kind: u32, first: u32, second: u32) -> Heard {
    heard(kind, [PID as u32, PID as u32, first, second, 0, 0])
}

/// pid 1 forks pid 7.
pub fn fork() -> Heard {
    heard(kind::FORK, [INIT as u32, INIT as u32, PID as u32, PID as u32, 0, 0])
}

/// pid 7 creates a thread.
pub fn thread_fork() -> Heard {
    heard(kind::FORK, [INIT as u32, INIT as u32, PID as u32 + 1, PID as u32, 0, 0])
}

/// The leader exits with this wait status; its parent is pid 1.
pub fn exit(status: i32) -> Heard {
    let [pid, init] = [PID as u32, INIT as u32];
    heard(kind::EXIT, [pid, pid, status as u32, 17, init, init])
}

pub fn exec() -> Heard {
    about(kind::EXEC, 0, 0)
}

pub fn comm(name: [u8; 16]) -> Heard {
    let mut heard = about(kind::COMM, 0, 0);
    let (low, high) = name.split_at(8);
    heard.event.data[1] = u64::from_ne_bytes(low.try_into().unwrap());
    heard.event.data[2] = u64::from_ne_bytes(high.try_into().unwrap());
    heard
}

pub fn uid(real: u32, effective: u32) -> Heard {
    about(kind::UID, real, effective)
}

pub fn gid(real: u32, effective: u32) -> Heard {
    about(kind::GID, real, effective)
}

pub fn sid() -> Heard {
    about(kind::SID, 0, 0)
}

pub fn coredump() -> Heard {
    about(kind::COREDUMP, INIT as u32, INIT as u32)
}

impl Heard {
    /// The event comes at this time, and is judged a millisecond later.
    pub fn at(mut self, ms: u64) -> Self {
        self.event.timestamp_ns = ms * MS;
        self.judged(ms + 1)
    }

    pub fn judged(self, ms: u64) -> Self {
        Self { judged_ns: ms * MS, ..self }
    }

    /// The machine had slept that long when the event was received.
    pub fn slept(self, ms: u64) -> Self {
        Self { slept: Slept(ms * MS), ..self }
    }

    /// The process had been reaped when the kernel generated the EXIT.
    pub fn reaped(mut self) -> Self {
        self.event.data[2] = 0;
        self
    }

    /// The task that exits sends its parent no signal.
    pub fn without_signal(mut self) -> Self {
        self.event.data[1] |= 0xffff_ffff << 32;
        self
    }

    pub fn of(mut self, pid: i32) -> Self {
        match self.event.kind {
            kind::FORK => self.event.data[1] = pair(pid as u32, pid as u32),
            _ => self.event.data[0] = pair(pid as u32, pid as u32),
        }
        self
    }

    pub fn by(mut self, parent: i32) -> Self {
        self.event.data[0] = pair(parent as u32, parent as u32);
        self
    }

    pub fn clock(&self) -> Clock {
        Clock { now_ns: self.judged_ns, slept: self.slept }
    }
}

// ---- Looks ----

/// What /proc shows.
#[derive(Clone, Copy)]
pub struct View {
    pub look: Look,
    pub hearing: Hearing,
    /// The status of a zombie can be believed.
    pub is_status_shown: bool,
    /// The row says that the event is judged without a look.
    pub is_needless: bool,
}

fn sight(condition: Condition) -> Sight {
    let stat = Stat {
        condition,
        parent: INIT,
        session: PID,
        start_ns: STARTED,
        image: PROGRAM,
        comm: CAT,
        has_threads: false,
        is_kernel_thread: false,
        is_exiting: false,
        has_run: false,
    };
    let credentials = Some(Credentials { ruid: 0, euid: 0, rgid: 0, egid: 0 });
    Sight { taken_ns: JUDGED, stat, credentials, pidfd_inode: 0 }
}

fn look(condition: Condition) -> View {
    View { look: Look::Shown(sight(condition)), ..nobody() }
}

/// The event is judged without a look.
pub fn unasked() -> View {
    View { is_needless: true, ..nobody() }
}

/// No process has the pid.
pub fn nobody() -> View {
    View { look: Look::Absent, hearing: HEARING, is_status_shown: false, is_needless: false }
}

/// A process has the pid, and /proc does not show it.
pub fn hidden() -> View {
    View { look: Look::Hidden, ..nobody() }
}

/// The process lives, with its leader.
pub fn led() -> View {
    look(Condition::Led)
}

/// The process lives without its leader.
pub fn leaderless() -> View {
    look(Condition::Leaderless)
}

/// One of its threads is about to take the leader's place. Meanwhile, /proc shows neither the parent
/// nor the session (`do_task_stat` in `fs/proc/array.c`).
pub fn between_leaders() -> View {
    look(Condition::BetweenLeaders).with(|sight| (sight.stat.parent, sight.stat.session) = (0, 0))
}

/// The process exited; this reader may not see how.
pub fn zombie() -> View {
    look(Condition::Zombie { status: 0 })
}

/// The process exited, and /proc shows its own status.
pub fn zombie_with(status: i32) -> View {
    View { is_status_shown: true, ..look(Condition::Zombie { status }) }
}

impl View {
    /// The look shows the inode of the process's pidfds.
    pub fn with_inode(self, inode: u64) -> Self {
        self.with(|sight| sight.pidfd_inode = inode)
    }

    /// A process that started at this time has the pid.
    pub fn started(self, ms: u64) -> Self {
        self.with(|sight| sight.stat.start_ns = ms * MS)
    }

    /// Events were lost, as the table noticed at this time.
    pub fn after_a_loss_at(self, ms: u64) -> Self {
        Self {
            hearing: Hearing {
                complete_since_ns: ms * MS,
                exits_since_ns: ms * MS,
                ..self.hearing
            },
            ..self
        }
    }

    /// The FORKs of threads are not received.
    pub fn without_thread_forks(self) -> Self {
        Self { hearing: Hearing { has_thread_forks: false, ..self.hearing }, ..self }
    }

    pub fn with(mut self, change: impl FnOnce(&mut Sight)) -> Self {
        if let Look::Shown(sight) = &mut self.look {
            change(sight);
        }
        self
    }

    pub fn program(self, image: Image) -> Self {
        self.with(|sight| sight.stat.image = image)
    }

    pub fn named(self, comm: [u8; 16]) -> Self {
        self.with(|sight| sight.stat.comm = comm)
    }

    pub fn evidence(&self) -> Evidence<'_> {
        let condition = self.look.sight().map(|sight| sight.stat.condition);
        let own_status = match condition {
            Some(Condition::Zombie { status }) if self.is_status_shown => Some(status),
            _ => None,
        };
        Evidence { look: &self.look, own_status, hearing: self.hearing }
    }
}

// ---- Verdicts ----

/// The EXIT that came at 2,000 ms was the exit of the process.
pub fn exited(code: ExitCode) -> Verdict {
    exited_at(2_000, code)
}

/// The EXIT that came at this time, and was judged a millisecond later, was the exit of the process.
pub fn exited_at(ms: u64, code: ExitCode) -> Verdict {
    exited_late(ms, ms + 1, code)
}

/// The EXIT that came at this time, and was judged later, was the exit of the process.
pub fn exited_late(ms: u64, judged_ms: u64, code: ExitCode) -> Verdict {
    Verdict::Exited(gone(ms, judged_ms, code, false))
}

/// The EXIT was the exit of the process, and another process has the pid.
pub fn replaced_late(ms: u64, judged_ms: u64, code: ExitCode) -> Verdict {
    Verdict::Exited(gone(ms, judged_ms, code, true))
}

fn gone(ms: u64, judged_ms: u64, code: ExitCode, is_replaced: bool) -> Gone {
    let exit = Some(Exit { timestamp_ns: ms * MS, code });
    Gone { at_ns: judged_ms * MS, exit, is_replaced }
}

/// The FORK that came at 2,000 ms was the first sign that the previous owner exited.
pub fn exit_first() -> Verdict {
    exit_first_at(2_000)
}

/// The FORK that came at this time was the first sign that the previous owner exited.
pub fn exit_first_at(ms: u64) -> Verdict {
    let exit = Exit { timestamp_ns: ms * MS, code: ExitCode::Unknown };
    Verdict::ExitFirst { exit, is_exit_pending: true }
}

/// The previous owner's EXIT came at this time, but whose its code was is not known.
pub fn unknown_exit_first(ms: u64) -> Verdict {
    let exit = Exit { timestamp_ns: ms * MS, code: ExitCode::Unknown };
    Verdict::ExitFirst { exit, is_exit_pending: false }
}

/// The previous owner's exit was known: it exited at 1,900 ms.
pub fn known_exit_first(code: ExitCode) -> Verdict {
    let exit = Exit { timestamp_ns: 1_900 * MS, code };
    Verdict::ExitFirst { exit, is_exit_pending: false }
}

pub fn started(is_seen: bool) -> Verdict {
    Verdict::Started { is_seen }
}

pub fn outlived() -> Verdict {
    Verdict::Outlived { code: ExitCode::Leaders(0), is_leader_gone: true, is_fork_earlier: true }
}

pub fn exec_to_come() -> Verdict {
    Verdict::Outlived { code: ExitCode::Leaders(0), is_leader_gone: false, is_fork_earlier: true }
}
