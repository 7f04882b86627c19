//! Finding every lost event in time, and exactly. Pure code: counter readings in, losses out.
//!
//! With `NETLINK_NO_ENOBUFS` the kernel drops an event without an error, and increments the kernel
//! drop counter (`netlink_overrun` in `net/netlink/af_netlink.c`). It drops only while the queue is
//! full, and a full queue holds more than `budget / 2048` events: the kernel charges at most 1,152 bytes for
//! each, on ppc64el (man/pc_options.3 has a table of machines). A reader that looks at the counter once every `budget / 2048` datagrams therefore looks at
//! least once between a loss and the moment when the queue runs empty.

use crate::protocol::event::{Event, reason};

/// Datagrams between two looks at the counter, at most: enough to make its cost vanish.
const INTERVAL_MAX: u32 = 256;

pub(crate) struct LossMeter {
    /// The last reading of the kernel drop counter, which wraps.
    counter: u32,
    /// When that reading was begun. Every earlier loss has been announced.
    read_ns: u64,
    interval: u32,
    /// Datagrams that may be received before the next look.
    allowance: u32,
}

impl LossMeter {
    /// A meter that finds what is lost after this reading of the counter, begun at `read_ns`, from
    /// a queue with this budget.
    pub(crate) fn new(budget: u32, counter: u32, read_ns: u64) -> Self {
        let interval = Self::interval(budget);
        Self { counter, read_ns, interval, allowance: interval }
    }

    fn interval(budget: u32) -> u32 {
        (budget / 2048).clamp(1, INTERVAL_MAX)
    }

    /// The queue's budget has changed.
    #[cfg(feature = "std")]
    pub(crate) fn set_budget(&mut self, budget: u32) {
        self.interval = Self::interval(budget);
        self.allowance = 0;
    }

    /// How many of `wanted` datagrams may be received by one system call.
    pub(crate) fn batch(&self, wanted: usize) -> usize {
        wanted.min(self.interval as usize)
    }

    /// Whether the counter must be read before `count` more datagrams are received.
    #[inline]
    pub(crate) fn is_due(&self, count: usize) -> bool {
        (self.allowance as usize) < count
    }

    #[inline]
    pub(crate) fn received(&mut self, count: u32) {
        self.allowance = self.allowance.saturating_sub(count);
    }

    /// Enters a reading that was begun at `begun_ns`. Returns what was lost since the one before,
    /// and its announcement, or `None` when nothing was. `now_ns` is called for an announcement
    /// only.
    pub(crate) fn read(
        &mut self,
        counter: u32,
        begun_ns: u64,
        now_ns: impl FnOnce() -> u64,
    ) -> Option<(u64, Event)> {
        let lost = u64::from(counter.wrapping_sub(self.counter));
        let since_ns = self.read_ns;
        self.counter = counter;
        self.read_ns = begun_ns;
        self.allowance = self.interval;
        (lost > 0).then(|| (lost, Event::overrun(lost, since_ns, now_ns(), reason::QUEUE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::View;

    fn lost(reading: Option<(u64, Event)>) -> Option<(u64, u64, u64)> {
        let (lost, event) = reading?;
        match event.view() {
            View::Overrun { lost: announced, since_ns, reason: reason::QUEUE } => {
                assert_eq!(announced, lost);
                Some((lost, since_ns, event.timestamp_ns))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_loss_is_the_difference_of_two_readings_of_the_kernel_drop_counter() {
        let mut meter = LossMeter::new(1 << 20, 5, 100);
        assert_eq!(lost(meter.read(5, 200, || unreachable!())), None);
        assert_eq!(lost(meter.read(8, 300, || 310)), Some((3, 200, 310)));
        assert_eq!(lost(meter.read(8, 400, || unreachable!())), None);
    }

    #[test]
    fn a_loss_is_exact_although_the_kernel_drop_counter_wraps() {
        let mut meter = LossMeter::new(1 << 20, u32::MAX, 0);
        assert_eq!(lost(meter.read(1, 1, || 2)), Some((2, 0, 2)));
        assert_eq!(lost(meter.read(0, 3, || 4)), Some((u64::from(u32::MAX), 1, 4)));
    }

    #[test]
    fn the_kernel_drop_counter_is_read_before_a_full_queue_can_run_empty() {
        for budget in [0, 2304, 4096, 8192, 65536, 131_072, 212_992, 36 << 20, u32::MAX] {
            let mut meter = LossMeter::new(budget, 0, 0);
            let mut received = 0;
            while !meter.is_due(1) {
                meter.received(1);
                received += 1;
            }
            let full = (budget / 1152).max(2);
            assert!(received >= 1 && received < full, "{received} of {full} at {budget}");
        }
    }

    #[test]
    fn a_batch_never_exceeds_what_may_be_received_between_two_readings_of_the_kernel_drop_counter()
    {
        let mut meter = LossMeter::new(8192, 0, 0);
        assert_eq!(meter.batch(64), 4);
        assert!(!meter.is_due(4));
        meter.received(1);
        assert!(meter.is_due(4));
        meter.read(0, 1, || 1);
        assert!(!meter.is_due(4));
    }
}
