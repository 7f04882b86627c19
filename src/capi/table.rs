//! The process table. The comments become the header's.
#![allow(missing_docs, clippy::missing_safety_doc)]

use super::arguments::{INVALID, count, options_of, output, status, timeout, write_line};
use super::connector::{pc_stats, stats_into};
use super::handle::{self, Handle, both, on_socket, shared};
use crate::errno::Errno;
use crate::procfs::kept;
use crate::table::{
    Change, DEFAULT_WATCHES, DEFAULT_WORK, MAX_TEXT_BYTES, OpenTableOptions, Process, Remote,
    Table, change, field, format, remark, state,
};
use core::ffi::{c_char, c_int};
use core::mem::{MaybeUninit, offset_of};
use core::ptr::null;
use core::sync::atomic::Ordering::Relaxed;

/// cbindgen:no-export
type pid_t = i32;
/// cbindgen:no-export
type uid_t = u32;
/// cbindgen:no-export
type gid_t = u32;

/// A table of all processes, and the connector that keeps it up to date.
pub struct pc_table(());

impl Handle for pc_table {
    type Shared = Remote;
    /// Belongs to the thread that follows the table.
    type Exclusive = Table;
}

/// Fields of a struct pc_process: bits for pc_table_options.fields and pc_process.valid.
pub const PC_FIELD_PARENT: u32 = 1u32 << 0;
pub const PC_FIELD_START: u32 = 1u32 << 1;
pub const PC_FIELD_SESSION: u32 = 1u32 << 2;
pub const PC_FIELD_COMM: u32 = 1u32 << 3;
pub const PC_FIELD_CREDENTIALS: u32 = 1u32 << 4;

/// pc_table_options.flags: do not receive the FORKs of threads. Each costs about as much as any
/// other event. Set this flag only where threads start at a high rate.
///
/// These FORKs show whether a process ever had a second thread. If it had none, its leader's exit
/// code is its own, however late the table handles the EXIT. Without these FORKs, an exit code that
/// the table does not read in time is only the leader's (PC_CHANGE_LEADER_CODE). Even without this
/// flag, the table makes the kernel leave out the threads of up to eight processes that have many,
/// unless a seccomp filter is in force.
pub const PC_TABLE_IGNORE_THREADS: u32 = 1u32 << 0;
/// pc_table_options.flags, for pc_table_open_fd() only: the previous owner of the socket has subscribed
/// it, as after pc_table_release().
pub const PC_TABLE_SUBSCRIBED: u32 = 1u32 << 1;
/// pc_table_options.flags: read the directory proc_fd instead of /proc: the host's /proc at another
/// path, or in a test a directory with made-up processes (see pc_table_open_fd()). A table of the
/// kernel's events refuses a directory that does not show pid 1 and this process (-EACCES). The
/// table opens the directory again, so the caller may close proc_fd afterwards.
pub const PC_TABLE_PROC_FD: u32 = 1u32 << 2;

/// pc_table_options.flags: identify each process by the inode of its pidfds (pc_process.pidfd_inode) rather
/// than by its start time, from Linux 6.9 on. Start times are exact to 10 ms. If two owners of a
/// pid start within the same 10 ms, only the inode tells them apart while the first one's exit is
/// still to be handled or its events were lost. A pid can be reused that fast if there are few pids
/// (kernel.pid_max), or if clone3(2) sets the pid.
///
/// Reading a process takes 10 to 14 us. The flag adds 5 us if the table reads ids through a pidfd
/// anyway (Linux 6.15), and 8 us otherwise. Before Linux 6.9, the flag changes nothing.
pub const PC_TABLE_PIDFD_INODES: u32 = 1u32 << 3;

/// How to open a table. Start from PC_TABLE_OPTIONS_INIT. NULL stands for PC_TABLE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_table_options {
    /// sizeof(struct pc_table_options); the rules are those of pc_options.size.
    pub size: usize,
    /// PC_FIELD_* bits to keep up to date; 0: all. PARENT and START are always kept. Without
    /// CREDENTIALS, each process costs one read of /proc less. Without COMM, programs that rename
    /// themselves all the time cost nothing.
    pub fields: u32,
    /// PC_TABLE_* bits, or 0.
    pub flags: u32,
    /// The budget of the queue, as in pc_options.
    pub rcvbuf_bytes: u32,
    /// How many processes one call of pc_table_next() may read from /proc, at 10 to 30 us each;
    /// 0: 64.
    pub max_work: u32,
    /// How many descriptors the table may use to wait for processes that live on without their
    /// leaders, one for each process; 0: 64. The table looks at all other such processes ten times
    /// a second, 32 at a time. Any user can make such processes.
    pub max_watches: u32,
    /// With PC_TABLE_PROC_FD: an open directory that is read instead of /proc. Otherwise 0.
    pub proc_fd: c_int,
    /// For how many microseconds pc_table_next() spins before it sleeps, as in pc_options.
    pub spin_us: u32,
    /// The pid of an existing process, the root of a family. The table reports only the root and
    /// its descendants by birth, whichever process is their parent now: see pc_table_open(). 0: the
    /// table reports every process. 1 is not allowed, because pid 1 adopts all orphans.
    pub family: pid_t,
    /// How many bytes of memory the table uses for the command line and the executable's path of
    /// each process, terminators included, rounded up to a multiple of 8; 0: it keeps neither; at
    /// most 8,388,608. See pc_table_command().
    pub text_bytes: u32,
    /// 0
    pub reserved: u32,
}

