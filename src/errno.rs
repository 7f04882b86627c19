//! The error of every operation: a positive `errno` value, and what it means in this library.

use crate::protocol::texts::{self, OTHERS};
use core::ffi::CStr;

/// A positive `errno` value.
///
/// Its `Display` form is its [`explanation`](Self::explanation).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.explanation().to_str().unwrap_or_default())]
pub struct Errno(pub i32);

const TEXTS: &[(i32, &CStr)] = &[
    (0, c"no error"),
    (libc::EPROTONOSUPPORT, c"no netlink connector: the kernel needs CONFIG_CONNECTOR=y (or: modprobe cn); qemu-user has none"),
    (libc::EAFNOSUPPORT, c"netlink is forbidden: add AF_NETLINK to systemd's RestrictAddressFamilies= or to the seccomp profile"),
    (libc::ENOSYS, c"no process events: the kernel needs CONFIG_PROC_EVENTS=y"),
    (libc::ECONNREFUSED, c"not in the initial network namespace: docker run --net=host; Kubernetes: hostNetwork: true"),
    (libc::EOPNOTSUPP, c"not in the initial PID, user and time namespaces: docker run --pid=host --userns=host; Kubernetes: hostPID: true, hostUsers: true"),
    (libc::EPERM, c"not permitted: CAP_NET_ADMIN is missing (run as root, or setcap cap_net_admin+ep; opening needs it before Linux 6.6), or seccomp, an LSM or a locked socket filter forbids it"),
    (libc::EMFILE, c"out of descriptors: raise RLIMIT_NOFILE (ulimit -n)"),
    (libc::ENFILE, c"the system is out of open files: raise sysctl fs.file-max"),
    (libc::ENOMEM, c"out of memory"),
    (libc::ETIMEDOUT, c"the kernel did not acknowledge: is /proc mounted? another process may be switching events off; try again"),
    (libc::EINVAL, c"invalid argument: see the function's documentation; pc_invalid_option() or pc_table_invalid_option() names an option"),
    (libc::E2BIG, c"options above 4096 bytes, or for a newer version"),
    (libc::EBADF, c"not an open descriptor"),
    (libc::ENOTDIR, c"proc_fd is not a directory"),
    (libc::EPROTOTYPE, c"only NETLINK_CONNECTOR (DGRAM, RAW) and AF_UNIX (DGRAM, SEQPACKET) sockets can be adopted"),
    (libc::ECHILD, c"the handle belongs to the parent process: after fork(), open a new one"),
    (libc::EPIPE, c"the stream has ended: the peer closed it"),
    (libc::ECANCELED, c"the program interrupted the wait"),
    (libc::EINTR, c"interrupted by a signal: call again"),
    (libc::EBADMSG, c"the message is truncated or damaged"),
    (libc::ESRCH, c"no such process: it exited, ran another program, is a thread, or is not in the table"),
    (libc::EACCES, c"/proc (or proc_fd) is not mounted, hides processes (hidepid), is another PID namespace's, or may not be read (another user's files need CAP_SYS_PTRACE; seccomp, LSM)"),
    (libc::ENODATA, c"there is no such text: a kernel thread has none, a table needs text_bytes"),
    (libc::ENAMETOOLONG, c"the path is too long"),
    (libc::EBUSY, c"there is still something to report: receive it first"),
    (libc::EAGAIN, c"not now: the process is taking up another program, or lost its leader"),
    (libc::EIO, c"a system call failed unexpectedly (seccomp? an emulator?): see strace"),
    (OTHERS, c"an error of a system call: see errno(3)"),
];

static BLOCK: [u8; texts::size(TEXTS)] = texts::block(TEXTS);

impl Errno {
    /// Whether descriptors or memory have run out.
    pub(crate) const fn is_shortage(self) -> bool {
        matches!(self, Self(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
    }

    /// What is wrong and what to do about it: a static text.
    #[must_use]
    pub const fn explanation(self) -> &'static CStr {
        texts::c_str(self.text())
    }

    /// The explanation. Its terminator and the texts of other errors follow.
    pub(crate) const fn text(self) -> &'static [u8] {
        texts::find(&BLOCK, self.0)
    }
}
