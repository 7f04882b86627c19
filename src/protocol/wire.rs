//! What the kernel sends: `struct nlmsghdr`, `struct cn_msg`, `struct proc_event`.
//!
//! One event is one datagram of 76 bytes in native byte order: 16 + 20 + 40. The constants are
//! those of `include/uapi/linux/{netlink,connector,cn_proc}.h`.

use super::event::{Event, halves, kind, pair};

/// The netlink protocol of the connector.
pub const NETLINK_CONNECTOR: i32 = 11;
/// Type of a netlink message that is to be ignored.
pub const NLMSG_NOOP: u16 = 1;
/// Type of a netlink message that holds an error number.
pub const NLMSG_ERROR: u16 = 2;
/// Type of every connector message. Without a payload, it ends a multi-part message.
pub const NLMSG_DONE: u16 = 3;
/// Type of a netlink message that reports lost data.
pub const NLMSG_OVERRUN: u16 = 4;
/// Size of `struct nlmsghdr`.
pub const SIZE_NLMSGHDR: usize = 16;

/// The connector's index for process events, and the multicast group that receives them.
pub const CN_IDX_PROC: u32 = 1;
/// The connector's value for process events.
pub const CN_VAL_PROC: u32 = 1;
/// Size of `struct cn_msg` without its data.
pub const SIZE_CN_MSG: usize = 20;

/// An acknowledgement, which is no event.
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
/// A task exited.
pub const PROC_EVENT_EXIT: u32 = 0x8000_0000;

/// Size of `struct proc_event` before its union.
pub const PROC_EVENT_HEADER_SIZE: usize = 16;

/// Where `struct proc_event` begins in a datagram. This is no multiple of 8: read bytes, never
/// cast.
pub(crate) const PROC_EVENT_OFFSET: usize = SIZE_NLMSGHDR + SIZE_CN_MSG;
/// Size of `struct proc_event`.
const PROC_EVENT_SIZE: usize = PROC_EVENT_HEADER_SIZE + UNION_SIZE;
/// Size of its union.
const UNION_SIZE: usize = 24;
/// Size of every event datagram of the kernels up to now.
pub(crate) const DATAGRAM_SIZE: usize = PROC_EVENT_OFFSET + PROC_EVENT_SIZE;
/// The largest datagram that is received whole, so that an event that grows in a later kernel can
/// still be read.
pub(crate) const DATAGRAM_MAX: usize = 256;

/// How a kind is sent.
pub(crate) struct Layout {
    kind: u16,
    /// The kernel's `what`, which has a single bit.
    pub what: u32,
    /// How many bytes of the union the kind defines.
    size: u16,
}

impl Layout {
    const fn new(kind: u32, what: u32, size: u16) -> Self {
        Self { kind: kind as u16, what, size }
    }

    pub(crate) const fn kind(&self) -> u32 {
        self.kind as u32
    }
}

/// The nine kinds that kernels send.
pub(crate) const LAYOUTS: [Layout; 9] = [
    Layout::new(kind::FORK, PROC_EVENT_FORK, 16),
    Layout::new(kind::EXEC, PROC_EVENT_EXEC, 8),
    Layout::new(kind::EXIT, PROC_EVENT_EXIT, 24),
    Layout::new(kind::UID, PROC_EVENT_UID, 16),
    Layout::new(kind::GID, PROC_EVENT_GID, 16),
    Layout::new(kind::SID, PROC_EVENT_SID, 8),
    Layout::new(kind::PTRACE, PROC_EVENT_PTRACE, 16),
    Layout::new(kind::COMM, PROC_EVENT_COMM, 24),
    Layout::new(kind::COREDUMP, PROC_EVENT_COREDUMP, 16),
];

/// How to make an event of a `what`. With a power of two as its size, its place needs no multiplication:
/// that would make parsing 4 % slower.
#[derive(Clone, Copy)]
#[repr(align(16))]
struct Recipe {
    /// 0 in a place that no kind has.
    what: u32,
    kind: u8,
    size: u8,
    /// What to keep of the union's second eight bytes: all (-1) or nothing (0).
    second: i16,
    /// What to keep of the third eight bytes.
    third: u64,
}

