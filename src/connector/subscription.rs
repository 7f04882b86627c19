//! Asking the kernel to report, and proof that it does.
//!
//! The kernel answers a request before `send` returns, but it answers by multicast: to every
//! listener, and only while its count of listeners is at least one (`cn_proc_ack` in
//! `drivers/connector/cn_proc.c`). So the answer is read on a throw-away helper socket whose
//! filter admits it alone: the main queue is never touched, and no flood can push the answer out.

use crate::errno::Errno;
use crate::procfs::namespace::{Namespaces, lacks_process_events, namespaces};
use crate::protocol::bpf::Program;
use crate::protocol::request::{
    Length, PROC_CN_MCAST_IGNORE, PROC_CN_MCAST_LISTEN, PROC_CN_MCAST_PROBE, Request,
    acknowledgement, answer_to,
};
use crate::protocol::wire::DATAGRAM_MAX;
use crate::sys::{self, Fd};

/// How often a repair adds one to the kernel's count of listeners before it gives up. Whatever is
/// done stays done: the next check goes on from there.
const REPAIR_LIMIT: usize = 10_000;

/// How often the kernel was found deaf and made to report again: 0 or 1.
pub(crate) type Repairs = u32;

/// Subscribes `main`, which is a member of the group, and proves it.
pub(crate) fn subscribe(main: &Fd) -> Result<Repairs, Errno> {
    let helper = Helper::open()?;
    send(main, PROC_CN_MCAST_LISTEN, helper.token, Length::Short)?;
    let proof = match helper.answer() {
        Ok(Some(0)) => return Ok(0),
        // Refused, hence not counted: there is nothing to take back.
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

/// Takes one subscription back.
pub(crate) fn unsubscribe(main: &Fd) -> Result<(), Errno> {
    send(main, PROC_CN_MCAST_IGNORE, 0, Length::Short)
}

/// Proves that the kernel reports, repairs it if it does not, and renews `main`'s subscription.
/// `note_deafness` is called as soon as it is found, whatever becomes of the repair.
pub(crate) fn check(main: &Fd, note_deafness: impl FnOnce()) -> Result<(), Errno> {
    let helper = Helper::open()?;
    if !helper.is_answered()? {
        note_deafness();
        helper.repair()?;
    }
    // From 6.6 on a subscription belongs to its socket, and renewing it changes no count. Older
    // kernels count blindly, but they ignore long requests.
    send(main, PROC_CN_MCAST_LISTEN, 0, Length::Long)
}

/// Makes a socket a member of the group, or says why it cannot be one.
pub(crate) fn join(socket: &Fd) -> Result<(), Errno> {
    sys::join(socket).map_err(|error| match error {
        // Before 6.6 root in a user namespace of its own is told that it lacks the privilege.
        Errno(libc::EPERM) if namespaces() == Namespaces::Foreign => Errno(libc::EOPNOTSUPP),
        error => error,
    })
}

fn send(socket: &Fd, operation: u32, ack: u32, length: Length) -> Result<(), Errno> {
    sys::send_to_kernel(socket, Request::new(operation, ack, length).as_bytes())
}

/// A throw-away socket that hears only the answers to its own token.
struct Helper {
    socket: Fd,
    /// What its requests carry; the answer carries the next number.
    token: u32,
}

impl Helper {
    fn open() -> Result<Self, Errno> {
        let token = sys::random_number();
        let socket = sys::connector_socket()?;
        sys::attach_filter(&socket, Program::admitting_answer_to(token).instructions())?;
        join(&socket)?;
        Ok(Self { socket, token })
    }

    /// The error number in the answer that is there, if one is.
    fn answer(&self) -> Result<Option<i32>, Errno> {
        let mut buffer = [0; DATAGRAM_MAX];
        let mut sender = sys::netlink_address(0);
        loop {
            match sys::receive_answer(&self.socket, &mut buffer, &mut sender) {
                Ok(size) => {
                    let datagram = buffer.get(..size as usize).unwrap_or_default();
                    if let Some((ack, error)) = acknowledgement(datagram)
                        && sender.nl_pid == 0
                        && ack == answer_to(self.token)
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

    /// Makes a silent kernel report again, or says why it is silent.
    ///
    /// Anybody can take one off the kernel's count of listeners (from 6.6 on without privilege,
    /// with an unknown request followed by an IGNORE), and below one nobody hears anything. A
    /// LISTEN that is never taken back adds one.
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
                // Asked first: the one answer that was missed may have failed for lack of memory.
                // And in between, because an unknown request makes each LISTEN count, on every
                // kernel.
                if self.is_answered()? {
                    return Ok(());
                }
                send(&self.socket, PROC_CN_MCAST_LISTEN, !self.token, Length::Short)?;
            }
        }
        Err(Errno(libc::ETIMEDOUT))
    }
}
