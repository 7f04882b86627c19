//! Asking the kernel to report, and proof that it does.
//!
//! The kernel answers a request before `send` returns, but it answers by multicast: to every
//! listener, and only while its count of listeners is at least one (`cn_proc_ack` in
//! `drivers/connector/cn_proc.c`). The answer is therefore read on a throw-away helper socket,
//! whose filter admits nothing else: the main queue is never touched, and no flood can push the
//! answer out.

use crate::errno::Errno;
use crate::procfs::namespace::{Namespaces, lacks_process_events, namespaces};
use crate::protocol::bpf::Program;
use crate::protocol::filter::Filter;
use crate::protocol::request::{
    Length, PROC_CN_MCAST_IGNORE, PROC_CN_MCAST_LISTEN, PROC_CN_MCAST_PROBE, Request,
    acknowledgement, answer_to,
};
use crate::protocol::wire::{CN_IDX_PROC, DATAGRAM_MAX, NETLINK_CONNECTOR};
use crate::sys::{self, Fd};

/// How often a repair adds one to the kernel's count of listeners before it gives up. What a failed
/// repair has added stays: the next check continues from there.
const REPAIR_LIMIT: usize = 10_000;

/// How often the kernel was found deaf and made to report again: 0 or 1.
pub(crate) type Repairs = u32;

/// Makes the kernel queue what this filter admits, and nothing else.
#[inline(never)]
pub(super) fn attach(socket: &Fd, filter: Filter) -> Result<(), Errno> {
    sys::attach_filter(socket, Program::admitting(filter).instructions())
}

/// Makes the kernel queue what this filter admits, except for the FORKs of these processes' threads.
#[cfg(feature = "table")]
pub(super) fn attach_without(socket: &Fd, filter: Filter, unheard: &[i32]) -> Result<(), Errno> {
    sys::attach_filter(socket, Program::admitting_without(filter, unheard).instructions())
}

/// Makes the kernel queue nothing.
pub(super) fn attach_nothing(socket: &Fd) -> Result<(), Errno> {
    sys::attach_filter(socket, Program::admitting_nothing().instructions())
}

/// Makes a socket a member of the group that receives process events, or finds out why it cannot be
/// one.
pub(super) fn join(socket: &Fd) -> Result<(), Errno> {
    sys::join(socket, CN_IDX_PROC).map_err(|error| match error {
        // Before Linux 6.6 the kernel returns EPERM to root in another user namespace, too.
        Errno(libc::EPERM) if namespaces() == Namespaces::Foreign => Errno(libc::EOPNOTSUPP),
        error => error,
    })
}

/// Subscribes `main`, which is a member of the group, and proves that the kernel reports.
pub(super) fn subscribe(main: &Fd) -> Result<Repairs, Errno> {
    let helper = Helper::open()?;
    send(main, PROC_CN_MCAST_LISTEN, helper.token, Length::Short)?;
    let proof = match helper.answer() {
        Ok(Some(0)) => return Ok(0),
        // The kernel refused, so it does not count this listener, and no IGNORE is needed.
        Ok(Some(error)) => return Err(Errno(error)),
        Ok(None) => helper.repair(),
        Err(error) => Err(error),
    };
    if let Err(error) = proof {
        let _ = unsubscribe(main);
        return Err(error);
    }
    Ok(1)
}

/// Ends the subscription of `main`.
pub(super) fn unsubscribe(main: &Fd) -> Result<(), Errno> {
    send(main, PROC_CN_MCAST_IGNORE, 0, Length::Short)
}

/// Proves that the kernel reports, repairs it if it does not, and renews the subscription of
/// `main`. `note_deafness` is called when the kernel is found deaf, before the repair, which may
/// fail.
pub(super) fn check(main: &Fd, note_deafness: impl FnOnce()) -> Result<(), Errno> {
    let helper = Helper::open()?;
    if !helper.is_answered()? {
        note_deafness();
        helper.repair()?;
    }
    // From Linux 6.6 on a subscription belongs to its socket, and a renewal changes no count. Older
    // kernels would count every LISTEN, but they ignore long requests.
    send(main, PROC_CN_MCAST_LISTEN, 0, Length::Long)
}

fn send(socket: &Fd, operation: u32, token: u32, length: Length) -> Result<(), Errno> {
    sys::send_to_kernel(socket, Request::new(operation, token, length).as_bytes())
}

/// A throw-away socket that receives only the answers to its own token.
struct Helper {
    socket: Fd,
    token: u32,
}

impl Helper {
    fn open() -> Result<Self, Errno> {
        let token = sys::random_number();
        let socket = sys::netlink_socket(NETLINK_CONNECTOR)?;
        sys::attach_filter(&socket, Program::admitting_answer_to(token).instructions())?;
        join(&socket)?;
        Ok(Self { socket, token })
    }

    /// The error number in the answer that is queued, or `None` when there is no answer.
    fn answer(&self) -> Result<Option<i32>, Errno> {
        let mut buffer = [0; DATAGRAM_MAX];
        loop {
            match sys::receive_uncancelled(&self.socket, &mut buffer) {
                Ok((size, sender)) => {
                    let datagram = buffer.get(..size as usize).unwrap_or_default();
                    if let Some((answer, error)) = acknowledgement(datagram)
                        && sender == 0
                        && answer == answer_to(self.token)
                    {
                        return Ok(Some(error));
                    }
                }
                Err(Errno(libc::EAGAIN)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the kernel answers a request that changes nothing.
    fn is_answered(&self) -> Result<bool, Errno> {
        send(&self.socket, PROC_CN_MCAST_PROBE, self.token, Length::Short)?;
        Ok(self.answer()?.is_some())
    }

    /// Makes a silent kernel report again, or finds out why it is silent.
    ///
    /// Any process can take one off the kernel's count of listeners: from Linux 6.6 on even without
    /// privilege, by an unknown request and then an IGNORE. Below one, the kernel reports to no
    /// listener. A LISTEN that no IGNORE follows adds one.
    fn repair(&self) -> Result<(), Errno> {
        let namespaces = namespaces();
        if namespaces == Namespaces::Foreign {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        if lacks_process_events() {
            return Err(Errno(libc::ENOSYS));
        }
        if namespaces == Namespaces::Initial && sys::drop_counter(&self.socket)? == 0 {
            for _ in 0..REPAIR_LIMIT {
                // The kernel is asked before the first LISTEN, because the one missing answer may
                // have failed for lack of memory. It is asked again before each further one,
                // because after an unknown request every kernel counts the next LISTEN of this
                // socket.
                if self.is_answered()? {
                    return Ok(());
                }
                send(&self.socket, PROC_CN_MCAST_LISTEN, !self.token, Length::Short)?;
            }
        }
        Err(Errno(libc::ETIMEDOUT))
    }
}
