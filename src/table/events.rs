//! What an event means, held against what /proc says now.

use super::census::{
    AMBIGUOUS, Exit, FORKED, LEFT, List, NOBODY, OUTLIVED, RAN, REPLACED, Slot, UNREPORTED,
};
use super::compare::Comparison;
use super::report::{Process, change, field, remark, state};
use super::{Change, Shared, Table, look};
use crate::errno::Errno;
use crate::procfs::stat::TICK_NS;
use crate::protocol::event::{Event, kind};
use crate::sys::{boottime_ns, monotonic_ns};

/// How late an EXIT may be handled for its code to be believed.
const PROMPT_NS: u64 = 10_000_000;

/// What has become of an event.
pub(super) enum Verdict {
    /// This is to be reported first; then the event is to be handled again.
    First(Change),
    /// This is what it meant.
    Report(Change),
    /// Nothing, but a process had to be read to know.
    Read,
    /// Nothing new.
    Known,
}

impl Table {
    pub(super) fn handle(&mut self, shared: &Shared, event: &Event) -> Result<Verdict, Errno> {
        if event.kind == kind::OVERRUN {
            self.note_loss(event);
            return Ok(Verdict::Known);
        }
        let slot = self.store.find(event.tgid());
        if self.store.at(slot).is(UNREPORTED) {
            return Ok(Verdict::First(self.report_found(slot)));
        }
        match event.kind {
            kind::FORK => self.forked(shared, event, slot),
            kind::EXIT => self.exited(shared, event, slot),
            _ if slot == NOBODY => self.discover(shared, event),
            kind::EXEC => self.execed(shared, event, slot),
            _ => Ok(self.told(event, slot)),
        }
    }

    fn forked(&mut self, shared: &Shared, event: &Event, slot: Slot) -> Result<Verdict, Errno> {
        let pid = event.tgid();
        if slot != NOBODY {
            let entry = self.store.at(slot);
            let start_ns = entry.process.start_boottime_ns;
            if is_before(event, start_ns) {
                return Ok(Verdict::Known);
            }
            // Its own, if a scan has found it first. (But what has run, or sent an EXIT, has been
            // forked before: that is the pid's next owner, even if /proc calls both equally old.)
            if !entry.is(FORKED)
                && entry.exit.is_none()
                && (event.timestamp_ns < entry.found_ns
                    || !entry.is(RAN | LEFT)
                        && is_before(event, start_ns.saturating_add(2 * TICK_NS)))
            {
                self.store.at_mut(slot).marks |= FORKED;
                // The scan may have passed its parent before that was.
                self.store.link(slot);
                return Ok(Verdict::Known);
            }
            // The pid has another owner: the last one has ended, and if its EXIT has not come yet,
            // it will be hard to tell from the new one's.
            let entry = self.store.at_mut(slot);
            match entry.exit {
                None => {
                    self.unexplained = pid;
                    entry.exit = Some(Exit::new(event.timestamp_ns, None));
                }
                // What /proc said of its end may have been about the next one, as old by its clock.
                Some(Exit { timestamp_ns, flags, .. })
                    if event.timestamp_ns < entry.gone_ns && flags & remark::LEADER_CODE == 0 =>
                {
                    entry.exit = Some(Exit::new(timestamp_ns, None));
                }
                Some(_) => {}
            }
            let end = self.end(shared, slot);
            self.replaced = 0; // by this one
            return Ok(Verdict::First(end));
        }
        let found = self.look(pid)?.filter(|(reading, _)| !is_before(event, reading.start_ns));
        let ambiguous = if self.unexplained == pid { AMBIGUOUS } else { 0 };
        let marks = FORKED | ambiguous;
        let parent = self.store.find(event.word(1).cast_signed());
        let slot = match found {
            Some((reading, credentials)) => {
                let slot = self.enter(shared, pid, &reading, credentials, marks)?;
                if parent != NOBODY {
                    // It began as this process's child, whosever it is by now.
                    self.store.at_mut(slot).process.parent_pid = self.store.at(parent).process.pid;
                    self.store.link(slot);
                    self.comparison = Some(Comparison {
                        slot,
                        reading,
                        credentials: None,
                        fields: field::PARENT,
                        flags: 0,
                    });
                }
                slot
            }
            None => {
                let inherited = self.store.at(parent).process;
                let process = Process {
                    pid,
                    parent_pid: event.word(1).cast_signed(),
                    valid: field::PARENT,
                    start_boottime_ns: 0,
                    user: 0,
                    state: 0,
                    ..inherited
                };
                let slot = self.store.insert(process, marks)?;
                self.store.link(slot);
                slot
            }
        };
        self.unexplained = 0;
        Ok(Verdict::Report(self.report(change::STARTED, slot, event.timestamp_ns, 0)))
    }

