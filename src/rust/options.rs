//! How to open a connector.

use super::{Error, Result};
use crate::connector;
use crate::errno::Errno;
use crate::protocol::filter::Filter;
#[cfg(feature = "table")]
use std::time::Duration;

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
    #[cfg(feature = "table")]
    spin: Duration,
}

impl Options {
    /// Receives everything, with a queue of 36 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What to receive: a [`Filter`], or an [`EventMask`](crate::EventMask). The kernel applies the
    /// filter, and does not queue what the filter rejects.
    #[must_use]
    pub fn filter(self, filter: impl Into<Filter>) -> Self {
        Self { filter: filter.into(), ..self }
    }

    /// The budget of the queue in bytes, from 1 to `i32::MAX`. With any other number, opening fails
    /// with `EINVAL`, also with 0. (In C, 0 stands for the default.)
    ///
    /// The kernel charges 704 to 1,152 bytes per event, depending on the machine. Without
    /// `CAP_NET_ADMIN` it grants at most twice the sysctl `net.core.rmem_max`.
    /// [`Stats::queue_bytes`](crate::Stats::queue_bytes) has what was granted.
    #[must_use]
    pub fn queue_bytes(self, bytes: usize) -> Self {
        Self { queue_bytes: Some(bytes), ..self }
    }

    /// For [`ProcConnector::from_fd`](crate::ProcConnector::from_fd): the socket is subscribed
    /// already. The connector sends no LISTEN, but it sends one IGNORE when it is dropped.
    /// [`ProcConnector::open`](crate::ProcConnector::open) fails with `EINVAL`, because it adopts no socket.
    #[must_use]
    pub fn subscribed(self) -> Self {
        Self { subscribed: true, ..self }
    }

    /// How long a call that may wait does not sleep; by default not at all.
    ///
    /// The thread uses all of its CPU meanwhile, so that no event has to wake it.
    /// [`wake_soon`](crate::wake_soon) mostly serves better: it costs nothing. A signal that arrives during
    /// this time does not end the call: use [`ProcConnector::interrupt`](crate::ProcConnector::interrupt).
    #[cfg(feature = "table")]
    #[must_use]
    pub fn spin(self, time: Duration) -> Self {
        Self { spin: time, ..self }
    }

    /// Names the option because of which opening fails with `EINVAL`: the name of the method that set an invalid one,
    /// or `None` if all are valid. [`subscribed`](Self::subscribed) is never named, because it is valid for
    /// [`ProcConnector::from_fd`](crate::ProcConnector::from_fd).
    ///
    /// ```
    /// use proc_connector::Options;
    ///
    /// assert_eq!(Options::new().queue_bytes(0).invalid(), Some("queue_bytes"));
    /// assert_eq!(Options::new().queue_bytes(1 << 20).invalid(), None);
    /// ```
    #[must_use]
    pub fn invalid(&self) -> Option<&'static str> {
        self.queue_bytes.is_some_and(|bytes| budget(bytes).is_err()).then_some("queue_bytes")
    }

    /// These options as the core takes them.
    pub(super) fn to_core(self) -> Result<connector::OpenOptions> {
        Ok(connector::OpenOptions {
            filter: self.filter,
            budget: self.queue_bytes.map(budget).transpose()?,
            subscribed: self.subscribed,
            #[cfg(feature = "table")]
            spin_us: microseconds(self.spin),
        })
    }
}

/// A time in microseconds, at most some 70 minutes.
#[cfg(feature = "table")]
pub(super) fn microseconds(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// A queue budget that the kernel accepts, or `EINVAL`.
pub(super) fn budget(bytes: usize) -> Result<u32> {
    match i32::try_from(bytes) {
        Ok(bytes @ 1..) => Ok(bytes as u32),
        _ => Err(Error::from(Errno(libc::EINVAL))),
    }
}
