//! What every job of the table works on, and the steps that several of them take.

use super::agenda::{Agenda, Compared, Quiet};
use super::census::{Census, Slot};
use super::compare::Comparison;
use super::judge::Clock;
use super::leaderless;
use super::record::{ExitCode, Found, Origin, Record, Threads};
use super::report::{Change, field};
use super::unheard::Unheard;
use super::world::World;
use crate::errno::Errno;
use crate::procfs::{Command, Condition, Look, Sight};

/// The processes, and what is to be done about them.
///
/// What is used most comes first: a short offset makes a shorter instruction.
#[repr(C)]
pub(super) struct Follower {
    pub census: Census,
    pub agenda: Agenda,
    /// The fields that are kept up to date: bits of [`field`].
    pub fields: u32,
    pub unheard: Unheard,
    /// How much one run may do: see [`LOOK`].
    pub max_work: u32,
    /// The round of looks at processes that are not waited for.
    pub round: Option<Round>,
    /// What was read last of the command of a process.
    pub command: Command,
    /// Where the process was that left the table last, and its command.
    pub left: Option<(Slot, Command)>,
    /// The change that was reported last, and how many there have been.
    pub change: Change,
    pub sequence: u64,
    /// How many processes have been reported and not their exits.
    pub reported: usize,
}

/// Looks at processes that lost their leaders and are not waited for.
pub(super) struct Round {
    /// The process that was looked at first.
    pub first: Slot,
    /// How many looks are left.
    pub left: u32,
}

/// What has become of a job.
pub(super) enum Outcome {
    /// There is a change to report.
    Report,
    /// The table did this much work.
    Worked(u32),
    /// There was nothing to do: so much is quiet.
    Nothing(Quiet),
}

// What work costs: an event, and a look at a process.
pub(super) const EVENT: u32 = 1;
pub(super) const LOOK: u32 = 16;

impl Follower {
    /// Looks at a process. `wholly`: at its ids, too, and before all else at its command.
    pub(super) fn look(
        &mut self,
        pid: i32,
        wholly: bool,
        look: &mut Look,
        world: &impl World,
    ) -> Result<(), Errno> {
        let block = self.census.reading();
        let mut begun_ns = u64::MAX;
        if wholly && !block.is_empty() {
            begun_ns = world.clock().now_ns;
            self.command = world.read_command(pid, block);
        }
        world.look(pid, wholly && self.fields & field::CREDENTIALS != 0, look)?;
        if let Look::Shown(sight) = look {
            // The EXEC of a program that the process runs between the two is not known yet.
            sight.taken_ns = sight.taken_ns.min(begun_ns);
        }
        Ok(())
    }

    /// Keeps the command that was read before a look, which showed this process, or did not.
    pub(super) fn keep_command(&mut self, slot: Slot, sight: Option<&Sight>) {
        let mut command = self.command;
        match sight {
            Some(sight) if sight.stat.is_kernel_thread => command.withhold(libc::ENODATA),
            Some(_) => {}
            None => command.withhold(libc::ESRCH),
        }
        self.census.keep_command(slot, command);
    }

    /// Looks at a process that is to be alive: a zombie is no process.
    pub(super) fn look_alive(
        &mut self,
        pid: i32,
        look: &mut Look,
        world: &impl World,
    ) -> Result<(), Errno> {
        self.look(pid, true, look, world)?;
        if look.sight().is_some() && look.living().is_none() {
            *look = Look::Absent;
        }
        Ok(())
    }

    /// Enters a process whose FORK has not been seen, as far as a look showed it.
    pub(super) fn enter_looked_at(
        &mut self,
        pid: i32,
        look: &Look,
        is_reported: bool,
        world: &mut impl World,
    ) -> Result<Option<Slot>, Errno> {
        match look {
            Look::Shown(sight) => self.enter_found(pid, sight, is_reported, world).map(Some),
            Look::Absent => Ok(None),
            Look::Hidden => {
                let Clock { now_ns, slept } = world.clock();
                let found =
                    Found { at_ns: now_ns, is_reported, ran_by_ns: u64::MAX, is_fork_seen: false };
                let origin = Origin::Found(found);
                self.census.insert(Record::hidden(pid, now_ns + slept.0, origin)).map(Some)
            }
        }
    }

