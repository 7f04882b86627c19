//! The receive path: from queued datagrams to events, and the announcement of every loss.

use super::loss::LossMeter;
use super::shared::Connector;
use crate::errno::Errno;
use crate::memory::{Inbox, OutSlice};
use crate::protocol::event::Event;
use crate::protocol::filter::Filter;
use crate::protocol::wire::{self, DATAGRAM_MAX, Malformed};
use crate::sys::{self, monotonic_ns};

/// The most datagrams that one system call receives.
pub(crate) const BATCH: usize = 64;

pub(super) type DatagramInbox = Inbox<DATAGRAM_MAX, BATCH>;

/// How many datagrams a system call has put into the inbox.
pub(crate) type Reception = Result<u32, Errno>;

/// Where received events go.
pub(crate) trait Sink {
    /// How many more events it takes.
    fn room(&self) -> usize;

    /// Takes an event and the datagram that it came in. An overrun comes in none.
    fn put(&mut self, event: Event, datagram: &[u8]);
}

impl Sink for OutSlice<'_, Event> {
    #[inline]
    fn room(&self) -> usize {
        self.len()
    }

    #[inline]
    fn put(&mut self, event: Event, _datagram: &[u8]) {
        self.push(event);
    }
}

/// The half of a handle that belongs to the thread that receives.
pub(crate) struct Receiver {
    inbox: DatagramInbox,
    loss: LossMeter,
    /// The filter in force.
    filter: Filter,
    /// The filter for after a pause.
    next_filter: Filter,
    has_ended: bool,
}

impl Receiver {
    pub(super) const fn new(inbox: DatagramInbox, loss: LossMeter, filter: Filter) -> Self {
        Self { inbox, loss, filter, next_filter: filter, has_ended: false }
    }

    /// The shortest way to an event that is queued, if nothing else has to be looked at before.
    /// On failure, what was received is to be passed to [`fill`](Self::fill).
    #[inline]
    pub(crate) fn take_one(
        &mut self,
        connector: &Connector,
        sink: &mut impl Sink,
    ) -> Result<(), Option<Reception>> {
        if !connector.is_quiet() || self.has_ended || self.loss.is_due(1) {
            return Err(None);
        }
        self.receive(connector, 1).map_err(|error| Some(Err(error)))?;
        if !self.deliver_usual(connector, 0, sink) {
            return Err(Some(Ok(1)));
        }
        self.loss.received(1);
        Ok(())
    }

    /// Delivers what is queued, without waiting: at least one event, or 0 when there is none.
    ///
    /// 0 comes only after the queue was seen empty, or when more was discarded than the queue
    /// holds. What is queued then has come since this call began, and edge-triggered loops are
    /// notified of it.
    ///
    /// `first` is what [`take_one`](Self::take_one) has received already.
    pub(crate) fn fill(
        &mut self,
        connector: &Connector,
        mut first: Option<Reception>,
        sink: &mut impl Sink,
    ) -> Result<u32, Errno> {
        let room = sink.room();
        let mut discarded = 0;
        loop {
            let received = self.step(connector, first.take(), sink)?;
            discarded += received;
            let delivered = room - sink.room();
            let is_empty = received == 0 || discarded >= connector.discard_limit();
            if delivered > 0 || is_empty && !self.has_ended {
                return Ok(delivered as u32);
            }
        }
    }

    /// Announces a deafness or a loss. If there is none to announce, receives once and sorts the
    /// datagrams. Returns the number of datagrams: 0 also means that the queue was seen empty.
    ///
    /// An error is returned only when the sink was given nothing.
    #[inline]
    pub(crate) fn step(
        &mut self,
        connector: &Connector,
        mut first: Option<Reception>,
        sink: &mut impl Sink,
    ) -> Result<u32, Errno> {
        if first.is_none() && self.announce(connector, sink)? {
            return Ok(0);
        }
        let room = sink.room();
        let count = self.loss.batch(room);
        let received = loop {
            match first.take().unwrap_or_else(|| self.receive(connector, count)) {
                Err(Errno(libc::EAGAIN)) => break 0,
                // A socket reports each of these once: ENOBUFS for a loss before its adoption, and
                // ECONNRESET for a peer that left data unread.
                Err(Errno(libc::ENOBUFS | libc::ECONNRESET)) => {}
                result => break result.map_err(sys::plain)?,
            }
        };
        self.loss.received(received);
        let is_suspect = self.sort(connector, received, sink);
        // A few large messages can fill a queue: then the usual interval between looks is too long.
        if received == 0 || is_suspect {
            let looked = self.look_for_loss(connector, sink);
            if sink.room() == room {
                looked?;
            }
        }
        Ok(received)
    }

    /// Announces a repaired deafness, or a loss if it is time to look for one. True if there was
    /// something to announce. `EPIPE` after the end of the stream: what is queued behind it is not
    /// to be looked at.
    #[inline]
    pub(crate) fn announce(
        &mut self,
        connector: &Connector,
        sink: &mut impl Sink,
    ) -> Result<bool, Errno> {
        let room = sink.room();
        if let Some(deafness) = connector.take_deafness() {
            sink.put(deafness, &[]);
        } else if self.has_ended {
            return Err(Errno(libc::EPIPE));
        } else if self.loss.is_due(self.loss.batch(room)) {
            self.look_for_loss(connector, sink)?;
        }
        Ok(sink.room() < room)
    }

