//! The functions of proc_connector.h. The comments become the header's.
//!
//! Every function trusts what the header demands of its callers: pointers are NULL or valid, a
//! handle is open, and one thread at a time uses it except where the header says otherwise. That
//! is what makes the unsafe blocks here sound.
#![allow(clippy::missing_safety_doc)]

use super::convert::{count, filter_options, open_options, stats_into, status, timeout};
use super::types::{PC_VERSION, pc_event, pc_options, pc_stats};
use crate::connector::{self, BATCH, Connector, Receiver, Reception, receive};
use crate::errno::Errno;
use crate::memory::{self, OutSlice};
use crate::procfs::stat::{Liveness, process_alive};
use crate::protocol::event::{self, Event};
use crate::protocol::format::format;
use crate::protocol::wire::{self, Malformed};
use crate::sys::{self, Fd};
use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::slice;

/// cbindgen:no-export
type pid_t = i32;

const INVALID: Errno = Errno(libc::EINVAL);

/// A connector: a subscription, its queue and its books.
pub struct pc_connector {
    connector: Connector,
    /// Touched only by functions that one thread at a time may call.
    receiver: UnsafeCell<Receiver>,
}

/// The part of a handle that any thread may use.
///
/// # Safety
/// NULL or an open handle.
unsafe fn shared<'a>(pc: *const pc_connector) -> Result<&'a Connector, Errno> {
    // SAFETY: field access without a reference to the whole, whose other part may be in use.
    if pc.is_null() { Err(INVALID) } else { Ok(unsafe { &(*pc).connector }) }
}

/// Both parts of a handle.
///
/// # Safety
/// NULL or an open handle which no other thread uses but through [`shared`].
unsafe fn both<'a>(pc: *mut pc_connector) -> Result<(&'a Connector, &'a mut Receiver), Errno> {
    // SAFETY: passed on; only such callers reach the receiver.
    Ok((unsafe { shared(pc) }?, unsafe { &mut *(*pc).receiver.get() }))
}

/// Opens or, given a descriptor, adopts; and puts the new handle where C can hold it.
///
/// # Safety
/// `out` is NULL or writable, `options` as for [`open_options`].
unsafe fn make(
    out: *mut *mut pc_connector,
    fd: Option<c_int>,
    options: *const pc_options,
) -> Result<(), Errno> {
    if out.is_null() {
        return Err(INVALID);
    }
    // SAFETY: passed on.
    let options = unsafe { open_options(options) }?;
    if fd.is_some_and(|fd| fd < 0) {
        return Err(Errno(libc::EBADF));
    }
    let memory = memory::allocate::<pc_connector>()?;
    // SAFETY: the caller hands the descriptor over. On failure, such as for a descriptor that is not
    // open, it is given back below.
    let socket = fd.map(|fd| unsafe { Fd::from_raw(fd) });
    match connector::open_on(socket, &options) {
        Ok((connector, receiver)) => {
            // SAFETY: allocated for one pc_connector; `out` is writable.
            unsafe {
                memory.write(pc_connector { connector, receiver: UnsafeCell::new(receiver) });
                out.write(memory.as_ptr());
            }
            Ok(())
        }
        Err((error, socket)) => {
            socket.map(Fd::into_raw);
            // SAFETY: allocated above, never used.
            unsafe { memory::release(memory) };
            Err(error)
        }
    }
}

/// Opens a connector and subscribes to process events.
///
/// It returns once the kernel has acknowledged this subscription, and never blocks. Every event
/// from then on is delivered or counted as lost.
///
/// out:      receives the handle, to be given to pc_close().
/// options:  what to receive, and how much to queue; NULL: everything, 32 MiB.
///
/// Returns 0 or, each with its own text in pc_strerror():
/// -EINVAL, -E2BIG     bad options, PC_OPEN_SUBSCRIBED among them
/// -EPROTONOSUPPORT    a kernel without CONFIG_CONNECTOR
/// -EAFNOSUPPORT       netlink is forbidden (systemd's RestrictAddressFamilies=)
/// -ENOSYS             a kernel without CONFIG_PROC_EVENTS
/// -ECONNREFUSED       not in the initial network namespace
/// -EOPNOTSUPP         not in the initial PID and user namespaces
/// -EPERM              before Linux 6.6: no CAP_NET_ADMIN; later: a seccomp filter or an LSM
/// -EMFILE, -ENFILE, -ENOMEM
/// -ETIMEDOUT          no acknowledgement although none of the above holds
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_open(out: *mut *mut pc_connector, options: *const pc_options) -> c_int {
    // SAFETY: NULL or valid.
    status(unsafe { make(out, None, options) })
}

