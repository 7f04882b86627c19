//! Judging whether processes belong to the family that is reported, by the records of their parents.

use super::agenda::Agenda;
use super::census::Slot;
use super::family::{Family, PREEMPTED_NS};
use super::follower::Follower;
use super::judge::lived_ns;
use super::record::{Found, Origin, OwnFork, Record};
use super::report::field;
use super::scan::{Cause, Scan};
use crate::protocol::event::Event;

/// How many parents, all of them found and not judged yet, are judged for the sake of one process.
const DEPTH_MAX: u32 = 100;

impl Follower {
    /// What a process is whose FORK this is, in a table of a family.
    pub(super) fn judge_born(&mut self, event: &Event) -> Family {
        let parent = self.census.find(event.word(1).cast_signed());
        match parent.filter(|parent| self.is_sure(*parent) && self.is_older(*parent, event)) {
            Some(parent) => self.judge_found(parent, 0).child(),
            None if self.agenda.is_scan_to_report() => Family::Pending,
            None => Family::Perhaps,
        }
    }

    /// Whether a process existed when the event was generated.
    fn is_older(&self, slot: Slot, event: &Event) -> bool {
        let record = self.census.at(slot);
        match (record.origin, record.start_ns()) {
            (Origin::Forked { at_ns, .. }, _) => at_ns <= event.timestamp_ns,
            (_, Some(start_ns)) => !self.agenda.slept.is_before(event, start_ns),
            (_, None) => true,
        }
    }

    /// Whether the record of a process is still that of the pid's owner: no event about it can have been lost
    /// since it was seen.
    fn is_sure(&self, slot: Slot) -> bool {
        let record = self.census.at(slot);
        lived_ns(record).max(record.read_ns) > self.agenda.doubted_ns
    }

    /// Judges a process, unless that has been done.
    #[inline(never)]
    pub(super) fn judge_found(&mut self, slot: Slot, depth: u32) -> Family {
        let is_to_be_judged = self.is_to_be_judged(slot);
        let record = self.census.at_mut(slot);
        if !is_to_be_judged {
            return record.family;
        }
        let is_shown = record.process.valid & field::PARENT != 0 && depth < DEPTH_MAX;
        let is_fork_lost = self.agenda.doubted_ns > 0;
        let otherwise = Family::of_orphan(is_shown && !is_fork_lost);
        // Parents that were read at different times may form a circle.
        record.family = otherwise;
        let parent = self.census.parent(slot).filter(|parent| is_shown && self.is_sure(*parent));
        if let Some(parent) = parent
            && let Some(root) = self.census.root
        {
            let parents = self.judge_found(parent, depth + 1);
            let is_adopter = self.census.at(parent).is_adopter;
            let record = self.census.at_mut(slot);
            let may_hear_fork = is_fork_lost || root.may_hear_fork(record.start_ns());
            record.family = parents.found_child(is_adopter, may_hear_fork, otherwise);
        }
        self.census.at(slot).family
    }

    /// Whether a process is to be judged. Pending ones are judged once more by a scan that has seen all parents,
    /// if what their FORKs were to show may be lost.
    fn is_to_be_judged(&self, slot: Slot) -> bool {
        let Record { family, origin, .. } = self.census.at(slot);
        let Agenda { healed, scan, .. } = &self.agenda;
        let may_be_lost = || match origin {
            Origin::Forked { .. } | Origin::Found(Found { fork: OwnFork::Seen, .. }) => true,
            Origin::Found(Found { at_ns, fork, .. }) => {
                let late_ns = if *fork == OwnFork::Expected { PREEMPTED_NS } else { 0 };
                healed.since_ns.is_some_and(|since_ns| since_ns < at_ns + late_ns)
            }
        };
        match family {
            Family::Unknown => true,
            Family::Pending => {
                matches!(scan, Scan::Reporting { cause: Cause::Doubt, .. }) && may_be_lost()
            }
            _ => false,
        }
    }
}
