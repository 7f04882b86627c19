//! Every promise of the judgement, a row each: what the table knew of the process, the event, what
//! /proc showed; what that means. No row needs a kernel.

mod scene;
mod stage;

use super::*;
use crate::errno::Errno;
use crate::procfs::{Credentials, Image};
use crate::protocol::event::reason;
use crate::sys::PidfdExit;
use crate::table::agenda::{Agenda, Compared, Job, Quiet};
use crate::table::census::Queue;
use crate::table::compare::Comparison;
use crate::table::family::Family;
use crate::table::report::{Change, change, field};
use crate::table::scan::{Doubt, Due, Scan, Visit, visit};
use scene::*;
use stage::{Stage, verdict_of};
use std::collections::BTreeSet;
use std::fmt::Debug;

use ExitCode::{Doubtful, Leaders, Own, Sole, Unknown};
use Verdict::{
    AskPidfd, Discovered, Execed, Known, Outlived, OwnFork, PastExit, ReportFirst, Threaded,
};

#[test]
fn every_row_holds() {
    let mut rows = Rows::default();
    forks_of_unknown_pids(&mut rows);
    forks_of_known_pids(&mut rows);
    exits(&mut rows);
    exit_codes(&mut rows);
    execs(&mut rows);
    details(&mut rows);
    lost_forks(&mut rows);
    sleep(&mut rows);
    rechecks(&mut rows);
    presences(&mut rows);
    visits(&mut rows);
    scans(&mut rows);
    differences(&mut rows);
    jobs(&mut rows);
    losses(&mut rows);
    programs(&mut rows);
    execs_by_threads(&mut rows);
    leaders_that_exit_first(&mut rows);
    reused_pids(&mut rows);
    pids_reused_within_a_tick(&mut rows);
    watched_processes(&mut rows);
    hidden_processes(&mut rows);
    hidden_statuses(&mut rows);
    families(&mut rows);
    one_family(&mut rows);
    healing(&mut rows);
    the_callers_view(&mut rows);
    many_threads(&mut rows);
    errors(&mut rows);
    rows.check();
}

/// Looks at all rows before it fails.
#[derive(Default)]
struct Rows {
    promises: BTreeSet<&'static str>,
    broken: Vec<String>,
}

/// What an event means, and whether that takes a look at /proc.
#[derive(PartialEq, Debug)]
enum Judged {
    AtOnce(Verdict),
    ByALook(Verdict),
}

impl Rows {
    fn row<T: PartialEq + Debug>(&mut self, promise: &'static str, actual: T, expected: T) {
        assert!(self.promises.insert(promise), "twice: {promise}");
        if actual != expected {
            self.broken
                .push(format!("{promise}\n    expected {expected:?}\n    actual   {actual:?}"));
        }
    }

    /// An event, judged as the driver has it judged.
    fn event(
        &mut self,
        promise: &'static str,
        record: impl Into<Option<Record>>,
        heard: Heard,
        look: View,
        expected: Verdict,
    ) {
        let judged = |by_a_look| if by_a_look { Judged::ByALook } else { Judged::AtOnce };
        let (by_a_look, verdict) = verdict_of(record.into().as_ref(), heard, look);
        self.row(promise, judged(by_a_look)(verdict), judged(!look.is_needless)(expected));
    }

    fn check(&self) {
        let (broken, count) = (self.broken.len(), self.promises.len());
        println!("{count} rows");
        assert!(broken == 0, "{broken} of {count} rows are broken:\n{}", self.broken.join("\n"));
    }
}

const NO_RECORD: Option<Record> = None;

fn asked(record: impl Into<Option<Record>>, heard: Heard) -> Question {
    ask(record.into().as_ref(), &heard.event, HEARING, heard.slept)
}

/// A process that a scan found that soon, and whose FORK may still come.
fn found_at(ms: u64) -> Record {
    Record { origin: awaited(ms * MS), ..found() }
}

/// A process that had run when a scan found it that soon, by a look that took no time.
fn found_running_at(ms: u64) -> Record {
    found_running_by(ms, ms)
}

/// A process that had run when a scan found it, by a look that took so long.
fn found_running_by(ms: u64, by_ms: u64) -> Record {
    Record { origin: had_run(ms * MS, by_ms * MS), ..found() }
}

// ---- Single events ----

#[rustfmt::skip]
fn forks_of_unknown_pids(rows: &mut Rows) {
    rows.event("a FORK of a pid that nobody had starts a process",
        NO_RECORD, fork(), led().started(1_990), started(true));
    rows.event("a process that is gone when its FORK is handled started all the same",
        NO_RECORD, fork(), nobody(), started(false));
    rows.event("a process that is a zombie when its FORK is handled can still be read",
        NO_RECORD, fork(), zombie().started(1_990), started(true));
    rows.event("a process that started after a FORK is the next owner of the pid, so its look says nothing",
        NO_RECORD, fork(), led().started(2_010), started(false));
    rows.event("/proc rounds a start down to a tick, so the process of a FORK seems older than its FORK",
        NO_RECORD, fork().at(2_009), led().started(2_000), started(true));
    rows.event("a process that started at the very moment of a FORK is the one of the FORK",
        NO_RECORD, fork(), led().started(2_000), started(true));
    let mut stage = Stage::with([]);
    stage.hear(fork(), led().started(1_990));
    rows.row("a pid that nobody had has no previous owner whose EXIT may come",
        expects_two_exits(stage.record(PID)), false);
    rows.row("the look at a new process is to show its ids",
        asked(NO_RECORD, fork()), Question::Look { with_credentials: true });
}

#[rustfmt::skip]
fn forks_of_known_pids(rows: &mut Rows) {
    rows.event("a FORK from before the start of the pid's owner is a previous owner's",
        forked(), fork().at(999), unasked(), Known);
    rows.event("after the FORK of a process, another FORK of its pid is the next owner's",
        forked(), fork(), unasked(), exit_first());
    rows.event("a FORK that the table cannot compare with a start is the next owner's",
        forked_unseen(), fork(), unasked(), exit_first());
    rows.event("a FORK of a process that was found and not reported waits until that has been reported",
        unreported(), fork().at(1_400), unasked(), ReportFirst);
    rows.event("a FORK from before the look that found the process is the process's own",
        found(), fork().at(1_499), unasked(), OwnFork);
    rows.event("a FORK from before the look is the process's own even if the process had run by then",
        found_running(), fork().at(1_499), unasked(), OwnFork);
    rows.event("a FORK from after the look that found a process is the next owner's",
        found(), fork(), led().started(1_990), exit_first());
    rows.event("a late FORK is the process's own if the process is still there: its parent was preempted",
        found(), fork(), led(), OwnFork);
    rows.event("a late FORK of a process that had run is its own, too, if the look took that long",
        found_running_by(1_500, 2_000), fork(), led(), OwnFork);
    rows.event("a FORK from after a look is not that of a process that had run, even if /proc calls both equally old",
        found_running(), fork(), unasked(), exit_first());
    rows.event("a FORK from during a look behind which nobody has the pid is the next owner's",
        found_running_by(1_500, 2_000), fork(), nobody(), exit_first());
    rows.event("a late FORK behind which nobody has the pid is the next owner's",
        found(), fork(), nobody(), exit_first());
    rows.event("a FORK from the moment of the look is not from before it",
        found_running(), fork().at(1_500), nobody(),
        exit_first_at(1_500));
    rows.event("a FORK right after the look is the process's own while /proc's clock cannot tell them apart",
        found_at(1_005), fork().at(1_019), unasked(), OwnFork);
    rows.event("a FORK two ticks after the start of a process that was found is the next owner's",
        found_at(1_005), fork().at(1_020), led().started(1_020),
        exit_first_at(1_020));
    rows.event("a process that had run when it was found was forked before: a FORK within a tick is another's",
        found_running_at(1_005), fork().at(1_006), unasked(),
        exit_first_at(1_006));
    rows.event("a second FORK from before a process was found is its own: the first one was a previous owner's",
        found().fork_seen(), fork().at(1_400), unasked(), OwnFork);
    rows.event("a process that was found has one FORK: a second one from after that is the next owner's",
        found().fork_seen(), fork().at(1_501), unasked(),
        exit_first_at(1_501));
    rows.event("a FORK behind the EXIT of a process that was found is no later owner's if the look came after it",
        found_at(1_005).exited(Leaders(0x100)), fork().at(1_004), unasked(), OwnFork);
    rows.event("a FORK behind the EXIT of a process that was found is the next owner's if it came after the look",
        found_at(1_005).exited(Leaders(0x100)), fork().at(1_006), unasked(),
        known_exit_first(Leaders(0x100)));
    rows.event("a process that a scan found, and another no longer, may still get its own FORK",
        found().vanished(), fork().at(1_400), unasked(), OwnFork);
    rows.event("the FORK of the next owner ends the wait for the EXIT of a process that vanished",
        forked().vanished(), fork(), unasked(), exit_first());
    rows.event("the exit code of a process whose EXIT came is kept when the next owner's FORK comes",
        forked().exited(Leaders(0x100)), fork(), unasked(), known_exit_first(Leaders(0x100)));
    rows.event("a status that /proc showed before the next owner's FORK is kept",
        forked().exited(Own(0x100)), fork(), unasked(), known_exit_first(Own(0x100)));
    rows.event("a status that /proc showed when the next owner existed may be the next owner's",
        forked().exited(Own(0x100)), fork().at(1_900), unasked(), known_exit_first(Unknown));
    rows.event("a status that /proc showed at the moment of the next owner's FORK is kept",
        forked().exited(Own(0x100)), fork().at(1_901), unasked(), known_exit_first(Own(0x100)));
    rows.event("the code in the EXIT of a single-threaded process is kept, even if the next owner existed by then",
        forked().exited(Sole(0x100)), fork().at(1_900), unasked(), known_exit_first(Sole(0x100)));
    rows.event("the code in an EXIT is the leader's, even if the next owner existed when that was handled",
        forked().exited(Leaders(0x100)), fork().at(1_900), unasked(),
        known_exit_first(Leaders(0x100)));
}

#[rustfmt::skip]
fn exits(rows: &mut Rows) {
    rows.event("an EXIT of an unknown pid is of a process that was gone before it could be found",
        NO_RECORD, exit(0), unasked(), Known);
    rows.event("an EXIT from before the start of the pid's owner is a previous owner's",
        forked(), exit(0).at(999), unasked(), PastExit);
    rows.event("an EXIT from before the FORK is a previous owner's, even if /proc calls both equally old",
        forked().forked_at(1_005), exit(0).at(1_004), unasked(), PastExit);
    rows.event("an EXIT from before a look showed the process alive is not its exit",
        found(), exit(0).at(1_499), unasked(), PastExit);
    rows.event("an EXIT of a process that was found and not reported waits until that has been reported",
        unreported(), exit(0), unasked(), ReportFirst);
    rows.row("the look after an EXIT need not show ids",
        asked(forked(), exit(0)), Question::Look { with_credentials: false });
    rows.event("an EXIT of a leader whose threads live on is not the exit of the process",
        forked(), exit(0), leaderless(), outlived());
    rows.event("an EXIT without a parent, although other threads live, may be a previous owner's: its code says nothing",
        forked(), exit(0x100).reaped(), leaderless(),
        Outlived { code: Unknown, is_leader_gone: true, is_fork_earlier: true });
    rows.event("an EXIT of a leader whom an exec is replacing is not the exit of the process",
        forked(), exit(0), between_leaders(), outlived());
    rows.event("an EXIT of a leader whom an exec has replaced is not the exit of the process",
        forked(), exit(0), led(), exec_to_come());
    rows.event("an EXIT from before the look that found a process does not show that its FORK came earlier",
        found(), exit(0).at(1_500), leaderless(),
        Outlived { code: Leaders(0), is_leader_gone: true, is_fork_earlier: false });
    rows.event("an EXIT from after the look that found a process shows that its FORK came earlier",
        found(), exit(0).at(1_501), leaderless(), outlived());
    rows.event("a process is gone when its EXIT is handled",
        forked(), exit(0x100), nobody(), exited(Leaders(0x100)));
    rows.event("another owner of the pid shows that the process exited, and has to be looked for",
        forked(), exit(0x100), led().started(1_990),
        replaced_late(2_000, 2_001, Leaders(0x100)));
    rows.event("a process whose start is not known is gone if /proc shows any",
        forked_unseen(), exit(0x100), led(),
        replaced_late(2_000, 2_001, Leaders(0x100)));
    rows.event("a process whose start is not known has no older EXIT than its FORK",
        forked_unseen().forked_at(9), exit(0x100).at(10), nobody(), exited_at(10, Leaders(0x100)));
    rows.event("a second EXIT does not make the table forget that the pid has another owner",
        forked().exited(Leaders(0x200)).replaced(), exit(0x100), nobody(),
        replaced_late(2_000, 2_001, Leaders(0x100)));
    rows.event("the pidfd of a process that outlived its leader is asked, not the EXIT",
        forked().watched(), exit(0x100), nobody(), AskPidfd { code: Leaders(0x100), is_replaced: false });
    rows.event("the pidfd of a process that outlived its leader is asked even if /proc shows a zombie",
        forked().watched(), exit(0x100), zombie_with(0x200), AskPidfd { code: Leaders(0x100), is_replaced: false });
    rows.event("the pidfd of a process that outlived its leader is asked even if the pid has another owner",
        forked().watched(), exit(0x100), led().started(1_990), AskPidfd { code: Leaders(0x100), is_replaced: true });
    rows.event("a process whose pidfd is waited for lives on while /proc shows it",
        forked().watched(), exit(0), leaderless(), outlived());
}

