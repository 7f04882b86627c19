//! Parsers for programs that receive datagrams by other means: from a recording, through io_uring,
//! on a socket of their own. No function here makes a system call.

use super::ProcEvent;
use super::layout::{COMM_DATA, nlmsg_align};
use crate::protocol::wire::{
    self, Malformed, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, PROC_EVENT_HEADER_SIZE,
    SIZE_NLMSGHDR, u32_at,
};
use crate::rust::{Error, Result};
use std::io;
use std::iter::FusedIterator;

impl From<Malformed> for Error {
    fn from(Malformed: Malformed) -> Self {
        Self::Truncated
    }
}

/// Parses one netlink message. Returns `None` for a control message, which carries no event, such
/// as an acknowledgement.
///
/// `message[..len]` begins with a `struct nlmsghdr`, at any alignment.
///
/// # Errors
/// - [`Truncated`](Error::Truncated): the message is truncated or damaged.
/// - [`Os`](Error::Os): the error number of an `NLMSG_ERROR` message.
/// - [`Overrun`](Error::Overrun): an `NLMSG_OVERRUN` message.
/// - [`UnexpectedConnector`](Error::UnexpectedConnector): the message is not about processes.
///
/// ```
/// use proc_connector::{Error, NLMSG_NOOP, SIZE_NLMSGHDR, parse_netlink_message};
///
/// let mut message = [0; SIZE_NLMSGHDR];
/// message[..4].copy_from_slice(&16_u32.to_ne_bytes());
/// message[4..6].copy_from_slice(&NLMSG_NOOP.to_ne_bytes());
/// assert!(parse_netlink_message(&message, message.len())?.is_none());
/// assert!(matches!(parse_netlink_message(&message, 4), Err(Error::Truncated)));
/// # Ok::<(), Error>(())
/// ```
pub fn parse_netlink_message(message: &[u8], len: usize) -> Result<Option<ProcEvent>> {
    let message = message.get(..len).ok_or(Error::Truncated)?;
    match wire::split_message(message)? {
        (NLMSG_NOOP, _) | (NLMSG_DONE, []) => Ok(None),
        (NLMSG_OVERRUN, _) => Err(Error::Overrun),
        (NLMSG_ERROR, body) => {
            let number = body.first_chunk().ok_or(Error::Truncated)?;
            match i32::from_ne_bytes(*number) {
                0 => Ok(None),
                number => Err(io::Error::from_raw_os_error(number.saturating_abs()).into()),
            }
        }
        (_, body) => match parse_cn_msg(body)? {
            ProcEvent::Unknown { what: wire::PROC_EVENT_NONE, .. } => Ok(None),
            event => Ok(Some(event)),
        },
    }
}

/// Parses a connector message, which begins with a `struct cn_msg`. Returns an acknowledgement,
/// which is not an event, as [`ProcEvent::Unknown`] with `what` 0.
///
/// # Errors
/// - [`Truncated`](Error::Truncated): the message is truncated or damaged.
/// - [`UnexpectedConnector`](Error::UnexpectedConnector): the message is not about processes.
pub fn parse_cn_msg(message: &[u8]) -> Result<ProcEvent> {
    let message = wire::split_cn_msg(message)?;
    if !message.is_proc() {
        return Err(Error::UnexpectedConnector);
    }
    let parsed = wire::parse_data(message.data, message.seq)?;
    let mut event = parsed.as_ref().and_then(ProcEvent::from_event);
    let (header, union) =
        message.data.split_first_chunk::<PROC_EVENT_HEADER_SIZE>().ok_or(Error::Truncated)?;
    let name = union.get(COMM_DATA..).and_then(<[u8]>::first_chunk);
    if let (Some(ProcEvent::Comm { comm, .. }), Some(name)) = (&mut event, name) {
        *comm = *name; // A recorded name stays unchanged, even without a terminator.
    }
    Ok(event.unwrap_or_else(|| ProcEvent::Unknown {
        what: u32_at(header, 0),
        raw_data: union.to_vec(),
    }))
}

/// Parses several netlink messages in one buffer, each as [`parse_netlink_message`] does.
///
/// The iterator ends at the first `NLMSG_DONE` without payload, and after the first
/// [`Truncated`](Error::Truncated) message header.
///
/// ```no_run
/// use proc_connector::{NetlinkMessageIter, ProcConnector};
///
/// let connector = ProcConnector::new()?;
/// let mut buffer = [0; 4096];
/// let size = connector.recv_raw(&mut buffer)?;
/// for event in NetlinkMessageIter::new(&buffer, size).flatten().flatten() {
///     println!("{event}");
/// }
/// # Ok::<(), proc_connector::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NetlinkMessageIter<'a> {
    /// The bytes that have not been parsed; `None` if `len` was larger than the buffer.
    rest: Option<&'a [u8]>,
}

impl<'a> NetlinkMessageIter<'a> {
    /// Parses the messages in `buffer[..len]`.
    #[must_use]
    pub fn new(buffer: &'a [u8], len: usize) -> Self {
        Self { rest: buffer.get(..len) }
    }
}