    /// An EXIT is the leader's, and only /proc knows whether it was the process's end.
    fn exited(&mut self, shared: &Shared, event: &Event, slot: Slot) -> Result<Verdict, Errno> {
        if slot == NOBODY || is_before(event, self.store.at(slot).process.start_boottime_ns) {
            return Ok(Verdict::Known);
        }
        let reading = look(event.tgid())?;
        let same = reading.filter(|reading| self.is_same(slot, reading));
        if let Some(reading) = same.filter(|reading| !reading.has_ended) {
            // A thread takes the leader's place by an exec, or the others live on.
            let entry = self.store.at_mut(slot);
            let is_its_own = event.timestamp_ns > entry.found_ns;
            entry.marks |= if is_its_own { OUTLIVED | LEFT } else { OUTLIVED };
            self.settle(shared, slot, reading.leader_gone);
            return Ok(Verdict::Read);
        }
        if reading.is_some() && same.is_none() {
            self.store.at_mut(slot).marks |= REPLACED;
        }
        // It was known to have outlived its leader, whose code this is.
        if let Some(pidfd) = self.take_pidfd(shared, slot) {
            self.note_end_of_watched(shared, slot, &pidfd);
            return Ok(Verdict::Read);
        }
        let code = event.word(2).cast_signed();
        let told = |code| Exit::new(event.timestamp_ns, code);
        let status = match same {
            Some(zombie) if self.knows_status => self.told_status(&zombie),
            _ => None,
        };
        let exit = match status {
            Some(_) => told(status),
            None if self.is_clear(event, slot) => {
                let exit = told(Some(code));
                Exit { flags: exit.flags | remark::LEADER_CODE, ..exit }
            }
            None => told(None),
        };
        self.note_end(shared, slot, Some(exit));
        Ok(Verdict::Read)
    }

    /// Whether the code in an EXIT is the process's, as far as can be seen.
    fn is_clear(&self, event: &Event, slot: Slot) -> bool {
        // Without a parent it was reaped before the event was made: then the code may be the
        // leader's (seen with preempt=full). So it may if the others have had the time to end
        // unseen.
        let has_parent = event.word(5) != 0;
        let is_prompt = monotonic_ns().saturating_sub(event.timestamp_ns) < PROMPT_NS;
        // Of several EXITs nobody knows which is the last.
        let entry = self.store.at(slot);
        let is_only = entry.exit.is_none() && !entry.is(AMBIGUOUS | OUTLIVED);
        let had_leader = entry.process.state & state::LEADER_GONE == 0;
        has_parent && is_prompt && is_only && had_leader
    }