#[rustfmt::skip]
fn exit_codes(rows: &mut Rows) {
    rows.event("the status that /proc shows of a zombie is the process's own, whatever the EXIT says",
        forked(), exit(0x300), zombie_with(0x700), exited(Own(0x700)));
    rows.event("a zombie that /proc shows with status 0 to a reader that may trace it exited with 0",
        forked(), exit(0x300), zombie_with(0), exited(Own(0)));
    rows.event("if the status of a zombie is hidden, the EXIT has the leader's",
        forked(), exit(0x300), zombie(), exited(Leaders(0x300)));
    rows.event("the status of the next owner, a zombie, is not that of the process",
        forked(), exit(0x100), zombie_with(0x200).started(1_990),
        replaced_late(2_000, 2_001, Leaders(0x100)));
    rows.event("the status of a signal is a code, too",
        forked(), exit(9), nobody(), exited(Leaders(9)));
    rows.event("the code of an EXIT that is handled late is still the leader's",
        forked(), exit(0x100).judged(9_000), nobody(),
        exited_late(2_000, 9_000, Leaders(0x100)));
    rows.event("a process that never had a second thread exited with the code in its EXIT, however late that is",
        forked().single_threaded(), exit(0x100).judged(9_000), unasked(),
        exited_late(2_000, 9_000, Sole(0x100)));
    rows.event("so did a process that a scan had found alone, which takes a look: its pid may have another owner",
        found().single_threaded(), exit(0x100), nobody(), exited(Sole(0x100)));
    rows.event("an EXIT from before an exec is that of the leader that the exec has replaced",
        Record { threads: Threads::LeaderAlone { since_ns: HEARD, complete_ns: HEARING.complete_since_ns }, ..forked() },
        exit(9), nobody(), exited(Leaders(9)));
    rows.event("an EXIT that sends no signal is that of a leader that an exec has replaced",
        forked().single_threaded(), exit(9).without_signal(), nobody(), exited(Leaders(9)));
    rows.event("the FORK of a thread may have been lost: the code is only the leader's",
        forked().single_threaded(), exit(0x100), nobody().after_a_loss_at(1_950), exited(Leaders(0x100)));
    rows.event("where the FORKs of threads are not received, the code is only the leader's",
        forked(), exit(0x100), nobody().without_thread_forks(), exited(Leaders(0x100)));
    rows.event("an EXIT without a parent, right after a loss, may be that of an unknown previous owner",
        forked(), exit(0).reaped(), nobody().after_a_loss_at(1_000), exited(Doubtful(0)));
    rows.event("an EXIT without a parent, more than a second after the last loss, is the process's",
        forked().single_threaded(), exit(0x100).reaped(), nobody(), exited(Sole(0x100)));
    rows.event("an EXIT without a parent, behind another one, may be a previous owner's: the code of the first stays",
        forked().single_threaded().exited(Sole(0x100)), exit(0x200).reaped(), nobody().after_a_loss_at(1_000),
        exited(Sole(0x100)));
    rows.event("the EXIT of a process that never had a second thread says more than a zombie that has its pid",
        found().single_threaded(), exit(0x100), zombie_with(0x700), exited(Sole(0x100)));
    rows.event("the zombie of a process whose threads may have been missed shows its own status",
        forked().single_threaded(), exit(0x100), zombie_with(0x700).after_a_loss_at(1_950), exited(Own(0x700)));
    rows.event("a process that was single-threaded may have sent no two EXITs: the second code is only a leader's",
        forked().single_threaded().exited(Sole(0x100)), exit(0x200), nobody(), exited(Leaders(0x200)));
    rows.event("the status that a pidfd showed is not replaced by the leader's",
        forked().exited(Own(0x700)), exit(0x200), nobody(), exited(Own(0x700)));
    rows.event("the FORK of a thread shows that the process has one",
        forked(), thread_fork(), unasked(), Threaded);
    rows.event("the FORK of an unknown process's thread is no start of a process",
        NO_RECORD, thread_fork(), unasked(), Known);
    rows.event("the FORK of a thread of the pid's previous owner says nothing about this one",
        forked(), thread_fork().at(999), unasked(), Known);
    rows.event("a zombie's own status does not grow old",
        forked(), exit(0x100).judged(3_000), zombie_with(0x100),
        exited_late(2_000, 3_000, Own(0x100)));
    rows.event("an EXIT from a CPU whose clock is ahead is not old",
        forked(), exit(0x100).judged(1_999), nobody(),
        exited_late(2_000, 1_999, Leaders(0x100)));
    rows.event("the code of an EXIT after another one is the newest leader's",
        forked().leader_exited(), exit(0x100), nobody(), exited(Leaders(0x100)));
    rows.event("a zombie's own status is believed even if the leader had sent an EXIT before",
        forked().leader_exited(), exit(0x100), zombie_with(0x700), exited(Own(0x700)));
    rows.event("of two EXITs without a look between them, the second has the newest leader's code",
        forked().exited(Leaders(0x100)), exit(0x200), nobody(), exited(Leaders(0x200)));
    rows.event("the EXIT of a process that a scan no longer saw is the only one",
        forked().vanished(), exit(0x100), nobody(), exited(Leaders(0x100)));
    rows.event("an EXIT with a parent is no previous owner's, although that one's has not come",
        forked_after_another(), exit(0x100), nobody(), exited(Leaders(0x100)));
    rows.event("an EXIT without a parent may be the previous owner's while that one's has not come",
        forked_after_another().single_threaded(), exit(0x100).reaped(), nobody(), exited(Doubtful(0x100)));
    rows.event("a zombie's own status is believed while the previous owner's EXIT has not come",
        forked_after_another(), exit(0x100), zombie_with(0x700), exited(Own(0x700)));
    rows.event("a process that outlived its leader, and could not be watched, has only the leader's code",
        forked().unwatched(), exit(0x100), nobody(), exited(Leaders(0x100)));
    rows.event("the EXIT of a process that was found has a code like any other",
        found(), exit(0x100), nobody(), exited(Leaders(0x100)));
}

#[rustfmt::skip]
fn execs(rows: &mut Rows) {
    rows.event("an EXEC of a process that lives is read from /proc",
        forked(), exec(), led(), Execed(AfterExec::Alive));
    rows.event("an EXEC of a process that has lost its leader since is read from /proc",
        forked(), exec(), leaderless(), Execed(AfterExec::Alive));
    rows.event("an EXEC of a process that is a zombie by now is reported, with its name",
        forked(), exec(), zombie(), Execed(AfterExec::Zombie));
    rows.event("an EXEC of a process that is gone by now is reported, without a name",
        forked(), exec(), nobody(), Execed(AfterExec::Gone));
    rows.event("the name of the pid's next owner is not the name of the program that was run",
        forked(), exec(), led().started(1_990), Execed(AfterExec::Gone));
    rows.event("an EXEC of a process that seemed to have exited is still reported",
        forked().exited(Leaders(0)), exec(), nobody(), Execed(AfterExec::Gone));
    rows.row("the look after an EXEC is to show ids, which a program may have been run with",
        asked(forked(), exec()), Question::Look { with_credentials: true });
    rows.event("an EXEC from before the start of the pid's owner is a previous owner's",
        forked(), exec().at(999), unasked(), Known);
    rows.event("an EXEC from before the look that found a process is reflected",
        found(), exec().at(1_499), unasked(), Known);
    rows.event("an EXEC from the moment of the look that found a process is reported",
        found(), exec().at(1_500), led(), Execed(AfterExec::Alive));
    rows.event("every EXEC of a process whose FORK was seen is reported, even if the look was ahead of it",
        Record { read_ns: 2_500 * MS, ..forked() }, exec(), led(), Execed(AfterExec::Alive));
    rows.event("an EXEC of a process that was found and not reported waits until that has been reported",
        unreported(), exec(), unasked(), ReportFirst);
}

#[rustfmt::skip]
fn details(rows: &mut Rows) {
    let in_session = |session| {
        let mut record = forked();
        record.process.session = session;
        record
    };
    rows.event("a COMM renames", forked(), comm(DOG), unasked(), Verdict::Renamed(DOG));
    rows.event("a name is as long as the kernel lets it be",
        forked(), comm(*b"fifteen letters\0"), unasked(), Verdict::Renamed(*b"fifteen letters\0"));
    rows.event("a new name that is the old one is no change",
        forked(), comm(CAT), unasked(), Known);
    rows.event("a name is new if the table had none that was valid",
        forked_unseen(), comm(CAT), unasked(), Verdict::Renamed(CAT));
    rows.event("a COMM from before the process was read is reflected",
        found(), comm(DOG).at(1_499), unasked(), Known);
    rows.event("a COMM from the moment that the process was read is news",
        found(), comm(DOG).at(1_500), unasked(), Verdict::Renamed(DOG));
    rows.event("a kernel thread has no name, because it may change that without an event",
        kernel_thread(), comm(DOG), unasked(), Known);
    rows.event("a COMM that comes after the process seemed to exit is reported",
        forked().exited(Leaders(0)), comm(DOG), unasked(), Verdict::Renamed(DOG));
    rows.event("a UID changes user ids", forked(), uid(5, 6), unasked(), Verdict::UserIds(5, 6));
    rows.event("a GID changes group ids", forked(), gid(5, 6), unasked(), Verdict::GroupIds(5, 6));
    rows.event("a UID that changes nothing is no change", forked(), uid(0, 0), unasked(), Known);
    rows.event("a GID that changes nothing is no change", forked(), gid(0, 0), unasked(), Known);
    rows.event("an id from before the process was read is reflected",
        found(), uid(5, 6).at(1_499), unasked(), Known);
    rows.event("a SID makes the process the leader of its own session",
        in_session(INIT), sid(), unasked(), Verdict::LeadsSession);
    rows.event("a SID of a process that leads its session already is no change",
        in_session(PID), sid(), unasked(), Known);
    let mut stage = Stage::with([forked_unseen()]);
    stage.hear(sid(), unasked());
    stage.hear(comm(DOG), unasked());
    stage.hear(uid(5, 6), unasked());
    stage.hear(gid(7, 8), unasked());
    let process = stage.record(PID).process;
    rows.row("what events say is what the table has: a session, a name, ids",
        (process.session, process.comm, process.ruid, process.euid, process.rgid, process.egid),
        (PID, DOG, 5, 6, 7, 8));
    rows.row("a session and a name that an event carried are valid",
        process.valid, field::PARENT | field::SESSION | field::COMM);
    reports(rows, "an event that carries what is new is a change",
        &mut stage, &["7 session", "7 renamed", "7 credentials", "7 credentials"]);
    rows.event("a kind of event that the table does not ask for is nothing",
        forked(), coredump(), unasked(), Known);
}

