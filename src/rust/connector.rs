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
/// Dropping a connector unsubscribes, exactly once, and closes the socket.
///
/// # Two ways to receive
/// [`recv_event`](Self::recv_event) and [`recv_events`](Self::recv_events) deliver [`Event`]s,
/// among them the reports of losses, and take a timeout.
///
/// [`recv`](Self::recv), [`recv_timeout`](Self::recv_timeout), [`recv_raw`](Self::recv_raw) and
/// [`recv_raw_timeout`](Self::recv_raw_timeout) are the methods of `proc-connector` 0.3. They
/// deliver [`ProcEvent`](super::ProcEvent)s or the kernel's bytes, and report a loss as
/// [`Error::Overrun`].
///
/// A program may mix these methods: each event and each loss is delivered once. All of them return
/// - [`Error::Interrupted`] when a signal handler has run. Nothing is lost: call again, with the
///   remaining time.
/// - [`Error::Os`] with `ECANCELED` after [`interrupt`](Self::interrupt).
/// - [`Error::Os`] with `ECHILD` in a forked child. This is final: every later call returns `ECHILD`, too.
/// - [`Error::ConnectionClosed`] when the stream of an adopted `AF_UNIX` socket has ended. This is final.
///
/// A program must end its loop at a final error.
///
/// # Threads
/// Any thread may call any method at any time. Each event goes to one of the threads that receive.
/// No lock is held while they wait.
///
/// # Fork
/// A connector belongs to the process that opened it. In a forked child, [`stats`](Self::stats) and
/// the methods that return the descriptor work, and every other method returns [`Error::Os`] with
/// `ECHILD`. Dropping the child's copy closes that copy, and the parent remains subscribed. A
/// daemon opens its connector after it has forked, or passes the socket to its child: see
/// [`into_fd`](Self::into_fd).
pub struct ProcConnector {
    pub(super) connector: Connector,
    /// Locked for each attempt to receive, never while waiting.
    receiver: Mutex<Receiver>,
    pub(super) nonblocking: AtomicBool,
}

impl ProcConnector {
    /// Opens a connector that receives everything, with a queue of 36 MiB.
    ///
    /// The call never blocks. It returns once the kernel has acknowledged this subscription. From
    /// then on, every event is delivered or counted as lost.
    ///
    /// # Errors
    /// [`Error::Os`], which lists the causes. [`Error::explanation`] says what to do.
    pub fn new() -> Result<Self> {
        Self::open(&Options::new())
    }

    /// Opens a connector that receives and queues what the options say.
    ///
    /// # Errors
    /// Those of [`new`](Self::new), or `EINVAL`:
    /// - [`queue_bytes`](Options::queue_bytes) is 0 or above `i32::MAX`. [`Options::invalid`] reports that.
    /// - The options have [`subscribed`](Options::subscribed), which is for [`from_fd`](Self::from_fd) only.
    pub fn open(options: &Options) -> Result<Self> {
        let mut socket = sys::Fd::NONE;
        Ok(Self::from_halves(connector::open_on(&mut socket, &options.to_core()?)?))
    }

    /// Opens a connector on a socket that exists already.
    ///
    /// Two kinds of sockets can be adopted:
    /// - A `NETLINK_CONNECTOR` socket that is a member of group 1, as a privileged parent or
    ///   systemd passes it on. Its pending events are kept. Its earlier losses are not counted.
    /// - An `AF_UNIX` socket, `SOCK_DGRAM` or preferably `SOCK_SEQPACKET`, that feeds a program
    ///   under test with events, without privilege or kernel. Filters work here too.
    ///   [`subscribe`](Self::subscribe), [`unsubscribe`](Self::unsubscribe) and
    ///   [`check`](Self::check) do nothing.
    ///
    /// The descriptor becomes non-blocking and close-on-exec. Unless the options ask for a budget,
    /// its queue is never made smaller.
    ///
    /// # Errors
    /// The caller gets the descriptor back, open and with its old flags, together with an error of
    /// [`new`](Self::new) or with [`Error::Os`]:
    /// - `EPROTOTYPE`: the socket is of another kind.
    /// - `EINVAL`: the socket is not a member of group 1, or [`queue_bytes`](Options::queue_bytes) is 0 or above
    ///   `i32::MAX`.
    pub fn from_fd(fd: OwnedFd, options: &Options) -> std::result::Result<Self, (Error, OwnedFd)> {
        let mut socket = sys::Fd::from(fd);
        options
            .to_core()
            .and_then(|options| Ok(connector::open_on(&mut socket, &options)?))
            .map(Self::from_halves)
            .map_err(|error| (error, socket.into()))
    }

    fn from_halves((connector, receiver): (Connector, Receiver)) -> Self {
        Self { connector, receiver: Mutex::new(receiver), nonblocking: AtomicBool::new(false) }
    }

