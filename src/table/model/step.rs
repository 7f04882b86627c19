//! What can happen on the machine.

/// When the event of a deed is queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Delay {
    /// With the deed.
    No,
    /// The task is preempted before the kernel generates the event.
    Unstamped,
    /// The task is preempted when the event has its timestamp and is not queued yet.
    Stamped,
}

/// How a process comes to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Birth {
    Plain,
    /// `CLONE_PARENT`: the parent is the caller's.
    Sibling,
    /// A thread with a name and ids of its own forks.
    OfOtherThread,
    /// The kernel starts a thread of its own.
    KernelThread,
    /// The kernel starts a helper, which is about to run a program. Before Linux 5.19 it is a kernel
    /// thread until then.
    Helper {
        is_kernel_thread: bool,
    },
}

/// What happens on the machine. `who` chooses among those that can do it; if there is none, nothing
/// happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Time passes.
    Wait {
        ns: u64,
    },
    /// The machine sleeps.
    Sleep {
        ns: u64,
    },
    /// `pid` chooses among those that are free.
    Fork {
        who: u8,
        pid: u8,
        birth: Birth,
        delay: Delay,
    },
    /// The leader runs another program.
    Exec {
        who: u8,
        new_ids: bool,
        delay: Delay,
    },
    /// The process exits. `is_ignored`: its parent ignores SIGCHLD, so it is never a zombie.
    Exit {
        who: u8,
        code: i32,
        is_ignored: bool,
        delay: Delay,
    },
    /// A zombie's parent waits for it.
    Reap {
        who: u8,
    },
    /// A thread starts.
    Thread {
        who: u8,
        delay: Delay,
    },
    /// The process has 16 further threads, one after the other.
    ManyThreads {
        who: u8,
    },
    /// A thread, not the leader, exits. If it is the last, the process exits.
    ThreadExit {
        who: u8,
        code: i32,
    },
    /// The leader exits, and other threads live on.
    LeaderExit {
        who: u8,
        code: i32,
        delay: Delay,
    },
    /// A thread calls exec: it ends all others, the leader too.
    ThreadExec {
        who: u8,
        delay: Delay,
    },
    /// The exec of a thread comes one step further: between two leaders, then done.
    ThreadExecGoesOn {
        who: u8,
        delay: Delay,
    },
    /// The exec of a thread fails when the thread has become the leader: the process is killed.
    ThreadExecFails {
        who: u8,
        delay: Delay,
    },
    /// The process frees its memory because it is about to exit.
    DropMemory {
        who: u8,
    },
    /// The process uses memory for the first time.
    Fault {
        who: u8,
    },
    Rename {
        who: u8,
        delay: Delay,
    },
    SetSession {
        who: u8,
        delay: Delay,
    },
    SetUser {
        who: u8,
        delay: Delay,
    },
    SetGroup {
        who: u8,
        delay: Delay,
    },
    /// Orphans among its descendants become its children.
    BecomeSubreaper {
        who: u8,
    },
    /// A preempted task goes on: the event is generated, or queued.
    GoOn {
        which: u8,
    },
    /// A process renames itself so many times.
    Flood {
        who: u8,
        count: u8,
    },
    /// Another process makes the kernel deaf.
    Deafen,
    /// The connector notices that, and repairs it.
    Check,
    /// So many calls of pidfd_open(2) fail.
    FailPidfds {
        count: u8,
    },
    /// So many looks at /proc fail.
    FailLooks {
        count: u8,
    },
    /// The table's process gives up its privileges: it may no longer trace.
    DropPrivileges,
}