const PC_TABLE_OPTIONS_INIT: pc_table_options = pc_table_options {
    size: size_of::<pc_table_options>(),
    fields: 0,
    flags: 0,
    rcvbuf_bytes: 0,
    max_work: 0,
    max_watches: 0,
    proc_fd: 0,
    spin_us: 0,
    family: 0,
    text_bytes: 0,
    reserved: 0,
};
// Options that the caller does not have are 0: see options_of().
const _: () = assert!(matches!(
    PC_TABLE_OPTIONS_INIT,
    pc_table_options {
        size: _,
        fields: 0,
        flags: 0,
        rcvbuf_bytes: 0,
        max_work: 0,
        max_watches: 0,
        proc_fd: 0,
        spin_us: 0,
        family: 0,
        text_bytes: 0,
        reserved: 0
    }
));

/// Opens a table of all processes, and a connector that keeps it up to date.
///
/// pc_table_next() first reports every process that exists (FOUND), then SYNCED, then every change.
/// If a process did several things before the table could read it, its STARTED or EXECED shows the
/// result of all of them. But a STARTED has the parent that forked the process: REPARENTED follows.
///
/// The table has processes, not threads. It reports each process once as FOUND or STARTED, and
/// later once as EXITED or VANISHED, when the last thread is gone. The order of the kernel's events
/// does not matter.
///
/// When the table notices a loss of events, it reports UNSYNCED. Then it reads /proc again, and
/// reports the differences (RECOVERED) and SYNCED with the number of lost events. From then on, the
/// table agrees with /proc.
///
/// The table needs what pc_open() needs, and a /proc that shows all processes. Its memory grows
/// with the largest number of processes that existed at one time. Each of them uses 250 bytes
/// (adjacent pids) to 510 bytes (pids far apart), and the table allocates at most 1,200 bytes for
/// each. The table has five descriptors besides those of its connector, and one for each process
/// that lives on without its leader, up to max_watches.
///
/// If /proc hides a process from this one (hidepid, a security module), the table knows only what
/// events carried (PC_PROCESS_HIDDEN). If the program drops privileges after it opened the table,
/// the table reads only what the program may still read.
///
/// With a family, the table follows all processes but reports only the family: the root (the
/// process that pc_table_options.family names) and its descendants by birth. These include orphans,
/// daemons that forked twice, and children of subreapers. The root may exit before them. These
/// processes belong to the family:
/// - of the processes that exist when the table is opened, those whose parents lead to the root;
/// - of those that start later, each whose FORK names a parent in the family;
/// - of those whose FORK was lost, each whose parent is in the family. If the parent is not known,
///   or may have adopted the process from the family (an ancestor of the root, or pid 1), the
///   process is reported as PC_PROCESS_PERHAPS.
///
/// pc_table_get(), pc_table_each(), pc_table_count() and the sequence numbers cover the family
/// only. So after SYNCED, a pc_table_count() of 0 means that everything that a job started is gone.
/// After a loss, the count may remain above 0, because processes of other programs may be
/// PC_PROCESS_PERHAPS. Then count the other processes with pc_table_each().
///
/// out:      receives the table, which pc_table_close() ends.
/// options:  what to keep, and how much to queue; NULL: all fields, 36 MiB.
///
/// Returns 0, an error of pc_open(), or
/// -EACCES             /proc, or proc_fd, does not show this machine's processes: it is not mounted,
///                     hides processes, or belongs to another PID namespace
/// -EBADF, -ENOTDIR    proc_fd is not an open descriptor, or not a directory
/// -ESRCH              the process family does not exist, or has exited
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_open(
    out: *mut *mut pc_table,
    options: *const pc_table_options,
) -> c_int {
    // SAFETY: `out` is NULL or writable, and `options` is NULL or as long as it says.
    status(unsafe { create(out, None, options) })
}

/// Opens a table on a socket that exists already.
///
/// The socket is one that pc_table_release() returned, or one that pc_open_fd() would take:
/// - A NETLINK_CONNECTOR socket. Use PC_TABLE_SUBSCRIBED. The table first handles the events that
///   are queued. So a restarted daemon misses nothing, unless the queue became full meanwhile: the
///   table reports STARTED for each process that started since the previous table was released, and
///   EXITED for each that exited. If the EXIT is the only sign of a process, the table reports
///   FOUND before EXITED, with nothing but the pid.
/// - An AF_UNIX socket through which a test sends events, without privilege. With PC_TABLE_PROC_FD,
///   the test can also make up /proc: a directory with PID/stat and PID/status of each process
///   (proc_pid_stat(5), proc_pid_status(5)). A process exists as long as its files do.
///
/// On either socket, the table reads /proc once more after SYNCED (UNSYNCED, SYNCED, with 0 lost),
/// because the queue does not show what it lost before. The table counts losses from its adoption on.
/// For the number of earlier ones, compare SK_MEMINFO_DROPS of getsockopt(SO_MEMINFO) with the sum
/// of pc_stats.lost of the previous tables.
///
/// Do not hand over a table with pc_table_options.family: the new table finds no member whose parent
/// exited before.
///
/// fd:  on success it belongs to the table, otherwise to the caller.
///
/// Returns 0, an error of pc_table_open(), or one of pc_open_fd().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_open_fd(
    out: *mut *mut pc_table,
    fd: c_int,
    options: *const pc_table_options,
) -> c_int {
    // SAFETY: `out` is NULL or writable, and `options` is NULL or as long as it says.
    status(unsafe { create(out, Some(fd), options) })
}