    /// Receives up to `count` datagrams into the inbox.
    #[inline]
    fn receive(&mut self, connector: &Connector, count: usize) -> Reception {
        let socket = connector.socket();
        if count == 1 {
            self.inbox.receive_one(|buffer, sender| sys::receive_one(socket, buffer, sender))
        } else {
            self.inbox.receive_many(count, |headers| sys::receive_many(socket, &headers))
        }
    }

    /// Delivers the events among the datagrams received last. True if some of these did not come
    /// from the kernel, so that they may have been of any size.
    #[inline]
    fn sort(&mut self, connector: &Connector, received: u32, sink: &mut impl Sink) -> bool {
        let mut is_suspect = false;
        for index in 0..received as usize {
            if !self.deliver_usual(connector, index, sink) {
                is_suspect |= self.sort_unusual(connector, index, sink);
                if self.has_ended {
                    break;
                }
            }
        }
        is_suspect
    }

    /// Delivers the event in a received datagram, in the one case that matters for speed: the
    /// kernel sent it, its shape is the usual one, and the filter admits it. False in any other
    /// case, and then nothing has been done.
    fn deliver_usual(&self, connector: &Connector, index: usize, sink: &mut impl Sink) -> bool {
        let datagram = self.inbox.datagram(index);
        if datagram.sender != 0 {
            return false;
        }
        match wire::parse_usual(datagram.bytes) {
            Some(event) if self.filter.admits(&event) => {
                connector.counters.received.add(1);
                sink.put(event, datagram.bytes);
                true
            }
            _ => false,
        }
    }

    /// Handles a received datagram of any kind. True if the kernel may not have sent it.
    #[cold]
    #[inline(never)]
    fn sort_unusual(&mut self, connector: &Connector, index: usize, sink: &mut impl Sink) -> bool {
        let counters = &connector.counters;
        let datagram = self.inbox.datagram(index);
        let (counter, is_suspect) = if datagram.sender != 0 && connector.is_netlink() {
            (&counters.foreign, true)
        } else if datagram.bytes.is_empty() && connector.can_end() {
            self.has_ended = true;
            return false;
        } else {
            match wire::parse(datagram.bytes) {
                Ok(Some(event)) if self.filter.admits(&event) => {
                    sink.put(event, datagram.bytes);
                    (&counters.received, false)
                }
                Ok(_) => (&counters.filtered, false),
                Err(Malformed) => (&counters.malformed, true),
            }
        };
        counter.add(1);
        is_suspect
    }

    /// Reads the kernel drop counter, and announces what was lost since the last reading.
    fn look_for_loss(&mut self, connector: &Connector, sink: &mut impl Sink) -> Result<(), Errno> {
        if !connector.is_netlink() {
            return Ok(());
        }
        let begun_ns = monotonic_ns();
        let counter = sys::drop_counter(connector.socket())?;
        if let Some((lost, event)) = self.loss.read(counter, begun_ns, monotonic_ns) {
            connector.counters.lost.add(lost);
            sink.put(event, &[]);
        }
        Ok(())
    }

    /// Gives the queue another budget. Returns the one that the kernel granted.
    #[cfg(feature = "std")]
    pub(crate) fn set_budget(&mut self, connector: &Connector, bytes: u32) -> Result<u32, Errno> {
        let budget = connector.set_budget(bytes)?;
        self.loss.set_budget(budget);
        Ok(budget)
    }

    /// Replaces the filter; while paused, the one for after the pause.
    pub(crate) fn set_filter(
        &mut self,
        connector: &Connector,
        filter: Filter,
    ) -> Result<(), Errno> {
        connector.require_owner()?;
        if connector.set_filter(filter)? {
            self.filter = filter;
        }
        self.next_filter = filter;
        Ok(())
    }

    /// Makes the kernel leave out the FORKs of these processes' threads, until the filter is replaced.
    #[cfg(feature = "table")]
    pub(crate) fn leave_unheard(&self, connector: &Connector, tgids: &[i32]) -> Result<(), Errno> {
        connector.leave_unheard(self.filter, tgids)
    }

    /// Resumes.
    pub(crate) fn subscribe(&mut self, connector: &Connector) -> Result<(), Errno> {
        connector.require_owner()?;
        if connector.subscribe(self.next_filter)? {
            self.filter = self.next_filter;
        }
        Ok(())
    }

    /// Pauses.
    pub(crate) fn unsubscribe(&mut self, connector: &Connector) -> Result<(), Errno> {
        connector.require_owner()?;
        connector.unsubscribe(self.filter)
    }
}

/// Calls `attempt` until it delivers, the time is over, or an interrupt comes.
///
/// `timeout_ns`: 0 does not wait, `None` waits for ever. Only waiting calls take interrupts.
#[inline]
pub(crate) fn receive(
    connector: &Connector,
    timeout_ns: Option<u64>,
    mut attempt: impl FnMut() -> Result<u32, Errno>,
) -> Result<u32, Errno> {
    connector.require_owner()?;
    let may_wait = timeout_ns != Some(0);
    let mut deadline = None;
    loop {
        if may_wait && connector.take_interrupt() {
            return Err(Errno(libc::ECANCELED));
        }
        let delivered = attempt()?;
        if delivered > 0 || !may_wait {
            return Ok(delivered);
        }
        // The clock is read once the first attempt has found nothing: queued events do not pay for
        // it.
        let deadline =
            *deadline.get_or_insert_with(|| timeout_ns.map(|ns| monotonic_ns().saturating_add(ns)));
        match connector.wait(deadline) {
            Ok(true) => {}
            Ok(false) => return Ok(0),
            Err(_) if connector.take_interrupt() => return Err(Errno(libc::ECANCELED)),
            Err(error) => return Err(error),
        }
    }
}
