//! A table of all processes that stays true: list, then follow, then heal.
//!
//! /proc is the truth, and events say when to look. Data goes round once:
//!
//! ```text
//! kernel -> agenda -- job --> jobs --- pid --> kernel -- sight --+
//!              ^                 ^                                |
//!           census <-- apply -- verdict <-- judge, compare, scan -+      census -> change -> caller
//! ```
//!
//! Only `kernel` does I/O, and it is the only implementation of `world` outside of tests.

mod agenda;
mod census;
mod changes;
mod compare;
mod events;
mod family;
mod follower;
#[cfg(any(feature = "capi", feature = "std"))]
pub(crate) mod format;
mod heal;
mod jobs;
mod judge;
mod kernel;
mod kin;
mod leaderless;
#[cfg(any(test, all(fuzzing, feature = "std")))]
mod model;
mod pids;
mod record;
mod remote;
mod report;
mod scan;
mod threads;
mod unheard;
mod watches;
mod world;

#[cfg(all(fuzzing, feature = "std"))]
pub use model::fuzz;
pub(crate) use remote::Remote;
pub use report::{Change, Process, change, field, remark, state};

use crate::connector::{self, OpenOptions};
use crate::errno::Errno;
use crate::procfs::{self, Command, Listing, Look, Wanted, namespace};
use crate::protocol::event::kind;
use crate::protocol::filter::{Filter, NO_THREADS};
use crate::sys::{self, Fd, monotonic_ns};
use agenda::Agenda;
use census::Census;
use core::sync::atomic::Ordering::Relaxed;
use follower::{Follower, LOOK};
use jobs::Run;
use kernel::{Kernel, Senses};
use record::Hearing;
use remote::Signals;
use unheard::Unheard;
use watches::Watches;

/// How to open a table.
pub(crate) struct OpenTableOptions {
    /// The directory that is read instead of /proc: a descriptor of the caller's.
    pub proc_fd: Option<i32>,
    /// The previous owner of an adopted socket has subscribed it.
    pub is_subscribed: bool,
    /// How long a wait does not sleep.
    pub spin_us: u32,
    /// Report only this process and its descendants; 0: all processes.
    pub family: i32,
    /// How many bytes of the command of each process to keep.
    pub text_bytes: u32,
    /// The fields to keep up to date: bits of [`field`].
    pub fields: u32,
    /// Queue budget in bytes; `None`: the default.
    pub budget: Option<u32>,
    /// Do not receive the FORKs of threads, which show that an exit code is the process's own.
    pub ignores_threads: bool,
    /// Identify processes by the inodes of their pidfds, where the kernel has them.
    pub pidfd_inodes: bool,
    /// How many processes without leaders may be waited for, with a descriptor each.
    pub max_watches: u32,
    /// How many processes one call may look at.
    pub max_work: u32,
}

/// How many processes one call looks at by default: about a millisecond's worth.
pub(crate) const DEFAULT_WORK: u32 = 64;

/// How many processes without leaders are waited for by default.
pub(crate) const DEFAULT_WATCHES: u32 = 64;

/// How many bytes of each process's command can be kept: more than execve(2) takes. `bprm_stack_limits()` in
/// fs/exec.c limits arguments and environment together to three quarters of `_STK_LIM`: 6 MiB.
pub(crate) const MAX_TEXT_BYTES: u32 = 8 << 20;

/// The part of a table that belongs to the thread that follows it.
pub(crate) struct Table {
    follower: Follower,
    senses: Senses,
    /// The table has begun to follow: it knows more than its queue.
    has_run: bool,
    /// This thread has rung the bell, and has not silenced it since.
    has_rung: bool,
    /// After an error, which is likely to come again, the table does nothing until the timer ticks.
    is_resting: bool,
    /// The caller's descriptor is readable when the timer is.
    has_timer: bool,
}

/// What a table is made of and that may fail to be made, but for its connector.
struct Parts {
    listing: Listing,
    census: Census,
    watches: Watches,
    signals: Signals,
}

impl Parts {
    /// The events are those of `socket`; [`Fd::NONE`]: the kernel's.
    fn new(options: &OpenTableOptions, socket: &Fd) -> Result<Self, Errno> {
        let listing = Listing::open(options.proc_fd)?;
        let has_real_events =
            socket.is_none() || sys::socket_option(socket, libc::SO_DOMAIN) == Ok(libc::AF_NETLINK);
        if has_real_events || !listing.tree().is_made_up {
            namespace::require_whole_proc(listing.tree())?;
        }
        let census = Census::new(options.text_bytes)?;
        let watches = Watches::new(options.max_watches)?;
        Ok(Self { listing, census, watches, signals: Signals::new()? })
    }
}

