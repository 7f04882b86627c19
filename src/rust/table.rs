//! The process table.

use super::connector::nanoseconds;
use super::options::{budget, microseconds};
use super::text::texts_of;
use super::{Error, Result, Stats};
use crate::errno::Errno;
use crate::procfs::{Owner, TextKind, kept};
use crate::sys::Fd;
use crate::table::{
    self, Change, DEFAULT_WATCHES, DEFAULT_WORK, MAX_TEXT_BYTES, Process, Remote, Table, field,
};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How to open a process table.
///
/// The lifetime is that of the directory which [`proc_fd`](Self::proc_fd) borrows. Options without one have
/// any lifetime, such as `'static`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TableOptions<'fd> {
    fields: Option<u32>,
    queue_bytes: Option<usize>,
    max_work: Option<u32>,
    family: Option<i32>,
    ignores_threads: bool,
    pidfd_inodes: bool,
    is_subscribed: bool,
    max_watches: Option<u32>,
    spin: Duration,
    text_bytes: u32,
    proc_fd: Option<RawFd>,
    /// Keeps `proc_fd` open. (A `BorrowedFd` cannot be compared, but these options can.)
    borrowed: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> TableOptions<'fd> {
    /// Keeps all fields, with a queue of 36 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The [`field`]s to keep up to date; by default all. `PARENT` and `START` always are. Without `CREDENTIALS`
    /// each process costs one read of /proc less.
    ///
    /// With 0, the table keeps `PARENT` and `START` only. (In C, 0 stands for all fields.)
    #[must_use]
    pub fn fields(self, fields: u32) -> Self {
        Self { fields: Some(fields), ..self }
    }

    /// The budget of the queue, as in [`Options::queue_bytes`](crate::Options::queue_bytes). With 0, opening fails
    /// with `EINVAL`. (In C, 0 stands for the default.)
    #[must_use]
    pub fn queue_bytes(self, bytes: usize) -> Self {
        Self { queue_bytes: Some(bytes), ..self }
    }

    /// How many processes one call of [`ProcessTable::next`] may read from /proc, at 10 to 30 µs
    /// each; by default 64. With 0, opening fails with `EINVAL`. (In C, 0 stands for the default.)
    #[must_use]
    pub fn max_work(self, processes: u32) -> Self {
        Self { max_work: Some(processes), ..self }
    }

    /// How many processes that live on without their leaders the table may wait for, with a descriptor
    /// each; by default 64. It looks at any others ten times a second, 32 at a time. Every user can
    /// make such processes.
    ///
    /// With 0, the table waits for none. (In C, 0 stands for the default.)
    #[must_use]
    pub fn max_watches(self, processes: u32) -> Self {
        Self { max_watches: Some(processes), ..self }
    }

    /// How long [`ProcessTable::next`] waits without sleeping, as in
    /// [`Options::spin`](crate::Options::spin).
    #[must_use]
    pub fn spin(self, time: Duration) -> Self {
        Self { spin: time, ..self }
    }

    /// Makes the table report only this process, which must exist, and its descendants by birth, no matter who their
    /// parents are now: also orphans, daemons that forked twice, and children of subreapers. The process
    /// may exit before them. A process that may belong to the family, because the event that would show it was
    /// lost, is [`state::PERHAPS`](crate::state::PERHAPS). [`ProcessTable::len`] is the number of those
    /// that live.
    ///
    /// Opening fails with `EINVAL` if `pid` is 1 or less, and with `ESRCH` if no process has this id. (In C, 0
    /// stands for no family.)
    ///
    /// ```no_run
    /// use proc_connector::{ProcessTable, TableOptions};
    ///
    /// /// Waits until a job and all that it has started are gone.
    /// fn wait_for_all_of(job: i32) -> proc_connector::Result<()> {
    ///     let mut table = ProcessTable::with(&TableOptions::new().family(job))?;
    ///     while !table.is_synced() || table.len() > 0 {
    ///         table.next(None)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn family(self, pid: i32) -> Self {
        Self { family: Some(pid), ..self }
    }

    /// How many bytes the table keeps of the command line and the executable of each process together, with
    /// a terminator each: see [`ProcessTable::command`]. By default none; at most 8,388,608, or opening fails with
    /// `EINVAL`.
    ///
    /// With these texts, a program can log which command failed. The page `docs/who-ran-what.md` of the repository
    /// shows how, and also how to compute how long the process ran.
    #[must_use]
    pub fn text_bytes(self, bytes: u32) -> Self {
        Self { text_bytes: bytes, ..self }
    }

    /// Identifies each process by the inode of its pidfds ([`Process::pidfd_inode`]), which no other process has.
    /// Then the table does not take a process for an earlier owner of its pid that started within the same 10 ms.
    /// Reading a process takes 10 to 14 µs. This adds 5 µs if the table reads ids through a pidfd anyway
    /// (`CREDENTIALS`, from Linux 6.15 on), and 8 µs otherwise. Before Linux 6.9, this changes nothing.
    #[must_use]
    pub fn pidfd_inodes(self) -> Self {
        Self { pidfd_inodes: true, ..self }
    }

    /// The previous owner of the socket that [`ProcessTable::from_fd`] adopts has subscribed it.
    /// [`ProcessTable::with`] fails with `EINVAL`, because it adopts none.
    #[must_use]
    pub fn subscribed(self) -> Self {
        Self { is_subscribed: true, ..self }
    }

    /// Makes the table read this directory instead of /proc: the host's /proc at another path, or in tests a
    /// directory with made-up processes (see [`ProcessTable::from_fd`]). A table of the kernel's events refuses a
    /// directory that does not show pid 1 and this process (`EACCES`).
    ///
    /// The descriptor stays the caller's. It is borrowed for as long as these options exist, but not by the
    /// table, which opens the directory again. So it may be closed once the table is open:
    ///
    /// ```no_run
    /// use proc_connector::{ProcessTable, TableOptions};
    /// use std::{fs::File, os::fd::AsFd};
    ///
    /// let host = File::open("/host/proc")?;
    /// let table = ProcessTable::with(&TableOptions::new().proc_fd(host.as_fd()))?;
    /// drop(host);
    /// # drop(table);
    /// # Ok::<(), proc_connector::Error>(())
    /// ```
    ///
    /// Options whose directory has been closed do not compile:
    ///
    /// ```compile_fail,E0505
    /// # use proc_connector::{ProcessTable, TableOptions};
    /// # use std::{fs::File, os::fd::AsFd};
    /// # let host = File::open("/host/proc")?;
    /// let options = TableOptions::new().proc_fd(host.as_fd());
    /// drop(host);
    /// let table = ProcessTable::with(&options)?;
    /// # Ok::<(), proc_connector::Error>(())
    /// ```
    #[must_use]
    pub fn proc_fd(self, directory: BorrowedFd<'fd>) -> Self {
        Self { proc_fd: Some(directory.as_raw_fd()), ..self }
    }

    /// Makes the table not receive the FORKs of threads. They show whether a process ever had a second
    /// thread. If it had none, its exit code is its own, however late the table is. Without them, an
    /// exit code that the table does not read in time is only the leader's
    /// ([`remark::LEADER_CODE`](crate::remark::LEADER_CODE)).
    ///
    /// The table makes the kernel leave out the threads of up to eight processes that have many, unless a
    /// seccomp filter is in force. This is for machines where threads start at a high rate all the same:
    /// each costs about as much as any other event.
    #[must_use]
    pub fn ignore_threads(self) -> Self {
        Self { ignores_threads: true, ..self }
    }

    /// Names the option because of which opening fails with `EINVAL`: the name of the method that set the first
    /// invalid one, or `None` if all are valid. [`subscribed`](Self::subscribed) is never named, because it is valid
    /// for [`ProcessTable::from_fd`].
    ///
    /// ```
    /// use proc_connector::TableOptions;
    ///
    /// assert_eq!(TableOptions::new().family(1).invalid(), Some("family"));
    /// assert_eq!(TableOptions::new().text_bytes(512).invalid(), None);
    /// ```
    #[must_use]
    pub fn invalid(&self) -> Option<&'static str> {
        [
            (self.fields.is_some_and(|fields| fields & !field::ALL != 0), "fields"),
            (self.queue_bytes.is_some_and(|bytes| budget(bytes).is_err()), "queue_bytes"),
            (self.max_work == Some(0), "max_work"),
            (self.family.is_some_and(|pid| pid <= 1), "family"),
            (self.text_bytes > MAX_TEXT_BYTES, "text_bytes"),
        ]
        .into_iter()
        .find_map(|(is_invalid, name)| is_invalid.then_some(name))
    }

    fn to_core(self) -> Result<table::OpenTableOptions> {
        if self.invalid().is_some() {
            return Err(Errno(libc::EINVAL).into());
        }
        Ok(table::OpenTableOptions {
            fields: self.fields.unwrap_or(field::ALL),
            family: self.family.unwrap_or(0),
            budget: self.queue_bytes.map(budget).transpose()?,
            proc_fd: self.proc_fd,
            is_subscribed: self.is_subscribed,
            spin_us: microseconds(self.spin),
            text_bytes: self.text_bytes,
            ignores_threads: self.ignores_threads,
            pidfd_inodes: self.pidfd_inodes,
            max_watches: self.max_watches.unwrap_or(DEFAULT_WATCHES),
            max_work: self.max_work.unwrap_or(DEFAULT_WORK),
        })
    }
}

