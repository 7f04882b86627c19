//! A handle's life: open or adopt, pause and resume, check, close.
//!
//! What any thread may use at any time is in [`Connector`]; what belongs to the one thread that
//! receives is in [`Receiver`].

use super::adoption::{self, Adopted};
use super::counters::Counters;
use super::loss::LossMeter;
use super::receiver::Receiver;
use super::subscription::{self, Repairs};
use crate::errno::Errno;
use crate::protocol::bpf::Program;
use crate::protocol::event::{Event, reason};
use crate::protocol::filter::Filter;
use crate::sys::{self, Doorbell, Fd, ForkGuard, Inbox, Lock, monotonic_ns};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// The queue budget when none is asked for: some 35,000 events.
pub(crate) const DEFAULT_BUDGET: u32 = 32 << 20;

/// How to open a handle.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub filter: Filter,
    /// Queue budget in bytes; `None`: the default.
    pub budget: Option<u32>,
    /// Whoever made the socket has subscribed it already.
    pub subscribed: bool,
}

/// What the handle's socket is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Netlink,
    /// AF_UNIX; masks and flags are applied here, and nobody subscribes.
    Datagram,
    /// AF_UNIX with connections: it can end.
    SeqPacket,
}

// What is waiting for the receiver, besides datagrams.
const INTERRUPT: u32 = 1;
const DEAFNESS: u32 = 2;

/// The part of a handle that any thread may use.
pub(crate) struct Connector {
    guard: ForkGuard,
    socket: Fd,
    attention: AtomicU32,
    transport: Transport,
    doorbell: Doorbell,
    /// Held to subscribe, unsubscribe and check.
    lock: Lock,
    subscribed: AtomicBool,
    /// The kernel counts it as a listener: if it pauses, one IGNORE is still to be sent.
    counted: AtomicBool,
    /// When the kernel was last known to report.
    alive_ns: AtomicU64,
    /// Since when it may have been deaf, if it was found so and has not been heard since; else 0.
    deaf_ns: AtomicU64,
    /// Since when the stream is to say that it was; valid while DEAFNESS waits.
    announced_ns: AtomicU64,
    budget: AtomicU32,
    /// More datagrams than can wait at any time. It never gets less.
    patience: AtomicU32,
    pub counters: Counters,
}

impl Connector {
    /// A handle without a socket, to be given one by [`open`](Self::open) or
    /// [`adopt`](Self::adopt). Made first, so that whatever fails later is undone by its drop.
    #[inline]
    pub(crate) fn new(filter: Filter) -> Result<(Self, Receiver), Errno> {
        let connector = Self {
            guard: ForkGuard::new()?,
            socket: Fd::NONE,
            attention: AtomicU32::new(0),
            transport: Transport::Netlink,
            doorbell: Doorbell::new()?,
            lock: Lock::new(),
            subscribed: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            alive_ns: AtomicU64::new(0),
            deaf_ns: AtomicU64::new(0),
            announced_ns: AtomicU64::new(0),
            budget: AtomicU32::new(0),
            patience: AtomicU32::new(PATIENCE_UNIX),
            counters: Counters::default(),
        };
        let loss = LossMeter::new(monotonic_ns());
        Ok((connector, Receiver::new(Inbox::new()?, loss, filter)))
    }

    /// Gives it a new socket, subscribed and proven.
    pub(crate) fn open(&mut self, receiver: &mut Receiver, options: &Options) -> Result<(), Errno> {
        self.socket = sys::connector_socket()?;
        let socket = &self.socket;
        sys::disable_congestion(socket)?;
        sys::set_queue_budget(socket, options.budget.unwrap_or(DEFAULT_BUDGET))?;
        let drops = sys::drop_counter(socket)?;
        self.attach(options.filter)?;
        subscription::join(socket)?;
        let budget = sys::queue_budget(socket)?;
        let repairs = subscription::subscribe(socket)?;
        let transport = Transport::Netlink;
        self.begin(receiver, &Adopted { transport, repairs, budget, queued: 0, drops });
        Ok(())
    }

    /// Gives it a socket that somebody else made. On failure that stays the caller's.
    pub(crate) fn adopt(
        &mut self,
        receiver: &mut Receiver,
        raw: i32,
        options: &Options,
    ) -> Result<(), Errno> {
        if raw < 0 {
            return Err(Errno(libc::EBADF));
        }
        self.socket = Fd::own(raw);
        match adoption::adopt(&self.socket, options) {
            Ok(state) => {
                self.begin(receiver, &state);
                Ok(())
            }
            Err(error) => {
                self.socket.disown();
                Err(error)
            }
        }
    }

