//! What the kernel sends and hears: `struct nlmsghdr`, `struct cn_msg`, `struct proc_event`.
//!
//! One event is one datagram of 76 bytes in native byte order: 16 + 20 + 40. The constants are
//! those of `include/uapi/linux/{netlink,connector,cn_proc}.h`. Pure code: bytes in, events out.

use crate::memory::Place;
use crate::protocol::event::{Event, kind, pair};
use crate::protocol::filter::Filter;

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
const PROC_EVENT_SIZE: usize = PROC_EVENT_HEADER_SIZE + UNION_SIZE;
/// Size of its union.
const UNION_SIZE: usize = 24;
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

/// How to make an event of a `what`. Aligned, so that to find one is to shift.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Recipe {
    what: u32,
    kind: u16,
    size: u16,
    /// What to keep of the union's second and third eight bytes.
    masks: [u64; 2],
}

/// The recipe of each of the nine is where `slot()` says; the other places hold one of them too.
static RECIPES: [Recipe; 16] = {
    let mut recipes = [Recipe::new(&LAYOUTS[0]); 16];
    let mut i = 0;
    while i < LAYOUTS.len() {
        recipes[slot(LAYOUTS[i].what)] = Recipe::new(&LAYOUTS[i]);
        i += 1;
    }
    recipes
};

/// Another place for each of the nine: to multiply by a single bit is to shift, and this factor is
/// one whose four highest bits then always differ.
#[inline]
const fn slot(what: u32) -> usize {
    (what.wrapping_mul(0x0960_0001) >> 28) as usize
}

impl Recipe {
    const fn new(layout: &Layout) -> Self {
        let &Layout { kind, what, size } = layout;
        let last = if kind == kind::COMM { TERMINATED } else { u64::MAX };
        let masks = match size {
            24 => [u64::MAX, last],
            16 => [u64::MAX, 0],
            _ => [0, 0],
        };
        Self { what, kind: kind as u16, size: size as u16, masks }
    }
}

/// A name's last eight bytes, of which the last is the terminator whatever a forger wrote there.
const TERMINATED: u64 = u64::from_ne_bytes([255, 255, 255, 255, 255, 255, 255, 0]);

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

/// Puts the event in a datagram into `place`, which is left alone when there is none: `None` for a
/// control message, or for an event that the filter rejects.
#[inline]
pub(crate) fn parse<'a>(
    datagram: &[u8],
    filter: &Filter,
    place: Place<'a>,
) -> Result<Option<&'a Event>, Malformed> {
    if let Some(event) = parse_usual(datagram) {
        return Ok(if filter.admits(&event) { Some(place.put(event)) } else { None });
    }
    parse_unusual(datagram, filter, place)
}

/// Whether all sizes, ids and flags (none) in the headers are those that kernels use.
#[inline]
fn is_usual(datagram: &[u8; DATAGRAM_SIZE]) -> bool {
    u64_at(datagram, 0) == pair(DATAGRAM_SIZE as u32, halves(NLMSG_DONE))
        && u64_at(datagram, 16) == pair(CN_IDX_PROC, CN_VAL_PROC)
        && u32_at(datagram, 32) == halves(PROC_EVENT_SIZE as u16)
}

/// As [`parse`], whatever the datagram looks like.
#[cold]
pub(crate) fn parse_unusual<'a>(
    datagram: &[u8],
    filter: &Filter,
    place: Place<'a>,
) -> Result<Option<&'a Event>, Malformed> {
    let (message_type, body) = split_message(datagram)?;
    match message_type {
        NLMSG_NOOP | NLMSG_ERROR | NLMSG_OVERRUN => Ok(None),
        NLMSG_DONE if body.is_empty() => Ok(None),
        _ => match split_connector(body)? {
            message if message.is_proc() => parse_data(message.data, message.seq, filter, place),
            _ => Ok(None),
        },
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

/// The same for a `struct proc_event` of any size; an acknowledgement is no event.
pub(crate) fn parse_data<'a>(
    data: &[u8],
    seq: u32,
    filter: &Filter,
    place: Place<'a>,
) -> Result<Option<&'a Event>, Malformed> {
    if let Ok(data) = data.try_into() {
        return Ok(decode(data, seq, UNION_SIZE, 0, filter, place));
    }
    let header = data.first_chunk::<PROC_EVENT_HEADER_SIZE>().ok_or(Malformed)?;
    let (what, size) = (u32_at(header, 0), data.len() - header.len());
    let recipe = &RECIPES[slot(what)];
    if recipe.what == what && usize::from(recipe.size) > size {
        return Err(Malformed);
    }
    let mut padded = [0; PROC_EVENT_SIZE + 8];
    for (to, from) in padded.iter_mut().zip(data) {
        *to = *from;
    }
    let rest = u64_at(&padded, PROC_EVENT_SIZE);
    let data = padded.first_chunk().ok_or(Malformed)?;
    Ok(decode(data, seq, size, rest, filter, place))
}

