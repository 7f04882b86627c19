//! Doing the jobs, one after the other, until there is a change to report.

use super::agenda::{Job, Quiet};
use super::census::{Queue, Slot};
use super::follower::{EVENT, Follower, LOOK, Outcome, Round};
use super::judge::{self, Presence};
use super::leaderless;
use super::record::{Life, Watch};
use super::report::{Process, change, field, remark};
use super::scan::{Cause, Scan};
use super::world::World;
use crate::errno::Errno;
use crate::procfs::{Command, Look, kept};

/// Why a run ended.
pub(super) enum Run {
    /// There is a change to report, which [`Follower::change`] holds.
    Report,
    /// It has worked enough for one call.
    Paused,
    /// There is nothing to do before a descriptor becomes readable.
    Idle,
}

/// How many processes that are not waited for are looked at each time that the timer ticks.
const LOOKS_PER_ROUND: u32 = 32;

impl Follower {
    /// Works until there is a change to report. After an error, the next run tries the same job
    /// again.
    pub(super) fn run(&mut self, world: &mut impl World) -> Result<Run, Errno> {
        let (mut work, mut quiet) = (0, Quiet::Unknown);
        while work < self.max_work {
            let Some(job) = self.next_job(world, quiet) else { return Ok(Run::Idle) };
            match self.perform(job, world)? {
                Outcome::Report if self.change.kind == 0 => work += EVENT,
                Outcome::Report => {
                    match self.change.kind {
                        change::FOUND | change::STARTED => self.reported += 1,
                        change::EXITED | change::VANISHED => self.reported -= 1,
                        _ => {}
                    }
                    self.sequence += 1;
                    self.change.sequence = self.sequence;
                    if self.change.process.id != 0 {
                        self.change.process.sequence = self.sequence;
                    }
                    return Ok(Run::Report);
                }
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
        self.find_reported(pid).map(|slot| self.view(slot))
    }

    /// The process with the next pid above this one.
    pub(super) fn above(&self, pid: i32) -> Option<Process> {
        let mut next = self.census.above(pid);
        while let Some(slot) = next.filter(|slot| !self.census.at(*slot).is_known()) {
            next = self.census.above(self.census.pid(slot));
        }
        next.map(|slot| self.view(slot))
    }

    /// Keeps a value of the caller's with a process; `None` if there is no such process.
    pub(super) fn set_user(&mut self, pid: i32, user: u64) -> Option<()> {
        let slot = self.find_reported(pid)?;
        self.census.at_mut(slot).process.user = user;
        Some(())
    }

    /// The command that is kept with a process, and its bytes; `None` if the process is not in the table and did
    /// not leave it with the last change.
    pub(super) fn command(&self, process: &Process) -> Option<(Command, &[u8])> {
        let is_it = |slot: &Slot| self.census.at(*slot).process.id == process.id;
        let (slot, command) = match self.census.find(process.pid).filter(is_it) {
            Some(slot) => (slot, self.command_of(slot)),
            None => {
                self.left.filter(|_| process.id != 0 && process.id == self.change.process.id)?
            }
        };
        Some((command, self.census.command_bytes(slot)))
    }

    /// The command that is kept with a process of the table.
    pub(super) fn command_of(&self, slot: Slot) -> Command {
        let mut command = *self.census.command(slot);
        let record = self.census.at(slot);
        if record.is_hidden() {
            command.withhold(libc::EACCES);
        }
        if record.read_ns <= self.agenda.hearing.complete_since_ns {
            command.flags |= kept::DOUBTFUL;
        }
        command
    }

    #[inline]
    fn view(&self, slot: Slot) -> Process {
        self.census.view(slot, self.sequence)
    }

    fn find_reported(&self, pid: i32) -> Option<Slot> {
        self.census.find(pid).filter(|slot| self.census.at(*slot).is_known())
    }

    fn next_job(&self, world: &impl World, quiet: Quiet) -> Option<Job> {
        let now_ns = || world.clock().now_ns;
        self.agenda.next_job(&self.census, quiet, world.has_announcement(), now_ns)
    }

    fn perform(&mut self, job: Job, world: &mut impl World) -> Result<Outcome, Errno> {
        match job {
            Job::Doubt => Ok(self.report_doubt()),
            Job::Difference(slot) => Ok(self.report_difference(slot)),
            Job::Orphan(slot) => self.find_parent(slot, world),
            Job::Exit(slot) => Ok(self.report_exit(slot, world)),
            Job::Successor => self.enter_successor(world),
            Job::Scan => self.scan(world),
            Job::Judge => self.judge_event(world),
            Job::Receive => self.receive(world),
            Job::Watch => self.watch_next(world),
        }
    }

    fn report_doubt(&mut self) -> Outcome {
        let Some(doubt) = self.agenda.tell_doubt() else { return Outcome::Worked(0) };
        self.change.set_unsynced(doubt);
        Outcome::Report
    }

    fn receive(&mut self, world: &mut impl World) -> Result<Outcome, Errno> {
        let asked_ns = world.clock().now_ns;
        let count = match world.receive(self.agenda.batch_mut()) {
            // Nothing is queued any more. First report the processes that exited.
            Err(Errno(libc::EPIPE)) if self.census.first(Queue::Exited).is_some() => 0,
            result => result?,
        };
        // The machine may sleep before the events are received, and they are generated after that.
        self.agenda.note_received(count, asked_ns, world.clock().slept);
        Ok(if count > 0 { Outcome::Worked(EVENT) } else { Outcome::Nothing(Quiet::Queue) })
    }

    /// Reports the next difference between a process and what a look showed.
    fn report_difference(&mut self, slot: Slot) -> Outcome {
        let Some(compared) = &mut self.agenda.compared else { return Outcome::Worked(0) };
        let kind = compared.comparison.next_difference(self.census.at_mut(slot));
        let (flags, seen_ns) = (compared.flags, compared.comparison.sight.taken_ns);
        self.census.link(slot);
        match kind {
            // A process that has not been reported needs no change: its first report has it all.
            Some(kind) if !self.census.at(slot).is_unreported() => {
                self.report(slot, kind, seen_ns, flags)
            }
            Some(_) => Outcome::Worked(0),
            None => {
                self.agenda.compared = None;
                Outcome::Worked(0)
            }
        }
    }

    /// Reads the new parent of a process whose parent exited.
    fn find_parent(&mut self, slot: Slot, world: &impl World) -> Result<Outcome, Errno> {
        let mut look = Look::Absent;
        world.look(self.census.pid(slot), false, &mut look)?;
        let flags = if self.census.settle_orphan(slot) { remark::RECOVERED } else { 0 };
        let is_there = judge::presence(self.census.at(slot), &look) != Presence::Exited;
        if look == Look::Hidden {
            self.census.at_mut(slot).process.valid &= !field::PARENT;
        } else if let Some(sight) = look.sight().filter(|_| is_there) {
            if !sight.stat.condition.shows_family() {
                // The EXEC that follows asks again.
                self.census.at_mut(slot).process.valid &= !field::PARENT;
            }
            self.compare(slot, sight, field::PARENT, flags);
        }
        Ok(Outcome::Worked(LOOK))
    }

    /// Enters the next owner of a pid, if its FORK has not done so: the FORK may have been taken for
    /// the previous owner's.
    fn enter_successor(&mut self, world: &mut impl World) -> Result<Outcome, Errno> {
        let Some(slot) = self.census.first(Queue::Replaced) else { return Ok(Outcome::Worked(0)) };
        let pid = self.census.pid(slot);
        let mut outcome = Outcome::Worked(LOOK);
        let mut look = Look::Absent;
        if self.census.find(pid).is_none() {
            self.look_alive(pid, &mut look, world)?;
        }
        if let Some(slot) = self.enter_looked_at(pid, &look, true, world)? {
            let found_ns = judge::found_ns(self.census.at(slot));
            self.judge_family(slot, None);
            // Its children may have been taken for those of the previous owner.
            self.census.link_parentless(false);
            let is_recovered =
                matches!(self.agenda.scan, Scan::Listing { cause: Cause::Doubt, .. });
            let flags = if is_recovered { remark::RECOVERED } else { 0 };
            outcome = self.report(slot, change::STARTED, found_ns, flags);
        }
        self.census.finish_replaced(slot);
        Ok(outcome)
    }

    /// Deals with one process without a leader: one that seems to have exited, or one that is looked at
    /// because it is not waited for.
    fn watch_next(&mut self, world: &mut impl World) -> Result<Outcome, Errno> {
        let is_watched = |slot: &Slot| self.census.at(*slot).life == Life::Leaderless(Watch::Pidfd);
        let exited = world.exited().and_then(|pid| self.census.find(pid)).filter(is_watched);
        if let Some(slot) = exited {
            leaderless::look_at_watched(&mut self.census, slot, world)?;
            return Ok(Outcome::Worked(LOOK));
        }
        let Some(slot) = self.next_of_round(world) else {
            let is_quiet = !self.agenda.finish_watch();
            return Ok(if is_quiet { Outcome::Nothing(Quiet::All) } else { Outcome::Worked(0) });
        };
        let life = self.census.at(slot).life;
        self.census.set_life(slot, life); // behind the others
        // If this fails, the next round tries again.
        let _ = leaderless::watch(&mut self.census, slot, world);
        Ok(Outcome::Worked(LOOK))
    }

    /// Whether processes without leaders are looked at when the timer ticks.
    pub(super) const fn has_unwatched(&self) -> bool {
        self.census.first(Queue::Unwatched).is_some()
    }

    /// The next process to be looked at in this round. A round begins with a tick of the timer, and looks
    /// at each process at most once.
    fn next_of_round(&mut self, world: &mut impl World) -> Option<Slot> {
        let slot = self.census.first(Queue::Unwatched)?;
        self.round = match self.round.take() {
            Some(Round { first, left }) if left > 0 && first != slot => {
                Some(Round { first, left: left - 1 })
            }
            Some(_) => None,
            None if world.take_tick() => Some(Round { first: slot, left: LOOKS_PER_ROUND }),
            None => None,
        };
        self.round.is_some().then_some(slot)
    }
}