    /// The receiver. A poisoned lock is used like any other: no panic leaves a receiver half
    /// changed.
    pub(super) fn lock(&self) -> MutexGuard<'_, Receiver> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The receiver, or `ECHILD` in a forked child. There the lock may be held for ever, by a
    /// thread that only the parent has.
    fn owned(&self) -> Result<MutexGuard<'_, Receiver>> {
        self.connector.require_owner()?;
        Ok(self.lock())
    }

    /// Receives one event, which may be the report of a loss with its exact number. Returns `None`
    /// if no event came in time.
    ///
    /// `timeout` is how long to wait: `None` without limit, zero not at all. Discarded messages do
    /// not restart the timeout. [`set_nonblocking`](Self::set_nonblocking) has no effect here.
    ///
    /// # Errors
    /// - [`Interrupted`](Error::Interrupted): a signal handler has run. Call again.
    /// - [`ConnectionClosed`](Error::ConnectionClosed): the stream has ended. This is final: every later call returns
    ///   this error, so end the loop.
    /// - [`Os`](Error::Os) with `ECHILD`: this is a forked child. This is final, too.
    /// - [`Os`](Error::Os) with `ECANCELED`: [`interrupt`](Self::interrupt) was called.
    /// - [`Os`](Error::Os) with an error of a system call, such as `ENOMEM`. No event is lost.
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
        let sink = slice::from_mut(&mut event);
        let mut first = None;
        // In a forked child, the lock may be held for ever.
        if self.connector.require_owner().is_ok() {
            match self.lock().take_one(&self.connector, &mut OutSlice::over(sink)) {
                Ok(()) => return Ok(Some(event)),
                Err(other) => first = other,
            }
        }
        let attempt = || self.lock().fill(&self.connector, first.take(), &mut OutSlice::over(sink));
        Ok((self.receive(timeout, attempt)? > 0).then_some(event))
    }

    /// Receives up to `events.len()` events, at most 64, in one system call. Returns the number of
    /// events received, or 0 if none came in time.
    ///
    /// A short batch does not mean that no more events are pending. Only 0 means that. Elements
    /// behind the returned number are unspecified.
    ///
    /// `timeout` is how long to wait for the first event, as for [`recv_event`](Self::recv_event).
    ///
    /// # Errors
    /// Those of [`recv_event`](Self::recv_event), or [`Os`](Error::Os) with `EINVAL` if `events` is
    /// empty. A call with the same slice then fails again, so a loop must end at `EINVAL`, too.
    pub fn recv_events(&self, events: &mut [Event], timeout: Option<Duration>) -> Result<usize> {
        if events.is_empty() {
            return Err(Errno(libc::EINVAL).into());
        }
        let attempt = || self.lock().fill(&self.connector, None, &mut OutSlice::over(events));
        Ok(self.receive(timeout, attempt)? as usize)
    }

    /// Calls `attempt` until it delivers or the time is over. At the end of the stream every
    /// waiting thread must get the error, so each thread that gets the error wakes the next.
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

    /// Subscribes to everything: resumes a paused connector, and removes the filter.
    ///
    /// # Errors
    /// Those of [`new`](Self::new). On failure the filter may have been removed; nothing else has
    /// changed.
    pub fn subscribe(&self) -> Result<()> {
        self.subscribe_to(Filter::EVERYTHING)
    }

    /// Subscribes to some kinds of events: resumes a paused connector, and replaces the filter. On
    /// every kernel, events that the mask lacks are never queued.
    ///
    /// # Errors
    /// Those of [`new`](Self::new). On failure the filter may have been replaced; nothing else has
    /// changed.
    pub fn subscribe_filtered(&self, mask: EventMask) -> Result<()> {
        self.subscribe_to(Filter::events(mask))
    }

    fn subscribe_to(&self, filter: Filter) -> Result<()> {
        let mut receiver = self.owned()?;
        receiver.set_filter(&self.connector, filter)?;
        Ok(receiver.subscribe(&self.connector)?)
    }

    /// Pauses: from now on no event is queued. If the connector is paused already, this does
    /// nothing.
    ///
    /// Pending events, and losses that have not been reported yet, can still be received.
    ///
    /// # Errors
    /// [`Os`](Error::Os). On failure the connector remains subscribed. If events may have been
    /// missed, an overrun with [`reason::DEAF`](crate::reason::DEAF) follows in the stream.
    pub fn unsubscribe(&self) -> Result<()> {
        Ok(self.owned()?.unsubscribe(&self.connector)?)
    }

    /// Resumes after [`unsubscribe`](Self::unsubscribe), with the filter that was set last. If the
    /// connector is not paused, this does nothing.
    ///
    /// # Errors
    /// Those of [`new`](Self::new). On failure the connector remains paused.
    pub fn resume(&self) -> Result<()> {
        Ok(self.owned()?.subscribe(&self.connector)?)
    }

    /// Ends the connector but not the subscription, and returns the socket.
    ///
    /// The socket is meant for a successor: a child, or this daemon after its restart. The
    /// successor gives the socket to [`from_fd`](Self::from_fd) with [`Options::subscribed`] and
    /// misses nothing.
    ///
    /// Receive until no event is pending before this call: the successor does not count a loss that
    /// has not been reported yet. The socket of a paused connector is not subscribed: its successor
    /// adopts it without [`Options::subscribed`].
    ///
    /// # Errors
    /// [`Os`](Error::Os) with `ECHILD` in a forked child. This closes the child's copy, and the
    /// parent remains subscribed.
    pub fn into_fd(mut self) -> Result<OwnedFd> {
        self.connector.require_owner()?;
        Ok(self.connector.take_socket().into())
    }

    /// Replaces the filter, atomically.
    ///
    /// Events that are queued already are judged when they are received, by the filter then in
    /// force. Those that it rejects count as [`Stats::filtered`]. A filter that is set during a
    /// pause takes effect with [`resume`](Self::resume).
    ///
    /// # Errors
    /// [`Os`](Error::Os). On failure the old filter stays in force.
    pub fn set_filter(&self, filter: impl Into<Filter>) -> Result<()> {
        Ok(self.owned()?.set_filter(&self.connector, filter.into())?)
    }

    /// Checks that the kernel still reports events, and repairs it if it does not. Returns true
    /// after a repair.
    ///
    /// A daemon calls this from a timer, and receives when the result is true: an overrun with
    /// [`reason::DEAF`](crate::reason::DEAF) and an unknown number then follows in the stream, for
    /// which the descriptor does not become readable. A check costs microseconds. A paused
    /// connector is not checked.
    ///
    /// The kernel counts its listeners for the whole machine, and reports to nobody while the count
    /// is below one. From Linux 6.6 on, any unprivileged process can lower the count that far. A
    /// deafness that another process repaired since the last check cannot be detected.
    ///
    /// From Linux 6.6 on, a check also renews this connector's own subscription, which another
    /// holder of the socket may have ended.
    ///
    /// # Errors
    /// Those of [`new`](Self::new). Before Linux 6.6, `EPERM` also means that this process has
    /// dropped its privilege.
    pub fn check(&self) -> Result<bool> {
        Ok(self.connector.check()? > 0)
    }

    /// Ends a wait: the current or the next call that waits returns [`Error::Os`] with `ECANCELED`,
    /// once.
    ///
    /// Any thread and any signal handler may call this. If several threads wait, one is woken.
    /// Several interrupts before that call returns count as one. Calls that do not wait neither see
    /// nor consume an interrupt, and the descriptor does not become readable.
    ///
    /// An interrupt that comes late cancels the next wait. So a program that uses interrupts to say
    /// "stop" first sets a flag of its own, and reads the flag whenever it gets `ECANCELED`.
    ///
    /// # Errors
    /// [`Os`](Error::Os) with `ECHILD` in a forked child.
    pub fn interrupt(&self) -> Result<()> {
        Ok(self.connector.interrupt()?)
    }

    /// Returns the statistics. Each number by itself is exact.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.connector)
    }

    /// Gives the queue a budget of `bytes`. The kernel charges 704 to 1,152 bytes per event, depending on the machine.
    ///
    /// [`new`](Self::new) asks for 36 MiB already. Memory is in use only while events are pending,
    /// but a stalled reader can pin the whole budget.
    ///
    /// # Errors
    /// [`Os`](Error::Os). On failure the queue keeps its budget.
    /// - `EPERM`: without `CAP_NET_ADMIN`, the kernel grants at most twice the sysctl
    ///   `net.core.rmem_max`.
    /// - `EINVAL`: `bytes` is 0 or above `i32::MAX - 1`.
    pub fn set_recv_buf_size(&self, bytes: usize) -> Result<()> {
        let mut receiver = self.owned()?;
        // The kernel doubles what it is asked for.
        let wanted = budget(bytes.checked_next_multiple_of(2).unwrap_or(bytes))?;
        if wanted > self.connector.budget() {
            // Try another socket first: if the kernel grants less, an unprivileged process could
            // not restore the budget that a privileged parent had given to this one.
            let trial = sys::netlink_socket(NETLINK_CONNECTOR)?;
            sys::set_queue_budget(&trial, wanted, true)?;
            if sys::queue_budget(&trial)? < wanted {
                return Err(Errno(libc::EPERM).into());
            }
        }
        receiver.set_budget(&self.connector, wanted)?;
        Ok(())
    }

    /// Returns the socket, for poll(2) and event loops.
    ///
    /// When the socket is readable, receive until no event is left. The first call may already find
    /// none, if everything pending was forged or filtered. Do not read, close or configure the
    /// descriptor.
    #[must_use]
    pub fn as_raw_fd(&self) -> RawFd {
        self.connector.socket().raw()
    }
}

/// A timeout as the core takes it. Above 68 years, which a 32-bit `time_t` cannot express, the
/// result is `None`: without limit.
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

// No panic leaves a connector half changed.
impl UnwindSafe for ProcConnector {}
impl RefUnwindSafe for ProcConnector {}
