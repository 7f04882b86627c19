//! The event: 64 bytes, whatever its kind.

use super::texts::{self, OTHERS};
use core::ffi::CStr;

/// What an event reports. Constants, not an enum: a newer library may deliver kinds that this one
/// does not know.
pub mod kind {
    /// A task was created: a process, or a thread if `child_pid != child_tgid`.
    pub const FORK: u32 = 1;
    /// A process runs a new program.
    pub const EXEC: u32 = 2;
    /// A task exited.
    pub const EXIT: u32 = 3;
    /// A task's real or effective user id changed.
    pub const UID: u32 = 4;
    /// A task's real or effective group id changed.
    pub const GID: u32 = 5;
    /// A process started a session.
    pub const SID: u32 = 6;
    /// A tracer attached or detached.
    pub const PTRACE: u32 = 7;
    /// A task was renamed.
    pub const COMM: u32 = 8;
    /// A process dumps core.
    pub const COREDUMP: u32 = 9;
    /// Events were lost. The library generates this event.
    pub const OVERRUN: u32 = 10;
    /// A kernel event that this version does not know.
    pub const UNKNOWN: u32 = 11;
}

/// Why events were lost.
pub mod reason {
    /// The queue was full. The number of lost events is exact.
    pub const QUEUE: u32 = 1;
    /// The kernel reported to nobody until a check repaired it, or a request to unsubscribe failed
    /// half-way. The number of lost events is unknown.
    pub const DEAF: u32 = 2;
}

/// Size of the part of an event that depends on its kind.
pub const DATA_SIZE: usize = 40;

/// How many bytes of an unknown kernel event are delivered.
#[cfg(any(test, feature = "std"))]
pub const RAW_SIZE: usize = 32;

/// An event: 64 bytes, laid out as `struct pc_event`.
///
/// [`kind`](Self::kind) selects what [`data`](Self::data) holds, and [`view`](Self::view) returns
/// the data by field. Bytes that the kind does not define are zero.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// One of [`kind`].
    pub kind: u32,
    /// The CPU that reported the event.
    pub cpu: u32,
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub timestamp_ns: u64,
    /// The kernel's per-CPU sequence number. Filtered events and acknowledgements are numbered too,
    /// so a gap does not mean a loss.
    pub seq: u32,
    pub(crate) reserved: u32,
    /// The fields that depend on the kind, in the kernel's order and byte order, as whole words.
    pub data: [u64; DATA_SIZE / 8],
}

/// The fields of an event that depend on its kind.
#[cfg(any(test, feature = "std"))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs)] // The fields are those of proc_connector.h, which documents them.
pub enum View {
    /// A task was created: a process, or a thread if `child_pid != child_tgid`.
    Fork { parent_pid: i32, parent_tgid: i32, child_pid: i32, child_tgid: i32 },
    /// A process runs a new program.
    Exec { pid: i32, tgid: i32 },
    /// A task exited. `exit_code` is a wait(2) status.
    Exit {
        pid: i32,
        tgid: i32,
        exit_code: i32,
        exit_signal: i32,
        parent_pid: i32,
        parent_tgid: i32,
    },
    /// A task's real or effective user id changed.
    Uid { pid: i32, tgid: i32, ruid: u32, euid: u32 },
    /// A task's real or effective group id changed.
    Gid { pid: i32, tgid: i32, rgid: u32, egid: u32 },
    /// A process started a session. The session id is the `tgid`.
    Sid { pid: i32, tgid: i32 },
    /// A tracer attached, or detached if the tracer's ids are 0.
    Ptrace { pid: i32, tgid: i32, tracer_pid: i32, tracer_tgid: i32 },
    /// A task was renamed. `comm` is NUL-terminated.
    Comm { pid: i32, tgid: i32, comm: [u8; 16] },
    /// A process dumps core; its exit follows.
    Coredump { pid: i32, tgid: i32, parent_pid: i32, parent_tgid: i32 },
    /// Events are missing between `since_ns` and the timestamp of this event. `reason` is one of
    /// [`reason`]; with [`reason::DEAF`], `lost` is 0 and the number is unknown.
    Overrun { lost: u64, since_ns: u64, reason: u32 },
    /// A kernel event that this version does not know: the kernel's number for its kind, the size
    /// of its data, and the first bytes of that data.
    Unknown { what: u32, size: u32, raw: [u8; RAW_SIZE] },
}

impl Event {
    /// An initial value for buffers: an event of no kind, whose bytes are all zero.
    pub const EMPTY: Self =
        Self { kind: 0, cpu: 0, timestamp_ns: 0, seq: 0, reserved: 0, data: [0; DATA_SIZE / 8] };

    /// The announcement that `lost` events from between `since_ns` and `until_ns` are missing.
    pub(crate) const fn overrun(lost: u64, since_ns: u64, until_ns: u64, reason: u32) -> Self {
        Self {
            kind: kind::OVERRUN,
            timestamp_ns: until_ns,
            data: [lost, since_ns, pair(reason, 0), 0, 0],
            ..Self::EMPTY
        }
    }

    /// The `index`th 32-bit word of the data; 0 beyond its end.
    pub(crate) const fn word(&self, index: usize) -> u32 {
        word(&self.data, index)
    }

