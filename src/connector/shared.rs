//! The half of a handle that any thread may use: wake, pause and resume, check, close.

use super::counters::Counters;
use super::handshake::{self, Helper, Repairs};
use super::subscription::Subscription;
use super::transport::{Prepared, Transport};
use super::wide::AtomicU64;
use crate::errno::Errno;
use crate::protocol::event::{Event, reason};
use crate::protocol::filter::Filter;
use crate::sys::{self, Doorbell, Fd, ForkGuard, Lock, monotonic_ns};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};

/// The next wait is to be ended.
const INTERRUPT: u32 = 1;
/// A repaired deafness is to be announced.
const DEAFNESS: u32 = 2;

/// The half of a handle that any thread may use.
///
/// Only the subscription is behind a lock. What the receiving thread reads is atomic, so that it
/// never waits for a thread that talks to the kernel. `attention` is atomic also because signal
/// handlers set it, and the budget and the counters because any thread may read the statistics.
///
/// What every reception uses comes first: a short offset makes a shorter instruction.
#[repr(C)]
pub(crate) struct Connector {
    guard: ForkGuard,
    socket: Fd,
    /// What the receiver has to look at besides its queue: [`INTERRUPT`], [`DEAFNESS`].
    attention: AtomicU32,
    transport: Transport,
    doorbell: Doorbell,
    budget: AtomicU32,
    /// More datagrams than are queued at any time. It never decreases.
    discard_limit: AtomicU32,
    /// How long a wait does not sleep. Without the table, which makes the library smaller, no wait
    /// spins.
    #[cfg(feature = "table")]
    pub spin_us: u32,
    pub counters: Counters,
    /// Start of the gap that the pending announcement will report. Valid while DEAFNESS is set.
    announced_ns: AtomicU64,
    /// Locked while the kernel is asked for anything, so that its answers and the state agree.
    dialogue: Lock<Dialogue>,
}

/// What is known and used when the kernel is asked.
struct Dialogue {
    subscription: Subscription,
    helper: Helper,
}

impl Connector {
    /// Around a socket that the kernel has begun to report to.
    #[inline]
    pub(super) fn new(
        guard: ForkGuard,
        doorbell: Doorbell,
        socket: Fd,
        prepared: Prepared,
    ) -> Self {
        let Prepared { transport, repairs, helper, budget, queued, .. } = prepared;
        let connector = Self {
            guard,
            socket,
            attention: AtomicU32::new(0),
            transport,
            doorbell,
            dialogue: Lock::new(Dialogue {
                subscription: Subscription::proven(monotonic_ns()),
                helper,
            }),
            announced_ns: AtomicU64::new(0),
            budget: AtomicU32::new(budget),
            discard_limit: AtomicU32::new(transport.discard_limit(budget.max(queued))),
            #[cfg(feature = "table")]
            spin_us: 0,
            counters: Counters::default(),
        };
        connector.note_repairs(repairs);
        connector
    }

    pub(crate) const fn socket(&self) -> &Fd {
        &self.socket
    }

    pub(crate) fn budget(&self) -> u32 {
        self.budget.load(Relaxed)
    }

    #[cfg(feature = "std")]
    pub(crate) fn set_budget(&self, bytes: u32) -> Result<u32, Errno> {
        sys::set_queue_budget(&self.socket, bytes, false)?;
        let budget = sys::queue_budget(&self.socket)?;
        self.budget.store(budget, Relaxed);
        self.discard_limit.fetch_max(self.transport.discard_limit(budget), Relaxed);
        Ok(budget)
    }

    /// After discarding so many datagrams, the receiver may report that the queue was empty.
    pub(crate) fn discard_limit(&self) -> u32 {
        self.discard_limit.load(Relaxed)
    }

    pub(super) fn is_netlink(&self) -> bool {
        self.transport == Transport::Netlink
    }

    pub(super) fn can_end(&self) -> bool {
        self.transport == Transport::SeqPacket
    }

    /// `ECHILD` in a forked child, to which the handle does not belong.
    #[inline(never)]
    pub(crate) fn require_owner(&self) -> Result<(), Errno> {
        if self.guard.is_owner() { Ok(()) } else { Err(Errno(libc::ECHILD)) }
    }

