//! The connector. The comments become the header's.
#![allow(missing_docs, clippy::missing_safety_doc)]

use super::arguments::{INVALID, count, options_of, status, timeout};
use super::event::{pc_event, place};
use super::handle::{self, Handle, both, on_socket, shared};
use crate::connector::{self, BATCH, Connector, OpenOptions, Receiver, Reception, receive};
use crate::errno::Errno;
use crate::memory::OutSlice;
use crate::protocol::event::Event;
use crate::protocol::filter::Filter;
use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::null;
use core::slice;

/// A connector: a subscription, its queue and its statistics.
pub struct pc_connector(());

impl Handle for pc_connector {
    type Shared = Connector;
    /// Belongs to the thread that receives.
    type Exclusive = Receiver;
}

/// Events to receive: bits for pc_options.events. PC_EVENT_OVERRUN passes every mask.
pub const PC_MASK_FORK: u32 = 1u32 << 1;
pub const PC_MASK_EXEC: u32 = 1u32 << 2;
pub const PC_MASK_EXIT: u32 = 1u32 << 3;
pub const PC_MASK_UID: u32 = 1u32 << 4;
pub const PC_MASK_GID: u32 = 1u32 << 5;
pub const PC_MASK_SID: u32 = 1u32 << 6;
pub const PC_MASK_PTRACE: u32 = 1u32 << 7;
pub const PC_MASK_COMM: u32 = 1u32 << 8;
pub const PC_MASK_COREDUMP: u32 = 1u32 << 9;
/// Kernel events that this version does not know.
pub const PC_MASK_UNKNOWN: u32 = 1u32 << 11;
/// The nine kinds that kernels send today: bits 1 to 9.
pub const PC_MASK_ALL: u32 = (1u32 << 10) - 2u32;

/// pc_options.flags: discard the events of tasks that are not the leader of their process. These
/// are the events with pid != tgid, and FORKs with child_pid != child_tgid.
///
/// The EXIT of a leader is not always the process exit: other threads may live on, or one of them
/// may take the leader's place by execve(2). So call pc_process_alive() at each EXIT. If it returns
/// 2, no event will report the process exit under this filter. Either call it again from a timer,
/// or receive without this filter and call it at each EXIT with that tgid. No event shows which
/// thread's exit code became the exit code of the process. (The kernel reports tasks:
/// drivers/connector/cn_proc.c; measured on Linux 5.10 to 7.3.)
pub const PC_FILTER_NO_THREADS: u32 = 1u32 << 0;
/// pc_options.flags: deliver an EXIT only if its exit_code is not 0. Other kinds of events pass.
/// The filter judges tasks, not processes: a leader may exit with 0 before its process fails. See
/// PC_FILTER_NO_THREADS.
pub const PC_FILTER_NONZERO_EXIT: u32 = 1u32 << 1;
/// pc_options.flags, for pc_open_fd(): the socket is subscribed already. pc_open_fd() does not
/// subscribe it again, but pc_close() unsubscribes it.
///
/// Queue, filter and subscription belong to the socket, not to a descriptor. Any other program that
/// still holds the socket must not receive from it, set its filter, or close a handle on it.
pub const PC_OPEN_SUBSCRIBED: u32 = 1u32 << 16;

