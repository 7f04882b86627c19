//! The process table's functions in proc_connector.h. The comments become the header's; what they
//! demand is what makes the unsafe blocks sound, as in `functions.rs`.
#![allow(clippy::missing_safety_doc)]

use super::convert::{count, options_of, stats_into, status, timeout};
use super::table_types::{pc_change, pc_process, pc_table_options};
use super::types::pc_stats;
use crate::errno::Errno;
use crate::memory;
use crate::sys;
use crate::table::{
    self, Change, DEFAULT_WORK, Process, Shared, Table, TableOptions, field, state,
};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::ptr::NonNull;

/// cbindgen:no-export
type pid_t = i32;

const INVALID: Errno = Errno(libc::EINVAL);

/// A table of all processes, and the connector that keeps it true.
pub struct pc_table {
    shared: Shared,
    /// Touched only by functions that one thread at a time may call.
    table: UnsafeCell<Table>,
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
    let defaults = pc_table_options {
        size: size_of::<pc_table_options>(),
        fields: 0,
        flags: 0,
        rcvbuf_bytes: 0,
        max_work: 0,
    };
    // SAFETY: passed on.
    let options = unsafe { options_of(options, defaults) }?;
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
        unsafe { shared(table) }?.connector.interrupt()
    };
    status(interrupt())
}

/// Closes the table and its connector. NULL is allowed. errno stays as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_close(table: *mut pc_table) {
    if let Some(table) = NonNull::new(table) {
        // SAFETY: an open table, made by pc_table_open(), that nobody uses any more.
        sys::preserving_errno(|| unsafe {
            table.drop_in_place();
            memory::release(table);
        });
    }
}

/// Reads one process from /proc, without a table, and without allocation. Its id, parent_id and
/// user are 0.
///
/// Returns what pc_process_alive() returns; process is written if that is 1 or 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_process_read(pid: pid_t, process: *mut pc_process) -> c_int {
    let read_process = || {
        if process.is_null() {
            return Err(INVALID);
        }
        let Some(read) = table::read_process(pid)? else { return Ok(0) };
        // SAFETY: writable, and laid out as Process.
        unsafe { process.cast::<Process>().write(read) };
        Ok(if read.state & state::LEADER_GONE != 0 { 2 } else { 1 })
    };
    count(read_process())
}
