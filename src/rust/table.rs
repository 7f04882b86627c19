//! The process table.

use super::connector::nanoseconds;
use super::options::budget;
use super::{Result, Stats};
use crate::errno::Errno;
use crate::table::{self, Change, DEFAULT_WORK, Process, Remote, Table, field};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// How to open a process table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TableOptions {
    fields: Option<u32>,
    queue_bytes: Option<usize>,
    max_work: Option<u32>,
}

impl TableOptions {
    /// All fields, 32 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The [`field`]s to keep up to date; `PARENT` and `START` always are.
    #[must_use]
    pub fn fields(self, fields: u32) -> Self {
        Self { fields: Some(fields), ..self }
    }

    /// The queue's budget, as for [`Options::queue_bytes`](crate::Options::queue_bytes).
    #[must_use]
    pub fn queue_bytes(self, bytes: usize) -> Self {
        Self { queue_bytes: Some(bytes), ..self }
    }

    /// How many processes one call of [`ProcessTable::next`] with no time to wait may read from
    /// /proc, at 10 to 30 µs each; 64 unless told otherwise.
    #[must_use]
    pub fn max_work(self, processes: u32) -> Self {
        Self { max_work: Some(processes), ..self }
    }

    fn to_core(self) -> Result<table::TableOptions> {
        let fields = self.fields.unwrap_or(field::ALL);
        let max_work = self.max_work.unwrap_or(DEFAULT_WORK);
        if fields & !field::ALL != 0 || max_work == 0 {
            return Err(Errno(libc::EINVAL).into());
        }
        Ok(table::TableOptions {
            fields,
            budget: self.queue_bytes.map(budget).transpose()?,
            max_work,
        })
    }
}

/// A table of all processes that is kept true: list, then follow, then heal.
///
/// [`next`](Self::next) tells every process that is there (`FOUND`), then `SYNCED`, then every
/// change. Processes, not threads: each begins once and ends once, when its last thread has,
/// whatever the order of the kernel's events. When events were lost, the table reads /proc anew,
/// tells what is different, and then `SYNCED` with the number of events lost: after that nothing is
/// in doubt.
///
/// ```no_run
/// use proc_connector::{ProcessTable, change};
///
/// let mut table = ProcessTable::open()?;
/// while let Some(change) = table.next(None)? {
///     let process = change.process;
///     match change.kind {
///         change::EXECED => println!("{} now runs {}", process.pid, process.name().escape_debug()),
///         change::EXITED => println!("{} has ended: {:?}", process.pid, change.exit_status()),
///         _ => {}
///     }
/// }
/// # Ok::<(), proc_connector::Error>(())
/// ```
pub struct ProcessTable {
    shared: Arc<Remote>,
    table: Table,
}

impl ProcessTable {
    /// Opens a table with all fields.
    ///
    /// # Errors
    /// As [`ProcConnector::new`](crate::ProcConnector::new); `EACCES` if /proc is not mounted,
    /// hides processes, or is another PID namespace's; `EOPNOTSUPP` outside of the initial time
    /// namespace too.
    pub fn open() -> Result<Self> {
        Self::with(&TableOptions::new())
    }

    /// Opens a table.
    ///
    /// # Errors
    /// As for [`open`](Self::open), or `EINVAL` for options that cannot be.
    pub fn with(options: &TableOptions) -> Result<Self> {
        let (shared, table) = Table::open(&options.to_core()?)?;
        Ok(Self { shared: Arc::new(shared), table })
    }

    /// The next change; `None` if none comes in time (`None`: however long it takes). With no time
    /// to wait it may also be `None` with work left: then the descriptor is readable.
    ///
    /// # Errors
    /// As [`ProcConnector::recv_event`](crate::ProcConnector::recv_event), or what reading /proc
    /// says: `EMFILE`, `ENOMEM`. Nothing is lost then: call again.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Change>> {
        Ok(self.table.next(&self.shared, timeout.and_then(nanoseconds))?)
    }

    /// A process, as the changes told so far have left it.
    #[must_use]
    pub fn get(&self, pid: i32) -> Option<Process> {
        self.table.get(pid)
    }

    /// All processes, in the order of their pids.
    pub fn iter(&self) -> impl Iterator<Item = Process> {
        std::iter::successors(self.table.above(0), |last| self.table.above(last.pid))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.count()
    }

    /// Whether there are none, as before the first [`next`](Self::next).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps a value with a process: its [`Process::user`] from then on.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    pub fn set_user(&mut self, pid: i32, user: u64) -> Result<()> {
        Ok(self.table.set_user(pid, user)?)
    }

    /// Has the table read /proc anew, as if events had been lost: see
    /// [`remark::RECOVERED`](crate::remark::RECOVERED).
    ///
    /// # Errors
    /// `ECHILD` in a forked child.
    pub fn rescan(&mut self) -> Result<()> {
        Ok(self.table.rescan(&self.shared)?)
    }

    /// What other threads may do with the table.
    #[must_use]
    pub fn remote(&self) -> TableRemote {
        TableRemote(Arc::clone(&self.shared))
    }
}

impl AsRawFd for ProcessTable {
    fn as_raw_fd(&self) -> RawFd {
        self.shared.fd().raw()
    }
}

impl AsFd for ProcessTable {
    /// Readable while [`next`](ProcessTable::next) has something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.fd().as_fd()
    }
}

impl fmt::Debug for ProcessTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessTable").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A hold on a [`ProcessTable`] for other threads. The connector stays open as long as it lives.
#[derive(Clone)]
pub struct TableRemote(Arc<Remote>);

impl TableRemote {
    /// Ends the current or the next wait in [`ProcessTable::next`], with `ECANCELED`.
    ///
    /// # Errors
    /// `ECHILD` in a forked child.
    pub fn interrupt(&self) -> Result<()> {
        Ok(self.0.connector.interrupt()?)
    }

    /// Proves that the kernel still reports; true if it had stopped, which is repaired then, and
    /// the table heals itself. See [`ProcConnector::check`](crate::ProcConnector::check).
    ///
    /// # Errors
    /// As there.
    pub fn check(&self) -> Result<bool> {
        Ok(self.0.check()? > 0)
    }

    /// The connector's statistics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.0.connector)
    }
}

impl fmt::Debug for TableRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableRemote").finish_non_exhaustive()
    }
}

impl Process {
    /// Reads one process from /proc, without a table; `None` if it has ended or is a zombie.
    ///
    /// # Errors
    /// As for [`process_alive`](crate::process_alive).
    pub fn read(pid: impl TryInto<i32>) -> Result<Option<Self>> {
        Ok(table::read_process(pid.try_into().unwrap_or(0))?)
    }

    /// Its name, with � for what is not UTF-8.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.comm.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }
}

impl Change {
    /// How the process ended, if this is its end and that is known; with
    /// [`remark::LEADER_CODE`](crate::remark::LEADER_CODE), how its leader did.
    #[must_use]
    pub fn exit_status(&self) -> Option<std::process::ExitStatus> {
        use std::os::unix::process::ExitStatusExt;
        (self.flags & table::remark::EXIT_CODE != 0)
            .then(|| std::process::ExitStatus::from_raw(self.exit_code))
    }
}
