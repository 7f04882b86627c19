//! Judging whether processes belong to the family that is reported, by the records of their parents.

use super::census::Slot;
use super::family::Family;
use super::follower::Follower;
use super::judge::{Clock, lived_ns};
use super::record::{Found, Origin, Record};
use super::report::field;
use super::scan::Scan;
use super::world::World;
use crate::procfs::{Look, TICK_NS};
use crate::protocol::event::Event;

/// How many parents that are not judged are passed. Parents that were read at different times may form a
/// circle.
const DEPTH_MAX: u32 = 100;

impl Follower {
    /// Enters the process whose family is reported, as a look showed it before the table was opened.
    #[inline]
    pub(super) fn enter_root(&mut self, pid: i32, look: &Look, world: &mut impl World) {
        let Clock { now_ns, slept } = world.clock();
        self.census.orphans_since_ns = now_ns + slept.0;
        // There is memory for the first process.
        let _ = self.enter_looked_at(pid, look, false, world);
    }

    /// Judges a process by its FORK; without one, by what was seen of it, unless it has been judged. True if
    /// this shows that it is to be reported.
    #[inline(never)]
    pub(super) fn judge_family(&mut self, slot: Slot, fork: Option<&Event>) -> bool {
        let known = self.census.at(slot).family;
        if known >= Family::Member || known != Family::Unjudged && fork.is_none() {
            return false;
        }
        let family = known.max(self.family_of(slot, fork));
        self.census.at_mut(slot).family = family;
        family.is_reported() && !known.is_reported()
    }

    /// What the nearest ancestor that is judged says of a process.
    fn family_of(&self, slot: Slot, mut fork: Option<&Event>) -> Family {
        let mut child = slot;
        let mut parent = match fork {
            Some(event) => self.census.find(event.word(1) as i32),
            None => self.census.parent(slot),
        };
        for _ in 0..DEPTH_MAX {
            let Some(known) = parent.filter(|parent| self.is_parent(*parent, fork)) else { break };
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

    /// Whether the record with a parent's pid is the parent's: no event about it can have been lost since it was
    /// seen, and it is no younger than the child's FORK. If the child was made with `CLONE_PARENT`, its parent may
    /// have exited before the FORK was queued. /proc rounds the start of the pid's next owner, so that its own FORK
    /// decides.
    fn is_parent(&self, slot: Slot, fork: Option<&Event>) -> bool {
        let record = self.census.at(slot);
        let start_ns = record.process.start_boottime_ns;
        let is_younger = |event: &Event| {
            self.agenda.slept.is_before(event, start_ns)
                || matches!(record.origin, Origin::Forked { at_ns, .. } if event.timestamp_ns < at_ns)
        };
        lived_ns(record).max(record.read_ns) > self.agenda.doubted_ns
            && !fork.is_some_and(is_younger)
    }

    /// What a process is that may be an orphan.
    fn orphan(&self, slot: Slot) -> Family {
        let Record { process, origin, .. } = self.census.at(slot);
        let start_ns = process.start_boottime_ns;
        let is_unheard = !matches!(
            origin,
            Origin::Forked { .. } | Origin::Found(Found { is_fork_seen: true, .. })
        ) && process.valid & field::PARENT != 0;
        let is_reporting = matches!(self.agenda.scan, Scan::Reporting { .. });
        if self.agenda.is_scan_to_report() && !is_reporting {
            return Family::Unjudged;
        }
        // /proc rounds when a process started. If nothing was lost, all that is unheard started before.
        let until_ns = if self.agenda.doubted_ns == 0 { start_ns } else { start_ns + TICK_NS };
        if is_unheard && until_ns < self.census.orphans_since_ns {
            return Family::Outside;
        }
        // No event was lost: its FORK will come.
        if is_unheard && self.agenda.doubted_ns == 0 {
            return Family::Unjudged;
        }
        Family::Perhaps
    }
}
