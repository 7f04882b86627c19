//! Asking to be woken in time. The comments become the header's.

use super::arguments::{INVALID, count};
use crate::sys::{wake, wake_soon};
use core::ffi::c_int;

/// How soon a thread runs after it is woken: the argument and the result of pc_wake_soon().
#[repr(C)]
pub enum pc_wake {
    /// As before: pc_wake_soon() has changed nothing.
    PC_WAKE_USUAL = 0,
    /// SCHED_OTHER with the shortest slice, 100 us. Needs Linux 6.12, but no privilege.
    PC_WAKE_SLICE = 1,
    /// SCHED_FIFO, priority 1. Needs CAP_SYS_NICE or an RLIMIT_RTPRIO of 1.
    PC_WAKE_REALTIME = 2,
}

/// Asks the kernel to run the calling thread soon after an event wakes it.
///
/// Use this in a program that reads more about a process than events carry, such as its command
/// line. A short process is gone a moment after its event, and Linux often lets the process run on
/// for up to 3 ms before it runs the reader. docs/benchmarks.md compares how many command lines are
/// caught with and without this call. The call costs nothing while the thread sleeps, and the
/// thread gets no larger share of the CPUs.
///
/// Call it once, in the thread that receives. It affects no other thread. The nice value and the
/// utilization clamps stay. The call does not change a thread that is SCHED_BATCH or SCHED_IDLE,
/// unless the caller asks for PC_WAKE_REALTIME and the kernel grants it.
///
/// Threads and processes that the thread makes later do not inherit this: the call sets
/// SCHED_FLAG_RESET_ON_FORK, and only a thread with CAP_SYS_NICE can clear that flag. There is one
/// exception: if the nice value is negative, the flag would also reset the children's nice value,
/// so they inherit PC_WAKE_SLICE instead. Children of a PC_WAKE_REALTIME thread have nice value 0.
///
/// most:  PC_WAKE_SLICE or PC_WAKE_REALTIME. If the kernel does not grant the latter, the thread
///        gets PC_WAKE_SLICE. A realtime thread preempts every other program on its CPU as long as
///        it works. If realtime threads use a CPU without a pause, the kernel stops them for 50 ms
///        of each second (sysctl kernel.sched_rt_runtime_us). So do not combine PC_WAKE_REALTIME
///        with spinning (pc_options.spin_us).
///
/// Returns the mode now in force, as read back from the kernel:
/// PC_WAKE_REALTIME    also if the thread was SCHED_FIFO, SCHED_RR or SCHED_DEADLINE before
/// PC_WAKE_SLICE       (a sched_ext scheduler may ignore it)
/// PC_WAKE_USUAL       before Linux 6.12, and for SCHED_BATCH and SCHED_IDLE
/// or
/// -EINVAL             most is neither of the two
/// -EPERM, -EIO        a seccomp filter or an LSM forbids it: nothing has changed
#[unsafe(no_mangle)]
pub extern "C" fn pc_wake_soon(most: u32) -> c_int {
    count(match most {
        wake::SLICE | wake::REALTIME => wake_soon(most),
        _ => Err(INVALID),
    })
}

const _: () = {
    use pc_wake::*;
    assert!(PC_WAKE_USUAL as u32 == wake::USUAL && PC_WAKE_SLICE as u32 == wake::SLICE);
    assert!(PC_WAKE_REALTIME as u32 == wake::REALTIME);
};
