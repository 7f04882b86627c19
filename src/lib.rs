//! Linux process events — fork, exec, exit and six more — that are never silently lost.
//!
//! The kernel's Process Event Connector reports what every process on the machine does, as it
//! happens: no polling, no tracing, no eBPF. This crate receives those events, counts every one
//! that the kernel had to drop, and says why if none can come. It is also a C library
//! (`proc_connector.h`), with the same core.
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
//!         View::Exit { tgid, exit_code, .. } => println!("{tgid} ended: wait status {exit_code}"),
//!         View::Overrun { lost, .. } => println!("{lost} events are missing here"),
//!         _ => println!("{event}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//! Or, as programs for `proc-connector` 0.3 do it:
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
//! - Linux with `CONFIG_CONNECTOR` and `CONFIG_PROC_EVENTS`, as all common distributions have it.
//! - The initial network, PID and user namespaces (docker: `--net=host --pid=host`).
//! - Before Linux 6.6, `CAP_NET_ADMIN`; later no privilege at all. But without `CAP_NET_ADMIN` the
//!   queue is at most twice the sysctl `net.core.rmem_max`: some 440 events where that is 212992.
//!   Raise it.
//!
//! If one of these is missing, [`ProcConnector::new`] fails at once, with an error of its own that
//! [`Error::explanation`] explains. It never leaves you waiting for events that cannot come.
//!
//! # What events mean
//! `pid` is a task's id (a thread's too), `tgid` its process's, both in the initial PID namespace.
//! One's own process's events arrive as well. [`Filter::no_threads`] leaves threads out, in the
//! kernel. The exit of a leader (`pid == tgid`) is not always the end of its process:
//! [`process_alive`] tells.
//!
//! # Loss, and how to recover
//! Events wait in a queue of 32 MiB: some 35,000 of them. When it is full the kernel drops what
//! comes. Every loss is announced, while the descriptor is still readable: as a [`View::Overrun`]
//! with the exact number, or as [`Error::Overrun`] from the calls of 0.3. The sum is always in
//! [`Stats::lost`]. A program that keeps a picture of all processes then does this:
//!
//! 1. It receives a bounded number of events per wake-up.
//! 2. On an overrun it marks its picture as dirty, and goes on.
//! 3. Once nothing more waits and the picture is dirty, it rescans /proc, leaves out what
//!    [`process_alive`] says has ended, and the picture is clean. Since a flood may not let that
//!    happen, it also rescans after some time; but then the picture stays dirty, because events from
//!    before the loss may still be queued.
//! 4. It tolerates what it knows already: /proc may be ahead of the queue. A fork of a process that
//!    it has, and an exit of one that it has not, are normal.
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
//! let mut dirty_since = None; // or since the last rescan
//! loop {
//!     let wait = dirty_since.map(|_| Duration::ZERO);
//!     let count = connector.recv_events(&mut events, wait)?;
//!     for event in &events[..count] {
//!         match event.kind {
//!             kind::OVERRUN => dirty_since = dirty_since.or(Some(Instant::now())),
//!             _ => update(event),
//!         }
//!     }
//!     if dirty_since.is_some_and(|since| count == 0 || since.elapsed().as_millis() > 100) {
//!         rescan();
//!         dirty_since = (count > 0).then(Instant::now);
//!     }
//! }
//! # }
//! ```
//! A daemon also calls [`ProcConnector::check`] from a timer: on Linux 6.6 and later any process
//! can make the kernel stop reporting to anybody, and only a look finds out.
//!
//! # Event loops
//! The descriptor is the socket itself, always non-blocking, and the connector keeps no events of
//! its own: when it is readable, receive with [`Duration::ZERO`](std::time::Duration::ZERO) until
//! nothing is there. `poll`, `epoll` (edge-triggered too) and mio take it as it is; with tokio,
//! `examples-rust/tokio` in the repository is a whole program.
//!
//! A thread that blocks in a call instead is woken by [`ProcConnector::interrupt`].
//!
//! # Threads and fork
//! A [`ProcConnector`] is `Send` and `Sync`; all methods take `&self`. The crate makes no threads
//! and touches no signals. In a forked child the parent's connector is dead: its methods return
//! `ECHILD`, and dropping it closes the copy only.
//!
//! # Coming from `proc-connector` 0.3
//! Name this crate instead of that one in `Cargo.toml`; the library has the same name. All names,
//! types, signatures and texts of 0.3 are here, and so the program compiles. What it does
//! differently:
//!
//! | | 0.3 | here | why |
//! |---|---|---|---|
//! | 1 | `exit_status()` is `None` and `terminating_signal()` `Some(0)` for ordinary children | what wait(2) tells the parent | it looked at `exit_signal`, which is `SIGCHLD` |
//! | 2 | `subscribe()` takes the first message for its acknowledgement | nothing is swallowed, and success is proven | an event could be swallowed, and the real acknowledgement came as an event |
//! | 3 | in a PID namespace `new()` succeeds or blocks for ever; `subscribe_filtered()` hangs from Linux 6.6 on and filters nothing before | `Os(EOPNOTSUPP)` at once; the filter works on every kernel, in the kernel | its mask filtered its own acknowledgement away |
//! | 4 | others' acknowledgements arrive as `Unknown { what: 0 }`, and their failures fail one's own subscription | they are never queued | they go to every listener |
//! | 5 | forged events are delivered | dropped, and counted in [`Stats::foreign`] | the sender was not checked |
//! | 6 | a forked child's drop unsubscribes the parent; `unsubscribe()` and drop both send an IGNORE | `Os(ECHILD)`, close only; exactly one IGNORE | old kernels count blindly |
//! | 7 | after `Overrun` everything is dropped until the queue is empty, uncounted | single events are dropped; [`Stats::lost`] is exact | the kernel's default mode does so |
//! | 8 | `set_recv_buf_size(8 << 20)` is `Ok` and gives less; `1 << 32` gives nothing | the queue holds what was asked for (as `SO_RCVBUF` then reads), or `Os(EPERM)`, `Os(EINVAL)` | the number was truncated and capped without a word |
//! | 9 | `recv_timeout` spins below 1 ms, panics with `Duration::MAX` | nanoseconds; any duration | it waited in milliseconds |
//! | 10 | too small a buffer loses the event; non-blocking `recv` returns `Os`, `recv_raw` `WouldBlock` | `recv` needs no buffer, `recv_raw` returns `BufferTooSmall` and keeps the event; `WouldBlock` from both | it received before it looked |
//! | 11 | the queue holds some 250 events | some 35,000 (32 MiB); a smaller `set_recv_buf_size` call makes it smaller: remove it | the system's default is no default for this |
//! | 12 | `subscribe()` sends a LISTEN each time | only if unsubscribed; it still means "everything", [`resume`](ProcConnector::resume) keeps the filter | old kernels count blindly |
//! | 13 | `subscribe_filtered(EventMask(0))` hangs | nothing but overruns arrive; bits that are none of the nine ask for unknown kinds | |
//! | 14 | the descriptor blocks until `set_nonblocking()` | it never does; that call only switches the methods | event loops expect it |
//! | 15 | `recv_raw` delivers control messages too | events only; `parse_netlink_message` gives `None` for an acknowledgement | an acknowledgement is none |
//! | 16 | `NetlinkMessageIter::new(buffer, len)` panics if `len` is too large | yields `Truncated` | |
//! | 17 | `Interrupted` after a signal | the same: nothing is lost; call again with what is left of the time | |
//! | 18 | `Display` writes names as they are | escaped | a name can hold line breaks, quotes and what a terminal obeys |
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![deny(unsafe_code)]
#![warn(missing_docs)]
// Without a face the core is of no use; it must compile all the same.
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
pub use table::{Change, Process, change, field, remark, state};

/// Holds the table against a model of a machine, for the fuzzer alone.
#[cfg(all(fuzzing, feature = "std", feature = "table"))]
#[doc(hidden)]
pub use table::fuzz as fuzz_table;
