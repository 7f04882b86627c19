//! What an event, or a look at /proc, means for a process. Pure: the record, the event, what /proc
//! showed and the clock go in, a verdict comes out.
//!
//! No order of events can be trusted. An EXIT of a leader may not be the exit of the process, the
//! EXIT of a pid's previous owner may come after the FORK of the next one, and /proc may be ahead of
//! the queue. So an event only says when to look, and the verdict depends on what the look showed.

use super::family::Family;
use super::record::{Exit, ExitCode, Found, Gone, Hearing, Life, Origin, Record, Threads, Watch};
use super::report::{Process, change, field, state};
use super::scan::Cause;
use crate::procfs::{Look, Sight, TICK_NS};
use crate::protocol::event::{Event, kind};

/// The exit signal of a thread, and of a leader that an exec has replaced.
const NO_SIGNAL: u32 = u32::MAX;

/// How long a task may be preempted after it was reaped and before it generates its EXIT.
const PREEMPTED_NS: u64 = 1_000_000_000;

/// How long the machine has slept since it booted: `CLOCK_BOOTTIME`, which /proc uses, minus
/// `CLOCK_MONOTONIC`, which events use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Slept(pub u64);

impl Slept {
    /// Whether an event is older than a process that started at `start_boottime_ns`. The machine may
    /// have slept less when the event was generated, so the event may be older than it seems, but
    /// never younger.
    pub(super) const fn is_before(self, event: &Event, start_boottime_ns: u64) -> bool {
        event.timestamp_ns.saturating_add(self.0) < start_boottime_ns
    }
}

/// The time at which a judgement is made: after the look that it depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Clock {
    /// `CLOCK_MONOTONIC`
    pub now_ns: u64,
    pub slept: Slept,
}

/// What the judgement of an event needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// Nothing more than the record and the event.
    None(Verdict),
    /// The time. The process is gone, and no other has had its pid in the meantime.
    Gone,
    /// A look at /proc.
    Look {
        /// The look is to show the ids of the process, too.
        with_credentials: bool,
    },
}

/// What a look showed of the process that an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Evidence<'a> {
    pub look: &'a Look,
    /// The status of a zombie, where this kernel shows each reader the process's own: see
    /// [`Condition::Zombie`](crate::procfs::Condition::Zombie).
    pub own_status: Option<i32>,
    pub hearing: Hearing,
}

/// What an event means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The table reflects the event already.
    Known,
    /// The process was found and has not been reported. Report it, then judge the event again.
    ReportFirst,
    /// The FORK belongs to the next owner of the pid. Report this exit of the previous owner, then
    /// judge the event again.
    ExitFirst {
        exit: Exit,
        /// No EXIT of the previous owner has come.
        is_exit_pending: bool,
    },
    /// The FORK belongs to the process, which a scan found first.
    OwnFork,
    /// A process started.
    Started {
        /// The look showed it.
        is_seen: bool,
    },
    /// There is a process whose FORK was lost.
    Discovered,
    /// The process has another thread than its leader.
    Threaded,
    /// The leader exited. Other threads live on, or one of them takes its place by an exec.
    Outlived {
        /// The leader's, unless the EXIT may be that of a previous owner of the pid.
        code: ExitCode,
        is_leader_gone: bool,
        /// The EXIT came after the look that found the process, and the FORK before the EXIT: a FORK
        /// that comes later is the next owner's.
        is_fork_earlier: bool,
    },
    /// The EXIT is that of an old leader, or of the previous owner of the pid. Then what came before may
    /// have been about the previous owner, too: a FORK, and the parent of another process.
    PastExit,
    /// The process exited, and its pidfd knows how.
    AskPidfd {
        /// As in [`Outlived`](Self::Outlived).
        code: ExitCode,
        is_replaced: bool,
    },
    /// The process exited.
    Exited(Gone),
    /// The process runs a new program.
    Execed(AfterExec),
    /// The leader has another name.
    Renamed([u8; 16]),
    /// The process has other ids: real, effective.
    UserIds(u32, u32),
    GroupIds(u32, u32),
    /// The process leads a session of its own.
    LeadsSession,
}

/// What a look showed after an EXEC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AfterExec {
    /// The process.
    Alive,
    /// The process, as a zombie: its name is known, its program is not.
    Zombie,
    /// Another process or none: not even the name is known.
    Gone,
}

