//! Sockets, and what the process has open.

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A pair of AF_UNIX sockets, blocking and inherited by exec(), as socketpair() makes them.
pub fn pair(kind: i32) -> [OwnedFd; 2] {
    let mut raw = [-1; 2];
    let result = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, raw.as_mut_ptr()) };
    assert_eq!(result, 0, "socketpair: {}", Error::last_os_error());
    raw.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends without waiting: `WouldBlock` when the queue is full.
pub fn send(socket: &OwnedFd, datagram: &[u8]) -> Result<()> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let sent =
        unsafe { libc::send(socket.as_raw_fd(), datagram.as_ptr().cast(), datagram.len(), flags) };
    match usize::try_from(sent) {
        Ok(size) => {
            assert_eq!(size, datagram.len(), "a datagram is sent whole");
            Ok(())
        }
        Err(_) => Err(Error::last_os_error()),
    }
}

/// Whether a datagram waits; it is taken.
pub fn receives(socket: &OwnedFd) -> bool {
    let mut byte = [0_u8; 1];
    let (buffer, flags) = (byte.as_mut_ptr().cast(), libc::MSG_DONTWAIT);
    unsafe { libc::recv(socket.as_raw_fd(), buffer, 1, flags) >= 0 }
}

/// Status and descriptor flags; `None` if it is not open.
pub fn flags(fd: RawFd) -> Option<[i32; 2]> {
    let flags = [libc::F_GETFL, libc::F_GETFD].map(|get| unsafe { libc::fcntl(fd, get) });
    (flags[0] >= 0).then_some(flags)
}

/// Which of the first 128 descriptors are open, with one system call.
pub fn open_descriptors() -> u128 {
    let mut polled: [libc::pollfd; 128] =
        std::array::from_fn(|fd| libc::pollfd { fd: fd as i32, events: 0, revents: 0 });
    let result = unsafe { libc::poll(polled.as_mut_ptr(), 128, 0) };
    assert!(result >= 0, "poll: {}", Error::last_os_error());
    polled
        .iter()
        .filter(|polled| polled.revents & libc::POLLNVAL == 0)
        .fold(0, |open, polled| open | 1 << polled.fd)
}