/// Each recipe is at its `what`'s [`place`].
static RECIPES: [Recipe; 16] = {
    let mut recipes = [Recipe { what: 0, kind: 0, size: 0, second: 0, third: 0 }; 16];
    let mut i = 0;
    while i < LAYOUTS.len() {
        let place = &mut recipes[place(LAYOUTS[i].what)];
        assert!(place.what == 0);
        *place = Recipe::new(&LAYOUTS[i]);
        i += 1;
    }
    recipes
};

/// A different place for each of the nine kinds. A `what` is a single bit, so multiplying by it
/// shifts the factor. The four highest bits of the product differ for each kind.
///
/// `trailing_zeros()` would be plainer. At this optimisation level it compiles to `bsf`, with which
/// parsing an event takes 9 % longer on an AMD EPYC (2.27 ns instead of 2.07).
#[inline(always)]
const fn place(what: u32) -> usize {
    (what.wrapping_mul(0x0960_0001) >> 28) as usize
}

impl Recipe {
    const fn new(layout: &Layout) -> Self {
        let &Layout { kind, what, size } = layout;
        let last = if layout.kind() == kind::COMM { TERMINATED } else { u64::MAX };
        let (second, third) = match size {
            24 => (-1, last),
            16 => (-1, 0),
            _ => (0, 0),
        };
        Self { what, kind: kind as u8, size: size as u8, second, third }
    }

    /// The recipe of a kind that this version knows.
    #[inline(always)]
    fn of(what: u32) -> Option<&'static Self> {
        let recipe = &RECIPES[place(what)];
        (recipe.what == what).then_some(recipe)
    }
}

/// Keeps all but the last byte of a name, so that the name is terminated even in a forged event.
const TERMINATED: u64 = u64::from_ne_bytes([255, 255, 255, 255, 255, 255, 255, 0]);

/// The message is truncated, or contradicts its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

/// A connector message: `struct cn_msg` and its data.
pub(crate) struct CnMsg<'a> {
    idx: u32,
    val: u32,
    pub seq: u32,
    pub data: &'a [u8],
}

impl CnMsg<'_> {
    pub(crate) const fn is_proc(&self) -> bool {
        self.idx == CN_IDX_PROC && self.val == CN_VAL_PROC
    }
}

/// The event in a datagram of the shape that kernels send. When there is none, [`parse`] decides
/// what the datagram is.
#[inline]
pub(crate) fn parse_usual(datagram: &[u8]) -> Option<Event> {
    let datagram = datagram.first_chunk::<DATAGRAM_SIZE>().filter(|bytes| is_usual(bytes))?;
    let data = datagram.last_chunk()?;
    Some(decode(Recipe::of(u32_at(data, 0))?, data, u32_at(datagram, 24)))
}

/// Whether all sizes, ids and flags (none) in the headers are those that kernels use.
#[inline]
pub(super) fn is_usual(datagram: &[u8; DATAGRAM_SIZE]) -> bool {
    u64_at(datagram, 0) == pair(DATAGRAM_SIZE as u32, halves(NLMSG_DONE))
        && u64_at(datagram, 16) == pair(CN_IDX_PROC, CN_VAL_PROC)
        && u32_at(datagram, 32) == halves(PROC_EVENT_SIZE as u16)
}

