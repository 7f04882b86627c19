//! Reading all of /proc, a few processes at a time.

use super::census::{List, NOBODY, Slot, UNREPORTED};
use super::compare::Comparison;
use super::report::{Change, Process, change, field, remark};
use super::{Doubt, NOTHING, READING, SCAN_DELAY_NS, Shared, Step, Table};
use crate::errno::Errno;
use crate::sys::{Directory, monotonic_ns};

/// How many processes are passed in the time that the reading of one takes, about.
const REPORTED_PER_STEP: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Off,
    /// Reads the processes, which /proc lists in the order of their pids.
    Listing,
    /// Reports those that were not known.
    Reporting,
    /// Waits for what has vanished to be reported.
    Settling,
}

/// A scan, and the place that it has come to.
pub(super) struct Scan {
    directory: Directory,
    phase: Phase,
    /// The first scan only finds; later ones compare.
    is_first: bool,
    /// The pid that was done last.
    position: i32,
    buffer: [u8; 1024],
    next: usize,
    end: usize,
    /// What it heals.
    heals: Doubt,
    ended_ns: u64,
}

impl Scan {
    /// The first one is due at once.
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self {
            directory: Directory::open(b"/proc\0")?,
            phase: Phase::Listing,
            is_first: true,
            position: 0,
            buffer: [0; 1024],
            next: 0,
            end: 0,
            heals: NOTHING,
            ended_ns: 0,
        })
    }

    pub(super) fn is_running(&self) -> bool {
        self.phase != Phase::Off
    }

    pub(super) const fn is_first(&self) -> bool {
        self.is_first
    }

    /// The next pid that /proc lists; `None` at the end. It stays the next until it is taken.
    fn peek(&mut self) -> Result<Option<i32>, Errno> {
        loop {
            if self.next >= self.end {
                self.next = 0;
                self.end = 0;
                self.end = self.directory.read(&mut self.buffer)? as usize;
                if self.end == 0 {
                    return Ok(None);
                }
            }
            match entry(self.buffer.get(self.next..self.end).unwrap_or_default()) {
                Some((pid, _)) if pid > 0 => return Ok(Some(pid)),
                Some((_, size)) => self.next += size,
                None => self.next = self.end,
            }
        }
    }

    fn take(&mut self) {
        let rest = self.buffer.get(self.next..self.end).unwrap_or_default();
        self.next += entry(rest).map_or(0, |(_, size)| size);
    }
}

/// The first entry of what getdents64(2) has written: its pid, 0 if its name is none, and its size.
fn entry(entries: &[u8]) -> Option<(i32, usize)> {
    // struct linux_dirent64: d_ino, d_off, d_reclen, d_type, d_name
    let size = u16::from_ne_bytes(*entries.get(16..)?.first_chunk()?);
    let name = entries.get(19..usize::from(size))?.split(|byte| *byte == 0).next()?;
    let pid = name.iter().try_fold(0_i32, |pid, byte| match byte {
        b'0'..=b'9' => pid.checked_mul(10)?.checked_add(i32::from(byte - b'0')),
        _ => None,
    });
    Some((pid.unwrap_or(0), usize::from(size)))
}

impl Table {
    /// Whether the scan is to go on, or to begin, although events are waiting.
    pub(super) fn is_scan_due(&self) -> bool {
        match (self.scan.phase, &self.doubt) {
            (Phase::Settling, _) => !self.has_ends_to_report(),
            // Nothing but what exists is told until that is told.
            _ if self.scan.is_first => true,
            (Phase::Off, Some(doubt)) => {
                let last = doubt.noticed_ns.max(self.scan.ended_ns);
                monotonic_ns().saturating_sub(last) > SCAN_DELAY_NS
            }
            (Phase::Off, None) => false,
            _ => self.events_since_scan_step >= super::EVENTS_PER_SCAN_STEP,
        }
    }

    pub(super) fn scan_step(&mut self, shared: &Shared) -> Result<Step, Errno> {
        match self.scan.phase {
            Phase::Off => {
                self.scan.directory.rewind()?;
                self.scan.heals = self.doubt.take().unwrap_or(NOTHING);
                (self.scan.next, self.scan.end, self.scan.position) = (0, 0, 0);
                self.scan.phase = Phase::Listing;
                Ok(Step::Worked(READING))
            }
            Phase::Listing => self.list_step(shared),
            Phase::Reporting => Ok(self.report_step()),
            Phase::Settling => Ok(self.settle_step()),
        }
    }

