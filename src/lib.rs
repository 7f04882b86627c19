//! Linux process events (fork, exec, exit and six more kinds) that are never silently lost.
//!
//! The kernel's Process Event Connector reports what every process on the machine does, as it
//! happens, without polling, tracing or eBPF. This crate has two faces for that:
//!
//! - [`ProcConnector`] delivers the events, and counts each one that the kernel discarded.
//! - [`ProcessTable`] keeps a table of all processes, and recovers from losses by itself.
//!
//! Where no events can arrive, opening fails with an error that names the cause. The C library
//! (`proc_connector.h`) is built from this crate.
//!
//! # Quick start
//! ```no_run
//! use proc_connector::{EventMask, Filter, Options, ProcConnector, View};
//!
//! # fn main() -> Result<(), proc_connector::Error> {
//! let wanted = Filter::events(EventMask::EXEC | EventMask::EXIT).no_threads();
//! let connector = ProcConnector::open(&Options::new().filter(wanted))?;
//! while let Some(event) = connector.recv_event(None)? {
//!     match event.view() {
//!         View::Exec { tgid, .. } => println!("{tgid} runs a new program"),
//!         View::Exit { tgid, exit_code, .. } => println!("{tgid} exited, status {exit_code}"),
//!         View::Overrun { lost, .. } => println!("{lost} events are missing here"),
//!         _ => println!("{event}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//! Programs that were written for `proc-connector` 0.3 receive like this:
//! ```no_run
//! use proc_connector::ProcConnector;
//!
//! # fn main() -> Result<(), proc_connector::Error> {
//! let connector = ProcConnector::new()?;
//! loop {
//!     println!("{}", connector.recv(&mut [])?);
//! }
//! # }
//! ```
//!
//! # What it needs
//! - Linux 5.10 or later with `CONFIG_CONNECTOR` and `CONFIG_PROC_EVENTS`, as all common
//!   distributions have it.
//! - The initial network, PID, user and time namespaces (docker: `--net=host --pid=host
//!   --userns=host`). An open connector also works after a thread has moved to another network
//!   namespace.
//! - Before Linux 6.6, `CAP_NET_ADMIN`. From 6.6 on, no privilege. But without `CAP_NET_ADMIN` the
//!   kernel grants a queue of at most twice the sysctl `net.core.rmem_max`, which on a stock system
//!   is room for 440 events: raise the sysctl.
//!
//! If one of these is missing, [`ProcConnector::new`] fails at once, with an error of its own that
//! [`Error::explanation`] explains. It never waits for events that cannot come.
//!
//! # What events mean
//! A `pid` is the id of a task, as gettid(2) returns it. A `tgid` is the id of a process, as
//! getpid(2) returns it. They are equal for the first thread of a process, its leader. All are ids
//! of the initial PID namespace. A process receives its own events, too.
//!
//! [`Filter::no_threads`] makes the kernel discard the events of all other threads. The exit of a
//! leader is not always the process exit, because other threads may live on: ask [`process_alive`].
//!
//! # Loss and recovery
//! Events wait in a queue of 36 MiB, which holds at least 32,000 of them. When the queue is full, the
//! kernel discards events. The stream reports every loss: as a [`View::Overrun`] with the exact
//! number, or as [`Error::Overrun`] from the methods of 0.3. [`Stats::lost`] has the sum.
//!
//! A [`ProcessTable`] recovers from losses by itself, and [`ProcessTable::is_synced`] returns whether it
//! has. A program that keeps its own picture of all processes does this instead:
//!
//! 1. It receives a limited number of events per wake-up.
//! 2. At each overrun, it marks the picture as doubtful.
//! 3. When no event is pending and the picture is doubtful, it reads /proc again, leaves out the
//!    processes that [`process_alive`] reports as [`Liveness::Ended`], and removes the mark.
//! 4. In a flood, the queue may not run empty for a long time. So the program also reads /proc
//!    100 ms after it set the mark, and every 100 ms from then on. These readings leave the mark in
//!    place: events from before the loss may still be queued.
//! 5. While the mark is set, the program does not wait without limit: no more events may come.
//! 6. /proc may be ahead of the queue. So a fork of a known process and an exit of an unknown one
//!    are normal.
//!
//! ```no_run
//! use proc_connector::{Event, ProcConnector, kind};
//! use std::time::{Duration, Instant};
//! # fn update(_: &Event) {}
//! # fn rescan() {}
//!
//! # fn main() -> Result<(), proc_connector::Error> {
//! let connector = ProcConnector::new()?;
//! let mut events = [Event::EMPTY; 64];
//! let mut doubtful_since = None; // or since the last reading of /proc
//! loop {
//!     let wait = doubtful_since.map(|_| Duration::ZERO);
//!     let count = connector.recv_events(&mut events, wait)?;
//!     for event in &events[..count] {
//!         match event.kind {
//!             kind::OVERRUN => doubtful_since = doubtful_since.or(Some(Instant::now())),
//!             _ => update(event),
//!         }
//!     }
//!     if doubtful_since.is_some_and(|since| count == 0 || since.elapsed().as_millis() > 100) {
//!         rescan();
//!         doubtful_since = (count > 0).then(Instant::now);
//!     }
//! }
//! # }
//! ```
//! A daemon also calls [`ProcConnector::check`] from a timer: from Linux 6.6 on, any process can
//! make the kernel stop reporting to every listener, and no event shows that.
//!
//! # Event loops
//! The descriptor is the socket itself, always non-blocking. When the socket is readable, receive
//! with [`Duration::ZERO`](std::time::Duration::ZERO) until no event is left. `poll`, `epoll`
//! (edge-triggered, too) and mio take the descriptor as it is.
//!
//! A [`ProcessTable`] has a descriptor of its own for these loops. `examples-rust/tokio` in the
//! repository is a whole program that follows a table in tokio's loop.
//!
//! A thread can also block in a call. [`ProcConnector::interrupt`] and [`TableRemote::interrupt`]
//! wake that thread.
//!
//! # Threads and fork
//! A [`ProcConnector`] is `Send` and `Sync`, and all methods take `&self`. One thread at a time
//! follows a [`ProcessTable`]; a [`TableRemote`] is for other threads. The crate starts no threads
//! and handles no signals.
//!
//! A forked child cannot use its parent's connector: the methods return `ECHILD`, and dropping the
//! connector only closes the child's copy.
//!
//! # Tests without root
//! A socket pair can stand for the kernel, and a directory for /proc: [`ProcConnector::from_fd`] and
//! [`ProcessTable::from_fd`] adopt the socket. `examples-rust/testing` in the repository has two complete tests, and
//! `feed.rs`, which builds events in the kernel's format, to paste. Offsets such as [`FORK_CHILD_PID`] count from byte
//! 52 of the datagram (`SIZE_NLMSGHDR + SIZE_CN_MSG + PROC_EVENT_HEADER_SIZE`).
//!
//! A socket pair loses nothing. To test a loss, pass a made-up event or change to the function that handles yours.
//! Some of their fields are private, so set the others one by one:
//! ```
//! use proc_connector::{Change, Event, change, kind};
//!
//! let mut overrun = Event::EMPTY;
//! overrun.kind = kind::OVERRUN;
//! overrun.data[0] = 5; // lost
//!
//! let mut doubt = Change::default();
//! doubt.kind = change::UNSYNCED;
//! doubt.lost = 5;
//! ```
//!
//! # Coming from `proc-connector` 0.3
//! In `Cargo.toml`, replace the dependency `proc-connector` with `libproc_connector`, which is the
//! name of this package. The crate's name stays `proc_connector`. All names, types, signatures and
//! error texts of 0.3 are here, so the program compiles, with one exception: row 19. These are the differences:
//!
//! | | `proc-connector` 0.3 | this crate | reason |
//! |---|---|---|---|
//! | 1 | `exit_status()` is `None` and `terminating_signal()` is `Some(0)` for ordinary children | both return what wait(2) reports to the parent | 0.3 looks at `exit_signal`, which is `SIGCHLD` |
//! | 2 | `subscribe()` takes the first message for its acknowledgement | `subscribe()` swallows no event, and returns once the kernel has acknowledged | 0.3 can swallow an event, and deliver the real acknowledgement as an event |
//! | 3 | in a PID namespace, `new()` succeeds or blocks without limit; `subscribe_filtered()` hangs from Linux 6.6 on and filters nothing before | `Os(EOPNOTSUPP)` at once; every kernel applies the filter | the mask of 0.3 also filters the acknowledgement |
//! | 4 | acknowledgements for other listeners arrive as `Unknown { what: 0 }`; if one has an error, the caller's own subscription fails | the kernel does not queue them | the kernel sends each acknowledgement to every listener |
//! | 5 | forged events are delivered | forged events are discarded, and counted in [`Stats::foreign`] | 0.3 does not check the sender |
//! | 6 | a drop in a forked child unsubscribes the parent; `unsubscribe()` and drop both send an IGNORE | in a forked child, methods return `Os(ECHILD)` and a drop only closes; each subscription sends exactly one IGNORE | kernels before 6.6 count every IGNORE |
//! | 7 | after `Overrun`, everything is discarded until the queue is empty, and is not counted | the kernel discards single events, and [`Stats::lost`] is exact | 0.3 keeps the kernel's default mode |
//! | 8 | `set_recv_buf_size(8 << 20)` is `Ok` and gives less; `1 << 32` gives nothing | the queue gets the size that was asked for (as `SO_RCVBUF` then shows), or the call returns `Os(EPERM)` or `Os(EINVAL)` | 0.3 truncates the number, and the kernel caps it |
//! | 9 | `recv_timeout` spins below 1 ms, and panics with `Duration::MAX` | any duration works, in nanoseconds | 0.3 waits in milliseconds |
//! | 10 | too small a buffer loses the event; when nothing is pending, `recv` returns `Os` and `recv_raw` returns `WouldBlock` | `recv` needs no buffer; `recv_raw` returns `BufferTooSmall` and keeps the event; both return `WouldBlock` | 0.3 receives before it checks the size |
//! | 11 | the queue holds some 250 events | the queue holds at least 32,000 events (36 MiB); remove a `set_recv_buf_size` call that asks for less | the system's default is too small for process events |
//! | 12 | `subscribe()` sends a LISTEN each time | `subscribe()` sends a LISTEN only if unsubscribed; it still removes the filter, which [`resume`](ProcConnector::resume) keeps | kernels before 6.6 count every LISTEN |
//! | 13 | `subscribe_filtered(EventMask(0))` hangs | only overruns arrive; bits that stand for none of the nine kinds ask for unknown kinds | |
//! | 14 | the descriptor blocks until `set_nonblocking()` | the descriptor never blocks; `set_nonblocking()` affects the methods only | event loops need a non-blocking descriptor |
//! | 15 | `recv_raw` delivers control messages too | `recv_raw` delivers events only; `parse_netlink_message` returns `None` for an acknowledgement | an acknowledgement is not an event |
//! | 16 | `NetlinkMessageIter::new(buffer, len)` panics if `len` is too large | the iterator yields `Truncated` | |
//! | 17 | a signal ends a call with `Interrupted` | no difference; nothing is lost: call again with the remaining time | |
//! | 18 | `Display` writes names unchanged | `Display` escapes names | a name can contain line breaks, quotes and terminal control characters |
//! | 19 | `use proc_connector::*` beside `use std::process::*` compiles | where a name that both globs have is used, the program does not compile: import that name by itself | this crate has more names than 0.3, such as `Change`, `Command`, `Event`, `Filter`, `Options`, `Process`, `Stats`, `View`, `Wake`, and the modules `change`, `field`, `kind`, `reason`, `remark`, `state` |
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![deny(unsafe_code)]
#![warn(missing_docs)]
// Without a face most of the core is unused, but it must compile.
#![cfg_attr(not(any(feature = "std", feature = "capi")), allow(dead_code, unused_imports))]

#[cfg(not(target_os = "linux"))]
compile_error!("process events exist on Linux only");

mod connector;
mod errno;
#[allow(unsafe_code)]
mod memory;
mod procfs;
mod protocol;
#[allow(unsafe_code)]
mod sys;
#[cfg(feature = "table")]
mod table;

#[cfg(feature = "capi")]
#[allow(unsafe_code)]
mod capi;

#[cfg(feature = "std")]
mod rust;

#[cfg(feature = "std")]
pub use {
    procfs::Liveness,
    protocol::event::{Event, View, kind, reason},
    protocol::filter::Filter,
    protocol::request::*,
    protocol::wire::*,
    rust::*,
};

#[cfg(all(feature = "std", feature = "table"))]
pub use procfs::TextKind;
#[cfg(all(feature = "std", feature = "table"))]
pub use table::{Change, Process, change, field, remark, state};

/// Holds the table against a model of a machine, for the fuzzer alone.
#[cfg(all(fuzzing, feature = "std", feature = "table"))]
#[doc(hidden)]
pub use table::fuzz as fuzz_table;
