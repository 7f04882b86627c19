//! Events: the look that an event needs, the verdict, and what the verdict says.

use super::agenda::Agenda;
use super::census::Slot;
use super::follower::{EVENT, Follower, LOOK, Outcome};
use super::judge::{self, AfterExec, Clock, Evidence, Question, Verdict};
use super::leaderless;
use super::record::{ExitCode, Found, Gone, Life, Origin, Record, Threads};
use super::report::{change, field, state};
use super::world::World;
use crate::errno::Errno;
use crate::procfs::{Look, Sight};
use crate::protocol::event::{Event, kind};

impl Follower {
    /// Handles the next event.
    pub(super) fn judge_event(&mut self, world: &mut impl World) -> Result<Outcome, Errno> {
        let Some(&event) = self.agenda.event() else { return Ok(Outcome::Worked(0)) };
        if event.kind == kind::OVERRUN {
            self.agenda.note_loss(&event);
            self.agenda.finish_event();
            return Ok(Outcome::Worked(EVENT));
        }
        let pid = event.tgid();
        let slot = self.census.find(pid);
        if slot.is_none() && event.kind == kind::EXIT && self.agenda.is_catching_up() {
            return self.find_by_exit(pid, &event, world);
        }
        let record = slot.map(|slot| self.census.at(slot));
        let mut look = Look::Absent;
        let Agenda { hearing, slept, .. } = self.agenda;
        let (verdict, work) = match judge::ask(record, &event, hearing, slept) {
            Question::None(verdict) => (verdict, EVENT),
            question => {
                let mut work = EVENT;
                if let Question::Look { with_credentials } = question {
                    self.look(pid, with_credentials, &mut look, world)?;
                    work = LOOK;
                }
                let own_status = match event.kind {
                    kind::EXIT => leaderless::own_status(&self.census, look.sight(), world),
                    _ => None,
                };
                let clock = Clock { slept, ..world.clock() };
                let evidence = Evidence { look: &look, own_status, hearing };
                let record = slot.map(|slot| self.census.at(slot));
                (judge::judge(record, &event, &evidence, clock), work)
            }
        };
        Ok(match self.apply(verdict, pid, &event, slot, &look, world)? {
            // A look costs as much if it showed no process.
            Outcome::Worked(_) => Outcome::Worked(work),
            reported => reported,
        })
    }

    /// Reports a process that was there when the previous owner released the socket, and exited before
    /// this table found it. Then its EXIT is judged like any other.
    fn find_by_exit(
        &mut self,
        pid: i32,
        event: &Event,
        world: &mut impl World,
    ) -> Result<Outcome, Errno> {
        let mut look = Look::Absent;
        self.look_alive(pid, &mut look, world)?;
        let is_younger = |sight: &Sight| self.agenda.slept.is_before(event, sight.stat.start_ns);
        let slot = if look.sight().is_some_and(|sight| !is_younger(sight)) {
            self.enter_looked_at(pid, &look, false, world)?
        } else {
            let at_ns = event.timestamp_ns;
            let found = Found { at_ns, is_reported: false, ran_by_ns: at_ns, is_fork_seen: false };
            Some(self.census.insert(Record::exited_unseen(pid, found))?)
        };
        Ok(slot.map_or(Outcome::Worked(LOOK), |slot| self.report_found(slot)))
    }

    /// Does what a verdict says. The event has been handled then, unless something else is to be
    /// reported first.
    fn apply(
        &mut self,
        verdict: Verdict,
        pid: i32,
        event: &Event,
        slot: Option<Slot>,
        look: &Look,
        world: &mut impl World,
    ) -> Result<Outcome, Errno> {
        let kind = match (verdict, slot) {
            (Verdict::Started { is_seen }, _) => {
                let slot = self.start(pid, event, look, is_seen, world)?;
                self.judge_family(slot, Some(event));
                Some((change::STARTED, slot))
            }
            (Verdict::Discovered, _) => {
                let slot = self.enter_looked_at(pid, look, false, world)?;
                self.agenda.finish_event();
                return Ok(slot.map_or(Outcome::Worked(LOOK), |slot| self.report_found(slot)));
            }
            (Verdict::ReportFirst, Some(slot)) => {
                return Ok(self.report_found(slot));
            }
            (Verdict::ExitFirst { exit, is_exit_pending }, Some(slot)) => {
                self.agenda.is_exit_pending = is_exit_pending;
                if is_exit_pending {
                    self.agenda.hearing.note_missing_exit(event.timestamp_ns);
                }
                let record = self.census.at_mut(slot);
                if record.read_ns > event.timestamp_ns {
                    record.process.pidfd_inode = 0; // The look showed the next owner.
                }
                let gone = Gone { at_ns: 0, exit: Some(exit), is_replaced: false };
                leaderless::end_watch(&mut self.census, slot, Life::Exited(gone), world);
                return Ok(self.report_exit(slot, world));
            }
            (_, Some(slot)) => {
                let kind = self.apply_to(verdict, event, slot, look.sight(), world);
                kind.map(|kind| (kind, slot))
            }
            _ => None,
        };
        self.agenda.finish_event();
        Ok(match kind {
            Some((kind, slot)) => self.report(slot, kind, event.timestamp_ns, 0),
            None => Outcome::Worked(EVENT),
        })
    }

