//! Filters, the Rust way.

use super::EventMask;
use crate::protocol::filter::{Filter, MASK_UNKNOWN, NO_THREADS, NONZERO_EXIT};
use crate::protocol::wire::{LAYOUTS, PROC_EVENT_EXIT};

/// The kernel's own bit for "exits, but only failures", from 6.6 on.
const PROC_EVENT_NONZERO_EXIT: u32 = 0x2000_0000;

impl Filter {
    /// Only events of these kinds; of an empty mask, none.
    ///
    /// Bits that stand for none of the nine kinds ask for every kind that this version does not
    /// know. The kernel's `PROC_EVENT_NONZERO_EXIT` (0x2000_0000) means what it means there.
    #[must_use]
    pub const fn events(events: EventMask) -> Self {
        let EventMask(mut bits) = events;
        let mut filter = Self { mask: 0, flags: 0 };
        if bits & PROC_EVENT_NONZERO_EXIT != 0 {
            if bits & PROC_EVENT_EXIT == 0 {
                filter.flags = NONZERO_EXIT;
            }
            bits = bits & !PROC_EVENT_NONZERO_EXIT | PROC_EVENT_EXIT;
        }
        let mut i = 0;
        while i < LAYOUTS.len() {
            if bits & LAYOUTS[i].what != 0 {
                filter.mask |= 1 << LAYOUTS[i].kind;
                bits &= !LAYOUTS[i].what;
            }
            i += 1;
        }
        if bits != 0 {
            filter.mask |= MASK_UNKNOWN;
        }
        filter
    }

    /// Drop the events of tasks that are not thread-group leaders: those with `pid != tgid`; of
    /// forks, those with `child_pid != child_tgid`.
    ///
    /// The exit of a leader is not always the end of its process: other threads may live on, or one
    /// of them may take its place by an exec. Before you believe it, ask
    /// [`process_alive`](crate::process_alive).
    #[must_use]
    pub const fn no_threads(self) -> Self {
        Self { flags: self.flags | NO_THREADS, ..self }
    }

    /// Of the exits, only those whose `exit_code` is not 0. This judges tasks, not processes: see
    /// [`no_threads`](Self::no_threads).
    #[must_use]
    pub const fn nonzero_exit(self) -> Self {
        Self { flags: self.flags | NONZERO_EXIT, ..self }
    }
}

impl Default for Filter {
    /// Everything.
    fn default() -> Self {
        Self::EVERYTHING
    }
}

impl From<EventMask> for Filter {
    fn from(events: EventMask) -> Self {
        Self::events(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::kind;

    #[test]
    fn an_empty_mask_admits_nothing() {
        assert_eq!(Filter::events(EventMask(0)), Filter { mask: 0, flags: 0 });
    }

    #[test]
    fn all_is_the_nine_kinds_and_no_more() {
        assert_eq!(Filter::events(EventMask::ALL).mask, crate::protocol::filter::MASK_ALL);
    }

    #[test]
    fn a_bit_that_is_not_known_asks_for_the_unknown_kinds() {
        assert_eq!(Filter::events(EventMask(0x10)).mask, MASK_UNKNOWN);
        assert_eq!(Filter::events(EventMask(u32::MAX)), Filter::EVERYTHING);
    }

    #[test]
    fn the_kernels_bit_for_failures_means_what_it_means_there() {
        let failures = Filter::events(EventMask(PROC_EVENT_NONZERO_EXIT));
        assert_eq!(failures, Filter { mask: 1 << kind::EXIT, flags: NONZERO_EXIT });
        let exits = Filter::events(EventMask(PROC_EVENT_NONZERO_EXIT) | EventMask::EXIT);
        assert_eq!(exits, Filter::events(EventMask::EXIT));
    }
}
