//! What the table tells: a process, and a change of one.

/// A process, laid out as `struct pc_process`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// Given by the table, never again while it lives; 0 outside of a table.
    pub id: u64,
    /// The parent's; 0: it has none, or is not known yet.
    pub parent_id: u64,
    /// When it began: `CLOCK_BOOTTIME`, rounded down to 10 ms.
    pub start_boottime_ns: u64,
    /// Whatever the program has set.
    pub user: u64,
    /// Its id: its leader's.
    pub pid: i32,
    /// The process that is its parent now.
    pub parent_pid: i32,
    /// Its session.
    pub session: i32,
    /// Which fields are known and kept up to date: bits of [`field`]. The others hold what was read
    /// once, what the parent had (if the process ended before it could be read), or 0, which is also
    /// root's id.
    pub valid: u32,
    /// Real user id.
    pub ruid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Real group id.
    pub rgid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Its leader's name, terminated.
    pub comm: [u8; 16],
    /// Bits of [`state`].
    pub state: u32,
    pub(crate) reserved: u32,
    pub(crate) reserved2: [u64; 3],
}

impl Process {
    pub(crate) const EMPTY: Self = Self {
        id: 0,
        parent_id: 0,
        start_boottime_ns: 0,
        user: 0,
        pid: 0,
        parent_pid: 0,
        session: 0,
        valid: 0,
        ruid: 0,
        euid: 0,
        rgid: 0,
        egid: 0,
        comm: [0; 16],
        state: 0,
        reserved: 0,
        reserved2: [0; 3],
    };
}

/// Fields of a process that may be wanted, and known.
pub mod field {
    /// `parent_pid`
    pub const PARENT: u32 = 1 << 0;
    /// `start_boottime_ns`
    pub const START: u32 = 1 << 1;
    /// `session`
    pub const SESSION: u32 = 1 << 2;
    /// `comm`
    pub const COMM: u32 = 1 << 3;
    /// `ruid`, `euid`, `rgid`, `egid`
    pub const CREDENTIALS: u32 = 1 << 4;
    /// All of them.
    pub const ALL: u32 = (1 << 5) - 1;
}

/// What a process is.
pub mod state {
    /// A thread of the kernel.
    pub const KERNEL_THREAD: u32 = 1 << 0;
    /// Its leader has ended, but other threads live on.
    pub const LEADER_GONE: u32 = 1 << 1;
}

/// What a change reports.
pub mod change {
    /// It was running when the table was opened.
    pub const FOUND: u32 = 1;
    /// It began.
    pub const STARTED: u32 = 2;
    /// It runs a new program.
    pub const EXECED: u32 = 3;
    /// Its leader has another name.
    pub const RENAMED: u32 = 4;
    /// It has other user or group ids.
    pub const CREDENTIALS: u32 = 5;
    /// It is in another session.
    pub const SESSION: u32 = 6;
    /// Its parent has ended, and it has another one.
    pub const REPARENTED: u32 = 7;
    /// It has ended: all its threads have.
    pub const EXITED: u32 = 8;
    /// It has ended, and no event told before a reading of /proc did.
    pub const VANISHED: u32 = 9;
    /// The table is what /proc is.
    pub const SYNCED: u32 = 10;
}

/// Remarks on a change.
pub mod remark {
    /// Found by a scan of /proc after events were lost.
    pub const RECOVERED: u32 = 1 << 0;
    /// `exit_code` is known.
    pub const EXIT_CODE: u32 = 1 << 1;
    /// The kernel had reported to nobody for a while, so that `lost` is not the whole number.
    pub const DEAF: u32 = 1 << 2;
    /// `exit_code` is what the leader's EXIT said; the process itself could not be asked.
    pub const LEADER_CODE: u32 = 1 << 3;
}

/// A change, laid out as `struct pc_change`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// One of [`change`].
    pub kind: u32,
    /// Bits of [`remark`].
    pub flags: u32,
    /// When: `CLOCK_MONOTONIC`, in nanoseconds.
    pub timestamp_ns: u64,
    /// Of SYNCED: how many events were lost since the last one.
    pub lost: u64,
    /// Of SYNCED, if events were lost: since when.
    pub since_ns: u64,
    /// Of EXITED: a wait(2) status.
    pub exit_code: i32,
    pub(crate) reserved: u32,
    pub(crate) reserved2: [u64; 2],
    /// The process after the change; of EXITED and VANISHED, as it last was.
    pub process: Process,
}

impl Change {
    pub(crate) const EMPTY: Self = Self {
        kind: 0,
        flags: 0,
        timestamp_ns: 0,
        lost: 0,
        since_ns: 0,
        exit_code: 0,
        reserved: 0,
        reserved2: [0; 2],
        process: Process::EMPTY,
    };
}
