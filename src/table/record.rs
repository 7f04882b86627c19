//! What the table knows of one process.

use super::family::Family;
use super::report::{Process, field, state};
use crate::procfs::{Credentials, Image, Sight};

/// One process. Its `process` is what the caller sees, but for `parent_id`, which the census adds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Record {
    /// While the start is not valid, the process started at `start_boottime_ns` or before; 0: it exited
    /// before it could be read.
    pub process: Process,
    pub image: Image,
    pub origin: Origin,
    pub life: Life,
    pub family: Family,
    /// COMM, UID, GID and SID events from before this moment are reflected already: the process was
    /// read after it.
    pub read_ns: u64,
    /// EXEC events from before this moment are reflected already: a scan found the program.
    pub program_ns: u64,
    pub threads: Threads,
    /// The code in the leader's EXIT, if that was not the process's own, and no EXEC has come since.
    pub leader_exit: Option<ExitCode>,
}

/// What follows from events that did not come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hearing {
    /// No event has been missed since this moment.
    pub complete_since_ns: u64,
    /// Every process that has existed since this moment is in the table, or its EXIT has come.
    /// [`u64::MAX`] until the scan that follows a loss has ended.
    pub exits_since_ns: u64,
    /// The FORKs of threads are received.
    pub has_thread_forks: bool,
}

impl Hearing {
    /// A process left the table whose EXIT may still come.
    pub(super) fn note_missing_exit(&mut self, now_ns: u64) {
        self.exits_since_ns = self.exits_since_ns.max(now_ns);
    }
}

/// Which threads a process has had since it started or ran its program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Threads {
    /// None but its leader.
    LeaderAlone {
        /// An EXIT from before this moment may be that of a leader that an exec has replaced.
        since_ns: u64,
        /// [`Hearing::complete_since_ns`] was this: as long as it is, no thread's FORK was missed.
        complete_ns: u64,
    },
    /// Others, perhaps. This many of their FORKs were received, modulo 256.
    Others { heard: u8 },
}

/// How the table came to know the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// By its FORK.
    Forked {
        /// The FORK was generated at this moment: an EXIT from before is not the process's.
        at_ns: u64,
        /// The previous owner of the pid sent no EXIT so far. An EXIT may belong to either.
        predecessor_pending: bool,
    },
    /// By a look at /proc, because its FORK was lost or came before the table was opened.
    Found(Found),
}

/// A process that was there before its FORK event was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// The process existed at this moment: a FORK from before is its own.
    pub at_ns: u64,
    /// The process has been reported to the caller.
    pub is_reported: bool,
    /// The process had run at this moment, so the kernel had generated its FORK. `u64::MAX`: it may not have run.
    pub ran_by_ns: u64,
    /// The FORK came, or an event of the process that the kernel generated later.
    pub is_fork_seen: bool,
}

/// Where a process is between its start and its exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// The leader lives: its EXIT will report the exit of the process, or the end of the leader.
    Led,
    /// The leader exited and other threads live on: no event will report the exit of the process.
    Leaderless(Watch),
    /// Every thread exited. The process is still in the table, because queued events may be about it.
    Exited(Gone),
}

/// How the exit of a process without a leader will be noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Watch {
    /// By its pidfd, which is being waited for.
    Pidfd,
    /// By a look every now and then: there is no pidfd, or there are too many.
    Timer,
}

/// What is known of a process that exited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gone {
    /// /proc no longer showed the process alive at this moment. Once every event that was queued by
    /// then has been handled, the process leaves the table.
    pub at_ns: u64,
    /// `None` until an EXIT or a pidfd reports the exit.
    pub exit: Option<Exit>,
    /// The pid was seen to have another owner.
    pub is_replaced: bool,
}

/// How a process exited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exit {
    pub timestamp_ns: u64,
    pub code: ExitCode,
}

/// A wait(2) status, and whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ExitCode {
    /// The process's own, from its pidfd or from /proc.
    Own(i32),
    /// The one in the EXIT of a process that had no thread but its leader: its own.
    Sole(i32),
    /// The leader's; the process's own too, unless another thread outlived the leader and exited with
    /// another one.
    Leaders(i32),
    /// The one in an EXIT that may be that of an earlier owner of the pid.
    Doubtful(i32),
    Unknown,
}

impl Found {
    /// A process that a look showed. The look ended no later than `ended_ns`.
    pub(super) const fn of(sight: &Sight, ended_ns: u64, is_reported: bool) -> Self {
        // What has lost its leader has run.
        let has_run = sight.stat.has_run || sight.stat.condition.has_no_leader();
        let ran_by_ns = if has_run { ended_ns } else { u64::MAX };
        Self { at_ns: sight.taken_ns, is_reported, ran_by_ns, is_fork_seen: false }
    }
}

impl Record {
    /// No process. A function is smaller than a constant, which consists of zeros.
    #[inline(never)]
    pub(super) fn none() -> Self {
        Self {
            process: Process::EMPTY,
            image: Image::UNKNOWN,
            origin: Origin::Forked { at_ns: 0, predecessor_pending: false },
            life: Life::Led,
            family: Family::Unjudged,
            read_ns: 0,
            program_ns: 0,
            threads: Threads::Others { heard: 0 },
            leader_exit: None,
        }
    }