/// The events that the table needs.
fn filter_for(options: &OpenTableOptions) -> Option<Filter> {
    let mut mask = 1 << kind::FORK | 1 << kind::EXEC | 1 << kind::EXIT;
    if options.fields & field::SESSION != 0 {
        mask |= 1 << kind::SID;
    }
    if options.fields & field::COMM != 0 {
        mask |= 1 << kind::COMM;
    }
    if options.fields & field::CREDENTIALS != 0 {
        mask |= 1 << kind::UID | 1 << kind::GID;
    }
    let filter = Filter::new(mask, NO_THREADS)?;
    Some(if options.ignores_threads { filter } else { filter.with_thread_forks() })
}

impl Table {
    /// Opens a table on `socket`, or on a new one if that is [`Fd::NONE`]. The table takes the socket over
    /// when nothing can fail any more.
    pub(crate) fn open(
        socket: &mut Fd,
        options: &OpenTableOptions,
    ) -> Result<(Remote, Self), Errno> {
        let is_adopted = !socket.is_none();
        let filter = filter_for(options).ok_or(Errno(libc::EINVAL))?;
        let parts = Parts::new(options, socket)?;
        let mut root = Look::Absent;
        let is_kernels = !parts.listing.tree().is_made_up;
        let shows_inodes =
            options.pidfd_inodes && is_kernels && sys::has_pidfd_inodes(parts.signals.fd());
        if options.family != 0 {
            let wanted = Wanted { ids: false, inode: shows_inodes, pidfd: shows_inodes };
            procfs::look(parts.listing.tree(), options.family, wanted, &mut root)?;
            root.living().ok_or(Errno(libc::ESRCH))?;
        }
        if is_adopted {
            // Later, a failure would have to undo the adoption.
            parts.signals.watch_socket(socket)?;
        }
        let subscribed = options.is_subscribed;
        let how =
            OpenOptions { filter, budget: options.budget, subscribed, spin_us: options.spin_us };
        let (connector, receiver) = connector::open_on(socket, &how)?;
        if !is_adopted {
            parts.signals.watch_socket(connector.socket())?;
        }
        let Parts { listing, census, watches, signals } = parts;
        let remote = Remote::new(connector, signals);
        let opened_ns = monotonic_ns();
        let hearing = Hearing {
            complete_since_ns: opened_ns,
            exits_since_ns: u64::MAX,
            has_thread_forks: !options.ignores_threads,
        };
        let shows_exit_status = is_kernels && sys::shows_exit_status();
        let mut table = Self {
            follower: Follower {
                census,
                agenda: Agenda::new(is_adopted.then_some(opened_ns), hearing),
                fields: options.fields | field::PARENT | field::START,
                unheard: Unheard::NONE,
                max_work: options.max_work.saturating_mul(LOOK),
                round: None,
                command: Command::NONE,
                left: None,
                change: Change::EMPTY,
                sequence: 0,
                reported: 0,
            },
            senses: Senses { receiver, listing, watches, shows_exit_status, shows_inodes },
            has_run: false,
            has_rung: false,
            is_resting: false,
            has_timer: false,
        };
        if options.family != 0 {
            let mut kernel = Kernel { remote: &remote, senses: &mut table.senses };
            table.follower.enter_root(options.family, &root, &mut kernel);
        }
        if is_adopted {
            // What the queue lost before the adoption leaves no other trace.
            table.follower.agenda.doubt_since(opened_ns);
        }
        Ok((remote, table))
    }

    /// Whether a successor misses nothing: all that is known has been reported, or is still queued.
    pub(crate) fn is_releasable(&mut self, remote: &Remote) -> bool {
        let is_untouched = !self.has_run && !remote.connector.has_deafness();
        is_untouched || !self.follower.has_work(&Kernel { remote, senses: &mut self.senses })
    }