/// Opens a table, on the given descriptor if there is one.
///
/// # Safety
/// `out` is NULL or writable. `options` is NULL, or readable for as many bytes as its size says.
unsafe fn create(
    out: *mut *mut pc_table,
    fd: Option<c_int>,
    options: *const pc_table_options,
) -> Result<(), Errno> {
    let open = || {
        // SAFETY: `options` is NULL or as long as it says.
        let options = unsafe { table_options(options) }?;
        // SAFETY: the caller hands its descriptor over.
        unsafe { on_socket(fd, |socket| Table::open(socket, &options)) }
    };
    // SAFETY: `out` is NULL or writable.
    unsafe { handle::create(out, open) }
}

/// Ends the table but not its subscription, and returns the socket, which then belongs to the caller.
///
/// The socket is meant for a successor: a child, or this daemon after its restart, to which systemd's
/// FD store gives the socket. The successor calls pc_table_open_fd() with PC_TABLE_SUBSCRIBED. The
/// rules for descriptors are those of pc_release().
///
/// Returns the descriptor, or
/// -EBUSY              the table has something to report: call pc_table_next() until it returns 0 and
///                     pc_table_release() succeeds. (After a 0, work may be left.) Before the first
///                     pc_table_next() this error cannot occur, because all events are still queued.
///                     After -EPIPE, this error may last: close the table instead.
/// -EINVAL, -ECHILD. On failure nothing has changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_release(table: *mut pc_table) -> c_int {
    // SAFETY: `table` is NULL, or open and not used by any other thread, nor by anyone afterwards.
    let socket = unsafe {
        handle::end_without(table, |remote, table| {
            remote.connector.require_owner()?;
            if !table.is_releasable(remote) {
                return Err(Errno(libc::EBUSY));
            }
            Ok(remote.connector.take_socket())
        })
    };
    match socket {
        Ok(socket) => socket.into_raw(),
        Err(Errno(error)) => -error,
    }
}

/// # Safety
/// `options` is NULL, or readable for as many bytes as its size says.
unsafe fn table_options(options: *const pc_table_options) -> Result<OpenTableOptions, Errno> {
    // SAFETY: pc_table_options begins with its size, and the caller vouches for that.
    let options = unsafe { options_of(options) }?;
    if options.flags & PC_TABLE_PROC_FD != 0 && options.proc_fd < 0 {
        return Err(Errno(libc::EBADF)); // AT_FDCWD would be another directory.
    }
    if !invalid_option(&options).is_null() {
        return Err(INVALID);
    }
    let pc_table_options {
        size: _,
        fields,
        flags,
        rcvbuf_bytes,
        max_work,
        max_watches,
        proc_fd,
        spin_us,
        family,
        text_bytes,
        reserved: _,
    } = options;
    Ok(OpenTableOptions {
        fields: if fields == 0 { field::ALL } else { fields },
        budget: (rcvbuf_bytes != 0).then_some(rcvbuf_bytes),
        proc_fd: (flags & PC_TABLE_PROC_FD != 0).then_some(proc_fd),
        family,
        is_subscribed: flags & PC_TABLE_SUBSCRIBED != 0,
        spin_us,
        text_bytes,
        ignores_threads: flags & PC_TABLE_IGNORE_THREADS != 0,
        pidfd_inodes: flags & PC_TABLE_PIDFD_INODES != 0,
        max_work: if max_work == 0 { DEFAULT_WORK } else { max_work },
        max_watches: if max_watches == 0 { DEFAULT_WATCHES } else { max_watches },
    })
}

/// Names the option that makes pc_table_open() or pc_table_open_fd() return -EINVAL or -E2BIG.
///
/// pc_table_open() also rejects PC_TABLE_SUBSCRIBED, which this function does not report.
///
/// options:  as for pc_table_open().
///
/// Returns the name of a field, or NULL, as pc_invalid_option() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_invalid_option(
    options: *const pc_table_options,
) -> *const c_char {
    // SAFETY: `options` is NULL or as long as it says.
    unsafe { options_of(options) }.map_or(c"size".as_ptr(), |options| invalid_option(&options))
}