/// A table of all processes, and the connector that keeps it up to date.
///
/// [`next`](Self::next) first reports every process that exists (`FOUND`), then `SYNCED`, then
/// every change. The table has processes, not threads. Each process begins once (`FOUND` or
/// `STARTED`). It ends once (`EXITED` or `VANISHED`), when its last thread is gone, whatever the
/// order of the kernel's events.
///
/// When the table notices a loss of events, it reports `UNSYNCED`. Then it reads /proc again and
/// reports the differences ([`remark::RECOVERED`](crate::remark::RECOVERED)), then `SYNCED` with the
/// number of lost events. From then on nothing is in doubt.
///
/// A process that /proc does not show to this process (hidepid, a security module) is entered from its
/// events alone ([`state::HIDDEN`](crate::state::HIDDEN)). A table that is opened before privileges are
/// dropped reads what it may read afterwards.
///
/// One thread at a time follows a table. Other threads use a [`TableRemote`].
///
/// ```no_run
/// use proc_connector::{ChangeView, ProcessTable};
///
/// let mut table = ProcessTable::open()?;
/// while let Some(change) = table.next(None)? {
///     match change.view() {
///         ChangeView::Exited { process, status: Some(status), .. } => {
///             println!("{} exited: {status}", process.pid);
///         }
///         _ => println!("{change}"),
///     }
/// }
/// # Ok::<(), proc_connector::Error>(())
/// ```
pub struct ProcessTable {
    shared: Arc<Remote>,
    table: Table,
}