/// Judges an event, or says which look at /proc that needs.
pub(super) fn ask(
    record: Option<&Record>,
    event: &Event,
    hearing: Hearing,
    slept: Slept,
) -> Question {
    let Some(record) = record else {
        return match event.kind {
            // The process exited before it could be found.
            kind::EXIT => Question::None(Verdict::Known),
            // The look that finds the process will show its threads.
            kind::FORK if event.is_thread() => Question::None(Verdict::Known),
            _ => Question::Look { with_credentials: true },
        };
    };
    if record.is_unreported() {
        return Question::None(Verdict::ReportFirst);
    }
    let is_older = || slept.is_before(event, record.process.start_boottime_ns);
    Question::None(match event.kind {
        kind::FORK if is_older() => Verdict::Known,
        kind::FORK if event.is_thread() => Verdict::Threaded,
        kind::EXIT if is_older() => Verdict::PastExit,
        // The process lived later.
        kind::EXIT if event.timestamp_ns < lived_ns(record) => Verdict::PastExit,
        kind::EXEC if event.timestamp_ns < record.program_ns || is_older() => Verdict::Known,
        // Only a look can show whether the process still waits for its FORK.
        kind::FORK if is_fork_doubtful(record, event, slept) => {
            return Question::Look { with_credentials: false };
        }
        kind::FORK => judge_fork(record, event, slept),
        // Nobody else can have exited, so a look would show nothing new.
        kind::EXIT if has_parent(event) && is_sole(record, event, hearing) && is_first(record) => {
            return Question::Gone;
        }
        kind::EXIT => return Question::Look { with_credentials: false },
        kind::EXEC => return Question::Look { with_credentials: true },
        _ => judge_detail(record, event),
    })
}

/// Judges an event after a look.
pub(super) fn judge(
    record: Option<&Record>,
    event: &Event,
    evidence: &Evidence<'_>,
    clock: Clock,
) -> Verdict {
    let (sight, is_hidden) = (evidence.look.sight(), *evidence.look == Look::Hidden);
    match (event.kind, record) {
        (kind::FORK, Some(record))
            if is_hidden || sight.is_some_and(|sight| record.is_same(sight)) =>
        {
            Verdict::OwnFork
        }
        (kind::FORK, Some(record)) => judge_fork(record, event, clock.slept),
        (kind::FORK, None) => Verdict::Started {
            // A younger process is the next owner of the pid, whose FORK will come.
            is_seen: sight.is_some_and(|sight| !clock.slept.is_before(event, sight.stat.start_ns)),
        },
        (_, None) => match sight {
            None if is_hidden => Verdict::Discovered,
            Some(sight)
                if !sight.stat.condition.is_zombie()
                    && !clock.slept.is_before(event, sight.stat.start_ns) =>
            {
                Verdict::Discovered
            }
            _ => Verdict::Known,
        },
        (kind::EXIT, Some(record)) => judge_exit(record, event, evidence, clock),
        (_, Some(record)) => Verdict::Execed(match sight.filter(|sight| record.is_same(sight)) {
            Some(sight) if sight.stat.condition.is_zombie() => AfterExec::Zombie,
            Some(_) => AfterExec::Alive,
            None => AfterExec::Gone,
        }),
    }
}

/// A FORK whose child has the pid of a process that is in the table.
fn judge_fork(record: &Record, event: &Event, slept: Slept) -> Verdict {
    match record.origin {
        Origin::Found(found) if is_own_fork(record, &found, event, slept) => {
            return Verdict::OwnFork;
        }
        _ => {}
    }
    let unknown = |timestamp_ns| Exit { timestamp_ns, code: ExitCode::Unknown };
    let exit = match (record.gone(), record.exit()) {
        // Its EXIT may still come, and will be hard to tell from the next owner's.
        (_, None) | (None, _) => {
            return Verdict::ExitFirst { exit: unknown(event.timestamp_ns), is_exit_pending: true };
        }
        // The next owner existed when /proc was read. If /proc calls both equally old, the status
        // may have been the next owner's.
        (Some(gone), Some(exit))
            if event.timestamp_ns < gone.at_ns && matches!(exit.code, ExitCode::Own(_)) =>
        {
            unknown(exit.timestamp_ns)
        }
        (Some(_), Some(exit)) => exit,
    };
    Verdict::ExitFirst { exit, is_exit_pending: false }
}

/// Whether a FORK may be that of a process that was found before its FORK came, although the FORK is
/// much younger than the process: the parent was preempted, or the machine has slept since.
fn is_fork_doubtful(record: &Record, event: &Event, slept: Slept) -> bool {
    let Origin::Found(found) = record.origin else { return false };
    let may_come = !found.is_fork_seen && event.timestamp_ns <= found.ran_by_ns;
    may_come && !is_own_fork(record, &found, event, slept) && record.gone().is_none()
}

