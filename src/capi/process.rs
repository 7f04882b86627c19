//! Looking at one process. The comments become the header's.
#![allow(clippy::missing_safety_doc)]

#[cfg(feature = "table")]
use super::{
    arguments::count,
    table::{pc_process, place},
};
use crate::errno::Errno;
use crate::procfs::{Liveness, process_alive};
#[cfg(feature = "table")]
use crate::table::{self, state};
use core::ffi::c_int;

/// cbindgen:no-export
type pid_t = i32;

/// Looks up in /proc whether a process is alive. The EXIT of a leader is not always the process
/// exit.
///
/// tgid:  an id of this PID namespace, which should be the initial one.
///
/// Returns
/// 1          the process is alive
/// 2          its leader has exited but other threads live on (or, for a moment, one of them is
///            taking the leader's place by execve(2))
/// 0          the process has exited, is a zombie, or never existed
/// -ESRCH     tgid is the id of a thread, not of a process (/proc opens both)
/// -EACCES    the process exists but /proc does not show it: not mounted, or hidepid
/// -EINVAL    tgid is not positive
/// or an error of open(2) or read(2).
#[unsafe(no_mangle)]
pub extern "C" fn pc_process_alive(tgid: pid_t) -> c_int {
    match process_alive(tgid) {
        Ok(Liveness::Ended) => 0,
        Ok(Liveness::Alive) => 1,
        Ok(Liveness::LeaderGone) => 2,
        Err(Errno(error)) => -error,
    }
}

/// Reads one process from /proc, without a table and without allocation.
///
/// pid:      an id of this PID namespace, as for pc_process_alive().
/// process:  written only when 1 or 2 is returned; its id, parent_id and user are 0.
///
/// Returns what pc_process_alive() returns, or -EINVAL if process is NULL.
#[cfg(feature = "table")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_process_read(pid: pid_t, process: *mut pc_process) -> c_int {
    let read_process = || {
        // SAFETY: `process` is NULL or writable.
        let process = unsafe { place(process) }?;
        let Some(read) = table::read_process(pid)? else { return Ok(0) };
        let read = process.write(read);
        Ok(if read.state & state::LEADER_GONE != 0 { 2 } else { 1 })
    };
    count(read_process())
}