/// The name of the first invalid option, or NULL.
fn invalid_option(options: &pc_table_options) -> *const c_char {
    const KNOWN: u32 =
        PC_TABLE_IGNORE_THREADS | PC_TABLE_SUBSCRIBED | PC_TABLE_PROC_FD | PC_TABLE_PIDFD_INODES;
    // Every field is named, so that a new one cannot be forgotten here.
    let &pc_table_options {
        size: _,
        fields,
        flags,
        rcvbuf_bytes,
        max_work: _,
        max_watches: _,
        proc_fd,
        spin_us: _,
        family,
        text_bytes,
        reserved,
    } = options;
    if fields & !field::ALL != 0 {
        c"fields".as_ptr()
    } else if flags & !KNOWN != 0 {
        c"flags".as_ptr()
    } else if c_int::try_from(rcvbuf_bytes).is_err() {
        c"rcvbuf_bytes".as_ptr()
    } else if flags & PC_TABLE_PROC_FD == 0 && proc_fd != 0 {
        c"proc_fd".as_ptr()
    } else if family == 1 || family < 0 {
        c"family".as_ptr()
    } else if text_bytes > MAX_TEXT_BYTES {
        c"text_bytes".as_ptr()
    } else if reserved != 0 {
        c"reserved".as_ptr()
    } else {
        null()
    }
}

/// Returns a descriptor for poll() and the like; -EINVAL if table is NULL.
///
/// The descriptor is readable while pc_table_next() has something to do. Call pc_table_next() with
/// timeout 0 until it returns 0; a level-triggered loop may also call it once per wake-up. The
/// descriptor is close-on-exec. Use it for nothing else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_fd(table: *const pc_table) -> c_int {
    // SAFETY: `table` is NULL or open.
    match unsafe { shared(table) } {
        Ok(shared) => shared.fd().raw(),
        Err(Errno(error)) => -error,
    }
}

/// pc_process.state: a kernel thread. It can rename itself without an event, so PC_FIELD_COMM is
/// never valid: comm is the name that was read once.
pub const PC_PROCESS_KERNEL_THREAD: u32 = 1u32 << 0;
/// pc_process.state: the leader has exited, but other threads live on.
pub const PC_PROCESS_LEADER_GONE: u32 = 1u32 << 1;
/// pc_process.state: /proc did not show the process when the table wanted to read it. Only what events
/// carried is valid.
pub const PC_PROCESS_HIDDEN: u32 = 1u32 << 2;
/// pc_process.state, with pc_table_options.family: the process may belong to the family. The event
/// that would decide this was lost.
pub const PC_PROCESS_PERHAPS: u32 = 1u32 << 3;

/// A process: 112 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_process {
    /// The table's number for this process. Unlike a pid, it is not reused while the table is open.
    pub id: u64,
    /// The parent's id; 0: there is no parent, or it is not known yet. No change reports when it
    /// becomes known.
    pub parent_id: u64,
    /// When the process started: CLOCK_BOOTTIME in nanoseconds, rounded down to 10 ms.
    pub start_boottime_ns: u64,
    /// What pc_table_set_user() has set; 0 in a new process.
    pub user: u64,
    pub pid: pid_t,
    pub parent_pid: pid_t,
    pub session: pid_t,
    /// PC_FIELD_* bits of the fields that are known and kept up to date. Do not rely on the other
    /// fields. They hold an old value, the parent's value (if the process exited before the table
    /// could read it), or 0, which is also root's id. A start that is not valid is 0. A name that
    /// is not valid is empty, except for a kernel thread.
    pub valid: u32,
    pub ruid: uid_t,
    pub euid: uid_t,
    pub rgid: gid_t,
    pub egid: gid_t,
    /// The leader's name, always NUL-terminated.
    pub comm: [c_char; 16],
    /// PC_PROCESS_* bits at this moment. If only these bits change, the table reports nothing.
    pub state: u32,
    pub reserved: u32,
    /// pc_change.sequence of the last change reported before this struct was filled; 0 from
    /// pc_process_read(). A program that combines a walk through the table with the changes
    /// compares these numbers: a change with a higher number came later.
    pub sequence: u64,
    /// The inode of the process's pidfds (fs/pidfs.c), which no other process has had since the machine booted.
    /// On 32-bit machines, this field has only the lower 32 bits, which may repeat after 2^31
    /// processes and threads. If a process exits before the table handles its FORK, and another
    /// process gets its pid within the same 10 ms, the STARTED of the first process has the inode
    /// of the other one, and its EXITED has 0.
    ///
    /// 0: not known. The inode is not known without PC_TABLE_PIDFD_INODES, before Linux 6.9, from
    /// pc_process_read(), if /proc hides the process, and if the process exited before the table had
    /// read it.
    pub pidfd_inode: u64,
    pub reserved2: u64,
}

/// What a change reports: values of pc_change.kind.
#[repr(C)]
pub enum pc_change_kind {
    /// The process was running when the table read /proc for the first time: before the first SYNCED.
    PC_CHANGE_FOUND = 1,
    /// The process started.
    PC_CHANGE_STARTED = 2,
    /// The process runs a new program.
    PC_CHANGE_EXECED = 3,
    /// The process's leader has a new name.
    PC_CHANGE_RENAMED = 4,
    /// The process has other user or group ids.
    PC_CHANGE_CREDENTIALS = 5,
    /// The process is in another session.
    PC_CHANGE_SESSION = 6,
    /// The process's parent exited, and the process has another parent.
    PC_CHANGE_REPARENTED = 7,
    /// The process exited: its last thread is gone. It may still be a zombie; no event reports when
    /// it is reaped.
    PC_CHANGE_EXITED = 8,
    /// The process exited, as a reading of /proc has shown. Its EXIT was lost or comes too late, so
    /// exit_code is not known.
    PC_CHANGE_VANISHED = 9,
    /// The table agrees with /proc, and every difference has been reported. pc_change.process is
    /// zero. If more events were lost while the table read /proc, UNSYNCED follows at once.
    PC_CHANGE_SYNCED = 10,
    /// The table may differ from /proc from here on, until the next SYNCED: events were lost,
    /// pc_table_rescan() was called, or the table was opened on an adopted socket.
    /// pc_change.process is zero.
    PC_CHANGE_UNSYNCED = 11,
}

