//! A scan: looks at every process, compares, and reports what events did not.

use super::census::Slot;
use super::follower::{Follower, LOOK, Outcome};
use super::judge::{self, Recheck};
use super::leaderless;
use super::record::{Gone, Life};
use super::report::{Change, Process, change, field, remark};
use super::scan::{Cause, Scan, Visit, visit};
use super::world::World;
use crate::errno::Errno;
use crate::procfs::Look;

/// How many processes a scan passes in about the time of one look.
const PASSED_PER_STEP: usize = 100;

impl Follower {
    /// Takes the next step of the scan.
    pub(super) fn scan(&mut self, world: &mut impl World) -> Result<Outcome, Errno> {
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
                self.agenda.end_scan(ended_ns);
                self.change.set_synced(cause, &self.agenda.healed, world.clock().now_ns);
                self.change.hidden = self.census.hidden();
                Ok(Outcome::Report)
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
        let known = self.census.above(done).map(|slot| self.census.pid(slot));
        let (pid, is_listed) = match visit(listed, known) {
            Visit::Unlisted(pid) => (pid, false),
            Visit::Listed(pid) => (pid, true),
            Visit::End => {
                // Where /proc hides processes, it does not list them, and the first one is missing.
                if self.census.find(1).is_none() {
                    let mut look = Look::Absent;
                    self.look_alive(1, &mut look, world)?;
                    self.enter_looked_at(1, &look, false, world)?;
                }
                self.census.link_parentless(true);
                self.agenda.scan = Scan::Reporting { cause, done: 0 };
                return Ok(Outcome::Worked(LOOK));
            }
        };
        let mut found = self.census.find(pid);
        match found {
            None => {
                let mut look = Look::Absent;
                self.look_alive(pid, &mut look, world)?;
                found = self.enter_looked_at(pid, &look, false, world)?;
            }
            Some(slot) => {
                if let Some(exit) = self.recheck(slot, cause, world)? {
                    return Ok(exit);
                }
            }
        }
        let next = found.filter(|slot| cause == Cause::Opening && self.is_next_to_report(*slot));
        if let Some(slot) = next {
            self.enter_parent(slot, world)?;
        }
        self.agenda.scan = Scan::Listing { cause, done: pid };
        if is_listed {
            world.take_listed();
        }
        match next {
            Some(slot) if self.census.has_parent(slot) => Ok(self.report_found(slot)),
            Some(_) => Ok(Outcome::Worked(2 * LOOK)),
            None => Ok(Outcome::Worked(LOOK)),
        }
    }

    /// Whether the first scan, before it has ended, can report this process as soon as the parent is in the table.
    /// That is so if all processes with lower pids have been reported.
    fn is_next_to_report(&self, slot: Slot) -> bool {
        let Change { kind, process, .. } = &self.change;
        let is_first_or_next = *kind == change::FOUND || self.sequence == 0;
        let record = self.census.at(slot);
        is_first_or_next
            && record.is_unreported()
            && record.family.is_reported()
            && self.census.above(process.pid) == Some(slot)
    }

    /// Enters the parent of a process if the scan has not reached the parent yet, so that the report of the process
    /// names the parent. A parent may have a higher pid once the pids have wrapped.
    fn enter_parent(&mut self, slot: Slot, world: &mut impl World) -> Result<(), Errno> {
        let &Process { pid, parent_pid, .. } = &self.census.at(slot).process;
        if parent_pid > pid && self.census.find(parent_pid).is_none() {
            let mut look = Look::Absent;
            self.look_alive(parent_pid, &mut look, world)?;
            // A hidden parent is not entered: /proc does not list it, and no scan enters such a process.
            if look.sight().is_some() {
                self.enter_looked_at(parent_pid, &look, false, world)?;
            }
        }
        self.census.link(slot);
        Ok(())
    }

    /// Compares a process of the table with what it is; the report of its exit, if its pid has
    /// another owner.
    fn recheck(
        &mut self,
        slot: Slot,
        cause: Cause,
        world: &mut impl World,
    ) -> Result<Option<Outcome>, Errno> {
        if !judge::is_rechecked(self.census.at(slot), cause) {
            return Ok(None);
        }
        let mut look = Look::Absent;
        self.look_alive(self.census.pid(slot), &mut look, world)?;
        match (judge::recheck(self.census.at(slot), &look), look.sight()) {
            (Recheck::Same, Some(sight)) => {
                leaderless::settle(
                    &mut self.census,
                    slot,
                    sight.stat.condition.has_no_leader(),
                    world,
                );
                let threads = self.threads_in(self.census.pid(slot), sight);
                let record = self.census.at_mut(slot);
                (record.read_ns, record.threads) = (sight.taken_ns, threads);
                self.keep_command(slot, Some(sight));
                self.compare(slot, sight, field::ALL, remark::RECOVERED);
            }
            (Recheck::AskPidfd, _) => {
                leaderless::note_exit_of_watched(&mut self.census, slot, false, world)
            }
            (verdict @ (Recheck::Gone | Recheck::Replaced), _) => {
                let is_replaced = verdict == Recheck::Replaced;
                let gone = Gone { at_ns: world.clock().now_ns, exit: None, is_replaced };
                leaderless::end_watch(&mut self.census, slot, Life::Exited(gone), world);
                // If its EXIT is queued, that will be handled before the process leaves. /proc may not list
                // the next owner, so Job::Successor looks for it.
                if is_replaced {
                    return Ok(Some(self.report_exit(slot, world)));
                }
            }
            (Recheck::Hidden, _) => {
                self.census.at_mut(slot).process.valid &= field::START;
                self.census.set_hidden(slot, true);
            }
            (Recheck::Same, None) => {}
        }
        Ok(None)
    }

    /// Reports the next process that the scan found.
    fn report_next(&mut self, cause: Cause, mut done: i32, world: &impl World) -> Outcome {
        for _ in 0..PASSED_PER_STEP {
            let Some(slot) = self.census.above(done) else {
                self.agenda.settle_scan(cause, world.clock().now_ns);
                return Outcome::Worked(LOOK);
            };
            done = self.census.pid(slot);
            self.agenda.scan = Scan::Reporting { cause, done };
            if self.judge_family(slot, None) || self.census.at(slot).is_unreported() {
                return self.report_found(slot);
            }
        }
        Outcome::Worked(LOOK)
    }
}
