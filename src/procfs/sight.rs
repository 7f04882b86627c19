//! One look at a process.

use super::file::Tree;
use super::stat::{self, Stat};
use super::status::{self, Credentials};
use crate::errno::Errno;
use crate::sys::monotonic_ns;

/// What one look at /proc showed of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sight {
    /// The look began at this moment.
    pub taken_ns: u64,
    pub stat: Stat,
    /// `None` if the caller did not ask for the ids.
    pub credentials: Option<Credentials>,
}

/// Looks at a process, even at a zombie; `None` if no process has this pid, although a thread may.
///
/// # Errors
/// Those of [`stat::read`] except `ESRCH`. All but a shortage are about the process.
pub(crate) fn look(
    tree: Tree<'_>,
    pid: i32,
    with_credentials: bool,
) -> Result<Option<Sight>, Errno> {
    let taken_ns = monotonic_ns();
    // Read the ids before the rest: if the pid belongs to the right process afterwards, the ids are
    // that process's, too. If an id changes after this reading, its event is younger than `taken_ns`.
    let credentials = if with_credentials { status::read_credentials(tree, pid)? } else { None };
    match stat::read(tree, pid) {
        Err(Errno(libc::ESRCH)) => Ok(None),
        result => Ok(result?.map(|stat| Sight { taken_ns, stat, credentials })),
    }
}

/// Reads a process that has not exited, and its ids, without asking for the time.
///
/// # Errors
/// Those of [`stat::read`].
pub(crate) fn read_alive(pid: i32) -> Result<Option<(Stat, Option<Credentials>)>, Errno> {
    let living = |stat: &Stat| !stat.condition.is_zombie();
    for _ in 0..10 {
        let Some(before) = stat::read(Tree::OWN, pid)?.filter(living) else { return Ok(None) };
        let credentials = status::read_credentials(Tree::OWN, pid)?;
        if let Some(stat) = stat::read(Tree::OWN, pid)?.filter(living)
            && stat.start_ns == before.start_ns
        {
            return Ok(Some((stat, credentials)));
        }
        // The pid has another owner by now.
    }
    Ok(None)
}
