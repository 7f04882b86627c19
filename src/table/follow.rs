//! Doing the jobs: looks at the world, asks the judge, applies the verdict, reports the change.

use super::agenda::{Agenda, Compared, Job, Quiet};
use super::census::{Census, Queue, Slot};
use super::compare::Comparison;
use super::judge::{self, AfterExec, Clock, Evidence, Presence, Question, Recheck, Verdict};
use super::record::{Exit, ExitCode, Found, Gone, Life, Origin, OwnFork, Record, Watch};
use super::report::{Change, Process, change, field, remark, state};
use super::scan::{Cause, Doubt, Scan, Visit, visit};
use super::world::World;
use crate::errno::Errno;
use crate::procfs::{Condition, Sight};
use crate::protocol::event::{Event, kind};
use crate::sys::PidfdExit;

/// What work costs: an event, and a look at a process.
const EVENT: u32 = 1;
pub(super) const LOOK: u32 = 16;

/// How many processes a scan passes in about the time of one look.
const PASSED_PER_STEP: usize = 100;

/// What has become of a job.
enum Outcome {
    Report(Change),
    Worked(u32),
    /// There was nothing to do: so much is quiet.
    Nothing(Quiet),
}

/// Why a run has ended.
pub(super) enum Run {
    Report(Change),
    /// It has worked enough for one call.
    Paused,
    /// There is nothing to do before a descriptor becomes readable.
    Idle,
}

/// The processes, and what is to be done about them.
pub(super) struct Follower {
    pub census: Census,
    pub agenda: Agenda,
    /// The fields that are kept up to date: bits of [`field`].
    pub fields: u32,
    /// How much one run may do.
    pub max_work: u32,
}

impl Follower {
    /// Works until there is a change to report. After an error, the next run tries the same job
    /// again.
    pub(super) fn run(&mut self, world: &mut impl World) -> Result<Run, Errno> {
        let (mut work, mut quiet) = (0, Quiet::Unknown);
        while work < self.max_work {
            let Some(job) = self.next_job(world, quiet) else { return Ok(Run::Idle) };
            match self.perform(job, world)? {
                Outcome::Report(change) => return Ok(Run::Report(change)),
                Outcome::Worked(units) => {
                    work += units;
                    quiet = Quiet::Unknown;
                }
                Outcome::Nothing(what) => quiet = what,
            }
        }
        Ok(Run::Paused)
    }

    /// Whether there is something to do that no descriptor shows.
    pub(super) fn has_work(&self, world: &impl World) -> bool {
        self.next_job(world, Quiet::All).is_some()
    }

    /// A process, as the changes reported so far have left it.
    pub(super) fn get(&self, pid: i32) -> Option<Process> {
        self.find_reported(pid).map(|slot| self.census.view(slot))
    }

    /// The process with the next pid above this one.
    pub(super) fn above(&self, pid: i32) -> Option<Process> {
        let mut next = self.census.next(pid);
        while let Some(slot) = next
            && self.census.at(slot).is_unreported()
        {
            next = self.census.next(self.census.pid(slot));
        }
        next.map(|slot| self.census.view(slot))
    }

    /// Keeps a value of the caller's with a process; `None` if there is no such process.
    pub(super) fn set_user(&mut self, pid: i32, user: u64) -> Option<()> {
        let slot = self.find_reported(pid)?;
        self.census.at_mut(slot).process.user = user;
        Some(())
    }

    fn find_reported(&self, pid: i32) -> Option<Slot> {
        self.census.find(pid).filter(|slot| !self.census.at(*slot).is_unreported())
    }

    fn next_job(&self, world: &impl World, quiet: Quiet) -> Option<Job> {
        let now_ns = || world.clock().now_ns;
        self.agenda.next(&self.census, quiet, world.has_announcement(), now_ns)
    }

