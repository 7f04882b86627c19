//! The changes that the table reports, made of its records. Pure.

use super::census::{Census, Slot};
use super::judge;
use super::record::{Exit, ExitCode};
use super::report::{Change, Process, change, remark};
use super::scan::{Cause, Doubt};

impl Change {
    /// Becomes a change of a process that is in the table; of kind 0 if the process is not of the family.
    #[inline(never)]
    pub(super) fn set(
        &mut self,
        census: &Census,
        slot: Slot,
        mut kind: u32,
        timestamp_ns: u64,
        flags: u32,
    ) {
        if !census.at(slot).family.is_reported() {
            kind = 0;
        }
        let process = census.view(slot, 0);
        *self = Self { kind, flags, timestamp_ns, process, ..Self::EMPTY };
    }

    /// A process was found. `is_first`: by the scan that began when the table was opened.
    pub(super) fn set_found(&mut self, census: &mut Census, slot: Slot, is_first: bool) {
        census.mark_reported(slot);
        census.link(slot);
        let found_ns = judge::lived_ns(census.at(slot));
        let (kind, flags) =
            if is_first { (change::FOUND, 0) } else { (change::STARTED, remark::RECOVERED) };
        self.set(census, slot, kind, found_ns, flags);
    }

    /// A process exited, and leaves the table.
    pub(super) fn set_exited(&mut self, census: &mut Census, slot: Slot) {
        let record = census.at(slot);
        let gone_ns = record.gone().map_or(0, |gone| gone.at_ns);
        let exit = record.exit();
        match exit {
            Some(Exit { timestamp_ns, code }) => {
                let (exit_code, flags) = match code {
                    ExitCode::Own(code) | ExitCode::Sole(code) => (code, remark::EXIT_CODE),
                    ExitCode::Leaders(code) | ExitCode::Doubtful(code) => {
                        (code, remark::EXIT_CODE | remark::LEADER_CODE)
                    }
                    ExitCode::Unknown => (0, 0),
                };
                self.set(census, slot, change::EXITED, timestamp_ns, flags);
                self.exit_code = exit_code;
            }
            None => self.set(census, slot, change::VANISHED, gone_ns, remark::RECOVERED),
        }
        census.remove(slot, exit.is_none());
    }

    /// The end of a scan: the table agrees with /proc.
    pub(super) fn set_synced(&mut self, cause: Cause, healed: &Doubt, timestamp_ns: u64) {
        let flags = match cause {
            Cause::Opening => 0,
            Cause::Doubt => remark::RECOVERED,
        };
        self.set_in_doubt(change::SYNCED, healed, timestamp_ns, flags);
    }

    /// The table may differ from /proc.
    pub(super) fn set_unsynced(&mut self, doubt: &Doubt) {
        self.set_in_doubt(change::UNSYNCED, doubt, doubt.noticed_ns, 0);
    }

    #[inline(never)]
    fn set_in_doubt(&mut self, kind: u32, doubt: &Doubt, timestamp_ns: u64, flags: u32) {
        let deaf = if doubt.is_deaf { remark::DEAF } else { 0 };
        let since_ns = doubt.since_ns.unwrap_or(0);
        let lost = doubt.lost;
        let process = Process::EMPTY;
        *self = Self {
            kind,
            flags: flags | deaf,
            timestamp_ns,
            lost,
            since_ns,
            process,
            ..Self::EMPTY
        };
    }
}