impl ProcessTable {
    /// Opens a table that keeps all fields, with a queue of 36 MiB.
    ///
    /// # Errors
    /// Those of [`ProcConnector::new`](crate::ProcConnector::new), or
    /// - `EACCES`: /proc is not mounted, hides processes, or is another PID namespace's.
    pub fn open() -> Result<Self> {
        Self::with(&TableOptions::new())
    }

    /// Opens a table that keeps and queues what the options say.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), or
    /// - `EINVAL`: an option is invalid, and [`TableOptions::invalid`] names it:
    ///   - [`fields`](TableOptions::fields) has a bit that is no [`field`].
    ///   - [`queue_bytes`](TableOptions::queue_bytes) is 0 or above `i32::MAX`.
    ///   - [`max_work`](TableOptions::max_work) is 0.
    ///   - [`family`](TableOptions::family) is 1 or less.
    ///   - [`text_bytes`](TableOptions::text_bytes) is above 8,388,608.
    /// - `EINVAL`: the options have [`subscribed`](TableOptions::subscribed), which is for [`from_fd`](Self::from_fd)
    ///   only.
    /// - `ESRCH`: the process of [`family`](TableOptions::family) does not exist, has exited, or is a thread.
    /// - `ENOTDIR`: [`proc_fd`](TableOptions::proc_fd) is no directory.
    /// - `EACCES`: that directory does not show pid 1 and this process.
    pub fn with(options: &TableOptions<'_>) -> Result<Self> {
        let mut socket = Fd::NONE;
        Self::open_on(&mut socket, options)
    }