    fn perform(&mut self, job: Job, world: &mut impl World) -> Result<Outcome, Errno> {
        match job {
            Job::Difference(slot) => Ok(self.report_difference(slot)),
            Job::Orphan(slot) => self.find_parent(slot, world),
            Job::Exit(slot) => Ok(Outcome::Report(self.leave(slot, world))),
            Job::Successor => self.enter_successor(world),
            Job::Scan => self.scan(world),
            Job::Judge => self.judge_event(world),
            Job::Receive => self.receive(world),
            Job::Watch => self.watch_next(world),
        }
    }

    fn receive(&mut self, world: &mut impl World) -> Result<Outcome, Errno> {
        let asked_ns = world.clock().now_ns;
        let count = world.receive(self.agenda.batch_mut())?;
        // The machine may sleep before the events are received, and they are generated after that.
        self.agenda.received(count, asked_ns, world.clock().slept);
        Ok(if count > 0 { Outcome::Worked(EVENT) } else { Outcome::Nothing(Quiet::Queue) })
    }

    // ---- Reports ----

    fn report(&self, kind: u32, slot: Slot, timestamp_ns: u64, flags: u32) -> Change {
        let process = self.census.view(slot);
        Change { kind, flags, timestamp_ns, process, ..Change::EMPTY }
    }

    /// Reports a process that was found.
    fn report_found(&mut self, slot: Slot) -> Change {
        self.census.mark_reported(slot);
        self.census.link(slot);
        let found_ns = judge::found_ns(self.census.at(slot));
        if self.agenda.scan.is_first() {
            self.report(change::FOUND, slot, found_ns, 0)
        } else {
            self.report(change::STARTED, slot, found_ns, remark::RECOVERED)
        }
    }

    /// Reports the next difference between a process and what a look showed.
    fn report_difference(&mut self, slot: Slot) -> Outcome {
        let Some(compared) = &mut self.agenda.compared else { return Outcome::Worked(0) };
        let kind = compared.comparison.next(self.census.at_mut(slot));
        let (flags, seen_ns) = (compared.flags, compared.comparison.sight.taken_ns);
        self.census.link(slot);
        match kind {
            // What has not been reported will be reported as it is then.
            Some(kind) if !self.census.at(slot).is_unreported() => {
                Outcome::Report(self.report(kind, slot, seen_ns, flags))
            }
            Some(_) => Outcome::Worked(0),
            None => {
                self.agenda.compared = None;
                Outcome::Worked(0)
            }
        }
    }

    /// A process leaves the table; the report of its exit.
    fn leave(&mut self, slot: Slot, world: &mut impl World) -> Change {
        if self.census.at(slot).is_unreported() {
            return self.report_found(slot);
        }
        self.unwatch(slot, world);
        let record = self.census.at(slot);
        let exit = record.exit();
        let gone_ns = record.gone().map_or(0, |gone| gone.at_ns);
        let change = match exit {
            Some(Exit { timestamp_ns, code }) => {
                let (exit_code, flags) = match code {
                    ExitCode::Own(code) => (code, remark::EXIT_CODE),
                    ExitCode::Leaders(code) => (code, remark::EXIT_CODE | remark::LEADER_CODE),
                    ExitCode::Unknown => (0, 0),
                };
                Change { exit_code, ..self.report(change::EXITED, slot, timestamp_ns, flags) }
            }
            None => self.report(change::VANISHED, slot, gone_ns, remark::RECOVERED),
        };
        self.census.remove(slot, exit.is_none());
        change
    }

    fn compare(&mut self, slot: Slot, sight: Sight, fields: u32, flags: u32) {
        let comparison = Comparison { sight, fields, kept: self.fields };
        self.agenda.compared = Some(Compared { slot, comparison, flags });
    }

    // ---- Looks ----

    fn look(
        &self,
        pid: i32,
        with_credentials: bool,
        world: &impl World,
    ) -> Result<Option<Sight>, Errno> {
        world.look(pid, with_credentials && self.fields & field::CREDENTIALS != 0)
    }

    fn look_alive(&self, pid: i32, world: &impl World) -> Result<Option<Sight>, Errno> {
        let sight = self.look(pid, true, world)?;
        Ok(sight.filter(|sight| !sight.stat.condition.is_zombie()))
    }