/// Whether a FORK is that of a process that was found before its FORK came.
fn is_own_fork(record: &Record, found: &Found, event: &Event, slept: Slept) -> bool {
    // /proc may call the next owner of the pid as old as this process, within a tick for each.
    let limit_ns = record.process.start_boottime_ns.saturating_add(2 * TICK_NS);
    let has_run = found.ran_by_ns != u64::MAX;
    let may_come = !found.is_fork_seen && !has_run && record.exit().is_none();
    // What was forked before the process was found is no later owner of the pid.
    event.timestamp_ns < found.at_ns || may_come && slept.is_before(event, limit_ns)
}

/// An EXIT of the leader, which may be the exit of the process.
fn judge_exit(record: &Record, event: &Event, evidence: &Evidence<'_>, clock: Clock) -> Verdict {
    let sight = evidence.look.sight();
    let same = sight.filter(|sight| record.is_same(sight));
    let code = match has_parent(event) {
        true => ExitCode::Leaders(event.word(2) as i32),
        false => ExitCode::Unknown,
    };
    if let Some(sight) = same.filter(|sight| !sight.stat.condition.is_zombie()) {
        return Verdict::Outlived {
            code,
            is_leader_gone: sight.stat.condition.has_no_leader(),
            is_fork_earlier: event.timestamp_ns > found_ns(record),
        };
    }
    if *evidence.look == Look::Hidden {
        return Verdict::Outlived { code, is_leader_gone: true, is_fork_earlier: false };
    }
    let is_replaced = was_replaced(record) || shows_other(record, sight);
    if record.life == Life::Leaderless(Watch::Pidfd) {
        let code = match code {
            ExitCode::Unknown => ExitCode::Doubtful(event.word(2) as i32),
            code => code,
        };
        return Verdict::AskPidfd { code, is_replaced };
    }
    let own = evidence.own_status.filter(|_| same.is_some());
    let code = code_of(record, event, own, evidence.hearing);
    let exit = Some(Exit { timestamp_ns: event.timestamp_ns, code });
    Verdict::Exited(Gone { at_ns: clock.now_ns, exit, is_replaced })
}

/// The process lived at this moment.
pub(super) const fn lived_ns(record: &Record) -> u64 {
    match record.origin {
        Origin::Found(Found { at_ns, .. }) | Origin::Forked { at_ns, .. } => at_ns,
    }
}

/// When a look found the process; 0 if its FORK reported it.
pub(super) const fn found_ns(record: &Record) -> u64 {
    match record.origin {
        Origin::Found(found) => found.at_ns,
        Origin::Forked { .. } => 0,
    }
}

/// Whether the process exited, and its pid was seen to have another owner.
pub(super) fn was_replaced(record: &Record) -> bool {
    record.gone().is_some_and(|gone| gone.is_replaced)
}

/// Whether an EXIT was generated before the process was reaped.
const fn has_parent(exit: &Event) -> bool {
    exit.word(5) != 0
}

/// Whether an EXIT is that of the only thread that the process has had since it ran its program.
fn is_sole(record: &Record, event: &Event, hearing: Hearing) -> bool {
    matches!(record.threads,
        Threads::LeaderAlone { since_ns, complete_ns }
            if event.timestamp_ns > since_ns && complete_ns == hearing.complete_since_ns)
        && event.word(3) != NO_SIGNAL
}

/// Whether the process came into the table by its FORK, and nothing has hinted at its exit.
const fn is_first(record: &Record) -> bool {
    matches!(record.origin, Origin::Forked { .. }) && matches!(record.life, Life::Led)
}

/// How a process exited, if this EXIT is the last of its events. `own`: what /proc shows.
fn code_of(record: &Record, event: &Event, own: Option<i32>, hearing: Hearing) -> ExitCode {
    let code = event.word(2) as i32;
    // An EXIT whose parent is 0 was generated after the process had been reaped. It may be that of an
    // earlier owner of the pid, if the EXIT of that one has not come, or if it was reaped before the table
    // could know it.
    let is_predecessor_pending =
        matches!(record.origin, Origin::Forked { predecessor_pending: true, .. });
    let is_late = event.timestamp_ns.saturating_sub(hearing.exits_since_ns) > PREEMPTED_NS;
    let is_clear = has_parent(event) || is_late && !is_predecessor_pending;
    match (own, record.exit().map(|exit| exit.code)) {
        (_, None) if is_clear && is_sole(record, event, hearing) => ExitCode::Sole(code),
        (Some(own), _) => ExitCode::Own(own),
        (None, Some(own @ ExitCode::Own(_))) => own,
        (None, None | Some(ExitCode::Unknown)) if !is_clear => ExitCode::Doubtful(code),
        (None, Some(earlier)) if !is_clear => earlier,
        // A second EXIT is that of a new leader, whose EXEC was lost.
        (None, _) => ExitCode::Leaders(code),
    }
}

