//! Judging whether processes belong to the family that is reported, by the records of their parents.

use super::agenda::Agenda;
use super::census::Slot;
use super::family::{Family, Root};
use super::follower::Follower;
use super::judge::{Clock, Presence, lived_ns, presence};
use super::record::Origin;
use super::report::field;
use super::scan::{Cause, Scan};
use super::world::World;
use crate::errno::Errno;
use crate::procfs::Look;
use crate::protocol::event::Event;

/// How long after a look that showed a process its FORK may be generated.
const PREEMPTED_NS: u64 = 1_000_000_000;

impl Follower {
    /// Enters the process whose family is to be reported. `ESRCH`: there is none.
    pub(super) fn enter_root(&mut self, pid: i32, world: &mut impl World) -> Result<(), Errno> {
        let mut look = Look::Absent;
        self.look_alive(pid, &mut look, world)?;
        let sight = look.sight().ok_or(Errno(libc::ESRCH))?;
        let Clock { slept, .. } = world.clock();
        self.census.root = Some(Root {
            start_ns: sight.stat.start_ns,
            opened_ns: self.agenda.hearing.complete_since_ns,
            slept_ns: slept.0,
        });
        if let Some(slot) = self.enter_looked_at(pid, &look, false, world)? {
            self.census.at_mut(slot).family = Family::Root;
        }
        Ok(())
    }

    /// What a process is whose FORK this is.
    pub(super) fn judge_born(
        &mut self,
        event: &Event,
        world: &impl World,
    ) -> Result<Family, Errno> {
        if self.census.root.is_none() {
            return Ok(Family::Member);
        }
        let pid = event.word(1).cast_signed();
        let is_younger = |start_ns| self.agenda.slept.is_before(event, start_ns);
        let is_older = |slot: &Slot| {
            let record = self.census.at(*slot);
            let is_forked_later =
                matches!(record.origin, Origin::Forked { at_ns, .. } if at_ns > event.timestamp_ns);
            !is_forked_later && !record.start_ns().is_some_and(is_younger)
        };
        let mut parent = self.census.find(pid).filter(is_older);
        if let Some(slot) = parent.filter(|slot| !self.is_sure(*slot)) {
            // Since events were lost, the pid may have had another owner.
            let mut look = Look::Absent;
            world.look(pid, false, &mut look)?;
            let is_same =
                look.sight().is_some() && presence(self.census.at(slot), &look) != Presence::Exited;
            parent = Some(slot).filter(|_| is_same);
        }
        Ok(Family::of_born(parent.map(|slot| self.judge_found(slot))))
    }

    /// The FORK of a process that was found has come. Whether it shows that the process is to be reported.
    pub(super) fn note_birth(
        &mut self,
        slot: Slot,
        event: &Event,
        world: &impl World,
    ) -> Result<bool, Errno> {
        let born = self.judge_born(event, world)?;
        let family = &mut self.census.at_mut(slot).family;
        let before = core::mem::replace(family, family.after_fork(born));
        Ok(family.is_reported() && !before.is_reported())
    }

    /// Whether the record of a process is still that of the pid's owner: no event about it can have been lost
    /// since it was seen.
    fn is_sure(&self, slot: Slot) -> bool {
        let record = self.census.at(slot);
        let Agenda { hearing, scan_begun_ns, .. } = &self.agenda;
        let doubted_ns = hearing.complete_since_ns.max(*scan_begun_ns);
        lived_ns(record).max(record.read_ns) > doubted_ns
    }

    /// Judges a process that was found, unless that has been done.
    pub(super) fn judge_found(&mut self, slot: Slot) -> Family {
        let known = self.census.at(slot).family;
        if known != Family::Unknown {
            return known;
        }
        // Climb to a process that has been judged.
        let (mut top, mut next) = (slot, Some(slot));
        while let Some(slot) = next
            && self.census.at(slot).family == Family::Unknown
        {
            // Parents that were read at different times may form a circle.
            self.census.at_mut(slot).family = Family::Pending;
            top = slot;
            next = self.census.parent(slot).filter(|parent| self.is_sure(*parent));
        }
        let is_fork_lost = self.has_lost();
        let parent = next.map(|parent| self.census.at(parent));
        let parent = parent.map(|parent| (parent.family, parent.is_adopter));
        let Some(root) = self.census.root else { return Family::Member };
        let record = self.census.at(top);
        let is_parent_shown = record.process.valid & field::PARENT != 0;
        let is_parentless = record.process.parent_pid == 0;
        let may_hear_fork = root.may_hear_fork(record.start_ns());
        let family = match parent {
            None if !is_parent_shown => Family::Perhaps,
            None if is_parentless => Family::Outside,
            parent => Family::of_found(parent, may_hear_fork, is_fork_lost),
        };
        let mut next = slot;
        loop {
            self.census.at_mut(next).family = family;
            match self.census.parent(next) {
                Some(parent) if next != top => next = parent,
                _ => return family,
            }
        }
    }

    /// Whether a FORK that has not come may be lost.
    fn has_lost(&self) -> bool {
        let opened_ns = self.census.root.map_or(0, |root| root.opened_ns);
        self.agenda.hearing.complete_since_ns > opened_ns
            || matches!(
                self.agenda.scan,
                Scan::Listing { cause: Cause::Doubt, .. }
                    | Scan::Reporting { cause: Cause::Doubt, .. }
                    | Scan::Settling { cause: Cause::Doubt, .. }
            )
    }

    /// Whether the FORK of a process that waits for it may be among the events that a scan makes up for. Then
    /// the process may belong to the family.
    pub(super) fn doubts_birth(&mut self, slot: Slot) -> bool {
        let record = self.census.at(slot);
        let until_ns = lived_ns(record) + PREEMPTED_NS;
        let is_doubtful = record.family == Family::Pending
            && self.agenda.healed.since_ns.is_some_and(|since_ns| since_ns < until_ns);
        if is_doubtful {
            self.census.at_mut(slot).family = Family::Perhaps;
        }
        is_doubtful
    }
}