/// How to open a connector. Start from PC_OPTIONS_INIT. NULL stands for PC_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_options {
    /// sizeof(struct pc_options). A size smaller than in version 0.1 gives -EINVAL. A size above
    /// 4096, or a field in use that this library does not know, gives -E2BIG.
    pub size: usize,
    /// PC_MASK_* bits; 0: everything, unknown kinds included.
    pub events: u32,
    /// PC_FILTER_* and PC_OPEN_* bits.
    pub flags: u32,
    /// The budget of the queue: how many bytes of kernel memory the pending events may take, at
    /// most INT_MAX; 0: 36 MiB, room for at least 32,000 events.
    ///
    /// The kernel charges 704 to 1,152 bytes per event, depending on the machine: pc_options(3). Memory
    /// is in use only while events are pending, but a stalled reader can pin the whole budget. Without
    /// CAP_NET_ADMIN the kernel grants at most twice the sysctl net.core.rmem_max, which on a stock
    /// system is room for some 440 events: raise the sysctl. pc_stats.rcvbuf_bytes shows what the
    /// kernel granted. On AF_UNIX the budget has no effect.
    pub rcvbuf_bytes: u32,
    /// For how many microseconds a call with a timeout spins before it sleeps; 0, the default: it
    /// sleeps at once.
    ///
    /// A thread that spins uses all of its CPU, and no event has to wake it. pc_wake_soon() is
    /// usually the better choice: it costs nothing. A signal that arrives while the thread spins
    /// does not end the call: use pc_interrupt().
    pub spin_us: u32,
}

const PC_OPTIONS_INIT: pc_options =
    pc_options { size: size_of::<pc_options>(), events: 0, flags: 0, rcvbuf_bytes: 0, spin_us: 0 };
// Options that the caller does not have are 0: see options_of().
const _: () = assert!(matches!(
    PC_OPTIONS_INIT,
    pc_options { size: _, events: 0, flags: 0, rcvbuf_bytes: 0, spin_us: 0 }
));

/// Opens a connector and subscribes to process events.
///
/// The call never blocks. It returns once the kernel has acknowledged this subscription. From then
/// on, every event is delivered or counted as lost.
///
/// out:      receives the handle, which pc_close() ends.
/// options:  what to receive, and how much to queue; NULL: everything, 36 MiB.
///
/// Returns 0 or an error, each with its own text in pc_strerror():
/// -EINVAL, -E2BIG     an option is wrong: see pc_invalid_option(); PC_OPEN_SUBSCRIBED is for
///                     pc_open_fd() only
/// -EPROTONOSUPPORT    the kernel lacks CONFIG_CONNECTOR
/// -EAFNOSUPPORT       netlink is forbidden (systemd's RestrictAddressFamilies=)
/// -ENOSYS             the kernel lacks CONFIG_PROC_EVENTS
/// -ECONNREFUSED       not in the initial network namespace
/// -EOPNOTSUPP         not in the initial PID, user and time namespaces
/// -EPERM              before Linux 6.6: no CAP_NET_ADMIN; later: a seccomp filter or an LSM
/// -EIO                a system call failed unexpectedly: a seccomp filter or an emulator
/// -EMFILE, -ENFILE    out of descriptors
/// -ENOMEM             out of memory
/// -ETIMEDOUT          the kernel did not acknowledge, and no cause was found
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_open(out: *mut *mut pc_connector, options: *const pc_options) -> c_int {
    // SAFETY: `out` is NULL or writable, and `options` is NULL or as long as it says.
    status(unsafe { create(out, None, options) })
}

