//! Processes whose leader has ended while other threads live on: no event tells of their end, a
//! pidfd does.

use super::census::{Exit, List, NOBODY, Slot, TOLD};
use super::report::state;
use super::{Shared, Table, look, look_alive};
use crate::errno::Errno;
use crate::procfs::stat::{NO_IMAGE, Reading};
use crate::sys::{self, Ending, monotonic_ns};

impl Table {
    /// Has the end of a process be noticed of which no event will tell, because its leader has gone.
    pub(super) fn settle(&mut self, shared: &Shared, slot: Slot, leader_gone: bool) {
        let entry = self.store.at_mut(slot);
        if leader_gone {
            entry.process.state |= state::LEADER_GONE;
            if entry.pidfd.is_none() {
                self.store.list(slot, List::Unwatched);
                // If that fails, it is tried again, and the user is told.
                let _ = self.watch(shared, slot);
            }
        } else {
            entry.process.state &= !state::LEADER_GONE;
            drop(self.take_pidfd(shared, slot));
            if self.store.listed(slot) == List::Unwatched {
                self.store.unlist(slot);
            }
        }
    }

    /// Watches a process through a pidfd.
    fn watch(&mut self, shared: &Shared, slot: Slot) -> Result<(), Errno> {
        let pid = self.store.at(slot).process.pid;
        let pidfd = sys::pidfd(pid);
        // The pidfd may be the next process's; and without one, this tells the end.
        let reading = look_alive(pid)?.filter(|reading| self.is_same(slot, reading));
        match (reading, pidfd) {
            (None, Ok(pidfd)) => self.note_end_of_watched(shared, slot, &pidfd),
            (None, Err(_)) => self.note_end(shared, slot, None),
            (Some(Reading { leader_gone: true, .. }), pidfd) => {
                let pidfd = pidfd?;
                shared.epoll.add(&pidfd, u64::from(pid.unsigned_abs()))?;
                self.store.watch(slot, pidfd);
                self.store.unlist(slot);
            }
            (Some(_), _) => self.settle(shared, slot, false),
        }
        Ok(())
    }

    /// A process without a leader has ended; what a pidfd can tell of it.
    pub(super) fn note_end_of_watched(&mut self, shared: &Shared, slot: Slot, pidfd: &sys::Fd) {
        let code = match sys::ending(pidfd) {
            Ending::Status(code) => Some(code),
            // It may be reaped in between.
            Ending::Unreaped => self.status_of_zombie(slot).or_else(|| match sys::ending(pidfd) {
                Ending::Status(code) => Some(code),
                _ => None,
            }),
            Ending::Unknown => None,
        };
        self.note_end(shared, slot, Some(Exit::new(monotonic_ns(), code)));
    }

    /// How a process ended that has not been reaped.
    fn status_of_zombie(&self, slot: Slot) -> Option<i32> {
        let zombie = look(self.store.at(slot).process.pid).ok()??;
        (zombie.has_ended && self.is_same(slot, &zombie))
            .then(|| self.told_status(&zombie))
            .flatten()
    }

    /// How a zombie ended, if /proc says so: to whoever may not trace it, that is always 0.
    pub(super) fn told_status(&self, zombie: &Reading) -> Option<i32> {
        // Privileges may have been dropped since the last time. Where a security module forbids to
        // trace, the first process has not been readable either.
        let may_trace = || {
            let first = self.store.at(self.store.find(1));
            first.image != 0 && first.image != NO_IMAGE && sys::may_trace()
        };
        (zombie.status != 0 || may_trace()).then_some(zombie.status)
    }

    /// Watches a process no longer.
    pub(super) fn take_pidfd(&mut self, shared: &Shared, slot: Slot) -> Option<sys::Fd> {
        self.store.take_pidfd(slot).inspect(|pidfd| shared.epoll.remove(pidfd))
    }

    /// Sees which of the processes without a leader have ended. True if there was something.
    pub(super) fn look_at_pidfds(&mut self, shared: &Shared) -> Result<bool, Errno> {
        let unwatched = self.store.first(List::Unwatched);
        if unwatched != NOBODY {
            self.store.list(unwatched, List::Unwatched); // behind the others
            let watched = self.watch(shared, unwatched);
            let was_told = self.store.at(unwatched).is(TOLD);
            match watched {
                Ok(()) => return Ok(true),
                Err(error) if !was_told => {
                    self.store.at_mut(unwatched).marks |= TOLD;
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        if self.store.watched() == 0 {
            return Ok(false);
        }
        // The socket, the bell, and a pidfd: one, so that a call does no more than it may.
        for token in shared.epoll.ready::<3>() {
            let slot = i32::try_from(token).map_or(NOBODY, |pid| self.store.find(pid));
            if slot == NOBODY || self.store.at(slot).pidfd.is_none() {
                continue;
            }
            let reading = look_alive(self.store.at(slot).process.pid)?;
            let Some(pidfd) = self.take_pidfd(shared, slot) else { continue };
            match reading {
                Some(reading) if self.is_same(slot, &reading) => {
                    self.settle(shared, slot, reading.leader_gone);
                }
                _ => self.note_end_of_watched(shared, slot, &pidfd),
            }
            return Ok(true);
        }
        Ok(false)
    }
}