/// The same for the first 40 bytes of a `struct proc_event`. The union of an unknown one has `size`
/// bytes and goes on with `rest`.
#[inline(never)]
fn decode<'a>(
    data: &[u8; PROC_EVENT_SIZE],
    seq: u32,
    size: usize,
    rest: u64,
    filter: &Filter,
    place: Place<'a>,
) -> Option<&'a Event> {
    let what = u32_at(data, 0);
    let event = match decode_known(data, seq) {
        Some(event) => event,
        None if what == PROC_EVENT_NONE => return None,
        None => Event {
            kind: kind::UNKNOWN,
            cpu: u32_at(data, 4),
            timestamp_ns: u64_at(data, 8),
            seq,
            reserved: 0,
            data: [
                pair(what, size as u32),
                u64_at(data, 16),
                u64_at(data, 24),
                u64_at(data, 32),
                rest,
            ],
        },
    };
    if filter.admits(&event) { Some(place.put(event)) } else { None }
}

/// The event in a `struct proc_event` of one of the nine kinds.
#[inline(always)]
fn decode_known(data: &[u8; PROC_EVENT_SIZE], seq: u32) -> Option<Event> {
    let what = u32_at(data, 0);
    let recipe = &RECIPES[slot(what)];
    if recipe.what != what {
        return None;
    }
    let [second, third] = recipe.masks;
    Some(Event {
        kind: recipe.kind.into(),
        cpu: u32_at(data, 4),
        timestamp_ns: u64_at(data, 8),
        seq,
        reserved: 0,
        data: [u64_at(data, 16), u64_at(data, 24) & second, u64_at(data, 32) & third, 0, 0],
    })
}

/// The event in a datagram as kernels send it. If there is none, [`parse_unusual`] may know more.
#[inline]
pub(crate) fn parse_usual(datagram: &[u8]) -> Option<Event> {
    let datagram = datagram.first_chunk::<DATAGRAM_SIZE>().filter(|bytes| is_usual(bytes))?;
    decode_known(datagram.last_chunk()?, u32_at(datagram, 24))
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
pub(crate) fn parsed(datagram: &[u8]) -> Result<Option<Event>, Malformed> {
    let mut event = Event::EMPTY;
    Ok(parse(datagram, &Filter::EVERYTHING, Place::over(&mut event))?.copied())
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
            let _ = parsed(&bytes);
            let _ = acknowledgement(&bytes);
        }

        #[test]
        fn the_fast_path_and_the_careful_one_agree(
            what in prop_oneof![prop::sample::select(LAYOUTS.map(|l| l.what).to_vec()), any::<u32>()],
            payload in prop::collection::vec(any::<u8>(), 36),
        ) {
            let mut bytes = datagram(what, PROC_EVENT_SIZE);
            bytes[40..].copy_from_slice(&payload);
            let mut event = Event::EMPTY;
            let place = Place::over(&mut event);
            let careful = parse_unusual(&bytes, &Filter::EVERYTHING, place).map(Option::<&_>::copied);
            prop_assert_eq!(parsed(&bytes), careful);
            let known = LAYOUTS.iter().any(|layout| layout.what == what);
            prop_assert_eq!(parse_usual(&bytes), careful.expect("whole").filter(|_| known));
        }
    }

    #[test]
    fn the_nine_do_not_collide() {
        for layout in &LAYOUTS {
            let mut bytes = datagram(layout.what, PROC_EVENT_SIZE);
            bytes[52..].fill(0xee);
            let event = parsed(&bytes).expect("whole").expect("an event");
            assert_eq!(event.kind, layout.kind);
            let defined = event.data.iter().flat_map(|word| word.to_ne_bytes());
            let count = defined.filter(|byte| *byte == 0xee).count();
            assert_eq!(count, layout.size - usize::from(layout.kind == kind::COMM));
            bytes[32..34].copy_from_slice(&(layout.size as u16 + 15).to_ne_bytes());
            assert_eq!(parsed(&bytes), Err(Malformed));
        }
    }

    #[test]
    fn a_rejected_event_is_not_written() {
        let only_exits = Filter::new(1 << kind::EXIT, 0).expect("valid bits");
        for what in [PROC_EVENT_FORK, 0x400] {
            let mut event = Event::EMPTY;
            let bytes = datagram(what, PROC_EVENT_SIZE);
            assert_eq!(parse(&bytes, &only_exits, Place::over(&mut event)), Ok(None));
            assert_eq!(event, Event::EMPTY);
        }
    }

    #[test]
    fn an_unknown_event_keeps_its_size_and_its_first_32_bytes() {
        let mut bytes = datagram(0x400, 16 + 50);
        for (i, byte) in bytes[52..].iter_mut().enumerate() {
            *byte = i as u8;
        }
        let event = parsed(&bytes).expect("whole").expect("an event");
        assert_eq!(event.kind, kind::UNKNOWN);
        let crate::protocol::event::View::Unknown { what, size, raw } = event.view() else {
            panic!()
        };
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