    /// Whether the event is about a task that is not the leader of its process.
    pub(crate) const fn is_thread(&self) -> bool {
        let ids = match self.kind {
            kind::FORK => self.data[1],
            kind::EXEC..=kind::COREDUMP => self.data[0],
            _ => 0,
        };
        ids as u32 != (ids >> 32) as u32
    }

    const fn id(&self, index: usize) -> i32 {
        self.word(index) as i32
    }

    /// Returns the fields that depend on the kind.
    #[cfg(any(test, feature = "std"))]
    #[must_use]
    pub fn view(&self) -> View {
        let (pid, tgid) = (self.id(0), self.id(1));
        match self.kind {
            kind::FORK => View::Fork {
                parent_pid: pid,
                parent_tgid: tgid,
                child_pid: self.id(2),
                child_tgid: self.id(3),
            },
            kind::EXEC => View::Exec { pid, tgid },
            kind::EXIT => View::Exit {
                pid,
                tgid,
                exit_code: self.id(2),
                exit_signal: self.id(3),
                parent_pid: self.id(4),
                parent_tgid: self.id(5),
            },
            kind::UID => View::Uid { pid, tgid, ruid: self.word(2), euid: self.word(3) },
            kind::GID => View::Gid { pid, tgid, rgid: self.word(2), egid: self.word(3) },
            kind::SID => View::Sid { pid, tgid },
            kind::PTRACE => {
                View::Ptrace { pid, tgid, tracer_pid: self.id(2), tracer_tgid: self.id(3) }
            }
            kind::COMM => View::Comm { pid, tgid, comm: bytes([self.data[1], self.data[2]]) },
            kind::COREDUMP => {
                View::Coredump { pid, tgid, parent_pid: self.id(2), parent_tgid: self.id(3) }
            }
            kind::OVERRUN => {
                View::Overrun { lost: self.data[0], since_ns: self.data[1], reason: self.word(4) }
            }
            _ => {
                let [_, raw @ ..] = self.data;
                View::Unknown { what: self.word(0), size: self.word(1), raw: bytes(raw) }
            }
        }
    }

    /// Returns the tgid of the process that the event is about. For a fork, that is the child's.
    /// For an overrun and an unknown event, the result is 0.
    #[must_use]
    pub const fn tgid(&self) -> i32 {
        match self.kind {
            kind::FORK => self.id(3),
            kind::EXEC..=kind::COREDUMP => self.id(1),
            _ => 0,
        }
    }

    /// Returns the pid of the task that the event is about. For a fork, that is the child's. For an
    /// overrun and an unknown event, the result is 0.
    #[cfg(feature = "std")]
    #[must_use]
    pub const fn pid(&self) -> i32 {
        match self.kind {
            kind::FORK => self.id(2),
            kind::EXEC..=kind::COREDUMP => self.id(0),
            _ => 0,
        }
    }

    /// Returns the name of a kind, a lower-case word. For kinds of later versions, that is
    /// "unknown".
    #[cfg(feature = "std")]
    #[must_use]
    pub const fn name(kind: u32) -> &'static CStr {
        texts::c_str(name(kind))
    }
}

const NAMES: &[(i32, &CStr)] = &[
    (kind::FORK as i32, c"fork"),
    (kind::EXEC as i32, c"exec"),
    (kind::EXIT as i32, c"exit"),
    (kind::UID as i32, c"uid"),
    (kind::GID as i32, c"gid"),
    (kind::SID as i32, c"sid"),
    (kind::PTRACE as i32, c"ptrace"),
    (kind::COMM as i32, c"comm"),
    (kind::COREDUMP as i32, c"coredump"),
    (kind::OVERRUN as i32, c"overrun"),
    (OTHERS, c"unknown"),
];

static NAMES_BLOCK: [u8; texts::size(NAMES)] = texts::block(NAMES);

/// The name of a kind. Its terminator and the bytes of other names follow.
pub(crate) const fn name(kind: u32) -> &'static [u8] {
    texts::find(&NAMES_BLOCK, kind as i32)
}

/// The `index`th 32-bit word of these, in their order in memory; 0 beyond the end.
pub(crate) const fn word(data: &[u64], index: usize) -> u32 {
    if index / 2 >= data.len() {
        return 0;
    }
    let is_low = (index % 2 == 0) == cfg!(target_endian = "little");
    (data[index / 2] >> if is_low { 0 } else { 32 }) as u32
}

/// The 64-bit word that holds these two words, in this order in memory.
pub(crate) const fn pair(first: u32, second: u32) -> u64 {
    let (low, high) =
        if cfg!(target_endian = "little") { (first, second) } else { (second, first) };
    (high as u64) << 32 | low as u64
}

/// The word that holds `first` and then two zero bytes in memory.
pub(super) const fn halves(first: u16) -> u32 {
    let [a, b] = first.to_ne_bytes();
    u32::from_ne_bytes([a, b, 0, 0])
}

/// The bytes of these words, in their order in memory.
#[cfg(any(test, feature = "std"))]
fn bytes<const WORDS: usize, const BYTES: usize>(words: [u64; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}
