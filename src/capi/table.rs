//! The process table in proc_connector.h. The comments become the header's; what they demand is
//! what makes the unsafe blocks sound, as in `connector.rs`.
#![allow(missing_docs, clippy::missing_safety_doc)]

use super::arguments::{INVALID, count, options_of, status, timeout};
use super::connector::{pc_stats, stats_into};
use crate::errno::Errno;
use crate::memory;
use crate::table::{
    Change, DEFAULT_WORK, Process, Shared, Table, TableOptions, change, field, remark, state,
};
use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int};
use core::mem::offset_of;
use core::ptr::NonNull;

/// cbindgen:no-export
type pid_t = i32;
/// cbindgen:no-export
type uid_t = u32;
/// cbindgen:no-export
type gid_t = u32;

/// A table of all processes, and the connector that keeps it true.
pub struct pc_table {
    shared: Shared,
    /// Touched only by functions that one thread at a time may call.
    table: UnsafeCell<Table>,
}

/// Fields of a struct pc_process: bits for pc_table_options.fields and pc_process.valid.
pub const PC_FIELD_PARENT: u32 = 1u32 << 0;
pub const PC_FIELD_START: u32 = 1u32 << 1;
pub const PC_FIELD_SESSION: u32 = 1u32 << 2;
pub const PC_FIELD_COMM: u32 = 1u32 << 3;
pub const PC_FIELD_CREDENTIALS: u32 = 1u32 << 4;

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

const PC_TABLE_OPTIONS_INIT: pc_table_options = pc_table_options {
    size: size_of::<pc_table_options>(),
    fields: 0,
    flags: 0,
    rcvbuf_bytes: 0,
    max_work: 0,
};

/// Opens a connector, and a table of all processes that is kept true through it.
///
/// List, then follow, then heal: pc_table_next() tells every process that is there (FOUND), then
/// SYNCED, then every change. (What a process did before it could be read is not told one by one:
/// its STARTED, or EXECED, has it all.) Processes, not threads: each begins once (FOUND or STARTED)
/// and ends once (EXITED or VANISHED), when its last thread has, whatever the order of the kernel's
/// events. When events were lost, the table reads /proc anew, tells what is different (RECOVERED),
/// and then SYNCED with the number of events lost: after that nothing is in doubt.
///
/// It needs what pc_open() needs, and a /proc that shows all processes. Its memory grows with the
/// most processes that there have been at a time: for each, 210 bytes (pids side by side) to 470
/// (far apart) are in use, and at most 1,100 allocated. A descriptor is held for each process that
/// lives on without its leader.
///
/// out:      receives the table, to be given to pc_table_close().
/// options:  NULL: all fields, 32 MiB.
///
/// Returns 0, what pc_open() returns, or
/// -EACCES             /proc is not mounted, hides processes, or is another PID namespace's
/// -EOPNOTSUPP         not in the initial time namespace either
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_open(
    out: *mut *mut pc_table,
    options: *const pc_table_options,
) -> c_int {
    let open = || {
        if out.is_null() {
            return Err(INVALID);
        }
        // SAFETY: NULL or valid.
        let options = unsafe { table_options(options) }?;
        let memory = memory::allocate::<pc_table>()?;
        match Table::open(&options) {
            Ok((shared, table)) => {
                // SAFETY: allocated for one pc_table; `out` is writable.
                unsafe {
                    memory.write(pc_table { shared, table: UnsafeCell::new(table) });
                    out.write(memory.as_ptr());
                }
                Ok(())
            }
            Err(error) => {
                // SAFETY: allocated above, never used.
                unsafe { memory::release(memory) };
                Err(error)
            }
        }
    };
    status(open())
}