    /// The status of a zombie, if it is the process's own. A reader that may not trace the process
    /// always sees 0. Privileges may have been dropped since the last time; where a security module
    /// forbids tracing, pid 1 was not readable either.
    fn own_status(&self, sight: Option<&Sight>, world: &impl World) -> Option<i32> {
        let Condition::Zombie { status } = sight?.stat.condition else { return None };
        let reads_pid_1 = || {
            let first = self.census.find(1);
            first.is_some_and(|first| self.census.at(first).image.is_program())
        };
        let is_own =
            world.shows_exit_status() && (status != 0 || reads_pid_1() && world.may_trace());
        is_own.then_some(status)
    }

    /// Reads the parent of a process whose own exited.
    fn find_parent(&mut self, slot: Slot, world: &impl World) -> Result<Outcome, Errno> {
        let sight = self.look(self.census.pid(slot), false, world)?;
        let flags = if self.census.settle_orphan(slot) { remark::RECOVERED } else { 0 };
        if let Some(sight) = sight
            && judge::presence(self.census.at(slot), Some(&sight)) != Presence::Exited
        {
            self.compare(slot, sight, field::PARENT, flags);
        }
        Ok(Outcome::Worked(LOOK))
    }

    /// Enters the next owner of a pid, if its FORK has not done so: the FORK may have been taken for
    /// the previous owner's.
    fn enter_successor(&mut self, world: &mut impl World) -> Result<Outcome, Errno> {
        let Some(slot) = self.census.first(Queue::Replaced) else { return Ok(Outcome::Worked(0)) };
        let pid = self.census.pid(slot);
        let mut started = None;
        if self.census.find(pid).is_none()
            && let Some(sight) = self.look_alive(pid, world)?
        {
            let slot = self.enter_found(pid, &sight, true, world)?;
            started = Some(self.report(change::STARTED, slot, sight.taken_ns, 0));
        }
        self.census.finish_replaced(slot);
        Ok(started.map_or(Outcome::Worked(LOOK), Outcome::Report))
    }

    /// Enters a process whose FORK has not been seen.
    fn enter_found(
        &mut self,
        pid: i32,
        sight: &Sight,
        is_reported: bool,
        world: &mut impl World,
    ) -> Result<Slot, Errno> {
        let found = Found::new(sight.taken_ns, sight.stat.has_run, is_reported);
        self.enter(pid, sight, Origin::Found(found), world)
    }

    /// Enters a process that a look showed.
    fn enter(
        &mut self,
        pid: i32,
        sight: &Sight,
        origin: Origin,
        world: &mut impl World,
    ) -> Result<Slot, Errno> {
        let mut record = Record::seen(pid, sight, origin);
        record.process.valid &= self.fields;
        let slot = self.census.insert(record)?;
        self.settle(slot, sight.stat.condition.has_no_leader(), world);
        Ok(slot)
    }

    // ---- Events ----

    fn judge_event(&mut self, world: &mut impl World) -> Result<Outcome, Errno> {
        let Some(&event) = self.agenda.event() else { return Ok(Outcome::Worked(0)) };
        if event.kind == kind::OVERRUN {
            self.agenda.note_loss(&event);
            self.agenda.finish_event();
            return Ok(Outcome::Worked(EVENT));
        }
        let slot = self.census.find(event.tgid());
        let record = slot.map(|slot| self.census.at(slot));
        match judge::ask(record, &event, self.agenda.slept) {
            Question::None(verdict) => self.apply(verdict, &event, slot, None, world),
            Question::Look { with_credentials } => {
                let sight = self.look(event.tgid(), with_credentials, world)?;
                let is_exit = event.kind == kind::EXIT;
                let own_status =
                    if is_exit { self.own_status(sight.as_ref(), world) } else { None };
                let clock = Clock { slept: self.agenda.slept, ..world.clock() };
                let evidence = Evidence { sight, own_status };
                let record = slot.map(|slot| self.census.at(slot));
                let verdict = judge::judge(record, &event, &evidence, clock);
                self.apply(verdict, &event, slot, sight.as_ref(), world)
            }
        }
    }

