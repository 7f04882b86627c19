//! How a process differs from what a look at /proc showed. Pure.

use super::record::{Origin, Record};
use super::report::{change, field, state};
use crate::procfs::{Credentials, Sight};

/// Fields of a process that are to be compared with what a look showed, one after the other, so that
/// each difference is reported by itself.
pub(super) struct Comparison {
    pub sight: Sight,
    /// The fields that are left: bits of [`field`]. START stands for the program.
    pub fields: u32,
    /// The fields that the table keeps up to date.
    pub kept: u32,
}

impl Comparison {
    /// Takes the next difference over into the record. Returns the kind of change, or `None` when
    /// there are no more differences.
    #[inline(never)]
    pub(super) fn next_difference(&mut self, record: &mut Record) -> Option<u32> {
        while self.fields != 0 {
            let field = 1 << self.fields.trailing_zeros();
            self.fields &= !field;
            let kind = take_over(record, &self.sight, field, self.kept);
            if kind.is_some() {
                return kind;
            }
        }
        None
    }
}

#[inline(never)]
fn take_over(record: &mut Record, sight: &Sight, field: u32, kept: u32) -> Option<u32> {
    let (process, stat) = (&mut record.process, &sight.stat);
    let was_known = process.valid & field != 0;
    let is_shown = match field {
        field::PARENT | field::SESSION => stat.condition.shows_family(),
        field::COMM => !stat.is_kernel_thread,
        _ => true,
    };
    if !is_shown || kept & field == 0 {
        return None;
    }
    let (differs, kind) = match field {
        field::PARENT => (replace(&mut process.parent_pid, stat.parent), change::REPARENTED),
        field::START => (take_program(record, sight, kept), change::EXECED),
        field::SESSION => (replace(&mut process.session, stat.session), change::SESSION),
        field::COMM => (replace(&mut process.comm, stat.comm), change::RENAMED),
        field::CREDENTIALS => {
            let Credentials { ruid, euid, rgid, egid } = sight.credentials?;
            let user = replace(&mut process.ruid, ruid) | replace(&mut process.euid, euid);
            let group = replace(&mut process.rgid, rgid) | replace(&mut process.egid, egid);
            (user | group, change::CREDENTIALS)
        }
        _ => return None,
    };
    record.process.valid |= field;
    // A parent that is known again may be the one that was known before.
    (differs || !was_known && field != field::PARENT).then_some(kind)
}

/// Replaces a known value by the seen one. True if they differ.
fn replace<T: PartialEq>(known: &mut T, seen: T) -> bool {
    let differs = *known != seen;
    *known = seen;
    differs
}

/// Whether the process runs another program than was known.
fn take_program(record: &mut Record, sight: &Sight, kept: u32) -> bool {
    let stat = &sight.stat;
    // Before Linux 5.19 the kernel's helpers are kernel threads until they run a program.
    let was_helper = record.process.state & state::KERNEL_THREAD != 0 && !stat.is_kernel_thread;
    let before = record.image;
    if stat.image.is_program() {
        record.image = stat.image;
    }
    let is_other = stat.image.is_program() && before.is_known() && before != stat.image;
    if is_other || was_helper {
        record.process.state &= !state::KERNEL_THREAD;
        record.take_name(sight, kept);
        record.program_ns = sight.taken_ns;
        if let Origin::Found(found) = &mut record.origin {
            found.at_ns = sight.taken_ns;
        }
    }
    is_other || was_helper
}