/// Opens a connector on a socket that exists already.
///
/// Two kinds of sockets can be adopted:
/// - A NETLINK_CONNECTOR socket (DGRAM or RAW, a member of group 1) that a privileged parent or
///   systemd has opened. The handle delivers the events that are pending. It does not count earlier
///   losses.
/// - An AF_UNIX socket (DGRAM or SEQPACKET) through which a test sends events to a program, without
///   privilege and without the kernel. Each datagram carries one event, as pc_parse() takes it.
///   Prefer SEQPACKET: its stream ends when the peer closes it or sends an empty datagram. Masks
///   and flags work here too, and nothing is lost. pc_subscribe(), pc_unsubscribe() and pc_check()
///   return 0 and do nothing.
///
/// The descriptor becomes non-blocking and close-on-exec. The queue becomes smaller only if options
/// ask for that. If rcvbuf_bytes is 0, a queue below 36 MiB grows to that, as far as the kernel
/// grants it. With PC_OPEN_SUBSCRIBED no privilege is needed on any kernel. But before Linux 6.6
/// an unprivileged pc_close() cannot remove its listener from the kernel's count.
///
/// out:      receives the handle.
/// fd:       the socket. On success it belongs to the handle. On failure it stays open, belongs to
///           the caller, and keeps its old settings, with two exceptions. A BPF filter that the
///           caller had attached is lost. If options ask for a smaller queue, an old size above
///           net.core.rmem_max is restored only with CAP_NET_ADMIN.
/// options:  as for pc_open().
///
/// An unsubscribed socket is adopted only in the initial network namespace. A subscribed one is
/// adopted in any, but outside the initial one pc_check() and pc_subscribe() return -ECONNREFUSED.
///
/// Returns 0, an error of pc_open(), or
/// -ECONNREFUSED       also: fd was made in another network namespace
/// -EBADF              fd is not an open descriptor
/// -EPROTOTYPE         fd is neither kind of socket
/// -EINVAL             fd is not a member of group 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_open_fd(
    out: *mut *mut pc_connector,
    fd: c_int,
    options: *const pc_options,
) -> c_int {
    // SAFETY: `out` is NULL or writable, and `options` is NULL or as long as it says.
    status(unsafe { create(out, Some(fd), options) })
}

/// Opens a connector or, given a descriptor, adopts it.
///
/// # Safety
/// `out` is NULL or writable. `options` is NULL, or readable for as many bytes as its size says.
unsafe fn create(
    out: *mut *mut pc_connector,
    fd: Option<c_int>,
    options: *const pc_options,
) -> Result<(), Errno> {
    let make = || {
        // SAFETY: `options` is NULL or as long as it says.
        let options = unsafe { open_options(options) }?;
        // SAFETY: the caller hands its descriptor over.
        unsafe { on_socket(fd, |socket| connector::open_on(socket, &options)) }
    };
    // SAFETY: `out` is NULL or writable.
    unsafe { handle::create(out, make) }
}

/// # Safety
/// `options` is NULL, or readable for as many bytes as its size says.
unsafe fn open_options(options: *const pc_options) -> Result<OpenOptions, Errno> {
    // SAFETY: pc_options begins with its size, and the caller vouches for that.
    let options = unsafe { options_of(options) }?;
    if !invalid_option(&options).is_null() {
        return Err(INVALID);
    }
    let pc_options { size: _, events, flags, rcvbuf_bytes, spin_us } = options;
    #[cfg(not(feature = "table"))]
    let _ = spin_us;
    Ok(OpenOptions {
        filter: Filter::new(events, flags & !PC_OPEN_SUBSCRIBED).ok_or(INVALID)?,
        budget: (rcvbuf_bytes != 0).then_some(rcvbuf_bytes),
        subscribed: flags & PC_OPEN_SUBSCRIBED != 0,
        #[cfg(feature = "table")]
        spin_us,
    })
}

/// Names the option that makes pc_open() or pc_open_fd() return -EINVAL or -E2BIG.
///
/// pc_open() also rejects PC_OPEN_SUBSCRIBED, and pc_set_filter() also rejects an rcvbuf_bytes or spin_us that is
/// not 0. This function names neither.
///
/// options:  as for pc_open().
///
/// Returns the name of the first invalid field, such as "rcvbuf_bytes", as a static string; or NULL
/// if all fields are valid. If a field is in use that this library does not know, the name is
/// "size".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_invalid_option(options: *const pc_options) -> *const c_char {
    // SAFETY: `options` is NULL or as long as it says.
    unsafe { options_of(options) }.map_or(c"size".as_ptr(), |options| invalid_option(&options))
}