/// # Safety
/// NULL, or readable for as many bytes as its `size` says.
unsafe fn table_options(options: *const pc_table_options) -> Result<TableOptions, Errno> {
    // SAFETY: passed on.
    let options = unsafe { options_of(options, PC_TABLE_OPTIONS_INIT) }?;
    if options.fields & !field::ALL != 0
        || options.flags != 0
        || c_int::try_from(options.rcvbuf_bytes).is_err()
    {
        return Err(INVALID);
    }
    Ok(TableOptions {
        fields: if options.fields == 0 { field::ALL } else { options.fields },
        budget: (options.rcvbuf_bytes != 0).then_some(options.rcvbuf_bytes),
        max_work: if options.max_work == 0 { DEFAULT_WORK } else { options.max_work },
    })
}

/// The part of a table that any thread may use.
///
/// # Safety
/// NULL or an open table.
unsafe fn shared<'a>(table: *const pc_table) -> Result<&'a Shared, Errno> {
    // SAFETY: field access without a reference to the whole, whose other part may be in use.
    if table.is_null() { Err(INVALID) } else { Ok(unsafe { &(*table).shared }) }
}

/// The part that is read.
///
/// # Safety
/// NULL or an open table which no other thread uses but through [`shared`].
unsafe fn contents<'a>(table: *const pc_table) -> Result<&'a Table, Errno> {
    // SAFETY: passed on; nobody changes it meanwhile.
    if table.is_null() { Err(INVALID) } else { Ok(unsafe { &*(*table).table.get() }) }
}

/// Returns a descriptor for poll() and the like; -EINVAL if table is NULL.
///
/// It is readable while pc_table_next() has something to do: call that until it returns 0, or once
/// per wake-up in a level-triggered loop. Do nothing else with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_fd(table: *const pc_table) -> c_int {
    // SAFETY: NULL or an open table.
    match unsafe { shared(table) } {
        Ok(shared) => shared.fd().raw(),
        Err(Errno(error)) => -error,
    }
}

/// pc_process.state: a thread of the kernel. It renames itself without an event, so that
/// PC_FIELD_COMM is never valid: comm is what it was when it was read.
pub const PC_PROCESS_KERNEL_THREAD: u32 = 1u32 << 0;
/// pc_process.state: its leader has ended, but other threads live on.
pub const PC_PROCESS_LEADER_GONE: u32 = 1u32 << 1;

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

/// Tells the next change.
///
/// One call does a limited amount of work (pc_table_options.max_work), so that a loop is not held
/// up. With timeout 0 it may therefore return 0 with work left; then pc_table_fd() is readable,
/// and edge-triggered loops hear of it anew.
///
/// change:      room for one.
/// timeout_ms:  as for pc_recv().
///
/// Returns 1: a change; 0: none yet; what pc_recv() returns; -ENOMEM; or -EMFILE, -ENFILE and what
/// else open(2), read(2), getdents64(2), lseek(2), epoll_ctl(2) and pidfd_open(2) return. After an
/// error nothing is lost: call again. That a process without its leader cannot be watched is said
/// once; its end is then noticed by one of the later calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_next(
    table: *mut pc_table,
    change: *mut pc_change,
    timeout_ms: c_int,
) -> c_int {
    let next = || {
        // SAFETY: NULL or an open table.
        let shared = unsafe { shared(table) }?;
        if change.is_null() {
            return Err(INVALID);
        }
        let timeout = timeout(timeout_ms)?;
        // SAFETY: an open table that no other thread follows or reads.
        let table = unsafe { &mut *(*table).table.get() };
        let Some(next) = table.next(shared, timeout)? else { return Ok(0) };
        // SAFETY: writable, and laid out as Change.
        unsafe { change.cast::<Change>().write(next) };
        Ok(1)
    };
    count(next())
}

/// Looks a process up, as the changes told so far have left it.
///
/// Returns 1: process is written; 0: there is no such process; -EINVAL: a NULL pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_get(
    table: *const pc_table,
    pid: pid_t,
    process: *mut pc_process,
) -> c_int {
    // SAFETY: NULL or an open table that no other thread follows.
    count(unsafe { contents(table) }.and_then(|table| {
        // SAFETY: NULL or writable.
        unsafe { give(table.get(pid), process) }
    }))
}