#[rustfmt::skip]
fn lost_forks(rows: &mut Rows) {
    for (promise, heard) in [
        ("a COMM of an unknown process shows that its FORK was lost", comm(DOG)),
        ("a UID of an unknown process shows that its FORK was lost", uid(5, 6)),
        ("an EXEC of an unknown process shows that its FORK was lost", exec()),
    ] {
        rows.event(promise, NO_RECORD, heard, led(), Discovered);
    }
    rows.event("an unknown process that has lost its leader is found like any other",
        NO_RECORD, comm(DOG), leaderless(), Discovered);
    rows.event("an unknown process that is a zombie by now is not worth finding",
        NO_RECORD, comm(DOG), zombie(), Known);
    rows.event("an unknown process that is gone by now cannot be found",
        NO_RECORD, comm(DOG), nobody(), Known);
    rows.event("a process that started after an event is not the one that the event is about",
        NO_RECORD, comm(DOG), led().started(2_010), Known);
    rows.row("the look for a process whose FORK was lost is to show its ids",
        asked(NO_RECORD, comm(DOG)), Question::Look { with_credentials: true });
}

#[rustfmt::skip]
fn sleep(rows: &mut Rows) {
    rows.event("events do not count the time that the machine slept, and starts do: such an EXIT is older",
        forked().forked_at(500), exit(0).at(600).slept(399), unasked(), PastExit);
    rows.event("an EXIT that seems older than its process is not, if the machine has slept",
        forked().forked_at(500), exit(0x100).at(600).slept(400), nobody(),
        exited_at(600, Leaders(0x100)));
    rows.event("an EXEC that seems older than its process is not, if the machine has slept",
        forked(), exec().at(600).slept(400), led(), Execed(AfterExec::Alive));
    rows.event("a process seems to start after its FORK if the machine has slept",
        NO_RECORD, fork().at(600).slept(400), led(), started(true));
    rows.event("a process whose FORK was lost seems to start after its events if the machine has slept",
        NO_RECORD, comm(DOG).at(600).slept(400), led(), Discovered);
    rows.event("two ticks after a start are counted with the time that the machine slept",
        found_at(500), fork().at(619).slept(400), unasked(), OwnFork);

    let mut stage = Stage::with([]);
    stage.machine.sleeps_ns = 400 * MS;
    stage.hear(fork().at(600).judged(601), led());
    rows.row("a process that was forked while the machine slept and events were received is read",
        stage.record(PID).process.valid & field::START, field::START);
}

// ---- Scans ----

#[rustfmt::skip]
fn rechecks(rows: &mut Rows) {
    let mut row = |promise, record: Record, look: View, expected| {
        rows.row(promise, recheck(&record, &look.look), expected);
    };
    row("a scan compares a process that it sees again", forked(), led(), Recheck::Same);
    row("a scan compares a process without a leader", forked(), leaderless(), Recheck::Same);
    row("a scan compares a process between leaders", forked(), between_leaders(), Recheck::Same);
    row("a scan that sees another owner of a pid knows that the previous one exited",
        forked(), led().started(1_990), Recheck::Replaced);
    row("a scan that sees any owner of a pid knows that one whose start is not known exited",
        forked_unseen(), led(), Recheck::Replaced);
    row("a scan that sees another owner of a pid does not ask the pidfd of the previous one",
        forked().watched(), led().started(1_990), Recheck::Replaced);
    row("a scan sees another owner of a pid by the inode of its pidfd, although both seem to have started at once",
        forked().with_inode(301), led().with_inode(302), Recheck::Replaced);
    row("a scan sees the process again by the inode of its pidfd, whatever its start",
        forked().with_inode(301), led().with_inode(301).started(1_990), Recheck::Same);
    row("a scan goes by the start if it does not see an inode", forked().with_inode(301), led(), Recheck::Same);
    row("a scan goes by the start if the record has no inode",
        forked(), led().with_inode(302).started(1_990), Recheck::Replaced);
    row("a scan waits for the EXIT of a process that is gone", forked(), nobody(), Recheck::Gone);
    row("a scan waits for the EXIT of a zombie", forked(), zombie(), Recheck::Gone);
    row("a scan does not take a zombie for the next owner: its FORK may be queued",
        forked(), zombie().started(1_990), Recheck::Gone);
    row("no EXIT will come of a process whose pidfd is waited for: a scan asks that",
        forked().watched(), nobody(), Recheck::AskPidfd);
    row("no EXIT will come of a zombie whose pidfd is waited for: a scan asks that",
        forked().watched(), zombie(), Recheck::AskPidfd);
    row("a process without a leader that could not be watched is missed by a scan",
        forked().unwatched(), nobody(), Recheck::Gone);
    let mut looks = |promise, record: Record, expected| {
        rows.row(promise, [Cause::Opening, HEALING].map(|cause| is_rechecked(&record, cause)), expected);
    };
    looks("a later scan looks at what was reported", forked(), [false, true]);
    looks("a scan leaves a process alone whose exit waits to be reported",
        forked().exited(Own(0)), [false; 2]);
    looks("a scan leaves a process alone that vanished: its EXIT may be queued",
        forked().vanished(), [false; 2]);
    looks("a scan leaves a process alone that it found itself", unreported(), [false; 2]);
    looks("only the first scan looks at the root of a family, which was found before it",
        Record { family: Family::Root, ..unreported() }, [true, false]);
}

#[rustfmt::skip]
fn presences(rows: &mut Rows) {
    let mut row = |promise, record: Record, look: View, expected| {
        rows.row(promise, presence(&record, &look.look), expected);
    };
    row("a process lives with its leader", forked(), led(), Presence::Led);
    row("a process lives without its leader", forked(), leaderless(), Presence::Leaderless);
    row("a process lives between leaders", forked(), between_leaders(), Presence::Leaderless);
    row("a zombie exited", forked(), zombie(), Presence::Exited);
    row("a process that is gone exited", forked(), nobody(), Presence::Exited);
    row("a process exited if another one has its pid",
        forked(), leaderless().started(1_990), Presence::Exited);
    row("a process whose start is not known exited before it could be read",
        forked_unseen(), led(), Presence::Exited);
}

const DOUBT: Doubt =
    Doubt { lost: 1, since_ns: Some(1_000 * MS), noticed_ns: 2_000 * MS, is_deaf: false };
const HEALING: Cause = Cause::Doubt;

#[rustfmt::skip]
fn visits(rows: &mut Rows) {
    let mut row = |promise, listed, known, expected| {
        rows.row(promise, visit(listed, known), expected);
    };
    row("a scan visits what only /proc has", Some(7), Some(9), Visit::Listed(7));
    row("a scan visits what only the table has", Some(7), Some(5), Visit::Unlisted(5));
    row("a scan visits once what both have", Some(7), Some(7), Visit::Listed(7));
    row("a scan visits what the table has behind the end of the list",
        None, Some(9), Visit::Unlisted(9));
    row("a scan visits what /proc has behind the table's last", Some(7), None, Visit::Listed(7));
    row("a scan ends when both have ended", None, None, Visit::End);
    let mut stage = Stage::with([forked()]);
    stage.follower.agenda.scan = Scan::Listing { cause: Cause::Opening, done: INIT };
    let reported = stage.settle();
    rows.row("the first scan does not look at a process that an event reported",
        (reported.as_slice(), stage.machine.looks.get()), (&["synced".to_string()][..], 0));
}

#[rustfmt::skip]
fn scans(rows: &mut Rows) {
    let listing = |cause| Scan::Listing { cause, done: 0 };
    let reporting = |cause| Scan::Reporting { cause, done: 0 };
    let settling = |cause| Scan::Settling { cause, ended_ns: 2_000 * MS };
    let off = |ms| Scan::Off { ended_ns: ms * MS };
    let mut row = |promise, scan: Scan, doubt, oldest_exit_ms: Option<u64>, events, now_ms, due| {
        let oldest_exit_ns = oldest_exit_ms.map(|ms| ms * MS);
        rows.row(promise, scan.due(doubt, oldest_exit_ns, events, || now_ms * MS), due);
    };
    let doubt = Some(&DOUBT);
    row("no scan runs without doubt", off(0), None, None, 99, 9_999, Due::Never);
    row("a scan waits until no event is pending", off(0), doubt, None, 0, 2_100, Due::WhenQuiet);
    row("a flood does not put off a scan for ever", off(0), doubt, None, 0, 2_101, Due::Now);
    row("the time between two scans is counted from the end of the first",
        off(2_050), doubt, None, 0, 2_150, Due::WhenQuiet);
    row("a scan that is put off is due at last", off(2_050), doubt, None, 0, 2_151, Due::Now);
    row("nothing but what exists is reported before that has been listed",
        Scan::FIRST, None, None, 0, 0, Due::Now);
    row("nothing but what exists is reported before that has been reported",
        reporting(Cause::Opening), None, None, 0, 0, Due::Now);
    row("a scan lets 16 events pass before a step",
        listing(HEALING), None, None, 15, 0, Due::WhenQuiet);
    row("a scan takes a step after 16 events", listing(HEALING), None, None, 16, 0, Due::Now);
    row("a scan reports after 16 events", reporting(HEALING), None, None, 16, 0, Due::Now);
    row("a scan that reports lets 16 events pass",
        reporting(HEALING), None, None, 15, 0, Due::WhenQuiet);
    row("a scan ends if no exit waits", settling(HEALING), None, None, 0, 0, Due::Now);
    row("a scan does not end before the exits that it noticed have been reported",
        settling(HEALING), None, Some(2_000), 99, 0, Due::WhenQuiet);
    row("a scan does not wait for exits from after its end",
        settling(HEALING), None, Some(2_001), 0, 0, Due::Now);
    row("the first scan waits for exits, too",
        settling(Cause::Opening), None, Some(2_000), 0, 0, Due::WhenQuiet);
    rows.row("what the first scan finds was there before the table, until the scan has ended",
        [Scan::FIRST, reporting(Cause::Opening), settling(Cause::Opening)].map(|it| it.is_first()),
        [true; 3]);
    rows.row("what a later scan finds started in a loss",
        [off(0), listing(HEALING), reporting(HEALING), settling(HEALING)].map(|it| it.is_first()),
        [false; 4]);
}

/// The kinds of the differences, each reported by itself, and the record after them.
fn compared(mut record: Record, look: View, fields: u32, kept: u32) -> (Vec<u32>, Record) {
    let mut comparison = Comparison { sight: *look.look.sight().unwrap(), fields, kept };
    let kinds = std::iter::from_fn(|| comparison.next_difference(&mut record)).collect();
    (kinds, record)
}

#[rustfmt::skip]
fn differences(rows: &mut Rows) {
    let mut row = |promise, record, look, expected: &[u32]| {
        let (kinds, after) = compared(record, look, field::ALL, field::ALL);
        rows.row(promise, kinds, expected.to_vec());
        after
    };
    let elsewhere = led().named(DOG).with(|sight| {
        sight.stat.parent = 4;
        sight.stat.session = 4;
        sight.credentials = Some(Credentials { ruid: 1, euid: 2, rgid: 3, egid: 4 });
    });
    let hidden = led().program(Image::UNKNOWN);
    row("a process that is as it was has no difference", found(), led(), &[]);
    let after = row("each difference is reported by itself",
        found(), elsewhere,
        &[change::REPARENTED, change::SESSION, change::RENAMED, change::CREDENTIALS]);
    row("a difference is reported once", after, elsewhere, &[]);
    let after = row("another program, which has another name, is one change",
        found(), led().program(OTHER_PROGRAM).named(DOG), &[change::EXECED]);
    rows.event("an EXEC from before a scan saw the program is reflected",
        after, exec(), unasked(), Known);
    rows.event("a FORK from before a scan saw the program is the process's own",
        after, fork(), unasked(), OwnFork);
    let mut row = |promise, record, look, expected: &[u32]| {
        let (kinds, after) = compared(record, look, field::ALL, field::ALL);
        rows.row(promise, kinds, expected.to_vec());
        after
    };
    let after = row("a process that hides its memory runs no other program", found(), hidden, &[]);
    row("another program is noticed even if it was hidden in between",
        after, led().program(OTHER_PROGRAM), &[change::EXECED]);
    let after = row("a program that is seen for the first time is not another one",
        found().program(Image::UNKNOWN), led(), &[]);
    row("a program that was seen for the first time can change",
        after, led().program(OTHER_PROGRAM), &[change::EXECED]);
    row("a process about to exit runs no other program", found(), led().program(Image::NONE), &[]);
    row("a process that had no program runs its first one",
        found().program(Image::NONE), led(), &[change::EXECED]);
    let after = row("a kernel's helper that runs a program is no kernel thread",
        kernel_thread(), led(), &[change::EXECED]);
    rows.row("a kernel's helper that runs a program has a name",
        (after.process.state, after.process.comm, after.process.valid & field::COMM),
        (0, CAT, field::COMM));
    let thread = led().program(Image::NONE).named(DOG).with(|it| it.stat.is_kernel_thread = true);
    let names = |it: (Vec<u32>, Record)| it.0;
    rows.row("a kernel thread may rename itself",
        names(compared(kernel_thread(), thread, field::ALL, field::ALL)), vec![]);
    let fewer = |look| names(compared(found(), look, field::PARENT, field::ALL));
    rows.row("only what is asked for is compared", fewer(elsewhere), vec![change::REPARENTED]);
    let mut unkept = found();
    unkept.process.valid = field::PARENT | field::START;
    rows.row("what the table does not keep is not compared",
        names(compared(unkept, elsewhere, field::ALL, field::PARENT | field::START)),
        vec![change::REPARENTED]);
    let after =
        compared(unkept, led().program(OTHER_PROGRAM), field::ALL, field::PARENT | field::START).1;
    rows.row("a name that the table does not keep is never valid",
        after.process.valid & field::COMM, 0);
    let unread = led().with(|sight| sight.credentials = None);
    rows.row("ids that were not read are not compared",
        names(compared(found(), unread, field::CREDENTIALS, field::ALL)), vec![]);
}

