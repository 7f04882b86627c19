//! Which events are wanted.
//!
//! [`bpf`](super::bpf) has the kernel apply a filter as well; a test compares their verdicts on
//! every kind of event.

use super::event::{Event, kind};

/// The nine kinds that kernels send.
pub const MASK_ALL: u32 = 0x3fe;
/// Kernel events that this version does not know.
pub const MASK_UNKNOWN: u32 = 1 << kind::UNKNOWN;
/// Discard the events of tasks that are not the leader of their process.
pub const NO_THREADS: u32 = 1 << 0;
/// Discard the exits with code 0.
pub const NONZERO_EXIT: u32 = 1 << 1;

/// Despite [`NO_THREADS`], admit the FORKs of threads: see [`Filter::with_thread_forks`].
const THREAD_FORKS: u32 = 1 << 2;

/// Which events are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filter {
    pub(crate) mask: u32,
    pub(crate) flags: u32,
}

impl Filter {
    /// Admits everything, unknown kinds included.
    pub const EVERYTHING: Self = Self { mask: MASK_ALL | MASK_UNKNOWN, flags: 0 };

    /// A filter from bits `1 << kind` (0: everything) and flags; `None` if one of them is unknown.
    #[must_use]
    #[cfg_attr(not(feature = "capi"), allow(dead_code))] // The Rust face has events().
    pub(crate) const fn new(mask: u32, flags: u32) -> Option<Self> {
        let everything = Self::EVERYTHING.mask;
        if mask & !everything != 0 || flags & !(NO_THREADS | NONZERO_EXIT) != 0 {
            return None;
        }
        Some(Self { mask: if mask == 0 { everything } else { mask }, flags })
    }

    /// Admits the FORKs of threads, although the filter has [`NO_THREADS`]. Only the process table
    /// needs this.
    #[cfg(feature = "table")]
    pub(crate) const fn with_thread_forks(self) -> Self {
        Self { flags: self.flags | THREAD_FORKS, ..self }
    }

    /// Whether this filter admits a kernel event.
    #[must_use]
    pub const fn admits(self, event: &Event) -> bool {
        if !self.wants(event.kind) {
            return false;
        }
        if self.flags == 0 {
            return true;
        }
        !(self.discards_threads(event.kind) && event.is_thread()
            || self.has(NONZERO_EXIT) && event.kind == kind::EXIT && event.word(2) == 0)
    }

    pub(super) const fn wants(self, kind: u32) -> bool {
        self.mask.wrapping_shr(kind) & 1 != 0
    }

    /// Whether this filter discards the events of a kind that are about threads.
    pub(super) const fn discards_threads(self, kind: u32) -> bool {
        let is_excepted = cfg!(feature = "table") && kind == kind::FORK && self.has(THREAD_FORKS);
        self.has(NO_THREADS) && !is_excepted
    }

    pub(super) const fn has(self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::pair;
    use super::*;

    #[test]
    fn a_filter_with_an_unknown_bit_is_refused() {
        assert_eq!(Filter::new(1, 0), None);
        assert_eq!(Filter::new(1 << kind::OVERRUN, 0), None);
        assert_eq!(Filter::new(1 << 12, 0), None);
        assert_eq!(Filter::new(0, 4), None);
    }

    #[test]
    fn a_filter_without_any_bit_admits_everything() {
        assert_eq!(Filter::new(0, 0), Some(Filter::EVERYTHING));
    }

    #[test]
    fn a_filter_judges_kind_thread_and_exit_code() {
        let filter = |mask, flags| Filter::new(mask, flags).expect("valid bits");
        let event =
            |kind, first, second| Event { kind, data: [first, second, 0, 0, 0], ..Event::EMPTY };
        let (leader, thread) = (0x7_0000_0007, 0x7_0000_0008);
        let exits = 1 << kind::EXIT;
        for (filter, event, admitted) in [
            (filter(exits, 0), event(kind::EXIT, thread, 0), true),
            (filter(exits, 0), event(kind::FORK, leader, leader), false),
            (filter(exits, 0), event(kind::UNKNOWN, 0x400, 0), false),
            (filter(0, NO_THREADS), event(kind::EXIT, thread, 0), false),
            (filter(0, NO_THREADS), event(kind::EXIT, leader, 0), true),
            (filter(0, NO_THREADS), event(kind::FORK, leader, thread), false),
            (filter(0, NO_THREADS), event(kind::FORK, thread, leader), true),
            (filter(0, NO_THREADS), event(kind::UNKNOWN, 0x400, 0), true),
            #[cfg(feature = "table")]
            (filter(0, NO_THREADS).with_thread_forks(), event(kind::FORK, leader, thread), true),
            #[cfg(feature = "table")]
            (filter(0, NO_THREADS).with_thread_forks(), event(kind::EXIT, thread, 0), false),
            (filter(0, NONZERO_EXIT), event(kind::EXIT, leader, 0), false),
            (filter(0, NONZERO_EXIT), event(kind::EXIT, leader, pair(9, 0)), true),
            (filter(0, NONZERO_EXIT), event(kind::EXEC, leader, 0), true),
        ] {
            assert_eq!(filter.admits(&event), admitted, "{filter:?} {event:?}");
        }
    }
}