/// Walks through the table in the order of pids. Changes may be told in between: what is there all
/// the time is met once.
///
/// cursor:  0 at first; then what the last call has left there.
///
/// Returns 1: process is written; 0: no more; -EINVAL: a NULL pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_each(
    table: *const pc_table,
    cursor: *mut u64,
    process: *mut pc_process,
) -> c_int {
    let each = || {
        // SAFETY: NULL or an open table that no other thread follows.
        let table = unsafe { contents(table) }?;
        // SAFETY: NULL or writable.
        let cursor = unsafe { cursor.as_mut() }.ok_or(INVALID)?;
        let next = table.above(i32::try_from(*cursor).unwrap_or(i32::MAX));
        // SAFETY: NULL or writable.
        let given = unsafe { give(next, process) }?;
        if let Some(next) = next {
            *cursor = u64::from(next.pid.unsigned_abs());
        }
        Ok(given)
    };
    count(each())
}

/// # Safety
/// `out` is NULL or writable.
unsafe fn give(process: Option<Process>, out: *mut pc_process) -> Result<u32, Errno> {
    if out.is_null() {
        return Err(INVALID);
    }
    let Some(process) = process else { return Ok(0) };
    // SAFETY: writable, and laid out as Process.
    unsafe { out.cast::<Process>().write(process) };
    Ok(1)
}

/// Keeps a value of the caller's with a process: it is in pc_process.user from then on, also in the
/// change that tells its end.
///
/// Returns 0; -ESRCH: there is no such process in the table; -EINVAL: table is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_set_user(table: *mut pc_table, pid: pid_t, user: u64) -> c_int {
    if table.is_null() {
        return -libc::EINVAL;
    }
    // SAFETY: an open table that no other thread follows or reads.
    status(unsafe { &mut *(*table).table.get() }.set_user(pid, user))
}

/// Returns how many processes the changes told so far have left in the table; 0 if it is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_count(table: *const pc_table) -> usize {
    // SAFETY: NULL or an open table that no other thread follows.
    unsafe { contents(table) }.map_or(0, Table::count)
}

/// pc_check() for the table's connector; if it returns 1, the table heals itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_check(table: *mut pc_table) -> c_int {
    // SAFETY: NULL or an open table.
    count(unsafe { shared(table) }.and_then(Shared::check))
}

/// Has the table read /proc anew, as if events had been lost: differences are told, then SYNCED
/// (RECOVERED both, with 0 lost). For programs that must be sure although a deafness that another
/// listener has repaired leaves no trace.
///
/// Returns 0, -ECHILD, or -EINVAL if table is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_rescan(table: *mut pc_table) -> c_int {
    let rescan = || {
        // SAFETY: NULL or an open table.
        let shared = unsafe { shared(table) }?;
        // SAFETY: an open table that no other thread follows or reads.
        unsafe { &mut *(*table).table.get() }.rescan(shared)
    };
    status(rescan())
}

/// pc_get_stats() for the table's connector.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_get_stats(
    table: *const pc_table,
    stats: *mut pc_stats,
    size: usize,
) -> c_int {
    // SAFETY: NULL or an open table; `stats` is NULL or writable for `size` bytes.
    status(
        unsafe { shared(table) }
            .and_then(|shared| unsafe { stats_into(&shared.connector, stats, size) }),
    )
}

/// Ends a wait in pc_table_next(), as pc_interrupt() does in pc_recv().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_interrupt(table: *mut pc_table) -> c_int {
    let interrupt = || {
        // SAFETY: NULL or an open table.
        let connector = &unsafe { shared(table) }?.connector;
        connector.require_owner()?;
        crate::sys::preserving_errno(|| connector.interrupt());
        Ok(())
    };
    status(interrupt())
}

/// Closes the table and its connector. NULL is allowed. errno stays as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_close(table: *mut pc_table) {
    if let Some(table) = NonNull::new(table) {
        // SAFETY: an open table, made by pc_table_open(), that nobody uses any more.
        unsafe {
            table.drop_in_place();
            memory::release(table);
        }
    }
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
