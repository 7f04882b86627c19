//! The process table's types in proc_connector.h. The comments become the header's.
#![allow(missing_docs)]

use crate::table::{Change, Process, change, field, remark, state};
use core::ffi::c_char;
use core::mem::offset_of;

/// cbindgen:no-export
type pid_t = i32;
/// cbindgen:no-export
type uid_t = u32;
/// cbindgen:no-export
type gid_t = u32;

/// Fields of a struct pc_process: bits for pc_table_options.fields and pc_process.valid.
pub const PC_FIELD_PARENT: u32 = 1u32 << 0;
pub const PC_FIELD_START: u32 = 1u32 << 1;
pub const PC_FIELD_SESSION: u32 = 1u32 << 2;
pub const PC_FIELD_COMM: u32 = 1u32 << 3;
pub const PC_FIELD_CREDENTIALS: u32 = 1u32 << 4;

/// pc_process.state: a thread of the kernel. It renames itself without an event, so that
/// PC_FIELD_COMM is never valid: comm is what it was when it was read.
pub const PC_PROCESS_KERNEL_THREAD: u32 = 1u32 << 0;
/// pc_process.state: its leader has ended, but other threads live on.
pub const PC_PROCESS_LEADER_GONE: u32 = 1u32 << 1;

/// pc_change.flags: found by reading /proc, after events were lost or pc_table_rescan() was called;
/// the timestamp is that of the reading. Of SYNCED: this is the end of such a reading.
pub const PC_CHANGE_RECOVERED: u32 = 1u32 << 0;
/// pc_change.flags, of EXITED: exit_code is known. It is not where the kernel's events leave it
/// open: the process outlived its leader (but Linux 6.15 tells whoever may trace it), it was reaped
/// before its EXIT was made, its pid was reused at once, or the table lagged by more than 10 ms, so
/// that the process may have outlived its leader unseen.
pub const PC_CHANGE_EXIT_CODE: u32 = 1u32 << 1;
/// pc_change.flags, of SYNCED: the kernel had reported to nobody for a while (pc_table_check() has
/// repaired it), so that lost is not the whole number.
pub const PC_CHANGE_DEAF: u32 = 1u32 << 2;
/// pc_change.flags, beside PC_CHANGE_EXIT_CODE: exit_code is what the leader's EXIT said. The
/// process itself could not be asked (before Linux 6.15, because it had been reaped, or because
/// this process may not trace it, ptrace(2)). Its last thread has ended with the same, unless it
/// outlived the leader, by less than 10 ms, and had a code of its own.
pub const PC_CHANGE_LEADER_CODE: u32 = 1u32 << 3;

/// What a change is: values of pc_change.kind.
#[repr(C)]
pub enum pc_change_kind {
    /// It was running when the table was opened.
    PC_CHANGE_FOUND = 1,
    /// It began.
    PC_CHANGE_STARTED = 2,
    /// It runs a new program.
    PC_CHANGE_EXECED = 3,
    /// Its leader has another name.
    PC_CHANGE_RENAMED = 4,
    /// It has other user or group ids.
    PC_CHANGE_CREDENTIALS = 5,
    /// It is in another session.
    PC_CHANGE_SESSION = 6,
    /// Its parent has ended, and it has another one.
    PC_CHANGE_REPARENTED = 7,
    /// It has ended: all its threads have. (It may still be a zombie: of its reaping nobody tells.)
    PC_CHANGE_EXITED = 8,
    /// It has ended: a reading of /proc has noticed. The event that would have told is lost, or
    /// comes too late.
    PC_CHANGE_VANISHED = 9,
    /// The table is what /proc is, and all that was found has been told. About no process.
    PC_CHANGE_SYNCED = 10,
}

/// How to open a table. Start from PC_TABLE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_table_options {
    /// sizeof(struct pc_table_options); the rules are those of pc_options.
    pub size: usize,
    /// PC_FIELD_* to keep up to date; 0: all. PARENT and START always are. Without CREDENTIALS
    /// each process costs one reading less; without COMM, programs that rename themselves all the
    /// time cost nothing.
    pub fields: u32,
    /// Must be 0.
    pub flags: u32,
    /// As in pc_options.
    pub rcvbuf_bytes: u32,
    /// How many processes one call of pc_table_next() may read from /proc, at 10 to 30 us each;
    /// 0: 64.
    pub max_work: u32,
}

