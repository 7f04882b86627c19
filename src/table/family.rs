//! Which processes belong to the family that a table reports: one process, the root, and all that
//! descend from it by birth. Pure.
//!
//! A FORK names the parent by birth. A look shows the parent of today, which may have adopted the process:
//! the kernel gives an orphan to an ancestor that is a subreaper, or to pid 1.

/// What a process is to the family. The order is that of certainty: those from `Perhaps` on are reported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Family {
    /// Its FORK or a scan, which is still to come, shows what it is.
    Unjudged,
    Outside,
    /// It is outside, and its children may be orphans of the family.
    Adopter,
    /// It may belong to the family. The event that would show it was lost.
    Perhaps,
    Member,
    Root,
}

impl Family {
    pub(super) fn is_reported(self) -> bool {
        self >= Self::Perhaps
    }

    /// What a child of this process is; `None`: it may be an orphan. `is_born`: its FORK names this parent.
    pub(super) fn child(self, is_born: bool) -> Option<Self> {
        match self {
            Self::Adopter => is_born.then_some(Self::Outside),
            family => Some(family.min(Self::Member)),
        }
    }

    /// Whether a process of this kind can adopt orphans of the family, because it is the parent of `child`.
    pub(super) fn is_adopter_of(self, child: Self) -> bool {
        matches!(child, Self::Adopter | Self::Root) && self < Self::Adopter
    }
}
