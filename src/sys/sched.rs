//! How soon the scheduler lets the calling thread run after it is woken.

use super::granted;
use crate::errno::Errno;

/// Ways to be woken, from the slowest on.
pub(crate) mod wake {
    pub(crate) const USUAL: u32 = 0;
    pub(crate) const SLICE: u32 = 1;
    pub(crate) const REALTIME: u32 = 2;
}

/// The shortest slice that the kernel grants (`kernel/sched/syscalls.c`, `__setparam_fair`).
const SLICE_NS: u64 = 100_000;

/// What `linux/sched.h` calls SCHED_FLAG_RESET_ON_FORK.
const RESET_ON_FORK: u64 = 1;

/// The first version of the kernel's struct sched_attr. What later versions add stays as it is.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

impl Attributes {
    /// Reads those of the calling thread.
    fn read(&mut self) -> Result<(), Errno> {
        let size = size_of::<Self>();
        // SAFETY: the attributes are writable for their size, and may have any bytes.
        granted(unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut *self, size, 0) })?;
        Ok(())
    }

    /// Gives them to the calling thread.
    fn apply(&self) -> Result<(), Errno> {
        // SAFETY: the attributes are readable for the size that they name, which read() has set.
        granted(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *self, 0) })?;
        Ok(())
    }
}

/// Asks for the way `most`, or for the next slower one that the kernel grants. Returns the one in
/// force.
pub(crate) fn wake_soon(most: u32) -> Result<u32, Errno> {
    const OTHER: u32 = libc::SCHED_OTHER as u32;
    const FIFO: u32 = libc::SCHED_FIFO as u32;
    const RR: u32 = libc::SCHED_RR as u32;
    const DEADLINE: u32 = libc::SCHED_DEADLINE as u32;
    let mut attributes = Attributes::default();
    attributes.read()?;
    let Attributes { policy, flags, .. } = attributes;
    if matches!(policy, FIFO | RR | DEADLINE) {
        return Ok(wake::REALTIME);
    }
    attributes.flags |= RESET_ON_FORK;
    if most == wake::REALTIME {
        attributes.policy = FIFO;
        attributes.priority = 1;
        if attributes.apply().is_ok() {
            return Ok(wake::REALTIME);
        }
        attributes.policy = policy;
        attributes.priority = 0;
    }
    // Before Linux 6.12 the kernel reports no slice, and ignores one. A thread of SCHED_BATCH or
    // SCHED_IDLE waits for its turn, whatever its slice (`kernel/sched/fair.c`, wakeup_preempt_fair).
    if policy != OTHER || attributes.runtime_ns == 0 {
        return Ok(wake::USUAL);
    }
    // A reset would take a negative nice value from the children, too.
    if attributes.nice < 0 {
        attributes.flags = flags;
    }
    attributes.runtime_ns = SLICE_NS;
    attributes.apply()?;
    attributes.read()?;
    Ok(if attributes.runtime_ns == SLICE_NS { wake::SLICE } else { wake::USUAL })
}