/// Adopts a socket that somebody else opened.
///
/// A NETLINK_CONNECTOR socket, DGRAM or RAW and a member of group 1, as a privileged parent or
/// systemd passes it on; its pending events are kept, and what it lost before is not counted. Or an
/// AF_UNIX socket, DGRAM or SEQPACKET, to feed a program with events without privilege or kernel,
/// for its tests: a datagram for each, as pc_parse() takes them. Prefer SEQPACKET, which can end
/// (by the close of its peer, or by an empty datagram). There, masks and flags work as well,
/// nothing is lost, and pc_subscribe(), pc_unsubscribe() and pc_check() return 0 and do nothing.
///
/// The descriptor becomes non-blocking and close-on-exec. Unless options ask for a budget, its
/// queue is never made smaller. With PC_OPEN_SUBSCRIBED no privilege is needed on any kernel; but
/// before Linux 6.6 the IGNORE of an unprivileged pc_close() has no effect.
///
/// out:      receives the handle.
/// fd:       belongs to the handle on success; on failure it is still the caller's, open, with its
///           old settings (but for a BPF filter of its own, which is lost, and if options ask for a
///           smaller queue: without CAP_NET_ADMIN one above net.core.rmem_max is not given back).
/// options:  as for pc_open().
///
/// Returns 0 or what pc_open() returns, or
/// -EBADF              not an open descriptor
/// -EPROTOTYPE         not such a socket
/// -EINVAL             not a member of group 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_open_fd(
    out: *mut *mut pc_connector,
    fd: c_int,
    options: *const pc_options,
) -> c_int {
    // SAFETY: NULL or valid.
    status(unsafe { make(out, Some(fd), options) })
}

/// Returns the socket, for poll() and the like; -EINVAL if pc is NULL.
///
/// Readable means: call pc_recv() or pc_recv_many() until it returns 0. The first call may return 0
/// already, if what was there was forged or filtered. Do not read, close or configure the
/// descriptor. A runtime that insists on owning one gets a dup().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_fd(pc: *const pc_connector) -> c_int {
    // SAFETY: NULL or an open handle.
    match unsafe { shared(pc) } {
        Ok(connector) => connector.socket().raw(),
        Err(Errno(error)) => -error,
    }
}

/// Receives one event. One that is ready costs one system call.
///
/// event:       written only when 1 is returned.
/// timeout_ms:  how long to wait for it; 0: not at all, -1: without limit. It is a deadline: what
///              is dropped on the way does not restart it. (What waits already and is to be
///              dropped, because it was queued under another filter or forged, is dropped first.)
///
/// Returns 1: an event; 0: none came in time; or
/// -EINTR       a signal arrived while waiting, SA_RESTART or not; nothing is lost, call again
/// -ECANCELED   pc_interrupt()
/// -EPIPE       the end of the stream (AF_UNIX SEQPACKET only), repeatedly
/// -ECHILD      the handle is the parent's
/// -EINVAL      and what recvfrom(2), getsockopt(2) and ppoll(2) return
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_recv(
    pc: *mut pc_connector,
    event: *mut pc_event,
    timeout_ms: c_int,
) -> c_int {
    let mut first = None;
    if !event.is_null()
        && timeout_ms >= -1
        // SAFETY: NULL or an open handle that no other thread receives from.
        && let Ok((connector, receiver)) = unsafe { both(pc) }
    {
        // SAFETY: writable, and laid out as Event.
        let out = unsafe { slice::from_raw_parts_mut(event.cast::<MaybeUninit<Event>>(), 1) };
        match receiver.take_one(connector, &mut OutSlice::new(out)) {
            Ok(()) => return 1,
            Err(other) => first = other,
        }
    }
    // SAFETY: passed on.
    unsafe { receive_many(pc, event, 1, timeout_ms, first) }
}

/// Receives up to count events, at most 64, in one system call.
///
/// A batch that is short does not mean that no more wait: only 0 does.
///
/// events:      room for count events; what is behind the returned number is unspecified.
/// timeout_ms:  how long to wait for the first of them, as for pc_recv().
///
/// Returns how many were received, 0: none came in time, or what pc_recv() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_recv_many(
    pc: *mut pc_connector,
    events: *mut pc_event,
    count: usize,
    timeout_ms: c_int,
) -> c_int {
    // SAFETY: passed on.
    unsafe { receive_many(pc, events, count, timeout_ms, None) }
}

