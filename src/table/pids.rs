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
/// Each level has four bits of a pid, and the last level, 0, the lowest ones.
const LEVELS: usize = 6;
/// Above every pid: `PID_MAX_LIMIT` is 2^22 (`include/linux/threads.h`).
const LIMIT: u32 = 1 << (4 * LEVELS);

/// A map from pids to numbers.
pub(super) struct Pids {
    nodes: Arena<Node>,
    /// The first of the free nodes, which are linked by their first branch.
    free: u32,
}

const fn branch(pid: u32, level: usize) -> usize {
    (pid >> (4 * level)) as usize % 16
}

impl Pids {
    #[inline]
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self { nodes: Arena::new([0; 16], 0)?, free: 0 })
    }

    /// The number of a pid.
    #[inline(never)]
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
                Err(level) => pid = ((pid >> (4 * level)) + 1) << (4 * level),
            }
        }
        None
    }

    /// The number of a pid, or the level on which its path ends.
    fn descend(&self, pid: u32) -> Result<NonZero<u32>, usize> {
        if pid >= LIMIT {
            return Err(0);
        }
        let (mut node, mut level) = (ROOT, LEVELS);
        while level > 0 {
            level -= 1;
            node = self.nodes.at(node)[branch(pid, level)];
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
        for level in (1..LEVELS).rev() {
            let at = branch(pid, level);
            let mut next = self.nodes.at(node)[at];
            if next == 0 {
                next = self.take()?;
                self.nodes.at_mut(node)[at] = next;
            }
            node = next;
        }
        self.nodes.at_mut(node)[branch(pid, 0)] = number.get();
        Ok(())
    }

    /// Forgets a pid, and frees the nodes that only it needed.
    pub(super) fn remove(&mut self, pid: i32) {
        let Ok(pid) = u32::try_from(pid) else { return };
        let mut path = [ROOT; LEVELS];
        let mut node = ROOT;
        for (level, step) in path.iter_mut().enumerate().rev() {
            *step = node;
            node = self.nodes.at(node)[branch(pid, level)];
            if node == 0 {
                return;
            }
        }
        for (level, node) in path.into_iter().enumerate() {
            let branches = self.nodes.at_mut(node);
            branches[branch(pid, level)] = 0;
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
