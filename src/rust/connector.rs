//! The connector: a subscription, its queue and its statistics.

use super::options::budget;
use super::{Error, EventMask, Options, Result, Stats};
use crate::connector::{self, Connector, Receiver, receive};
use crate::errno::Errno;
use crate::memory::OutSlice;
use crate::protocol::event::Event;
use crate::protocol::filter::Filter;
use crate::protocol::wire::NETLINK_CONNECTOR;
use crate::sys;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::slice;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A subscription to process events, its queue and its statistics.
///
/// Dropping it unsubscribes, exactly once, and closes.
///
/// # Two ways to receive
/// [`recv_event`](Self::recv_event) and [`recv_events`](Self::recv_events) deliver [`Event`]s,
/// losses among them, and wait as long as their timeout says. [`recv`](Self::recv),
/// [`recv_timeout`](Self::recv_timeout), [`recv_raw`](Self::recv_raw) and
/// [`recv_raw_timeout`](Self::recv_raw_timeout) are those of `proc-connector` 0.3: they deliver
/// [`ProcEvent`](super::ProcEvent)s or the kernel's bytes, and a loss is [`Error::Overrun`]. They
/// can be mixed: each event and each loss is delivered once.
///
/// All of them return [`Error::Interrupted`] when a signal handler has run; nothing is lost then:
/// call again, with what is left of the time. And [`Error::Os`] with `ECANCELED` after
/// [`interrupt`](Self::interrupt), `ECHILD` in a forked child.
///
/// # Threads
/// Every method takes `&self` and may be called by any thread at any time. Each event goes to one
/// of the threads that receive; no lock is held while they wait.
///
/// # Fork
/// A forked child must not use the parent's connector, and cannot: every method but
/// [`stats`](Self::stats) and those that return the descriptor gives [`Error::Os`] with `ECHILD`,
/// and dropping the child's copy closes it without unsubscribing the parent. A daemon forks before
/// it opens, or hands the socket to its child: see [`from_fd`](Self::from_fd).
pub struct ProcConnector {
    pub(super) connector: Connector,
    /// Locked for each attempt to receive, never while waiting.
    receiver: Mutex<Receiver>,
    pub(super) nonblocking: AtomicBool,
}

impl ProcConnector {
    /// Opens a connector for everything, with a queue of 32 MiB.
    ///
    /// It returns once the kernel has acknowledged this very subscription, and never blocks. Every
    /// event from then on is delivered or counted as lost.
    ///
    /// # Errors
    /// [`Error::Os`], whose table lists the causes; [`Error::explanation`] says what to do.
    pub fn new() -> Result<Self> {
        Self::open(&Options::new())
    }

    /// Opens a connector; as [`new`](Self::new), but with options.
    ///
    /// # Errors
    /// As for [`new`](Self::new), or `EINVAL` for a queue budget that cannot be, and for
    /// [`Options::subscribed`].
    pub fn open(options: &Options) -> Result<Self> {
        Ok(Self::from_halves(connector::open(&options.to_core()?)?))
    }

    /// Adopts a socket that another program opened.
    ///
    /// A `NETLINK_CONNECTOR` socket, a member of group 1, as a privileged parent or systemd passes
    /// it on; its pending events are kept, and what it lost before is not counted. Or an `AF_UNIX`
    /// socket, `SOCK_DGRAM` or better `SOCK_SEQPACKET`, to feed a program with events in its tests,
    /// without privilege or kernel; filters work there as well, while
    /// [`subscribe`](Self::subscribe), [`unsubscribe`](Self::unsubscribe) and
    /// [`check`](Self::check) do nothing.
    ///
    /// The descriptor becomes non-blocking and close-on-exec. Unless the options ask for a budget,
    /// its queue is never made smaller.
    ///
    /// # Errors
    /// The descriptor comes back, open and with its old flags, together with what
    /// [`open`](Self::open) returns or with [`Error::Os`]: `EPROTOTYPE` if it is no such socket,
    /// `EINVAL` if it is not a member of group 1.
    pub fn from_fd(fd: OwnedFd, options: &Options) -> std::result::Result<Self, (Error, OwnedFd)> {
        match options.to_core() {
            Ok(options) => connector::open_on(sys::Fd::from(fd), &options)
                .map(Self::from_halves)
                .map_err(|(error, fd)| (error.into(), fd.into())),
            Err(error) => Err((error, fd)),
        }
    }

    fn from_halves((connector, receiver): (Connector, Receiver)) -> Self {
        Self { connector, receiver: Mutex::new(receiver), nonblocking: AtomicBool::new(false) }
    }

