//! The books of a handle: where each datagram went.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Written by the receiving thread (`repaired`: under the handle's lock), read by any.
#[derive(Default)]
pub(crate) struct Counters {
    pub received: Counter,
    pub filtered: Counter,
    pub lost: Counter,
    pub foreign: Counter,
    pub malformed: Counter,
    pub repaired: Counter,
}

/// A number with one writer at a time, which can therefore do without atomic addition.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