    /// The next change; `None` if none comes in time, or if this call has worked enough: then the
    /// descriptor becomes readable again, or stays readable.
    pub(crate) fn next(
        &mut self,
        remote: &Remote,
        timeout_ns: Option<u64>,
    ) -> Result<Option<Change>, Errno> {
        remote.connector.require_owner()?;
        let may_wait = timeout_ns != Some(0);
        let deadline =
            timeout_ns.map(|ns| if may_wait { monotonic_ns().saturating_add(ns) } else { 0 });
        loop {
            if may_wait && remote.connector.take_interrupt() {
                self.ring_for_work(remote);
                return Err(Errno(libc::ECANCELED));
            }
            let run = if self.is_resting && !self.end_rest(remote) {
                Run::Idle
            } else {
                self.run(remote).inspect_err(|_| self.begin_rest(remote))?
            };
            self.set_timer(remote);
            match run {
                Run::Report => {
                    // If another thread rings after the first look at the work, the second sees it.
                    if !self.ring_for_work(remote) && self.silence(remote) {
                        self.ring_for_work(remote);
                    }
                    return Ok(Some(self.follower.change));
                }
                Run::Paused if deadline.is_some_and(|deadline| monotonic_ns() >= deadline) => {
                    // Ring even if the bell has been rung: edge-triggered loops need a new edge.
                    remote.ring();
                    return Ok(None);
                }
                Run::Paused => {}
                // The bell may have been rung after the run.
                Run::Idle if !self.is_resting && self.silence(remote) => {}
                Run::Idle if !may_wait => return Ok(None),
                Run::Idle => match remote.connector.wait_for(remote.fd(), deadline) {
                    Ok(true) => {}
                    Ok(false) => return Ok(None),
                    Err(_) if remote.connector.take_interrupt() => {
                        return Err(Errno(libc::ECANCELED));
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    #[inline(never)]
    fn run(&mut self, remote: &Remote) -> Result<Run, Errno> {
        self.has_run = true;
        let run = self.follower.run(&mut Kernel { remote, senses: &mut self.senses });
        remote.hidden.store(self.follower.census.hidden(), Relaxed);
        run
    }

    /// The job that failed is still to be done.
    fn begin_rest(&mut self, remote: &Remote) {
        self.is_resting = true;
        remote.ring();
        remote.rest(true);
        self.set_timer(remote);
    }

    /// Whether the rest has ended.
    fn end_rest(&mut self, remote: &Remote) -> bool {
        let has_ended = remote.take_tick();
        if has_ended {
            self.is_resting = false;
            remote.rest(false);
        }
        has_ended
    }

    /// Makes the timer wake the caller while that is needed.
    fn set_timer(&mut self, remote: &Remote) {
        let is_needed = self.is_resting || self.follower.has_unwatched();
        if is_needed != self.has_timer {
            self.has_timer = is_needed;
            remote.wait_for_timer(is_needed);
        }
    }

    /// Makes the descriptor readable if there is something to do that no other descriptor shows.
    fn ring_for_work(&mut self, remote: &Remote) -> bool {
        let has_work = self.follower.has_work(&Kernel { remote, senses: &mut self.senses });
        if has_work && !self.has_rung {
            remote.ring();
            self.has_rung = true;
        }
        has_work
    }

    /// Silences the bell. Whether it had been rung.
    #[inline]
    fn silence(&mut self, remote: &Remote) -> bool {
        self.has_rung = false;
        remote.silence()
    }

    /// Makes the table read /proc again.
    pub(crate) fn rescan(&mut self, remote: &Remote) -> Result<(), Errno> {
        remote.connector.require_owner()?;
        self.follower.agenda.doubt_since(monotonic_ns());
        remote.ring();
        Ok(())
    }

    pub(crate) fn get(&self, pid: i32) -> Option<Process> {
        self.follower.get(pid)
    }

    /// The process with the next pid above this one.
    pub(crate) fn above(&self, pid: i32) -> Option<Process> {
        self.follower.above(pid)
    }

    /// The command that is kept with a process.
    ///
    /// # Errors
    /// `ESRCH`: the process is not in the table and did not leave it with the last change. `ENODATA`: no
    /// commands are kept.
    pub(crate) fn command(&self, process: &Process) -> Result<(Command, &[u8]), Errno> {
        match self.follower.command(process).ok_or(Errno(libc::ESRCH))? {
            (_, []) => Err(Errno(libc::ENODATA)),
            kept => Ok(kept),
        }
    }

    /// # Errors
    /// `ESRCH`: no process in the table has this pid.
    pub(crate) fn set_user(&mut self, pid: i32, user: u64) -> Result<(), Errno> {
        self.follower.set_user(pid, user).ok_or(Errno(libc::ESRCH))
    }

    /// Whether the table agrees with /proc, but for events that it has not handled.
    pub(crate) const fn is_synced(&self) -> bool {
        self.follower.agenda.is_synced()
    }

    pub(crate) const fn count(&self) -> usize {
        self.follower.reported
    }
}

/// Reads one process, without a table; `None` if it exited or is a zombie.
pub(crate) fn read_process(pid: i32) -> Result<Option<Process>, Errno> {
    let read = procfs::read_alive(pid)?;
    Ok(read.map(|sight| record::process_of(pid, &sight)))
}