    /// Does what a verdict says. The event has been handled then, unless something else is to be
    /// reported first.
    fn apply(
        &mut self,
        verdict: Verdict,
        event: &Event,
        slot: Option<Slot>,
        sight: Option<&Sight>,
        world: &mut impl World,
    ) -> Result<Outcome, Errno> {
        let kind = match (verdict, slot, sight) {
            (Verdict::Started { is_seen }, ..) => {
                let slot = self.start(event, sight.filter(|_| is_seen), world)?;
                self.agenda.finish_event();
                return Ok(Outcome::Report(self.report(
                    change::STARTED,
                    slot,
                    event.timestamp_ns,
                    0,
                )));
            }
            (Verdict::Discovered, _, Some(sight)) => {
                let slot = self.enter_found(event.tgid(), sight, false, world)?;
                self.agenda.finish_event();
                return Ok(Outcome::Report(self.report_found(slot)));
            }
            (Verdict::ReportFirst, Some(slot), _) => {
                return Ok(Outcome::Report(self.report_found(slot)));
            }
            (Verdict::ExitFirst { exit, is_exit_pending }, Some(slot), _) => {
                self.agenda.is_exit_pending = is_exit_pending;
                let gone = Gone { at_ns: 0, exit: Some(exit), is_replaced: false };
                self.unwatch(slot, world);
                self.census.set_life(slot, Life::Exited(gone));
                return Ok(Outcome::Report(self.leave(slot, world)));
            }
            (_, Some(slot), _) => {
                self.apply_to(verdict, slot, sight, world).map(|kind| (kind, slot))
            }
            _ => None,
        };
        self.agenda.finish_event();
        Ok(match kind {
            Some((kind, slot)) => Outcome::Report(self.report(kind, slot, event.timestamp_ns, 0)),
            None => Outcome::Worked(if sight.is_some() { LOOK } else { EVENT }),
        })
    }

    /// Does what a verdict about a process of the table says; the kind of change that it is.
    fn apply_to(
        &mut self,
        verdict: Verdict,
        slot: Slot,
        sight: Option<&Sight>,
        world: &mut impl World,
    ) -> Option<u32> {
        let record = self.census.at_mut(slot);
        match verdict {
            Verdict::OwnFork => {
                note_own_fork(record, OwnFork::Seen);
                // The scan may have passed its parent before that existed.
                self.census.link(slot);
                None
            }
            Verdict::Outlived { is_leader_gone, is_fork_earlier } => {
                record.leader_exited = true;
                if is_fork_earlier {
                    note_own_fork(record, OwnFork::Earlier);
                }
                self.settle(slot, is_leader_gone, world);
                None
            }
            Verdict::AskPidfd { is_replaced } => {
                self.note_exit_of_watched(slot, is_replaced, world);
                None
            }
            Verdict::Exited(gone) => {
                self.unwatch(slot, world);
                self.census.set_life(slot, Life::Exited(gone));
                None
            }
            Verdict::Execed(after) => {
                self.note_exec(slot, after, sight, world);
                Some(change::EXECED)
            }
            Verdict::Renamed(_) => {
                verdict.update(&mut record.process);
                Some(change::RENAMED)
            }
            Verdict::UserIds(..) | Verdict::GroupIds(..) => {
                verdict.update(&mut record.process);
                Some(change::CREDENTIALS)
            }
            Verdict::LeadsSession => {
                verdict.update(&mut record.process);
                Some(change::SESSION)
            }
            _ => None,
        }
    }

    /// Enters a process whose FORK this is.
    fn start(
        &mut self,
        event: &Event,
        sight: Option<&Sight>,
        world: &mut impl World,
    ) -> Result<Slot, Errno> {
        let pid = event.tgid();
        let origin = Origin::Forked { predecessor_pending: self.agenda.is_exit_pending };
        let parent_pid = event.word(1).cast_signed();
        let parent = self.census.find(parent_pid);
        let Some(sight) = sight else {
            let parent = parent.map_or(Process::EMPTY, |parent| self.census.at(parent).process);
            return self.census.insert(Record::inherited(pid, parent_pid, &parent, origin));
        };
        let slot = self.enter(pid, sight, origin, world)?;
        if parent.is_some() {
            // It started as this process's child, whoever its parent is by now.
            self.census.at_mut(slot).process.parent_pid = parent_pid;
            self.census.link(slot);
            self.compare(slot, *sight, field::PARENT, 0);
        }
        Ok(slot)
    }