    /// Opens a table on a socket that exists already: one that [`into_fd`](Self::into_fd) returned, or
    /// one that [`ProcConnector::from_fd`](crate::ProcConnector::from_fd) would take. It belongs to the table
    /// from then on.
    /// - The events that a netlink socket has queued are handled first. What happened since the previous table
    ///   was released is reported as `STARTED` and `EXITED`. After `SYNCED` the table reads /proc once more,
    ///   because the queue does not say what it lost before. Use [`TableOptions::subscribed`].
    /// - Through an `AF_UNIX` socket, a test without privilege sends made-up events. With
    ///   [`TableOptions::proc_fd`] and a directory that the test has made, `PID/stat` and `PID/status` of its
    ///   processes are made up, too. A process exists as long as its files do.
    ///
    /// # Errors
    /// Those of [`with`](Self::with) and of `ProcConnector::from_fd`, but not `EINVAL` for
    /// [`TableOptions::subscribed`]. The socket is given back.
    pub fn from_fd(
        fd: OwnedFd,
        options: &TableOptions<'_>,
    ) -> std::result::Result<Self, (Error, OwnedFd)> {
        let mut socket = Fd::from(fd);
        Self::open_on(&mut socket, options).map_err(|error| (error, socket.into()))
    }

    fn open_on(socket: &mut Fd, options: &TableOptions<'_>) -> Result<Self> {
        let (shared, table) = Table::open(socket, &options.to_core()?)?;
        Ok(Self { shared: Arc::new(shared), table })
    }

    /// Ends the table but not the subscription, and returns the socket for a successor, which misses
    /// nothing: see [`from_fd`](Self::from_fd). The socket stays non-blocking and close-on-exec.
    ///
    /// # Errors
    /// The table is given back, with
    /// - `EBUSY`: events that were received are to be handled. Call [`next`](Self::next) until it returns `None` and
    ///   this succeeds. (After a `None`, work may be left.)
    /// - `EBUSY`: a [`TableRemote`] exists. Drop all of them first: as long as one exists, each call returns `EBUSY`.
    /// - `EBUSY`: [`next`](Self::next) has returned [`ConnectionClosed`](Error::ConnectionClosed). Then every call may
    ///   return `EBUSY`: drop the table.
    /// - `ECHILD`: this is a forked child. Here, too, every call returns this error.
    pub fn into_fd(self) -> std::result::Result<OwnedFd, (Error, Box<Self>)> {
        let Self { shared, mut table } = self;
        let keep =
            |error: Errno, shared, table| Err((error.into(), Box::new(Self { shared, table })));
        if let Err(error) = shared.connector.require_owner() {
            return keep(error, shared, table);
        }
        if !table.is_releasable(&shared) {
            return keep(Errno(libc::EBUSY), shared, table);
        }
        match Arc::try_unwrap(shared) {
            Ok(mut remote) => Ok(remote.connector.take_socket().into()),
            Err(shared) => keep(Errno(libc::EBUSY), shared, table),
        }
    }

