//! pc_event_format() and what else reads an event, with any 64 bytes as the event; then
//! pc_change_format(), with any 168 bytes as the change.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proc_connector::parse_netlink_message;
use proc_connector_fuzz::ffi::{self, Change, Event};
use proc_connector_fuzz::input::Input;
use proc_connector_fuzz::model::{COREDUMP, FORK, KINDS, OVERRUN, datagram};
use std::ffi::{CStr, c_char, c_int};
use std::ptr::{null, null_mut};

// Two bytes are a buffer's size, 64 the event, 168 the change.
fuzz_target!(|input: &[u8]| {
    let mut input = Input(input);
    let size = usize::from(input.half());
    let mut event = Event([0; 64]);
    let bytes = input.bytes(64);
    event.0[..bytes.len()].copy_from_slice(bytes);

    let write = |buffer, size| unsafe { ffi::pc_event_format(&event, buffer, size) };
    let line = line(write, u64::from_ne_bytes(event.0[8..16].try_into().unwrap()));
    fits_all(write, &line, size);
    assert_eq!(unsafe { ffi::pc_event_format(null(), null_mut(), 0) }, -libc::EINVAL);
    assert_eq!(unsafe { ffi::pc_event_format(&event, null_mut(), 1) }, -libc::EINVAL);
    names(&event, &line);
    displays(&event, &line);

    let mut change = Change([0; 168]);
    let bytes = input.bytes(168);
    change.0[..bytes.len()].copy_from_slice(bytes);
    describes(&change, size);

    let error = event.word(1) as i32;
    let text = unsafe { CStr::from_ptr(ffi::pc_strerror(error)) }.to_bytes();
    assert!(!text.is_empty());
    if error != i32::MIN {
        assert_eq!(text, unsafe { CStr::from_ptr(ffi::pc_strerror(-error)) }.to_bytes());
    }
});

/// The whole line, which obeys the header.
fn line(write: impl Fn(*mut c_char, usize) -> c_int, time: u64) -> Vec<u8> {
    let length = usize::try_from(write(null_mut(), 0)).expect("valid arguments");
    assert!(length < 256, "{length}");
    let mut line = vec![0; length + 1];
    write(line.as_mut_ptr().cast(), line.len());
    assert_eq!(line.pop(), Some(0));
    assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~')), "{}", line.escape_ascii());
    let end = format!(" ts={}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
    assert!(line.ends_with(end.as_bytes()), "complete: {}", line.escape_ascii());
    line
}

fn fits_all(write: impl Fn(*mut c_char, usize) -> c_int, line: &[u8], size: usize) {
    for size in [0, 1, 2, line.len(), line.len() + 1, line.len() + 2, size % 300, size % 2048] {
        fits(&write, line, size);
    }
}

/// As snprintf() does it, in a heap block of that very size.
fn fits(write: impl Fn(*mut c_char, usize) -> c_int, line: &[u8], size: usize) {
    let mut buffer = vec![0xa5; size].into_boxed_slice();
    let length = write(buffer.as_mut_ptr().cast(), size);
    assert_eq!(usize::try_from(length), Ok(line.len()));
    if size > 0 {
        let shown = line.len().min(size - 1);
        assert_eq!(buffer[..shown], line[..shown]);
        assert_eq!(buffer[shown], 0);
        assert!(buffer[shown + 1..].iter().all(|byte| *byte == 0xa5), "nothing behind it");
    }
}

/// The line of a change, which begins with the name of its kind. Its name is there if it is valid.
fn describes(change: &Change, size: usize) {
    const COMM: u32 = 1 << 3;
    let (pid, valid) = (change.word(22), change.word(25));
    let write = |buffer, size| unsafe { ffi::pc_change_format(change, buffer, size) };
    let line = line(write, u64::from_ne_bytes(change.0[8..16].try_into().unwrap()));
    fits_all(write, &line, size);
    let text = std::str::from_utf8(&line).expect("ASCII");
    let name = unsafe { CStr::from_ptr(ffi::pc_change_name(change.word(0))) };
    let name = name.to_str().expect("ASCII");
    assert!(text.starts_with(&format!("{name} ")), "{text}");
    assert_eq!(text.starts_with(&format!("{name} pid=")), pid != 0, "{text}");
    assert_eq!(text.contains(" comm=\""), valid & COMM != 0, "{text}");
    assert_eq!(unsafe { ffi::pc_change_format(null(), null_mut(), 0) }, -libc::EINVAL);
    assert_eq!(unsafe { ffi::pc_change_format(change, null_mut(), 1) }, -libc::EINVAL);
    // SAFETY: a Change is laid out as a pc_change, and any bytes are one.
    let same: proc_connector::Change = unsafe { std::mem::transmute(*change) };
    assert_eq!(same.to_string(), text);
    let _ = format!("{:?}", same.view());
}

fn names(event: &Event, line: &[u8]) {
    const NAMES: [&str; 11] = [
        "unknown", "fork", "exec", "exit", "uid", "gid", "sid", "ptrace", "comm", "coredump",
        "overrun",
    ];
    let kind = event.word(0);
    let name = unsafe { CStr::from_ptr(ffi::pc_event_name(kind)) }.to_str().expect("ASCII");
    assert_eq!(name, NAMES.get(kind as usize).copied().unwrap_or("unknown"));
    assert!(line.starts_with(format!("{name} ").as_bytes()));
    let tgid = match kind {
        FORK => event.word(9),
        2..=COREDUMP => event.word(7),
        _ => 0,
    };
    assert_eq!(unsafe { ffi::pc_event_tgid(event) }, tgid as i32);
    assert_eq!(unsafe { ffi::pc_event_tgid(null()) }, 0);
}

/// The Rust face's texts.
fn displays(event: &Event, line: &[u8]) {
    // SAFETY: an Event is laid out as a pc_event, and any bytes are one.
    let same: proc_connector::Event = unsafe { std::mem::transmute(*event) };
    assert_eq!(same.to_string().as_bytes(), line);
    let _ = (same.view(), format!("{same:?}"));
    assert!(same.pid() == 0 || (FORK..OVERRUN).contains(&same.kind));

    let what = KINDS.iter().find(|kind| kind.1 == same.kind).map_or(same.kind, |kind| kind.0);
    let datagram = datagram(what, std::array::from_fn(|index| event.word(6 + index)));
    if let Some(event) = parse_netlink_message(&datagram, datagram.len()).expect("whole") {
        assert!(!event.to_string().is_empty());
        let _ = format!("{event:?} {:?} {:?}", event.exit_status(), event.terminating_signal());
    }
}
