//! What the kernel sends and hears: `struct nlmsghdr`, `struct cn_msg`, `struct proc_event`.
//!
//! One event is one datagram of 76 bytes in native byte order: 16 + 20 + 40. The constants are
//! those of `include/uapi/linux/{netlink,connector,cn_proc}.h`. Pure code: bytes in, events out.

use crate::event::{Event, RAW_SIZE, kind, pair};

/// The netlink protocol of the connector.
pub const NETLINK_CONNECTOR: i32 = 11;
/// A netlink message to be ignored.
pub const NLMSG_NOOP: u16 = 1;
/// A netlink message that holds an error number.
pub const NLMSG_ERROR: u16 = 2;
/// The type of every connector message; without a payload, the end of a multi-part message.
pub const NLMSG_DONE: u16 = 3;
/// A netlink message that says that data was lost.
pub const NLMSG_OVERRUN: u16 = 4;
/// Size of `struct nlmsghdr`.
pub const SIZE_NLMSGHDR: usize = 16;

/// The connector's index for process events, and the multicast group they are sent to.
pub const CN_IDX_PROC: u32 = 1;
/// The connector's value for process events.
pub const CN_VAL_PROC: u32 = 1;
/// Size of `struct cn_msg` without its data.
pub const SIZE_CN_MSG: usize = 20;

/// Request: start to report.
pub const PROC_CN_MCAST_LISTEN: u32 = 1;
/// Request: stop to report.
pub const PROC_CN_MCAST_IGNORE: u32 = 2;
/// A request that no kernel knows, sent for the sake of its acknowledgement.
pub(crate) const PROC_CN_MCAST_PROBE: u32 = 9;

/// An acknowledgement: no event.
pub const PROC_EVENT_NONE: u32 = 0x0000_0000;
/// A task was created.
pub const PROC_EVENT_FORK: u32 = 0x0000_0001;
/// A process runs a new program.
pub const PROC_EVENT_EXEC: u32 = 0x0000_0002;
/// A user id changed.
pub const PROC_EVENT_UID: u32 = 0x0000_0004;
/// A group id changed.
pub const PROC_EVENT_GID: u32 = 0x0000_0040;
/// A session was started.
pub const PROC_EVENT_SID: u32 = 0x0000_0080;
/// A tracer attached or detached.
pub const PROC_EVENT_PTRACE: u32 = 0x0000_0100;
/// A task was renamed.
pub const PROC_EVENT_COMM: u32 = 0x0000_0200;
/// A process dumps core.
pub const PROC_EVENT_COREDUMP: u32 = 0x4000_0000;
/// A task ended.
pub const PROC_EVENT_EXIT: u32 = 0x8000_0000;

/// Size of `struct proc_event` before its union.
pub const PROC_EVENT_HEADER_SIZE: usize = 16;

/// Where `struct proc_event` begins in a datagram. Not 8-aligned: read bytes, never cast.
pub(crate) const PROC_EVENT_OFFSET: usize = SIZE_NLMSGHDR + SIZE_CN_MSG;
/// Size of `struct proc_event`.
const PROC_EVENT_SIZE: usize = PROC_EVENT_HEADER_SIZE + 24;
/// Size of every event datagram of the kernels up to now.
pub(crate) const DATAGRAM_SIZE: usize = PROC_EVENT_OFFSET + PROC_EVENT_SIZE;
/// The largest datagram that is received whole, so that a grown kernel event stays readable.
pub(crate) const DATAGRAM_MAX: usize = 256;

/// How each kind is sent.
pub(crate) struct Layout {
    pub kind: u32,
    /// The kernel's `what`: one bit.
    pub what: u32,
    /// How many bytes of the union the kind defines.
    size: usize,
}