    /// The socket is ready.
    fn begin(&mut self, receiver: &mut Receiver, state: &Adopted) {
        self.transport = state.transport;
        self.subscribed = AtomicBool::new(true);
        self.counted = AtomicBool::new(true);
        self.alive_ns = AtomicU64::new(monotonic_ns());
        self.budget = AtomicU32::new(state.budget);
        if self.is_netlink() {
            self.patience = AtomicU32::new(patience(state.budget.max(state.queued)));
        }
        receiver.begin(self, state.budget, state.drops);
        self.note_repairs(state.repairs);
    }

    pub(crate) const fn socket(&self) -> &Fd {
        &self.socket
    }

    pub(crate) fn budget(&self) -> u32 {
        self.budget.load(Relaxed)
    }

    #[cfg(feature = "std")]
    pub(crate) fn set_budget(&self, bytes: u32) -> Result<u32, Errno> {
        sys::set_queue_budget(&self.socket, bytes)?;
        let budget = sys::queue_budget(&self.socket)?;
        self.budget.store(budget, Relaxed);
        self.patience.fetch_max(patience(budget), Relaxed);
        Ok(budget)
    }

    /// How many datagrams to discard before the queue can be said to have been empty.
    pub(crate) fn patience(&self) -> u32 {
        self.patience.load(Relaxed)
    }

    pub(crate) fn is_netlink(&self) -> bool {
        self.transport == Transport::Netlink
    }

    pub(crate) fn can_end(&self) -> bool {
        self.transport == Transport::SeqPacket
    }

    /// `ECHILD` in a forked child, to which the handle does not belong.
    #[inline]
    pub(crate) fn require_owner(&self) -> Result<(), Errno> {
        if self.guard.is_owner() { Ok(()) } else { Err(Errno(libc::ECHILD)) }
    }

