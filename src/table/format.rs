//! One readable line per change. Pure.

use super::report::{Change, change, field, remark};
use crate::protocol::event::pair;
use crate::protocol::format::{Destination, Line, Shown};
use crate::protocol::texts::{self, OTHERS};
use core::ffi::CStr;
use core::fmt;

const NAMES: &[(i32, &CStr)] = &[
    (change::FOUND as i32, c"found"),
    (change::STARTED as i32, c"started"),
    (change::EXECED as i32, c"execed"),
    (change::RENAMED as i32, c"renamed"),
    (change::CREDENTIALS as i32, c"credentials"),
    (change::SESSION as i32, c"session"),
    (change::REPARENTED as i32, c"reparented"),
    (change::EXITED as i32, c"exited"),
    (change::VANISHED as i32, c"vanished"),
    (change::SYNCED as i32, c"synced"),
    (change::UNSYNCED as i32, c"unsynced"),
    (OTHERS, c"unknown"),
];

static NAMES_BLOCK: [u8; texts::size(NAMES)] = texts::block(NAMES);

/// The name of a kind of change. Its terminator and the bytes of other names follow.
pub(crate) const fn name(kind: u32) -> &'static [u8] {
    texts::find(&NAMES_BLOCK, kind as i32)
}

/// Parts of a line, as bits. Those below `STATUS` are the bits of [`field`].
mod part {
    pub const STATUS: u32 = 1 << 5;
    pub const LEADER_STATUS: u32 = 1 << 6;
    pub const NO_STATUS: u32 = 1 << 7;
    pub const LOST: u32 = 1 << 8;
    pub const SINCE: u32 = 1 << 9;
    /// How far the bits of [`remark`](super::remark) are shifted to be parts.
    pub const REMARKS: u32 = 10;
    pub const TIME: u32 = 1 << 14;
    pub const COUNT: i32 = 15;
}

const fn number(part: u32) -> i32 {
    part.trailing_zeros() as i32
}

/// The text of each part, for [`Line::fill`] and the words of [`data`].
const PARTS: &[(i32, &CStr)] = &[
    (number(field::PARENT), c" parent=$i1"),
    (number(field::SESSION), c" session=$i2"),
    (number(field::COMM), c" comm=\"$n8\""),
    (number(field::CREDENTIALS), c" ruid=$u4 euid=$u5 rgid=$u6 egid=$u7"),
    (number(part::STATUS), c" $s3"),
    (number(part::LEADER_STATUS), c" leader_$s3"),
    (number(part::NO_STATUS), c" status=unknown"),
    (number(part::LOST), c" lost=$l6"),
    (number(part::SINCE), c" since=$t7"),
    (number(remark::RECOVERED << part::REMARKS), c" recovered"),
    (number(remark::DEAF << part::REMARKS), c" deaf"),
    (number(part::TIME), c" ts=$t8"),
];

static PARTS_BLOCK: [u8; texts::size(PARTS)] = texts::block(PARTS);

/// Writes "name pid=7 parent=1 comm="sh" … ts=seconds.nanoseconds", as an event's line is written. A
/// field that is not valid is left out.
pub(crate) fn format(change: &Change, to: &mut impl Destination) {
    let data = data(change);
    let shown = shown(change);
    let mut line = Line::begin(name(change.kind), to);
    if change.process.pid != 0 {
        line.fill(b" pid=$i0", &data);
    }
    for part in 0..part::COUNT {
        if shown >> part & 1 != 0 {
            line.fill(texts::find(&PARTS_BLOCK, part), &data);
        }
    }
}

/// The [`part`]s of a change's line.
fn shown(change: &Change) -> u32 {
    let Change { kind, flags, process, .. } = change;
    let since = if change.since_ns == 0 { 0 } else { part::SINCE };
    let by_kind = match *kind {
        change::SESSION => process.valid & field::SESSION,
        change::CREDENTIALS => process.valid & field::CREDENTIALS,
        change::EXITED if flags & remark::EXIT_CODE == 0 => part::NO_STATUS,
        change::EXITED if flags & remark::LEADER_CODE != 0 => part::LEADER_STATUS,
        change::EXITED => part::STATUS,
        change::SYNCED | change::UNSYNCED => part::LOST | since,
        _ => 0,
    };
    let by_process = process.valid & (field::PARENT | field::COMM);
    let remarks = (flags & (remark::RECOVERED | remark::DEAF)) << part::REMARKS;
    by_process | by_kind | remarks | part::TIME
}

/// What a line shows of a change, as words for [`Line::fill`].
fn data(change: &Change) -> [u64; 9] {
    let Change { process, exit_code, .. } = change;
    let [a, b, c, d, e, f, g, h, name @ ..] = process.comm;
    [
        pair(process.pid as u32, process.parent_pid as u32),
        pair(process.session as u32, *exit_code as u32),
        pair(process.ruid, process.euid),
        pair(process.rgid, process.egid),
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from_ne_bytes(name),
        change.lost,
        change.since_ns,
        change.timestamp_ns,
    ]
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown::by(f, |shown| format(self, shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::report::Process;
    use proptest::prelude::*;

    prop_compose! {
        fn any_process()(
            numbers in any::<[i32; 4]>(),
            ids in any::<[u32; 4]>(),
            comm in any::<[u8; 16]>(),
        ) -> Process {
            let [pid, parent_pid, session, valid] = numbers;
            let [ruid, euid, rgid, egid] = ids;
            let valid = valid as u32;
            Process { pid, parent_pid, session, valid, ruid, euid, rgid, egid, comm, ..Process::EMPTY }
        }
    }

    prop_compose! {
        fn any_change()(
            kind in 0..20_u32,
            flags in any::<u32>(),
            times in any::<[u64; 3]>(),
            exit_code in any::<i32>(),
            process in prop_oneof![Just(Process::EMPTY), any_process()],
        ) -> Change {
            let [timestamp_ns, lost, since_ns] = times;
            Change { kind, flags, timestamp_ns, lost, since_ns, exit_code, process, ..Change::EMPTY }
        }
    }

    /// The change with everything that makes a line long.
    fn longest(kind: u32) -> Change {
        let process = Process {
            pid: i32::MIN,
            parent_pid: i32::MIN,
            session: i32::MIN,
            valid: field::ALL,
            ruid: u32::MAX,
            euid: u32::MAX,
            rgid: u32::MAX,
            egid: u32::MAX,
            comm: [0xff; 16],
            ..Process::EMPTY
        };
        let (timestamp_ns, exit_code) = (u64::MAX, -1);
        let change = Change { kind, flags: u32::MAX, timestamp_ns, exit_code, ..Change::EMPTY };
        Change { lost: u64::MAX, since_ns: u64::MAX, process, ..change }
    }

    fn check(change: &Change) {
        let line = change.to_string();
        let time = change.timestamp_ns;
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
        let end = format!(" ts={}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
        assert!(line.ends_with(&end), "cut off: {line}");
    }

    proptest! {
        #[test]
        fn the_line_of_any_change_is_complete_and_in_ascii(change in any_change()) {
            check(&change);
        }
    }

    #[test]
    fn the_longest_line_of_each_kind_is_complete() {
        for kind in 0..20 {
            check(&longest(kind));
        }
    }
}