/// The nine kinds that kernels send.
pub(crate) const LAYOUTS: [Layout; 9] = [
    Layout { kind: kind::FORK, what: PROC_EVENT_FORK, size: 16 },
    Layout { kind: kind::EXEC, what: PROC_EVENT_EXEC, size: 8 },
    Layout { kind: kind::EXIT, what: PROC_EVENT_EXIT, size: 24 },
    Layout { kind: kind::UID, what: PROC_EVENT_UID, size: 16 },
    Layout { kind: kind::GID, what: PROC_EVENT_GID, size: 16 },
    Layout { kind: kind::SID, what: PROC_EVENT_SID, size: 8 },
    Layout { kind: kind::PTRACE, what: PROC_EVENT_PTRACE, size: 16 },
    Layout { kind: kind::COMM, what: PROC_EVENT_COMM, size: 24 },
    Layout { kind: kind::COREDUMP, what: PROC_EVENT_COREDUMP, size: 16 },
];

/// The kind and its size, by the number of `what`'s only bit; kind 0 where there is none.
const BY_BIT: [(u8, u8); 32] = {
    let mut table = [(0, 0); 32];
    let mut i = 0;
    while i < LAYOUTS.len() {
        let Layout { kind, what, size } = LAYOUTS[i];
        table[what.trailing_zeros() as usize] = (kind as u8, size as u8);
        i += 1;
    }
    table
};

/// A message that is truncated, or not what its header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

/// A connector message.
pub(crate) struct Connector<'a> {
    idx: u32,
    val: u32,
    pub seq: u32,
    pub data: &'a [u8],
}

impl Connector<'_> {
    pub(crate) const fn is_proc(&self) -> bool {
        self.idx == CN_IDX_PROC && self.val == CN_VAL_PROC
    }
}

/// The event in a datagram; `None` when it is a control message.
#[inline]
pub(crate) fn parse(datagram: &[u8]) -> Result<Option<Event>, Malformed> {
    if let Some(datagram) = datagram.first_chunk::<DATAGRAM_SIZE>()
        && is_usual(datagram)
        && let Some((_, data)) = datagram.split_last_chunk::<PROC_EVENT_SIZE>()
    {
        return Ok(decode(data, u32_at(datagram, 24), data.len()));
    }
    parse_unusual(datagram)
}

/// Whether all sizes and ids in the headers are those that kernels use.
#[inline]
fn is_usual(datagram: &[u8; DATAGRAM_SIZE]) -> bool {
    u32_at(datagram, 0) as usize == DATAGRAM_SIZE
        && u16_at(datagram, 4) == NLMSG_DONE
        && u32_at(datagram, 16) == CN_IDX_PROC
        && u32_at(datagram, 20) == CN_VAL_PROC
        && u16_at(datagram, 32) as usize == PROC_EVENT_SIZE
}

#[cold]
fn parse_unusual(datagram: &[u8]) -> Result<Option<Event>, Malformed> {
    let (message_type, body) = split_message(datagram)?;
    match message_type {
        NLMSG_NOOP | NLMSG_ERROR | NLMSG_OVERRUN => Ok(None),
        NLMSG_DONE if body.is_empty() => Ok(None),
        _ => {
            let message = split_connector(body)?;
            if message.is_proc() { parse_data(message.data, message.seq) } else { Ok(None) }
        }
    }
}

/// The type and the body of the netlink message that `bytes` begin with.
pub(crate) fn split_message(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let header = bytes.first_chunk::<SIZE_NLMSGHDR>().ok_or(Malformed)?;
    let body = bytes.get(SIZE_NLMSGHDR..u32_at(header, 0) as usize).ok_or(Malformed)?;
    Ok((u16_at(header, 4), body))
}

/// The connector message in the body of a netlink message.
pub(crate) fn split_connector(body: &[u8]) -> Result<Connector<'_>, Malformed> {
    let (header, rest) = body.split_first_chunk::<SIZE_CN_MSG>().ok_or(Malformed)?;
    Ok(Connector {
        idx: u32_at(header, 0),
        val: u32_at(header, 4),
        seq: u32_at(header, 8),
        data: rest.get(..u16_at(header, 16) as usize).ok_or(Malformed)?,
    })
}

