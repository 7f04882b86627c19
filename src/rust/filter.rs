//! The constructors of [`Filter`] for Rust programs.

use super::EventMask;
use crate::protocol::filter::{Filter, MASK_UNKNOWN, NO_THREADS, NONZERO_EXIT};
use crate::protocol::wire::{LAYOUTS, PROC_EVENT_EXIT};

/// The kernel's own bit for exits with a code other than 0, from Linux 6.6 on.
const PROC_EVENT_NONZERO_EXIT: u32 = 0x2000_0000;

impl Filter {
    /// Admits only events of these kinds. An empty mask admits no event. (In C, `events` 0 stands for everything.)
    ///
    /// A bit that stands for none of the nine kinds admits every kind that this version does not
    /// know. `PROC_EVENT_NONZERO_EXIT` (0x2000_0000) has the meaning that the kernel gives it:
    /// exits with a code other than 0.
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
                filter.mask |= 1 << LAYOUTS[i].kind();
                bits &= !LAYOUTS[i].what;
            }
            i += 1;
        }
        if bits != 0 {
            filter.mask |= MASK_UNKNOWN;
        }
        filter
    }

    /// Discards the events of tasks that are not the leader of their process. These are the events
    /// with `pid != tgid`, and forks with `child_pid != child_tgid`.
    ///
    /// The exit of a leader is not always the process exit: other threads may live on, or one of
    /// them may take the leader's place by execve(2). So ask
    /// [`process_alive`](crate::process_alive) at each exit. If the result is
    /// [`LeaderGone`](crate::Liveness::LeaderGone), no event will report the process exit under
    /// this filter.
    #[must_use]
    pub const fn no_threads(self) -> Self {
        Self { flags: self.flags | NO_THREADS, ..self }
    }

    /// Of the exits, admits only those whose `exit_code` is not 0. This judges tasks, not
    /// processes: a leader may exit with 0 before its process fails. See
    /// [`no_threads`](Self::no_threads).
    #[must_use]
    pub const fn nonzero_exit(self) -> Self {
        Self { flags: self.flags | NONZERO_EXIT, ..self }
    }
}

impl Default for Filter {
    /// Admits everything.
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
    fn the_mask_all_admits_the_nine_kinds_and_no_more() {
        assert_eq!(Filter::events(EventMask::ALL).mask, crate::protocol::filter::MASK_ALL);
    }

    #[test]
    fn an_unknown_bit_of_a_mask_admits_the_unknown_kinds() {
        assert_eq!(Filter::events(EventMask(0x10)).mask, MASK_UNKNOWN);
        assert_eq!(Filter::events(EventMask(u32::MAX)), Filter::EVERYTHING);
    }

    #[test]
    fn the_kernels_bit_for_nonzero_exits_admits_what_the_kernel_would_admit() {
        let failures = Filter::events(EventMask(PROC_EVENT_NONZERO_EXIT));
        assert_eq!(failures, Filter { mask: 1 << kind::EXIT, flags: NONZERO_EXIT });
        let exits = Filter::events(EventMask(PROC_EVENT_NONZERO_EXIT) | EventMask::EXIT);
        assert_eq!(exits, Filter::events(EventMask::EXIT));
    }
}