    /// Whether it is plain that the handle belongs to this process, and that the receiver has
    /// nothing to look at but its queue.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.guard.is_owner_by_page() && self.attention.load(SeqCst) == 0
    }

    /// Ends the current or the next wait, and leaves `errno` alone. Async-signal-safe.
    pub(crate) fn interrupt(&self) -> Result<(), Errno> {
        self.require_owner()?;
        self.attention.fetch_or(INTERRUPT, SeqCst);
        sys::preserving_errno(|| self.doorbell.ring());
        Ok(())
    }

    /// Makes all waiting threads look again.
    #[cfg(feature = "std")]
    pub(crate) fn wake(&self) {
        self.doorbell.ring();
    }

    /// Takes the pending interrupt. False if none is pending.
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
    pub(super) fn take_deafness(&self) -> Option<Event> {
        if self.attention.load(SeqCst) & DEAFNESS == 0 {
            return None;
        }
        // In this order. A repair that comes in between leaves the earlier moment alone, and the
        // event's own time, which is read last, is after that repair.
        let since = self.announced_ns.load(SeqCst);
        self.attention.fetch_and(!DEAFNESS, SeqCst);
        Some(Event::overrun(0, since, monotonic_ns(), reason::DEAF))
    }

    /// Waits for the socket, an interrupt or a repair. False when the deadline has passed.
    pub(super) fn wait(&self, deadline: Option<u64>) -> Result<bool, Errno> {
        self.wait_for(&self.socket, deadline)
    }

    /// Waits for a descriptor, an interrupt or a repair. False when the deadline has passed.
    #[cfg_attr(feature = "table", inline(never))]
    pub(crate) fn wait_for(&self, fd: &Fd, deadline: Option<u64>) -> Result<bool, Errno> {
        #[cfg(feature = "table")]
        if self.spin_us > 0 {
            let end = monotonic_ns() + u64::from(self.spin_us) * 1_000;
            let end = end.min(deadline.unwrap_or(u64::MAX));
            // An error is left to the wait that follows.
            while self.attention.load(SeqCst) == 0
                && sys::is_readable(fd) == Ok(false)
                && monotonic_ns() < end
            {}
        }
        sys::wait_readable(fd, &self.doorbell, deadline)
    }

    /// Proves that the kernel reports. Returns how many repairs that took.
    pub(crate) fn check(&self) -> Result<Repairs, Errno> {
        self.require_owner()?;
        let mut dialogue = self.dialogue.lock();
        if !self.is_netlink() || !dialogue.subscription.is_listening() {
            return Ok(0);
        }
        let begun = monotonic_ns();
        // A deafness is noted before it is repaired: it is to be announced even if the repair fails
        // now, or if another process repairs the kernel meanwhile.
        if !dialogue.helper.is_answered()? {
            dialogue.subscription.note_deafness();
            dialogue.helper.repair()?;
        }
        handshake::renew(&self.socket)?;
        let now = if dialogue.subscription.is_deaf() { monotonic_ns() } else { begun };
        let Some(since_ns) = dialogue.subscription.resume(now) else { return Ok(0) };
        self.announce_deafness(since_ns);
        self.note_repairs(1);
        Ok(1)
    }

    /// Makes the receiver report that events from `since_ns` on may be missing.
    fn announce_deafness(&self, since_ns: u64) {
        if self.attention.load(SeqCst) & DEAFNESS == 0 {
            self.announced_ns.store(since_ns, SeqCst);
        }
        self.attention.fetch_or(DEAFNESS, SeqCst);
        self.doorbell.ring();
    }

    /// Makes the kernel apply this filter. False while paused, when the filter must wait.
    pub(super) fn set_filter(&self, filter: Filter) -> Result<bool, Errno> {
        let dialogue = self.dialogue.lock();
        let is_listening = dialogue.subscription.is_listening();
        if is_listening && self.is_netlink() {
            handshake::attach(&self.socket, filter)?;
        }
        Ok(is_listening)
    }

    /// Makes the kernel apply this filter, and leave out the FORKs of these processes' threads.
    #[cfg(feature = "table")]
    pub(super) fn leave_unheard(&self, filter: Filter, tgids: &[i32]) -> Result<(), Errno> {
        let dialogue = self.dialogue.lock();
        if dialogue.subscription.is_listening() && self.is_netlink() {
            handshake::attach_without(&self.socket, filter, tgids)?;
        }
        Ok(())
    }

    /// Resumes with this filter. False if the handle is not paused.
    pub(super) fn subscribe(&self, filter: Filter) -> Result<bool, Errno> {
        let mut dialogue = self.dialogue.lock();
        if !self.is_netlink() || dialogue.subscription.is_listening() {
            return Ok(false);
        }
        // Before Linux 6.6 the kernel would count a second LISTEN as another listener.
        if dialogue.subscription.is_counted() {
            handshake::unsubscribe(&self.socket)?;
            dialogue.subscription.pause(false);
        }
        let repairs = handshake::subscribe(&self.socket, &mut dialogue.helper)?;
        if let Err(error) = handshake::attach(&self.socket, filter) {
            dialogue.subscription.pause(handshake::unsubscribe(&self.socket).is_err());
            return Err(error);
        }
        self.note_repairs(repairs);
        if let Some(since_ns) = dialogue.subscription.resume(monotonic_ns()) {
            self.announce_deafness(since_ns);
        }
        Ok(true)
    }

    /// Pauses. `filter` is the one in force, which is attached again if the kernel cannot be asked
    /// to stop.
    pub(super) fn unsubscribe(&self, filter: Filter) -> Result<(), Errno> {
        let mut dialogue = self.dialogue.lock();
        if !self.is_netlink() || !dialogue.subscription.is_counted() {
            return Ok(());
        }
        let begun = monotonic_ns();
        handshake::attach_nothing(&self.socket)?;
        let asked = handshake::unsubscribe(&self.socket);
        // If the filter cannot be attached again either, this is a pause: nothing passes.
        if asked.is_err()
            && dialogue.subscription.is_listening()
            && handshake::attach(&self.socket, filter).is_ok()
        {
            self.announce_deafness(begun);
            return asked;
        }
        dialogue.subscription.pause(asked.is_err());
        Ok(())
    }

    /// Gives the socket away as it is: subscribed, unless paused. The handle is only to be dropped then.
    pub(crate) fn take_socket(&mut self) -> Fd {
        // The drop is to send no IGNORE.
        self.dialogue.get_mut().subscription.pause(false);
        sys::take(&mut self.socket)
    }

    fn note_repairs(&self, repairs: Repairs) {
        self.counters.repaired.add(repairs.into());
    }
}

impl Drop for Connector {
    /// Ends the subscription, unless this is a forked child's copy. If the socket were only closed,
    /// the kernel would count its listener for ever, and make events that no listener receives.
    fn drop(&mut self) {
        if self.require_owner().is_ok()
            && self.is_netlink()
            && self.dialogue.get_mut().subscription.is_counted()
        {
            let _ = handshake::unsubscribe(&self.socket);
        }
    }
}
