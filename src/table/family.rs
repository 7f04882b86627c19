//! Which processes belong to the family that a table reports: one process, the root, and all that
//! descend from it by birth. Pure.
//!
//! A FORK names the parent by birth. A look shows the parent of today, which may have adopted the process.
//! The kernel gives an orphan to an ancestor that is a subreaper, or to pid 1. So a process outside of
//! the family adopts from it only if it is pid 1 or an ancestor of the root: an adopter.

/// What a process is to the family. The order is that of certainty: those from `Perhaps` on are reported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Family {
    /// It was found, and has not been judged.
    Unknown,
    Outside,
    /// It may be an orphan of the family. Its FORK, which is still to come, names the parent by birth. Until
    /// then, and if no FORK comes, it is outside.
    Pending,
    /// It may belong to the family. The event that would show it was lost.
    Perhaps,
    Member,
    Root,
}

/// How long a task may be preempted after /proc shows its child and before it generates the FORK.
pub(super) const PREEMPTED_NS: u64 = 1_000_000_000;

/// The process whose family is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Root {
    /// When it started: `CLOCK_BOOTTIME`.
    pub start_ns: u64,
    /// When the table was opened: `CLOCK_BOOTTIME`.
    pub opened_ns: u64,
}

impl Root {
    /// What is known of a process by its start alone. `start_ns` is `None` if that is unknown.
    pub(super) fn judge_start(&self, pid: i32, start_ns: Option<u64>) -> Family {
        if pid == 1 || start_ns.is_some_and(|start_ns| start_ns < self.start_ns) {
            Family::Outside
        } else {
            Family::Unknown
        }
    }

    /// Whether the FORK of a process that was found may come.
    pub(super) fn may_hear_fork(&self, start_ns: Option<u64>) -> bool {
        start_ns.is_none_or(|start_ns| start_ns.saturating_add(PREEMPTED_NS) >= self.opened_ns)
    }
}

impl Family {
    pub(super) fn is_reported(self) -> bool {
        self >= Self::Perhaps
    }

    /// A child that was born to this process.
    pub(super) fn child(self) -> Self {
        self.min(Self::Member)
    }

    /// A process that a look showed with this parent, and whether that adopts; `None`: the parent is not known.
    /// `may_hear_fork`: its FORK may come; `is_fork_lost`: its FORK may be lost.
    pub(super) fn of_found(
        parent: Option<(Self, bool)>,
        may_hear_fork: bool,
        is_fork_lost: bool,
    ) -> Self {
        match parent {
            Some((parent, is_adopter))
                if parent >= Self::Perhaps || parent == Self::Outside && !is_adopter =>
            {
                parent.child()
            }
            _ if is_fork_lost => Self::Perhaps,
            Some((Self::Outside, _)) if !may_hear_fork => Self::Outside,
            _ => Self::Pending,
        }
    }

    /// This process when its FORK has come, which says `born`; [`Unknown`](Self::Unknown): nothing. What was
    /// reported stays reported.
    pub(super) fn after_fork(self, born: Self) -> Self {
        match born {
            Self::Unknown => self,
            Self::Perhaps | Self::Member => self.max(born),
            _ if self == Self::Pending => born,
            _ => self,
        }
    }

    /// Whether the parent of this process is an adopter, unless it is of the family itself.
    pub(super) const fn has_adopter(self) -> bool {
        matches!(self, Self::Member | Self::Root)
    }
}

#[cfg(test)]
mod tests {
    use super::Family::{Member, Outside, Pending, Perhaps, Root as TheRoot, Unknown};
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const ROOT: Root = Root { start_ns: 20 * SECOND, opened_ns: 50 * SECOND };

    #[test]
    fn what_started_before_the_root_is_outside() {
        assert_eq!(ROOT.judge_start(71, Some(20 * SECOND - 1)), Outside);
        assert_eq!(ROOT.judge_start(71, Some(20 * SECOND)), Unknown);
        assert_eq!(ROOT.judge_start(71, None), Unknown);
        assert_eq!(ROOT.judge_start(1, None), Outside);
    }

    #[test]
    fn a_fork_may_come_unless_the_process_started_long_before_the_table_was_opened() {
        assert!(
            !ROOT.may_hear_fork(Some(49 * SECOND - 1)) && ROOT.may_hear_fork(Some(49 * SECOND))
        );
        assert!(ROOT.may_hear_fork(None));
    }

    #[test]
    fn who_is_born_to_a_member_is_one() {
        for (parent, child) in [
            (TheRoot, Member),
            (Member, Member),
            (Perhaps, Perhaps),
            (Pending, Pending),
            (Outside, Outside),
        ] {
            assert_eq!(parent.child(), child);
        }
    }

    #[test]
    fn who_is_found_is_what_its_parent_is_unless_that_may_have_adopted_it() {
        // The parent; the child whose FORK may come, will not come, and may be lost.
        for (parent, children) in [
            (Some((TheRoot, false)), [Member, Member, Member]),
            (Some((Member, true)), [Member, Member, Member]),
            (Some((Perhaps, true)), [Perhaps, Perhaps, Perhaps]),
            (Some((Outside, false)), [Outside, Outside, Outside]),
            (Some((Outside, true)), [Pending, Outside, Perhaps]),
            (Some((Pending, false)), [Pending, Pending, Perhaps]),
            (None, [Pending, Pending, Perhaps]),
        ] {
            let ways = [(true, false), (false, false), (true, true)];
            let found = ways.map(|(may_come, is_lost)| Family::of_found(parent, may_come, is_lost));
            assert_eq!(found, children, "{parent:?}");
        }
    }

    #[test]
    fn a_fork_decides_but_takes_nothing_back() {
        for (before, born, after) in [
            (Pending, Member, Member),
            (Pending, Perhaps, Perhaps),
            (Pending, Outside, Outside),
            (Outside, Member, Member),
            (Perhaps, Member, Member),
            (Perhaps, Outside, Perhaps),
            (Member, Outside, Member),
            (Member, Perhaps, Member),
            (TheRoot, Member, TheRoot),
            (TheRoot, Outside, TheRoot),
            (Pending, Unknown, Pending),
            (Member, Unknown, Member),
        ] {
            assert_eq!(before.after_fork(born), after, "{before:?} {born:?}");
        }
    }
}