/// The name of the first invalid option, or NULL.
fn invalid_option(options: &pc_options) -> *const c_char {
    // Every field is named, so that a new one cannot be forgotten here.
    let &pc_options { size: _, events, flags, rcvbuf_bytes, spin_us } = options;
    if Filter::new(events, 0).is_none() {
        c"events".as_ptr()
    } else if Filter::new(0, flags & !PC_OPEN_SUBSCRIBED).is_none() {
        c"flags".as_ptr()
    } else if c_int::try_from(rcvbuf_bytes).is_err() {
        c"rcvbuf_bytes".as_ptr()
    } else if spin_us != 0 && !cfg!(feature = "table") {
        c"spin_us".as_ptr() // A library without the table does not spin.
    } else {
        null()
    }
}

/// Returns the socket, for poll() and the like; -EINVAL if pc is NULL.
///
/// When the socket is readable, call pc_recv() or pc_recv_many() until that returns 0. The first
/// call may already return 0, if everything pending was forged or filtered. Do not read, close or
/// configure the descriptor. If a runtime must own its descriptors, give it a dup().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_fd(pc: *const pc_connector) -> c_int {
    // SAFETY: `pc` is NULL or open.
    match unsafe { shared(pc) } {
        Ok(connector) => connector.socket().raw(),
        Err(Errno(error)) => -error,
    }
}

/// Receives one event. If an event is pending, this costs one system call.
///
/// event:       written only when 1 is returned.
/// timeout_ms:  how long to wait for the event; 0: not at all, -1: without limit. Discarded messages
///              do not restart the timeout. Before the call returns 0, even with timeout 0, it
///              discards the messages that are pending but not wanted: forged ones, and those that
///              were queued under another filter.
///
/// Returns 1: an event; 0: no event came in time; or
/// -EINTR       a signal arrived during the wait, even with SA_RESTART; nothing is lost: call again
/// -ECANCELED   pc_interrupt() was called
/// -EPIPE       the stream has ended (AF_UNIX SEQPACKET only); later calls return this too
/// -ECHILD      the handle belongs to the parent process
/// -EINVAL      a NULL pointer, or a timeout below -1
/// or an error of recvfrom(2), getsockopt(2) or ppoll(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_recv(
    pc: *mut pc_connector,
    event: *mut pc_event,
    timeout_ms: c_int,
) -> c_int {
    // SAFETY: `event` is NULL or writable; `pc` is NULL or open, and no other thread receives
    // from it.
    let first = match unsafe { (place(event), both(pc)) } {
        (Ok(place), Ok((connector, receiver))) if timeout_ms >= -1 => {
            match receiver.take_one(connector, &mut OutSlice::new(slice::from_mut(place))) {
                Ok(()) => return 1,
                Err(other) => other,
            }
        }
        _ => None,
    };
    // SAFETY: `event` is NULL or has room for one; `pc` is NULL or open, and no other thread
    // receives from it.
    unsafe { receive_many(pc, event, 1, timeout_ms, first) }
}

/// Receives up to count events, at most 64, in one system call.
///
/// After a short batch, more events may be pending. Only a result of 0 means that none are.
///
/// events:      room for count events. Entries beyond the returned number are unspecified.
/// timeout_ms:  how long to wait for the first event, as for pc_recv().
///
/// Returns the number of events received; 0: none came in time; or an error of pc_recv(), or
/// -EINVAL if count is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_recv_many(
    pc: *mut pc_connector,
    events: *mut pc_event,
    count: usize,
    timeout_ms: c_int,
) -> c_int {
    // SAFETY: `events` is NULL or has room for `count` events; `pc` is NULL or open, and no other
    // thread receives from it.
    unsafe { receive_many(pc, events, count, timeout_ms, None) }
}

