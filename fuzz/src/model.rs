//! What a datagram means, and what a filter does with it, once more and in the plainest way.

use crate::ffi::{self, FILTER_NO_THREADS, FILTER_NONZERO_EXIT, MASK_EVERYTHING};

pub const FORK: u32 = 1;
pub const EXIT: u32 = 3;
pub const COMM: u32 = 8;
pub const COREDUMP: u32 = 9;
pub const OVERRUN: u32 = 10;
pub const UNKNOWN: u32 = 11;

/// The library receives no more of a datagram.
pub const RECEIVED_MAX: usize = 256;

/// `enum proc_cn_event` of the kernel, the header's kind, and how much of the union it defines.
pub const KINDS: [(u32, u32, usize); 9] = [
    (0x0000_0001, 1, 16),
    (0x0000_0002, 2, 8),
    (0x8000_0000, 3, 24),
    (0x0000_0004, 4, 16),
    (0x0000_0040, 5, 16),
    (0x0000_0080, 6, 8),
    (0x0000_0100, 7, 16),
    (0x0000_0200, 8, 24),
    (0x4000_0000, 9, 16),
];

#[derive(PartialEq, Eq, Debug)]
pub enum Meaning {
    Event(ffi::Event),
    /// Nothing that is an event: an acknowledgement, another connector, a netlink message.
    Control,
    Malformed,
}

pub fn word(bytes: &[u8], offset: usize) -> u32 {
    u32::from_ne_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

fn half(bytes: &[u8], offset: usize) -> usize {
    u16::from_ne_bytes(bytes[offset..offset + 2].try_into().unwrap()).into()
}

pub fn meaning(datagram: &[u8]) -> Meaning {
    // struct nlmsghdr
    if datagram.len() < 16 {
        return Meaning::Malformed;
    }
    let length = word(datagram, 0) as usize;
    if length < 16 || length > datagram.len() {
        return Meaning::Malformed;
    }
    let body = &datagram[16..length];
    match half(datagram, 4) {
        1 | 2 | 4 => return Meaning::Control, // NLMSG_NOOP, NLMSG_ERROR, NLMSG_OVERRUN
        3 if body.is_empty() => return Meaning::Control, // NLMSG_DONE
        _ => {}
    }
    // struct cn_msg
    if body.len() < 20 || body.len() - 20 < half(body, 16) {
        return Meaning::Malformed;
    }
    if (word(body, 0), word(body, 4)) != (1, 1) {
        return Meaning::Control;
    }
    let data = &body[20..20 + half(body, 16)];
    // struct proc_event
    if data.len() < 16 {
        return Meaning::Malformed;
    }
    let (what, union) = (word(data, 0), &data[16..]);
    if what == 0 {
        return Meaning::Control;
    }
    let mut event = ffi::Event([0; 64]);
    let put = |event: &mut ffi::Event, at: usize, from: &[u8]| {
        event.0[at..at + from.len()].copy_from_slice(from);
    };
    put(&mut event, 4, &data[4..8]); // cpu
    put(&mut event, 8, &data[8..16]); // timestamp_ns
    put(&mut event, 16, &body[8..12]); // seq
    match KINDS.iter().find(|kind| kind.0 == what) {
        Some((_, _, size)) if union.len() < *size => return Meaning::Malformed,
        Some((_, kind, size)) => {
            put(&mut event, 0, &kind.to_ne_bytes());
            put(&mut event, 24, &union[..*size]);
            if *kind == COMM {
                event.0[24 + 23] = 0;
            }
        }
        None => {
            put(&mut event, 0, &UNKNOWN.to_ne_bytes());
            put(&mut event, 24, &what.to_ne_bytes());
            put(&mut event, 28, &(union.len() as u32).to_ne_bytes());
            put(&mut event, 32, &union[..union.len().min(32)]);
        }
    }
    Meaning::Event(event)
}

/// A datagram as kernels send it, of 76 bytes, with this union of six words.
pub fn datagram(what: u32, union: [u32; 6]) -> Vec<u8> {
    let mut words = vec![76, 3, 0, 0, 1, 1, 7, 0, 40, what, 0, 8, 9];
    words.extend(union);
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
    bytes[4..8].copy_from_slice(&[3_u16, 0].map(u16::to_ne_bytes).concat());
    bytes[32..36].copy_from_slice(&[40_u16, 0].map(u16::to_ne_bytes).concat());
    bytes
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Filter {
    pub events: u32,
    pub flags: u32,
}

impl Filter {
    pub fn admits(self, event: &ffi::Event) -> bool {
        let events = if self.events == 0 { MASK_EVERYTHING } else { self.events };
        let kind = event.word(0);
        let data = |index: usize| event.word(6 + index);
        if events >> kind & 1 == 0 {
            return false;
        }
        let thread = match kind {
            FORK => data(2) != data(3),
            UNKNOWN => false,
            _ => data(0) != data(1),
        };
        !(self.flags & FILTER_NO_THREADS != 0 && thread
            || self.flags & FILTER_NONZERO_EXIT != 0 && kind == EXIT && data(2) == 0)
    }

    pub const fn options(self) -> ffi::Options {
        ffi::Options::filter(self.events, self.flags)
    }
}
