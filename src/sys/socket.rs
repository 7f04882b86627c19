//! Sockets: making, describing, configuring, sending.

use super::{Fd, check, granted, plain};
use crate::errno::Errno;
use core::mem::{MaybeUninit, zeroed};

// Indices in `SO_MEMINFO` (linux/sock_diag.h).
const SK_MEMINFO_RMEM_ALLOC: usize = 0;
const SK_MEMINFO_DROPS: usize = 8;

/// A new netlink socket, non-blocking and close-on-exec. It is a member of no group.
#[inline(never)]
pub(crate) fn netlink_socket(protocol: i32) -> Result<Fd, Errno> {
    let flags = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket() takes no pointer.
    let made = check(unsafe { libc::syscall(libc::SYS_socket, libc::AF_NETLINK, flags, protocol) });
    let raw = match made {
        // Of this call these mean what the library says by them.
        Err(error @ Errno(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT)) => return Err(error),
        result => result.map_err(plain)?,
    };
    // SAFETY: socket() has made this descriptor, and nothing else has its number.
    Ok(unsafe { Fd::from_raw(raw as i32) })
}

/// A netlink address: port 0, and the bits of multicast groups.
pub(super) fn netlink_address(groups: u32) -> libc::sockaddr_nl {
    // SAFETY: the address consists of integers, for which zero is valid.
    let mut address: libc::sockaddr_nl = unsafe { zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = groups;
    address
}

/// The bit of a multicast group, which is a number from 1 to 32.
const fn group_bit(group: u32) -> u32 {
    1 << (group - 1)
}

/// Makes a new netlink socket a member of a multicast group.
pub(crate) fn join(socket: &Fd, group: u32) -> Result<(), Errno> {
    let address = netlink_address(group_bit(group));
    // SAFETY: the address is readable for its size.
    granted(unsafe {
        libc::syscall(libc::SYS_bind, socket.raw(), &raw const address, size_of_val(&address))
    })?;
    Ok(())
}

/// Whether a netlink socket is a member of a multicast group.
#[inline]
pub(crate) fn has_joined(socket: &Fd, group: u32) -> Result<bool, Errno> {
    let groups: i32 = option(socket, libc::SOL_NETLINK, libc::NETLINK_LIST_MEMBERSHIPS)?;
    Ok(groups as u32 & group_bit(group) != 0)
}

/// Sends a netlink message to the kernel, which handles it before this returns.
pub(crate) fn send_to_kernel(socket: &Fd, message: &[u8]) -> Result<(), Errno> {
    let kernel = netlink_address(0);
    loop {
        // SAFETY: the message and the address are readable for their sizes.
        let sent = check(unsafe {
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
            // The kernel's side of the protocol is in another network namespace.
            Err(error @ Errno(libc::ECONNREFUSED)) => return Err(error),
            result => return result.map(drop).map_err(plain),
        }
    }
}

/// `ECONNREFUSED` unless the socket was made in the network namespace that has the protocol's kernel
/// side. The kernel ignores the message, which is too short (`cn_rx_skb` in
/// `drivers/connector/connector.c`).
pub(crate) fn reach_kernel(socket: &Fd) -> Result<(), Errno> {
    send_to_kernel(socket, &[0])
}

/// Replaces the socket's filter by this classic BPF program, atomically.
pub(crate) fn attach_filter(socket: &Fd, program: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog {
        len: program.len() as libc::c_ushort,
        // The kernel only reads it.
        filter: program.as_ptr().cast_mut(),
    };
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

pub(crate) fn detach_filter(socket: &Fd) -> Result<(), Errno> {
    set_int(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, 0)
}

/// Makes the kernel discard single messages when the queue is full, instead of everything until the
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
    set_int(socket, libc::SOL_NETLINK, libc::NETLINK_NO_ENOBUFS, off)
}

/// The kernel drop counter: how many messages the kernel could not queue since the socket was made,
/// modulo 2^32.
pub(crate) fn drop_counter(socket: &Fd) -> Result<u32, Errno> {
    memory_info(socket, SK_MEMINFO_DROPS)
}

/// How many bytes are queued, as the kernel counts them.
pub(crate) fn queue_use(socket: &Fd) -> Result<u32, Errno> {
    memory_info(socket, SK_MEMINFO_RMEM_ALLOC)
}

#[inline(never)]
fn memory_info(socket: &Fd, index: usize) -> Result<u32, Errno> {
    let info: [u32; SK_MEMINFO_DROPS + 1] = option(socket, libc::SOL_SOCKET, libc::SO_MEMINFO)?;
    Ok(info[index])
}

/// The queue's budget in bytes, as the kernel counts them.
pub(crate) fn queue_budget(socket: &Fd) -> Result<u32, Errno> {
    Ok(socket_option(socket, libc::SO_RCVBUF)? as u32)
}

/// Asks for a queue budget. When this process lacks CAP_NET_ADMIN, the kernel grants no more than
/// twice net.core.rmem_max. The kernel doubles the number that it gets (`sock_set_rcvbuf` in
/// `net/core/sock.c`).
///
/// A new socket, which no event can arrive at, gets SO_RCVBUFFORCE only if SO_RCVBUF does not
/// suffice, because security modules log each denied use of a capability. On any other socket
/// SO_RCVBUF comes second: it might make the queue smaller, and lose events, before SO_RCVBUFFORCE
/// makes it larger.
#[inline(never)]
pub(crate) fn set_queue_budget(socket: &Fd, bytes: u32, is_new: bool) -> Result<(), Errno> {
    let half = (bytes / 2) as i32;
    let set = |name| set_int(socket, libc::SOL_SOCKET, name, half);
    if is_new {
        set(libc::SO_RCVBUF)?;
        if queue_budget(socket)? >= bytes & !1 {
            return Ok(());
        }
    }
    set(libc::SO_RCVBUFFORCE).or_else(|_| set(libc::SO_RCVBUF))
}

/// One of the options of a socket that are an int.
#[inline(never)]
pub(crate) fn socket_option(socket: &Fd, name: i32) -> Result<i32, Errno> {
    option(socket, libc::SOL_SOCKET, name)
}

fn option<T: AnyBytes>(socket: &Fd, level: i32, name: i32) -> Result<T, Errno> {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the value is writable for its size.
    unsafe { get_option(socket, level, name, value.as_mut_ptr().cast(), size_of::<T>() as _) }?;
    // SAFETY: all bytes were zeroed or written, and any bytes are a valid `T`.
    Ok(unsafe { value.assume_init() })
}

/// # Safety
/// `value` is writable for `size` bytes.
#[inline]
unsafe fn get_option(
    socket: &Fd,
    level: i32,
    name: i32,
    value: *mut u8,
    mut size: libc::socklen_t,
) -> Result<(), Errno> {
    // SAFETY: the caller vouches for the value, and the size is writable.
    granted(unsafe {
        libc::syscall(libc::SYS_getsockopt, socket.raw(), level, name, value, &raw mut size)
    })
    .map(drop)
}

/// Types without padding of which any bytes are a valid value.
trait AnyBytes {}
impl AnyBytes for i32 {}
impl AnyBytes for [u32; SK_MEMINFO_DROPS + 1] {}

#[inline(never)]
fn set_int(socket: &Fd, level: i32, name: i32, value: i32) -> Result<(), Errno> {
    set_option(socket, level, name, &value)
}

fn set_option<T>(socket: &Fd, level: i32, name: i32, value: &T) -> Result<(), Errno> {
    // SAFETY: the value is readable for its size. Of the types used here only sock_fprog holds a
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
