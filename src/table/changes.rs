//! The changes that the table reports, made of its records. Pure.

use super::census::{Census, Slot};
use super::judge;
use super::record::{Exit, ExitCode};
use super::report::{Change, change, remark};
use super::scan::{Cause, Doubt};

/// A change of a process that is in the table.
#[inline(never)]
pub(super) fn change_of(
    census: &Census,
    slot: Slot,
    kind: u32,
    timestamp_ns: u64,
    flags: u32,
) -> Change {
    let mut change = Change::EMPTY;
    (change.kind, change.flags, change.timestamp_ns) = (kind, flags, timestamp_ns);
    change.process = census.view(slot, 0);
    change
}

/// A process was found. `is_first`: by the scan that began when the table was opened.
pub(super) fn found(census: &mut Census, slot: Slot, is_first: bool) -> Change {
    census.mark_reported(slot);
    census.link(slot);
    let found_ns = judge::found_ns(census.at(slot));
    let (kind, flags) =
        if is_first { (change::FOUND, 0) } else { (change::STARTED, remark::RECOVERED) };
    change_of(census, slot, kind, found_ns, flags)
}

/// A process exited, and leaves the table.
pub(super) fn exited(census: &mut Census, slot: Slot) -> Change {
    let record = census.at(slot);
    let gone_ns = record.gone().map_or(0, |gone| gone.at_ns);
    let exit = record.exit();
    let change = match exit {
        Some(Exit { timestamp_ns, code }) => {
            let (exit_code, flags) = match code {
                ExitCode::Own(code) | ExitCode::Sole(code) => (code, remark::EXIT_CODE),
                ExitCode::Leaders(code) | ExitCode::Doubtful(code) => {
                    (code, remark::EXIT_CODE | remark::LEADER_CODE)
                }
                ExitCode::Unknown => (0, 0),
            };
            let mut change = change_of(census, slot, change::EXITED, timestamp_ns, flags);
            change.exit_code = exit_code;
            change
        }
        None => change_of(census, slot, change::VANISHED, gone_ns, remark::RECOVERED),
    };
    census.remove(slot, exit.is_none());
    change
}

/// The end of a scan: the table agrees with /proc.
pub(super) fn synced(cause: Cause, healed: &Doubt, timestamp_ns: u64) -> Change {
    let flags = match cause {
        Cause::Opening => 0,
        Cause::Doubt => remark::RECOVERED,
    };
    in_doubt(change::SYNCED, healed, timestamp_ns, flags)
}

/// The table may differ from /proc.
pub(super) fn unsynced(doubt: &Doubt) -> Change {
    in_doubt(change::UNSYNCED, doubt, doubt.noticed_ns, 0)
}

#[inline(never)]
fn in_doubt(kind: u32, doubt: &Doubt, timestamp_ns: u64, flags: u32) -> Change {
    let deaf = if doubt.is_deaf { remark::DEAF } else { 0 };
    let since_ns = doubt.since_ns.unwrap_or(0);
    let lost = doubt.lost;
    Change { kind, flags: flags | deaf, timestamp_ns, lost, since_ns, ..Change::EMPTY }
}
