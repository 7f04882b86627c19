//! The statistics.

use crate::connector::Connector;

/// What has become of every datagram that reached a connector's queue: `received + filtered + lost
/// + foreign + malformed`, plus what still waits, is what the kernel's filter let through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Events delivered, [overruns](crate::View::Overrun) not counted.
    pub received: u64,
    /// Events that had been queued before a filter was set that rejects them, and other messages
    /// that are no events.
    pub filtered: u64,
    /// Events lost because the queue was full. Exact.
    pub lost: u64,
    /// Datagrams that did not come from the kernel.
    pub foreign: u64,
    /// Datagrams that could not be decoded.
    pub malformed: u64,
    /// How often a deafened kernel was repaired; see
    /// [`ProcConnector::check`](crate::ProcConnector::check).
    pub repaired: u64,
    /// The queue's budget in bytes, as the kernel counts them: up to 960 an event.
    pub queue_bytes: u32,
}

impl Stats {
    pub(super) fn of(connector: &Connector) -> Self {
        let counters = &connector.counters;
        Self {
            received: counters.received.get(),
            filtered: counters.filtered.get(),
            lost: counters.lost.get(),
            foreign: counters.foreign.get(),
            malformed: counters.malformed.get(),
            repaired: counters.repaired.get(),
            queue_bytes: connector.budget(),
        }
    }
}
