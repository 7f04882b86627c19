//! What the table asks of everything outside of it: the queue of events, /proc, pidfds, the clock.
//! The kernel answers; in tests of the table, a model machine does.

use super::agenda::BATCH;
use super::judge::Clock;
use crate::errno::Errno;
use crate::procfs::{Command, Look};
use crate::protocol::event::Event;
use crate::sys::PidfdExit;

pub(super) trait World {
    type Pidfd;

    fn clock(&self) -> Clock;

    /// Receives pending events; 0 if the queue is empty.
    fn receive(&mut self, batch: &mut [Event; BATCH]) -> Result<u32, Errno>;

    /// Leaves the FORKs of these processes' threads, and of no others, out of the queue; 0 stands for
    /// no process. False if that
    /// cannot be done; then nothing has changed.
    fn leave_unheard(&mut self, pids: &[i32]) -> bool;

    /// Whether there is something to receive that no descriptor shows.
    fn has_announcement(&self) -> bool;

    /// Looks at a process. An error is about this process, not about the one that is looked at. (A look
    /// is large: it is not copied from result to result.)
    fn look(&self, pid: i32, with_credentials: bool, look: &mut Look) -> Result<(), Errno>;

    /// Reads the command of a process into a block. Which process that is, a look that follows shows.
    fn read_command(&self, pid: i32, block: &mut [u8]) -> Command;

    /// The next pid that /proc lists, until [`take_listed`](Self::take_listed).
    fn listed(&mut self) -> Result<Option<i32>, Errno>;

    fn take_listed(&mut self);

    /// Starts again with the lowest pid.
    fn rewind_listing(&mut self) -> Result<(), Errno>;

    /// Whether /proc shows the exit status of a zombie process as its own, even if its leader
    /// exited with another.
    fn shows_exit_status(&self) -> bool;

    /// Whether /proc shows this thread everything about every process.
    fn may_trace(&self) -> bool;

    fn open_pidfd(&self, pid: i32) -> Result<Self::Pidfd, Errno>;

    /// How the process of a pidfd exited.
    fn exit_of(&self, pidfd: &Self::Pidfd) -> PidfdExit;

    /// Whether one more process may be waited for.
    fn may_watch(&self) -> bool;

    /// Whether it is time to look at the processes that are not waited for, as it is every now and then.
    fn take_tick(&mut self) -> bool;

    /// Waits for the exit of a process.
    fn watch(&mut self, pid: i32, pidfd: Self::Pidfd) -> Result<(), Errno>;

    /// Stops waiting for the exit of a process.
    fn unwatch(&mut self, pid: i32) -> Option<Self::Pidfd>;

    /// A process that is watched and seems to have exited.
    fn exited(&self) -> Option<i32>;
}
