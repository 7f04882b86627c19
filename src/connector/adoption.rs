//! Adopting a socket that another program made: with all of its settings, or not at all.

use super::handshake;
use super::options::{DEFAULT_BUDGET, OpenOptions};
use super::transport::{Prepared, Transport};
use crate::errno::Errno;
use crate::protocol::wire::{CN_IDX_PROC, NETLINK_CONNECTOR};
use crate::sys::{self, Fd, Modes, monotonic_ns};

/// Gives the socket the settings of a handle, and subscribes it. On failure it has the settings
/// that it had before.
pub(super) fn adopt(
    socket: &Fd,
    options: &OpenOptions,
    prepared: &mut Prepared,
) -> Result<(), Errno> {
    prepared.transport = identify(socket)?;
    let before = Settings::of(socket, prepared.transport)?;
    if prepared.transport == Transport::Netlink {
        // First, because it cannot be undone if the socket had another filter.
        handshake::attach(socket, options.filter)?;
    }
    socket
        .set_modes(&before.modes.of_a_handle())
        .and_then(|()| prepare(socket, options, false, prepared))
        .inspect_err(|_| before.restore(socket))
}

/// Gives a socket that has its filter the other settings of a handle, and subscribes it. A new one
/// is not a member of the group yet.
#[inline(never)]
pub(super) fn prepare(
    socket: &Fd,
    options: &OpenOptions,
    is_new: bool,
    prepared: &mut Prepared,
) -> Result<(), Errno> {
    let is_netlink = prepared.transport == Transport::Netlink;
    if is_netlink {
        sys::disable_congestion(socket)?;
        if is_new || options.budget.is_some() || would_grow(socket)? {
            let budget = options.budget.unwrap_or(DEFAULT_BUDGET);
            sys::set_queue_budget(socket, budget, is_new)?;
        }
        if is_new {
            handshake::join(socket)?;
        }
    }
    prepared.budget = sys::queue_budget(socket)?;
    prepared.drops_read_ns = monotonic_ns();
    prepared.drops = sys::drop_counter(socket)?;
    prepared.queued = sys::queue_use(socket)?;
    if is_netlink {
        // Last, so that no later failure has to undo it.
        prepared.repairs = handshake::start(socket, options.subscribed, &mut prepared.helper)?;
    }
    Ok(())
}

/// What the socket is, if it is one that can be adopted.
fn identify(socket: &Fd) -> Result<Transport, Errno> {
    const UNFIT: Errno = Errno(libc::EPROTOTYPE);
    let option = |name| sys::socket_option(socket, name);
    let socket_type = option(libc::SO_TYPE).map_err(|error| match error {
        Errno(libc::ENOTSOCK) => UNFIT,
        error => error,
    })?;
    let (domain, protocol) = (option(libc::SO_DOMAIN)?, option(libc::SO_PROTOCOL)?);
    match (domain, socket_type, protocol) {
        _ if option(libc::SO_ACCEPTCONN)? != 0 => Err(UNFIT),
        (libc::AF_UNIX, libc::SOCK_DGRAM, _) => Ok(Transport::Datagram),
        (libc::AF_UNIX, libc::SOCK_SEQPACKET, _) => Ok(Transport::SeqPacket),
        (libc::AF_NETLINK, libc::SOCK_DGRAM | libc::SOCK_RAW, NETLINK_CONNECTOR) => {
            let has_joined = sys::has_joined(socket, CN_IDX_PROC)?;
            if has_joined { Ok(Transport::Netlink) } else { Err(Errno(libc::EINVAL)) }
        }
        _ => Err(UNFIT),
    }
}

/// Whether the default budget would make this queue larger. It might make it smaller: an
/// unprivileged child could not get back what a privileged parent has given. A new socket shows what
/// would be granted.
fn would_grow(socket: &Fd) -> Result<bool, Errno> {
    let trial = sys::netlink_socket(NETLINK_CONNECTOR)?;
    sys::set_queue_budget(&trial, DEFAULT_BUDGET, true)?;
    Ok(sys::queue_budget(&trial)? > sys::queue_budget(socket)?)
}

/// The settings that adoption changes, as they were before.
struct Settings {
    modes: Modes,
    /// On netlink: NETLINK_NO_ENOBUFS and the budget.
    netlink: Option<(i32, u32)>,
}

impl Settings {
    fn of(socket: &Fd, transport: Transport) -> Result<Self, Errno> {
        let netlink = match transport {
            Transport::Netlink => Some((sys::congestion_off(socket)?, sys::queue_budget(socket)?)),
            Transport::Datagram | Transport::SeqPacket => None,
        };
        Ok(Self { modes: socket.modes()?, netlink })
    }

    /// Puts the settings back, as far as the kernel permits.
    fn restore(&self, socket: &Fd) {
        let _ = socket.set_modes(&self.modes);
        if let Some((congestion_off, budget)) = self.netlink {
            let _ = sys::detach_filter(socket);
            let _ = sys::set_congestion_off(socket, congestion_off);
            // An unprivileged process could only make a queue smaller that nobody has changed.
            if sys::queue_budget(socket) != Ok(budget) {
                let _ = sys::set_queue_budget(socket, budget, false);
            }
        }
    }
}