/// pc_change.flags: found by reading /proc, after a loss of events or a pc_table_rescan(). The
/// timestamp is that of the reading. With SYNCED: this reading is complete. /proc shows a new
/// program shortly before the kernel sends the EXEC (fs/exec.c), so one EXECED may be reported
/// twice: with this flag, and then without.
pub const PC_CHANGE_RECOVERED: u32 = 1u32 << 0;
/// pc_change.flags, with EXITED: exit_code is known, however late the table is read. Without
/// PC_CHANGE_LEADER_CODE, it is the process's own. The flag is absent in these cases:
/// - The EXIT was lost.
/// - The pid had another owner before the table handled the EXIT.
pub const PC_CHANGE_EXIT_CODE: u32 = 1u32 << 1;
/// pc_change.flags, with SYNCED: the kernel was deaf until pc_table_check() repaired it. The field
/// lost does not count the events of that time.
pub const PC_CHANGE_DEAF: u32 = 1u32 << 2;
/// pc_change.flags, with PC_CHANGE_EXIT_CODE: exit_code is from the leader's EXIT. This is the
/// process's own exit code too, unless another thread outlived the leader and exited with a
/// different one. (In theory, the code may be that of an earlier owner of the pid: if the process
/// was reaped before its EXIT was generated, and less than a second after the table was SYNCED or
/// another process left the table without an EXIT.)
///
/// The table knows the process's own exit code in these cases:
/// - The process had no second thread since it started or ran its program, no event was lost
///   meanwhile, and the table does not ignore threads (PC_TABLE_IGNORE_THREADS).
/// - From Linux 6.15 on: the process is still a zombie when the table handles its EXIT, or the
///   table saw that its leader was gone. But /proc shows 0 for each exit code that it hides, so the
///   table trusts a 0 only if this process may trace all processes, pid 1 included (CAP_SYS_PTRACE).
pub const PC_CHANGE_LEADER_CODE: u32 = 1u32 << 3;

/// A change of a process: 168 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_change {
    /// A value of enum pc_change_kind. A newer library may report other kinds, too.
    pub kind: u32,
    /// PC_CHANGE_RECOVERED, _EXIT_CODE, _DEAF and _LEADER_CODE bits.
    pub flags: u32,
    /// CLOCK_MONOTONIC in nanoseconds: when the event happened, or when /proc showed the change. It
    /// may be earlier than that of the change before.
    pub timestamp_ns: u64,
    /// With SYNCED: how many events were lost since the last SYNCED. With UNSYNCED: how many were
    /// lost so far.
    pub lost: u64,
    /// With SYNCED and UNSYNCED, if events were lost: the earliest time at which one may be missing,
    /// CLOCK_MONOTONIC. Otherwise 0.
    pub since_ns: u64,
    /// With EXITED and PC_CHANGE_EXIT_CODE: a wait(2) status. Otherwise 0.
    pub exit_code: i32,
    /// With SYNCED: how many processes are PC_PROCESS_HIDDEN. If this is not 0, there may be others
    /// that the table does not know.
    pub hidden: u32,
    /// The number of this change. The first change has 1, each later one the next number.
    pub sequence: u64,
    pub reserved2: u64,
    /// The process after the change. With EXITED and VANISHED: as it last was. With SYNCED and
    /// UNSYNCED: zero.
    pub process: pc_process,
}

/// Returns the name of a kind: "found", "started", … "unsynced". For kinds of later versions, the name
/// is "unknown". The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn pc_change_name(kind: u32) -> *const c_char {
    format::name(kind).as_ptr().cast()
}

/// Writes a change as one readable line without a line break, for logs. The wording may change.
///
///     exited pid=4711 parent=4242 comm="sh" killed=9 ts=1234.000056789
///
/// The line leaves out each field of the process that is not valid. If the exit code is from the
/// leader's EXIT, the line has "leader_status=" or "leader_killed="; if it is not known,
/// "status=unknown". With SYNCED, "lost=" is the number of lost events. With UNSYNCED it is the
/// number so far; the next SYNCED includes it.
///
/// buffer:  room for size bytes, or NULL if size is 0. The text is always terminated if size > 0.
///
/// Returns the length of the whole line, at most 255, even if it did not fit, as snprintf() does.
/// -EINVAL: change is NULL, or buffer is NULL and size is not 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_change_format(
    change: *const pc_change,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: `change` is NULL or readable, and a pc_change is laid out as a Change.
    let change = unsafe { change.cast::<Change>().as_ref() };
    let Some(change) = change else { return -libc::EINVAL };
    // SAFETY: `buffer` is NULL, or writable for `size` bytes.
    unsafe { write_line(buffer, size, |room| format::format(change, room)) }
}

