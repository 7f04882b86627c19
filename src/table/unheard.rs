//! The processes whose threads' FORKs the kernel is told not to queue, because they have many. Pure.

use crate::protocol::bpf::UNHEARD_MAX;

/// A few processes.
#[derive(Clone, Copy)]
pub(super) struct Unheard {
    /// 0 in a free place.
    pids: [i32; UNHEARD_MAX],
    /// The pid that was in a free place is heard since this moment.
    heard: [(i32, u64); UNHEARD_MAX],
    /// The place that is taken next.
    next: usize,
    /// Every pid that is in neither list is heard since this moment.
    others_since_ns: u64,
}

impl Unheard {
    pub(super) const NONE: Self =
        Self { pids: [0; UNHEARD_MAX], heard: [(0, 0); UNHEARD_MAX], next: 0, others_since_ns: 0 };

    /// The pids, and 0 for each free place.
    pub(super) const fn pids(&self) -> &[i32; UNHEARD_MAX] {
        &self.pids
    }

    pub(super) fn has(&self, pid: i32) -> bool {
        self.pids.contains(&pid)
    }

    /// Whether the FORK of every thread that the owner of this pid had after this moment is received.
    pub(super) fn is_heard_since(&self, pid: i32, at_ns: u64) -> bool {
        let known = self.heard.iter().filter(|(heard, _)| *heard == pid);
        let since_ns = known.map(|(_, since_ns)| *since_ns).max();
        !self.has(pid) && at_ns > since_ns.unwrap_or(self.others_since_ns)
    }

    /// Adds a process that is not there, perhaps in the place of another one.
    #[inline(never)]
    pub(super) fn add(&mut self, pid: i32, now_ns: u64) {
        let places = self.pids.iter_mut().zip(&self.heard);
        let free = places.filter(|(pid, _)| **pid == 0).min_by_key(|(_, (_, since_ns))| *since_ns);
        if let Some((place, _)) = free {
            *place = pid;
        } else if let Some(place) = self.pids.get_mut(self.next) {
            let replaced = core::mem::replace(place, pid);
            for heard in self.heard.iter_mut().filter(|heard| heard.0 == replaced) {
                heard.1 = now_ns;
            }
            self.next = (self.next + 1) % UNHEARD_MAX;
            self.others_since_ns = now_ns;
        }
    }

    /// Removes a process.
    #[inline(never)]
    pub(super) fn remove(&mut self, pid: i32, now_ns: u64) {
        for (place, heard) in self.pids.iter_mut().zip(&mut self.heard) {
            if *place == pid {
                if heard.0 != pid {
                    self.others_since_ns = self.others_since_ns.max(heard.1);
                }
                *heard = (pid, now_ns);
                *place = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: i32 = UNHEARD_MAX as i32;

    fn full() -> Unheard {
        let mut unheard = Unheard::NONE;
        (1..=LAST).for_each(|pid| unheard.add(pid, 10));
        unheard
    }

    #[test]
    fn a_process_is_not_heard_while_it_is_in_the_list() {
        let mut unheard = full();
        assert!(!unheard.is_heard_since(2, 30) && unheard.is_heard_since(LAST + 1, 1));
        unheard.remove(2, 20);
        assert!(!unheard.is_heard_since(2, 20) && unheard.is_heard_since(2, 21));
        assert!(unheard.is_heard_since(LAST + 1, 1));
    }

    #[test]
    fn one_more_process_than_there_is_room_for_replaces_the_oldest_which_is_heard_from_then_on() {
        let mut unheard = full();
        unheard.add(LAST + 1, 20);
        assert!(!unheard.is_heard_since(1, 20) && unheard.is_heard_since(1, 21));
        assert!(unheard.has(2) && unheard.has(LAST + 1));
    }

    #[test]
    fn since_when_a_process_is_heard_is_not_forgotten_too_early() {
        let mut unheard = full();
        for (pid, now_ns) in [(1, 20), (2, 21)] {
            unheard.remove(pid, now_ns);
            unheard.add(LAST + pid, now_ns);
            unheard.remove(LAST + pid, now_ns + 10);
        }
        assert!(!unheard.is_heard_since(1, 20) && unheard.is_heard_since(1, 22));
    }
    #[test]
    fn a_process_that_was_heard_before_it_was_replaced_is_heard_from_then_on_only() {
        let mut unheard = Unheard::NONE;
        unheard.add(1, 10);
        unheard.remove(1, 20);
        (2..=LAST + 1).for_each(|pid| unheard.add(pid, 30));
        unheard.remove(2, 35);
        unheard.add(1, 40);
        (LAST + 2..=2 * LAST + 2).for_each(|pid| unheard.add(pid, 50));
        assert!(!unheard.has(1));
        assert!(!unheard.is_heard_since(1, 45) && unheard.is_heard_since(1, 51));
    }
}
