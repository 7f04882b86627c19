//! Adopting a socket that another program made: with all of its settings, or not at all.

use super::handshake;
use super::options::{DEFAULT_BUDGET, OpenOptions};
use super::transport::{Prepared, Transport};
use crate::errno::Errno;
use crate::procfs::namespace::require_initial_time;
use crate::protocol::wire::{CN_IDX_PROC, NETLINK_CONNECTOR};
use crate::sys::{self, Fd, Modes};

/// Gives the socket the settings of a handle, and subscribes it. On failure it has the settings
/// that it had before.
pub(super) fn adopt(socket: &Fd, options: &OpenOptions) -> Result<Prepared, Errno> {
    let transport = identify(socket)?;
    let before = Settings::of(socket, transport)?;
    if transport == Transport::Netlink {
        require_initial_time()?;
        // First, because it cannot be undone if the socket had another filter.
        handshake::attach(socket, options.filter)?;
    }
    socket
        .set_modes(&before.modes.of_a_handle())
        .and_then(|()| prepare(socket, transport, options))
        .inspect_err(|_| before.restore(socket))
}

fn prepare(socket: &Fd, transport: Transport, options: &OpenOptions) -> Result<Prepared, Errno> {
    let is_netlink = transport == Transport::Netlink;
    let budget = match options.budget {
        None if is_netlink => default_budget(socket)?,
        budget => budget,
    };
    let mut prepared = Prepared::configure(socket, transport, budget)?;
    // Last, so that no later failure has to undo it. The previous owner may have subscribed the
    // socket although the options do not say so, and an IGNORE would end that subscription too.
    if is_netlink && !options.subscribed {
        prepared.repairs = handshake::subscribe(socket)?;
    }
    Ok(prepared)
}

/// What the socket is, if it is one that can be adopted.
fn identify(socket: &Fd) -> Result<Transport, Errno> {
    const UNFIT: Errno = Errno(libc::EPROTOTYPE);
    let option = |name| sys::socket_option(socket, name);
    let socket_type = option(libc::SO_TYPE).map_err(|error| match error {
        Errno(libc::ENOTSOCK) => UNFIT,
        error => error,
    })?;
    match (option(libc::SO_DOMAIN)?, socket_type) {
        (libc::AF_NETLINK, libc::SOCK_DGRAM | libc::SOCK_RAW)
            if option(libc::SO_PROTOCOL)? == NETLINK_CONNECTOR =>
        {
            if !sys::has_joined(socket, CN_IDX_PROC)? {
                return Err(Errno(libc::EINVAL));
            }
            Ok(Transport::Netlink)
        }
        (libc::AF_UNIX, _) if option(libc::SO_ACCEPTCONN)? != 0 => Err(UNFIT),
        (libc::AF_UNIX, libc::SOCK_DGRAM) => Ok(Transport::Datagram),
        (libc::AF_UNIX, libc::SOCK_SEQPACKET) => Ok(Transport::SeqPacket),
        _ => Err(UNFIT),
    }
}

/// The default budget for a queue, or `None` if it has more than would be granted now: an
/// unprivileged child could not get back what a privileged parent has given. A new socket shows
/// what would be granted.
fn default_budget(socket: &Fd) -> Result<Option<u32>, Errno> {
    let trial = sys::netlink_socket(NETLINK_CONNECTOR)?;
    sys::set_queue_budget(&trial, DEFAULT_BUDGET)?;
    let is_larger = sys::queue_budget(&trial)? > sys::queue_budget(socket)?;
    Ok(is_larger.then_some(DEFAULT_BUDGET))
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
            let _ = sys::set_queue_budget(socket, budget);
        }
    }
}