/// Receives into an array. `first` is what a system call has received already.
///
/// # Safety
/// `events` is NULL or has room for `count` events. `pc` is NULL or open, and no other thread is in
/// a function that needs the receiver.
unsafe fn receive_many(
    pc: *mut pc_connector,
    events: *mut pc_event,
    count: usize,
    timeout_ms: c_int,
    mut first: Option<Reception>,
) -> c_int {
    let mut receive = || {
        // SAFETY: `pc` is NULL or open, and no other thread needs the receiver.
        let (connector, receiver) = unsafe { both(pc) }?;
        if events.is_null() || count == 0 {
            return Err(INVALID);
        }
        let room = count.min(BATCH);
        // SAFETY: there is room for `room` events, and a pc_event is laid out as an Event.
        let out = unsafe { slice::from_raw_parts_mut(events.cast::<MaybeUninit<Event>>(), room) };
        let timeout = timeout(timeout_ms)?;
        let has_taken = matches!(first, Some(Ok(_)));
        let mut attempt = || receiver.fill(connector, first.take(), &mut OutSlice::new(out));
        // An interrupt must not discard what has been received.
        if has_taken {
            if let count @ 1.. = attempt()? {
                return Ok(count);
            }
        }
        receive(connector, timeout, attempt)
    };
    self::count(receive())
}

/// Replaces the filter, atomically.
///
/// An event that is already queued is judged by the filter in force when it is received.
/// pc_stats.filtered counts the rejected events. A filter that is set during a pause takes effect
/// with pc_subscribe().
///
/// filter:  events and PC_FILTER_* flags; all other fields are as in PC_OPTIONS_INIT. NULL:
///          everything.
///
/// Returns 0, -EINVAL, -E2BIG, -ECHILD, -ENOMEM, or -EPERM (a seccomp filter forbids it, or the
/// socket's filter is locked). On failure the old filter stays in force.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_set_filter(pc: *mut pc_connector, filter: *const pc_options) -> c_int {
    let set = || {
        // SAFETY: `pc` is NULL or open, and no other thread receives from it; `filter` is NULL or as
        // long as it says.
        let ((connector, receiver), filter) = unsafe { (both(pc)?, filter_options(filter)?) };
        receiver.set_filter(connector, filter)
    };
    status(set())
}

/// # Safety
/// `options` is NULL, or readable for as many bytes as its size says.
unsafe fn filter_options(options: *const pc_options) -> Result<Filter, Errno> {
    // SAFETY: pc_options begins with its size, and the caller vouches for that.
    let options = unsafe { options_of(options) }?;
    // Every field is named, so that a new one cannot be forgotten here.
    let pc_options { size: _, events, flags, rcvbuf_bytes, spin_us } = options;
    if spin_us != 0 || rcvbuf_bytes != 0 {
        return Err(INVALID);
    }
    Filter::new(events, flags).ok_or(INVALID)
}

/// Resumes after pc_unsubscribe(). If the connector is not paused, this does nothing.
///
/// If the kernel was found deaf before the pause and could not be repaired, a PC_EVENT_OVERRUN with
/// PC_LOST_DEAF follows in the stream. pc_fd() does not become readable for it: call pc_recv().
///
/// Returns 0, -ECHILD, or an error of pc_open(). On failure the connector remains paused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_subscribe(pc: *mut pc_connector) -> c_int {
    // SAFETY: `pc` is NULL or open, and no other thread receives from it.
    let both = unsafe { both(pc) };
    status(both.and_then(|(connector, receiver)| receiver.subscribe(connector)))
}

/// Pauses: from now on no event is queued. If the connector is paused already, this does nothing.
///
/// Pending events, and losses that have not been reported yet, can still be received.
///
/// Returns 0, -EINVAL, -ECHILD, or an error of setsockopt(2) or sendto(2). On failure the connector
/// remains subscribed. If events may have been missed, a PC_EVENT_OVERRUN with PC_LOST_DEAF follows
/// in the stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_unsubscribe(pc: *mut pc_connector) -> c_int {
    // SAFETY: `pc` is NULL or open, and no other thread receives from it.
    let both = unsafe { both(pc) };
    status(both.and_then(|(connector, receiver)| receiver.unsubscribe(connector)))
}