    fn note_exec(
        &mut self,
        slot: Slot,
        after: AfterExec,
        sight: Option<&Sight>,
        world: &mut impl World,
    ) {
        self.census.at_mut(slot).leader_exited = false;
        match (after, sight) {
            (AfterExec::Alive, Some(sight)) => {
                self.settle(slot, sight.stat.condition.has_no_leader(), world);
                self.census.at_mut(slot).take_program(sight, self.fields);
                self.compare(slot, *sight, field::SESSION | field::CREDENTIALS, 0);
            }
            (AfterExec::Zombie, Some(sight)) => {
                self.census.at_mut(slot).take_name(sight, self.fields);
                self.expect_exit(slot);
            }
            _ => {
                self.census.at_mut(slot).process.valid &= !field::COMM;
                self.expect_exit(slot);
            }
        }
    }

    /// If the process seemed to have exited before this EXEC, that was the EXIT of the old leader,
    /// and its own will come.
    fn expect_exit(&mut self, slot: Slot) {
        if self.census.at(slot).gone().is_some() {
            self.census.set_life(slot, Life::Led);
        }
    }

    // ---- Processes without a leader ----

    /// Notes whether a living process has a leader. If not, no event will report its exit, so its
    /// pidfd is waited for.
    fn settle(&mut self, slot: Slot, is_leader_gone: bool, world: &mut impl World) {
        let record = self.census.at_mut(slot);
        if !is_leader_gone {
            record.process.state &= !state::LEADER_GONE;
            self.unwatch(slot, world);
            self.census.set_life(slot, Life::Led);
            return;
        }
        record.process.state |= state::LEADER_GONE;
        match record.life {
            Life::Leaderless(Watch::Pidfd) => return,
            // The caller may have been told already that the process cannot be watched.
            Life::Leaderless(Watch::Missing { .. }) => {}
            Life::Led | Life::Exited(_) => {
                self.census.set_life(slot, Life::Leaderless(Watch::Missing { is_reported: false }));
            }
        }
        // If this fails, Job::Watch tries again and reports the error.
        let _ = self.watch(slot, world);
    }

    /// Waits for the exit of a process through its pidfd.
    fn watch(&mut self, slot: Slot, world: &mut impl World) -> Result<(), Errno> {
        let pid = self.census.pid(slot);
        let pidfd = world.open_pidfd(pid);
        let sight = self.look(pid, false, world)?;
        match (judge::presence(self.census.at(slot), sight.as_ref()), pidfd) {
            (Presence::Leaderless, pidfd) => {
                world.watch(pid, pidfd?)?;
                self.census.set_life(slot, Life::Leaderless(Watch::Pidfd));
            }
            (Presence::Led, _) => self.settle(slot, false, world),
            (Presence::Exited, Ok(pidfd)) => self.note_pidfd_exit(slot, &pidfd, false, world),
            (Presence::Exited, Err(_)) => {
                self.note_exit(slot, ExitCode::Unknown, false, world.clock());
            }
        }
        Ok(())
    }

    fn unwatch<W: World>(&self, slot: Slot, world: &mut W) -> Option<W::Pidfd> {
        let record = self.census.at(slot);
        let is_watched = record.life == Life::Leaderless(Watch::Pidfd);
        if is_watched { world.unwatch(record.process.pid) } else { None }
    }

    /// A process that is watched exited; its pidfd knows how.
    fn note_exit_of_watched(&mut self, slot: Slot, is_replaced: bool, world: &mut impl World) {
        match self.unwatch(slot, world) {
            Some(pidfd) => self.note_pidfd_exit(slot, &pidfd, is_replaced, world),
            None => self.note_exit(slot, ExitCode::Unknown, is_replaced, world.clock()),
        }
    }