    fn list_step(&mut self, shared: &Shared) -> Result<Step, Errno> {
        let listed = self.scan.peek()?;
        if !self.scan.is_first {
            let slot = self.store.next(self.scan.position);
            let pid = self.store.at(slot).process.pid;
            if slot != NOBODY && listed.is_none_or(|listed| pid < listed) {
                // Not listed; but it may have begun after the list was made.
                let step = match self.recheck(shared, slot)? {
                    Some(change) => Step::Report(change),
                    None => Step::Worked(READING),
                };
                self.scan.position = pid;
                return Ok(step);
            }
        }
        let Some(pid) = listed else {
            self.link_all();
            self.scan.phase = Phase::Reporting;
            self.scan.position = 0;
            return Ok(Step::Worked(READING));
        };
        let slot = self.store.find(pid);
        if slot == NOBODY {
            self.find_process(shared, pid)?;
        } else if !self.scan.is_first
            && let Some(change) = self.recheck(shared, slot)?
        {
            return Ok(Step::Report(change)); // and then its pid's new owner
        }
        self.scan.position = pid;
        self.scan.take();
        Ok(Step::Worked(READING))
    }

    /// Enters a process that was not known.
    fn find_process(&mut self, shared: &Shared, pid: i32) -> Result<(), Errno> {
        if let Some((reading, credentials)) = self.look_alive(pid)? {
            let slot = self.enter(shared, pid, &reading, credentials, UNREPORTED)?;
            self.store.at_mut(slot).found_ns = reading.taken_ns;
            self.unreported += 1;
        }
        Ok(())
    }

    /// Compares a process that is known with what it is; its end, if its pid has another owner.
    fn recheck(&mut self, shared: &Shared, slot: Slot) -> Result<Option<Change>, Errno> {
        if self.store.listed(slot) == List::Ending || self.store.at(slot).is(UNREPORTED) {
            return Ok(None);
        }
        match self.look_alive(self.store.at(slot).process.pid)? {
            Some((reading, credentials)) if self.is_same(slot, &reading) => {
                self.settle(shared, slot, reading.leader_gone);
                self.store.at_mut(slot).read_ns = reading.taken_ns;
                let (fields, flags) = (field::ALL, remark::RECOVERED);
                self.comparison = Some(Comparison { slot, reading, credentials, fields, flags });
                Ok(None)
            }
            Some(_) => {
                self.store.at_mut(slot).gone_ns = monotonic_ns();
                Ok(Some(self.end(shared, slot)))
            }
            None if self.store.at(slot).pidfd.is_some() => {
                if let Some(pidfd) = self.take_pidfd(shared, slot) {
                    self.note_end_of_watched(shared, slot, &pidfd);
                }
                Ok(None)
            }
            None => {
                // If its EXIT is in the queue, that comes before the verdict.
                self.store.at_mut(slot).gone_ns = monotonic_ns();
                self.store.list(slot, List::Ending);
                Ok(None)
            }
        }
    }

    /// Finds the parents of those who came before them.
    fn link_all(&mut self) {
        let mut slot = self.store.next_parentless(NOBODY);
        while slot != NOBODY {
            let next = self.store.next_parentless(slot);
            self.store.link(slot);
            slot = next;
        }
    }

    fn report_step(&mut self) -> Step {
        for _ in 0..REPORTED_PER_STEP {
            let slot = self.store.next(self.scan.position);
            if slot == NOBODY {
                self.scan.phase = Phase::Settling;
                self.scan.ended_ns = monotonic_ns();
                return Step::Worked(READING);
            }
            self.scan.position = self.store.at(slot).process.pid;
            if self.store.at(slot).is(UNREPORTED) {
                return Step::Report(self.report_found(slot));
            }
        }
        Step::Worked(READING)
    }

    /// Whether a process that ended before the scan did is still in the table.
    fn has_ends_to_report(&self) -> bool {
        let ending = self.store.first(List::Ending);
        ending != NOBODY && self.store.at(ending).gone_ns <= self.scan.ended_ns
    }

    fn settle_step(&mut self) -> Step {
        self.scan.phase = Phase::Off;
        self.scan.is_first = false;
        let Doubt { lost, since_ns, noticed_ns, flags } = self.scan.heals;
        let recovered = if noticed_ns == 0 { 0 } else { remark::RECOVERED };
        Step::Report(Change {
            kind: change::SYNCED,
            flags: flags | recovered,
            timestamp_ns: monotonic_ns(),
            lost,
            since_ns,
            exit_code: 0,
            reserved: 0,
            reserved2: [0; 2],
            process: Process::EMPTY,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirent(name: &[u8]) -> Vec<u8> {
        let size = (19 + name.len() + 1).next_multiple_of(8);
        let mut entry = vec![0; size];
        entry[16..18].copy_from_slice(&(size as u16).to_ne_bytes());
        entry[19..19 + name.len()].copy_from_slice(name);
        entry
    }

    #[test]
    fn names_that_are_numbers_are_pids() {
        for (name, pid) in [
            (&b"1"[..], 1),
            (b"4194304", 4_194_304),
            (b"self", 0),
            (b"12a", 0),
            (b"99999999999", 0),
            (b"", 0),
        ] {
            let bytes = dirent(name);
            assert_eq!(entry(&bytes), Some((pid, bytes.len())));
        }
        for size in 0..24 {
            let _ = entry(&dirent(b"123")[..size]);
        }
    }
}
