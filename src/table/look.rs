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

    /// The look, but a zombie is no process.
    pub(super) fn alive(self) -> Self {
        match self {
            Self::Shown(sight) if sight.stat.condition.is_zombie() => Self::Absent,
            look => look,
        }
    }
}
