//! Whether a process is alive.

use super::file::Tree;
use super::stat::{self, Condition, Stat};
use crate::errno::Errno;

/// Whether a process is alive, as /proc shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Liveness {
    /// The process has exited, is a zombie, or never existed.
    Ended,
    /// The process is alive.
    Alive,
    /// The leader has exited but other threads live on (or, for a moment, one of them is taking the
    /// leader's place by execve(2)).
    LeaderGone,
}

/// Looks the process `tgid` up.
///
/// # Errors
/// Those of [`stat::read`].
pub fn process_alive(tgid: i32) -> Result<Liveness, Errno> {
    let mut stat = Stat::NONE;
    if !stat::read(Tree::OWN, tgid, &mut stat)? {
        return Ok(Liveness::Ended);
    }
    Ok(match stat.condition {
        Condition::Zombie { .. } => Liveness::Ended,
        Condition::Leaderless | Condition::BetweenLeaders => Liveness::LeaderGone,
        Condition::Led => Liveness::Alive,
    })
}