/// Checks that the kernel still reports events, and makes it report again if it has stopped.
///
/// Any thread may call this; it costs microseconds. A daemon calls it from a timer, and calls
/// pc_recv() when it returns 1. A paused connector is not checked.
///
/// The kernel counts its listeners for the whole machine. While the count is below one, the kernel
/// is deaf: it reports to no listener. From Linux 6.6 on, any unprivileged process can lower the
/// count so far (drivers/connector/cn_proc.c, cn_proc_mcast_ctl(); reproduced).
///
/// From Linux 6.6 on, the call also renews this connector's own subscription, which another holder
/// of the socket may have ended. The kernel does not report whether the subscription had ended. So
/// the result is 0 either way, and missed events are not reported.
///
/// Returns
/// 0           the kernel reports now. A deafness that another process repaired since the last
///             check cannot be detected.
/// 1           the kernel was deaf and is repaired. A PC_EVENT_OVERRUN with PC_LOST_DEAF follows
///             in the stream. pc_fd() does not become readable for it: call pc_recv().
/// -EPERM      before Linux 6.6: this process has dropped its privilege, and the kernel is deaf or
///             the connector was adopted without privilege
/// -ECHILD, -EINVAL, or an error of pc_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_check(pc: *mut pc_connector) -> c_int {
    // SAFETY: `pc` is NULL or open.
    let shared = unsafe { shared(pc) };
    count(shared.and_then(Connector::check))
}

/// Ends a wait: the current or the next call with a timeout other than 0 returns -ECANCELED, once.
///
/// Any thread and any signal handler may call this, until pc_close() or pc_release() is called.
/// Several interrupts before that return count as one. Calls with timeout 0 neither see nor consume
/// an interrupt, and pc_fd() does not become readable: wake an event loop by other means, such as
/// eventfd(2).
///
/// An interrupt that comes late cancels the next wait. So a program that interrupts a thread to
/// stop it sets a flag first. The thread reads the flag whenever it gets -ECANCELED.
///
/// Returns 0, -EINVAL or -ECHILD. errno is unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_interrupt(pc: *mut pc_connector) -> c_int {
    // SAFETY: `pc` is NULL or open.
    status(unsafe { shared(pc) }.and_then(Connector::interrupt))
}

/// The statistics of a connector. Whenever pc_recv() has returned 0,
/// received + filtered + lost + foreign + malformed is exactly the number of messages that the
/// socket's filter in the kernel has admitted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_stats {
    /// Kernel events delivered to the caller.
    pub received: u64,
    /// Messages that the kernel admitted and the library rejected: events queued before a
    /// pc_set_filter(), filtered events on AF_UNIX, and messages that carry no event.
    pub filtered: u64,
    /// Events lost in a full queue: the sum over all PC_EVENT_OVERRUN.
    pub lost: u64,
    /// Forged messages: the kernel did not send them.
    pub foreign: u64,
    /// Damaged messages.
    pub malformed: u64,
    /// How often a deaf kernel was repaired.
    pub repaired: u64,
    /// The queue budget that the kernel granted.
    pub rcvbuf_bytes: u32,
    /// From pc_table_get_stats(): how many processes of the table are PC_PROCESS_HIDDEN; otherwise 0.
    pub hidden: u32,
    pub reserved2: [u64; 2],
}

/// The size of `pc_stats` in version 0.1.
const STATS_MIN: usize = 72;

/// Copies the statistics. Any thread may call this. Each field is exact by itself; other threads
/// may change the counters while this copies them.
///
/// stats:  receives the statistics.
/// size:   sizeof(struct pc_stats). Bytes beyond the fields that this library knows become 0.
///
/// Returns 0, or -EINVAL: a NULL pointer, or a size smaller than in version 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_get_stats(
    pc: *const pc_connector,
    stats: *mut pc_stats,
    size: usize,
) -> c_int {
    // SAFETY: `pc` is NULL or open, and `stats` is NULL or writable for `size` bytes.
    status(unsafe { shared(pc).and_then(|connector| stats_into(connector, 0, stats, size)) })
}

