//! What is told of a process: how it differs from what was known, and its end.

use super::census::{BEREAVED, REPLACED, Slot, UNREPORTED};
use super::report::{Change, change, field, remark, state};
use super::{Shared, Table};
use crate::procfs::stat::{NO_IMAGE, Reading};
use crate::procfs::status::Credentials;

/// A process's fields that are to be compared with what was read, one after the other.
pub(super) struct Comparison {
    pub slot: Slot,
    pub reading: Reading,
    pub credentials: Option<Credentials>,
    pub fields: u32,
    pub flags: u32,
}

impl Table {
    /// The next difference between a process and what was read of it, which then is none any more.
    pub(super) fn compare(&mut self) -> Option<Change> {
        loop {
            let comparison = self.comparison.as_mut()?;
            let slot = comparison.slot;
            let (reading, credentials, flags) =
                (comparison.reading, comparison.credentials, comparison.flags);
            let field = 1 << comparison.fields.trailing_zeros().min(31);
            comparison.fields &= !field;
            let entry = self.store.at_mut(slot);
            let process = &mut entry.process;
            let known = process.valid & field != 0;
            let kind = match field {
                field::PARENT => {
                    let differs = process.parent_pid != reading.parent;
                    process.parent_pid = reading.parent;
                    self.store.link(slot);
                    differs.then_some(change::REPARENTED)
                }
                field::SESSION if known => {
                    let differs = process.session != reading.session;
                    process.session = reading.session;
                    differs.then_some(change::SESSION)
                }
                // It is the same process, but perhaps with another program.
                field::START => {
                    let is_told = reading.image != 0 && reading.image != NO_IMAGE;
                    let before = entry.image;
                    if is_told {
                        entry.image = reading.image;
                    }
                    // Before Linux 5.19 the kernel's helpers are its threads until they exec.
                    let differs = is_told && before != 0 && before != reading.image
                        || process.state & state::KERNEL_THREAD != 0 && !reading.is_kernel_thread;
                    if differs {
                        entry.found_ns = reading.taken_ns;
                        process.state &= !state::KERNEL_THREAD;
                        process.comm = reading.comm;
                        process.valid |= field::COMM & self.fields;
                    }
                    differs.then_some(change::EXECED)
                }
                field::COMM if known => {
                    let differs = process.comm != reading.comm;
                    process.comm = reading.comm;
                    differs.then_some(change::RENAMED)
                }
                field::CREDENTIALS if known => credentials.and_then(|ids| {
                    let old = (process.ruid, process.euid, process.rgid, process.egid);
                    let new = (ids.ruid, ids.euid, ids.rgid, ids.egid);
                    (process.ruid, process.euid, process.rgid, process.egid) = new;
                    (old != new).then_some(change::CREDENTIALS)
                }),
                _ => None,
            };
            if comparison_is_over(&self.comparison) {
                self.comparison = None;
            }
            // What is not in the table yet will be told as it then is.
            if let Some(kind) = kind.filter(|_| !self.store.at(slot).is(UNREPORTED)) {
                return Some(self.report(kind, slot, reading.taken_ns, flags));
            }
        }
    }

    /// A change of a process that is in the table.
    pub(super) fn report(
        &mut self,
        kind: u32,
        slot: Slot,
        timestamp_ns: u64,
        flags: u32,
    ) -> Change {
        Change {
            kind,
            flags,
            timestamp_ns,
            lost: 0,
            since_ns: 0,
            exit_code: 0,
            reserved: 0,
            reserved2: [0; 2],
            process: self.store.view(slot),
        }
    }

    /// Reports what a scan has found.
    pub(super) fn report_found(&mut self, slot: Slot) -> Change {
        let entry = self.store.at_mut(slot);
        let (marks, found_ns) = (entry.marks, entry.found_ns);
        entry.marks &= !UNREPORTED;
        if marks & UNREPORTED != 0 {
            self.unreported -= 1;
        }
        self.store.link(slot);
        if self.scan.is_first() {
            self.report(change::FOUND, slot, found_ns, 0)
        } else {
            self.report(change::STARTED, slot, found_ns, remark::RECOVERED)
        }
    }

    /// Takes a process out of the table, and reports it.
    pub(super) fn end(&mut self, shared: &Shared, slot: Slot) -> Change {
        let entry = self.store.at(slot);
        let gone_ns = entry.gone_ns;
        let (exit, entry_is_replaced) = (entry.exit, entry.is(REPLACED));
        if entry.is(UNREPORTED) {
            return self.report_found(slot);
        }
        let mut change = match exit {
            Some(exit) => self.report(change::EXITED, slot, exit.timestamp_ns, exit.flags),
            None => self.report(change::VANISHED, slot, gone_ns, remark::RECOVERED),
        };
        change.exit_code = exit.map_or(0, |exit| exit.code);
        if entry_is_replaced {
            self.replaced = change.process.pid;
        }
        drop(self.take_pidfd(shared, slot));
        self.store.remove(slot, if exit.is_some() { 0 } else { BEREAVED });
        change
    }
}

const fn comparison_is_over(comparison: &Option<Comparison>) -> bool {
    matches!(comparison, Some(Comparison { fields: 0, .. }))
}
