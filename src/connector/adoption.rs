//! Taking over a socket that somebody else made: all of it or nothing.

use super::shared::{DEFAULT_BUDGET, Options, Transport};
use super::subscription::{self, Repairs};
use crate::errno::Errno;
use crate::protocol::bpf::Program;
use crate::sys::{self, Fd, Modes};

/// What the new owner has to know.
pub(crate) struct Adopted {
    pub transport: Transport,
    pub repairs: Repairs,
    pub budget: u32,
    /// The bytes that wait already, perhaps more than the budget.
    pub queued: u32,
    /// The drop counter, from which on losses are the new owner's.
    pub drops: u32,
}

/// Gives the socket our settings. Where that fails, it has its old ones.
pub(crate) fn adopt(socket: &Fd, options: &Options) -> Result<Adopted, Errno> {
    let transport = identify(socket)?;
    let before = Settings::of(socket, transport)?;
    if transport == Transport::Netlink {
        // First, because it is what cannot be put back if the socket had another one.
        sys::attach_filter(socket, Program::admitting(options.filter).instructions())?;
    }
    socket
        .set_modes(&before.modes.of_a_handle())
        .and_then(|()| take_over(socket, transport, options))
        .inspect_err(|_| before.restore(socket))
}

fn take_over(socket: &Fd, transport: Transport, options: &Options) -> Result<Adopted, Errno> {
    let is_netlink = transport == Transport::Netlink;
    if is_netlink {
        sys::disable_congestion(socket)?;
        match options.budget {
            Some(bytes) => sys::set_queue_budget(socket, bytes)?,
            None => enlarge_queue(socket)?,
        }
    }
    let mut adopted = Adopted {
        transport,
        repairs: 0,
        budget: sys::queue_budget(socket)?,
        queued: sys::queue_use(socket)?,
        drops: if is_netlink { sys::drop_counter(socket)? } else { 0 },
    };
    // Last, so that nothing can fail behind it: the opener may have subscribed the socket without
    // telling, and to take ours back would take that.
    if is_netlink && !options.subscribed {
        adopted.repairs = subscription::subscribe(socket)?;
    }
    Ok(adopted)
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
            if option(libc::SO_PROTOCOL)? == crate::protocol::wire::NETLINK_CONNECTOR =>
        {
            if !sys::has_joined(socket)? {
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

/// Gives a queue the default budget, but never a smaller one than it has: an unprivileged child
/// could not get back what a privileged parent has given. What would be got is tried elsewhere.
fn enlarge_queue(socket: &Fd) -> Result<(), Errno> {
    let trial = sys::connector_socket()?;
    sys::set_queue_budget(&trial, DEFAULT_BUDGET)?;
    if sys::queue_budget(&trial)? > sys::queue_budget(socket)? {
        sys::set_queue_budget(socket, DEFAULT_BUDGET)?;
    }
    Ok(())
}

/// What adoption changes, as it was before.
struct Settings {
    modes: Modes,
    /// On netlink: NETLINK_NO_ENOBUFS and the budget.
    netlink: Option<(i32, u32)>,
}

impl Settings {
    fn of(socket: &Fd, transport: Transport) -> Result<Self, Errno> {
        let netlink = match transport {
            Transport::Netlink => Some((sys::congestion_off(socket)?, sys::queue_budget(socket)?)),
            _ => None,
        };
        Ok(Self { modes: socket.modes()?, netlink })
    }

    /// As far as the kernel lets us.
    fn restore(&self, socket: &Fd) {
        let _ = socket.set_modes(&self.modes);
        if let Some((congestion_off, budget)) = self.netlink {
            let _ = sys::detach_filter(socket);
            let _ = sys::set_congestion_off(socket, congestion_off);
            let _ = sys::set_queue_budget(socket, budget);
        }
    }
}
