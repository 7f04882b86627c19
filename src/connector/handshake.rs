//! Asking the kernel to report, and proof that it does.
//!
//! The kernel answers a request before `send` returns, but it answers by multicast: to every
//! listener, and only while its count of listeners is at least one (`cn_proc_ack` in
//! `drivers/connector/cn_proc.c`). The answer is therefore read on a helper socket, whose filter
//! admits nothing else: the main queue is never touched, and no flood can push the answer out.
//!
//! A handle keeps the helper socket that it opened with, because a socket belongs to the network
//! namespace in which it was made: a thread that has moved to another one can make none that
//! reaches the kernel's connector.

use crate::errno::Errno;
use crate::procfs::namespace::{
    Namespaces, lacks_process_events, namespaces, require_initial_time,
};
use crate::protocol::bpf::{ADMITTING_NOTHING, Program};
use crate::protocol::filter::Filter;
use crate::protocol::request::{
    Length, PROC_CN_MCAST_IGNORE, PROC_CN_MCAST_LISTEN, PROC_CN_MCAST_PROBE, Request,
    acknowledgement, answer_to,
};
use crate::protocol::wire::{CN_IDX_PROC, DATAGRAM_MAX, NETLINK_CONNECTOR};
use crate::sys::{self, Fd};

/// How often a repair adds one to the kernel's count of listeners before it gives up. What a failed
/// repair has added stays: the next check continues from there.
const REPAIR_LIMIT: u32 = 10_000;

/// More answers than the queue of a helper socket holds.
const COLLECTED_MAX: u32 = 16;

/// How often the kernel was found deaf and made to report again: 0 or 1.
pub(crate) type Repairs = u32;

/// Makes the kernel queue what this filter admits, and nothing else.
pub(super) fn attach(socket: &Fd, filter: Filter) -> Result<(), Errno> {
    attach_without(socket, filter, &[])
}

/// Makes the kernel queue what this filter admits, except for the FORKs of these processes' threads.
#[inline(never)]
pub(super) fn attach_without(socket: &Fd, filter: Filter, unheard: &[i32]) -> Result<(), Errno> {
    let mut program = Program::empty();
    program.admit(filter, unheard);
    sys::attach_filter(socket, program.instructions())
}