    /// Enters a process whose FORK has not been seen.
    fn enter_found(
        &mut self,
        pid: i32,
        sight: &Sight,
        is_reported: bool,
        world: &mut impl World,
    ) -> Result<Slot, Errno> {
        let ended_ns = world.clock().now_ns;
        self.enter(pid, sight, Origin::Found(Found::of(sight, ended_ns, is_reported)), world)
    }

    /// Enters a process that a look showed.
    pub(super) fn enter(
        &mut self,
        pid: i32,
        sight: &Sight,
        origin: Origin,
        world: &mut impl World,
    ) -> Result<Slot, Errno> {
        let mut record = Record::seen(pid, sight, origin);
        record.process.valid &= self.fields;
        record.threads = self.threads_in(pid, sight);
        let slot = self.census.insert(record)?;
        self.keep_command(slot, Some(sight));
        leaderless::settle(&mut self.census, slot, sight.stat.condition.has_no_leader(), world);
        Ok(slot)
    }

    /// Which threads a process has that a look showed.
    #[inline(never)]
    pub(super) fn threads_in(&self, pid: i32, sight: &Sight) -> Threads {
        if sight.stat.condition == Condition::Led && !sight.stat.has_threads {
            self.leader_alone_at(pid, sight.taken_ns)
        } else {
            Threads::Others { heard: 0 }
        }
    }

    /// Which threads a process has that had none but its leader at this moment.
    pub(super) fn leader_alone_at(&self, pid: i32, at_ns: u64) -> Threads {
        let hearing = self.agenda.hearing;
        let is_heard = hearing.has_thread_forks
            && at_ns > hearing.complete_since_ns
            && self.unheard.is_heard_since(pid, at_ns);
        if is_heard {
            Threads::LeaderAlone { since_ns: at_ns, complete_ns: hearing.complete_since_ns }
        } else {
            Threads::Others { heard: 0 }
        }
    }

    /// Begins to compare a process with what a look showed.
    #[inline(never)]
    pub(super) fn compare(&mut self, slot: Slot, sight: &Sight, fields: u32, flags: u32) {
        self.census.set_hidden(slot, false);
        let process = &mut self.census.at_mut(slot).process;
        process.start_boottime_ns = sight.stat.start_ns;
        process.valid |= field::START;
        if sight.pidfd_inode != 0 {
            process.pidfd_inode = sight.pidfd_inode;
        }
        let comparison = Comparison { sight: *sight, fields, kept: self.fields };
        self.agenda.compared = Some(Compared { slot, comparison, flags });
    }

    /// Reports a change of a process.
    pub(super) fn report(
        &mut self,
        slot: Slot,
        kind: u32,
        timestamp_ns: u64,
        flags: u32,
    ) -> Outcome {
        self.change.set(&self.census, slot, kind, timestamp_ns, flags);
        Outcome::Report
    }

    /// Reports a process that was found.
    pub(super) fn report_found(&mut self, slot: Slot) -> Outcome {
        let is_first = self.agenda.scan.is_first();
        self.judge_family(slot, None);
        self.change.set_found(&mut self.census, slot, is_first);
        Outcome::Report
    }

    /// Reports that a process exited. It leaves the table, unless its start is still to be reported:
    /// then it leaves next.
    pub(super) fn report_exit(&mut self, slot: Slot, world: &mut impl World) -> Outcome {
        if self.census.at(slot).is_unreported() {
            return self.report_found(slot);
        }
        if let Some(gone) = self.census.at(slot).gone() {
            let code = gone.exit.map_or(ExitCode::Unknown, |exit| exit.code);
            if matches!(code, ExitCode::Doubtful(_) | ExitCode::Unknown) {
                self.agenda.hearing.note_missing_exit(gone.at_ns);
            }
        }
        leaderless::unwatch(&self.census, slot, world);
        self.left = Some((slot, self.command_of(slot)));
        self.change.set_exited(&mut self.census, slot);
        Outcome::Report
    }
}
