//! What the socket of a handle is.

use super::handshake::{Helper, Repairs};

/// What is known of a socket that the kernel has begun to report to.
pub(crate) struct Prepared {
    pub transport: Transport,
    /// How often the kernel had to be repaired for that.
    pub repairs: Repairs,
    pub helper: Helper,
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

impl Prepared {
    /// Nothing is known of it yet. It is a new socket, unless it is found to be another one.
    pub(super) const NONE: Self = Self {
        transport: Transport::Netlink,
        repairs: 0,
        helper: Helper::NONE,
        budget: 0,
        queued: 0,
        drops: 0,
        drops_read_ns: 0,
    };
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
            Self::Datagram | Self::SeqPacket => i32::MAX as u32,
        };
        // No datagram is charged less than 512 bytes.
        bytes / 512 + 64
    }
}