/// # Safety
/// `stats` is NULL, or writable for `size` bytes.
pub(super) unsafe fn stats_into(
    connector: &Connector,
    hidden: u32,
    stats: *mut pc_stats,
    size: usize,
) -> Result<(), Errno> {
    if stats.is_null() || size < STATS_MIN {
        return Err(INVALID);
    }
    let statistics = pc_stats { hidden, ..self::stats(connector) };
    let known = size.min(size_of::<pc_stats>());
    // SAFETY: `known` bytes are in both structs, and `stats` is writable for `size` bytes.
    unsafe {
        (&raw const statistics).cast::<u8>().copy_to_nonoverlapping(stats.cast(), known);
        stats.cast::<u8>().add(known).write_bytes(0, size - known);
    }
    Ok(())
}

fn stats(connector: &Connector) -> pc_stats {
    let counters = &connector.counters;
    pc_stats {
        received: counters.received.get(),
        filtered: counters.filtered.get(),
        lost: counters.lost.get(),
        foreign: counters.foreign.get(),
        malformed: counters.malformed.get(),
        repaired: counters.repaired.get(),
        rcvbuf_bytes: connector.budget(),
        hidden: 0,
        reserved2: [0; 2],
    }
}

/// Unsubscribes, exactly once, and closes the connector. NULL is allowed. errno is unchanged.
///
/// The subscription belongs to the socket: it ends for every dup() of pc_fd(), too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_close(pc: *mut pc_connector) {
    // SAFETY: `pc` is NULL, or open and not used any more.
    unsafe { handle::end(pc) };
}

/// Ends the handle but not the subscription, and returns the socket, which then belongs to the
/// caller.
///
/// The socket is meant for a successor: a child, or this daemon after its restart, to which
/// systemd's FD store gives the socket. The successor calls pc_open_fd() with PC_OPEN_SUBSCRIBED
/// and misses nothing.
///
/// First call pc_recv() until it returns 0, because the successor does not count a loss that has
/// not been reported yet. The socket of a paused connector is not subscribed: its successor adopts
/// it without PC_OPEN_SUBSCRIBED.
///
/// The socket stays non-blocking and close-on-exec and keeps its filter. To pass it through
/// execve(2), first clear FD_CLOEXEC with fcntl(2).
///
/// Returns the descriptor, -EINVAL or -ECHILD. On failure nothing has changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_release(pc: *mut pc_connector) -> c_int {
    // SAFETY: `pc` is NULL, or open and not used by any other thread, nor by anyone afterwards.
    let socket = unsafe {
        handle::end_without(pc, |connector, _| {
            connector.require_owner()?;
            Ok(connector.take_socket())
        })
    };
    match socket {
        Ok(socket) => socket.into_raw(),
        Err(Errno(error)) => -error,
    }
}

// The masks and flags of the header are those of the core.
const _: () = {
    use crate::protocol::event::kind;
    use crate::protocol::filter::{MASK_ALL, MASK_UNKNOWN, NO_THREADS, NONZERO_EXIT};
    assert!(PC_MASK_FORK == 1 << kind::FORK && PC_MASK_EXEC == 1 << kind::EXEC);
    assert!(PC_MASK_EXIT == 1 << kind::EXIT && PC_MASK_UID == 1 << kind::UID);
    assert!(PC_MASK_GID == 1 << kind::GID && PC_MASK_SID == 1 << kind::SID);
    assert!(PC_MASK_PTRACE == 1 << kind::PTRACE && PC_MASK_COMM == 1 << kind::COMM);
    assert!(PC_MASK_COREDUMP == 1 << kind::COREDUMP && PC_MASK_UNKNOWN == MASK_UNKNOWN);
    assert!(PC_MASK_ALL == MASK_ALL);
    assert!(PC_FILTER_NO_THREADS == NO_THREADS && PC_FILTER_NONZERO_EXIT == NONZERO_EXIT);
};
