//! `proc_connector.h`, declared by hand, as a C program sees it.

use proc_connector as _; // Has the library linked.
use std::ffi::{c_char, c_int, c_void};

/// `struct pc_event`, as bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event(pub [u8; 64]);

/// `struct pc_change`, as bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change(pub [u8; 168]);

/// `struct pc_options`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub size: usize,
    pub events: u32,
    pub flags: u32,
    pub rcvbuf_bytes: u32,
    pub spin_us: u32,
}

/// `struct pc_stats`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    pub received: u64,
    pub filtered: u64,
    pub lost: u64,
    pub foreign: u64,
    pub malformed: u64,
    pub repaired: u64,
    pub rcvbuf_bytes: u32,
    pub reserved: u32,
    pub reserved2: [u64; 2],
}

/// `struct pc_connector`.
#[repr(C)]
pub struct Connector {
    private: [u8; 0],
}

pub const MASK_EVERYTHING: u32 = 0x3fe | 1 << 11;
pub const FILTER_NO_THREADS: u32 = 1;
pub const FILTER_NONZERO_EXIT: u32 = 2;
pub const OPEN_SUBSCRIBED: u32 = 1 << 16;

unsafe extern "C" {
    pub fn pc_open(out: *mut *mut Connector, options: *const Options) -> c_int;
    pub fn pc_open_fd(out: *mut *mut Connector, fd: c_int, options: *const Options) -> c_int;
    pub fn pc_fd(pc: *const Connector) -> c_int;
    pub fn pc_recv(pc: *mut Connector, event: *mut Event, timeout_ms: c_int) -> c_int;
    pub fn pc_recv_many(
        pc: *mut Connector,
        events: *mut Event,
        count: usize,
        timeout_ms: c_int,
    ) -> c_int;
    pub fn pc_set_filter(pc: *mut Connector, filter: *const Options) -> c_int;
    pub fn pc_subscribe(pc: *mut Connector) -> c_int;
    pub fn pc_unsubscribe(pc: *mut Connector) -> c_int;
    pub fn pc_check(pc: *mut Connector) -> c_int;
    pub fn pc_interrupt(pc: *mut Connector) -> c_int;
    pub fn pc_get_stats(pc: *const Connector, stats: *mut Stats, size: usize) -> c_int;
    pub fn pc_close(pc: *mut Connector);
    pub fn pc_parse(datagram: *const c_void, size: usize, event: *mut Event) -> c_int;
    pub fn pc_event_tgid(event: *const Event) -> c_int;
    pub fn pc_event_format(event: *const Event, buffer: *mut c_char, size: usize) -> c_int;
    pub fn pc_event_name(kind: u32) -> *const c_char;
    pub fn pc_change_format(change: *const Change, buffer: *mut c_char, size: usize) -> c_int;
    pub fn pc_change_name(kind: u32) -> *const c_char;
    pub fn pc_strerror(error: c_int) -> *const c_char;
}

impl Event {
    /// What no function of the library writes by chance: to see whether it has written.
    pub const UNTOUCHED: Self = Self([0xa5; 64]);

    /// The `index`th 32-bit word of the whole event.
    pub fn word(&self, index: usize) -> u32 {
        crate::model::word(&self.0, index * 4)
    }
}

impl Change {
    /// The `index`th 32-bit word of the whole change.
    pub fn word(&self, index: usize) -> u32 {
        crate::model::word(&self.0, index * 4)
    }
}

impl Options {
    pub const fn filter(events: u32, flags: u32) -> Self {
        Self { size: size_of::<Self>(), events, flags, rcvbuf_bytes: 0, spin_us: 0 }
    }
}
