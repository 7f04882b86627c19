//! A change by its kind.

use crate::protocol::texts;
use crate::table::{Change, Process, change, format, remark};
use std::ffi::CStr;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// What a change reports, as [`Change::view`] returns it. Each variant has what its kind is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChangeView<'a> {
    /// The process was running when the table read /proc for the first time: before the first SYNCED.
    Found(&'a Process),
    /// The process started.
    Started(&'a Process),
    /// The process runs a new program.
    Execed(&'a Process),
    /// The leader has another name.
    Renamed(&'a Process),
    /// The process has other user or group ids.
    Credentials(&'a Process),
    /// The process is in another session.
    Session(&'a Process),
    /// The parent exited, and the process has another one.
    Reparented(&'a Process),
    /// The process exited: its last thread is gone.
    ///
    /// [`ProcessTable::command`](crate::ProcessTable::command) returns what the process ran. The run time is not
    /// simply [`Change::timestamp_ns`] minus [`Process::start_boottime_ns`]: only the second clock counts the time that
    /// the machine sleeps. The page `docs/who-ran-what.md` of the repository converts one to the other.
    Exited {
        /// The process as it last was.
        process: &'a Process,
        /// How the process exited; `None` if that is not known.
        status: Option<ExitStatus>,
        /// The status is from the leader's EXIT. It is the process's own too, unless another thread
        /// outlived the leader and exited with a different one.
        from_leader: bool,
    },
    /// The process exited, as a reading of /proc has shown. How it exited is not known.
    Vanished(&'a Process),
    /// The table agrees with /proc, and every difference has been reported. If more events were lost
    /// meanwhile, `Unsynced` follows at once.
    Synced {
        /// How many events were lost since the last SYNCED.
        lost: u64,
        /// The earliest time at which one may be missing, in nanoseconds of `CLOCK_MONOTONIC`; 0 if
        /// no events were lost.
        since_ns: u64,
        /// The kernel reported to no listener for a while, so `lost` is not the whole number.
        is_deaf: bool,
        /// How many processes are [`state::HIDDEN`](crate::state::HIDDEN). If this is not 0, there may
        /// be others of which the table knows nothing.
        hidden: u32,
    },
    /// The table may differ from /proc from here on, until the next SYNCED: events were lost, or a
    /// rescan was asked for.
    Unsynced {
        /// How many events were lost so far.
        lost: u64,
        /// The earliest time at which an event may be missing, in nanoseconds of `CLOCK_MONOTONIC`;
        /// 0 if no events were lost.
        since_ns: u64,
    },
    /// A change of a kind that this version does not know.
    Unknown {
        /// The number of the kind.
        kind: u32,
    },
}

impl Default for Change {
    /// Returns a change of no kind, whose fields are all zero.
    ///
    /// Set its fields to make changes up in tests, such as a loss or a deaf kernel, which a socket pair cannot cause.
    /// `Change { kind, ..Change::default() }` does not compile, because some fields are private.
    ///
    /// ```
    /// use proc_connector::{Change, ChangeView, change, remark};
    ///
    /// let mut deaf = Change::default();
    /// deaf.kind = change::SYNCED;
    /// deaf.flags = remark::DEAF;
    /// assert!(matches!(deaf.view(), ChangeView::Synced { is_deaf: true, .. }));
    /// ```
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Default for Process {
    /// Returns a process whose fields are all zero. Set its fields to make processes up in tests: `Process { pid,
    /// ..Process::default() }` does not compile, because some fields are private.
    ///
    /// ```
    /// use proc_connector::Process;
    ///
    /// let mut process = Process::default();
    /// process.pid = 100;
    /// process.comm[..5].copy_from_slice(b"shell");
    /// assert_eq!(process.name(), "shell");
    /// ```
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Change {
    /// Returns what the change reports, by its kind.
    #[must_use]
    pub fn view(&self) -> ChangeView<'_> {
        let Self { lost, since_ns, hidden, ref process, .. } = *self;
        match self.kind {
            change::FOUND => ChangeView::Found(process),
            change::STARTED => ChangeView::Started(process),
            change::EXECED => ChangeView::Execed(process),
            change::RENAMED => ChangeView::Renamed(process),
            change::CREDENTIALS => ChangeView::Credentials(process),
            change::SESSION => ChangeView::Session(process),
            change::REPARENTED => ChangeView::Reparented(process),
            change::EXITED => ChangeView::Exited {
                process,
                status: self.exit_status(),
                from_leader: self.flags & remark::LEADER_CODE != 0,
            },
            change::VANISHED => ChangeView::Vanished(process),
            change::SYNCED => {
                let is_deaf = self.flags & remark::DEAF != 0;
                ChangeView::Synced { lost, since_ns, is_deaf, hidden }
            }
            change::UNSYNCED => ChangeView::Unsynced { lost, since_ns },
            kind => ChangeView::Unknown { kind },
        }
    }

    /// Returns how the process exited, if this change is `EXITED` and the status is known. With
    /// [`remark::LEADER_CODE`](crate::remark::LEADER_CODE) the status is from the leader's exit.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        (self.flags & remark::EXIT_CODE != 0).then(|| ExitStatus::from_raw(self.exit_code))
    }

    /// Returns the name of a kind, a lower-case word. For kinds of later versions, that is
    /// "unknown".
    #[must_use]
    pub const fn name(kind: u32) -> &'static CStr {
        texts::c_str(format::name(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: Process = Process { pid: 7, ..Process::EMPTY };

    fn made(kind: u32, flags: u32) -> Change {
        Change { kind, flags, exit_code: 3 << 8, process: PROCESS, ..Change::EMPTY }
    }

    #[test]
    fn the_view_of_a_change_has_what_its_kind_is_about() {
        for (kind, view) in [
            (change::FOUND, ChangeView::Found(&PROCESS)),
            (change::STARTED, ChangeView::Started(&PROCESS)),
            (change::EXECED, ChangeView::Execed(&PROCESS)),
            (change::RENAMED, ChangeView::Renamed(&PROCESS)),
            (change::CREDENTIALS, ChangeView::Credentials(&PROCESS)),
            (change::SESSION, ChangeView::Session(&PROCESS)),
            (change::REPARENTED, ChangeView::Reparented(&PROCESS)),
            (change::VANISHED, ChangeView::Vanished(&PROCESS)),
            (99, ChangeView::Unknown { kind: 99 }),
        ] {
            assert_eq!(made(kind, 0).view(), view);
        }
    }

    #[test]
    fn the_view_of_an_exit_has_the_status_only_if_it_is_known_and_says_whose_it_is() {
        let (process, known) = (&PROCESS, remark::EXIT_CODE);
        let status = Some(ExitStatus::from_raw(3 << 8));
        for (flags, status, from_leader) in
            [(0, None, false), (known, status, false), (known | remark::LEADER_CODE, status, true)]
        {
            let exited = made(change::EXITED, flags);
            assert_eq!(exited.view(), ChangeView::Exited { process, status, from_leader });
        }
    }

    #[test]
    fn the_view_of_a_change_about_the_table_has_the_loss() {
        let (lost, since_ns, hidden) = (5, 6, 8);
        let made = |kind, flags| Change { kind, flags, lost, since_ns, hidden, ..Change::EMPTY };
        for (flags, is_deaf) in [(0, false), (remark::RECOVERED | remark::DEAF, true)] {
            let synced = made(change::SYNCED, flags);
            assert_eq!(synced.view(), ChangeView::Synced { lost, since_ns, is_deaf, hidden });
        }
        assert_eq!(made(change::UNSYNCED, 0).view(), ChangeView::Unsynced { lost, since_ns });
    }

    #[test]
    fn a_change_is_printed_as_one_line_and_a_kind_has_a_name() {
        let exited = made(change::EXITED, remark::EXIT_CODE);
        assert_eq!(exited.to_string(), "exited pid=7 status=3 ts=0.000000000");
        assert_eq!(Change::name(change::UNSYNCED), c"unsynced");
        assert_eq!(Change::name(99), c"unknown");
    }
}
