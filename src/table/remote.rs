//! The part of a table that any thread may use.

use crate::connector::Connector;
use crate::errno::Errno;
use crate::sys::{self, Doorbell, Epoll};
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub(crate) struct Shared {
    pub connector: Connector,
    /// Readable while there is something to do: the socket, the bell, the pidfds.
    pub(super) epoll: Epoll,
    /// Rung for what no descriptor tells, by any thread; silenced by the one that follows.
    bell: Doorbell,
    /// It may have been rung. Set behind the ringing, so that none is overlooked.
    rung: AtomicBool,
}

/// Tokens of what is no pid.
const SOCKET: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;

impl Shared {
    /// Around an open connector. The bell has been rung: all of /proc is to be read.
    pub(super) fn new(connector: Connector, epoll: Epoll, bell: Doorbell) -> Result<Self, Errno> {
        epoll.add(connector.socket(), SOCKET)?;
        epoll.add(bell.fd(), BELL)?;
        let shared = Self { connector, epoll, bell, rung: AtomicBool::new(false) };
        shared.ring();
        Ok(shared)
    }

    pub(crate) const fn fd(&self) -> &sys::Fd {
        self.epoll.fd()
    }

    pub(super) fn ring(&self) {
        self.bell.ring();
        self.rung.store(true, SeqCst);
    }

    /// Whether the bell had been rung, which then it is no more.
    pub(super) fn silence(&self) -> bool {
        let was_rung = self.rung.swap(false, SeqCst);
        if was_rung {
            self.bell.silence();
        }
        was_rung
    }

    /// Proves that the kernel reports; how many repairs that took, of which the table will tell.
    pub(crate) fn check(&self) -> Result<u32, Errno> {
        let repairs = self.connector.check()?;
        if repairs > 0 {
            self.ring();
        }
        Ok(repairs)
    }
}
