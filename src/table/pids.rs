//! From pids to numbers, in the order of the pids.
//!
//! A trie with 16 branches per level. Unlike a hash table it never stops to move everything, it
//! can be walked in order while it changes, and a scan of /proc, which is in the same order, can be
//! merged with it.

use crate::errno::Errno;
use crate::memory::Arena;

/// Branches of a node: indices of other nodes, or, on the last level, the numbers kept. 0: none.
type Node = [u32; 16];

const ROOT: u32 = 0;
/// Where each level's four bits are in a pid.
const SHIFTS: [u32; 6] = [20, 16, 12, 8, 4, 0];
/// Above every pid: `PID_MAX_LIMIT` is 2^22 (`include/linux/threads.h`).
const LIMIT: u32 = 1 << 24;

/// A map from pids to numbers other than 0.
pub(crate) struct Pids {
    nodes: Arena<Node>,
    /// The first of the free nodes, which hang together by their first branch.
    free: u32,
}

const fn branch(pid: u32, shift: u32) -> usize {
    (pid >> shift) as usize % 16
}

impl Pids {
    pub(crate) fn new() -> Result<Self, Errno> {
        Ok(Self { nodes: Arena::new([0; 16])?, free: 0 })
    }

    /// The number of a pid; 0 if it has none.
    pub(crate) fn find(&self, pid: i32) -> u32 {
        u32::try_from(pid).map_or(0, |pid| self.descend(pid).unwrap_or(0))
    }

    /// The number of the next pid above this one; 0 if there is none.
    pub(crate) fn next(&self, after: i32) -> u32 {
        let mut pid = u32::try_from(after).map_or(0, |after| after + 1);
        while pid < LIMIT {
            match self.descend(pid) {
                Ok(number) => return number,
                // Nothing begins with these digits: on to the next ones.
                Err(shift) => pid = ((pid >> shift) + 1) << shift,
            }
        }
        0
    }

    /// The number of a pid, or the level on which there is none.
    fn descend(&self, pid: u32) -> Result<u32, u32> {
        if pid >= LIMIT {
            return Err(0);
        }
        let mut node = ROOT;
        for shift in SHIFTS {
            node = self.nodes.at(node)[branch(pid, shift)];
            if node == 0 {
                return Err(shift);
            }
        }
        Ok(node)
    }

    /// Gives a pid this number.
    pub(crate) fn insert(&mut self, pid: i32, number: u32) -> Result<(), Errno> {
        let pid = u32::try_from(pid).ok().filter(|pid| *pid < LIMIT).ok_or(Errno(libc::EINVAL))?;
        let mut node = ROOT;
        for shift in SHIFTS {
            let at = branch(pid, shift);
            if shift == 0 {
                self.nodes.at_mut(node)[at] = number;
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

    /// Forgets a pid, and the nodes that only it needed.
    pub(crate) fn remove(&mut self, pid: i32) {
        let Ok(pid) = u32::try_from(pid) else { return };
        let mut path = [ROOT; SHIFTS.len()];
        let mut node = ROOT;
        for (place, shift) in path.iter_mut().zip(SHIFTS) {
            *place = node;
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

    proptest! {
        #[test]
        fn it_does_what_a_map_does(steps in prop::collection::vec((any::<bool>(), pid()), 0..300)) {
            let mut pids = Pids::new().expect("memory");
            let mut model = BTreeMap::new();
            for (number, (insert, pid)) in (1..).zip(steps) {
                if insert {
                    pids.insert(pid, number).expect("memory");
                    model.insert(pid, number);
                } else {
                    pids.remove(pid);
                    model.remove(&pid);
                }
                prop_assert_eq!(pids.find(pid), model.get(&pid).copied().unwrap_or(0));
                let above = model.range(pid + 1..).next().map_or(0, |(_, number)| *number);
                prop_assert_eq!(pids.next(pid), above);
            }
            prop_assert_eq!(pids.next(-1), model.values().next().copied().unwrap_or(0));
            for pid in model.into_keys() {
                pids.remove(pid);
            }
            prop_assert_eq!(pids.next(-1), 0);
            prop_assert_eq!(pids.nodes.at(ROOT), &[0; 16]);
        }
    }

    #[test]
    fn nodes_are_used_again() {
        let mut pids = Pids::new().expect("memory");
        let mut most = 0;
        for round in 0..50 {
            for pid in 0..1000 {
                pids.insert(pid * 97, 1).expect("memory");
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
    fn no_pid_is_out_of_range_by_more_than_an_error() {
        let mut pids = Pids::new().expect("memory");
        for pid in [-1, i32::MIN, 1 << 24, i32::MAX] {
            assert_eq!(pids.insert(pid, 1), Err(Errno(libc::EINVAL)));
            pids.remove(pid);
            assert_eq!(pids.find(pid), 0);
        }
        assert_eq!(pids.next(i32::MAX), 0);
    }
}