    fn note_pidfd_exit<W: World>(
        &mut self,
        slot: Slot,
        pidfd: &W::Pidfd,
        is_replaced: bool,
        world: &W,
    ) {
        let status = match world.exit_of(pidfd) {
            PidfdExit::Status(status) => Some(status),
            // It may be reaped while its status is read.
            PidfdExit::Unreaped => {
                self.status_of_zombie(slot, world).or_else(|| match world.exit_of(pidfd) {
                    PidfdExit::Status(status) => Some(status),
                    PidfdExit::Unreaped | PidfdExit::Unknown => None,
                })
            }
            PidfdExit::Unknown => None,
        };
        let code = status.map_or(ExitCode::Unknown, ExitCode::Own);
        self.note_exit(slot, code, is_replaced, world.clock());
    }

    /// How a process exited that has not been reaped.
    fn status_of_zombie(&self, slot: Slot, world: &impl World) -> Option<i32> {
        let sight = self.look(self.census.pid(slot), false, world).ok()??;
        self.own_status(Some(&sight).filter(|sight| self.census.at(slot).is_same(sight)), world)
    }

    fn note_exit(&mut self, slot: Slot, code: ExitCode, is_replaced: bool, clock: Clock) {
        let exit = Some(Exit { timestamp_ns: clock.now_ns, code });
        let gone = Gone { at_ns: clock.now_ns, exit, is_replaced };
        self.census.set_life(slot, Life::Exited(gone));
    }

