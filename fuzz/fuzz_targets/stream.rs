//! Any datagrams through a SEQPACKET pair, received in any manner, under changing filters; against
//! a model of what is delivered and what the books say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proc_connector_fuzz::ffi::Event;
use proc_connector_fuzz::handle::Handle;
use proc_connector_fuzz::input::Input;
use proc_connector_fuzz::model::{Filter, KINDS, Meaning, RECEIVED_MAX, datagram, meaning};
use proc_connector_fuzz::sockets::{open_descriptors, pair, send};
use std::os::fd::OwnedFd;

// Three bytes are the first filter; then come steps of one byte and what they take. A datagram
// stands behind its length: the fuzzer's own bytes (steps 0 and 1), or a whole event (2).
fuzz_target!(|input: &[u8]| {
    let before = open_descriptors();
    let mut input = Input(input);
    let filter = input.filter();
    let [near, far] = pair(libc::SOCK_SEQPACKET);
    let mut stream = Stream::new(Handle::adopt(near, &filter.options()), filter);
    while !input.0.is_empty() {
        let step = input.byte();
        match step % 9 {
            0 => {
                let size = usize::from(input.byte());
                stream.write(&far, input.bytes(size));
            }
            1 => {
                let size = usize::from(input.half());
                stream.write(&far, input.bytes(size));
            }
            2 => {
                let (what, ..) = KINDS[usize::from(input.byte()) % KINDS.len()];
                let word = input.half();
                let union = [0, 2, 4, 6, 8, 10].map(|shift| u32::from(word >> shift & 3));
                stream.write(&far, &datagram(what, union));
            }
            3 | 4 => stream.receive(1, true, step & 0x80 != 0),
            5 => stream.receive(1 + usize::from(input.byte()), false, step & 0x80 != 0),
            6 => {
                let filter = input.filter();
                assert_eq!(stream.handle.set_filter(&filter.options()), 0);
                stream.filter = filter;
            }
            7 => {
                stream.handle.interrupt();
                stream.interrupted = true;
            }
            _ => stream.handle.idle_calls(),
        }
    }
    drop(far);
    stream.end.get_or_insert(stream.written.len());
    while !stream.over {
        stream.receive(64, false, false);
    }
    for single in [true, false, true] {
        stream.receive(1, single, false); // The end comes repeatedly.
    }
    drop(stream);
    assert_eq!(open_descriptors(), before, "no descriptor is left open");
});

/// The handle, and what is known of it.
struct Stream {
    handle: Handle,
    filter: Filter,
    written: Vec<Meaning>,
    /// How many of them the books have counted.
    taken: usize,
    /// Where the stream ends, once it does: at the first empty datagram, which looks as the
    /// hang-up does.
    end: Option<usize>,
    over: bool,
    interrupted: bool,
    received: u64,
    filtered: u64,
    malformed: u64,
}

impl Stream {
    fn new(handle: Handle, filter: Filter) -> Self {
        Self {
            handle,
            filter,
            written: Vec::new(),
            taken: 0,
            end: None,
            over: false,
            interrupted: false,
            received: 0,
            filtered: 0,
            malformed: 0,
        }
    }

    /// Writes a datagram, unless the queue is full.
    fn write(&mut self, far: &OwnedFd, datagram: &[u8]) {
        if send(far, datagram).is_err() || self.end.is_some() {
            return;
        }
        if datagram.is_empty() {
            self.end = Some(self.written.len());
        } else {
            self.written.push(meaning(&datagram[..datagram.len().min(RECEIVED_MAX)]));
        }
    }

    /// Whether a call that waits without limit returns.
    fn has_something(&self) -> bool {
        self.end.is_some()
            || self.interrupted
            || self.written[self.taken..].iter().any(|meaning| self.delivers(meaning).is_some())
    }

    fn delivers<'a>(&self, meaning: &'a Meaning) -> Option<&'a Event> {
        match meaning {
            Meaning::Event(event) if self.filter.admits(event) => Some(event),
            _ => None,
        }
    }

    fn receive(&mut self, count: usize, single: bool, wait: bool) {
        let wait = wait && self.has_something();
        match self.handle.receive(count, single, if wait { -1 } else { 0 }) {
            Err(libc::ECANCELED) => {
                assert!(wait && self.interrupted, "only after an interrupt, and once");
                self.interrupted = false;
                self.account(&[]);
                return;
            }
            Err(error) => {
                self.account(&[]);
                assert_eq!((error, Some(self.taken)), (libc::EPIPE, self.end));
                self.over = true;
            }
            Ok(events) => {
                self.account(&events);
                assert!(!self.over, "nothing comes after the end");
                if events.is_empty() {
                    assert!(!wait, "a wait without limit ends with something");
                    assert_eq!((self.taken, self.end), (self.written.len(), None));
                }
            }
        }
        assert!(!(wait && self.interrupted), "a wait ends at once after an interrupt");
    }

    /// The books tell how many datagrams a call has taken; what it delivered must be the events
    /// among those, in order.
    fn account(&mut self, delivered: &[Event]) {
        let stats = self.handle.stats();
        let taken = (stats.received + stats.filtered + stats.malformed) as usize;
        assert!((self.taken..=self.written.len()).contains(&taken), "{taken}");
        let mut delivered = delivered.iter();
        for meaning in &self.written[self.taken..taken] {
            if let Some(event) = self.delivers(meaning) {
                assert_eq!(delivered.next(), Some(event));
                self.received += 1;
            } else if *meaning == Meaning::Malformed {
                self.malformed += 1;
            } else {
                self.filtered += 1;
            }
        }
        assert_eq!(delivered.next(), None);
        self.taken = taken;
        let books = (stats.received, stats.filtered, stats.malformed);
        assert_eq!(books, (self.received, self.filtered, self.malformed));
    }
}
