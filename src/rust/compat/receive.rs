//! The receiving methods of `proc-connector` 0.3. They deliver events as [`ProcEvent`]s or as the
//! kernel's bytes, and report a loss as [`Error::Overrun`].

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
    /// Receives one event, and blocks until an event comes.
    ///
    /// The buffer is not used and may be empty. It is a parameter for programs that were written
    /// for `proc-connector` 0.3.
    ///
    /// # Errors
    /// - [`Overrun`](Error::Overrun): events were lost before the next one. Their number is the
    ///   increase of [`Stats::lost`](crate::Stats::lost). Call again.
    /// - [`WouldBlock`](Error::WouldBlock): no event is pending, and
    ///   [`set_nonblocking`](Self::set_nonblocking) was called.
    /// - An error of [`recv_event`](Self::recv_event), of which [`ConnectionClosed`](Error::ConnectionClosed) and
    ///   [`Os`](Error::Os) with `ECHILD` are final.
    pub fn recv(&self, _buffer: &mut [u8]) -> Result<ProcEvent> {
        self.next_event(self.default_timeout())?.ok_or(Error::WouldBlock)
    }

    /// Receives one event, and waits at most `timeout` for it. Returns `None` if no event came in
    /// time. [`set_nonblocking`](Self::set_nonblocking) has no effect here.
    ///
    /// The buffer is not used and may be empty, as for [`recv`](Self::recv).
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv) except [`WouldBlock`](Error::WouldBlock).
    pub fn recv_timeout(&self, _buffer: &mut [u8], timeout: Duration) -> Result<Option<ProcEvent>> {
        self.next_event(Some(timeout))
    }

    /// Receives one event as the bytes that the kernel sent, and blocks until an event comes.
    /// Returns the number of bytes.
    ///
    /// [`parse_netlink_message`](crate::parse_netlink_message) parses the bytes. Acknowledgements
    /// and forged messages are not delivered.
    ///
    /// # Errors
    /// - [`BufferTooSmall`](Error::BufferTooSmall): the pending event does not fit, and stays
    ///   queued. Kernels up to now send 76 bytes; 256 are enough for any event that this library
    ///   receives.
    /// - An error of [`recv`](Self::recv).
    pub fn recv_raw(&self, buffer: &mut [u8]) -> Result<usize> {
        self.next_raw(buffer, self.default_timeout())?.ok_or(Error::WouldBlock)
    }

    /// Receives one event as bytes, like [`recv_raw`](Self::recv_raw), but waits at most `timeout`.
    /// Returns `None` if no event came in time. [`set_nonblocking`](Self::set_nonblocking) has no
    /// effect here.
    ///
    /// # Errors
    /// Those of [`recv_raw`](Self::recv_raw) except [`WouldBlock`](Error::WouldBlock).
    pub fn recv_raw_timeout(&self, buffer: &mut [u8], timeout: Duration) -> Result<Option<usize>> {
        self.next_raw(buffer, Some(timeout))
    }

    /// Makes [`recv`](Self::recv) and [`recv_raw`](Self::recv_raw) return [`Error::WouldBlock`]
    /// instead of blocking, from now on. Methods that take a timeout are not affected.
    ///
    /// The descriptor itself is always non-blocking, because event loops need that.
    ///
    /// # Errors
    /// [`Os`](Error::Os) with `ECHILD` in a forked child.
    pub fn set_nonblocking(&self) -> Result<()> {
        self.connector.require_owner()?;
        self.nonblocking.store(true, Relaxed);
        Ok(())
    }

    /// How long the methods without a timeout wait.
    fn default_timeout(&self) -> Option<Duration> {
        self.nonblocking.load(Relaxed).then_some(Duration::ZERO)
    }

    fn next_event(&self, timeout: Option<Duration>) -> Result<Option<ProcEvent>> {
        let mut received = Ok(None);
        self.next(timeout, DATAGRAM_MAX, |event, datagram| {
            received = match ProcEvent::from_event(&event) {
                // An Event holds only the first bytes of an unknown event.
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

    /// Receives the next event in a datagram of at most `room` bytes, and passes both to `take`. If
    /// no event comes in time, `take` is not called.
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

    /// Makes one attempt to receive, for a caller with room for any datagram.
    fn attempt(&self, sink: &mut impl Sink) -> std::result::Result<u32, Errno> {
        let mut receiver = self.lock();
        match receiver.take_one(&self.connector, sink) {
            Ok(()) => Ok(1),
            Err(first) => receiver.fill(&self.connector, first, sink),
        }
    }

    /// Makes one attempt to receive, for a caller with less room. If the next datagram is larger,
    /// this returns its size and leaves the datagram in the queue. The receiver stays locked, so
    /// the datagram whose size was read is the one that is received.
    fn attempt_small(
        &self,
        room: usize,
        sink: &mut impl Sink,
    ) -> std::result::Result<Option<usize>, Errno> {
        let mut receiver = self.lock();
        let mut discarded = 0;
        while discarded < self.connector.discard_limit() {
            // Announce a loss before looking at the datagram behind it.
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

/// A sink that takes one event, or the announcement of a loss.
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