    /// Does what a verdict about a process of the table says; the kind of change that it is.
    fn apply_to(
        &mut self,
        verdict: Verdict,
        event: &Event,
        slot: Slot,
        sight: Option<&Sight>,
        world: &mut impl World,
    ) -> Option<u32> {
        let record = self.census.at_mut(slot);
        match verdict {
            Verdict::OwnFork => {
                note_fork(record, true);
                // The scan may have passed its parent before that existed, and its children may have
                // been read before it existed.
                self.census.doubt_kin(slot);
                // Only the FORK may have shown that it is of the family.
                self.judge_family(slot, Some(event)).then_some(change::STARTED)
            }
            Verdict::PastExit => {
                // The FORK that was taken for its own may be the previous owner's. After another EXIT, its FORK
                // cannot come.
                if record.leader_exit.is_none() {
                    note_fork(record, false);
                }
                self.census.doubt_kin(slot);
                None
            }
            Verdict::Threaded => {
                self.note_thread(slot, world);
                None
            }
            Verdict::Outlived { code, is_leader_gone, is_fork_earlier } => {
                record.note_leader_exit(code);
                // An EXIT of another process says nothing about threads.
                if code != ExitCode::Unknown {
                    record.threads = Threads::Others { heard: 0 };
                }
                let is_found = matches!(record.origin, Origin::Found(_));
                if is_fork_earlier {
                    note_fork(record, true);
                }
                if is_found {
                    self.census.doubt_kin(slot);
                }
                leaderless::settle(&mut self.census, slot, is_leader_gone, world);
                None
            }
            Verdict::AskPidfd { code, is_replaced } => {
                record.note_leader_exit(code);
                leaderless::note_exit_of_watched(&mut self.census, slot, is_replaced, world);
                None
            }
            Verdict::Exited(gone) => {
                leaderless::end_watch(&mut self.census, slot, Life::Exited(gone), world);
                None
            }
            Verdict::Execed(after) => {
                self.note_exec(slot, event.timestamp_ns, after, sight, world);
                Some(change::EXECED)
            }
            _ => verdict.update(&mut record.process),
        }
    }

    /// Enters a process whose FORK this is.
    fn start(
        &mut self,
        pid: i32,
        event: &Event,
        look: &Look,
        is_seen: bool,
        world: &mut impl World,
    ) -> Result<Slot, Errno> {
        let predecessor_pending = self.agenda.is_exit_pending;
        let origin = Origin::Forked { at_ns: event.timestamp_ns, predecessor_pending };
        self.hear_threads_of(pid, world);
        let threads = self.leader_alone_at(pid, event.timestamp_ns);
        let parent_pid = event.word(1) as i32;
        let parent = self.census.find(parent_pid);
        let Some(sight) = look.sight().filter(|_| is_seen) else {
            let parent = parent.map(|parent| &self.census.at(parent).process);
            let mut record = Record::inherited(pid, parent_pid, parent, origin);
            record.threads = threads;
            let slot = self.census.insert(record)?;
            if *look == Look::Hidden {
                let slept_ns = self.agenda.slept.0;
                self.census.at_mut(slot).process.start_boottime_ns = event.timestamp_ns + slept_ns;
                self.census.set_hidden(slot, true);
            }
            return Ok(slot);
        };
        let slot = self.enter(pid, sight, origin, world)?;
        if matches!(threads, Threads::LeaderAlone { .. }) {
            // The FORKs of its threads follow.
            self.census.at_mut(slot).threads = threads;
        }
        if parent.is_some() {
            // It started as this process's child, even if it has another parent by now.
            let process = &mut self.census.at_mut(slot).process;
            process.parent_pid = parent_pid;
            process.valid |= field::PARENT;
            self.census.link(slot);
            self.compare(slot, sight, field::PARENT, 0);
        }
        Ok(slot)
    }

    fn note_exec(
        &mut self,
        slot: Slot,
        event_ns: u64,
        after: AfterExec,
        sight: Option<&Sight>,
        world: &mut impl World,
    ) {
        let pid = self.census.pid(slot);
        self.hear_threads_of(pid, world);
        let threads = self.leader_alone_at(pid, event_ns);
        self.keep_command(slot, sight.filter(|_| after != AfterExec::Gone));
        let record = self.census.at_mut(slot);
        record.leader_exit = None;
        record.threads = threads;
        record.process.state &= !state::KERNEL_THREAD; // The kernel had a helper run a program.
        match (after, sight) {
            (AfterExec::Alive, Some(sight)) => {
                let is_leader_gone = sight.stat.condition.has_no_leader();
                leaderless::settle(&mut self.census, slot, is_leader_gone, world);
                let record = self.census.at_mut(slot);
                record.take_program(sight, self.fields);
                let unknown = field::PARENT & !record.process.valid;
                let fields = field::SESSION | field::CREDENTIALS | unknown;
                self.compare(slot, sight, fields, 0);
            }
            (_, sight) => {
                match sight.filter(|_| after == AfterExec::Zombie) {
                    Some(sight) => record.take_name(sight, self.fields),
                    None => record.process.valid &= !field::COMM,
                }
                leaderless::note_exec_of_exited(&mut self.census, slot, world);
            }
        }
    }
}

/// Notes whether the FORK of a process that was found has come.
const fn note_fork(record: &mut Record, is_seen: bool) {
    if let Origin::Found(found) = &mut record.origin {
        found.is_fork_seen = is_seen;
    }
}
