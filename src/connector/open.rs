//! Opening a handle: both of its halves at once, or nothing.
//!
//! The kernel subscribes the socket as the last step that can fail. Before it, a failure leaves
//! nothing behind but what the drops of the parts undo.

use super::adoption;
use super::handshake;
use super::loss::LossMeter;
use super::options::OpenOptions;
use super::receiver::{DatagramInbox, Receiver};
use super::shared::Connector;
use super::transport::{Prepared, Transport};
use crate::errno::Errno;
use crate::memory::Inbox;
use crate::protocol::filter::Filter;
use crate::protocol::wire::NETLINK_CONNECTOR;
use crate::sys::{self, Doorbell, Fd, ForkGuard};

/// Opens a handle on `socket`, or on a new one if that is [`Fd::NONE`], subscribed and proven. The handle
/// takes the socket over when nothing can fail any more.
pub(crate) fn open_on(
    socket: &mut Fd,
    options: &OpenOptions,
) -> Result<(Connector, Receiver), Errno> {
    let parts = Parts::new()?;
    let prepared = if socket.is_none() {
        new_socket(socket, options)?
    } else {
        adoption::adopt(socket, options)?
    };
    #[cfg_attr(not(feature = "table"), allow(unused_mut))]
    let (mut connector, receiver) = parts.assemble(sys::take(socket), prepared, options.filter);
    #[cfg(feature = "table")]
    {
        connector.spin_us = options.spin_us;
    }
    Ok((connector, receiver))
}

/// Makes a socket with the settings of a handle, subscribed and proven.
fn new_socket(socket: &mut Fd, options: &OpenOptions) -> Result<Prepared, Errno> {
    // Only an adopted socket can have been subscribed before.
    if options.subscribed {
        return Err(Errno(libc::EINVAL));
    }
    let new = sys::netlink_socket(NETLINK_CONNECTOR)?;
    handshake::attach(&new, options.filter)?;
    let prepared = adoption::prepare(&new, Transport::Netlink, options, true)?;
    *socket = new;
    Ok(prepared)
}

/// What a handle has besides its socket.
struct Parts {
    guard: ForkGuard,
    doorbell: Doorbell,
    inbox: DatagramInbox,
}

impl Parts {
    fn new() -> Result<Self, Errno> {
        Ok(Self { guard: ForkGuard::new()?, doorbell: Doorbell::new()?, inbox: Inbox::new()? })
    }

    fn assemble(self, socket: Fd, prepared: Prepared, filter: Filter) -> (Connector, Receiver) {
        let Self { guard, doorbell, mut inbox } = self;
        let Prepared { transport, budget, drops, drops_read_ns, .. } = prepared;
        if transport == Transport::Netlink {
            inbox.record_senders();
        }
        let loss = LossMeter::new(budget, drops, drops_read_ns);
        let connector = Connector::new(guard, doorbell, socket, prepared);
        (connector, Receiver::new(inbox, loss, filter))
    }
}