    fn execed(&mut self, shared: &Shared, event: &Event, slot: Slot) -> Result<Verdict, Errno> {
        let entry = self.store.at(slot);
        if event.timestamp_ns < entry.found_ns || is_before(event, entry.process.start_boottime_ns)
        {
            return Ok(Verdict::Known);
        }
        let found = self.look(event.tgid())?;
        self.store.at_mut(slot).marks &= !OUTLIVED;
        match found {
            Some((zombie, _)) if zombie.has_ended && self.is_same(slot, &zombie) => {
                let entry = self.store.at_mut(slot);
                entry.process.comm = zombie.comm;
                entry.process.valid |= field::COMM & self.fields;
                self.expect_exit(slot);
            }
            Some((reading, credentials)) if self.is_same(slot, &reading) => {
                self.settle(shared, slot, reading.leader_gone);
                let entry = self.store.at_mut(slot);
                entry.process.comm = reading.comm;
                entry.process.valid |= field::COMM & self.fields;
                entry.process.state &= !state::KERNEL_THREAD; // a helper of the kernel's
                entry.image = reading.image;
                entry.read_ns = reading.taken_ns;
                let fields = field::SESSION | field::CREDENTIALS;
                self.comparison = Some(Comparison { slot, reading, credentials, fields, flags: 0 });
            }
            _ => {
                // It has ended since, so that its name is not known.
                self.store.at_mut(slot).process.valid &= !field::COMM;
                self.expect_exit(slot);
            }
        }
        Ok(Verdict::Report(self.report(change::EXECED, slot, event.timestamp_ns, 0)))
    }

    /// If the process seemed to end before this, that was the EXIT of the old leader, and its own is
    /// still to come.
    fn expect_exit(&mut self, slot: Slot) {
        let entry = self.store.at_mut(slot);
        entry.exit = None;
        entry.marks &= !REPLACED;
        if self.store.listed(slot) == List::Ending {
            self.store.unlist(slot);
        }
    }

    /// The event itself says what is new.
    fn told(&mut self, event: &Event, slot: Slot) -> Verdict {
        let entry = self.store.at_mut(slot);
        if event.timestamp_ns < entry.read_ns {
            return Verdict::Known;
        }
        let process = &mut entry.process;
        let before = *process;
        let (first, second) = (event.word(2), event.word(3));
        let kind = match event.kind {
            kind::COMM if process.state & state::KERNEL_THREAD != 0 => return Verdict::Known,
            kind::COMM => {
                let [_, low, high, ..] = event.data;
                let [low, high] = [low.to_ne_bytes(), high.to_ne_bytes()];
                for (to, from) in process.comm.iter_mut().zip(low.iter().chain(&high)) {
                    *to = *from;
                }
                process.valid |= field::COMM;
                change::RENAMED
            }
            kind::UID => {
                (process.ruid, process.euid) = (first, second);
                change::CREDENTIALS
            }
            kind::GID => {
                (process.rgid, process.egid) = (first, second);
                change::CREDENTIALS
            }
            kind::SID => {
                process.session = process.pid;
                process.valid |= field::SESSION;
                change::SESSION
            }
            _ => return Verdict::Known,
        };
        if *process == before {
            return Verdict::Known;
        }
        Verdict::Report(self.report(kind, slot, event.timestamp_ns, 0))
    }

    /// Something is said of a process that is not known: its FORK is lost.
    fn discover(&mut self, shared: &Shared, event: &Event) -> Result<Verdict, Errno> {
        let pid = event.tgid();
        match self.look_alive(pid)? {
            Some((reading, credentials)) if !is_before(event, reading.start_ns) => {
                let slot = self.enter(shared, pid, &reading, credentials, 0)?;
                self.store.at_mut(slot).found_ns = reading.taken_ns;
                Ok(Verdict::Report(self.report_found(slot)))
            }
            _ => Ok(Verdict::Read),
        }
    }
}

/// Whether an event is older than a process that began then.
fn is_before(event: &Event, start_boottime_ns: u64) -> bool {
    // The difference of the clocks has never been larger: only sleeping makes it grow.
    let monotonic = monotonic_ns();
    let sleep_ns = boottime_ns().saturating_sub(monotonic);
    event.timestamp_ns.saturating_add(sleep_ns) < start_boottime_ns
}
