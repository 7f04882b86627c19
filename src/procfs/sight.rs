//! One look at a process.

use super::file::Tree;
use super::stat::{self, Stat};
use super::status::{self, Credentials};
use crate::errno::Errno;
use crate::sys::{self, inode_of, monotonic_ns, pidfd, pidfd_inode};

/// What one look at /proc showed of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sight {
    /// The look began at this moment.
    pub taken_ns: u64,
    pub stat: Stat,
    /// `None` if the caller did not ask for the ids.
    pub credentials: Option<Credentials>,
    /// The inode of the process's pidfds, which no other process has; 0: not asked for, or not known.
    pub pidfd_inode: u64,
}

/// What a look shows besides /proc/PID/stat, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wanted {
    /// The ids of the process.
    pub ids: bool,
    /// The inode of its pidfds. Set this only on a kernel that gives each process an inode of its own.
    pub inode: bool,
    /// Ask the pidfd for the inode and for the ids. From Linux 6.13 on, a pidfd reports the ids in a third of the
    /// time that /proc/PID/status takes.
    pub pidfd: bool,
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
        Self { taken_ns, stat: Stat::NONE, credentials: None, pidfd_inode: 0 }
    }

    /// Asks a pidfd. It is closed then, because there may be no second descriptor for a file.
    fn ask_pidfd(&mut self, pid: i32, wanted: Wanted) -> Result<(), Errno> {
        let opened = match pidfd(pid) {
            Ok(pidfd) => pidfd,
            // No process has this pid, so nothing else needs to be read. pidfd_open() alone does not show that:
            // it also fails between two leaders, when a thread other than the leader runs a program.
            Err(error @ Errno(libc::ESRCH)) if !sys::leader_exists(pid) => return Err(error),
            Err(_) => return Ok(()),
        };
        if wanted.inode {
            self.pidfd_inode = inode_of(&opened);
        }
        if wanted.ids {
            self.credentials = status::ask_pidfd(&opened);
        }
        Ok(())
    }

    /// Reads the process. False if there is none.
    fn read(&mut self, tree: Tree<'_>, pid: i32, wanted: Wanted) -> Result<bool, Errno> {
        // Read the ids before the rest: if the pid belongs to the right process afterwards, the ids are
        // that process's, too. If an id changes after this reading, its event is younger than `taken_ns`.
        self.credentials = None;
        if wanted.pidfd {
            self.ask_pidfd(pid, wanted)?;
        }
        if wanted.ids && self.credentials.is_none() {
            self.credentials = status::read_credentials(tree, pid)?;
        }
        let is_shown = stat::read(tree, pid, &mut self.stat)?;
        // The process still had its pid when /proc was read if it has it now: a process that was reaped never gets
        // its pid back.
        if self.pidfd_inode != 0 && pidfd_inode(pid) != Ok(self.pidfd_inode) {
            (self.pidfd_inode, self.credentials) = (0, None);
        }
        Ok(is_shown)
    }
}

/// Looks at a process, even at a zombie.
///
/// # Errors
/// Those that are about this program ([`Errno::is_shortage`]), not about the process.
pub(crate) fn look(tree: Tree<'_>, pid: i32, wanted: Wanted, look: &mut Look) -> Result<(), Errno> {
    *look = Look::Shown(Sight::begin(monotonic_ns()));
    let Look::Shown(sight) = look else { return Ok(()) };
    let result = sight.read(tree, pid, wanted);
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
    let wanted = Wanted { ids: true, inode: false, pidfd: false };
    for _ in 0..10 {
        if !stat::read(Tree::OWN, pid, &mut before)?
            || !sight.read(Tree::OWN, pid, wanted)?
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
