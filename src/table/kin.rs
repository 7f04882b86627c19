//! Judging whether processes belong to the family that is reported, by the records of their parents.

use super::census::Slot;
use super::family::Family;
use super::follower::Follower;
use super::judge::lived_ns;
use super::record::{Found, Origin, OwnFork, Record};
use crate::protocol::event::Event;

/// How many parents that are not judged are passed. Parents that were read at different times may form a
/// circle.
const DEPTH_MAX: u32 = 100;

impl Follower {
    /// Judges a process by its FORK; without one, by what was seen of it, unless it has been judged. True if
    /// its start is to be reported now.
    #[inline(never)]
    pub(super) fn judge_family(&mut self, slot: Slot, fork: Option<&Event>) -> bool {
        let known = self.census.at(slot).family;
        let is_open = known == Family::Unjudged || fork.is_some() && known < Family::Member;
        let family = if is_open { known.max(self.family_of(slot, fork)) } else { known };
        let record = self.census.at_mut(slot);
        record.family = family;
        family.is_reported() && !record.has_begun
    }

    /// What the nearest ancestor that is judged says of a process.
    fn family_of(&self, slot: Slot, mut fork: Option<&Event>) -> Family {
        let mut child = slot;
        let mut parent = match fork {
            Some(event) => self.census.find(event.word(1).cast_signed()),
            None => self.census.parent(slot),
        };
        for _ in 0..DEPTH_MAX {
            let Some(known) = parent.filter(|parent| self.is_parent(*parent, child)) else { break };
            let family = self.census.at(known).family;
            if family != Family::Unjudged {
                match family.child(fork.is_some()) {
                    Some(family) => return family,
                    None => break,
                }
            }
            fork = None;
            child = known;
            parent = self.census.parent(child);
        }
        self.orphan(child)
    }

    /// Whether the record that has the pid of a process's parent is the parent's: no event about it can have
    /// been lost since it was seen, and it is no younger than the child.
    fn is_parent(&self, parent: Slot, child: Slot) -> bool {
        let parent = self.census.at(parent);
        let child_ns = lived_ns(self.census.at(child)) + self.agenda.slept.0;
        lived_ns(parent).max(parent.read_ns) > self.agenda.doubted_ns
            && parent.process.start_boottime_ns <= child_ns
    }

    fn orphan(&self, slot: Slot) -> Family {
        let Record { process, origin, .. } = self.census.at(slot);
        let is_unheard = !matches!(
            origin,
            Origin::Forked { .. } | Origin::Found(Found { fork: OwnFork::Seen, .. })
        );
        let (start_ns, doubted_ns) = (process.start_boottime_ns, self.agenda.doubted_ns);
        let is_lost = doubted_ns > 0 && start_ns <= doubted_ns + self.agenda.slept.0;
        let is_old = is_unheard && start_ns < self.census.orphans_since_ns;
        Family::orphan(is_old, is_unheard && !is_lost, self.agenda.is_scan_to_report())
    }
}
