//! What the socket of a handle is.

use super::handshake::Repairs;
use crate::errno::Errno;
use crate::sys::{self, Fd, monotonic_ns};

/// What is known of a socket that the kernel has begun to report to.
pub(crate) struct Prepared {
    pub transport: Transport,
    /// How often the kernel had to be repaired for that.
    pub repairs: Repairs,
    /// The queue's budget in bytes.
    pub budget: u32,
    /// How many bytes were queued before. They may be more than the budget.
    pub queued: u32,
    /// The kernel drop counter. Whatever the kernel adds after this reading is a loss of this
    /// handle.
    pub drops: u32,
    /// A moment before the drop counter was read.
    pub drops_read_ns: u64,
}

/// What the socket of a handle is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Netlink,
    /// AF_UNIX. Filters are applied by this process alone, and there is no subscription.
    Datagram,
    /// AF_UNIX with connections. The stream can end.
    SeqPacket,
}

impl Transport {
    /// More datagrams than `bytes`, the budget of a queue or its use, can hold: after so many the
    /// queue must have been empty once.
    pub(super) const fn discard_limit(self, bytes: u32) -> u32 {
        let bytes = match self {
            Self::Netlink => bytes,
            // The sender's buffer bounds the queue. It is 2 GiB at most.
            Self::Datagram | Self::SeqPacket => i32::MAX.cast_unsigned(),
        };
        // No datagram is charged less than 512 bytes.
        bytes / 512 + 64
    }
}

impl Prepared {
    /// Gives a socket the settings of a handle, and this queue budget. It is not subscribed yet.
    #[inline(never)]
    pub(super) fn configure(
        socket: &Fd,
        transport: Transport,
        budget: Option<u32>,
    ) -> Result<Self, Errno> {
        let is_netlink = transport == Transport::Netlink;
        if is_netlink {
            sys::disable_congestion(socket)?;
            if let Some(bytes) = budget {
                sys::set_queue_budget(socket, bytes)?;
            }
        }
        Ok(Self {
            transport,
            repairs: 0,
            budget: sys::queue_budget(socket)?,
            queued: sys::queue_use(socket)?,
            drops_read_ns: monotonic_ns(),
            drops: if is_netlink { sys::drop_counter(socket)? } else { 0 },
        })
    }
}