    /// The receiver. A poisoned lock is as good as any: no panic leaves it half changed.
    pub(super) fn lock(&self) -> MutexGuard<'_, Receiver> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The receiver, or the error that a forked child gets: in its copy, a thread of the parent may
    /// hold the lock for ever.
    fn owned(&self) -> Result<MutexGuard<'_, Receiver>> {
        self.connector.require_owner()?;
        Ok(self.lock())
    }

    /// Receives one event, or the announcement of a loss with its exact number.
    ///
    /// `timeout` is how long to wait for it: `None` without limit, zero not at all. It is a
    /// deadline: what is dropped on the way does not restart it. `None` is returned when it has
    /// passed. [`set_nonblocking`](Self::set_nonblocking) does not matter here.
    ///
    /// # Errors
    /// [`Interrupted`](Error::Interrupted), [`ConnectionClosed`](Error::ConnectionClosed),
    /// [`Os`](Error::Os).
    ///
    /// ```no_run
    /// use proc_connector::{ProcConnector, View};
    ///
    /// let connector = ProcConnector::new()?;
    /// while let Some(event) = connector.recv_event(None)? {
    ///     match event.view() {
    ///         View::Exec { tgid, .. } => println!("{tgid} runs a new program"),
    ///         View::Overrun { lost, .. } => println!("{lost} events are missing"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok::<(), proc_connector::Error>(())
    /// ```
    pub fn recv_event(&self, timeout: Option<Duration>) -> Result<Option<Event>> {
        let mut event = Event::EMPTY;
        let count = self.recv_events(slice::from_mut(&mut event), timeout)?;
        Ok((count > 0).then_some(event))
    }

    /// Receives up to `events.len()` events, at most 64, in one system call, and returns how many.
    ///
    /// A batch that is short does not mean that no more wait: only 0 does. What is behind the
    /// returned number is unspecified. `timeout` is how long to wait for the first of them, as for
    /// [`recv_event`](Self::recv_event).
    ///
    /// # Errors
    /// As for [`recv_event`](Self::recv_event); [`Os`](Error::Os) with `EINVAL` if there is no room
    /// at all.
    pub fn recv_events(&self, events: &mut [Event], timeout: Option<Duration>) -> Result<usize> {
        if events.is_empty() {
            return Err(Errno(libc::EINVAL).into());
        }
        let attempt = || self.lock().fill(&self.connector, None, &mut OutSlice::over(events));
        Ok(self.receive(timeout, attempt)? as usize)
    }

    /// Calls `attempt` until it delivers or the time is over. Every waiting thread is to get the
    /// error at the end of the stream, so that each one that gets it wakes the next.
    pub(super) fn receive(
        &self,
        timeout: Option<Duration>,
        attempt: impl FnMut() -> std::result::Result<u32, Errno>,
    ) -> std::result::Result<u32, Errno> {
        receive(&self.connector, timeout.and_then(nanoseconds), attempt).inspect_err(|error| {
            if *error == Errno(libc::EPIPE) {
                self.connector.wake();
            }
        })
    }

    /// Subscribes to everything: resumes if unsubscribed, and replaces any filter.
    ///
    /// # Errors
    /// As for [`new`](Self::new); then the connector is as it was, but may have another filter.
    pub fn subscribe(&self) -> Result<()> {
        self.subscribe_to(Filter::EVERYTHING)
    }

    /// Subscribes to some kinds of events: resumes if unsubscribed, and replaces any filter. It
    /// works on every kernel, and what the mask lacks is never queued.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    pub fn subscribe_filtered(&self, mask: EventMask) -> Result<()> {
        self.subscribe_to(Filter::events(mask))
    }

    fn subscribe_to(&self, filter: Filter) -> Result<()> {
        let mut receiver = self.owned()?;
        receiver.set_filter(&self.connector, filter)?;
        Ok(receiver.subscribe(&self.connector)?)
    }

    /// Pauses: no events from now on. If paused already, does nothing.
    ///
    /// What is queued, and losses that are not announced yet, can still be received.
    ///
    /// # Errors
    /// [`Os`](Error::Os); then events go on.
    pub fn unsubscribe(&self) -> Result<()> {
        Ok(self.owned()?.unsubscribe(&self.connector)?)
    }

    /// Resumes after [`unsubscribe`](Self::unsubscribe), with the filter that was set last; if not
    /// paused, does nothing.
    ///
    /// # Errors
    /// As for [`new`](Self::new); then the connector is still paused.
    pub fn resume(&self) -> Result<()> {
        Ok(self.owned()?.subscribe(&self.connector)?)
    }

    /// Ends the connector but not the subscription, and returns the socket for a successor: a
    /// child, or this daemon after its restart. The successor passes it to
    /// [`from_fd`](Self::from_fd) with [`Options::subscribed`], and misses nothing.
    ///
    /// Receive until nothing is left before: a loss that is not announced yet is not counted by the
    /// successor. If paused, the socket is not subscribed.
    ///
    /// # Errors
    /// [`Os`](Error::Os) with `ECHILD`; then this copy is closed, and the parent's goes on.
    pub fn into_fd(self) -> Result<OwnedFd> {
        self.connector.require_owner()?;
        Ok(self.connector.release().into())
    }

    /// Chooses other events, atomically.
    ///
    /// Events that are queued already are judged by the filter in force when they are received;
    /// those it rejects count as [`Stats::filtered`]. While paused, the filter takes effect with
    /// [`resume`](Self::resume).
    ///
    /// # Errors
    /// [`Os`](Error::Os); then the old filter stays.
    pub fn set_filter(&self, filter: impl Into<Filter>) -> Result<()> {
        Ok(self.owned()?.set_filter(&self.connector, filter.into())?)
    }

    /// Proves that the kernel still reports; true if it did not and was repaired. It costs
    /// microseconds: call it from a daemon's timer.
    ///
    /// The kernel counts its listeners for the whole machine and reports to no listener while the
    /// count is below one. From Linux 6.6 on any unprivileged process can bring it there. This
    /// method notices, and repairs it; then an overrun with [`reason::DEAF`](crate::reason::DEAF)
    /// and an unknown number follows in the stream. (The descriptor does not become readable for
    /// it.) It also renews this connector's own subscription. A paused connector is not checked.
    ///
    /// # Errors
    /// As for [`new`](Self::new); `EPERM`: the privilege has been dropped, before Linux 6.6.
    pub fn check(&self) -> Result<bool> {
        Ok(self.connector.check()? > 0)
    }

    /// Ends a wait: one call that waits, or the next one that would, returns [`Error::Os`] with
    /// `ECANCELED`.
    ///
    /// Any thread and any signal handler may call it. Several interrupts before that return count
    /// as one; of several waiting threads one is woken. Calls that do not wait neither see nor
    /// consume it, and the descriptor does not become readable. An interrupt that comes late
    /// cancels the next wait: a program that uses one to say "stop" sets a flag of its own first,
    /// and looks at it whenever it gets `ECANCELED`.
    ///
    /// # Errors
    /// [`Os`](Error::Os) with `ECHILD`.
    pub fn interrupt(&self) -> Result<()> {
        Ok(self.connector.interrupt()?)
    }

    /// The statistics; each number by itself is exact.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.connector)
    }

    /// Gives the queue a budget of `bytes`, as the kernel counts them: up to 960 an event.
    ///
    /// [`new`](Self::new) has asked for 32 MiB already. The memory is used only while events wait,
    /// but a program that does not receive can pin that much of the kernel's.
    ///
    /// # Errors
    /// [`Os`](Error::Os): `EPERM` if the system does not give that much without `CAP_NET_ADMIN`
    /// (twice the sysctl `net.core.rmem_max` at most), `EINVAL` for 0 and above `i32::MAX - 1`.
    /// Then the queue stays as it was.
    pub fn set_recv_buf_size(&self, bytes: usize) -> Result<()> {
        let mut receiver = self.owned()?;
        // The kernel doubles what it is asked for.
        let wanted = budget(bytes.checked_next_multiple_of(2).unwrap_or(bytes))?;
        if wanted > self.connector.budget() {
            // Tried on another socket first: what a privileged parent has given to this one could
            // not be got back.
            let trial = sys::netlink_socket(NETLINK_CONNECTOR)?;
            sys::set_queue_budget(&trial, wanted)?;
            if sys::queue_budget(&trial)? < wanted {
                return Err(Errno(libc::EPERM).into());
            }
        }
        receiver.set_budget(&self.connector, wanted)?;
        Ok(())
    }

    /// The socket, for poll(2) and event loops. Readable means: receive until nothing is there,
    /// which may be at once, if what was there was forged or filtered. Do not read, close or
    /// configure it.
    #[must_use]
    pub fn as_raw_fd(&self) -> RawFd {
        self.connector.socket().raw()
    }
}

/// What the core takes: `None`, without limit, also for more than 68 years, which a 32-bit
/// `time_t` could not express.
pub(super) fn nanoseconds(timeout: Duration) -> Option<u64> {
    let limit = Duration::from_secs(i32::MAX.unsigned_abs().into());
    u64::try_from(timeout.as_nanos()).ok().filter(|_| timeout < limit)
}

impl AsRawFd for ProcConnector {
    fn as_raw_fd(&self) -> RawFd {
        self.connector.socket().raw()
    }
}

impl AsFd for ProcConnector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connector.socket().as_fd()
    }
}

impl fmt::Debug for ProcConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcConnector").field("fd", &self.as_raw_fd()).finish()
    }
}

// No panic leaves its state half changed.
impl UnwindSafe for ProcConnector {}
impl RefUnwindSafe for ProcConnector {}