/// The event in a datagram of any shape; `None` for a control message.
#[cold]
pub(crate) fn parse(datagram: &[u8]) -> Result<Option<Event>, Malformed> {
    let (message_type, body) = split_message(datagram)?;
    match message_type {
        NLMSG_NOOP | NLMSG_ERROR | NLMSG_OVERRUN => Ok(None),
        NLMSG_DONE if body.is_empty() => Ok(None),
        _ => match split_cn_msg(body)? {
            message if message.is_proc() => parse_data(message.data, message.seq),
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
pub(crate) fn split_cn_msg(body: &[u8]) -> Result<CnMsg<'_>, Malformed> {
    let (header, rest) = body.split_first_chunk::<SIZE_CN_MSG>().ok_or(Malformed)?;
    Ok(CnMsg {
        idx: u32_at(header, 0),
        val: u32_at(header, 4),
        seq: u32_at(header, 8),
        data: rest.get(..u16_at(header, 16) as usize).ok_or(Malformed)?,
    })
}

/// The event in a `struct proc_event` of any size; `None` for an acknowledgement.
#[inline(never)]
pub(crate) fn parse_data(data: &[u8], seq: u32) -> Result<Option<Event>, Malformed> {
    let header = data.first_chunk::<PROC_EVENT_HEADER_SIZE>().ok_or(Malformed)?;
    let (what, size) = (u32_at(header, 0), data.len() - header.len());
    let mut padded = [0; PROC_EVENT_SIZE + 8];
    for (to, from) in padded.iter_mut().zip(data) {
        *to = *from;
    }
    Ok(match Recipe::of(what) {
        Some(recipe) if usize::from(recipe.size) > size => return Err(Malformed),
        Some(recipe) => Some(decode(recipe, padded.first_chunk().ok_or(Malformed)?, seq)),
        None if what == PROC_EVENT_NONE => None,
        None => Some(Event {
            kind: kind::UNKNOWN,
            cpu: u32_at(&padded, 4),
            timestamp_ns: u64_at(&padded, 8),
            seq,
            reserved: 0,
            data: [
                pair(what, size as u32),
                u64_at(&padded, 16),
                u64_at(&padded, 24),
                u64_at(&padded, 32),
                u64_at(&padded, 40),
            ],
        }),
    })
}

/// The event in a `struct proc_event` of one of the nine kinds.
#[inline(always)]
fn decode(recipe: &Recipe, data: &[u8; PROC_EVENT_SIZE], seq: u32) -> Event {
    let second = i64::from(recipe.second) as u64;
    Event {
        kind: recipe.kind.into(),
        cpu: u32_at(data, 4),
        timestamp_ns: u64_at(data, 8),
        seq,
        reserved: 0,
        data: [u64_at(data, 16), u64_at(data, 24) & second, u64_at(data, 32) & recipe.third, 0, 0],
    }
}

/// The word at `offset`, or 0 past the end. Every caller passes a constant below `N - 3`, so the
/// compiled code has no check.
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
    use super::super::event::View;
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
        fn any_bytes_are_parsed_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = parse(&bytes);
        }

        #[test]
        fn the_path_for_the_usual_shape_and_the_one_for_any_shape_find_one_event(
            what in prop_oneof![prop::sample::select(LAYOUTS.map(|l| l.what).to_vec()), any::<u32>()],
            payload in prop::collection::vec(any::<u8>(), 36),
        ) {
            let mut bytes = datagram(what, PROC_EVENT_SIZE);
            bytes[40..].copy_from_slice(&payload);
            let careful = parse(&bytes);
            let known = LAYOUTS.iter().any(|layout| layout.what == what);
            prop_assert_eq!(parse_usual(&bytes), careful.expect("whole").filter(|_| known));
        }
    }

    #[test]
    fn each_of_the_nine_kinds_has_its_own_recipe_and_only_the_bytes_that_it_defines() {
        for layout in &LAYOUTS {
            let mut bytes = datagram(layout.what, PROC_EVENT_SIZE);
            bytes[52..].fill(0xee);
            let event = parse(&bytes).expect("whole").expect("an event");
            assert_eq!(event.kind, layout.kind());
            let defined = event.data.iter().flat_map(|word| word.to_ne_bytes());
            let count = defined.filter(|byte| *byte == 0xee).count();
            let terminator = usize::from(layout.kind() == kind::COMM);
            assert_eq!(count, usize::from(layout.size) - terminator);
            bytes[32..34].copy_from_slice(&(layout.size + 15).to_ne_bytes());
            assert_eq!(parse(&bytes), Err(Malformed));
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
        let View::Unknown { what, size, raw } = event.view() else { panic!() };
        assert_eq!((what, size), (0x400, 50));
        assert!(raw.iter().enumerate().all(|(i, byte)| *byte == i as u8));
    }

    #[test]
    fn an_event_with_two_bits_is_unknown_even_if_one_of_them_is_a_known_kinds() {
        for what in [PROC_EVENT_FORK | PROC_EVENT_EXEC, 0x600, u32::MAX] {
            let event = parse(&datagram(what, PROC_EVENT_SIZE)).expect("whole").expect("an event");
            assert_eq!((event.kind, event.word(0)), (kind::UNKNOWN, what));
        }
    }
}