/// As [`pc_recv_many`], after something has been received already.
///
/// # Safety
/// As for [`pc_recv_many`].
unsafe fn receive_many(
    pc: *mut pc_connector,
    events: *mut pc_event,
    count: usize,
    timeout_ms: c_int,
    mut first: Option<Reception>,
) -> c_int {
    let mut receive = || {
        // SAFETY: NULL or an open handle that no other thread receives from.
        let (connector, receiver) = unsafe { both(pc) }?;
        if events.is_null() || count == 0 {
            return Err(INVALID);
        }
        let room = count.min(BATCH);
        // SAFETY: room for at least `room` events, which are laid out as Event.
        let out = unsafe { slice::from_raw_parts_mut(events.cast::<MaybeUninit<Event>>(), room) };
        let timeout = timeout(timeout_ms)?;
        let has_taken = matches!(first, Some(Ok(_)));
        let mut attempt = || receiver.fill(connector, first.take(), &mut OutSlice::new(out));
        // What has been taken must not fall to an interrupt.
        if has_taken && let count @ 1.. = attempt()? {
            return Ok(count);
        }
        receive(connector, timeout, attempt)
    };
    self::count(receive())
}

/// Chooses other events, atomically.
///
/// Events that are queued already are judged by the filter in force when they are received; those
/// it rejects count as filtered. While paused, the filter takes effect with pc_subscribe().
///
/// filter:  events and PC_FILTER_* flags; everything else must be 0. NULL: everything.
///
/// Returns 0, -EINVAL, -E2BIG, -ECHILD, -ENOMEM, or -EPERM (a seccomp filter, or the socket's
/// filter is locked); on failure the old filter stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_set_filter(pc: *mut pc_connector, filter: *const pc_options) -> c_int {
    let set = || {
        // SAFETY: NULL or an open handle that no other thread receives from.
        let (connector, receiver) = unsafe { both(pc) }?;
        // SAFETY: NULL or valid.
        receiver.set_filter(connector, unsafe { filter_options(filter) }?)
    };
    status(set())
}

/// Resumes after pc_unsubscribe(); otherwise does nothing.
///
/// If a deafness was found before the pause and could not be repaired, a PC_EVENT_OVERRUN with
/// PC_LOST_DEAF follows, for which pc_fd() does not become readable: call pc_recv().
///
/// Returns 0, -ECHILD, or what pc_open() returns; then the connector is still paused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_subscribe(pc: *mut pc_connector) -> c_int {
    // SAFETY: NULL or an open handle that no other thread receives from.
    let both = unsafe { both(pc) };
    status(both.and_then(|(connector, receiver)| receiver.subscribe(connector)))
}

/// Pauses: no events from now on. If paused already, does nothing.
///
/// What is queued, and losses that are not announced yet, can still be received.
///
/// Returns 0, -EINVAL, -ECHILD, or what setsockopt(2) and sendto(2) return (but -EPERM for EACCES
/// and -ENOMEM for ENOBUFS): then events go on, behind a PC_EVENT_OVERRUN with PC_LOST_DEAF if some
/// may be missing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_unsubscribe(pc: *mut pc_connector) -> c_int {
    // SAFETY: NULL or an open handle that no other thread receives from.
    let both = unsafe { both(pc) };
    status(both.and_then(|(connector, receiver)| receiver.unsubscribe(connector)))
}

/// Proves that the kernel still reports. Any thread may call it; it costs microseconds: call it
/// from a daemon's timer, and receive if it returns 1.
///
/// The kernel counts its listeners for the whole machine and reports to nobody while the count is
/// below one. From Linux 6.6 on any unprivileged process can bring it there
/// (drivers/connector/cn_proc.c, cn_proc_mcast_ctl(); tried). This function notices, and repairs
/// it. A paused connector is not checked.
///
/// From Linux 6.6 on it also renews this connector's own subscription, which another holder of the
/// same socket may have ended. That cannot be told from a renewal that changes nothing: the result
/// is 0 and what was missed is not known.
///
/// Returns 0: the kernel reports, now. (That somebody else made it deaf and a third one repaired it
/// since the last check cannot be known.) 1: the kernel was deaf and is repaired; a
/// PC_EVENT_OVERRUN with PC_LOST_DEAF follows in the stream. pc_fd() does not become readable for
/// it: call pc_recv(). -EPERM: the privilege has been dropped, before Linux 6.6. -ECHILD, -EINVAL,
/// or what pc_open() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_check(pc: *mut pc_connector) -> c_int {
    // SAFETY: NULL or an open handle.
    let shared = unsafe { shared(pc) };
    count(shared.and_then(Connector::check))
}

