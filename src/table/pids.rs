//! A map from pids to numbers, in the order of the pids.
//!
//! It is a trie with 16 branches per level. Unlike a hash table, it never stops to move everything,
//! and it can be walked in order while it changes. A scan of /proc, which lists pids in the same
//! order, can be merged with it.

use crate::errno::Errno;
use crate::memory::Arena;
use core::num::NonZero;

/// Branches of a node: indices of other nodes, or, on the last level, the numbers kept. 0: none.
type Node = [u32; 16];

const ROOT: u32 = 0;
/// Where each level's four bits are in a pid.
const SHIFTS: [u32; 6] = [20, 16, 12, 8, 4, 0];
/// Above every pid: `PID_MAX_LIMIT` is 2^22 (`include/linux/threads.h`).
const LIMIT: u32 = 1 << 24;

/// A map from pids to numbers.
pub(super) struct Pids {
    nodes: Arena<Node>,
    /// The first of the free nodes, which are linked by their first branch.
    free: u32,
}

const fn branch(pid: u32, shift: u32) -> usize {
    (pid >> shift) as usize % 16
}

impl Pids {
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self { nodes: Arena::new([0; 16])?, free: 0 })
    }

    /// The number of a pid.
    pub(super) fn find(&self, pid: i32) -> Option<NonZero<u32>> {
        self.descend(u32::try_from(pid).ok()?).ok()
    }

    /// The number of the next pid above this one.
    pub(super) fn above(&self, pid: i32) -> Option<NonZero<u32>> {
        let mut pid = u32::try_from(pid).map_or(0, |pid| pid + 1);
        while pid < LIMIT {
            match self.descend(pid) {
                Ok(number) => return Some(number),
                // No pid begins with these digits: go on with the next ones.
                Err(shift) => pid = ((pid >> shift) + 1) << shift,
            }
        }
        None
    }

    /// The number of a pid, or the level on which its path ends.
    fn descend(&self, pid: u32) -> Result<NonZero<u32>, u32> {
        if pid >= LIMIT {
            return Err(0);
        }
        let (mut node, mut level) = (ROOT, 0);
        for shift in SHIFTS {
            level = shift;
            node = self.nodes.at(node)[branch(pid, shift)];
            if node == 0 {
                break;
            }
        }
        NonZero::new(node).ok_or(level)
    }

    /// Gives a pid this number.
    pub(super) fn insert(&mut self, pid: i32, number: NonZero<u32>) -> Result<(), Errno> {
        let pid = u32::try_from(pid).ok().filter(|pid| *pid < LIMIT).ok_or(Errno(libc::EINVAL))?;
        let mut node = ROOT;
        for shift in SHIFTS {
            let at = branch(pid, shift);
            if shift == 0 {
                self.nodes.at_mut(node)[at] = number.get();
            } else if self.nodes.at(node)[at] == 0 {
                let new = self.take()?;
                self.nodes.at_mut(node)[at] = new;
                node = new;
            } else {
                node = self.nodes.at(node)[at];
            }
        }
        Ok(())
    }

    /// Forgets a pid, and frees the nodes that only it needed.
    pub(super) fn remove(&mut self, pid: i32) {
        let Ok(pid) = u32::try_from(pid) else { return };
        let mut path = [ROOT; SHIFTS.len()];
        let mut node = ROOT;
        for (step, shift) in path.iter_mut().zip(SHIFTS) {
            *step = node;
            node = self.nodes.at(node)[branch(pid, shift)];
            if node == 0 {
                return;
            }
        }
        for (node, shift) in path.into_iter().rev().zip(SHIFTS.into_iter().rev()) {
            let branches = self.nodes.at_mut(node);
            branches[branch(pid, shift)] = 0;
            if node == ROOT || branches.iter().any(|branch| *branch != 0) {
                return;
            }
            branches[0] = self.free;
            self.free = node;
        }
    }

    /// An empty node.
    fn take(&mut self) -> Result<u32, Errno> {
        if self.free == 0 {
            return self.nodes.push([0; 16]);
        }
        let node = self.free;
        let branches = self.nodes.at_mut(node);
        self.free = core::mem::replace(&mut branches[0], 0);
        Ok(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Pids that share digits, and some that do not.
    fn pid() -> impl Strategy<Value = i32> {
        prop_oneof![0..40, 4080..4112, (1 << 22) - 20..(1 << 22), 0..(1 << 24)]
    }

    const fn number(number: u32) -> NonZero<u32> {
        NonZero::new(number).expect("not 0")
    }

    proptest! {
        #[test]
        fn the_trie_does_what_an_ordered_map_does(steps in prop::collection::vec((any::<bool>(), pid()), 0..300)) {
            let mut pids = Pids::new().expect("memory");
            let mut model = BTreeMap::new();
            for (number, (insert, pid)) in (1..).map(number).zip(steps) {
                if insert {
                    pids.insert(pid, number).expect("memory");
                    model.insert(pid, number);
                } else {
                    pids.remove(pid);
                    model.remove(&pid);
                }
                prop_assert_eq!(pids.find(pid), model.get(&pid).copied());
                let above = model.range(pid + 1..).next().map(|(_, number)| *number);
                prop_assert_eq!(pids.above(pid), above);
            }
            prop_assert_eq!(pids.above(-1), model.values().next().copied());
            for pid in model.into_keys() {
                pids.remove(pid);
            }
            prop_assert_eq!(pids.above(-1), None);
            prop_assert_eq!(pids.nodes.at(ROOT), &[0; 16]);
        }
    }

    #[test]
    fn nodes_that_were_freed_are_used_again() {
        let mut pids = Pids::new().expect("memory");
        let mut most = 0;
        for round in 0..50 {
            for pid in 0..1000 {
                pids.insert(pid * 97, number(1)).expect("memory");
            }
            for pid in 0..1000 {
                pids.remove(pid * 97);
            }
            let nodes = pids.nodes.push([0; 16]).expect("memory") - round;
            most = if round == 0 { nodes } else { most };
            assert_eq!(nodes, most);
        }
    }

    #[test]
    fn a_pid_out_of_range_is_an_error() {
        let mut pids = Pids::new().expect("memory");
        for pid in [-1, i32::MIN, 1 << 24, i32::MAX] {
            assert_eq!(pids.insert(pid, number(1)), Err(Errno(libc::EINVAL)));
            pids.remove(pid);
            assert_eq!(pids.find(pid), None);
        }
        assert_eq!(pids.above(i32::MAX), None);
    }
}