/// The event in a `struct proc_event` of any size; `None` for an acknowledgement.
pub(crate) fn parse_data(data: &[u8], seq: u32) -> Result<Option<Event>, Malformed> {
    if data.len() < PROC_EVENT_HEADER_SIZE {
        return Err(Malformed);
    }
    let mut padded = [0; PROC_EVENT_SIZE];
    for (to, from) in padded.iter_mut().zip(data) {
        *to = *from;
    }
    let Some(mut event) = decode(&padded, seq, data.len()) else { return Ok(None) };
    if event.kind == kind::UNKNOWN {
        let mut raw = [0; RAW_SIZE];
        for (to, from) in raw.iter_mut().zip(data.iter().skip(PROC_EVENT_HEADER_SIZE)) {
            *to = *from;
        }
        let [a, b, c, d] = [u64_at(&raw, 0), u64_at(&raw, 8), u64_at(&raw, 16), u64_at(&raw, 24)];
        let [first, ..] = event.data;
        event.data = [first, a, b, c, d];
    } else if data.len() < PROC_EVENT_HEADER_SIZE + layout(u32_at(&padded, 0)).1 {
        return Err(Malformed);
    }
    Ok(Some(event))
}

/// The kind and its size; kind 0 when `what` is none of the nine.
#[inline]
const fn layout(what: u32) -> (u32, usize) {
    if !what.is_power_of_two() {
        return (0, 0);
    }
    let (kind, size) = BY_BIT[what.trailing_zeros() as usize % BY_BIT.len()];
    (kind as u32, size as usize)
}

/// A name's last word, whose last byte is the terminator whatever a forger wrote there.
const TERMINATED: u64 = u64::from_ne_bytes([255, 255, 255, 255, 255, 255, 255, 0]);

/// `size` is what the kernel sent, of which `data` holds the beginning.
#[inline]
fn decode(data: &[u8; PROC_EVENT_SIZE], seq: u32, size: usize) -> Option<Event> {
    let what = u32_at(data, 0);
    let words = [u64_at(data, 16), u64_at(data, 24), u64_at(data, 32)];
    let mut event = Event {
        kind: kind::UNKNOWN,
        cpu: u32_at(data, 4),
        timestamp_ns: u64_at(data, 8),
        seq,
        ..Event::EMPTY
    };
    let (kind, defined) = layout(what);
    if kind != 0 {
        let third = if kind == kind::COMM { words[2] & TERMINATED } else { words[2] };
        event.kind = kind;
        event.data = [
            words[0],
            if defined >= 16 { words[1] } else { 0 },
            if defined >= 24 { third } else { 0 },
            0,
            0,
        ];
    } else if what == PROC_EVENT_NONE {
        return None;
    } else {
        let size = size.saturating_sub(PROC_EVENT_HEADER_SIZE) as u32;
        event.data = [pair(what, size), words[0], words[1], words[2], 0];
    }
    Some(event)
}

/// The two forms of a request (`cn_proc_mcast_ctl` in `drivers/connector/cn_proc.c`).
#[derive(Clone, Copy)]
pub(crate) enum Length {
    /// Understood by every kernel.
    Short = 4,
    /// With an event mask, here for everything; kernels before 6.6 ignore it.
    Long = 8,
}

/// A request to the kernel, to be answered with `ack + 1`, and its size.
pub(crate) fn request(operation: u32, ack: u32, length: Length) -> ([u8; 44], usize) {
    let size = PROC_EVENT_OFFSET as u32 + length as u32;
    let message_type = halves(NLMSG_DONE);
    let data_size = halves(length as u16);
    let words =
        [size, message_type, 0, 0, CN_IDX_PROC, CN_VAL_PROC, 0, ack, data_size, operation, 0];
    let mut bytes = [0; 44];
    for (chunk, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *chunk = word.to_ne_bytes();
    }
    (bytes, size as usize)
}

/// A word of which the first half in memory is this and the second is 0.
const fn halves(first: u16) -> u32 {
    let [a, b] = first.to_ne_bytes();
    u32::from_ne_bytes([a, b, 0, 0])
}