    /// Whether the handle is this process's, and nothing waits for the receiver but datagrams.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.guard.is_owner() && self.attention.load(SeqCst) == 0
    }

    /// Ends the current or the next wait. Async-signal-safe.
    pub(crate) fn interrupt(&self) {
        self.attention.fetch_or(INTERRUPT, SeqCst);
        self.doorbell.ring();
    }

    /// Has all who wait look again.
    #[cfg(feature = "std")]
    pub(crate) fn wake(&self) {
        self.doorbell.ring();
    }

    /// Whether an interrupt is waiting, which then it is no more.
    #[inline]
    pub(crate) fn take_interrupt(&self) -> bool {
        self.attention.load(SeqCst) & INTERRUPT != 0
            && self.attention.fetch_and(!INTERRUPT, SeqCst) & INTERRUPT != 0
    }

    /// Whether a repaired deafness is to be announced.
    #[cfg(feature = "table")]
    pub(crate) fn has_deafness(&self) -> bool {
        self.attention.load(SeqCst) & DEAFNESS != 0
    }

    /// The announcement of a repaired deafness, once.
    #[inline]
    pub(crate) fn take_deafness(&self) -> Option<Event> {
        if self.attention.load(SeqCst) & DEAFNESS == 0 {
            return None;
        }
        // In this order: a repair that comes in between leaves the earlier moment alone, and the
        // event's own time, taken last, covers it.
        let since = self.announced_ns.load(SeqCst);
        self.attention.fetch_and(!DEAFNESS, SeqCst);
        Some(Event::overrun(0, since, monotonic_ns(), reason::DEAF))
    }

    /// Waits for the socket, an interrupt or a repair; false when the deadline has passed.
    pub(crate) fn wait(&self, deadline: Option<u64>) -> Result<bool, Errno> {
        sys::wait_readable(&self.socket, &self.doorbell, deadline)
    }

    /// Waits for another descriptor in the same way.
    #[cfg(feature = "table")]
    pub(crate) fn wait_for(&self, fd: &Fd, deadline: Option<u64>) -> Result<bool, Errno> {
        sys::wait_readable(fd, &self.doorbell, deadline)
    }

    /// Proves that the kernel reports; how many repairs that took.
    pub(crate) fn check(&self) -> Result<Repairs, Errno> {
        self.require_owner()?;
        let _section = self.lock.hold();
        if !self.is_netlink() || !self.subscribed.load(Relaxed) {
            return Ok(0);
        }
        let begun = monotonic_ns();
        // What is found is not forgotten when the repair fails, or when somebody else does it.
        subscription::check(&self.socket, || {
            if self.deaf_ns.load(Relaxed) == 0 {
                self.deaf_ns.store(self.alive_ns.load(Relaxed), Relaxed);
            }
        })?;
        let deaf_ns = self.deaf_ns.swap(0, Relaxed);
        self.alive_ns.store(if deaf_ns == 0 { begun } else { monotonic_ns() }, Relaxed);
        if deaf_ns == 0 {
            return Ok(0);
        }
        self.announce_deafness(deaf_ns);
        self.note_repairs(1);
        Ok(1)
    }

    /// Has the stream say that nothing was heard since then.
    fn announce_deafness(&self, since_ns: u64) {
        if self.attention.load(SeqCst) & DEAFNESS == 0 {
            self.announced_ns.store(since_ns, SeqCst);
        }
        self.attention.fetch_or(DEAFNESS, SeqCst);
        self.doorbell.ring();
    }

    #[inline(never)]
    fn attach(&self, filter: Filter) -> Result<(), Errno> {
        sys::attach_filter(&self.socket, Program::admitting(filter).instructions())
    }

    /// Swaps the kernel's filter; false while paused, when it must wait.
    pub(crate) fn set_filter(&self, filter: Filter) -> Result<bool, Errno> {
        let _section = self.lock.hold();
        let active = self.subscribed.load(Relaxed);
        if active && self.is_netlink() {
            self.attach(filter)?;
        }
        Ok(active)
    }

    /// Resumes with this filter; false if there was nothing to resume.
    pub(crate) fn subscribe(&self, filter: Filter) -> Result<bool, Errno> {
        let _section = self.lock.hold();
        if !self.is_netlink() || self.subscribed.load(Relaxed) {
            return Ok(false);
        }
        let repairs = subscription::subscribe(&self.socket)?;
        if let Err(error) = self.attach(filter) {
            let _ = subscription::unsubscribe(&self.socket);
            return Err(error);
        }
        self.note_repairs(repairs);
        self.alive_ns.store(monotonic_ns(), Relaxed);
        let deaf_ns = self.deaf_ns.swap(0, Relaxed);
        if deaf_ns != 0 {
            self.announce_deafness(deaf_ns);
        }
        self.subscribed.store(true, Relaxed);
        self.counted.store(true, Relaxed);
        Ok(true)
    }

    /// Pauses; `filter` is the one in force, to be put back if the kernel cannot be told.
    pub(crate) fn unsubscribe(&self, filter: Filter) -> Result<(), Errno> {
        let _section = self.lock.hold();
        if !self.is_netlink() || !self.counted.load(Relaxed) {
            return Ok(());
        }
        let begun = monotonic_ns();
        sys::attach_filter(&self.socket, Program::admitting_nothing().instructions())?;
        let told = subscription::unsubscribe(&self.socket);
        // If neither could be done, it pauses all the same: nothing passes the filter.
        if told.is_err() && self.subscribed.load(Relaxed) && self.attach(filter).is_ok() {
            self.announce_deafness(begun);
            return told;
        }
        self.subscribed.store(false, Relaxed);
        self.counted.store(told.is_err(), Relaxed);
        Ok(())
    }

    /// Gives the socket away as it is: subscribed, unless paused. The handle is of no more use.
    #[cfg(any(feature = "capi", feature = "std"))]
    pub(crate) fn release(&mut self) -> Result<Fd, Errno> {
        self.require_owner()?;
        self.counted.store(false, Relaxed);
        Ok(core::mem::replace(&mut self.socket, Fd::NONE))
    }

    fn note_repairs(&self, repairs: Repairs) {
        self.counters.repaired.add(repairs.into());
    }
}

impl Drop for Connector {
    /// Takes the subscription back, unless this is a forked child's copy. Closing without doing
    /// so would have the kernel build events for nobody, for ever.
    fn drop(&mut self) {
        if self.guard.is_owner() && self.is_netlink() && self.counted.load(Relaxed) {
            sys::preserving_errno(|| subscription::unsubscribe(&self.socket)).ok();
        }
    }
}

/// More datagrams than can wait in a queue of so many bytes: no message is charged less than 512.
const fn patience(bytes: u32) -> u32 {
    bytes / 512 + 64
}

/// The same for AF_UNIX, where the sender's buffer bounds the queue, which is at most 2 GiB.
const PATIENCE_UNIX: u32 = patience(i32::MAX.cast_unsigned());
