//! The world as it is: the kernel's answers to what the table asks.

use super::agenda::BATCH;
use super::judge::{Clock, Slept};
use super::remote::Remote;
use super::watches::Watches;
use super::world::World;
use crate::connector::Receiver;
use crate::errno::Errno;
use crate::memory::OutSlice;
use crate::procfs::{self, Command, Listing, Look, Wanted};
use crate::protocol::event::Event;
use crate::sys::{self, Fd, PidfdExit, boottime_ns, monotonic_ns};

/// What belongs to the thread that follows the table.
pub(super) struct Senses {
    pub receiver: Receiver,
    pub listing: Listing,
    pub watches: Watches,
    /// See [`World::shows_exit_status`].
    pub shows_exit_status: bool,
    /// Looks show the inodes of pidfds.
    pub shows_inodes: bool,
}

/// The kernel, for the duration of one call.
pub(super) struct Kernel<'a> {
    pub remote: &'a Remote,
    pub senses: &'a mut Senses,
}

impl World for Kernel<'_> {
    type Pidfd = Fd;

    #[inline(never)]
    fn clock(&self) -> Clock {
        let now_ns = monotonic_ns();
        Clock { now_ns, slept: Slept(boottime_ns().saturating_sub(now_ns)) }
    }

    fn receive(&mut self, batch: &mut [Event; BATCH]) -> Result<u32, Errno> {
        let mut batch = OutSlice::over(batch);
        self.senses.receiver.fill(&self.remote.connector, None, &mut batch)
    }

    fn leave_unheard(&mut self, pids: &[i32]) -> bool {
        // A sandbox may not know that this thread calls setsockopt().
        !procfs::is_sandboxed()
            && self.senses.receiver.leave_unheard(&self.remote.connector, pids).is_ok()
    }

    fn has_announcement(&self) -> bool {
        self.remote.connector.has_deafness()
    }

    fn look(&self, pid: i32, with_credentials: bool, look: &mut Look) -> Result<(), Errno> {
        let Senses { shows_inodes: inode, shows_exit_status, .. } = *self.senses;
        // A kernel that shows an exit status shows the ids, too.
        let pidfd = inode || with_credentials && shows_exit_status;
        let wanted = Wanted { ids: with_credentials, inode, pidfd };
        procfs::look(self.senses.listing.tree(), pid, wanted, look)
    }

    fn read_command(&self, pid: i32, block: &mut [u8]) -> Command {
        procfs::read_command(self.senses.listing.tree(), pid, block)
    }

    fn listed(&mut self) -> Result<Option<i32>, Errno> {
        self.senses.listing.peek()
    }

    fn take_listed(&mut self) {
        self.senses.listing.take();
    }

    fn rewind_listing(&mut self) -> Result<(), Errno> {
        self.senses.listing.rewind()
    }

    fn shows_exit_status(&self) -> bool {
        self.senses.shows_exit_status
    }

    fn may_trace(&self) -> bool {
        sys::may_trace()
    }

    fn open_pidfd(&self, pid: i32) -> Result<Fd, Errno> {
        if self.senses.listing.tree().is_made_up {
            return Err(Errno(libc::ESRCH));
        }
        sys::pidfd(pid)
    }

    fn exit_of(&self, pidfd: &Fd) -> PidfdExit {
        sys::exit_of(pidfd)
    }

    fn may_watch(&self) -> bool {
        self.senses.watches.has_room()
    }

    fn take_tick(&mut self) -> bool {
        self.remote.take_tick()
    }

    fn watch(&mut self, pid: i32, pidfd: Fd) -> Result<(), Errno> {
        self.senses.watches.add(pid, pidfd, self.remote.epoll())
    }

    fn unwatch(&mut self, pid: i32) -> Option<Fd> {
        self.senses.watches.remove(pid, self.remote.epoll())
    }

    fn exited(&self) -> Option<i32> {
        self.senses.watches.readable(self.remote.epoll())
    }
}
