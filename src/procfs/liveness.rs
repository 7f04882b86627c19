//! Whether a process lives.

use super::stat::{self, Condition};
use crate::errno::Errno;

/// What /proc says about a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Liveness {
    /// The process exited; it may be a zombie.
    Ended,
    /// The process lives.
    Alive,
    /// The leader exited, but other threads live on.
    LeaderGone,
}

/// Looks the process `tgid` up.
///
/// # Errors
/// As for [`stat::read`].
pub fn process_alive(tgid: i32) -> Result<Liveness, Errno> {
    Ok(match stat::read(tgid)?.map(|stat| stat.condition) {
        None | Some(Condition::Zombie { .. }) => Liveness::Ended,
        Some(Condition::Leaderless | Condition::BetweenLeaders) => Liveness::LeaderGone,
        Some(Condition::Led) => Liveness::Alive,
    })
}
