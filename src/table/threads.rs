//! Threads: whether a process ever had another than its leader, which only the FORK of that thread
//! shows. For processes with many threads this is known soon. The kernel then does not queue the FORKs
//! of their further threads.

use super::census::Slot;
use super::follower::Follower;
use super::record::Threads;
use super::unheard::Unheard;
use super::world::World;

/// Each time that so many FORKs of a process's threads were received, the kernel is told to leave out
/// the others.
const HEARD_MAX: u8 = 16;

impl Follower {
    /// The process has one more thread.
    pub(super) fn note_thread(&mut self, slot: Slot, world: &mut impl World) {
        let record = self.census.at_mut(slot);
        let heard = match record.threads {
            Threads::LeaderAlone { .. } => 1,
            Threads::Others { heard } => heard.wrapping_add(1),
        };
        record.threads = Threads::Others { heard };
        let pid = record.process.pid;
        if heard % HEARD_MAX == 0 && !self.unheard.has(pid) {
            self.change_unheard(Unheard::add, pid, world);
        }
    }

    /// From now on, the FORKs of the threads of this pid's owner are received.
    #[inline]
    pub(super) fn hear_threads_of(&mut self, pid: i32, world: &mut impl World) {
        if self.unheard.has(pid) {
            self.change_unheard(Unheard::remove, pid, world);
        }
    }

    /// Changes which threads are heard, once the kernel has done so.
    #[inline(never)]
    fn change_unheard(
        &mut self,
        change: fn(&mut Unheard, i32, u64),
        pid: i32,
        world: &mut impl World,
    ) {
        let mut asked = self.unheard;
        change(&mut asked, pid, 0);
        if world.leave_unheard(asked.pids()) {
            change(&mut self.unheard, pid, world.clock().now_ns);
        }
    }
}