    /// Reports the next change. Returns `None` if no change came in time.
    ///
    /// `timeout` is how long to wait: `None` without limit, zero not at all. One call does a
    /// limited amount of work ([`TableOptions::max_work`]), so that it does not hold up an event
    /// loop. With zero it may therefore return `None` with work left; then the descriptor is
    /// readable.
    ///
    /// # Errors
    /// Those of [`ProcConnector::recv_event`](crate::ProcConnector::recv_event) and of reading
    /// /proc, such as `EMFILE` and `ENOMEM`.
    ///
    /// Two errors are final, and a program must end its loop at them:
    /// - [`ConnectionClosed`](Error::ConnectionClosed): the stream of made-up events has ended.
    /// - [`Os`](Error::Os) with `ECHILD`: this is a forked child, and the table belongs to its parent.
    ///
    /// `ECANCELED` reports [`TableRemote::interrupt`]. After any other error nothing is lost: call again. The table
    /// rests for up to 100 ms: until then the descriptor is not readable, a call with zero returns
    /// `None`, and another call waits. No error is about a single process: one that cannot be read is
    /// [`state::HIDDEN`](crate::state::HIDDEN).
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Change>> {
        Ok(self.table.next(&self.shared, timeout.and_then(nanoseconds))?)
    }

    /// Looks a process up, as the changes reported so far have left it.
    #[must_use]
    pub fn get(&self, pid: i32) -> Option<Process> {
        self.table.get(pid)
    }

    /// Returns the command that is kept with a process, which may have left the table with the last change:
    /// see [`TableOptions::text_bytes`].
    ///
    /// ```no_run
    /// use proc_connector::{ChangeView, ProcessTable, TableOptions};
    ///
    /// let mut table = ProcessTable::with(&TableOptions::new().text_bytes(512))?;
    /// while let Some(change) = table.next(None)? {
    ///     if let ChangeView::Exited { process, status: Some(status), .. } = change.view() {
    ///         if let Ok(line) = table.command(process)?.command_line {
    ///             println!("{status}: {}", String::from_utf8_lossy(line));
    ///         }
    ///     }
    /// }
    /// # Ok::<(), proc_connector::Error>(())
    /// ```
    ///
    /// # Errors
    /// `ESRCH` if the process is not in the table and did not leave it with the last change, `ENODATA` if
    /// the table keeps no commands.
    pub fn command(&self, process: &Process) -> Result<Command<'_>> {
        let (kept, bytes) = self.table.command(process)?;
        let text = |error: i32, at: usize, length: u32| match error {
            0 => Ok(bytes.get(at..at + length as usize).unwrap_or_default()),
            error => Err(Errno(-error).into()),
        };
        let has = |flag| kept.flags & flag != 0;
        Ok(Command {
            command_line: text(kept.line_error, 0, kept.line_length),
            executable: text(kept.executable_error, kept.executable_at(), kept.executable_length),
            is_cut: has(kept::CUT),
            is_doubtful: has(kept::DOUBTFUL),
        })
    }

    /// Walks through all processes in the order of their pids.
    pub fn iter(&self) -> impl Iterator<Item = Process> {
        std::iter::successors(self.table.above(0), |last| self.table.above(last.pid))
    }

    /// Returns whether the table agrees with /proc, but for events that it has not handled. It does so
    /// from a `SYNCED` to the next `UNSYNCED`. To list all processes once, call [`next`](Self::next)
    /// without a limit of time until this is true, then [`iter`](Self::iter).
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.table.is_synced()
    }

    /// Returns how many processes the changes reported so far have left in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.count()
    }

    /// Whether the table has no process, as before the first [`next`](Self::next).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps a value of the caller's with a process. From then on [`Process::user`] has the value,
    /// also in the change that reports the process exit.
    ///
    /// # Errors
    /// `ESRCH` if no process in the table has this pid.
    pub fn set_user(&mut self, pid: i32, user: u64) -> Result<()> {
        Ok(self.table.set_user(pid, user)?)
    }

    /// Makes the table read /proc again, as if events had been lost. It reports `UNSYNCED`, the
    /// differences, then `SYNCED`, all with 0 lost.
    ///
    /// This is for programs that must be sure: a deafness that another listener has repaired leaves
    /// no trace.
    ///
    /// # Errors
    /// `ECHILD` in a forked child.
    pub fn rescan(&mut self) -> Result<()> {
        Ok(self.table.rescan(&self.shared)?)
    }

    /// Returns a hold on the table for other threads.
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
    /// Returns a descriptor that is readable while [`next`](ProcessTable::next) has something to
    /// do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.fd().as_fd()
    }
}