// ---- The order of jobs ----

#[rustfmt::skip]
fn jobs(rows: &mut Rows) {
    let due = |stage: &Stage| stage.next_job(Quiet::Unknown);
    let work = |stage: &Stage| stage.next_job(Quiet::All);
    let queue = |stage: &mut Stage, heard: Heard| {
        stage.follower.agenda.batch_mut()[0] = heard.event;
        stage.follower.agenda.note_received(1, 0, Slept(0));
    };

    let mut stage = Stage::with([forked()]);
    rows.row("a table receives first", due(&stage), Some(Job::Receive));
    rows.row("a table without events sees which processes without a leader exited",
        stage.next_job(Quiet::Queue), Some(Job::Watch));
    rows.row("a table has no work when all is quiet", work(&stage), None);
    stage.machine.has_announcement = true;
    rows.row("an announcement is work", work(&stage), Some(Job::Receive));
    stage.machine.has_announcement = false;
    let idle = stage.follower.has_work(&stage.machine);
    stage.follower.agenda.doubt_since(HEARD);
    rows.row("the table has work when there is a job although all is quiet",
        (idle, stage.follower.has_work(&stage.machine)), (false, true));
    rows.row("doubt is work", work(&stage), Some(Job::Scan));
    queue(&mut stage, comm(DOG));
    rows.row("an event that was received is work", work(&stage), Some(Job::Judge));
    stage.machine.now_ns.set(HEARD + 101 * MS);
    rows.row("doubt that has waited is work before events", work(&stage), Some(Job::Scan));

    let mut stage = Stage::with([forked().unwatched()]);
    rows.row("a process that is not waited for is no work by itself",
        (stage.next_job(Quiet::Queue), work(&stage)), (Some(Job::Watch), None));
    stage.follower.agenda.scan = Scan::FIRST;
    queue(&mut stage, comm(DOG));
    rows.row("the first scan is work before any event", work(&stage), Some(Job::Scan));
    stage.follower.agenda.scan = Scan::Listing { cause: HEALING, done: 0 };
    rows.row("a scan is work behind events", work(&stage), Some(Job::Judge));
    for _ in 0..16 {
        queue(&mut stage, comm(DOG));
        stage.follower.agenda.finish_event();
    }
    queue(&mut stage, comm(DOG));
    rows.row("a scan is work before the 17th event", work(&stage), Some(Job::Scan));
    stage.follower.agenda.note_scan_step();
    rows.row("after a step of the scan come events", work(&stage), Some(Job::Judge));
    stage.follower.agenda.finish_event();
    rows.row("a scan that is running is work", work(&stage), Some(Job::Scan));

    let gone = forked().exited(Leaders(0));
    let mut stage = Stage::with([gone]);
    let slot = stage.slot(PID);
    rows.row("an exited process that waits is work", work(&stage), Some(Job::Receive));
    queue(&mut stage, comm(DOG).at(1_901));
    rows.row("an exit is not reported before every event that was queued by then has been handled",
        due(&stage), Some(Job::Judge));
    queue(&mut stage, comm(DOG).at(1_902));
    rows.row("an exit is reported before events that were queued later",
        due(&stage), Some(Job::Exit(slot)));
    stage.follower.agenda.finish_event();
    queue(&mut stage, comm(DOG).at(1_800));
    rows.row("an exit is reported even if a clock steps back", due(&stage), Some(Job::Exit(slot)));

    let mut stage = Stage::with([gone]);
    let overrun = Event::overrun(1, HEARD, 3_000 * MS, reason::QUEUE);
    queue(&mut stage, Heard { event: overrun, ..comm(DOG) });
    rows.row("an announcement of a loss does not show what the queue has delivered",
        due(&stage), Some(Job::Judge));
    stage.follower.agenda.finish_event();
    rows.row("an exit waits behind an announcement of a loss until the queue is empty",
        work(&stage), Some(Job::Receive));
    stage.follower.agenda.note_received(0, 1_900 * MS, Slept(0));
    rows.row("a queue that was empty before the exit does not show that no event is about it",
        work(&stage), Some(Job::Receive));
    stage.follower.agenda.note_received(0, 1_901 * MS, Slept(0));
    rows.row("a queue that was empty once the exit had been seen shows that no event is about it",
        work(&stage), Some(Job::Exit(stage.slot(PID))));

    // A parent that exited and left an orphan, and one whose pid has another owner.
    let mut orphan = forked_as(8);
    orphan.process.parent_pid = PID;
    let mut stage = Stage::with([forked(), orphan, forked_as(9).exited(Leaders(0)).replaced()]);
    stage.follower.agenda.note_received(0, 1_902 * MS, Slept(0));
    let (parent, orphan, replaced) = (stage.slot(PID), stage.slot(8), stage.slot(9));
    stage.follower.census.remove(parent, false);
    rows.row("an orphan is work before an exit", work(&stage), Some(Job::Orphan(orphan)));
    let comparison =
        Comparison { sight: *led().look.sight().unwrap(), fields: field::PARENT, kept: field::ALL };
    stage.follower.agenda.compared = Some(Compared { slot: orphan, comparison, flags: 0 });
    rows.row("a comparison that was begun is work before anything else",
        work(&stage), Some(Job::Difference(orphan)));
    stage.follower.agenda.compared = None;
    stage.follower.census.settle_orphan(orphan);
    rows.row("an exit is work before a scan", work(&stage), Some(Job::Exit(replaced)));
    stage.follower.census.remove(replaced, false);
    stage.follower.agenda.scan = Scan::FIRST;
    rows.row("a pid that has another owner is work before a scan",
        work(&stage), Some(Job::Successor));
    stage.follower.census.finish_replaced(replaced);
    rows.row("a pid whose next owner was looked for is no work", work(&stage), Some(Job::Scan));
}

/// A process with this pid whose FORK was seen.
fn forked_as(pid: i32) -> Record {
    let mut record = forked();
    record.process.pid = pid;
    record
}

#[rustfmt::skip]
fn losses(rows: &mut Rows) {
    let healed = |agenda: &mut Agenda| {
        agenda.begin_scan(HEARD);
        (agenda.scan, agenda.healed)
    };
    let listing = |doubt| (Scan::Listing { cause: HEALING, done: 0 }, doubt);
    let lost = |count, since_ms: u64, until_ms: u64, reason| {
        Event::overrun(count, since_ms * MS, until_ms * MS, reason)
    };
    let mut agenda = Agenda::new(None, HEARING);
    agenda.note_loss(&lost(3, 1_500, 1_600, reason::QUEUE));
    agenda.note_loss(&lost(4, 1_400, 1_700, reason::QUEUE));
    let both =
        Doubt { lost: 7, since_ns: Some(1_400 * MS), noticed_ns: 1_600 * MS, is_deaf: false };
    rows.row("one scan heals all losses from before it", healed(&mut agenda), listing(both));
    let asked = Doubt { lost: 0, since_ns: None, noticed_ns: HEARD, is_deaf: false };
    rows.row("a scan heals a loss once", healed(&mut agenda), listing(asked));
    agenda.note_loss(&lost(0, 1_500, 1_600, reason::DEAF));
    agenda.note_loss(&lost(1, 1_650, 1_700, reason::QUEUE));
    let deaf = Doubt { lost: 1, since_ns: Some(1_500 * MS), noticed_ns: 1_600 * MS, is_deaf: true };
    rows.row("a deafness is remarked on even if a loss follows",
        healed(&mut agenda), listing(deaf));
    agenda.doubt_since(1_600 * MS);
    agenda.note_loss(&lost(1, 1_650, 1_700, reason::QUEUE));
    let both =
        Doubt { lost: 1, since_ns: Some(1_650 * MS), noticed_ns: 1_600 * MS, is_deaf: false };
    rows.row("a rescan that was asked for heals a loss, too", healed(&mut agenda), listing(both));
}

// ---- Several events, in the orders that kernels were seen to report, and what /proc shows ----

/// A row for what the table has reported, once it has nothing to do.
fn reports(rows: &mut Rows, promise: &'static str, stage: &mut Stage, expected: &[&str]) {
    rows.row(promise, stage.settle(), expected.iter().map(|it| (*it).to_owned()).collect());
}

#[rustfmt::skip]
fn execs_by_threads(rows: &mut Rows) {
    let mut stage = Stage::with([forked()]);
    rows.row("an exec by a thread: the leader's EXIT, handled at once, is not the process's",
        stage.hear(exit(0), between_leaders()), vec![outlived()]);
    rows.row("an exec by a thread: while it replaces the leader, the process is watched",
        (stage.record(PID).life, stage.record(PID).process.state),
        (Life::Leaderless(Watch::Pidfd), state::LEADER_GONE));
    rows.row("an exec by a thread: the EXEC shows that the process has a leader",
        stage.hear(exec().at(2_010), led()), vec![Execed(AfterExec::Alive)]);
    rows.row("an exec by a thread: a process that has a leader again is not watched",
        (stage.record(PID).life, stage.record(PID).process.state, stage.machine.watched.len()),
        (Life::Led, 0, 0));
    rows.row("an exec by a thread: the code of the EXIT behind the EXEC is believed",
        stage.hear(exit(0x700).at(2_020), nobody()), vec![exited_at(2_020, Sole(0x700))]);
    let history = ["7 execed", "7 exited 0x700"];
    reports(rows, "an exec by a thread is one EXECED, and one EXITED", &mut stage, &history);

    let mut stage = Stage::with([forked()]);
    rows.row("an exec by a thread, read late: the leader's EXIT is not the exit of a process that lives",
        stage.hear(exit(0).judged(2_500), led()), vec![exec_to_come()]);
    rows.row("an exec by a thread, read late: the EXEC is reported although an earlier look was ahead of it",
        stage.hear(exec().at(2_010).judged(2_500), led()), vec![Execed(AfterExec::Alive)]);
    reports(rows, "an exec by a thread, read late, is one EXECED", &mut stage, &["7 execed"]);

    let mut stage = Stage::with([forked()]);
    rows.row("an exec by a thread, read when all is over: the leader's EXIT seems to be the process's",
        stage.hear(exit(0).judged(2_500), nobody()),
        vec![exited_late(2_000, 2_500, Leaders(0))]);
    rows.row("an exec by a thread, read when all is over: the EXEC shows that it was not",
        stage.hear(exec().at(2_010).judged(2_500), nobody()), vec![Execed(AfterExec::Gone)]);
    rows.row("an exec by a thread, read when all is over: its own EXIT is waited for",
        stage.record(PID).life, Life::Led);
    rows.row("an exec by a thread, read when all is over: no thread came since, so the code is the process's",
        stage.hear(exit(0x700).at(2_020).judged(2_500), nobody()),
        vec![exited_late(2_020, 2_500, Sole(0x700))]);
    reports(rows, "an exec by a thread, read when all is over, is one EXECED and one EXITED",
        &mut stage, &["7 execed", "7 exited 0x700"]);

    let mut stage = Stage::with([forked()]);
    stage.hear(exit(0).judged(2_500), zombie());
    stage.hear(exec().at(2_010).judged(2_500), zombie());
    rows.row("an exec by a thread, read when the process is a zombie: its own EXIT is waited for",
        stage.record(PID).life, Life::Led);

    let mut stage = Stage::with([forked()]);
    stage.hear(exit(0), led());
    rows.row("an exec by a thread whose EXEC was lost: the code of the next EXIT is the new leader's",
        stage.hear(exit(0x700).at(2_020), nobody()), vec![exited_at(2_020, Leaders(0x700))]);

    let mut stage = Stage::with([forked()]);
    rows.row("an exec by a thread that overtakes the leader: the EXEC is the process's",
        stage.hear(exec(), led()), vec![Execed(AfterExec::Alive)]);
    rows.row("an exec by a thread that overtakes the leader: the EXIT behind it is the process's",
        stage.hear(exit(0x700).at(2_010), nobody()), vec![exited_at(2_010, Sole(0x700))]);
    reports(rows, "an exec by a thread that overtakes the leader is one EXECED and one EXITED",
        &mut stage, &["7 execed", "7 exited 0x700"]);

    let mut stage = Stage::with([forked()]);
    rows.row("an exec by a thread that fails: the leader's EXIT is not the process's",
        stage.hear(exit(0), leaderless()), vec![outlived()]);
    rows.row("an exec by a thread that fails: the COREDUMP says nothing",
        stage.hear(coredump().at(2_010), leaderless()), vec![Known]);
    rows.row("an exec by a thread that fails: its EXIT comes while the table waits for the pidfd",
        stage.hear(exit(11).at(2_020), nobody()), vec![AskPidfd { code: Leaders(11), is_replaced: false }]);
    reports(rows, "an exec by a thread that fails is one EXITED", &mut stage, &["7 exited leader's 0xb"]);

    let mut stage = Stage::with([forked()]);
    let zombie = zombie_with(11);
    rows.row("an exec by a thread that fails, read late: the first EXIT gets the process's own status",
        stage.hear(exit(0).judged(2_500), zombie),
        vec![exited_late(2_000, 2_500, Own(11))]);
    rows.row("an exec by a thread that fails, read late: the second EXIT gets the process's own status",
        stage.hear(exit(11).at(2_020).judged(2_500), zombie),
        vec![exited_late(2_020, 2_500, Own(11))]);
    reports(rows, "an exec by a thread that fails, read late, is one EXITED",
        &mut stage, &["7 exited 0xb"]);
}

