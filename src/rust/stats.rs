//! The statistics.

use crate::connector::Connector;

/// The statistics of a connector.
///
/// When no message is pending, `received + filtered + lost + foreign + malformed` is exactly the
/// number of messages that the socket's filter in the kernel has admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Kernel events delivered to the caller, without [overruns](crate::View::Overrun).
    pub received: u64,
    /// Messages that the kernel admitted and this library rejected: events queued before a filter
    /// was set, filtered events on `AF_UNIX`, and messages that carry no event.
    pub filtered: u64,
    /// Events lost in a full queue. The number is exact.
    pub lost: u64,
    /// Forged messages: the kernel did not send them.
    pub foreign: u64,
    /// Damaged messages.
    pub malformed: u64,
    /// How often a deaf kernel was repaired: see
    /// [`ProcConnector::check`](crate::ProcConnector::check).
    pub repaired: u64,
    /// The queue budget that the kernel granted, in bytes.
    pub queue_bytes: u32,
    /// With [`TableRemote::stats`](crate::TableRemote::stats): how many processes of the table are
    /// [`state::HIDDEN`](crate::state::HIDDEN). Otherwise 0.
    #[cfg(feature = "table")]
    pub hidden: u32,
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
            #[cfg(feature = "table")]
            hidden: 0,
        }
    }
}
