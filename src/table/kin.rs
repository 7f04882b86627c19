//! Judging whether processes belong to the family that is reported, by the records of their parents.

use super::census::Slot;
use super::family::{Family, PREEMPTED_NS, Root};
use super::follower::Follower;
use super::judge::{Clock, Presence, lived_ns, presence};
use super::record::Origin;
use super::report::field;
use super::world::World;
use crate::errno::Errno;
use crate::procfs::Look;
use crate::protocol::event::Event;

/// How many parents, all of them found and not judged yet, are judged for the sake of one process.
const DEPTH_MAX: u32 = 100;

impl Follower {
    /// Enters the process whose family is to be reported. `ESRCH`: there is none.
    pub(super) fn enter_root(&mut self, pid: i32, world: &mut impl World) -> Result<(), Errno> {
        let mut look = Look::Absent;
        self.look_alive(pid, &mut look, world)?;
        let sight = look.sight().ok_or(Errno(libc::ESRCH))?;
        let Clock { now_ns, slept } = world.clock();
        let opened_ns = now_ns + slept.0;
        self.census.root = Some(Root { start_ns: sight.stat.start_ns, opened_ns });
        if let Some(slot) = self.enter_looked_at(pid, &look, false, world)? {
            self.census.at_mut(slot).family = Family::Root;
        }
        Ok(())
    }

    /// What a process is whose FORK this is.
    #[inline(never)]
    pub(super) fn judge_born(
        &mut self,
        event: &Event,
        world: &impl World,
    ) -> Result<Family, Errno> {
        if self.census.root.is_none() {
            return Ok(Family::Member);
        }
        let pid = event.word(1).cast_signed();
        let Some(parent) = self.census.find(pid) else { return Ok(Family::Perhaps) };
        let record = self.census.at(parent);
        let is_younger = match record.origin {
            Origin::Forked { at_ns, .. } => event.timestamp_ns < at_ns,
            Origin::Found(_) => record
                .start_ns()
                .is_some_and(|start_ns| self.agenda.slept.is_before(event, start_ns)),
        };
        let mut is_sure = self.is_sure(parent);
        if !is_sure {
            // Since events were lost, the pid may have had another owner.
            let mut look = Look::Absent;
            world.look(pid, false, &mut look)?;
            is_sure =
                look != Look::Hidden && presence(self.census.at(parent), &look) != Presence::Exited;
        }
        Ok(match is_sure && !is_younger {
            true => self.judge_found(parent, 0).child(),
            false => Family::Perhaps,
        })
    }

    /// Whether the record of a process is still that of the pid's owner: no event about it can have been lost
    /// since it was seen.
    fn is_sure(&self, slot: Slot) -> bool {
        let record = self.census.at(slot);
        lived_ns(record).max(record.read_ns) > self.agenda.doubted_ns
    }

    /// Judges a process that was found, unless that has been done.
    #[inline(never)]
    pub(super) fn judge_found(&mut self, slot: Slot, depth: u32) -> Family {
        let record = self.census.at_mut(slot);
        if record.family != Family::Unknown {
            return record.family;
        }
        let is_shown = record.process.valid & field::PARENT != 0;
        // Parents that were read at different times may form a circle.
        record.family = Family::Pending;
        let parent = self.census.parent(slot).filter(|parent| self.is_sure(*parent));
        let parent = parent.filter(|_| depth < DEPTH_MAX).map(|parent| {
            let family = self.judge_found(parent, depth + 1);
            (family, self.census.at(parent).is_adopter)
        });
        let is_fork_lost = self.agenda.doubted_ns > 0;
        let root = self.census.root;
        let record = self.census.at_mut(slot);
        if let Some(root) = root {
            record.family = match parent {
                None if !is_shown => Family::Perhaps,
                _ => Family::of_found(parent, root.may_hear_fork(record.start_ns()), is_fork_lost),
            };
        }
        record.family
    }

    /// Whether the FORK of a process that waits for it may be among the events that a scan makes up for. Then
    /// the process may belong to the family.
    pub(super) fn doubts_birth(&mut self, slot: Slot) -> bool {
        let since_ns = self.agenda.healed.since_ns;
        let record = self.census.at_mut(slot);
        let until_ns = lived_ns(record) + PREEMPTED_NS;
        let is_doubtful = record.family == Family::Pending
            && since_ns.is_some_and(|since_ns| since_ns < until_ns);
        if is_doubtful {
            record.family = Family::Perhaps;
        }
        is_doubtful
    }
}