/// Reports the next change.
///
/// One call does a limited amount of work (pc_table_options.max_work), so that it does not hold up
/// an event loop. With timeout 0 it may therefore return 0 with work left. Then pc_table_fd() is
/// readable, and an edge-triggered loop is woken again. With a timeout, it looks at the clock each
/// time it has done this amount of work.
///
/// A call returns as soon as there is a change. A new table reports each process as soon as it has
/// read the process and its parent. With a family, a new table first reads all processes, because
/// an orphan may belong to the family.
///
/// change:      written only when 1 is returned.
/// timeout_ms:  how long to wait, as for pc_recv().
///
/// Returns 1: a change; 0: no change came in time, or work is left; or
/// -ENOMEM             out of memory
/// -EMFILE, -ENFILE    out of descriptors
/// or an error of pc_recv(), getdents64(2), lseek(2) or epoll_ctl(2). -EPIPE, -ECHILD and -EINVAL are
/// final. After any other error, no change is lost: call again. After -EMFILE and -ENFILE, a text may be
/// missing, and the exit code of a process with threads may be only the leader's. After an error that is
/// likely to last, the table rests for up to 100 ms: until then, pc_table_fd() is not readable, a call
/// with timeout 0 returns 0, and a call with another timeout waits. No error is about a single process: a
/// process that cannot be read is PC_PROCESS_HIDDEN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_next(
    table: *mut pc_table,
    change: *mut pc_change,
    timeout_ms: c_int,
) -> c_int {
    let next = || {
        // SAFETY: `table` is NULL or open, and no other thread follows or reads it; `change` is NULL
        // or writable, and a pc_change is laid out as a Change.
        let ((shared, table), change) = unsafe { (both(table)?, output(change.cast::<Change>())?) };
        let Some(next) = table.next(shared, timeout(timeout_ms)?)? else { return Ok(0) };
        change.write(next);
        Ok(1)
    };
    count(next())
}

/// Looks a process up by its pid. The result includes the changes reported so far, and no later
/// ones.
///
/// process:  written only when 1 is returned.
///
/// Returns 1: a process; 0: there is none with this pid; -EINVAL: a NULL pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_get(
    table: *const pc_table,
    pid: pid_t,
    process: *mut pc_process,
) -> c_int {
    let get = || {
        // SAFETY: `table` is NULL or open, and no other thread follows or reads it; `process` is NULL
        // or writable.
        let ((_, table), process) = unsafe { (both(table)?, place(process)?) };
        Ok(give(table.get(pid), process))
    };
    count(get())
}

/// pc_command.flags: the table keeps only the beginning of the command line.
pub const PC_COMMAND_CUT: u32 = 1u32 << 0;
/// pc_command.flags: events were lost after the command was read, so the process may run another
/// program now.
pub const PC_COMMAND_DOUBTFUL: u32 = 1u32 << 1;

const _: () = {
    assert!(PC_COMMAND_CUT == kept::CUT);
    assert!(PC_COMMAND_DOUBTFUL == kept::DOUBTFUL);
};

/// The command of a process, as the table keeps it.
///
/// The texts belong to the table. They are valid until the next call of pc_table_next() or
/// pc_table_close(). A text that could not be read is NULL, and its error says why:
/// -ESRCH         the process exited, or ran another program, before it was read; or its command line is empty
/// -ENODATA       there is none, as for a kernel thread
/// -EACCES        this process may not read it: hidepid, or the executable of another user's
///                process without CAP_SYS_PTRACE
/// -ENAMETOOLONG  the path of the executable takes more than a quarter of
///                pc_table_options.text_bytes, and more than the command line leaves free
/// or another error of open(2), read(2) or readlink(2).
#[repr(C)]
pub struct pc_command {
    /// The arguments, each with a NUL byte behind it, and one more NUL byte.
    pub command_line: *const c_char,
    /// The path of the program, with a NUL byte behind it. If the file was deleted, the kernel appends
    /// " (deleted)".
    pub executable: *const c_char,
    /// The lengths, without the terminator. As in /proc/PID/cmdline, the command line has a NUL byte
    /// after each argument, also after the last one: its length includes them.
    pub command_line_length: u32,
    pub executable_length: u32,
    /// 0, or negative errno values.
    pub command_line_error: i32,
    pub executable_error: i32,
    /// PC_COMMAND_* bits.
    pub flags: u32,
    /// 0
    pub reserved: [u32; 3],
}

