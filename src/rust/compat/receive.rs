//! The ways to receive that `proc-connector` 0.3 has: events as [`ProcEvent`]s or as the kernel's
//! bytes, and a loss as [`Error::Overrun`].

use super::{ProcEvent, parse_netlink_message};
use crate::connector::Sink;
use crate::errno::Errno;
use crate::protocol::event::{Event, kind};
use crate::protocol::wire::DATAGRAM_MAX;
use crate::rust::{Error, ProcConnector, Result};
use crate::sys;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl ProcConnector {
    /// Receives one event; blocks until there is one.
    ///
    /// The buffer is not needed, and may be empty: it is there for the sake of programs that were
    /// written for `proc-connector` 0.3.
    ///
    /// # Errors
    /// [`Overrun`](Error::Overrun): events were lost before the next one, as many as
    /// [`Stats::lost`](crate::Stats::lost) has grown by; call again.
    /// [`WouldBlock`](Error::WouldBlock) instead of blocking after
    /// [`set_nonblocking`](Self::set_nonblocking). Others as for [`recv_event`](Self::recv_event).
    pub fn recv(&self, _buffer: &mut [u8]) -> Result<ProcEvent> {
        self.next_event(self.default_timeout())?.ok_or(Error::WouldBlock)
    }

    /// Receives one event, as [`recv`](Self::recv) does, but waits for at most `timeout`. Returns
    /// `None` when that has passed. [`set_nonblocking`](Self::set_nonblocking) does not matter
    /// here.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv), but never [`WouldBlock`](Error::WouldBlock).
    pub fn recv_timeout(&self, _buffer: &mut [u8], timeout: Duration) -> Result<Option<ProcEvent>> {
        self.next_event(Some(timeout))
    }

    /// Receives one event as the bytes that the kernel sent, and returns how many there are; blocks
    /// until there is an event. [`parse_netlink_message`](crate::parse_netlink_message) takes them
    /// apart. Only events are delivered: no acknowledgements, and nothing forged.
    ///
    /// # Errors
    /// [`BufferTooSmall`](Error::BufferTooSmall) if the pending event does not fit: it stays
    /// queued. Kernels up to now send 76 bytes; 256 are enough for anything that this library
    /// receives. Others as for [`recv`](Self::recv).
    pub fn recv_raw(&self, buffer: &mut [u8]) -> Result<usize> {
        self.next_raw(buffer, self.default_timeout())?.ok_or(Error::WouldBlock)
    }

    /// Receives one event as bytes, as [`recv_raw`](Self::recv_raw) does, but waits for at most
    /// `timeout`. Returns `None` when that has passed. [`set_nonblocking`](Self::set_nonblocking)
    /// does not matter here.
    ///
    /// # Errors
    /// As for [`recv_raw`](Self::recv_raw), but never [`WouldBlock`](Error::WouldBlock).
    pub fn recv_raw_timeout(&self, buffer: &mut [u8], timeout: Duration) -> Result<Option<usize>> {
        self.next_raw(buffer, Some(timeout))
    }

    /// Has [`recv`](Self::recv) and [`recv_raw`](Self::recv_raw) return [`Error::WouldBlock`] from
    /// now on instead of blocking. The calls that take a timeout go by that alone.
    ///
    /// (The descriptor itself is non-blocking from the beginning, as event loops need it.)
    ///
    /// # Errors
    /// [`Os`](Error::Os) with `ECHILD`.
    pub fn set_nonblocking(&self) -> Result<()> {
        self.connector.require_owner()?;
        self.nonblocking.store(true, Relaxed);
        Ok(())
    }

    /// How long the calls without a timeout wait.
    fn default_timeout(&self) -> Option<Duration> {
        self.nonblocking.load(Relaxed).then_some(Duration::ZERO)
    }

    fn next_event(&self, timeout: Option<Duration>) -> Result<Option<ProcEvent>> {
        let mut received = Ok(None);
        self.next(timeout, DATAGRAM_MAX, |event, datagram| {
            received = match ProcEvent::from_event(&event) {
                // An Event holds only the beginning of an unknown kind's data.
                None => parse_netlink_message(datagram, datagram.len()),
                event => Ok(event),
            };
        })?;
        received
    }

    fn next_raw(&self, buffer: &mut [u8], timeout: Option<Duration>) -> Result<Option<usize>> {
        let mut received = None;
        self.next(timeout, buffer.len(), |_, datagram| {
            if let Some(room) = buffer.get_mut(..datagram.len()) {
                room.copy_from_slice(datagram);
            }
            received = Some(datagram.len());
        })?;
        Ok(received)
    }

    /// Receives the next event, in a datagram of at most `room` bytes. `take` is given it and the
    /// datagram, unless the time is over before one comes.
    fn next(
        &self,
        timeout: Option<Duration>,
        room: usize,
        take: impl FnMut(Event, &[u8]),
    ) -> Result<()> {
        let mut sink = One { is_full: false, has_lost: false, take };
        let mut needed = None;
        self.receive(timeout, || {
            if room >= DATAGRAM_MAX {
                return self.attempt(&mut sink);
            }
            needed = self.attempt_small(room, &mut sink)?;
            Ok(u32::from(sink.is_full || needed.is_some()))
        })?;
        match needed {
            Some(size) => Err(Error::BufferTooSmall { needed: size.min(DATAGRAM_MAX) }),
            None if sink.has_lost => Err(Error::Overrun),
            None => Ok(()),
        }
    }

    /// One attempt to receive, of a caller with room for any datagram.
    fn attempt(&self, sink: &mut impl Sink) -> std::result::Result<u32, Errno> {
        let mut receiver = self.lock();
        match receiver.take_one(&self.connector, sink) {
            Ok(()) => Ok(1),
            Err(first) => receiver.fill(&self.connector, first, sink),
        }
    }

    /// One attempt to receive, of a caller with less room. Returns the size of the next datagram if
    /// it is larger than that, and leaves it in the queue. The receiver is locked all the time, so
    /// that the datagram that is looked at is the one that is received.
    fn attempt_small(
        &self,
        room: usize,
        sink: &mut impl Sink,
    ) -> std::result::Result<Option<usize>, Errno> {
        let mut receiver = self.lock();
        let mut discarded = 0;
        while discarded < self.connector.discard_limit() {
            // A loss is announced before the datagram behind it is looked at.
            if receiver.announce(&self.connector, sink)? {
                break;
            }
            let first = match sys::next_datagram_size(self.connector.socket()) {
                Ok(size) if size as usize > room => return Ok(Some(size as usize)),
                Ok(_) => None,
                // A socket reports these once. The datagram behind one is not looked at yet.
                Err(Errno(libc::ENOBUFS | libc::ECONNRESET)) => continue,
                // A datagram that comes after an empty queue was seen may be of any size.
                Err(error) => Some(Err(error)),
            };
            let received = receiver.step(&self.connector, first, sink)?;
            if received == 0 || sink.room() == 0 {
                break;
            }
            discarded += received;
        }
        Ok(None)
    }
}

/// Takes one event, or the announcement of a loss.
struct One<F> {
    is_full: bool,
    has_lost: bool,
    take: F,
}

impl<F: FnMut(Event, &[u8])> Sink for One<F> {
    #[inline]
    fn room(&self) -> usize {
        usize::from(!self.is_full)
    }

    #[inline]
    fn put(&mut self, event: Event, datagram: &[u8]) {
        self.is_full = true;
        if event.kind == kind::OVERRUN {
            self.has_lost = true;
        } else {
            (self.take)(event, datagram);
        }
    }
}