/// A process. 112 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_process {
    /// Given by the table, and never again as long as that is open: pids are reused, ids are not.
    pub id: u64,
    /// The parent's id; 0: it has none, or it is not known yet. (No change tells when it becomes
    /// known.)
    pub parent_id: u64,
    /// When it began: CLOCK_BOOTTIME in nanoseconds, rounded down to 10 ms.
    pub start_boottime_ns: u64,
    /// What pc_table_set_user() has set; 0 in a new process.
    pub user: u64,
    pub pid: pid_t,
    pub parent_pid: pid_t,
    pub session: pid_t,
    /// PC_FIELD_* that are known and kept up to date. Do not use the others: they hold what was
    /// read once, what the parent had (if the process ended before it could be read), or 0, which
    /// is also root's id.
    pub valid: u32,
    pub ruid: uid_t,
    pub euid: uid_t,
    pub rgid: gid_t,
    pub egid: gid_t,
    /// The leader's name, always terminated.
    pub comm: [c_char; 16],
    /// PC_PROCESS_*, as of now: no change tells of them alone.
    pub state: u32,
    pub reserved: u32,
    pub reserved2: [u64; 3],
}

/// A change of a process. 168 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_change {
    /// enum pc_change_kind; a newer library may tell newer ones.
    pub kind: u32,
    /// PC_CHANGE_RECOVERED and the like.
    pub flags: u32,
    /// CLOCK_MONOTONIC in nanoseconds.
    pub timestamp_ns: u64,
    /// Of SYNCED: how many events were lost since the last one.
    pub lost: u64,
    /// Of SYNCED, if events were lost: since when, CLOCK_MONOTONIC; else 0.
    pub since_ns: u64,
    /// Of EXITED with PC_CHANGE_EXIT_CODE: a wait(2) status; else 0.
    pub exit_code: i32,
    pub reserved: u32,
    pub reserved2: [u64; 2],
    /// After the change; of EXITED and VANISHED, as it last was; of SYNCED, zero.
    pub process: pc_process,
}

// The constants are those of the core.
const _: () = {
    use pc_change_kind::*;
    assert!(PC_CHANGE_FOUND as u32 == change::FOUND && PC_CHANGE_STARTED as u32 == change::STARTED);
    assert!(
        PC_CHANGE_EXECED as u32 == change::EXECED && PC_CHANGE_RENAMED as u32 == change::RENAMED
    );
    assert!(PC_CHANGE_CREDENTIALS as u32 == change::CREDENTIALS);
    assert!(PC_CHANGE_SESSION as u32 == change::SESSION);
    assert!(PC_CHANGE_REPARENTED as u32 == change::REPARENTED);
    assert!(PC_CHANGE_EXITED as u32 == change::EXITED);
    assert!(PC_CHANGE_VANISHED as u32 == change::VANISHED);
    assert!(PC_CHANGE_SYNCED as u32 == change::SYNCED);
    assert!(PC_FIELD_PARENT == field::PARENT && PC_FIELD_START == field::START);
    assert!(PC_FIELD_SESSION == field::SESSION && PC_FIELD_COMM == field::COMM);
    assert!(PC_FIELD_CREDENTIALS == field::CREDENTIALS);
    assert!(PC_PROCESS_KERNEL_THREAD == state::KERNEL_THREAD);
    assert!(PC_PROCESS_LEADER_GONE == state::LEADER_GONE);
    assert!(PC_CHANGE_RECOVERED == remark::RECOVERED && PC_CHANGE_DEAF == remark::DEAF);
    assert!(PC_CHANGE_EXIT_CODE == remark::EXIT_CODE);
    assert!(PC_CHANGE_LEADER_CODE == remark::LEADER_CODE);
};

// A pc_process is a Process, and a pc_change a Change.
const _: () = {
    assert!(size_of::<pc_process>() == 112 && size_of::<Process>() == 112);
    assert!(offset_of!(pc_process, user) == offset_of!(Process, user));
    assert!(offset_of!(pc_process, pid) == offset_of!(Process, pid));
    assert!(offset_of!(pc_process, valid) == offset_of!(Process, valid));
    assert!(offset_of!(pc_process, egid) == offset_of!(Process, egid));
    assert!(offset_of!(pc_process, comm) == offset_of!(Process, comm));
    assert!(offset_of!(pc_process, state) == offset_of!(Process, state));
    assert!(size_of::<pc_change>() == 168 && size_of::<Change>() == 168);
    assert!(offset_of!(pc_change, timestamp_ns) == offset_of!(Change, timestamp_ns));
    assert!(offset_of!(pc_change, exit_code) == offset_of!(Change, exit_code));
    assert!(offset_of!(pc_change, process) == offset_of!(Change, process));
};
