//! Sockets: making, describing, configuring, sending.

use super::{Fd, check, granted};
use crate::errno::Errno;
use crate::protocol::wire::{CN_IDX_PROC, NETLINK_CONNECTOR};
use core::mem::{MaybeUninit, zeroed};

// Indices in `SO_MEMINFO` (linux/sock_diag.h).
const SK_MEMINFO_RMEM_ALLOC: usize = 0;
const SK_MEMINFO_DROPS: usize = 8;

/// A new connector socket, not yet a member of any group.
pub(crate) fn connector_socket() -> Result<Fd, Errno> {
    let flags = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket() takes no pointer.
    let fd = granted(unsafe {
        libc::syscall(libc::SYS_socket, libc::AF_NETLINK, flags, NETLINK_CONNECTOR)
    })?;
    Ok(Fd::own(fd as i32))
}

pub(crate) fn netlink_address(groups: u32) -> libc::sockaddr_nl {
    // SAFETY: plain integers, for which zero is a value.
    let mut address: libc::sockaddr_nl = unsafe { zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = groups;
    address
}

/// Makes the socket a member of the group that process events are sent to.
pub(crate) fn join(socket: &Fd) -> Result<(), Errno> {
    let address = netlink_address(1 << (CN_IDX_PROC - 1));
    // SAFETY: a netlink address and its size.
    granted(unsafe {
        libc::syscall(libc::SYS_bind, socket.raw(), &raw const address, size_of_val(&address))
    })?;
    Ok(())
}

/// Whether a netlink socket is a member of the group that process events are sent to.
pub(crate) fn has_joined(socket: &Fd) -> Result<bool, Errno> {
    let groups: i32 = option(socket, libc::SOL_NETLINK, libc::NETLINK_LIST_MEMBERSHIPS)?;
    Ok(groups & 1 << (CN_IDX_PROC - 1) != 0)
}

/// Sends a request to the kernel, which handles it before this returns.
pub(crate) fn send_to_kernel(socket: &Fd, message: &[u8]) -> Result<(), Errno> {
    let kernel = netlink_address(0);
    loop {
        // SAFETY: a readable buffer; a netlink address and its size.
        let sent = granted(unsafe {
            libc::syscall(
                libc::SYS_sendto,
                socket.raw(),
                message.as_ptr(),
                message.len(),
                0,
                &raw const kernel,
                size_of_val(&kernel),
            )
        });
        match sent {
            Err(Errno(libc::EINTR)) => {}
            result => return result.map(drop),
        }
    }
}

/// Takes the datagram that waits first: how much of it is in the buffer, and on netlink who sent
/// it. `EAGAIN` when there is none. Unlike what the inbox does, no cancellation point.
pub(crate) fn receive_answer(
    socket: &Fd,
    buffer: &mut [u8],
    sender: &mut libc::sockaddr_nl,
) -> Result<u32, Errno> {
    let mut address_size = size_of_val(sender) as libc::socklen_t;
    // SAFETY: the buffer and its size, the address and its size.
    granted(unsafe {
        libc::syscall(
            libc::SYS_recvfrom,
            socket.raw(),
            buffer.as_mut_ptr(),
            buffer.len(),
            libc::MSG_DONTWAIT,
            &raw mut *sender,
            &raw mut address_size,
        )
    })
}

/// Swaps the socket's filter atomically.
pub(crate) fn attach_filter(socket: &Fd, instructions: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog {
        len: instructions.len() as libc::c_ushort,
        // The kernel only reads it.
        filter: instructions.as_ptr().cast_mut(),
    };
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

pub(crate) fn detach_filter(socket: &Fd) -> Result<(), Errno> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &0_i32)
}

/// Has the kernel drop single events when the queue is full, instead of everything until the
/// queue is empty (`netlink_overrun` in `net/netlink/af_netlink.c`), and clears a pending ENOBUFS.
pub(crate) fn disable_congestion(socket: &Fd) -> Result<(), Errno> {
    set_congestion_off(socket, 1)?;
    socket_option(socket, libc::SO_ERROR).map(drop)
}

