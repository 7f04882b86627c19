//! The part of a table that any thread may use.

use crate::connector::Connector;
use crate::errno::Errno;
use crate::sys::{self, Doorbell, Epoll, Timer};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

/// The connector, and the descriptor that shows whether the table has something to do.
pub(crate) struct Remote {
    pub connector: Connector,
    signals: Signals,
    /// How many processes are hidden.
    pub hidden: AtomicU32,
    /// The bell may have been rung. Set after it was rung, so that no ringing is overlooked.
    is_rung: AtomicBool,
}

/// The descriptors that show whether the table has something to do.
pub(super) struct Signals {
    /// Readable when the socket, the bell or a pidfd is.
    epoll: Epoll,
    /// The descriptor that the caller waits for: readable when `epoll` is, but not during a rest; and when
    /// the timer is, while that is needed.
    outer: Epoll,
    /// Rung, by any thread, for work that no descriptor shows; silenced by the thread that follows.
    bell: Doorbell,
    timer: Timer,
}

/// How often a table that cannot go on tries again, and how often the processes without leaders are looked
/// at that are not waited for.
const TICK_MS: u32 = 100;

// Tokens that are not pids.
const SOCKET: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;

impl Remote {
    /// Takes an open connector, whose socket the signals watch.
    pub(super) fn new(connector: Connector, signals: Signals) -> Self {
        let (is_rung, hidden) = (AtomicBool::new(true), AtomicU32::new(0));
        Self { connector, signals, hidden, is_rung }
    }

    pub(crate) const fn fd(&self) -> &sys::Fd {
        self.signals.fd()
    }

    /// Makes the descriptor readable no longer for what there is to do, or again.
    pub(super) fn rest(&self, is_resting: bool) {
        self.signals.outer.set(self.signals.epoll.fd(), !is_resting);
    }

    /// Makes the descriptor readable when the timer is, or no longer.
    pub(super) fn wait_for_timer(&self, is_needed: bool) {
        if is_needed {
            self.take_tick();
        }
        self.signals.outer.set(self.signals.timer.fd(), is_needed);
    }

    /// Whether the timer has ticked. If so, starts its next interval.
    pub(super) fn take_tick(&self) -> bool {
        self.signals.timer.restart()
    }

    pub(super) const fn epoll(&self) -> &Epoll {
        &self.signals.epoll
    }

    pub(super) fn ring(&self) {
        self.signals.bell.ring();
        self.is_rung.store(true, SeqCst);
    }

    /// Silences the bell. Whether it had been rung.
    pub(super) fn silence(&self) -> bool {
        let was_rung = self.is_rung.swap(false, SeqCst);
        if was_rung {
            self.signals.bell.silence();
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

impl Signals {
    /// Connects all but the socket: that can fail for lack of memory, and comes before the opening.
    pub(super) fn new() -> Result<Self, Errno> {
        let (epoll, outer) = (Epoll::new()?, Epoll::new()?);
        let (bell, timer) = (Doorbell::new()?, Timer::new(TICK_MS)?);
        epoll.add(bell.fd(), BELL)?;
        outer.add(epoll.fd(), 0)?;
        outer.add(timer.fd(), 0)?;
        outer.set(timer.fd(), false);
        // All of /proc is to be read.
        bell.ring();
        Ok(Self { epoll, outer, bell, timer })
    }

    /// The descriptor that the caller waits for.
    pub(super) const fn fd(&self) -> &sys::Fd {
        self.outer.fd()
    }

    /// Makes the descriptor readable while events are queued.
    pub(super) fn watch_socket(&self, socket: &sys::Fd) -> Result<(), Errno> {
        match self.epoll.add(socket, SOCKET) {
            // A file that cannot be waited for is no socket. (A sandbox would have refused connect().)
            Err(Errno(libc::EPERM)) => Err(Errno(libc::EPROTOTYPE)),
            result => result,
        }
    }
}
