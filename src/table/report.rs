//! What the table reports: a process, and a change of one.

/// A process, laid out as `struct pc_process`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// The table's number for this process. Unlike a pid, it is not reused while the table is open.
    /// 0 for a process that was read without a table.
    pub id: u64,
    /// The parent's id; 0 if the process has no parent, or the table does not know it yet.
    pub parent_id: u64,
    /// When the process started: `CLOCK_BOOTTIME`, rounded down to 10 ms.
    pub start_boottime_ns: u64,
    /// A value that the caller set; 0 in a new process.
    pub user: u64,
    /// The process id, which is the leader's task id.
    pub pid: i32,
    /// The parent's pid.
    pub parent_pid: i32,
    /// The session id.
    pub session: i32,
    /// Which fields are known and kept up to date: bits of [`field`]. Any other field holds what
    /// was read once, what the parent had (if the process exited before it could be read), or 0,
    /// which is also root's id.
    pub valid: u32,
    /// Real user id.
    pub ruid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Real group id.
    pub rgid: u32,
    /// Effective group id.
    pub egid: u32,
    /// The leader's name, NUL-terminated.
    pub comm: [u8; 16],
    /// Bits of [`state`].
    pub state: u32,
    pub(crate) reserved: u32,
    /// The number of the last change that had been reported when this was read: changes with higher
    /// numbers came later. 0 for a process that was read without a table.
    pub sequence: u64,
    /// The inode of the process's pidfds, which no other process has had since the machine booted (Linux 6.9; on
    /// 32-bit machines: among two thousand million processes and threads). 0: not known. Only a table that was
    /// opened with `pidfd_inodes` reads the inode.
    pub pidfd_inode: u64,
    pub(crate) reserved2: u64,
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
        sequence: 0,
        pidfd_inode: 0,
        reserved2: 0,
    };
}

/// Fields of a process.
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

/// States of a process.
pub mod state {
    /// The process is a kernel thread.
    pub const KERNEL_THREAD: u32 = 1 << 0;
    /// The leader exited, but other threads live on.
    pub const LEADER_GONE: u32 = 1 << 1;
    /// /proc did not show the process when the table wanted to read it.
    pub const HIDDEN: u32 = 1 << 2;
    /// The table reports a family, and the process may belong to it: the events that would show it were lost.
    pub const PERHAPS: u32 = 1 << 3;
}

/// What a change reports.
pub mod change {
    /// The process was running when the table read /proc for the first time: before the first SYNCED.
    pub const FOUND: u32 = 1;
    /// The process started.
    pub const STARTED: u32 = 2;
    /// The process runs a new program.
    pub const EXECED: u32 = 3;
    /// The leader has another name.
    pub const RENAMED: u32 = 4;
    /// The process has other user or group ids.
    pub const CREDENTIALS: u32 = 5;
    /// The process is in another session.
    pub const SESSION: u32 = 6;
    /// The parent exited, and the process has another one.
    pub const REPARENTED: u32 = 7;
    /// The process exited: its last thread is gone.
    pub const EXITED: u32 = 8;
    /// The process exited, as a reading of /proc has shown. The event that would have reported this
    /// was lost, or comes too late.
    pub const VANISHED: u32 = 9;
    /// The table agrees with /proc, and all that was found has been reported. This change is about
    /// no process.
    pub const SYNCED: u32 = 10;
    /// The table may differ from /proc from here on, until the next SYNCED: events were lost, a
    /// rescan was asked for, or the table was opened on an adopted socket. This change is about no
    /// process.
    pub const UNSYNCED: u32 = 11;
}

/// Flags of a change.
pub mod remark {
    /// A reading of /proc found the change, after a loss of events or a rescan. /proc shows a new program
    /// shortly before the kernel sends the EXEC, so one EXECED may be reported twice: with this flag, and then
    /// without.
    pub const RECOVERED: u32 = 1 << 0;
    /// `exit_code` is known.
    pub const EXIT_CODE: u32 = 1 << 1;
    /// The kernel reported to no listener for a while, so `lost` is not the whole number.
    pub const DEAF: u32 = 1 << 2;
    /// `exit_code` is the one in the leader's EXIT. It is the process's own too, unless another thread
    /// outlived the leader and exited with a different one.
    pub const LEADER_CODE: u32 = 1 << 3;
}

/// A change, laid out as `struct pc_change`.
///
/// [`view`](Self::view) returns what the change reports, by its kind. The `Display` form is one line
/// for logs, which leaves out every field that is not valid.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// One of [`change`].
    pub kind: u32,
    /// Bits of [`remark`].
    pub flags: u32,
    /// When the change happened: `CLOCK_MONOTONIC`, in nanoseconds.
    pub timestamp_ns: u64,
    /// With SYNCED: how many events were lost since the last SYNCED. With UNSYNCED: how many were
    /// lost so far.
    pub lost: u64,
    /// With SYNCED and UNSYNCED, if events were lost: the earliest time at which one may be missing.
    /// Otherwise 0.
    pub since_ns: u64,
    /// With EXITED and [`remark::EXIT_CODE`]: a wait(2) status. Otherwise 0.
    pub exit_code: i32,
    /// With SYNCED: how many processes are [`state::HIDDEN`].
    pub hidden: u32,
    /// The number of this change: one more than that of the change before, from 1 on.
    pub sequence: u64,
    pub(crate) reserved2: u64,
    /// The process after the change. With EXITED and VANISHED: as it last was. With SYNCED and
    /// UNSYNCED: zero.
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
        hidden: 0,
        sequence: 0,
        reserved2: 0,
        process: Process::EMPTY,
    };
}