#[rustfmt::skip]
fn programs(rows: &mut Rows) {
    let dog = |look: View| look.named(DOG).program(OTHER_PROGRAM);
    let mut stage = Stage::with([forked()]);
    let as_another_user = dog(led()).with(|sight| {
        sight.stat.session = 4;
        sight.credentials = Some(Credentials { ruid: 0, euid: 5, rgid: 0, egid: 0 });
    });
    stage.hear(exec(), as_another_user);
    reports(rows, "a program that is run with other ids, in another session, has these reported behind it",
        &mut stage, &["7 execed", "7 session", "7 credentials"]);
    rows.row("the name of a program that was run comes with it",
        (stage.record(PID).process.comm, stage.record(PID).image), (DOG, OTHER_PROGRAM));

    let mut stage = Stage::with([forked()]);
    stage.hear(exec(), dog(zombie()).program(Image::UNKNOWN));
    rows.row("a zombie has the name of its last program, and the program itself is not known",
        (stage.record(PID).process.comm, stage.record(PID).image), (DOG, PROGRAM));

    let mut stage = Stage::with([forked()]);
    stage.hear(exec(), nobody());
    rows.row("a process that is gone after an EXEC has no name that is valid",
        stage.record(PID).process.valid & field::COMM, 0);

    let mut stage = Stage::with([kernel_thread()]);
    stage.hear(exec(), dog(led()));
    rows.row("a kernel's helper is no kernel thread once its EXEC has come",
        (stage.record(PID).process.state, stage.record(PID).process.valid & field::COMM),
        (0, field::COMM));
}

#[rustfmt::skip]
fn leaders_that_exit_first(rows: &mut Rows) {
    let mut stage = Stage::with([forked()]);
    rows.row("a leader that exits first: its EXIT is not the process's",
        stage.hear(exit(0), leaderless()), vec![outlived()]);
    stage.machine.exits.insert(PID, PidfdExit::Status(0x700));
    stage.machine.readable = Some(PID);
    stage.show(PID, zombie());
    reports(rows, "a leader that exits first: the pidfd reports the exit, which has no event, and its status",
        &mut stage, &["7 exited 0x700"]);

    let mut stage = Stage::with([forked()]);
    rows.row("a leader that exits last, after the process was reaped: the code is the leader's",
        stage.hear(exit(0).reaped(), nobody()), vec![exited(Leaders(0))]);
    reports(rows, "a leader that exits last, after the process was reaped, is one EXITED",
        &mut stage, &["7 exited leader's 0x0"]);

    let mut stage = Stage::with([forked()]);
    stage.hear(exit(0), leaderless());
    stage.machine.exits.insert(PID, PidfdExit::Unknown);
    stage.machine.readable = Some(PID);
    stage.show(PID, nobody());
    reports(rows, "a leader that exits first: its code is reported if the pidfd does not show the process's",
        &mut stage, &["7 exited leader's 0x0"]);
}

#[rustfmt::skip]
fn reused_pids(rows: &mut Rows) {
    let next = led().started(2_010);
    let mut stage = Stage::with([forked()]);
    rows.row("a reused pid, read at once: the EXIT is the previous owner's",
        stage.hear(exit(0x300), nobody()), vec![exited(Leaders(0x300))]);
    rows.row("a reused pid, read at once: the FORK is of an unknown pid by then",
        stage.hear(fork().at(2_010), next), vec![started(true)]);
    reports(rows, "a reused pid, read at once: both owners are reported",
        &mut stage, &["7 exited leader's 0x300", "7 started"]);

    let mut stage = Stage::with([forked()]);
    rows.row("a reused pid, read late: the EXIT of a process whose pid /proc shows with another owner",
        stage.hear(exit(0x300).judged(2_500), next),
        vec![replaced_late(2_000, 2_500, Leaders(0x300))]);
    rows.row("a reused pid, read late: the FORK first ends the previous owner, then starts the next one",
        stage.hear(fork().at(2_010).judged(2_500), next),
        vec![Verdict::ExitFirst {
                exit: Exit { timestamp_ns: HEARD, code: Leaders(0x300) },
                is_exit_pending: false,
            }, started(true)]);
    reports(rows, "a reused pid, read late: the next owner starts once, by its FORK",
        &mut stage, &["7 exited leader's 0x300", "7 started"]);

    // FORK(next) EXIT(next) EXIT(previous): with preempt=full.
    let mut stage = Stage::with([forked()]);
    rows.row("a reused pid whose previous owner's EXIT comes last: the FORK ends the previous owner",
        stage.hear(fork().at(2_010), next),
        vec![exit_first_at(2_010), started(true)]);
    rows.row("a reused pid whose previous owner's EXIT comes last: the next owner expects two EXITs",
        expects_two_exits(stage.record(PID)), true);
    rows.row("a reused pid whose previous owner's EXIT comes last: an EXIT with a parent is the next owner's",
        stage.hear(exit(0x700).at(2_020), nobody()), vec![exited_at(2_020, Sole(0x700))]);
    rows.row("a reused pid whose previous owner's EXIT comes last: an EXIT without a parent changes nothing",
        stage.hear(exit(0x300).at(2_021).reaped(), nobody()), vec![exited_at(2_021, Sole(0x700))]);
    reports(rows, "a reused pid whose previous owner's EXIT comes last: each owner starts and exits once",
        &mut stage, &["7 exited", "7 started", "7 exited 0x700"]);

    let mut stage = Stage::with([forked()]);
    stage.hear(fork().at(2_010), next);
    rows.row("a reused pid whose previous owner's EXIT comes second: the next owner lives on",
        stage.hear(exit(0).at(2_020).reaped(), next),
        vec![Outlived { code: Unknown, is_leader_gone: false, is_fork_earlier: true }]);
    rows.row("a reused pid whose previous owner's EXIT comes second: the next owner's code is its own",
        stage.hear(exit(0x700).at(2_030), nobody()), vec![exited_at(2_030, Sole(0x700))]);
    reports(rows, "a reused pid whose previous owner's EXIT comes second: each owner starts and exits once",
        &mut stage, &["7 exited", "7 started", "7 exited 0x700"]);

    let mut stage = Stage::with([forked()]);
    stage.hear(fork().at(2_010).judged(2_500), nobody());
    rows.row("the next owner of a pid that is gone when its FORK is read has what it inherited",
        (stage.record(PID).process.valid, stage.record(PID).process.parent_pid),
        (field::PARENT, INIT));
    stage.hear(fork().at(2_020).judged(2_500), nobody());
    reports(rows, "three owners of a pid that are gone when it is read: each starts and exits",
        &mut stage, &["7 exited", "7 started", "7 exited", "7 started"]);
    rows.row("each owner of a pid waits for the previous owner's EXIT by itself",
        expects_two_exits(stage.record(PID)), true);
    stage.hear(fork().of(8).at(2_030), nobody());
    rows.row("an EXIT that is waited for is of one pid",
        expects_two_exits(stage.record(8)), false);
}

#[rustfmt::skip]
fn pids_reused_within_a_tick(rows: &mut Rows) {
    // The previous owner was found at 1,005 ms; /proc says of both owners that they started at
    // 1,000 ms.
    let mut stage = Stage::with([found_at(1_005)]);
    rows.row("owners as old as each other, one EXIT: the EXIT is not the exit of what /proc shows alive",
        stage.hear(exit(0).at(1_006), led()), vec![exec_to_come()]);
    rows.row("owners as old as each other, one EXIT: the FORK behind the EXIT is the next owner's",
        stage.hear(fork().at(1_008), led()),
        vec![exit_first_at(1_008), started(true)]);
    reports(rows, "owners as old as each other, one EXIT: both are reported",
        &mut stage, &["7 exited", "7 started"]);

    // The next owner is a zombie by the time that the previous owner's EXIT is handled.
    let zombie = zombie_with(0x200);
    let mut stage = Stage::with([forked()]);
    rows.row("owners as old as each other, the next a zombie: its status seems to be the previous owner's",
        stage.hear(exit(0x100).at(1_004).judged(1_020), zombie),
        vec![exited_late(1_004, 1_020, Own(0x200))]);
    rows.row("owners as old as each other, the next a zombie: its FORK shows whose status that may be",
        stage.hear(fork().at(1_005).judged(1_020), zombie),
        vec![unknown_exit_first(1_004), started(true)]);
    stage.hear(exit(0x200).at(1_006).judged(1_020), zombie);
    reports(rows, "owners as old as each other, the next a zombie: each code is the owner's or unknown",
        &mut stage, &["7 exited", "7 started", "7 exited 0x200"]);

    // The inodes of their pidfds tell them apart.
    let (next, zombie) = (led().with_inode(302), zombie.with_inode(302));
    let mut stage = Stage::with([forked().with_inode(301)]);
    rows.row("owners as old as each other, the next a zombie with another inode: its status is not the previous owner's",
        stage.hear(exit(0x100).at(1_004).judged(1_020), zombie),
        vec![replaced_late(1_004, 1_020, Leaders(0x100))]);
    let mut stage = Stage::with([found_at(1_005).with_inode(301)]);
    rows.row("owners as old as each other, the next with another inode: the EXIT is that of the previous one",
        stage.hear(exit(0).at(1_006).judged(1_020), next), vec![replaced_late(1_006, 1_020, Leaders(0))]);
    stage.hear(fork().at(1_008).judged(1_020), next);
    reports(rows, "owners as old as each other, with different inodes: both are reported",
        &mut stage, &["7 exited leader's 0x0", "7 started"]);

    let early = Record { read_ns: 1_009 * MS, ..forked().with_inode(302) };
    let mut stage = Stage::with([early]);
    stage.hear(fork().at(1_008).judged(1_020), next);
    rows.row("the inode of a process that was first looked at when its pid had the next owner is that of the next owner",
        stage.changes.iter().map(|change| change.process.pidfd_inode).collect::<Vec<_>>(), vec![0, 302]);

    // The next owner's FORK was taken for the previous owner's, which had come before the table.
    let mut stage = Stage::with([found_at(1_005)]);
    let next = led().started(1_010);
    rows.row("a FORK within two ticks may be taken for that of the process that was found",
        stage.hear(fork().at(1_012).judged(1_020), next), vec![OwnFork]);
    rows.row("a FORK that was taken for the previous owner's: the EXIT shows another owner",
        stage.hear(exit(0).at(1_013).judged(1_020), next),
        vec![replaced_late(1_013, 1_020, Leaders(0))]);
    reports(rows, "a FORK that was taken for the previous owner's: the next owner is looked for, and not lost",
        &mut stage, &["7 exited leader's 0x0", "7 started"]);

    rows.row("a next owner that was looked for is reported, and can be looked up",
        stage.follower.get(PID).map(|process| process.start_boottime_ns), Some(1_010 * MS));

    let mut stage = Stage::with([forked().watched()]);
    stage.hear(fork().at(2_010), led().started(2_010));
    rows.row("a pidfd is not waited for once the pid's next owner was forked",
        stage.machine.watched.len(), 0);

    let mut stage = Stage::with([found()]);
    rows.row("a FORK is a process's own once: the next one from after the look is the next owner's",
        (stage.hear(fork().at(1_400), led()), stage.hear(fork().at(1_501), led()).len()),
        (vec![OwnFork], 2));

    let mut stage = Stage::with([found().fork_seen()]);
    rows.row("a FORK that came is not forgotten because an EXIT of the leader shows that it had to come",
        (stage.hear(exit(0), led()), stage.hear(fork().at(2_001), led()).len()),
        (vec![exec_to_come()], 2));

    let mut stage = Stage::with([found_running_at(1_005).fork_seen()]);
    rows.row("a process that had run when it was found has no FORK after that, even if an early EXIT puts an earlier FORK in doubt",
        (stage.hear(exit(0).at(1_004), led()), stage.hear(fork().at(1_006), led()).len()),
        (vec![PastExit], 2));

    let mut stage = Stage::with([found_at(1_005).fork_seen(), found_as(8).fork_seen()]);
    stage.hear(exit(0).at(1_013).judged(1_020), next);
    stage.hear(exit(0).of(8).at(1_014).judged(1_020), next);
    reports(rows, "two processes whose pids were taken over at once both have their successors looked up",
        &mut stage, &["7 exited leader's 0x0", "8 exited leader's 0x0", "7 started", "8 started"]);
    rows.row("a pid whose successor was looked up is forgotten as taken over",
        stage.follower.census.first(Queue::Replaced), None);
}

