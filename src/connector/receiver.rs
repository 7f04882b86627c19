//! The receive path: from waiting datagrams to events, and the announcement of every loss.

use super::loss::LossMeter;
use super::shared::Connector;
use crate::errno::Errno;
use crate::memory::{Place, Slots};
use crate::protocol::filter::Filter;
use crate::protocol::wire::{self, DATAGRAM_MAX};
use crate::sys::{self, Inbox, monotonic_ns};

/// How many datagrams a system call has put into the inbox.
pub(crate) type Reception = Result<u32, Errno>;

/// The part of a handle that belongs to the thread that receives.
pub(crate) struct Receiver {
    inbox: Inbox,
    loss: LossMeter,
    /// The filter in force.
    filter: Filter,
    /// The filter for after a pause.
    next_filter: Filter,
    ended: bool,
}

impl Receiver {
    pub(crate) const fn new(inbox: Inbox, loss: LossMeter, filter: Filter) -> Self {
        Self { inbox, loss, filter, next_filter: filter, ended: false }
    }

    /// The socket is ready, with this budget and this reading of the drop counter.
    pub(crate) fn begin(&mut self, connector: &Connector, budget: u32, drops: u32) {
        if connector.is_netlink() {
            self.inbox.ask_for_senders();
        }
        self.loss.begin(budget, drops);
    }

    /// The shortest way to an event that is ready, if nothing else has to be looked at before.
    /// Otherwise what was received is to be passed to [`fill`](Self::fill).
    #[inline]
    pub(crate) fn take_one(
        &mut self,
        connector: &Connector,
        place: Place<'_>,
    ) -> Result<(), Option<Reception>> {
        if !connector.is_quiet() || self.ended || self.loss.is_due(1) {
            return Err(None);
        }
        self.inbox.receive_one(connector.socket()).map_err(|error| Some(Err(error)))?;
        let datagram = self.inbox.datagram(0);
        if datagram.sender == 0
            && let Some(event) = wire::parse_usual(datagram.bytes)
            && self.filter.admits(&event)
        {
            self.loss.received(1);
            connector.counters.received.add(1);
            place.put(event);
            return Ok(());
        }
        Err(Some(Ok(1)))
    }

    /// Delivers what is there, without waiting: at least one event, or 0 when there is none.
    ///
    /// 0 comes only after the queue was seen empty, or when more was discarded than the queue
    /// holds: what waits then has come since this call began, and edge-triggered loops hear of it.
    ///
    /// `first` is what [`take_one`](Self::take_one) has received already. A datagram of more than
    /// `limit` bytes stays where it is: `EMSGSIZE`. Only calls with a single slot may set a limit
    /// below `DATAGRAM_MAX`.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        connector: &Connector,
        mut first: Option<Reception>,
        mut slots: Slots<'_>,
        limit: usize,
    ) -> Result<u32, Errno> {
        let room = slots.len();
        let mut discarded = 0;
        if first.is_none()
            && let Some(deafness) = connector.take_deafness()
        {
            slots.fill(deafness);
            return Ok(1);
        }
        loop {
            if self.ended {
                return Err(Errno(libc::EPIPE));
            }
            let mut looked = false;
            if first.is_none() && self.loss.is_due(self.loss.batch(slots.len())) {
                self.look_for_loss(connector, &mut slots)?;
                looked = true;
                if slots.len() == 0 {
                    return Ok(room as u32);
                }
            }
            if limit < DATAGRAM_MAX
                && sys::next_datagram_size(connector.socket())
                    .is_ok_and(|size| size as usize > limit)
            {
                return Err(Errno(libc::EMSGSIZE));
            }
            let count = self.loss.batch(slots.len());
            let reception = first.take();
            let reception =
                reception.unwrap_or_else(|| self.inbox.receive(connector.socket(), count));
            let received = match reception {
                Ok(received) => received,
                Err(Errno(libc::EAGAIN)) => {
                    if !looked {
                        self.look_for_loss(connector, &mut slots)?;
                    }
                    return Ok((room - slots.len()) as u32);
                }
                // Said once: an adopted socket's loss from before, a peer that left data unread.
                Err(Errno(libc::ENOBUFS | libc::ECONNRESET)) => continue,
                Err(_) if slots.len() < room => {
                    return Ok((room - slots.len()) as u32);
                }
                Err(error) => return Err(error),
            };
            self.loss.received(received);
            let suspect = self.sort(connector, received, &mut slots);
            // A few large messages can fill a queue: then the usual interval is too long.
            let looked = if suspect { self.look_for_loss(connector, &mut slots) } else { Ok(()) };
            if slots.len() < room {
                return Ok((room - slots.len()) as u32);
            }
            looked?;
            discarded += received;
            if discarded >= connector.patience() && !self.ended {
                return Ok(0);
            }
        }
    }

    /// Delivers the events among the datagrams received last. True if some were not the kernel's,
    /// so that they may have been of any size.
    fn sort(&mut self, connector: &Connector, received: u32, slots: &mut Slots<'_>) -> bool {
        let counters = &connector.counters;
        let mut suspect = false;
        for index in 0..received as usize {
            let datagram = self.inbox.datagram(index);
            let Some(place) = slots.place() else { break };
            let fate = if datagram.sender != 0 && connector.is_netlink() {
                suspect = true;
                &counters.foreign
            } else if datagram.bytes.is_empty() && connector.can_end() {
                self.ended = true;
                break;
            } else {
                match wire::parse(datagram.bytes) {
                    Ok(Some(event)) if self.filter.admits(&event) => {
                        place.put(event);
                        slots.keep();
                        &counters.received
                    }
                    Ok(_) => &counters.filtered,
                    Err(wire::Malformed) => {
                        suspect = true;
                        &counters.malformed
                    }
                }
            };
            fate.add(1);
        }
        suspect
    }

    /// Reads the kernel's counter and announces what was lost since the last time.
    fn look_for_loss(&mut self, connector: &Connector, slots: &mut Slots<'_>) -> Result<(), Errno> {
        if !connector.is_netlink() {
            return Ok(());
        }
        let begun_ns = monotonic_ns();
        let counter = sys::drop_counter(connector.socket())?;
        if let Some((lost, event)) = self.loss.read(counter, begun_ns, monotonic_ns) {
            connector.counters.lost.add(lost);
            slots.fill(event);
        }
        Ok(())
    }

    /// The datagram of the event that [`fill`](Self::fill) has delivered into a single slot, unless
    /// that was an overrun, which has none.
    #[cfg(feature = "std")]
    pub(crate) fn last_datagram(&self) -> &[u8] {
        self.inbox.datagram(0).bytes
    }

    /// Gives the queue another budget; returns what was really got.
    #[cfg(feature = "std")]
    pub(crate) fn set_budget(&mut self, connector: &Connector, bytes: u32) -> Result<u32, Errno> {
        let budget = connector.set_budget(bytes)?;
        self.loss.set_budget(budget);
        Ok(budget)
    }

    /// Swaps the filter; while paused, the one for after the pause.
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
/// `timeout_ns`: 0 does not wait, `None` waits for ever. Only waiting calls see interrupts.
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
        // Fixed once the first attempt has found nothing, which spares ready events the clock.
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