/// Returns the command line and the executable of a process. A table that was opened with
/// pc_table_options.text_bytes keeps them.
///
///     struct pc_command command;
///     if (change.kind == PC_CHANGE_EXITED &&
///         pc_table_command(table, &change.process, &command) == 0 && command.command_line)
///         printf("%s exited\n", command.command_line);
///
/// When the table handles a FORK or an EXEC, it reads both texts before anything else, because a
/// short program is soon gone. It also reads them when it finds the process, and when it reads
/// /proc again after a loss of events. It keeps them until the process has left the table, so they
/// are still there with EXITED and VANISHED. Right after reading them, the table checks that the
/// pid still belongs to the same process, or to its zombie. Otherwise it returns no text.
///
/// A process that has not called execve(2) shows the command of the process that forked it. If the
/// table handles an EXEC too late to read the new command, it no longer returns the old one.
///
/// The table needs text_bytes of memory for each process that it holds at the same time. It reuses
/// that memory for other processes, and frees it when it is closed.
///
/// process:  a process that the table has reported, such as pc_change.process. Only its pid and id
///           are used.
/// command:  written only when 0 is returned.
///
/// Returns 0, and each text has an error of its own, or 0; otherwise
/// -ESRCH    the process is not in the table, and did not leave it with the last change
/// -ENODATA  the table was opened without text_bytes
/// -EINVAL   a NULL pointer
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_command(
    table: *const pc_table,
    process: *const pc_process,
    command: *mut pc_command,
) -> c_int {
    let get = || {
        // SAFETY: `table` is NULL or open, and no other thread follows it; `process` is NULL or readable, and
        // laid out as a Process; `command` is NULL or writable.
        let ((_, table), process, out) =
            unsafe { (both(table)?, process.cast::<Process>().as_ref(), output(command)?) };
        let (kept, bytes) = table.command(process.ok_or(INVALID)?)?;
        let place = |error, at| if error == 0 { bytes.as_ptr().wrapping_add(at) } else { null() };
        out.write(pc_command {
            command_line: place(kept.line_error, 0).cast(),
            executable: place(kept.executable_error, kept.executable_at()).cast(),
            command_line_length: kept.line_length,
            executable_length: kept.executable_length,
            command_line_error: kept.line_error,
            executable_error: kept.executable_error,
            flags: kept.flags,
            reserved: [0; 3],
        });
        Ok(())
    };
    status(get())
}

/// Walks through the table in the order of pids. Changes may be reported during the walk: a process
/// that stays in the table throughout is visited exactly once.
///
/// cursor:   points to 0 before the first call. Do not change the value between calls.
/// process:  written only when 1 is returned.
///
/// Returns 1: a process; 0: there are no more; -EINVAL: a NULL pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_each(
    table: *const pc_table,
    cursor: *mut u64,
    process: *mut pc_process,
) -> c_int {
    let each = || {
        // SAFETY: `table` is NULL or open, and no other thread follows or reads it; `cursor` is NULL
        // or points to a number; `process` is NULL or writable.
        let ((_, table), cursor, process) =
            unsafe { (both(table)?, cursor.as_mut().ok_or(INVALID)?, place(process)?) };
        let next = table.above(i32::try_from(*cursor).unwrap_or(i32::MAX));
        if let Some(next) = next {
            *cursor = u64::from(next.pid.unsigned_abs());
        }
        Ok(give(next, process))
    };
    count(each())
}

/// The place for a process that C asks for.
///
/// # Safety
/// `process` is NULL or writable, and nothing else uses it during `'a`.
pub(super) unsafe fn place<'a>(
    process: *mut pc_process,
) -> Result<&'a mut MaybeUninit<Process>, Errno> {
    // SAFETY: the caller vouches for `process`, and a pc_process is laid out as a Process.
    unsafe { output(process.cast()) }
}

/// How many processes are given: 1 or 0.
fn give(process: Option<Process>, out: &mut MaybeUninit<Process>) -> u32 {
    process.map_or(0, |process| {
        out.write(process);
        1
    })
}

/// Stores a value for the caller with a process. From then on, pc_process.user has this value, also
/// in the change that reports the process exit. The value does not survive pc_table_release().
///
/// Returns 0; -ESRCH: there is no such process in the table; -EINVAL: table is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_set_user(table: *mut pc_table, pid: pid_t, user: u64) -> c_int {
    // SAFETY: `table` is NULL or open, and no other thread follows or reads it.
    let both = unsafe { both(table) };
    status(both.and_then(|(_, table)| table.set_user(pid, user)))
}

/// Returns how many processes are in the table after the changes reported so far; 0 if table is
/// NULL. With pc_table_options.family, the count includes the living processes of the family, and
/// those that may belong to it (PC_PROCESS_PERHAPS).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_count(table: *const pc_table) -> usize {
    // SAFETY: `table` is NULL or open, and no other thread follows or reads it.
    unsafe { both(table) }.map_or(0, |(_, table)| table.count())
}

/// Returns whether the table agrees with /proc, apart from events that it has not handled yet. This
/// is true from each SYNCED to the next UNSYNCED. On an adopted socket, it is not yet true after the
/// first SYNCED, which UNSYNCED follows at once: see pc_table_open_fd().
///
/// To list all processes once, call pc_table_next() with timeout -1 until this returns 1, then
/// pc_table_each(). A 0 from pc_table_next() does not mean that the list is complete, because work
/// may be left.
///
/// Returns 1: it agrees; 0: not yet, or not now; -EINVAL: table is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_is_synced(table: *const pc_table) -> c_int {
    // SAFETY: `table` is NULL or open, and no other thread follows or reads it.
    let both = unsafe { both(table) };
    count(both.map(|(_, table)| u32::from(table.is_synced())))
}