/// Ends a wait: the current or the next call with a timeout other than 0 returns -ECANCELED, once.
///
/// Any thread and any signal handler may call it, until pc_close() or pc_release() is called.
/// Several interrupts before that return count as one. Calls with timeout 0 neither see nor consume
/// it. pc_fd() does not become readable. An interrupt that comes late cancels the next wait: a
/// program that uses one to say "stop" sets a flag of its own first, and looks at it whenever it
/// gets -ECANCELED.
///
/// Returns 0, -EINVAL or -ECHILD; errno stays as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_interrupt(pc: *mut pc_connector) -> c_int {
    let interrupt = || {
        // SAFETY: NULL or an open handle.
        unsafe { shared(pc) }?.interrupt()
    };
    status(interrupt())
}

/// Copies the books. Any thread may call it; each field by itself is exact.
///
/// stats:  receives them.
/// size:   sizeof(struct pc_stats). Smaller than that of version 0.1: -EINVAL. What is behind this
///         library's own fields is zeroed.
///
/// Returns 0 or -EINVAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_get_stats(
    pc: *const pc_connector,
    stats: *mut pc_stats,
    size: usize,
) -> c_int {
    // SAFETY: NULL or an open handle; `stats` is NULL or writable for `size` bytes.
    status(unsafe { shared(pc).and_then(|connector| stats_into(connector, stats, size)) })
}

/// Unsubscribes, exactly once, and closes. NULL is allowed. errno stays as it is.
///
/// The subscription belongs to the socket: this ends it for every dup() of pc_fd() too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_close(pc: *mut pc_connector) {
    if let Some(pc) = NonNull::new(pc) {
        // SAFETY: an open handle that nobody uses any more.
        unsafe { unmake(pc) };
    }
}

/// # Safety
/// `pc` is from [`make`], and nobody uses it any more.
#[inline(never)]
unsafe fn unmake(pc: NonNull<pc_connector>) {
    // SAFETY: an open handle, made by make(), that nobody uses any more.
    sys::preserving_errno(|| unsafe {
        pc.drop_in_place();
        memory::release(pc);
    });
}

/// Ends the handle but not the subscription, and returns the socket, which is the caller's now: for
/// a successor (a child, or the same daemon after its restart, through systemd's FD store), who
/// gives it to pc_open_fd() with PC_OPEN_SUBSCRIBED and misses nothing.
///
/// It is still non-blocking and close-on-exec, and has its filter: who hands it on through
/// execve(2) takes FD_CLOEXEC away first (fcntl(2)).
///
/// Receive until 0 before: a loss that is not announced yet is not counted by the successor. Of a
/// paused connector the socket is not subscribed: the successor goes without PC_OPEN_SUBSCRIBED.
///
/// Returns the descriptor, or -EINVAL or -ECHILD, and then nothing has changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_release(pc: *mut pc_connector) -> c_int {
    // SAFETY: NULL or an open handle.
    if let Err(Errno(error)) = unsafe { shared(pc) }.and_then(Connector::require_owner) {
        return -error;
    }
    // SAFETY: an open handle that nobody else uses any more. Both halves are moved out of it.
    let pc_connector { connector, receiver } = unsafe { pc.read() };
    let fd = connector.release().into_raw();
    drop(receiver);
    // SAFETY: the handle's memory was allocated by make(), and nothing is left in it.
    unsafe { memory::release(NonNull::new_unchecked(pc)) };
    fd
}