impl fmt::Debug for ProcessTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessTable").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The command of a process, as a [`ProcessTable`] keeps it. It was read when the table handled the FORK or an
/// EXEC of the process, found the process, or read /proc again after a loss of events. A process that has not
/// called execve(2) shows the command of the process that forked it.
///
/// A text that could not be read is an error:
/// - `ESRCH`: the process exited, or ran another program, before the text was read; or its command line is
///   empty.
/// - `ENODATA`: there is none, as for a kernel thread.
/// - `EACCES`: this process may not read it, as with hidepid, and for the executable of another user's process
///   without `CAP_SYS_PTRACE`.
/// - `ENAMETOOLONG`: the path takes more than a quarter of [`TableOptions::text_bytes`], and more than the
///   command line has left.
#[derive(Debug)]
pub struct Command<'a> {
    /// The arguments, each with a NUL behind it.
    pub command_line: Result<&'a [u8]>,
    /// The path of the program.
    pub executable: Result<&'a [u8]>,
    /// The table keeps only the beginning of the command line.
    pub is_cut: bool,
    /// Events were lost after it was read: the process may have run another program since.
    pub is_doubtful: bool,
}

/// A hold on a [`ProcessTable`] for other threads. The table's connector stays open as long as a
/// hold exists.
#[derive(Clone)]
pub struct TableRemote(Arc<Remote>);

impl TableRemote {
    /// Ends the current or the next wait in [`ProcessTable::next`], which returns `ECANCELED`. Any
    /// thread and any signal handler may call this.
    ///
    /// # Errors
    /// `ECHILD` in a forked child.
    pub fn interrupt(&self) -> Result<()> {
        Ok(self.0.connector.interrupt()?)
    }

    /// Checks that the kernel still reports events, and repairs it if it does not. Returns true
    /// after a repair; the table then recovers by itself. See
    /// [`ProcConnector::check`](crate::ProcConnector::check).
    ///
    /// # Errors
    /// Those of [`ProcConnector::check`](crate::ProcConnector::check).
    pub fn check(&self) -> Result<bool> {
        Ok(self.0.check()? > 0)
    }

    /// Returns the statistics of the table's connector, and how many processes are hidden.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { hidden: self.0.hidden.load(Relaxed), ..Stats::of(&self.0.connector) }
    }
}

impl fmt::Debug for TableRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableRemote").finish_non_exhaustive()
    }
}

impl Process {
    /// Reads texts of this process, as [`process_texts`](crate::process_texts) does for its pid and its start.
    /// If [`pidfd_inode`](Self::pidfd_inode) is known, it identifies the process in place of the start.
    ///
    /// # Errors
    /// Those of [`process_texts`](crate::process_texts), and, if the inode is known, those of pidfd_open(2).
    /// `EINVAL` means that [`pid`](Self::pid) is not positive, as in a change that is about no process.
    pub fn texts<const N: usize>(&self, kinds: [TextKind; N]) -> Result<[Result<Vec<u8>>; N]> {
        if self.pid <= 0 {
            return Err(Errno(libc::EINVAL).into());
        }
        texts_of(&Owner::new(self.pid, self.start_boottime_ns, self.pidfd_inode), kinds)
    }

    /// Reads one process from /proc, without a table. Returns `None` if the process has exited, is
    /// a zombie, or never existed.
    ///
    /// # Errors
    /// Those of [`process_alive`](crate::process_alive).
    pub fn read(pid: impl TryInto<i32>) -> Result<Option<Self>> {
        Ok(table::read_process(pid.try_into().unwrap_or(0))?)
    }

    /// Returns the leader's name, with � for bytes that are not UTF-8. It is empty if the table could
    /// not read it.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.comm.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }
}
