//! The kernel's verdict against user space's: the BPF program that pc_open() attaches, run by the
//! kernel on an AF_UNIX pair, and a handle that was adopted with the same filter.
//!
//! They agree on every event and on every control message that kernels send. They may differ in
//! one direction only, where user space looks at more than the program does, which loads four to
//! six words and no length: datagrams
//! - that are malformed: `nlmsg_len` or `cn_msg.len` says more than there is, or less than the
//!   event's kind needs;
//! - that a netlink type (NOOP, ERROR, OVERRUN, DONE without payload) makes a control message,
//!   although an event's words are in their places.
//!
//! The program may admit these, and then user space counts them as malformed or filtered. What the
//! program rejects, user space never delivers; and the program never admits what is shorter than
//! `what`'s end, not of the process connector, or an acknowledgement.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proc_connector_fuzz::ffi::{self, Event, Options};
use proc_connector_fuzz::handle::Handle;
use proc_connector_fuzz::input::Input;
use proc_connector_fuzz::model::{Filter, Meaning, RECEIVED_MAX, meaning, word};
use proc_connector_fuzz::sockets::{pair, receives, send};
use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::{LazyLock, Mutex};

/// The programs of the filters seen so far: opening a real connector takes its time, and every
/// listener of the machine hears of it.
static PROGRAMS: LazyLock<Mutex<HashMap<Filter, Vec<libc::sock_filter>>>> =
    LazyLock::new(Mutex::default);

// Three bytes are the filter, the rest is the datagram.
fuzz_target!(
    init: {
        program(Filter { events: 0, flags: 0 });
    },
    |input: &[u8]| {
        let mut input = Input(input);
        let filter = input.filter();
        let datagram = input.0;
        let meaning = meaning(&datagram[..datagram.len().min(RECEIVED_MAX)]);
        let kernel = kernel_admits(filter, datagram);
        let user = user_delivers(filter, datagram, &meaning);
        if let Meaning::Event(event) = meaning {
            assert_eq!((kernel, user), (filter.admits(&event), kernel), "{filter:?}");
        }
        assert!(kernel || !user, "rejected by the kernel, delivered by user space");
        if kernel {
            assert!(datagram.len() >= 40, "admitted without having a kind");
            assert_eq!((word(datagram, 16), word(datagram, 20)), (1, 1), "admitted: no event");
            assert_ne!(word(datagram, 36), 0, "admitted an acknowledgement");
        }
    }
);

/// The program that the library attaches for a filter.
fn program(filter: Filter) -> Vec<libc::sock_filter> {
    let mut programs = PROGRAMS.lock().unwrap();
    programs.entry(filter).or_insert_with(|| read_program(filter)).clone()
}

fn read_program(filter: Filter) -> Vec<libc::sock_filter> {
    let mut pc = null_mut();
    let options = Options { rcvbuf_bytes: 1 << 16, ..filter.options() };
    let result = unsafe { ffi::pc_open(&mut pc, &options) };
    if result != 0 {
        let reason = unsafe { CStr::from_ptr(ffi::pc_strerror(result)) };
        eprintln!("filter: cannot run without pc_open(): {}", reason.to_string_lossy());
        // Not exit(), which libFuzzer reports as a finding.
        unsafe { libc::_exit(77) };
    }
    let mut program = vec![libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; 4096];
    // Of this option alone, the length is in instructions, not in bytes.
    let mut length = program.len() as libc::socklen_t;
    let result = unsafe {
        let (fd, buffer) = (ffi::pc_fd(pc), program.as_mut_ptr().cast());
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_GET_FILTER, buffer, &mut length)
    };
    assert_eq!(result, 0, "SO_GET_FILTER: {}", std::io::Error::last_os_error());
    assert_ne!(length, 0, "every connector has a filter");
    unsafe { ffi::pc_close(pc) };
    program.truncate(length as usize);
    program
}

fn attach(socket: &OwnedFd, mut program: Vec<libc::sock_filter>) {
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let result = unsafe {
        let (fd, size) = (socket.as_raw_fd(), size_of_val(&program) as libc::socklen_t);
        let value = (&raw const program).cast();
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, value, size)
    };
    assert_eq!(result, 0, "SO_ATTACH_FILTER: {}", std::io::Error::last_os_error());
}

/// The kernel runs the receiver's program before it queues; some versions tell the sender with
/// EPERM, others do not: what counts is whether the datagram arrives.
fn kernel_admits(filter: Filter, datagram: &[u8]) -> bool {
    let [near, far] = pair(libc::SOCK_DGRAM);
    attach(&near, program(filter));
    let _ = send(&far, datagram);
    receives(&near)
}

/// What an adopted socket delivers, if anything, and whether its books say so.
fn user_delivers(filter: Filter, datagram: &[u8], meaning: &Meaning) -> bool {
    let [near, far] = pair(libc::SOCK_DGRAM);
    let handle = Handle::adopt(near, &filter.options());
    send(&far, datagram).expect("room for one");
    let events: Vec<Event> = handle.receive(1, true, 0).expect("no end");
    let stats = handle.stats();
    let books = [stats.received, stats.filtered, stats.malformed];
    match (&events[..], meaning) {
        ([event], Meaning::Event(expected)) => {
            assert_eq!((event, books), (expected, [1, 0, 0]));
        }
        ([], Meaning::Event(_) | Meaning::Control) => assert_eq!(books, [0, 1, 0]),
        ([], Meaning::Malformed) => assert_eq!(books, [0, 0, 1]),
        _ => panic!("delivered {events:?} of {meaning:?}"),
    }
    !events.is_empty()
}
