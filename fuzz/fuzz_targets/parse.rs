//! pc_parse() on any bytes, at any alignment, in a heap block that ends where they end; against
//! the model and against the Rust face.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proc_connector::{
    Error, NetlinkMessageIter, ProcEvent, SIZE_NLMSGHDR, parse_cn_msg, parse_netlink_message,
};
use proc_connector_fuzz::ffi::{Event, pc_parse};
use proc_connector_fuzz::model::{Meaning, UNKNOWN, meaning};

// The first byte is the alignment; the rest is the datagram.
fuzz_target!(|input: &[u8]| {
    let Some((alignment, datagram)) = input.split_first() else { return };
    let offset = usize::from(alignment % 8);
    let block = [&[0; 8][..offset], datagram].concat().into_boxed_slice();
    let datagram = &block[offset..];

    let mut event = Event::UNTOUCHED;
    let result = unsafe { pc_parse(datagram.as_ptr().cast(), datagram.len(), &mut event) };
    let rust = parse_netlink_message(datagram, datagram.len());
    match meaning(datagram) {
        Meaning::Event(expected) => {
            assert_eq!((result, event), (1, expected));
            agrees(&event, &rust.expect("an event").expect("no control message"));
        }
        Meaning::Control => {
            assert_eq!((result, event), (0, Event::UNTOUCHED));
            // The Rust face tells what a control message says, and so looks into it.
            assert!(!matches!(rust, Ok(Some(_))), "{rust:?}");
        }
        Meaning::Malformed => {
            assert_eq!((result, event), (-libc::EBADMSG, Event::UNTOUCHED));
            assert!(matches!(rust, Err(Error::Truncated)), "{rust:?}");
        }
    }
    let null = std::ptr::null();
    assert_eq!(unsafe { pc_parse(null, datagram.len(), &mut event) }, -libc::EINVAL);

    let _ = parse_cn_msg(datagram);
    let messages = NetlinkMessageIter::new(datagram, datagram.len()).count();
    assert!(messages <= datagram.len() / SIZE_NLMSGHDR + 1, "each message has a header");
});

/// Both faces say the same about an event.
fn agrees(event: &Event, rust: &ProcEvent) {
    if let ProcEvent::Unknown { what, raw_data } = rust {
        let shown = raw_data.len().min(32);
        assert_eq!((event.word(0), event.word(6)), (UNKNOWN, *what));
        assert_eq!(event.word(7) as usize, raw_data.len());
        assert_eq!(event.0[32..32 + shown], raw_data[..shown]);
        return;
    }
    let mut rust = rust.clone();
    if let ProcEvent::Comm { comm, .. } = &mut rust {
        comm[15] = 0; // That parser leaves a name as it was recorded.
    }
    assert_eq!(known(event), rust);
}

/// One of the nine kinds, from C's bytes.
fn known(event: &Event) -> ProcEvent {
    let [pid, tgid, a, b, c, d] = std::array::from_fn(|index| event.word(6 + index));
    let (cpu, seq) = (event.word(1), event.word(4));
    let timestamp_ns = u64::from_ne_bytes(event.0[8..16].try_into().unwrap());
    match event.word(0) {
        1 => ProcEvent::Fork {
            cpu,
            seq,
            parent_pid: pid,
            parent_tgid: tgid,
            child_pid: a,
            child_tgid: b,
            timestamp_ns,
        },
        2 => ProcEvent::Exec { cpu, seq, pid, tgid, timestamp_ns },
        3 => ProcEvent::Exit {
            cpu,
            seq,
            pid,
            tgid,
            exit_code: a,
            exit_signal: b,
            parent_pid: c,
            parent_tgid: d,
            timestamp_ns,
        },
        4 => ProcEvent::Uid { cpu, seq, pid, tgid, ruid: a, euid: b, timestamp_ns },
        5 => ProcEvent::Gid { cpu, seq, pid, tgid, rgid: a, egid: b, timestamp_ns },
        6 => ProcEvent::Sid { cpu, seq, pid, tgid, timestamp_ns },
        7 => ProcEvent::Ptrace { cpu, seq, pid, tgid, tracer_pid: a, tracer_tgid: b, timestamp_ns },
        8 => {
            let comm = event.0[32..48].try_into().unwrap();
            ProcEvent::Comm { cpu, seq, pid, tgid, comm, timestamp_ns }
        }
        9 => {
            let (parent_pid, parent_tgid) = (a, b);
            ProcEvent::Coredump { cpu, seq, pid, tgid, parent_pid, parent_tgid, timestamp_ns }
        }
        kind => panic!("kind {kind}"),
    }
}
