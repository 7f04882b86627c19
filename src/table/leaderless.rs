//! Processes whose leader exited while other threads live on. No event will report their exit, so a
//! pidfd is waited for.

use super::census::{Census, Slot};
use super::judge::{self, Clock, Presence};
use super::record::{Exit, ExitCode, Gone, Life, Watch};
use super::report::state;
use super::world::World;
use crate::errno::Errno;
use crate::procfs::{Condition, Look, Sight};
use crate::sys::PidfdExit;

/// Notes whether a living process has a leader. If not, its exit is waited for.
pub(super) fn settle(
    census: &mut Census,
    slot: Slot,
    is_leader_gone: bool,
    world: &mut impl World,
) {
    let record = census.at_mut(slot);
    if !is_leader_gone {
        record.process.state &= !state::LEADER_GONE;
        end_watch(census, slot, Life::Led, world);
        return;
    }
    record.process.state |= state::LEADER_GONE;
    match record.life {
        Life::Leaderless(Watch::Pidfd) => return,
        Life::Leaderless(Watch::Timer) => {}
        Life::Led | Life::Exited(_) => census.set_life(slot, Life::Leaderless(Watch::Timer)),
    }
    // If this fails, the timer tries again.
    let _ = watch(census, slot, world);
}

/// Waits for the exit of a process through its pidfd, if there may be one more.
pub(super) fn watch(census: &mut Census, slot: Slot, world: &mut impl World) -> Result<(), Errno> {
    let pid = census.pid(slot);
    let pidfd = if world.may_watch() { world.open_pidfd(pid) } else { Err(Errno(libc::EMFILE)) };
    let mut look = Look::Absent;
    world.look(pid, false, &mut look)?;
    let sight = look.sight();
    match (judge::presence(census.at(slot), &look), pidfd) {
        (Presence::Leaderless, Ok(pidfd)) => {
            world.watch(pid, pidfd)?;
            census.set_life(slot, Life::Leaderless(Watch::Pidfd));
        }
        (Presence::Leaderless, Err(_)) => {}
        (Presence::Led, _) => settle(census, slot, false, world),
        (Presence::Exited, pidfd) => {
            let is_replaced = judge::shows_other(census.at(slot), sight);
            match pidfd {
                Ok(pidfd) => note_pidfd_exit(census, slot, &pidfd, is_replaced, world),
                Err(_) => {
                    let shown = sight.filter(|sight| census.at(slot).is_same(sight));
                    let status = own_status(census, shown, world);
                    note_exit(census, slot, status, is_replaced, world.clock());
                }
            }
        }
    }
    Ok(())
}

/// Stops waiting for the exit of a process. Returns the pidfd if there was one.
pub(super) fn unwatch<W: World>(census: &Census, slot: Slot, world: &mut W) -> Option<W::Pidfd> {
    let record = census.at(slot);
    let is_watched = record.life == Life::Leaderless(Watch::Pidfd);
    if is_watched { world.unwatch(record.process.pid) } else { None }
}

/// Stops waiting for the exit of a process, because there is a leader again or it exited.
pub(super) fn end_watch(census: &mut Census, slot: Slot, life: Life, world: &mut impl World) {
    unwatch(census, slot, world);
    census.set_life(slot, life);
}

/// Looks at a process whose pidfd became readable.
pub(super) fn look_at_watched(
    census: &mut Census,
    slot: Slot,
    world: &mut impl World,
) -> Result<(), Errno> {
    let mut look = Look::Absent;
    world.look(census.pid(slot), false, &mut look)?;
    match judge::presence(census.at(slot), &look) {
        Presence::Exited => {
            let is_replaced = judge::shows_other(census.at(slot), look.sight());
            note_exit_of_watched(census, slot, is_replaced, world);
        }
        seen => {
            end_watch(census, slot, Life::Led, world);
            settle(census, slot, seen == Presence::Leaderless, world);
        }
    }
    Ok(())
}

/// A process that is watched exited; its pidfd knows how.
pub(super) fn note_exit_of_watched(
    census: &mut Census,
    slot: Slot,
    is_replaced: bool,
    world: &mut impl World,
) {
    match unwatch(census, slot, world) {
        Some(pidfd) => note_pidfd_exit(census, slot, &pidfd, is_replaced, world),
        None => note_exit(census, slot, None, is_replaced, world.clock()),
    }
}

/// The process has run another program, and exited since. If it had no leader before, its pidfd may know how
/// it exited. Otherwise the EXIT of the program's leader will tell, unless the pid was seen to have another owner
/// when the process exited: that may have run the program, and its FORK may be lost.
pub(super) fn note_exec_of_exited(census: &mut Census, slot: Slot, world: &mut impl World) {
    if census.at(slot).life == Life::Leaderless(Watch::Pidfd) {
        note_exit_of_watched(census, slot, false, world);
    }
    let record = census.at(slot);
    let is_over = record.exit().is_some_and(|exit| matches!(exit.code, ExitCode::Own(_)));
    if !is_over && !judge::was_replaced(record) {
        settle(census, slot, false, world);
    }
}

fn note_pidfd_exit<W: World>(
    census: &mut Census,
    slot: Slot,
    pidfd: &W::Pidfd,
    is_replaced: bool,
    world: &W,
) {
    // Twice, because the process may be reaped while its status is read.
    let status = (0..2).find_map(|_| match world.exit_of(pidfd) {
        PidfdExit::Status(status) => Some(status),
        PidfdExit::Unreaped => status_of_zombie(census, slot, world),
        PidfdExit::Unknown => None,
    });
    note_exit(census, slot, status, is_replaced, world.clock());
}

/// The status of a process that exited and has not been reaped.
fn status_of_zombie(census: &Census, slot: Slot, world: &impl World) -> Option<i32> {
    let mut look = Look::Absent;
    world.look(census.pid(slot), false, &mut look).ok()?;
    own_status(census, look.sight().filter(|sight| census.at(slot).is_same(sight)), world)
}

/// The status of a zombie, if it is the process's own. A reader that may not trace the process
/// always sees 0. Privileges may have been dropped since the last time; where a security module
/// forbids tracing, pid 1 was not readable either.
pub(super) fn own_status(
    census: &Census,
    sight: Option<&Sight>,
    world: &impl World,
) -> Option<i32> {
    let Condition::Zombie { status } = sight?.stat.condition else { return None };
    let reads_pid_1 = || census.find(1).is_some_and(|first| census.at(first).image.is_program());
    let is_own = world.shows_exit_status() && (status != 0 || reads_pid_1() && world.may_trace());
    is_own.then_some(status)
}

/// A process exited, with this status if it is known.
fn note_exit(
    census: &mut Census,
    slot: Slot,
    status: Option<i32>,
    is_replaced: bool,
    Clock { now_ns, .. }: Clock,
) {
    let code = status.map_or_else(|| census.at(slot).leaders_code(), ExitCode::Own);
    let exit = Some(Exit { timestamp_ns: now_ns, code });
    census.set_life(slot, Life::Exited(Gone { at_ns: now_ns, exit, is_replaced }));
}
