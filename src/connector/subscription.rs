//! Whether the kernel reports to a handle. Pure: the caller talks to the kernel, and reports here.
//!
//! ```text
//!                pause
//! Listening ---------------> Paused
//!    |  ^      resume          |  ^
//!    |  +----------------------+  | an IGNORE is sent at last
//!    |                            |
//!    +---------------------> StillCounted
//!       pause, but no IGNORE
//!       could be sent
//! ```

/// Whether the kernel reports to a handle, and what is known of its deafness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Subscription {
    state: State,
    /// The moment since which the kernel may have been deaf; `None` if no deafness was found, or
    /// the last one was repaired. A pause does not clear this: once the kernel reports again, the
    /// deafness is announced.
    deaf_since: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The kernel counts this handle as a listener, and the filter admits events. `alive_ns` is
    /// when the kernel was last known to report.
    Listening { alive_ns: u64 },
    /// The kernel does not count this handle.
    Paused,
    /// Nothing passes the filter, but the kernel still counts this handle, because the IGNORE could
    /// not be sent. One IGNORE is still to be sent.
    StillCounted,
}

impl Subscription {
    /// The kernel has acknowledged a subscription at `now_ns`.
    pub(super) const fn proven(now_ns: u64) -> Self {
        Self { state: State::Listening { alive_ns: now_ns }, deaf_since: None }
    }

    pub(super) const fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening { .. })
    }

    /// Whether the kernel counts this handle, so that one IGNORE is still to be sent.
    pub(super) const fn is_counted(&self) -> bool {
        !matches!(self.state, State::Paused)
    }

    pub(super) const fn is_deaf(&self) -> bool {
        self.deaf_since.is_some()
    }

    /// The kernel was found deaf, perhaps since the moment when it was last known to report.
    pub(super) fn note_deafness(&mut self) {
        if let State::Listening { alive_ns } = self.state {
            self.deaf_since.get_or_insert(alive_ns);
        }
    }

    /// Nothing passes the filter any more. `is_counted` is whether the kernel still counts this
    /// handle.
    pub(super) const fn pause(&mut self, is_counted: bool) {
        self.state = if is_counted { State::StillCounted } else { State::Paused };
    }

    /// The kernel reports to this handle at `now_ns`. Returns since when it may have been deaf,
    /// which is to be announced.
    pub(super) const fn resume(&mut self, now_ns: u64) -> Option<u64> {
        self.state = State::Listening { alive_ns: now_ns };
        self.deaf_since.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deafness_dates_from_the_last_proof_and_is_kept_until_the_kernel_reports() {
        let mut subscription = Subscription::proven(100);
        assert_eq!(subscription.resume(200), None);
        subscription.note_deafness();
        subscription.note_deafness();
        assert_eq!(subscription.deaf_since, Some(200));
        assert_eq!(subscription.resume(300), Some(200));
        assert_eq!(subscription, Subscription::proven(300));
    }

    #[test]
    fn a_pause_keeps_a_deafness_that_has_not_been_announced() {
        for is_counted in [false, true] {
            let mut subscription = Subscription::proven(100);
            subscription.note_deafness();
            subscription.pause(is_counted);
            assert_eq!(subscription.deaf_since, Some(100));
            assert_eq!(subscription.resume(300), Some(100));
        }
    }

    #[test]
    fn a_paused_subscription_has_no_deafness_to_note() {
        let mut subscription = Subscription::proven(100);
        subscription.pause(false);
        subscription.note_deafness();
        assert_eq!(subscription.deaf_since, None);
    }

    #[test]
    fn the_kernel_counts_a_handle_until_an_ignore_is_sent() {
        let mut subscription = Subscription::proven(100);
        assert!(subscription.is_listening() && subscription.is_counted());
        subscription.pause(true);
        assert!(!subscription.is_listening() && subscription.is_counted());
        subscription.pause(false);
        assert!(!subscription.is_listening() && !subscription.is_counted());
    }
}
