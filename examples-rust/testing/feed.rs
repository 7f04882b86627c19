//! Made-up process events for a program's own tests: datagrams as the kernel would send them. Paste this file; it
//! needs the crate `libc`.

use proc_connector::{
    CN_IDX_PROC, CN_VAL_PROC, EXEC_PID, EXEC_TGID, EXIT_CODE, EXIT_PID, EXIT_SIGNAL, EXIT_TGID,
    FORK_CHILD_PID, FORK_CHILD_TGID, FORK_PARENT_PID, FORK_PARENT_TGID, NLMSG_DONE,
    PROC_EVENT_EXEC, PROC_EVENT_EXIT, PROC_EVENT_FORK, PROC_EVENT_HEADER_SIZE, SIZE_CN_MSG,
    SIZE_EXIT_EVENT, SIZE_NLMSGHDR,
};
use std::fs::File;
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};

/// Where `struct cn_msg` begins in a datagram.
const MESSAGE: usize = SIZE_NLMSGHDR;
/// Where `struct proc_event` begins.
const EVENT: usize = MESSAGE + SIZE_CN_MSG;
/// Where its `event_data` begins. The crate's offsets of fields, such as `FORK_CHILD_PID`, count from here.
const DATA: usize = EVENT + PROC_EVENT_HEADER_SIZE;
/// The size of every datagram. `event_data` is a union, and an exit is its largest member.
const SIZE: usize = DATA + SIZE_EXIT_EVENT;

/// Sends made-up events. When this is dropped, the stream ends: `Error::ConnectionClosed`.
pub struct Feeder {
    socket: File,
    sequence: u32,
}

/// Returns a feeder, and the socket that receives its events: pass it to `ProcConnector::from_fd` or
/// `ProcessTable::from_fd`.
pub fn feeder() -> (Feeder, OwnedFd) {
    let (kind, mut ends) = (libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, [0; 2]);
    // SAFETY: socketpair() gets room for two descriptors. Nothing else owns those that it makes.
    unsafe {
        assert_eq!(libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()), 0);
        (Feeder { socket: File::from_raw_fd(ends[0]), sequence: 0 }, OwnedFd::from_raw_fd(ends[1]))
    }
}

// Events of processes with one thread.
#[allow(dead_code)] // A test may need only some of them.
impl Feeder {
    pub fn fork(&mut self, parent: i32, child: i32) {
        let fields = [
            (FORK_PARENT_PID, parent),
            (FORK_PARENT_TGID, parent),
            (FORK_CHILD_PID, child),
            (FORK_CHILD_TGID, child),
        ];
        self.feed(PROC_EVENT_FORK, &fields);
    }

    pub fn exec(&mut self, pid: i32) {
        self.feed(PROC_EVENT_EXEC, &[(EXEC_PID, pid), (EXEC_TGID, pid)]);
    }

    /// `status` is a wait(2) status, such as `3 << 8` for exit code 3, or the number of a signal.
    pub fn exit(&mut self, pid: i32, status: i32) {
        let signal = (EXIT_SIGNAL, libc::SIGCHLD);
        self.feed(
            PROC_EVENT_EXIT,
            &[(EXIT_PID, pid), (EXIT_TGID, pid), (EXIT_CODE, status), signal],
        );
    }

    fn feed(&mut self, what: u32, fields: &[(usize, i32)]) {
        let mut datagram = [0; SIZE];
        let mut put =
            |at: usize, bytes: &[u8]| datagram[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &(SIZE as u32).to_ne_bytes()); // nlmsg_len
        put(4, &NLMSG_DONE.to_ne_bytes()); // nlmsg_type
        put(MESSAGE, &CN_IDX_PROC.to_ne_bytes()); // id.idx
        put(MESSAGE + 4, &CN_VAL_PROC.to_ne_bytes()); // id.val
        put(MESSAGE + 8, &self.sequence.to_ne_bytes()); // seq
        put(MESSAGE + 16, &((SIZE - EVENT) as u16).to_ne_bytes()); // len
        put(EVENT, &what.to_ne_bytes());
        put(EVENT + 8, &now_ns().to_ne_bytes()); // timestamp_ns
        for (offset, value) in fields {
            put(DATA + offset, &value.to_ne_bytes());
        }
        self.sequence += 1;
        self.socket.write_all(&datagram).expect("the other end of the socket is open");
    }
}

/// The current time, as in the kernel's events. A table ignores an exec or exit that is older than its reading of
/// the process.
fn now_ns() -> u64 {
    // SAFETY: a timespec is integers, and clock_gettime() gets room for one.
    let now = unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now);
        now
    };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