/// Whether [`disable_congestion`] is in force, as 0 or 1.
pub(crate) fn congestion_off(socket: &Fd) -> Result<i32, Errno> {
    option(socket, libc::SOL_NETLINK, libc::NETLINK_NO_ENOBUFS)
}

pub(crate) fn set_congestion_off(socket: &Fd, off: i32) -> Result<(), Errno> {
    set_option(socket, libc::SOL_NETLINK, libc::NETLINK_NO_ENOBUFS, &off)
}

/// How many messages the kernel could not queue since the socket was made, modulo 2^32.
pub(crate) fn drop_counter(socket: &Fd) -> Result<u32, Errno> {
    memory_info(socket, SK_MEMINFO_DROPS)
}

/// How many bytes wait in the queue, as the kernel counts them.
pub(crate) fn queue_use(socket: &Fd) -> Result<u32, Errno> {
    memory_info(socket, SK_MEMINFO_RMEM_ALLOC)
}

fn memory_info(socket: &Fd, index: usize) -> Result<u32, Errno> {
    let info: [u32; SK_MEMINFO_DROPS + 1] = option(socket, libc::SOL_SOCKET, libc::SO_MEMINFO)?;
    Ok(info[index])
}

/// The queue's budget in bytes, as the kernel counts them.
pub(crate) fn queue_budget(socket: &Fd) -> Result<u32, Errno> {
    Ok(socket_option(socket, libc::SO_RCVBUF)?.cast_unsigned())
}

/// Asks for a queue budget: beyond net.core.rmem_max if this process may, else up to it.
/// The kernel doubles what it is asked for (`sock_set_rcvbuf` in `net/core/sock.c`).
pub(crate) fn set_queue_budget(socket: &Fd, bytes: u32) -> Result<(), Errno> {
    let half = (bytes / 2).cast_signed();
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &half)
        .or_else(|_| set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &half))
}

/// One of `SO_DOMAIN`, `SO_TYPE`, `SO_PROTOCOL`, `SO_RCVBUF`, `SO_ERROR`.
pub(crate) fn socket_option(socket: &Fd, name: i32) -> Result<i32, Errno> {
    option(socket, libc::SOL_SOCKET, name)
}

/// `T` is an integer or an array of them, which any bytes are a value of.
fn option<T: Copy + Default + AsPlain>(socket: &Fd, level: i32, name: i32) -> Result<T, Errno> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut size = size_of::<T>() as libc::socklen_t;
    // SAFETY: the value is writable for `size` bytes.
    granted(unsafe {
        libc::syscall(
            libc::SYS_getsockopt,
            socket.raw(),
            level,
            name,
            value.as_mut_ptr(),
            &raw mut size,
        )
    })?;
    // SAFETY: it was zeroed, and any bytes are a value of an AsPlain type.
    Ok(unsafe { value.assume_init() })
}

/// Types without padding of which any bytes are a value.
trait AsPlain {}
impl AsPlain for i32 {}
impl AsPlain for [u32; SK_MEMINFO_DROPS + 1] {}

fn set_option<T>(socket: &Fd, level: i32, name: i32, value: &T) -> Result<(), Errno> {
    // SAFETY: the value is readable for its size. Of the values used here only sock_fprog holds a
    // pointer, to a program that outlives the call.
    granted(unsafe {
        libc::syscall(
            libc::SYS_setsockopt,
            socket.raw(),
            level,
            name,
            &raw const *value,
            size_of::<T>(),
        )
    })?;
    Ok(())
}

/// Size of the datagram that waits first, without taking it.
pub(crate) fn next_datagram_size(socket: &Fd) -> Result<u32, Errno> {
    let flags = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    // SAFETY: a buffer of no bytes.
    check(unsafe { libc::recv(socket.raw(), core::ptr::null_mut(), 0, flags) } as i64)
}