    /// Deals with one process without a leader: one that could not be watched yet, or one that
    /// seems to have exited.
    fn watch_next(&mut self, world: &mut impl World) -> Result<Outcome, Errno> {
        if let Some(slot) = self.census.first(Queue::Unwatched) {
            let life = self.census.at(slot).life;
            self.census.set_life(slot, life); // behind the others
            match self.watch(slot, world) {
                Ok(()) => return Ok(Outcome::Worked(LOOK)),
                // The caller is told once; the exit is noticed by a later call.
                Err(error) if life == Life::Leaderless(Watch::Missing { is_reported: false }) => {
                    let told = Life::Leaderless(Watch::Missing { is_reported: true });
                    self.census.set_life(slot, told);
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        let is_watched = |slot: &Slot| self.census.at(*slot).life == Life::Leaderless(Watch::Pidfd);
        let exited = world.exited().and_then(|pid| self.census.find(pid)).filter(is_watched);
        let Some(slot) = exited else { return Ok(Outcome::Nothing(Quiet::All)) };
        let sight = self.look(self.census.pid(slot), false, world)?;
        match judge::presence(self.census.at(slot), sight.as_ref()) {
            Presence::Exited => self.note_exit_of_watched(slot, false, world),
            seen => {
                self.unwatch(slot, world);
                self.census.set_life(slot, Life::Led);
                self.settle(slot, seen == Presence::Leaderless, world);
            }
        }
        Ok(Outcome::Worked(LOOK))
    }

    // ---- Scans ----

    fn scan(&mut self, world: &mut impl World) -> Result<Outcome, Errno> {
        self.agenda.note_scan_step();
        match self.agenda.scan {
            Scan::Off { .. } => {
                world.rewind_listing()?;
                self.agenda.begin_scan(world.clock().now_ns);
                Ok(Outcome::Worked(LOOK))
            }
            Scan::Listing { cause, done } => self.visit_next(cause, done, world),
            Scan::Reporting { cause, done } => Ok(self.report_next(cause, done, world)),
            Scan::Settling { cause, ended_ns } => {
                self.agenda.scan = Scan::Off { ended_ns };
                Ok(Outcome::Report(synced(cause, world.clock().now_ns)))
            }
        }
    }

    /// Looks at the next process, in the order of pids.
    fn visit_next(
        &mut self,
        cause: Cause,
        done: i32,
        world: &mut impl World,
    ) -> Result<Outcome, Errno> {
        let listed = world.listed()?;
        let known = self.census.next(done).map(|slot| self.census.pid(slot));
        let (pid, is_listed) = match visit(cause, listed, known) {
            Visit::Unlisted(pid) => (pid, false),
            Visit::Listed(pid) => (pid, true),
            Visit::End => {
                self.census.link_parentless();
                self.agenda.scan = Scan::Reporting { cause, done: 0 };
                return Ok(Outcome::Worked(LOOK));
            }
        };
        match (self.census.find(pid), cause) {
            (None, _) => {
                if let Some(sight) = self.look_alive(pid, world)? {
                    self.enter_found(pid, &sight, false, world)?;
                }
            }
            (Some(slot), Cause::Doubt(_)) => {
                if let Some(change) = self.recheck(slot, world)? {
                    return Ok(Outcome::Report(change)); // and next the pid's new owner
                }
            }
            (Some(_), Cause::Opening) => {}
        }
        self.agenda.scan = Scan::Listing { cause, done: pid };
        if is_listed {
            world.take_listed();
        }
        Ok(Outcome::Worked(LOOK))
    }

    /// Compares a process of the table with what it is; the report of its exit, if its pid has
    /// another owner.
    fn recheck(&mut self, slot: Slot, world: &mut impl World) -> Result<Option<Change>, Errno> {
        if !judge::is_rechecked(self.census.at(slot)) {
            return Ok(None);
        }
        let sight = self.look_alive(self.census.pid(slot), world)?;
        let verdict = judge::recheck(self.census.at(slot), sight.as_ref());
        match (verdict, sight) {
            (Recheck::Same, Some(sight)) => {
                self.settle(slot, sight.stat.condition.has_no_leader(), world);
                self.census.at_mut(slot).read_ns = sight.taken_ns;
                self.compare(slot, sight, field::ALL, remark::RECOVERED);
            }
            (Recheck::Replaced, _) => {
                self.unwatch(slot, world);
                self.vanish(slot, world.clock());
                return Ok(Some(self.leave(slot, world)));
            }
            (Recheck::AskPidfd, _) => self.note_exit_of_watched(slot, false, world),
            // If its EXIT is queued, that will be handled before the process leaves.
            (Recheck::Gone, _) => self.vanish(slot, world.clock()),
            (Recheck::Same | Recheck::Skip, _) => {}
        }
        Ok(None)
    }

    /// The process exited, and no event has reported that.
    fn vanish(&mut self, slot: Slot, clock: Clock) {
        let gone = Gone { at_ns: clock.now_ns, exit: None, is_replaced: false };
        self.census.set_life(slot, Life::Exited(gone));
    }

    /// Reports the next process that the scan found.
    fn report_next(&mut self, cause: Cause, mut done: i32, world: &impl World) -> Outcome {
        for _ in 0..PASSED_PER_STEP {
            let Some(slot) = self.census.next(done) else {
                let ended_ns = world.clock().now_ns;
                self.agenda.scan = Scan::Settling { cause, ended_ns };
                return Outcome::Worked(LOOK);
            };
            done = self.census.pid(slot);
            self.agenda.scan = Scan::Reporting { cause, done };
            if self.census.at(slot).is_unreported() {
                return Outcome::Report(self.report_found(slot));
            }
        }
        Outcome::Worked(LOOK)
    }
}

fn note_own_fork(record: &mut Record, fork: OwnFork) {
    if let Origin::Found(found) = &mut record.origin
        && found.fork != OwnFork::Seen
    {
        found.fork = fork;
    }
}

/// The end of a scan: the table is what /proc is.
fn synced(cause: Cause, timestamp_ns: u64) -> Change {
    let synced = Change { kind: change::SYNCED, timestamp_ns, ..Change::EMPTY };
    let Cause::Doubt(Doubt { lost, since_ns, is_deaf, .. }) = cause else { return synced };
    let deaf = if is_deaf { remark::DEAF } else { 0 };
    let since_ns = since_ns.unwrap_or(0);
    Change { flags: remark::RECOVERED | deaf, lost, since_ns, ..synced }
}
