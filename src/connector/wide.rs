//! A 64-bit number that other threads may read: the processor's own, or one made of 32-bit words.

#[cfg(target_has_atomic = "64")]
pub(super) use core::sync::atomic::AtomicU64;
#[cfg(not(target_has_atomic = "64"))]
pub(super) use words::AtomicU64;

use core::sync::atomic::Ordering::Relaxed;

/// Adds to a number that only this thread changes.
#[inline]
pub(super) fn add(number: &AtomicU64, count: u64) {
    #[cfg(target_has_atomic = "64")]
    let before = number.load(Relaxed);
    #[cfg(not(target_has_atomic = "64"))]
    let before = number.load_own();
    number.store(before.wrapping_add(count), Relaxed);
}

#[cfg(any(test, not(target_has_atomic = "64")))]
mod words {
    use core::sync::atomic::{
        AtomicU32,
        Ordering::{self, Acquire, Relaxed, Release},
    };

    /// Stands for the processor's `AtomicU64` where there is none, such as on armv5te, powerpc and
    /// mips. No thread ever waits for another one. It demands more of its users: one thread at a
    /// time may store, and while another may load, the number only grows.
    ///
    /// A store writes the lower half alone, or if the upper one changes, the upper half, the lower
    /// one, and the upper one again; a load reads them in the opposite order. Each word that is
    /// read is at least as new as the one before, because stores release and loads acquire. So if
    /// both upper halves are equal, the number had this upper half from the first reading to the
    /// last, and the lower half belongs to it. Otherwise a store has changed the upper half
    /// meanwhile, and the number passes this upper half with zeros below.
    ///
    /// A load takes three words and as many memory barriers, and nearly every store takes one
    /// barrier, of whatever order: this is at least `Relaxed`, and nobody needs these numbers to be
    /// `SeqCst` with others.
    #[derive(Default)]
    pub(in super::super) struct AtomicU64 {
        upper: AtomicU32,
        lower: AtomicU32,
        upper_again: AtomicU32,
    }

    impl AtomicU64 {
        pub(in super::super) const fn new(value: u64) -> Self {
            let upper = (value >> 32) as u32;
            Self {
                upper: AtomicU32::new(upper),
                lower: AtomicU32::new(value as u32),
                upper_again: AtomicU32::new(upper),
            }
        }

        pub(in super::super) fn load(&self, _: Ordering) -> u64 {
            let upper_before = self.upper_again.load(Acquire);
            let lower = self.lower.load(Acquire);
            let upper = self.upper.load(Acquire);
            u64::from(upper) << 32 | u64::from(if upper == upper_before { lower } else { 0 })
        }

        /// For the thread that stores. It sees its own words, so it needs no barrier.
        pub(in super::super) fn load_own(&self) -> u64 {
            u64::from(self.upper.load(Relaxed)) << 32 | u64::from(self.lower.load(Relaxed))
        }

        pub(in super::super) fn store(&self, value: u64, _: Ordering) {
            let upper = (value >> 32) as u32;
            let changes = self.upper.load(Relaxed) != upper;
            if changes {
                self.upper.store(upper, Release);
            }
            self.lower.store(value as u32, Release);
            if changes {
                self.upper_again.store(upper, Release);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::words::AtomicU64;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::thread;

    #[test]
    fn a_number_made_of_words_is_what_was_stored_last() {
        let number = AtomicU64::new(7 << 32 | 5);
        assert_eq!(number.load(Relaxed), 7 << 32 | 5);
        for value in [0, 1, u32::MAX.into(), 1 << 32, u64::MAX - 1, u64::MAX] {
            number.store(value, Relaxed);
            assert_eq!((number.load(Relaxed), number.load_own()), (value, value));
        }
        assert_eq!(AtomicU64::default().load(Relaxed), 0);
    }

    /// The upper half changes with every third store, so a load that mixes two numbers is likely.
    #[test]
    fn a_number_made_of_words_is_never_read_half_old_and_half_new() {
        const STEP: u64 = 0x5555_5557;
        let (number, done) = (AtomicU64::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                for count in 0..if cfg!(miri) { 300 } else { 3_000_000 } {
                    number.store(count * STEP, Relaxed);
                }
                done.store(true, Relaxed);
            });
            let mut last = 0;
            while !done.load(Relaxed) {
                let value = number.load(Relaxed);
                let passed = value as u32 == 0;
                assert!(value % STEP == 0 || passed, "{value:#x} was not stored");
                assert!(value >= last, "{value:#x} after {last:#x}");
                last = value;
            }
        });
    }
}
