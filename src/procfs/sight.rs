//! One look at a process.

use super::file::Tree;
use super::stat::{self, Stat};
use super::status::{self, Credentials};
use crate::errno::Errno;
use crate::sys::{self, monotonic_ns};

/// What one look at /proc showed of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sight {
    /// The look began at this moment.
    pub taken_ns: u64,
    pub stat: Stat,
    /// `None` if the caller did not ask for the ids.
    pub credentials: Option<Credentials>,
}

/// Where a look finds the ids of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ids {
    /// They are not asked for.
    None,
    /// In /proc/PID/status.
    Status,
    /// In what the kernel reports about a pidfd, from Linux 6.13. That takes a third of the time.
    Pidfd,
}

/// What a look at a pid shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    Shown(Sight),
    /// No process has this pid.
    Absent,
    /// A living process has this pid, and /proc does not show it to this process.
    Hidden,
}

impl Look {
    pub(crate) const fn sight(&self) -> Option<&Sight> {
        match self {
            Self::Shown(sight) => Some(sight),
            Self::Absent | Self::Hidden => None,
        }
    }

    /// What the look showed of a process that is no zombie.
    pub(crate) fn living(&self) -> Option<&Sight> {
        self.sight().filter(|sight| !sight.stat.condition.is_zombie())
    }
}

impl Sight {
    /// A sight that begins at this moment, of a process that is still to be read.
    const fn begin(taken_ns: u64) -> Self {
        Self { taken_ns, stat: Stat::NONE, credentials: None }
    }

    /// Reads the process. False if there is none.
    fn read(&mut self, tree: Tree<'_>, pid: i32, ids: Ids) -> Result<bool, Errno> {
        // Read the ids before the rest: if the pid belongs to the right process afterwards, the ids are
        // that process's, too. If an id changes after this reading, its event is younger than `taken_ns`.
        if ids != Ids::None {
            self.credentials = status::read_credentials(tree, pid, ids == Ids::Pidfd)?;
        }
        stat::read(tree, pid, &mut self.stat)
    }
}

/// Looks at a process, even at a zombie.
///
/// # Errors
/// Those that are about this program ([`Errno::is_shortage`]), not about the process.
pub(crate) fn look(tree: Tree<'_>, pid: i32, ids: Ids, look: &mut Look) -> Result<(), Errno> {
    *look = Look::Shown(Sight::begin(monotonic_ns()));
    let Look::Shown(sight) = look else { return Ok(()) };
    let result = sight.read(tree, pid, ids);
    if result == Ok(true) {
        return Ok(());
    }
    *look = Look::Absent;
    match result {
        Ok(_) | Err(Errno(libc::ESRCH)) => {}
        Err(error) if error.is_shortage() => return Err(error),
        Err(_) if tree.is_made_up || sys::is_alive(pid)? => *look = Look::Hidden,
        Err(_) => {}
    }
    Ok(())
}

/// Reads a process that has not exited, and its ids, without asking for the time; `None` if there is none.
///
/// # Errors
/// Those of [`stat::read`].
pub(crate) fn read_alive(pid: i32) -> Result<Option<Sight>, Errno> {
    let mut sight = Sight::begin(0);
    let mut before = Stat::NONE;
    for _ in 0..10 {
        if !stat::read(Tree::OWN, pid, &mut before)?
            || !sight.read(Tree::OWN, pid, Ids::Status)?
            || sight.stat.condition.is_zombie()
        {
            break;
        }
        if sight.stat.start_ns == before.start_ns {
            return Ok(Some(sight));
        }
        // The pid has another owner by now.
    }
    Ok(None)
}