    /// A process as a look at /proc showed it.
    pub(super) fn seen(pid: i32, sight: &Sight, origin: Origin) -> Self {
        let mut record = Self::none();
        record.process = process_of(pid, sight);
        record.image = sight.stat.image;
        record.origin = origin;
        record.read_ns = sight.taken_ns;
        if let Origin::Found(found) = origin {
            record.program_ns = found.at_ns;
        }
        record
    }

    /// A process that exited before it could be read: it has what it inherited from its parent.
    pub(super) fn inherited(
        pid: i32,
        parent_pid: i32,
        parent: Option<&Process>,
        origin: Origin,
    ) -> Self {
        let mut record = Self::none();
        record.origin = origin;
        if let Some(parent) = parent {
            record.process = *parent;
        }
        let process = &mut record.process;
        (process.pid, process.parent_pid, process.valid) = (pid, parent_pid, field::PARENT);
        (process.start_boottime_ns, process.user, process.state) = (0, 0, 0);
        process.pidfd_inode = 0;
        record
    }

    /// Whether a look showed this process, rather than another owner of its pid. A process never
    /// becomes a thread of the kernel.
    pub(super) const fn is_same(&self, sight: &Sight) -> bool {
        let (known, seen) = (self.process.pidfd_inode, sight.pidfd_inode);
        let is_owner = if known != 0 && seen != 0 {
            known == seen
        } else if self.process.valid & field::START != 0 {
            self.process.start_boottime_ns == sight.stat.start_ns
        } else {
            sight.stat.start_ns <= self.process.start_boottime_ns
        };
        is_owner && (self.process.state & state::KERNEL_THREAD != 0 || !sight.stat.is_kernel_thread)
    }

    /// A process of which only the EXIT is known.
    pub(super) fn exited_unseen(pid: i32, found: Found) -> Self {
        let mut record = Self::none();
        record.process.pid = pid;
        record.origin = Origin::Found(found);
        record
    }

    /// A process that lives and that no look shows. All that is known is that it had started by then.
    pub(super) fn hidden(pid: i32, start_boottime_ns: u64, origin: Origin) -> Self {
        let mut record = Self::none();
        record.process.pid = pid;
        record.process.start_boottime_ns = start_boottime_ns;
        record.process.state = state::HIDDEN;
        record.origin = origin;
        record
    }

    pub(super) const fn is_hidden(&self) -> bool {
        self.process.state & state::HIDDEN != 0
    }

    /// Whether a process that was found is still to be reported.
    pub(super) const fn is_unreported(&self) -> bool {
        matches!(self.origin, Origin::Found(Found { is_reported: false, .. }))
    }

    /// Whether the caller knows of the process.
    pub(super) fn is_known(&self) -> bool {
        self.family.is_reported() && !self.is_unreported()
    }

    /// What is known of its exit, if it exited.
    pub(super) const fn gone(&self) -> Option<&Gone> {
        match &self.life {
            Life::Exited(gone) => Some(gone),
            Life::Led | Life::Leaderless(_) => None,
        }
    }

    /// How it exited, if an EXIT or a pidfd reported that.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.gone()?.exit
    }

    /// Notes an EXIT of the leader that was not the process's own.
    pub(super) fn note_leader_exit(&mut self, code: ExitCode) {
        let is_known = matches!(self.leader_exit, Some(ExitCode::Leaders(_)));
        if !is_known || matches!(code, ExitCode::Leaders(_)) {
            self.leader_exit = Some(code);
        }
    }

    /// The leader's exit code, if the leader has sent an EXIT that was not the process's own.
    pub(super) fn leaders_code(&self) -> ExitCode {
        self.leader_exit.unwrap_or(ExitCode::Unknown)
    }

    /// Takes over the program and its name, as a look showed them.
    pub(super) const fn take_program(&mut self, sight: &Sight, fields: u32) {
        self.take_name(sight, fields);
        self.image = sight.stat.image;
        self.read_ns = sight.taken_ns;
    }

    /// Takes over the name, as a look showed it.
    pub(super) const fn take_name(&mut self, sight: &Sight, fields: u32) {
        self.process.comm = sight.stat.comm;
        self.process.valid |= field::COMM & fields;
    }
}

/// A process as /proc showed it, without ids of the table.
#[inline(never)]
pub(super) fn process_of(pid: i32, sight: &Sight) -> Process {
    let (mut process, stat) = (Process::EMPTY, &sight.stat);
    (process.pid, process.pidfd_inode) = (pid, sight.pidfd_inode);
    (process.parent_pid, process.session) = (stat.parent, stat.session);
    process.start_boottime_ns = stat.start_ns;
    process.comm = stat.comm;
    process.valid = field::PARENT | field::START | field::SESSION | field::COMM;
    if stat.is_kernel_thread {
        process.state |= state::KERNEL_THREAD;
        process.valid &= !field::COMM;
    }
    if stat.condition.has_no_leader() {
        process.state |= state::LEADER_GONE;
    }
    if !stat.condition.shows_family() {
        process.valid &= !(field::PARENT | field::SESSION);
        (process.parent_pid, process.session) = (0, 0);
    }
    if let Some(Credentials { ruid, euid, rgid, egid }) = sight.credentials {
        process.valid |= field::CREDENTIALS;
        (process.ruid, process.euid, process.rgid, process.egid) = (ruid, euid, rgid, egid);
    }
    process
}
