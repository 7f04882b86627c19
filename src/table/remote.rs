//! The part of a table that any thread may use.

use crate::connector::Connector;
use crate::errno::Errno;
use crate::sys::{self, Doorbell, Epoll};
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// The connector, and the descriptor that shows whether the table has something to do.
pub(crate) struct Remote {
    pub connector: Connector,
    /// Readable when the socket, the bell or a pidfd is.
    epoll: Epoll,
    /// Rung, by any thread, for work that no descriptor shows; silenced by the thread that follows.
    bell: Doorbell,
    /// The bell may have been rung. Set after it was rung, so that no ringing is overlooked.
    is_rung: AtomicBool,
}

// Tokens that are not pids.
const SOCKET: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;

impl Remote {
    /// Takes an open connector. The bell has been rung: all of /proc is to be read.
    pub(super) fn new(connector: Connector, epoll: Epoll, bell: Doorbell) -> Result<Self, Errno> {
        epoll.add(connector.socket(), SOCKET)?;
        epoll.add(bell.fd(), BELL)?;
        let remote = Self { connector, epoll, bell, is_rung: AtomicBool::new(false) };
        remote.ring();
        Ok(remote)
    }

    pub(crate) const fn fd(&self) -> &sys::Fd {
        self.epoll.fd()
    }

    pub(super) const fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    pub(super) fn ring(&self) {
        self.bell.ring();
        self.is_rung.store(true, SeqCst);
    }

    /// Silences the bell. Whether it had been rung.
    pub(super) fn silence(&self) -> bool {
        let was_rung = self.is_rung.swap(false, SeqCst);
        if was_rung {
            self.bell.silence();
        }
        was_rung
    }

    /// Checks that the kernel reports. Returns how many repairs that took; the table reports them.
    pub(crate) fn check(&self) -> Result<u32, Errno> {
        let repairs = self.connector.check()?;
        if repairs > 0 {
            self.ring();
        }
        Ok(repairs)
    }
}