/// Takes a datagram apart, for those who receive it by other means: io_uring, a recording. No
/// alignment is assumed. Who sent it is the caller's to check: the kernel's nl_pid is 0.
///
/// A datagram is a struct nlmsghdr (NLMSG_DONE), a struct cn_msg (CN_IDX_PROC, CN_VAL_PROC) and a
/// struct proc_event (linux/netlink.h, connector.h, cn_proc.h): 76 bytes.
///
/// datagram:  size bytes as they came from the socket.
/// event:     written only when 1 is returned.
///
/// Returns 1: an event; 0: a control message that carries none; -EBADMSG: truncated or damaged;
/// -EINVAL: a NULL pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_parse(
    datagram: *const c_void,
    size: usize,
    event: *mut pc_event,
) -> c_int {
    if datagram.is_null() || event.is_null() {
        return -libc::EINVAL;
    }
    // SAFETY: readable for `size` bytes; no object is larger than isize::MAX.
    let datagram = unsafe { slice::from_raw_parts(datagram.cast::<u8>(), size) };
    // SAFETY: writable, and laid out as Event.
    let out = unsafe { &mut *event.cast::<MaybeUninit<Event>>() };
    if let Some(event) = wire::parse_usual(datagram) {
        out.write(event);
        return 1;
    }
    parse_unusual(datagram, out)
}

/// Apart from pc_parse(), which needs no stack without it.
#[cold]
#[inline(never)]
fn parse_unusual(datagram: &[u8], out: &mut MaybeUninit<Event>) -> c_int {
    match wire::parse(datagram) {
        Ok(Some(event)) => {
            out.write(event);
            1
        }
        Ok(None) => 0,
        Err(Malformed) => -libc::EBADMSG,
    }
}

/// Returns the process that an event is about (of FORK: the child's); 0 for PC_EVENT_OVERRUN,
/// PC_EVENT_UNKNOWN and NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_event_tgid(event: *const pc_event) -> pid_t {
    // SAFETY: NULL or a valid event, which is laid out as Event.
    unsafe { event.cast::<Event>().as_ref() }.map_or(0, Event::tgid)
}

/// Looks a process up in /proc: whether an EXIT of its leader was its end.
///
/// tgid:  an id of this PID namespace, which should be the initial one.
///
/// Returns 1: it lives; 2: its leader has ended but other threads live on (or, for a moment, one of
/// them takes its place by an exec); 0: it has ended, is a zombie, or never was; -ESRCH: this is a
/// thread's id, not a process's, although /proc opens it; -EACCES: /proc does not show it although
/// it exists (not mounted, hidepid); -EINVAL: not positive; or what open(2) and read(2) return.
#[unsafe(no_mangle)]
pub extern "C" fn pc_process_alive(tgid: pid_t) -> c_int {
    match process_alive(tgid) {
        Ok(Liveness::Ended) => 0,
        Ok(Liveness::Alive) => 1,
        Ok(Liveness::LeaderGone) => 2,
        Err(Errno(error)) => -error,
    }
}

/// Writes an event as one readable line without a line break, for logs. Its wording may change.
///
/// buffer:  room for size bytes; NULL if size is 0. Always terminated when size > 0.
///
/// Returns the length of the whole line, even if it did not fit, as snprintf() does; no line is
/// longer than 255. -EINVAL: a NULL pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_event_format(
    event: *const pc_event,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: NULL or a valid event, which is laid out as Event.
    let event = unsafe { event.cast::<Event>().as_ref() };
    let Some(event) = event.filter(|_| size == 0 || !buffer.is_null()) else {
        return -libc::EINVAL;
    };
    let line = format(event);
    let text = line.as_bytes();
    if let Some(room) = size.checked_sub(1) {
        let fitting = text.len().min(room);
        // SAFETY: writable for `size` bytes, of which `fitting` and a terminator are written.
        unsafe {
            buffer.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), fitting);
            buffer.add(fitting).write(0);
        }
    }
    text.len() as c_int
}

/// Returns the name of a kind: "fork", "exec", … "overrun"; "unknown" for PC_EVENT_UNKNOWN and for
/// kinds of later versions. A static string.
#[unsafe(no_mangle)]
pub extern "C" fn pc_event_name(kind: u32) -> *const c_char {
    event::name(kind).as_ptr().cast()
}

/// Returns what an error means here and what to do about it. A static string.
///
/// error:  what a function of this library returned; the sign does not matter.
#[unsafe(no_mangle)]
pub extern "C" fn pc_strerror(error: c_int) -> *const c_char {
    Errno(error.saturating_abs()).text().as_ptr().cast()
}

/// Returns the library's version, to be compared with PC_VERSION:
/// major << 16 | minor << 8 | patch.
#[unsafe(no_mangle)]
pub extern "C" fn pc_version() -> u32 {
    PC_VERSION
}
