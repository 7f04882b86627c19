//! Whether a process is alive.

use super::file::Tree;
use super::stat::{self, Condition};
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
    Ok(match stat::read(Tree::OWN, tgid)?.map(|stat| stat.condition) {
        None | Some(Condition::Zombie { .. }) => Liveness::Ended,
        Some(Condition::Leaderless | Condition::BetweenLeaders) => Liveness::LeaderGone,
        Some(Condition::Led) => Liveness::Alive,
    })
}