impl Iterator for NetlinkMessageIter<'_> {
    type Item = Result<Option<ProcEvent>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.replace(&[]);
        if rest.is_some_and(<[u8]>::is_empty) {
            return None;
        }
        let Some((rest, Ok((message_type, body)))) =
            rest.map(|rest| (rest, wire::split_message(rest)))
        else {
            return Some(Err(Error::Truncated));
        };
        if message_type == NLMSG_DONE && body.is_empty() {
            return None;
        }
        let size = SIZE_NLMSGHDR + body.len();
        self.rest = Some(rest.get(nlmsg_align(size)..).unwrap_or_default());
        Some(parse_netlink_message(rest, size))
    }
}

impl FusedIterator for NetlinkMessageIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wire::{
        CN_IDX_PROC, CN_VAL_PROC, PROC_EVENT_COMM, PROC_EVENT_EXEC, PROC_EVENT_NONE,
    };

    fn connector(what: u32, union: &[u8]) -> Vec<u8> {
        let size = (PROC_EVENT_HEADER_SIZE + union.len()) as u16;
        let mut message = Vec::new();
        message.extend([CN_IDX_PROC, CN_VAL_PROC, 7, 0].iter().flat_map(|word| word.to_ne_bytes()));
        message.extend([size, 0].iter().flat_map(|half| half.to_ne_bytes()));
        message.extend([what, 1, 2, 0].iter().flat_map(|word| word.to_ne_bytes()));
        message.extend(union);
        message
    }

    fn netlink(message_type: u16, body: &[u8]) -> Vec<u8> {
        let size = (SIZE_NLMSGHDR + body.len()) as u32;
        let mut message = size.to_ne_bytes().to_vec();
        message.extend(message_type.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message
    }

    fn exec() -> Vec<u8> {
        netlink(NLMSG_DONE, &connector(PROC_EVENT_EXEC, &[5; 8]))
    }

    #[test]
    fn parse_netlink_message_returns_none_for_an_acknowledgement() {
        let message = netlink(NLMSG_DONE, &connector(PROC_EVENT_NONE, &[0; 24]));
        assert!(matches!(parse_netlink_message(&message, message.len()), Ok(None)));
    }

    #[test]
    fn an_unknown_event_keeps_all_its_data() {
        let event = parse_cn_msg(&connector(0x10, &[7; 100]));
        let expected = ProcEvent::Unknown { what: 0x10, raw_data: vec![7; 100] };
        assert!(matches!(event, Ok(event) if event == expected));
    }

    #[test]
    fn parse_cn_msg_leaves_a_name_without_terminator_unchanged() {
        let event = parse_cn_msg(&connector(PROC_EVENT_COMM, &[b'x'; 24]));
        assert!(matches!(event, Ok(ProcEvent::Comm { comm, .. }) if comm == [b'x'; 16]));
    }

    #[test]
    fn the_number_of_an_nlmsg_error_is_returned_as_a_positive_errno() {
        for (number, expected) in [(-1, 1), (5, 5), (i32::MIN, i32::MAX)] {
            let message = netlink(NLMSG_ERROR, &number.to_ne_bytes());
            let error = parse_netlink_message(&message, message.len());
            assert!(
                matches!(&error, Err(Error::Os(e)) if e.raw_os_error() == Some(expected)),
                "{number}: {error:?}"
            );
        }
        let message = netlink(NLMSG_ERROR, &[0; 4]);
        assert!(matches!(parse_netlink_message(&message, message.len()), Ok(None)));
    }

    #[test]
    fn a_message_of_any_length_that_claims_any_length_is_parsed_without_a_panic() {
        let message = exec();
        for len in 0..message.len() {
            assert!(matches!(parse_netlink_message(&message, len), Err(Error::Truncated)));
            let found: Vec<_> = NetlinkMessageIter::new(&message, len).collect();
            assert_eq!(found.len(), usize::from(len > 0));
        }
        for len in [message.len() + 1, usize::MAX] {
            assert!(matches!(parse_netlink_message(&message, len), Err(Error::Truncated)));
            let found: Vec<_> = NetlinkMessageIter::new(&message, len).collect();
            assert!(matches!(found.as_slice(), [Err(Error::Truncated)]));
        }
        for claim in [0, 15, 16, 17, 51, 77, u32::MAX] {
            let mut message = exec();
            message.splice(..4, claim.to_ne_bytes());
            assert!(NetlinkMessageIter::new(&message, message.len()).count() < 3, "{claim}");
        }
    }

    #[test]
    fn the_iterator_yields_each_message_up_to_an_empty_nlmsg_done() {
        let mut messages = exec();
        messages.extend(netlink(NLMSG_NOOP, &[1]));
        messages.extend([0; 3]); // Up to the alignment.
        messages.extend(exec());
        messages.extend(netlink(NLMSG_DONE, &[]));
        messages.extend(exec());
        let found: Vec<_> = NetlinkMessageIter::new(&messages, messages.len()).collect();
        assert!(
            matches!(
                found.as_slice(),
                [
                    Ok(Some(ProcEvent::Exec { seq: 7, .. })),
                    Ok(None),
                    Ok(Some(ProcEvent::Exec { cpu: 1, .. }))
                ]
            ),
            "{found:?}"
        );
    }
}