/// The token and the error number (0: none) of an acknowledgement.
pub(crate) fn acknowledgement(datagram: &[u8]) -> Option<(u32, i32)> {
    let datagram = datagram.first_chunk::<DATAGRAM_SIZE>()?;
    let is_ack = is_usual(datagram) && u32_at(datagram, PROC_EVENT_OFFSET) == PROC_EVENT_NONE;
    is_ack.then(|| (u32_at(datagram, 28), u32_at(datagram, 52).cast_signed()))
}

/// Offsets are constants below `N - 3`, so that no check is left in the compiled code; past the
/// end, 0.
#[inline]
pub(crate) fn u32_at<const N: usize>(bytes: &[u8; N], offset: usize) -> u32 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_ne_bytes(*word))
}

#[inline]
fn u16_at<const N: usize>(bytes: &[u8; N], offset: usize) -> u16 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |word| u16::from_ne_bytes(*word))
}

#[inline]
fn u64_at<const N: usize>(bytes: &[u8; N], offset: usize) -> u64 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn datagram(what: u32, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; PROC_EVENT_OFFSET + size];
        let total = bytes.len() as u32;
        bytes[0..4].copy_from_slice(&total.to_ne_bytes());
        bytes[4..6].copy_from_slice(&NLMSG_DONE.to_ne_bytes());
        bytes[16..20].copy_from_slice(&CN_IDX_PROC.to_ne_bytes());
        bytes[20..24].copy_from_slice(&CN_VAL_PROC.to_ne_bytes());
        bytes[32..34].copy_from_slice(&(size as u16).to_ne_bytes());
        bytes[36..40].copy_from_slice(&what.to_ne_bytes());
        bytes
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
            let _ = acknowledgement(&bytes);
        }

        #[test]
        fn the_fast_path_and_the_careful_one_agree(
            what in prop_oneof![prop::sample::select(LAYOUTS.map(|l| l.what).to_vec()), any::<u32>()],
            payload in prop::collection::vec(any::<u8>(), 36),
        ) {
            let mut bytes = datagram(what, PROC_EVENT_SIZE);
            bytes[40..].copy_from_slice(&payload);
            prop_assert_eq!(parse(&bytes), parse_unusual(&bytes));
        }
    }

    #[test]
    fn an_unknown_event_keeps_its_size_and_its_first_32_bytes() {
        let mut bytes = datagram(0x400, 16 + 50);
        for (i, byte) in bytes[52..].iter_mut().enumerate() {
            *byte = i as u8;
        }
        let event = parse(&bytes).expect("whole").expect("an event");
        assert_eq!(event.kind, kind::UNKNOWN);
        let crate::event::View::Unknown { what, size, raw } = event.view() else { panic!() };
        assert_eq!((what, size), (0x400, 50));
        assert!(raw.iter().enumerate().all(|(i, byte)| *byte == i as u8));
    }

    #[test]
    fn requests_are_laid_out_as_the_kernel_reads_them() {
        let (bytes, size) = request(PROC_CN_MCAST_IGNORE, 0x0102_0304, Length::Short);
        assert_eq!(size, 40);
        let (message_type, body) = split_message(&bytes[..size]).expect("a message");
        assert_eq!(message_type, NLMSG_DONE);
        let message = split_connector(body).expect("a connector message");
        assert!(message.is_proc());
        assert_eq!((message.seq, u32_at(&bytes, 28)), (0, 0x0102_0304));
        assert_eq!(message.data, PROC_CN_MCAST_IGNORE.to_ne_bytes());
        let (bytes, size) = request(PROC_CN_MCAST_LISTEN, 0, Length::Long);
        let (_, body) = split_message(&bytes[..size]).expect("a message");
        let message = split_connector(body).expect("a connector message");
        assert_eq!(message.data, [PROC_CN_MCAST_LISTEN.to_ne_bytes(), [0; 4]].concat());
    }
}
