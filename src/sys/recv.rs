//! Receiving datagrams, always without waiting.

use super::{Fd, check, granted};
use crate::errno::Errno;
use crate::memory::Headers;
use core::ptr::null_mut;

/// Receives the datagram that is first in the queue, and its sender. Returns how much of it is in
/// the buffer, or `EAGAIN` when the queue is empty.
#[inline]
pub(crate) fn receive_one(
    socket: &Fd,
    buffer: &mut [u8],
    sender: &mut libc::sockaddr_nl,
) -> Result<u32, Errno> {
    let mut sender_size = size_of_val(sender) as libc::socklen_t;
    // SAFETY: the buffer is writable for its size. The sender's place is writable for its own size,
    // and the kernel truncates a longer address.
    check(unsafe {
        libc::recvfrom(
            socket.raw(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_DONTWAIT,
            (&raw mut *sender).cast(),
            &mut sender_size,
        )
    } as i64)
}

/// Receives one datagram per header, as many as are queued. Returns how many there were, or
/// `EAGAIN` when the queue is empty.
pub(crate) fn receive_many(socket: &Fd, headers: &Headers<'_>) -> Result<u32, Errno> {
    let (first, count) = (headers.as_ptr(), headers.len() as libc::c_uint);
    // SAFETY: there are `count` headers. Each points to a buffer of its own that nothing else uses
    // as long as `headers` exists.
    check(unsafe {
        libc::recvmmsg(socket.raw(), first, count, libc::MSG_DONTWAIT as _, null_mut())
    })
}

/// Receives the datagram that is first in the queue of a netlink socket. Returns how much of it is
/// in the buffer and its sender's port, or `EAGAIN` when the queue is empty. This is no
/// cancellation point.
pub(crate) fn receive_uncancelled(socket: &Fd, buffer: &mut [u8]) -> Result<(u32, u32), Errno> {
    let mut sender = super::netlink_address(0);
    let mut sender_size = size_of_val(&sender) as libc::socklen_t;
    // SAFETY: the buffer is writable for its size. The sender's place is writable for its own size,
    // and the kernel truncates a longer address.
    let size = granted(unsafe {
        libc::syscall(
            libc::SYS_recvfrom,
            socket.raw(),
            buffer.as_mut_ptr(),
            buffer.len(),
            libc::MSG_DONTWAIT,
            &raw mut sender,
            &raw mut sender_size,
        )
    })?;
    Ok((size, sender.nl_pid))
}

/// Size of the datagram that is first in the queue, which stays there. `EAGAIN` when the queue is
/// empty.
#[cfg(feature = "std")]
pub(crate) fn next_datagram_size(socket: &Fd) -> Result<u32, Errno> {
    let flags = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    // SAFETY: the kernel writes nothing to a buffer of size 0.
    check(unsafe { libc::recv(socket.raw(), null_mut(), 0, flags) } as i64)
}
