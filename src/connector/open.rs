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

/// Opens a handle on a new socket, subscribed and proven.
#[cfg(feature = "std")]
pub(crate) fn open(options: &OpenOptions) -> Result<(Connector, Receiver), Errno> {
    open_on(None, options).map_err(|(error, _)| error)
}

/// Opens a handle on the socket that `source` stands for, subscribed and proven. On failure
/// `source` is given back.
pub(crate) fn open_on<S: Source>(
    source: S,
    options: &OpenOptions,
) -> Result<(Connector, Receiver), (Errno, S)> {
    let parts = match Parts::new() {
        Ok(parts) => parts,
        Err(error) => return Err((error, source)),
    };
    let (socket, prepared) = source.prepare(options)?;
    #[cfg_attr(not(feature = "table"), allow(unused_mut))]
    let (mut connector, receiver) = parts.assemble(socket, prepared, options.filter);
    #[cfg(feature = "table")]
    {
        connector.spin_us = options.spin_us;
    }
    Ok((connector, receiver))
}

/// Where the socket of a new handle comes from.
pub(crate) trait Source: Sized {
    /// Returns a socket that the kernel has begun to report to, or gives itself back.
    fn prepare(self, options: &OpenOptions) -> Result<(Fd, Prepared), (Errno, Self)>;

    /// The socket, if it exists already.
    #[cfg(feature = "table")]
    fn socket(&self) -> Option<&Fd>;

    /// The source of an open handle that is not wanted after all. A new socket is closed.
    #[cfg(feature = "table")]
    fn take_back(connector: Connector) -> Self;
}

/// A socket of the caller's, to be adopted. It is given back with the settings that it had.
impl Source for Fd {
    #[inline]
    fn prepare(self, options: &OpenOptions) -> Result<(Fd, Prepared), (Errno, Self)> {
        match adoption::adopt(&self, options) {
            Ok(prepared) => Ok((self, prepared)),
            Err(error) => Err((error, self)),
        }
    }

    #[cfg(feature = "table")]
    fn socket(&self) -> Option<&Fd> {
        Some(self)
    }

    #[cfg(feature = "table")]
    fn take_back(mut connector: Connector) -> Self {
        connector.take_socket()
    }
}

/// A socket of the caller's, or a new one.
impl Source for Option<Fd> {
    #[inline]
    fn prepare(self, options: &OpenOptions) -> Result<(Fd, Prepared), (Errno, Self)> {
        match self {
            None => new_socket(options).map_err(|error| (error, None)),
            Some(socket) => {
                socket.prepare(options).map_err(|(error, socket)| (error, Some(socket)))
            }
        }
    }

    #[cfg(feature = "table")]
    fn socket(&self) -> Option<&Fd> {
        self.as_ref()
    }

    #[cfg(feature = "table")]
    fn take_back(_: Connector) -> Self {
        None
    }
}

/// A new socket with the settings of a handle, subscribed and proven.
fn new_socket(options: &OpenOptions) -> Result<(Fd, Prepared), Errno> {
    // Only an adopted socket can have been subscribed before.
    if options.subscribed {
        return Err(Errno(libc::EINVAL));
    }
    let socket = sys::netlink_socket(NETLINK_CONNECTOR)?;
    handshake::attach(&socket, options.filter)?;
    let prepared = adoption::prepare(&socket, Transport::Netlink, options, true)?;
    Ok((socket, prepared))
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