/// A process with this pid that a scan found at 1,005 ms.
fn found_as(pid: i32) -> Record {
    let mut record = found_at(1_005);
    record.process.pid = pid;
    record
}

#[rustfmt::skip]
fn watched_processes(rows: &mut Rows) {
    let mut stage = Stage::with([forked().watched()]);
    stage.machine.readable = Some(PID);
    stage.show(PID, led());
    reports(rows, "a pidfd that becomes readable while an exec replaces the leader is not an exit",
        &mut stage, &[]);
    rows.row("a process that has a leader again, by its pidfd, is not watched",
        (stage.record(PID).life, stage.machine.watched.len()), (Life::Led, 0));

    let mut stage = Stage::with([forked().watched()]);
    stage.machine.readable = Some(PID);
    stage.show(PID, leaderless());
    let _ = stage.run();
    rows.row("a process whose pidfd is readable, and that /proc shows without a leader, is watched again",
        stage.record(PID).life, Life::Leaderless(Watch::Pidfd));

    let mut stage = Stage::with([forked().unwatched()]);
    stage.show(PID, led());
    stage.settle();
    rows.row("before the timer ticks, a process that is not waited for is not looked at",
        stage.record(PID).life, Life::Leaderless(Watch::Timer));
    stage.machine.has_ticked = true;
    stage.settle();
    rows.row("a process that got a leader before it could be waited for is like any other",
        (stage.record(PID).life, stage.machine.watched.len()), (Life::Led, 0));

    let mut stage = Stage::with([forked()]);
    stage.machine.pidfd_error = Some(Errno(libc::EMFILE));
    stage.hear(exit(0), leaderless());
    stage.machine.has_ticked = true;
    reports(rows, "a process without a pidfd is looked at when the timer ticks",
        &mut stage, &[]);
    rows.row("a process without a pidfd waits for the timer again",
        stage.record(PID).life, Life::Leaderless(Watch::Timer));
    stage.machine.pidfd_error = None;
    stage.machine.has_ticked = true;
    stage.settle();
    rows.row("a process that can be waited for at last waits for its pidfd",
        stage.record(PID).life, Life::Leaderless(Watch::Pidfd));

    let mut stage = Stage::with([forked()]);
    stage.machine.has_no_room = true;
    stage.hear(exit(0), leaderless());
    rows.row("no more processes are waited for than may be",
        (stage.record(PID).life, stage.machine.watched.len()), (Life::Leaderless(Watch::Timer), 0));
    stage.show(PID, zombie_with(0x700));
    stage.machine.has_ticked = true;
    reports(rows, "a process that is not waited for is reported with the status that /proc shows of the zombie",
        &mut stage, &["7 exited 0x700"]);

    let mut stage = Stage::with((10..60).map(|pid| {
        let mut record = forked().unwatched();
        record.process.pid = pid;
        record
    }));
    (10..60).for_each(|pid| stage.show(pid, leaderless()));
    stage.machine.has_no_room = true;
    stage.machine.has_ticked = true;
    let looks = stage.machine.looks.get();
    stage.settle();
    rows.row("at each tick, so many processes are looked at and no more", stage.machine.looks.get() - looks, 33);
    stage.machine.has_ticked = true;
    stage.settle();
    rows.row("the next tick goes on with the others", stage.machine.looks.get() - looks, 66);

    let mut stage = Stage::with([forked().unwatched()]);
    stage.machine.pidfd_error = Some(Errno(libc::EMFILE));
    stage.machine.has_ticked = true;
    reports(rows, "a process that could not be waited for, and is gone, exited: /proc reports that",
        &mut stage, &["7 exited"]);

    let mut stage = Stage::with([forked().unwatched()]);
    stage.machine.exits.insert(PID, PidfdExit::Status(0x700));
    stage.show(PID, zombie());
    stage.machine.has_ticked = true;
    reports(rows, "a pidfd that was opened before a look that shows a zombie knows how the process exited",
        &mut stage, &["7 exited 0x700"]);
}

// ---- Processes that /proc does not show ----

#[rustfmt::skip]
fn hidden_processes(rows: &mut Rows) {
    rows.event("a process that /proc hides starts all the same", NO_RECORD, fork(), hidden(), started(false));
    rows.event("an event of an unknown process that /proc hides shows that there is one",
        NO_RECORD, comm(DOG), hidden(), Discovered);
    rows.event("an EXIT of a leader whose hidden process lives is not the exit of the process",
        forked(), exit(0x100), hidden(),
        Outlived { code: Leaders(0x100), is_leader_gone: true, is_fork_earlier: false });
    rows.event("a program that a hidden process runs has no name", forked(), exec(), hidden(), Execed(AfterExec::Gone));
    rows.event("a late FORK of a process that is hidden now is its own", found(), fork(), hidden(), OwnFork);

    let mut stage = Stage::with([]);
    stage.hear(fork(), hidden());
    let process = stage.follower.get(PID).unwrap();
    rows.row("a hidden process has what its FORK carried, and nothing else",
        (process.valid, process.parent_pid, process.state, process.comm, process.start_boottime_ns),
        (field::PARENT, INIT, state::HIDDEN, [0; 16], 0));
    stage.hear(comm(DOG).at(2_010), hidden());
    stage.hear(exit(0x100).at(2_020), nobody());
    reports(rows, "a hidden process is reported from its events alone", &mut stage,
        &["7 started", "7 renamed", "7 exited 0x100"]);
    rows.row("a process that left is hidden no longer", stage.follower.census.hidden(), 0);

    let mut stage = Stage::with([]);
    stage.machine.lists_nothing = true;
    let init = stage.slot(INIT);
    stage.follower.census.remove(init, false);
    stage.show(INIT, hidden());
    stage.show(PID, led());
    stage.follower.agenda.scan = Scan::FIRST;
    reports(rows, "where /proc lists nothing, the first process shows that it hides them",
        &mut stage, &["1 found", "synced"]);
    rows.row("SYNCED says how many processes are hidden", stage.changes.last().map(|last| last.hidden), Some(1));

    let mut stage = Stage::with([forked()]);
    stage.show(PID, hidden());
    stage.follower.agenda.doubt_since(HEARD);
    reports(rows, "a process that a scan cannot read stays", &mut stage, &["synced recovered"]);
    let process = stage.follower.get(PID).unwrap();
    rows.row("what a scan could not compare is not valid", (process.valid, process.state), (field::START, state::HIDDEN));
    stage.show(PID, led().named(DOG));
    stage.follower.agenda.doubt_since(HEARD);
    stage.settle();
    let process = stage.follower.get(PID).unwrap();
    rows.row("a process that /proc shows again is read", (process.valid, process.state, process.comm), (field::ALL, 0, DOG));

    let mut stage = Stage::with([]);
    stage.hear(fork(), hidden());
    stage.show(PID, led().started(1_990));
    stage.follower.agenda.doubt_since(HEARD);
    stage.settle();
    let process = stage.follower.get(PID).unwrap();
    rows.row("a process that was hidden when it started is the one that /proc shows later",
        (process.valid, process.start_boottime_ns), (field::ALL, 1_990 * MS));

    let mut stage = Stage::with([]);
    stage.hear(fork(), hidden());
    stage.show(PID, led().started(2_010));
    stage.follower.agenda.doubt_since(HEARD);
    reports(rows, "a process that started after a hidden one is the next owner of the pid",
        &mut stage, &["7 started", "7 vanished recovered", "7 started recovered", "synced recovered"]);
}

#[rustfmt::skip]
fn hidden_statuses(rows: &mut Rows) {
    let judged = |status, may_trace, init: View| {
        let mut stage = Stage::with([forked()]);
        stage.machine.may_trace = may_trace;
        let slot = stage.slot(INIT);
        stage.follower.census.at_mut(slot).image = init.look.sight().unwrap().stat.image;
        stage.hear(exit(0x300), zombie_with(status));
        stage.settle().concat()
    };
    rows.row("a zombie's status 0 is believed if this reader may trace everything",
        judged(0, true, led()), "7 exited 0x0".to_owned());
    rows.row("a zombie's status 0 is not believed if this reader may not trace everything",
        judged(0, false, led()), "7 exited leader's 0x300".to_owned());
    rows.row("a zombie's status 0 is not believed if a security module hides even pid 1",
        judged(0, true, led().program(Image::UNKNOWN)), "7 exited leader's 0x300".to_owned());
    rows.row("a zombie's status other than 0 is never a hidden one",
        judged(0x700, false, led().program(Image::UNKNOWN)), "7 exited 0x700".to_owned());

    let mut stage = Stage::with([forked().watched()]);
    stage.machine.exits.insert(PID, PidfdExit::Unreaped);
    stage.machine.readable = Some(PID);
    stage.machine.may_trace = false;
    stage.show(PID, zombie_with(0));
    reports(rows, "the hidden status of a process that outlived its leader is not taken for a 0",
        &mut stage, &["7 exited"]);

    let mut stage = Stage::with([forked().watched()]);
    stage.machine.exits.insert(PID, PidfdExit::Unreaped);
    stage.machine.readable = Some(PID);
    stage.show(PID, zombie_with(0x900).started(1_990));
    reports(rows, "the status of the next owner, a zombie, is not that of a process that outlived its leader",
        &mut stage, &["7 exited"]);
}

