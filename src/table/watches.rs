//! The pidfds of processes that are watched, and the descriptor that shows when one is readable.

use super::pids::Pids;
use crate::errno::Errno;
use crate::memory::Arena;
use crate::sys::{Epoll, Fd};
use core::num::NonZero;

/// Pidfds by pid. The epoll instance's token of each is its pid.
pub(super) struct Watches {
    pidfds: Arena<Place>,
    pids: Pids,
    /// The first free place; free places are linked.
    free: u32,
    count: u32,
    /// How many there may be, so that processes cannot use up the descriptors of this one.
    max: u32,
}

enum Place {
    Pidfd(Fd),
    Free { next: u32 },
}

impl Watches {
    pub(super) fn new(max: u32) -> Result<Self, Errno> {
        let pidfds = Arena::new(Place::Free { next: 0 }, 0)?;
        Ok(Self { pidfds, pids: Pids::new()?, free: 0, count: 0, max })
    }

    pub(super) const fn has_room(&self) -> bool {
        self.count < self.max
    }

    /// Waits for a process that is not watched yet.
    pub(super) fn add(&mut self, pid: i32, pidfd: Fd, epoll: &Epoll) -> Result<(), Errno> {
        let index = match self.free {
            0 => self.pidfds.push(Place::Free { next: 0 })?,
            index => index,
        };
        let next = match self.pidfds.at(index) {
            Place::Free { next } => *next,
            Place::Pidfd(_) => 0,
        };
        self.free = index;
        let number = NonZero::new(index).ok_or(Errno(libc::ENOMEM))?;
        self.pids.insert(pid, number)?;
        if let Err(error) = epoll.add(&pidfd, u64::from(pid.unsigned_abs())) {
            self.pids.remove(pid);
            return Err(error);
        }
        *self.pidfds.at_mut(index) = Place::Pidfd(pidfd);
        self.free = next;
        self.count += 1;
        Ok(())
    }

    /// Stops waiting for a process.
    pub(super) fn remove(&mut self, pid: i32, epoll: &Epoll) -> Option<Fd> {
        let index = self.pids.find(pid)?.get();
        self.pids.remove(pid);
        let place = Place::Free { next: self.free };
        self.free = index;
        self.count -= 1;
        match core::mem::replace(self.pidfds.at_mut(index), place) {
            Place::Pidfd(pidfd) => {
                epoll.remove(&pidfd);
                Some(pidfd)
            }
            Place::Free { .. } => None,
        }
    }

    /// A process whose pidfd is readable: it seems to have exited.
    pub(super) fn readable(&self, epoll: &Epoll) -> Option<i32> {
        if self.count == 0 {
            return None;
        }
        // Besides a pidfd, the socket and the bell may be readable. One process is enough, so that
        // a call does no more than it may.
        let watched = |token: &i32| self.pids.find(*token).is_some();
        epoll.ready::<3>().filter_map(|token| i32::try_from(token).ok()).find(watched)
    }
}
