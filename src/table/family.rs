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

    /// A process that was found, and whose parent is not known or may have adopted it. `may_hear_fork`: the
    /// process's FORK will show more.
    pub(super) const fn of_orphan(may_hear_fork: bool) -> Self {
        if may_hear_fork { Self::Pending } else { Self::Perhaps }
    }

    /// A child of this process that was found. `is_adopter`: it may have adopted the child from the family;
    /// then the child is what `orphan` says, if its FORK could be heard.
    pub(super) fn found_child(self, is_adopter: bool, could_hear_fork: bool, orphan: Self) -> Self {
        if self == Self::Outside && is_adopter && could_hear_fork { orphan } else { self.child() }
    }

    /// This process when its FORK has come, which says `born`; [`Unknown`](Self::Unknown): nothing.
    pub(super) fn after_fork(self, born: Self) -> Self {
        if self == Self::Pending && born == Self::Outside { born } else { self.max(born) }
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
        for orphan in [Pending, Perhaps] {
            for parent in [Outside, Pending, Perhaps, Member, TheRoot] {
                assert_eq!(parent.found_child(false, true, orphan), parent.child());
                assert_eq!(parent.found_child(true, false, orphan), parent.child());
            }
            for parent in [Pending, Perhaps, Member, TheRoot] {
                assert_eq!(parent.found_child(true, true, orphan), parent.child());
            }
            assert_eq!(Outside.found_child(true, true, orphan), orphan);
        }
        assert_eq!((Family::of_orphan(true), Family::of_orphan(false)), (Pending, Perhaps));
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
            (Pending, Pending, Pending),
            (Outside, Pending, Pending),
            (Member, Unknown, Member),
        ] {
            assert_eq!(before.after_fork(born), after, "{before:?} {born:?}");
        }
    }
}
