//! What a look at a process shows. Pure.

use crate::procfs::Sight;

/// What a look at a pid shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    Shown(Sight),
    /// No process has this pid.
    Absent,
    /// A living process has this pid, and /proc does not show it to this process.
    Hidden,
}

impl Look {
    pub(super) const fn sight(&self) -> Option<&Sight> {
        match self {
            Self::Shown(sight) => Some(sight),
            Self::Absent | Self::Hidden => None,
        }
    }

    /// What the look showed of a process that is no zombie.
    pub(super) fn living(&self) -> Option<&Sight> {
        self.sight().filter(|sight| !sight.stat.condition.is_zombie())
    }
}
