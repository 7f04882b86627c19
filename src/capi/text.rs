//! The texts of a process. The comments become the header's.
#![allow(missing_docs, clippy::missing_safety_doc)]

use super::arguments::status;
use super::table::pc_process;
use crate::procfs::{Owner, Text, TextKind, read_texts};
use core::ffi::{c_char, c_int};
use core::mem::offset_of;
use core::ptr::NonNull;

/// cbindgen:no-export
type pid_t = i32;

/// The texts of a process: values of pc_text.what.
#[repr(C)]
pub enum pc_text_kind {
    /// The command line, byte by byte as in /proc/PID/cmdline: a NUL byte follows each argument.
    /// The length includes these NUL bytes. If the process has rewritten its command line, the last
    /// NUL byte may be missing, or others may follow.
    PC_TEXT_COMMAND_LINE = 1,
    /// The path of the executable. If that was deleted, the kernel appends " (deleted)".
    PC_TEXT_EXECUTABLE = 2,
    /// The path of the working directory. If that was deleted, the kernel appends " (deleted)".
    PC_TEXT_DIRECTORY = 3,
    /// The path of the process's cgroup of version 2, without "0::". If there is none, the path in
    /// systemd's hierarchy of version 1. If there is no such hierarchy either, the path in the
    /// first hierarchy of /proc/PID/cgroup.
    PC_TEXT_CGROUP = 4,
    /// The pid in the process's own PID namespace, in decimal digits: in a container, the pid that the
    /// process itself sees. A kernel without CONFIG_PID_NS does not show it: -ENODATA.
    PC_TEXT_NSPID = 5,
}

// The constants of the header are those of the core.
const _: () = {
    use pc_text_kind::*;
    assert!(PC_TEXT_COMMAND_LINE as u32 == TextKind::CommandLine as u32);
    assert!(PC_TEXT_EXECUTABLE as u32 == TextKind::Executable as u32);
    assert!(PC_TEXT_DIRECTORY as u32 == TextKind::Directory as u32);
    assert!(PC_TEXT_CGROUP as u32 == TextKind::Cgroup as u32);
    assert!(PC_TEXT_NSPID as u32 == TextKind::Nspid as u32);
};

/// A text of a process: what to read, where to write it, and the result.
#[repr(C)]
pub struct pc_text {
    /// The caller sets this: a value of enum pc_text_kind.
    pub what: u32,
    /// 0: the text was read. Otherwise a negative errno value, about this text only:
    /// -ENODATA          there is none: a kernel thread has no command line and no executable, and without
    ///                   CONFIG_PID_NS no process has a PC_TEXT_NSPID
    /// -EACCES           this process may not read it. For the executable and the directory of another
    ///                   user's process, it needs CAP_SYS_PTRACE
    /// -ESRCH            the process exited before this text was read
    /// -EAGAIN           none at this moment: the process is inside execve(2), or its leader is
    ///                   gone
    /// -ENAMETOOLONG     the kernel shows no path that is longer than PATH_MAX (4096)
    /// -EINVAL           this version does not know the value of what
    /// or another error of open(2), read(2) or readlink(2).
    pub error: i32,
    /// The caller sets this: room for size bytes. NULL if size is 0.
    pub buffer: *mut c_char,
    /// The caller sets this. If it is not 0, the buffer always gets a terminator.
    pub size: usize,
    /// The length of the whole text, without the terminator, even if it did not fit (length >=
    /// size), as snprintf() returns it. 0 if error is not 0. A length that did not fit may change
    /// until the next call.
    pub length: usize,
}