/// Calls pc_check() for the table's connector. If the result is 1, pc_table_fd() becomes readable,
/// and pc_table_next() recovers the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_check(table: *mut pc_table) -> c_int {
    // SAFETY: `table` is NULL or open.
    let shared = unsafe { shared(table) };
    count(shared.and_then(Remote::check))
}

/// Makes the table read /proc again, as if events had been lost. It reports UNSYNCED, the differences,
/// then SYNCED, all with 0 lost.
///
/// This is for programs that must be sure: the library cannot detect a deafness that another
/// listener has repaired.
///
/// Returns 0, -ECHILD, or -EINVAL if table is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_rescan(table: *mut pc_table) -> c_int {
    // SAFETY: `table` is NULL or open, and no other thread follows or reads it.
    let both = unsafe { both(table) };
    status(both.and_then(|(shared, table)| table.rescan(shared)))
}

/// Calls pc_get_stats() for the table's connector.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_get_stats(
    table: *const pc_table,
    stats: *mut pc_stats,
    size: usize,
) -> c_int {
    let stats_of = |remote: &Remote| {
        let hidden = remote.hidden.load(Relaxed);
        // SAFETY: `stats` is NULL or writable for `size` bytes.
        unsafe { stats_into(&remote.connector, hidden, stats, size) }
    };
    // SAFETY: `table` is NULL or open.
    status(unsafe { shared(table) }.and_then(stats_of))
}

/// Ends a wait in pc_table_next(), as pc_interrupt() ends one in pc_recv().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_interrupt(table: *mut pc_table) -> c_int {
    // SAFETY: `table` is NULL or open.
    status(unsafe { shared(table) }.and_then(|remote| remote.connector.interrupt()))
}

/// Closes the table and its connector. NULL is allowed. errno is unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_table_close(table: *mut pc_table) {
    // SAFETY: `table` is NULL, or open and not used any more.
    unsafe { handle::end(table) };
}

// The constants of the header are those of the core.
const _: () = {
    use pc_change_kind::*;
    assert!(PC_CHANGE_FOUND as u32 == change::FOUND && PC_CHANGE_STARTED as u32 == change::STARTED);
    assert!(
        PC_CHANGE_EXECED as u32 == change::EXECED && PC_CHANGE_RENAMED as u32 == change::RENAMED
    );
    assert!(PC_CHANGE_CREDENTIALS as u32 == change::CREDENTIALS);
    assert!(PC_CHANGE_SESSION as u32 == change::SESSION);
    assert!(PC_CHANGE_REPARENTED as u32 == change::REPARENTED);
    assert!(PC_CHANGE_EXITED as u32 == change::EXITED);
    assert!(PC_CHANGE_VANISHED as u32 == change::VANISHED);
    assert!(PC_CHANGE_SYNCED as u32 == change::SYNCED);
    assert!(PC_CHANGE_UNSYNCED as u32 == change::UNSYNCED);
    assert!(PC_FIELD_PARENT == field::PARENT && PC_FIELD_START == field::START);
    assert!(PC_FIELD_SESSION == field::SESSION && PC_FIELD_COMM == field::COMM);
    assert!(PC_FIELD_CREDENTIALS == field::CREDENTIALS);
    assert!(PC_PROCESS_KERNEL_THREAD == state::KERNEL_THREAD);
    assert!(PC_PROCESS_LEADER_GONE == state::LEADER_GONE);
    assert!(PC_PROCESS_HIDDEN == state::HIDDEN && PC_PROCESS_PERHAPS == state::PERHAPS);
    assert!(PC_CHANGE_RECOVERED == remark::RECOVERED && PC_CHANGE_DEAF == remark::DEAF);
    assert!(PC_CHANGE_EXIT_CODE == remark::EXIT_CODE);
    assert!(PC_CHANGE_LEADER_CODE == remark::LEADER_CODE);
};

// A pc_process is laid out as a Process, and a pc_change as a Change, so that pointers may be cast.
const _: () = {
    assert!(size_of::<pc_process>() == 112 && size_of::<Process>() == 112);
    assert!(offset_of!(pc_process, user) == offset_of!(Process, user));
    assert!(offset_of!(pc_process, pid) == offset_of!(Process, pid));
    assert!(offset_of!(pc_process, valid) == offset_of!(Process, valid));
    assert!(offset_of!(pc_process, egid) == offset_of!(Process, egid));
    assert!(offset_of!(pc_process, comm) == offset_of!(Process, comm));
    assert!(offset_of!(pc_process, state) == offset_of!(Process, state));
    assert!(size_of::<pc_change>() == 168 && size_of::<Change>() == 168);
    assert!(offset_of!(pc_change, timestamp_ns) == offset_of!(Change, timestamp_ns));
    assert!(offset_of!(pc_process, sequence) == offset_of!(Process, sequence));
    assert!(offset_of!(pc_process, pidfd_inode) == offset_of!(Process, pidfd_inode));
    assert!(offset_of!(pc_change, sequence) == offset_of!(Change, sequence));
    assert!(offset_of!(pc_change, exit_code) == offset_of!(Change, exit_code));
    assert!(offset_of!(pc_change, process) == offset_of!(Change, process));
};
