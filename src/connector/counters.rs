//! The statistics of a handle: what became of each datagram.

use super::wide::{self, AtomicU64};
use core::sync::atomic::Ordering::Relaxed;

/// Numbers that any thread may read. Only the receiving thread writes them, except `repaired`,
/// which only the thread that has locked the subscription writes.
#[derive(Default)]
pub(crate) struct Counters {
    pub received: Counter,
    pub filtered: Counter,
    pub lost: Counter,
    pub foreign: Counter,
    pub malformed: Counter,
    pub repaired: Counter,
}

/// A number with one writer at a time, which therefore needs no atomic addition.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        wide::add(&self.0, count);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