/// An event that itself carries what is new.
fn judge_detail(record: &Record, event: &Event) -> Verdict {
    if event.timestamp_ns < record.read_ns {
        return Verdict::Known;
    }
    let process = &record.process;
    let lacks = |field| process.valid & field == 0;
    let (real, effective) = (event.word(2), event.word(3));
    let (is_new, verdict) = match event.kind {
        // Kernel threads rename themselves without an event, so that one event says little.
        kind::COMM if process.state & state::KERNEL_THREAD != 0 => return Verdict::Known,
        kind::COMM => {
            let comm = name(event);
            (lacks(field::COMM) || process.comm != comm, Verdict::Renamed(comm))
        }
        kind::UID => {
            ((process.ruid, process.euid) != (real, effective), Verdict::UserIds(real, effective))
        }
        kind::GID => {
            ((process.rgid, process.egid) != (real, effective), Verdict::GroupIds(real, effective))
        }
        kind::SID => {
            let is_new = lacks(field::SESSION) || process.session != process.pid;
            (is_new, Verdict::LeadsSession)
        }
        _ => return Verdict::Known,
    };
    if is_new { verdict } else { Verdict::Known }
}

fn name(event: &Event) -> [u8; 16] {
    let [_, low, high, ..] = event.data;
    let mut name = [0; 16];
    let (first, second) = name.split_at_mut(8);
    first.copy_from_slice(&low.to_ne_bytes());
    second.copy_from_slice(&high.to_ne_bytes());
    name
}

impl Verdict {
    /// Takes over what the event itself carries. Returns the kind of change that it is.
    pub(super) fn update(&self, process: &mut Process) -> Option<u32> {
        match *self {
            Self::Renamed(comm) => {
                process.comm = comm;
                process.valid |= field::COMM;
                Some(change::RENAMED)
            }
            Self::UserIds(real, effective) => {
                (process.ruid, process.euid) = (real, effective);
                Some(change::CREDENTIALS)
            }
            Self::GroupIds(real, effective) => {
                (process.rgid, process.egid) = (real, effective);
                Some(change::CREDENTIALS)
            }
            Self::LeadsSession => {
                process.session = process.pid;
                process.valid |= field::SESSION;
                Some(change::SESSION)
            }
            _ => None,
        }
    }
}

/// What a scan's look means for a process that is in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Recheck {
    /// It is there: compare.
    Same,
    /// The pid has another owner: the process exited, and its events are lost.
    Replaced,
    /// The process exited, and its pidfd knows how.
    AskPidfd,
    /// The process exited. Its EXIT may be queued, and is waited for.
    Gone,
    /// The process, or the next owner of its pid, is alive, and /proc does not show it.
    Hidden,
}

/// Whether a scan has to look at a process at all. Of the processes in the table, the first scan looks only at
/// the root of a family, which was read when the table was opened.
pub(super) fn is_rechecked(record: &Record, cause: Cause) -> bool {
    let is_older = match cause {
        Cause::Opening => record.family == Family::Root,
        Cause::Doubt => true,
    };
    is_older && record.gone().is_none() && record.is_unreported() == (cause == Cause::Opening)
}

/// Judges a scan's look at a process.
pub(super) fn recheck(record: &Record, look: &Look) -> Recheck {
    match look.living() {
        None if *look == Look::Hidden => Recheck::Hidden,
        Some(sight) if record.is_same(sight) => Recheck::Same,
        Some(_) => Recheck::Replaced,
        None if record.life == Life::Leaderless(Watch::Pidfd) => Recheck::AskPidfd,
        None => Recheck::Gone,
    }
}

/// Whether a look showed another owner of the pid.
pub(super) fn shows_other(record: &Record, sight: Option<&Sight>) -> bool {
    sight.is_some_and(|sight| !record.is_same(sight))
}

/// What a look showed of a process that is in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Presence {
    /// The process lives, with its leader.
    Led,
    /// The process lives without its leader, or is hidden, which shows nothing else.
    Leaderless,
    /// The process exited. The pid may have another owner.
    Exited,
}

/// Judges a look by itself. If a pidfd was opened, or became readable, before a look that shows the
/// process, then the pidfd is its own.
pub(super) fn presence(record: &Record, look: &Look) -> Presence {
    match look.sight().filter(|sight| record.is_same(sight)).map(|sight| sight.stat.condition) {
        Some(condition) if condition.has_no_leader() => Presence::Leaderless,
        Some(condition) if !condition.is_zombie() => Presence::Led,
        None if *look == Look::Hidden => Presence::Leaderless,
        _ => Presence::Exited,
    }
}

#[cfg(test)]
mod rows;