#[rustfmt::skip]
fn one_family(rows: &mut Rows) {
    let state_of = |stage: &Stage, pid| stage.follower.get(pid).map(|it| it.state);
    let mut stage = Stage::of_family([]);
    stage.hear(fork().of(8).by(PID), led().started(1_990));
    stage.hear(fork().of(9).by(INIT), led().started(1_990));
    stage.hear(fork().of(10).by(8), led().started(1_990));
    stage.hear(fork().of(11).by(9), led().started(1_990));
    reports(rows, "a table of a family reports what is born to the root and its descendants",
        &mut stage, &["8 started", "8 reparented", "10 started", "10 reparented"]);
    rows.row("the table follows who is outside of the family, too", stage.record(11).family, Family::Outside);
    rows.row("who is outside of the family cannot be looked up", stage.follower.get(9), None);
    rows.row("who is outside of the family is nobody's parent", stage.follower.get(PID).map(|it| it.parent_id), Some(0));
    rows.row("who is outside of the family is not walked to", stage.follower.above(8).map(|it| it.pid), Some(10));
    rows.row("who is outside of the family does not count", stage.follower.reported, 3);
    rows.row("changes are numbered without those that are outside of the family", stage.follower.sequence, 4);
    stage.hear(exit(0).of(9), nobody());
    stage.hear(exit(0).of(8), nobody());
    stage.show(10, led().started(1_990));
    reports(rows, "the exit of a member is reported, and no other", &mut stage, &["8 exited leader's 0x0"]);
    rows.row("who exited does not count", stage.follower.reported, 2);

    let mut stage = Stage::of_family([]);
    stage.hear(fork().of(8).by(99), led().started(1_990));
    rows.row("a process may be of the family if its FORK names a parent that the table never knew",
        state_of(&stage, 8), Some(state::PERHAPS));
    stage.hear(fork().of(9).by(8), led().started(1_990));
    rows.row("a child of what may be of the family may be, too", state_of(&stage, 9), Some(state::PERHAPS));

    let mut stage = Stage::of_family([unreported_as(8), unreported_as(9)]);
    stage.follower.agenda.scan = Scan::Reporting { cause: Cause::Opening, done: INIT };
    reports(rows, "the first scan reports no orphan", &mut stage, &["synced"]);
    rows.row("an orphan that started when the table was opened waits for its FORK", stage.record(8).family, Family::Unjudged);
    stage.hear(fork().of(8).by(PID).at(1_010), led());
    stage.hear(fork().of(9).by(INIT).at(1_010), led());
    reports(rows, "an orphan is reported when its FORK names a member", &mut stage, &["8 started"]);
    rows.row("an orphan is outside when its FORK names a parent outside", stage.record(9).family, Family::Outside);

    let mut stage = Stage::of_family([unreported_as(8), unreported_as(9), unreported_as(10)]);
    stage.follower.agenda.doubted_ns = 1_600 * MS;
    stage.follower.agenda.scan = Scan::Reporting { cause: HEALING, done: INIT };
    for (pid, parent, read_ms) in [(INIT, 0, 1_700), (PID, INIT, 1_700), (8, PID, 1_500), (9, INIT, 1_500), (10, 9, 1_700)] {
        let slot = stage.follower.census.find(pid).unwrap();
        let record = stage.follower.census.at_mut(slot);
        (record.process.parent_pid, record.read_ns) = (parent, read_ms * MS);
        stage.follower.census.link(slot);
    }
    reports(rows, "after a loss, a scan reports the children of members, and orphans",
        &mut stage, &["8 started recovered", "9 started recovered", "10 started recovered", "synced recovered"]);
    rows.row("after a loss, the child of a member is one", state_of(&stage, 8), Some(0));
    rows.row("after a loss, an orphan may be a member", state_of(&stage, 9), Some(state::PERHAPS));
    stage.hear(fork().of(9).by(PID).at(1_010), led());
    rows.row("an orphan that may be a member is one when its FORK says so", state_of(&stage, 9), Some(0));

    // 4, 5 and 6 descend from each other, and the root from 6.
    let mut stage = Stage::of_family([4, 5, 6, 8, 9].map(unreported_as));
    for (pid, parent) in [(5, 4), (6, 5), (PID, 6), (8, 5), (9, INIT)] {
        let slot = stage.slot(pid);
        stage.follower.census.at_mut(slot).process.parent_pid = parent;
        stage.follower.census.link(slot);
    }
    let family_of = |stage: &mut Stage, pid| {
        let slot = stage.slot(pid);
        stage.follower.census.at_mut(slot).family = Family::Unjudged;
        stage.follower.judge_family(slot, None);
        stage.record(pid).family
    };
    rows.row("every ancestor of the root may adopt from the family",
        [4, 5, 6].map(|pid| stage.record(pid).family), [Family::Adopter; 3]);
    rows.row("a child of an adopter waits for its FORK", family_of(&mut stage, 8), Family::Unjudged);
    let born = |parent: i32| fork().of(8).by(parent).event;
    let slot = stage.slot(8);
    stage.follower.judge_family(slot, Some(&born(5)));
    rows.row("who was born to an adopter is outside", stage.record(8).family, Family::Outside);
    rows.row("no adopter is reported", stage.record(5).is_known(), false);
    stage.follower.agenda.doubted_ns = 1_400 * MS;
    rows.row("if its FORK was lost, a child of an adopter may be of the family", family_of(&mut stage, 8), Family::Perhaps);
    rows.row("if its FORK was lost, a child of pid 1 may be of the family", family_of(&mut stage, 9), Family::Perhaps);
    stage.follower.census.orphans_since_ns = STARTED + TICK_NS;
    rows.row("a child of an adopter that started in the tick of the opening may be younger, and of the family", family_of(&mut stage, 8), Family::Perhaps);
    stage.follower.census.orphans_since_ns = STARTED + TICK_NS + 1;
    rows.row("a child of an adopter that is older than the table is outside", family_of(&mut stage, 8), Family::Outside);

    // 8, 9 and 10 descend from each other, and 8 from the root. The pids say nothing about that.
    let mut stage = Stage::of_family([8, 9, 10].map(unreported_as));
    for (pid, parent) in [(8, 10), (10, 9), (9, PID)] {
        let slot = stage.slot(pid);
        stage.follower.census.at_mut(slot).process.parent_pid = parent;
        stage.follower.census.link(slot);
    }
    rows.row("the parents that lead to the root may be judged later", family_of(&mut stage, 8), Family::Member);
    rows.row("who is judged does not have its parents judged", stage.record(10).family, Family::Unjudged);
    let slot = stage.slot(9);
    stage.follower.census.at_mut(slot).process.parent_pid = 8;
    stage.follower.census.link(slot);
    rows.row("parents that were read at different times may form a circle", family_of(&mut stage, 8), Family::Unjudged);

    let mut stage = Stage::of_family([8, 9].map(unreported_as));
    let slot = stage.slot(8);
    let young = stage.slot(9);
    stage.follower.census.at_mut(young).family = Family::Member;
    stage.follower.judge_family(slot, Some(&fork().of(8).by(9).event));
    rows.row("the parent that a FORK names is a member", stage.record(8).family, Family::Member);
    stage.follower.census.at_mut(slot).family = Family::Unjudged;
    stage.follower.census.at_mut(young).process.start_boottime_ns = 3_000 * MS;
    stage.follower.judge_family(slot, Some(&fork().of(8).by(9).event));
    rows.row("a younger owner of the pid that a FORK names is not the parent", stage.record(8).family != Family::Member, true);
    stage.follower.census.at_mut(young).process.start_boottime_ns = STARTED;
    stage.follower.census.at_mut(slot).family = Family::Unjudged;
    stage.follower.agenda.doubted_ns = 1_600 * MS;
    stage.follower.judge_family(slot, Some(&fork().of(8).by(9).event));
    rows.row("after a loss, who owned the parent's pid before may be gone", stage.record(8).family != Family::Member, true);

    let born_to_an_owner_forked_at = |at_ms| {
        let mut stage = Stage::of_family([forked_as(8), forked_as(9).forked_at(at_ms)]);
        let [child, owner] = [8, 9].map(|pid| stage.slot(pid));
        stage.follower.census.at_mut(child).family = Family::Unjudged;
        stage.follower.census.at_mut(owner).family = Family::Member;
        stage.follower.judge_family(child, Some(&fork().of(8).by(9).event));
        stage.record(8).family
    };
    rows.row("the parent that a FORK names was forked before", born_to_an_owner_forked_at(1_999), Family::Member);
    rows.row("an owner of the pid that a FORK names, forked later in the same tick, is not the parent",
        born_to_an_owner_forked_at(2_001), Family::Perhaps);
}

#[rustfmt::skip]
fn families(rows: &mut Rows) {
    let child_of_7 = |look: View| look.with(|sight| sight.stat.parent = PID);
    let mut stage = Stage::with([forked()]);
    stage.hear(fork().of(8).by(PID), led().started(1_990));
    reports(rows, "a process whose parent exited before its FORK was handled started as that parent's child",
        &mut stage, &["8 started", "8 reparented"]);
    rows.row("a process is reported as the child of the parent that forked it, even if it has another by now",
        stage.changes[0].process.parent_id, stage.follower.get(PID).unwrap().id);
    let ids = [INIT, PID, 8].map(|pid| stage.follower.get(pid).unwrap().id);
    rows.row("each process has an id of its own", ids, [1, 2, 3]);

    let mut stage = Stage::with([]);
    stage.hear(fork().of(8).by(PID), led().started(1_990));
    reports(rows, "a process whose parent is not known started as the child of the parent that /proc shows",
        &mut stage, &["8 started"]);

    let mut stage = Stage::with([forked()]);
    stage.hear(fork().of(8).by(PID), child_of_7(led().started(1_990)));
    stage.hear(exit(0).at(2_010), nobody());
    stage.show(8, led().started(1_990));
    reports(rows, "an orphan is REPARENTED after the exit of its parent",
        &mut stage, &["8 started", "7 exited leader's 0x0", "8 reparented"]);
    rows.row("an orphan that was REPARENTED is the child of its new parent",
        stage.follower.get(8).unwrap().parent_id, stage.follower.get(INIT).unwrap().id);
    rows.row("to find the parent of an orphan, no ids are read", stage.machine.ids_read.get(), 1);

    let mut child = Record { origin: unreported().origin, ..forked_as(8) };
    child.process.parent_pid = PID;
    let mut stage = Stage::with([child]);
    stage.hear(fork(), led().started(1_990));
    stage.hear(comm(CAT).of(8), child_of_7(led()));
    rows.row("a child that was found and not reported is linked with its parent when it is reported",
        stage.follower.get(8).unwrap().parent_id, stage.follower.get(PID).unwrap().id);

    let mut child = found_as(8);
    child.process.parent_pid = PID;
    let mut stage = Stage::with([child]);
    stage.hear(fork().at(1_003), led());
    stage.hear(fork().of(8).by(PID).at(1_004), child_of_7(led()));
    rows.row("a child that the scan found before its parent has it once both FORKs have come",
        stage.follower.get(8).unwrap().parent_id, stage.follower.get(PID).unwrap().id);
}

