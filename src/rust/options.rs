//! How to open a connector.

use super::{Error, Result};
use crate::connector;
use crate::errno::Errno;
use crate::protocol::filter::Filter;

/// How to open a connector: what to receive, and how much to queue.
///
/// ```no_run
/// use proc_connector::{EventMask, Filter, Options, ProcConnector};
///
/// let processes = Filter::events(EventMask::EXEC | EventMask::EXIT).no_threads();
/// let connector = ProcConnector::open(&Options::new().filter(processes))?;
/// # Ok::<(), proc_connector::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    filter: Filter,
    queue_bytes: Option<usize>,
    subscribed: bool,
}

impl Options {
    /// Everything, and 32 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What to receive: a [`Filter`], or an [`EventMask`](crate::EventMask). What it rejects is
    /// never queued: the kernel itself applies it.
    #[must_use]
    pub fn filter(self, filter: impl Into<Filter>) -> Self {
        Self { filter: filter.into(), ..self }
    }

    /// The queue's budget in bytes; an event is charged up to 960 of them, while it waits.
    ///
    /// Without `CAP_NET_ADMIN` the system gives at most twice the sysctl `net.core.rmem_max`, and
    /// that is what the connector then gets: see
    /// [`Stats::queue_bytes`](crate::Stats::queue_bytes). Neither 0 nor more than `i32::MAX`: the
    /// connector would not open (`EINVAL`).
    #[must_use]
    pub fn queue_bytes(self, bytes: usize) -> Self {
        Self { queue_bytes: Some(bytes), ..self }
    }

    /// For [`ProcConnector::from_fd`](crate::ProcConnector::from_fd): its previous owner
    /// has subscribed it already. No LISTEN is sent, but one IGNORE on drop.
    #[must_use]
    pub fn subscribed(self) -> Self {
        Self { subscribed: true, ..self }
    }

    /// The core's options.
    pub(super) fn to_core(self) -> Result<connector::Options> {
        Ok(connector::Options {
            filter: self.filter,
            budget: self.queue_bytes.map(budget).transpose()?,
            subscribed: self.subscribed,
        })
    }
}

/// A queue budget that the kernel can be asked for.
pub(super) fn budget(bytes: usize) -> Result<u32> {
    match i32::try_from(bytes) {
        Ok(bytes @ 1..) => Ok(bytes.cast_unsigned()),
        _ => Err(Error::from(Errno(libc::EINVAL))),
    }
}