const _: () = {
    assert!(size_of::<pc_text>() == size_of::<Text<'_>>());
    assert!(offset_of!(pc_text, what) == offset_of!(Text<'_>, what));
    assert!(offset_of!(pc_text, error) == offset_of!(Text<'_>, error));
    assert!(offset_of!(pc_text, buffer) == offset_of!(Text<'_>, room));
    assert!(offset_of!(pc_text, size) == offset_of!(Text<'_>, room) + size_of::<usize>());
    assert!(offset_of!(pc_text, length) == offset_of!(Text<'_>, room) + 2 * size_of::<usize>());
};

/// Reads texts of a process, such as its command line, without allocation.
///
///     char path[4096];
///     struct pc_text text = { PC_TEXT_EXECUTABLE, 0, path, sizeof(path), 0 };
///     if (pc_process_texts(pid, process.start_boottime_ns, &text, 1) == 0 && text.error == 0)
///         printf("%s\n", path);
///
/// All texts are those of one process. The library opens /proc/PID once, and the kernel binds that
/// descriptor to the process. The library reads the texts in the order of the array. Then it checks
/// that the pid belongs to the process that started at start_boottime_ns. The start time identifies
/// a process on every kernel, unless one pid has two owners within 10 ms.
///
/// A text that fits is complete. If the process runs another program meanwhile, one text may be of
/// the old program and the next one of the new program. The kernel then reports an EXEC.
///
/// While a process is inside execve(2), it has no texts. A child may still be inside when
/// posix_spawn() returns. The function then lets other threads run and looks again, up to 20 times.
/// Before Linux 6.6, a kernel without preemption (CONFIG_PREEMPT_NONE) may not run the other
/// threads: then the texts have -EAGAIN.
///
/// A zombie no longer has a command line, an executable or a directory. The function returns texts
/// that it read before the process exited.
///
/// pid:                an id of this PID namespace, as for pc_process_alive().
/// start_boottime_ns:  as in pc_process. 0 stands for any process that has the pid. pc_process has
///                     0 if PC_FIELD_START is not valid.
/// texts:              count texts. On an error other than -EINVAL, each text is empty and has that
///                     error.
///
/// Returns 0: each text was read, or has an error of its own; or
/// -ESRCH     the process exited before the library could identify it, the pid has another owner,
///            or it is the id of a thread
/// -EACCES    the process exists but /proc does not show it: not mounted, or hidepid
/// -EINVAL    pid is not positive, texts is NULL, count is 0, or a buffer is NULL and its size is not 0
/// or an error of open(2) or read(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_process_texts(
    pid: pid_t,
    start_boottime_ns: u64,
    texts: *mut pc_text,
    count: usize,
) -> c_int {
    let owner = Owner::new(pid, start_boottime_ns, 0);
    // SAFETY: `texts` is NULL, or the caller vouches for `count` texts.
    unsafe { read_into(owner, texts, count) }
}

/// Reads texts of a process, as pc_process_texts() does. It identifies the process by the inode of
/// its pidfds if that is known, and otherwise by its start time.
///
///     if (pc_process_texts_of(&change.process, &text, 1) == 0 && text.error == 0)
///
/// If pidfd_inode is not 0, the library reads the texts, then opens a pidfd and compares its inode.
/// If the inode is the same, the process had its pid all the time, because a pid never returns to
/// an earlier owner. So the texts are never those of another process, even if the other one started
/// in the same 10 ms. If pidfd_inode is 0, the library compares the start time. If the start time
/// is 0, too, the texts are those of any process that has the pid.
///
/// process:  a process of a table or of pc_process_read(). Only its pid, pidfd_inode and
///           start_boottime_ns are used.
/// texts:    count texts, as for pc_process_texts().
///
/// Returns what pc_process_texts() returns; -EINVAL if process is NULL; or, if pidfd_inode is not 0, an error of
/// pidfd_open(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_process_texts_of(
    process: *const pc_process,
    texts: *mut pc_text,
    count: usize,
) -> c_int {
    // SAFETY: `process` is NULL or readable.
    let Some(process) = (unsafe { process.as_ref() }) else { return -libc::EINVAL };
    let owner = Owner::new(process.pid, process.start_boottime_ns, process.pidfd_inode);
    // SAFETY: `texts` is NULL, or the caller vouches for `count` texts.
    unsafe { read_into(owner, texts, count) }
}

/// # Safety
/// `texts` is NULL, or there are `count` texts, whose buffers are NULL or as large as they say.
unsafe fn read_into(owner: Owner, texts: *mut pc_text, count: usize) -> c_int {
    let Some(texts) = NonNull::new(texts).filter(|_| owner.pid > 0 && count > 0) else {
        return -libc::EINVAL;
    };
    // SAFETY: pc_text and Text are laid out alike, which is checked when this is compiled, and any bytes
    // are valid values of both. The caller vouches for `count` texts, which nothing else uses.
    let texts = unsafe { NonNull::slice_from_raw_parts(texts.cast::<Text<'_>>(), count).as_mut() };
    // The caller vouches for the buffers that are not NULL.
    if texts.iter().any(|text| text.room.is_impossible()) {
        return -libc::EINVAL;
    }
    status(read_texts(&owner, texts))
}