#[rustfmt::skip]
fn healing(rows: &mut Rows) {
    let overrun = Heard { event: Event::overrun(5, 1_990 * MS, HEARD, reason::QUEUE), ..fork() };

    let mut stage = Stage::with([forked()]);
    stage.hear(overrun, nobody());
    stage.show(PID, nobody());
    reports(rows, "a process whose EXIT was lost vanishes, and then the loss is healed",
        &mut stage, &["7 vanished recovered", "synced recovered"]);

    let mut stage = Stage::with([forked()]);
    stage.hear(overrun, nobody());
    stage.show(PID, led().started(1_990));
    reports(rows, "a pid that got another owner in a loss: both are reported",
        &mut stage, &["7 vanished recovered", "7 started recovered", "synced recovered"]);

    let mut stage = Stage::with([]);
    stage.hear(overrun, nobody());
    stage.show(PID, led());
    reports(rows, "a process whose FORK was lost is found, and then the loss is healed",
        &mut stage, &["7 started recovered", "synced recovered"]);
    rows.row("a scan reads ids", stage.record(PID).process.valid, field::ALL);

    let mut stage = Stage::with([forked().watched()]);
    stage.hear(overrun, nobody());
    stage.show(PID, zombie());
    stage.machine.exits.insert(PID, PidfdExit::Status(0x700));
    reports(rows, "a scan that misses a process without a leader asks its pidfd",
        &mut stage, &["7 exited 0x700", "synced recovered"]);

    let mut child = forked_as(8);
    child.process.parent_pid = PID;
    let mut stage = Stage::with([forked(), child]);
    stage.hear(overrun, nobody());
    stage.show(PID, nobody());
    stage.show(8, led());
    let history = ["7 vanished recovered", "8 reparented recovered", "synced recovered"];
    reports(rows, "an orphan whose parent exited in a loss is RECOVERED", &mut stage, &history);

    let scanned = |record, look| {
        let mut stage = Stage::with([record]);
        stage.hear(overrun, nobody());
        stage.show(PID, look);
        let words = stage.settle();
        (stage, words)
    };
    let (mut stage, words) = scanned(forked(), led().named(DOG));
    rows.row("what a scan finds changed is RECOVERED",
        words, ["7 renamed recovered", "synced recovered"].map(str::to_owned).to_vec());
    rows.row("a COMM from before a scan read the process is reflected",
        stage.hear(comm(CAT), led()), vec![Known]);
    let (stage, _) = scanned(forked(), leaderless());
    rows.row("a process that a scan sees without its leader is watched",
        stage.record(PID).life, Life::Leaderless(Watch::Pidfd));
    let (mut stage, _) = scanned(forked().watched(), led().started(1_990));
    rows.row("a pidfd is not waited for once a scan saw another owner of the pid",
        stage.machine.watched.len(), 0);
    rows.row("a process that vanished did so when the scan noticed",
        stage.changes[0].timestamp_ns > HEARD, true);
    stage.follower.agenda.doubt_since(HEARD);
    stage.show(3, led());
    reports(rows, "a second scan lists all of /proc again",
        &mut stage, &["unsynced", "3 started recovered", "synced recovered"]);

    let mut child = forked();
    child.process.parent_pid = 9;
    let mut stage = Stage::with([child]);
    stage.hear(overrun, nobody());
    stage.show(PID, led().with(|sight| sight.stat.parent = 9));
    stage.show(9, led());
    stage.settle();
    rows.row("a child whose parent a scan finds later is linked with it",
        stage.follower.get(PID).unwrap().parent_id, stage.follower.get(9).unwrap().id);

    let (mut stage, _) = scanned(forked(), led());
    stage.hear(overrun, nobody());
    rows.row("a table that agreed with /proc no longer does so when a loss is noticed",
        stage.follower.agenda.is_synced(), false);
    stage.show(PID, led());
    stage.run().unwrap();
    rows.row("the beginning of a doubt is reported at once, with what is known of the loss",
        stage.changes.last().map(|last| (last.kind, last.lost, last.since_ns, last.timestamp_ns)),
        Some((change::UNSYNCED, 5, 1_990 * MS, HEARD)));
    stage.hear(overrun, led());
    reports(rows, "a second loss before the scan is part of one doubt",
        &mut stage, &["unsynced", "synced recovered"]);
    rows.row("SYNCED counts the losses of the whole doubt",
        stage.changes.last().map(|last| (last.lost, last.since_ns)), Some((10, 1_990 * MS)));
    rows.row("changes are numbered", stage.changes.iter().map(|change| change.sequence).collect::<Vec<_>>(),
        (1..=stage.changes.len() as u64).collect());
    rows.row("a process that is read says which changes it reflects",
        stage.follower.get(PID).map(|process| process.sequence), Some(stage.changes.len() as u64));

    let (mut stage, _) = scanned(forked(), led());
    stage.hear(overrun, led());
    while !matches!(stage.follower.agenda.scan, Scan::Settling { .. }) {
        stage.run().unwrap();
    }
    stage.follower.agenda.note_loss(&overrun.event);
    rows.row("after a loss during a scan, SYNCED does not mean that the table agrees with /proc",
        (stage.settle(), stage.follower.agenda.is_synced()),
        (["unsynced", "synced recovered", "unsynced", "synced recovered"].map(String::from).to_vec(), true));

    let deaf = Heard { event: Event::overrun(0, HEARD, HEARD, reason::DEAF), ..fork() };
    let mut stage = Stage::with([]);
    stage.hear(deaf, nobody());
    reports(rows, "the end of a deafness is remarked on when it is healed",
        &mut stage, &["synced recovered deaf"]);

    let mut stage = Stage::with([unreported()]);
    stage.follower.agenda.scan = Scan::FIRST;
    stage.show(PID, led());
    reports(rows, "what the first scan finds is FOUND, and then the table is /proc",
        &mut stage, &["7 found", "synced"]);

    let child_of = |parent| led().with(|sight| sight.stat.parent = parent);
    let at_the_opening = || {
        let mut stage = Stage::with([]);
        let init = stage.slot(INIT);
        stage.follower.census.remove(init, false);
        stage.follower.agenda.scan = Scan::FIRST;
        stage
    };
    let mut stage = at_the_opening();
    for (pid, parent) in [(5, 9), (6, 5), (9, 20), (20, INIT)] {
        stage.show(pid, child_of(parent));
    }
    while matches!(stage.follower.agenda.scan, Scan::Listing { .. }) {
        stage.run().unwrap();
    }
    let found = |change: &Change| {
        (change.process.pid, change.process.parent_pid, change.process.parent_id != 0)
    };
    rows.row("the first scan reports each process as soon as it has read it and its parent, whose pid may be higher",
        stage.changes.iter().map(found).collect::<Vec<_>>(),
        vec![(INIT, 0, false), (5, 9, true), (6, 5, true), (9, 20, true), (20, INIT, true)]);
    reports(rows, "what was reported before the end of the first scan is not reported again", &mut stage,
        &["1 found", "5 found", "6 found", "9 found", "20 found", "synced"]);

    let mut stage = at_the_opening();
    stage.show(5, child_of(9));
    stage.show(9, hidden());
    reports(rows, "a hidden parent, which /proc does not list, is not found by its child",
        &mut stage, &["1 found", "5 found", "synced"]);

    let mut stage = Stage::with([]);
    stage.hear(comm(DOG), led());
    reports(rows, "a process whose FORK was lost is RECOVERED by any of its events",
        &mut stage, &["7 started recovered"]);

    let mut stage = Stage::with([]);
    stage.hear(overrun, nobody());
    stage.show(PID, leaderless());
    stage.settle();
    rows.row("a process that a scan finds without a leader is watched",
        stage.record(PID).life, Life::Leaderless(Watch::Pidfd));

    let mut child = Record { origin: unreported().origin, ..forked_as(8) };
    child.process.parent_pid = PID;
    let mut stage = Stage::with([forked(), child]);
    stage.follower.agenda.scan = Scan::Reporting { cause: HEALING, done: 0 };
    stage.hear(exit(0), nobody());
    stage.show(8, led());
    let history = ["7 exited leader's 0x0", "8 started recovered", "synced recovered"];
    reports(rows, "a process that a scan found as an orphan starts as the child of its new parent",
        &mut stage, &history);

    let mut stage = Stage::with([forked(), forked_as(8).vanished()]);
    let slot = stage.slot(8);
    stage.follower.census.at_mut(slot).process.parent_pid = PID;
    stage.follower.census.link(slot);
    let parent = stage.slot(PID);
    stage.follower.census.remove(parent, false);
    rows.row("a process that exited is no orphan",
        stage.follower.census.first(Queue::Orphans), None);

    let mut stage = Stage::with((2..=250).map(forked_as));
    stage.follower.agenda.scan = Scan::Reporting { cause: HEALING, done: 0 };
    let _ = stage.run();
    rows.row("one step of a scan passes 100 processes, however large the table is",
        stage.follower.agenda.scan, Scan::Reporting { cause: HEALING, done: 100 });
}

#[rustfmt::skip]
fn the_callers_view(rows: &mut Rows) {
    let kept_of = |fields| {
        let mut stage = Stage::with([]);
        stage.follower.fields = fields;
        stage.hear(fork(), led().started(1_990));
        (stage.record(PID).process.valid, stage.machine.ids_read.get())
    };
    rows.row("a field that the caller did not ask for is not valid, and ids are not read for nothing",
        kept_of(field::PARENT | field::START), (field::PARENT | field::START, 0));
    rows.row("a field that the caller asked for is valid", kept_of(field::ALL), (field::ALL, 1));

    let mut stage = Stage::with([unreported(), forked_as(8)]);
    rows.row("a process that was not reported cannot be looked up", stage.follower.get(PID), None);
    rows.row("a process that was not reported can be given nothing to keep",
        stage.follower.set_user(PID, 1), None);
    rows.row("a walk passes a process that was not reported",
        stage.follower.above(INIT).map(|process| process.pid), Some(8));
    rows.row("a process that was not reported does not count", stage.follower.reported, 2);
    stage.hear(exit(0).at(1_600), led());
    rows.row("a process counts once it is reported", stage.follower.reported, 3);

    let mut stage = Stage::with([forked()]);
    stage.follower.set_user(PID, 77);
    rows.row("what the caller keeps with a process is kept",
        stage.follower.get(PID).map(|process| process.user), Some(77));
    stage.hear(fork().of(8).by(PID), nobody());
    rows.row("a child that is gone before it is read has no name, and not what the caller keeps",
        stage.follower.get(8).map(|it| (it.comm, it.user, it.state, it.start_boottime_ns)),
        Some(([0; 16], 0, 0, 0)));
}

#[rustfmt::skip]
fn errors(rows: &mut Rows) {
    let failed = Some(Errno(libc::EMFILE));
    // What the job is, the error, and what the job is afterwards.
    let again = |stage: &mut Stage| {
        let before = stage.next_job(Quiet::Unknown);
        stage.machine.look_error.set(failed);
        let error = stage.run().err();
        (error, before.is_some() && before == stage.next_job(Quiet::Unknown))
    };
    let mut orphan = forked_as(8);
    orphan.process.parent_pid = PID;
    let mut stage = Stage::with([forked(), orphan]);
    let parent = stage.slot(PID);
    stage.follower.census.remove(parent, false);
    rows.row("after an error, an orphan is looked at again", again(&mut stage), (failed, true));

    let mut stage = Stage::with([forked().exited(Leaders(0)).replaced()]);
    let previous = stage.slot(PID);
    stage.follower.census.remove(previous, false);
    rows.row("after an error, a next owner is looked for again", again(&mut stage), (failed, true));

    let mut stage = Stage::with([forked()]);
    stage.follower.agenda.batch_mut()[0] = exit(0).event;
    stage.follower.agenda.note_received(1, 0, Slept(0));
    rows.row("after an error, an event is judged again", again(&mut stage), (failed, true));

    let mut stage = Stage::with([forked()]);
    let here = Scan::Listing { cause: HEALING, done: INIT };
    stage.follower.agenda.scan = here;
    stage.machine.look_error.set(failed);
    rows.row("after an error, a scan looks at the same process again",
        (stage.run().err(), stage.follower.agenda.scan), (failed, here));
}

// ---- Threads ----

#[rustfmt::skip]
fn many_threads(rows: &mut Rows) {
    let mut stage = Stage::with([forked().single_threaded()]);
    for _ in 0..15 {
        stage.hear(thread_fork(), unasked());
    }
    rows.row("the FORKs of a few threads are received", stage.machine.unheard.clone(), vec![]);
    stage.hear(thread_fork(), unasked());
    rows.row("the FORKs of further threads of a process are left out", stage.machine.unheard.clone(), vec![PID]);
    stage.hear(exec().at(2_100), led());
    rows.row("a process that runs another program is heard again", stage.machine.unheard.clone(), vec![]);
    stage.hear(exit(0x100).at(2_200), nobody());
    reports(rows, "threads that started between an EXEC and its handling were not heard: the code is the leader's",
        &mut stage, &["7 execed", "7 exited leader's 0x100"]);
    stage.hear(fork().at(2_300), nobody());
    stage.hear(exit(0x100).at(2_400), nobody());
    reports(rows, "the threads of the next owner of a pid are heard",
        &mut stage, &["7 started", "7 exited 0x100"]);

    let mut stage = Stage::with([forked().single_threaded()]);
    for _ in 0..16 {
        stage.hear(thread_fork(), unasked());
    }
    stage.hear(exit(0x100).at(2_200), nobody());
    reports(rows, "a process with many threads has its leader's code", &mut stage, &["7 exited leader's 0x100"]);
    stage.hear(fork().at(2_300), nobody());
    rows.row("the next owner of a pid that was left out is heard", stage.machine.unheard.clone(), vec![]);
    stage.hear(exit(0x100).at(2_400), nobody());
    reports(rows, "threads that started before the next owner of a pid was heard may be its own",
        &mut stage, &["7 started", "7 exited leader's 0x100"]);
}
