//! A look at one process in proc_connector.h. The comments become the header's.
#![allow(clippy::missing_safety_doc)]

#[cfg(feature = "table")]
use super::{
    arguments::{INVALID, count},
    table::pc_process,
};
use crate::errno::Errno;
use crate::procfs::stat::{Liveness, process_alive};
#[cfg(feature = "table")]
use crate::table::{self, Process, state};
use core::ffi::c_int;

/// cbindgen:no-export
type pid_t = i32;

/// Looks a process up in /proc: whether an EXIT of its leader was its end.
///
/// tgid:  an id of this PID namespace, which should be the initial one.
///
/// Returns 1: it lives; 2: its leader has ended but other threads live on (or, for a moment, one of
/// them takes its place by an exec); 0: it has ended, is a zombie, or never was; -ESRCH: this is a
/// thread's id, not a process's, although /proc opens it; -EACCES: /proc does not show it although
/// it exists (not mounted, hidepid); -EINVAL: not positive; or what open(2) and read(2) return.
#[unsafe(no_mangle)]
pub extern "C" fn pc_process_alive(tgid: pid_t) -> c_int {
    match process_alive(tgid) {
        Ok(Liveness::Ended) => 0,
        Ok(Liveness::Alive) => 1,
        Ok(Liveness::LeaderGone) => 2,
        Err(Errno(error)) => -error,
    }
}

/// Reads one process from /proc, without a table, and without allocation. Its id, parent_id and
/// user are 0.
///
/// Returns what pc_process_alive() returns; process is written if that is 1 or 2.
#[cfg(feature = "table")]
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