/// Makes the kernel queue nothing.
pub(super) fn attach_nothing(socket: &Fd) -> Result<(), Errno> {
    sys::attach_filter(socket, &ADMITTING_NOTHING)
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
#[inline]
pub(super) fn subscribe(main: &Fd, helper: &mut Helper) -> Result<Repairs, Errno> {
    let proof = match helper.ask(Some(main), PROC_CN_MCAST_LISTEN, 0)? {
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

/// Subscribes `main`, unless it `is_subscribed` already. The previous owner may have done that
/// although the caller does not say so; an IGNORE would end that subscription, too. `helper` is the
/// one that the handle is to keep.
pub(super) fn start(main: &Fd, is_subscribed: bool, helper: &mut Helper) -> Result<Repairs, Errno> {
    require_initial_time()?;
    // A socket that was made in another network namespace would receive nothing.
    sys::reach_kernel(main)?;
    if !is_subscribed {
        return subscribe(main, helper);
    }
    // A subscribed socket delivers events even where no helper can be made: to an unprivileged
    // process before Linux 6.6, and in other namespaces.
    match helper.open(false) {
        Err(error) if error.is_shortage() => Err(error),
        _ => Ok(0),
    }
}

/// Ends the subscription of `main`.
#[inline(never)]
pub(super) fn unsubscribe(main: &Fd) -> Result<(), Errno> {
    send(main, PROC_CN_MCAST_IGNORE, 0, Length::Short)
}

/// Renews the subscription of `main`.
///
/// From Linux 6.6 on a subscription belongs to its socket, and a renewal changes no count. Older
/// kernels would count every LISTEN, but they ignore long requests.
pub(super) fn renew(main: &Fd) -> Result<(), Errno> {
    send(main, PROC_CN_MCAST_LISTEN, 0, Length::Long)
}

fn send(socket: &Fd, operation: u32, token: u32, length: Length) -> Result<(), Errno> {
    sys::send_to_kernel(socket, Request::new(operation, token, length).as_bytes())
}

/// The error number in the kernel's answer to a request, or `None` when there is no answer.
/// `ENOMEM`: the kernel had no memory for the answer.
type Answer = Result<Option<i32>, Errno>;

/// A socket that receives the answers to one token.
///
/// Every listener sees the token, and can cause further answers to it. Between two requests they
/// collect, but no more than two or three, because the queue has the smallest budget there is; the
/// next request discards them. While the kernel is deaf, it answers nobody.
///
/// The socket stays a member of the group, because from Linux 6.6 on the kernel frees what it keeps
/// about a requester only if that is a member when it is closed (`cn_release` in
/// `drivers/connector/connector.c`).
pub(crate) struct Helper {
    socket: Fd,
    token: u32,
}

impl Helper {
    pub(super) const NONE: Self = Self { socket: Fd::NONE, token: 0 };

    /// Makes the socket, unless it has been made, and gives it a new token if it is new or
    /// `needs_token`.
    ///
    /// # Errors
    /// `ECONNREFUSED`: this thread is not in the initial network namespace.
    #[inline(never)]
    fn open(&mut self, needs_token: bool) -> Result<(), Errno> {
        if !self.socket.is_none() {
            return if needs_token { self.renew_token() } else { Ok(()) };
        }
        let mut new = Self { socket: sys::netlink_socket(NETLINK_CONNECTOR)?, token: 0 };
        // A full queue is to cost the answers that do not fit, and no others.
        sys::set_congestion_off(&new.socket, 1)?;
        sys::set_queue_budget(&new.socket, 0, true)?;
        new.renew_token()?;
        join(&new.socket)?;
        sys::reach_kernel(&new.socket)?;
        *self = new;
        Ok(())
    }

    /// Makes the socket admit the answers to a new token, and nothing else.
    #[inline(never)]
    fn renew_token(&mut self) -> Result<(), Errno> {
        let token = sys::random_number();
        let mut program = Program::empty();
        program.admit_answer_to(token);
        sys::attach_filter(&self.socket, program.instructions())?;
        self.token = token;
        Ok(())
    }

    /// Sends a request through `sender` or, if that is `None`, through this socket. Returns its
    /// answer; if there is none, a LISTEN adds one to the kernel's count of listeners, and the
    /// request is sent again, up to `repairs` times.
    ///
    /// # Errors
    /// The request was not sent.
    #[inline(never)]
    fn ask(
        &mut self,
        sender: Option<&Fd>,
        operation: u32,
        mut repairs: u32,
    ) -> Result<Answer, Errno> {
        // An answer with another error number could pass for that to a LISTEN of `sender`: for this,
        // the token must be one that no other process knows.
        self.open(sender.is_some())?;
        let sender = sender.unwrap_or(&self.socket);
        // Discard what has collected. If there is no end of it, the kernel reports.
        for _ in 0..COLLECTED_MAX {
            if self.answer()?.is_none() {
                break;
            }
        }
        let drops = sys::drop_counter(&self.socket)?;
        loop {
            send(sender, operation, self.token, Length::Short)?;
            let answer = self.answer();
            if answer != Ok(None) {
                return Ok(answer);
            }
            match sys::drop_counter(&self.socket) {
                Ok(now) if now == drops => {}
                result => return Ok(Err(result.err().unwrap_or(Errno(libc::ENOMEM)))),
            }
            if repairs == 0 {
                return Ok(answer);
            }
            repairs -= 1;
            // After an unknown request every kernel counts the next LISTEN of this socket.
            send(&self.socket, PROC_CN_MCAST_LISTEN, !self.token, Length::Short)?;
        }
    }

    #[inline(never)]
    fn answer(&self) -> Answer {
        let mut buffer = [0; DATAGRAM_MAX];
        loop {
            match sys::receive_uncancelled(&self.socket, &mut buffer) {
                Ok((size, sender)) => {
                    let datagram = buffer.get(..size as usize).unwrap_or_default();
                    match acknowledgement(datagram) {
                        Some((answer, error)) if (sender, answer) == (0, answer_to(self.token)) => {
                            return Ok(Some(error));
                        }
                        _ => {}
                    }
                }
                Err(Errno(libc::EAGAIN)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the kernel reports: whether it answers a request that changes nothing.
    pub(super) fn is_answered(&mut self) -> Result<bool, Errno> {
        Ok(self.ask(None, PROC_CN_MCAST_PROBE, 0)??.is_some())
    }

    /// Makes a silent kernel report again, or finds out why it is silent.
    ///
    /// Any process can take one off the kernel's count of listeners: from Linux 6.6 on even without
    /// privilege, by an unknown request and then an IGNORE. Below one, the kernel reports to no
    /// listener. A LISTEN that no IGNORE follows adds one.
    #[inline(never)]
    pub(super) fn repair(&mut self) -> Result<(), Errno> {
        let namespaces = namespaces();
        if namespaces == Namespaces::Foreign {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        if lacks_process_events() {
            return Err(Errno(libc::ENOSYS));
        }
        // Before Linux 6.6 the kernel heeds no LISTEN of an unprivileged process. That process
        // cannot join the group, either, and here it learns why.
        join(&sys::netlink_socket(NETLINK_CONNECTOR)?)?;
        if namespaces == Namespaces::Initial
            && self.ask(None, PROC_CN_MCAST_PROBE, REPAIR_LIMIT)??.is_some()
        {
            return Ok(());
        }
        Err(Errno(libc::ETIMEDOUT))
    }
}
