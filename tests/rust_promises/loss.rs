use crate::support::{Beacon, needs_root, number_of, open};
use proc_connector::{Error, Event, EventMask, Options, ProcConnector, ProcEvent, View, reason};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// Reads a connector and counts.
struct Reader<'a> {
    connector: &'a ProcConnector,
    delivered: u64,
    /// The sum of all announced losses.
    lost: u64,
}

impl<'a> Reader<'a> {
    fn new(connector: &'a ProcConnector) -> Self {
        Self { connector, delivered: 0, lost: 0 }
    }

    /// Reads until nothing is there; how many had been delivered with the one that
    /// carries `number`.
    fn drain(&mut self, pid: i32, number: u32) -> Option<u64> {
        let mut found = None;
        let mut events = [Event::EMPTY; 64];
        loop {
            let now = Some(Duration::ZERO);
            let count = self.connector.recv_events(&mut events, now).expect("recv_events");
            if count == 0 {
                return found;
            }
            for event in &events[..count] {
                if let View::Overrun { lost, since_ns, reason } = event.view() {
                    assert_eq!(reason, reason::QUEUE);
                    assert!(lost > 0 && since_ns <= event.timestamp_ns, "{event}");
                    self.lost += lost;
                } else {
                    self.delivered += 1;
                    if number_of(event, pid) == Some(number) {
                        found = Some(self.delivered);
                    }
                }
            }
        }
    }

    /// Has the beacon set a mark around which nothing is lost, even if the small queue is full of
    /// others' events at first. Returns how many had been delivered with it, and its number.
    fn mark(&mut self, beacon: &mut Beacon, mut number: u32) -> (u64, u32) {
        loop {
            self.drain(beacon.pid, 0);
            let lost = self.lost;
            beacon.emit(number, 1);
            match self.drain(beacon.pid, number) {
                Some(delivered) if self.lost == lost => return (delivered, number),
                _ => {}
            }
            number += 1;
        }
    }
}

/// Defect 7: 0.3 says that something was lost, but not how much, and then goes blind until the
/// queue is empty. Here a second connector, whose queue is large enough, tells what there was.
#[test]
fn every_lost_event_is_counted() {
    needs_root!();
    // Two connectors may see simultaneous events of different CPUs in different order.
    let mut beacon = Beacon::start_alone();
    let filter = EventMask::GID;
    let witness = open(Options::new().filter(filter).queue_bytes(512 << 20));
    let small = open(Options::new().filter(filter).queue_bytes(32 << 10));
    let pid = beacon.pid;
    let mut reader = Reader::new(&small);
    let (delivered_before, begin) = reader.mark(&mut beacon, 1);
    let lost_before = reader.lost;
    // With nobody reading, and against a reader.
    beacon.emit(1_000_000, 5_000);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                reader.drain(pid, 0);
            }
        });
        beacon.emit(2_000_000, 50_000);
        done.store(true, SeqCst);
    });
    let (delivered, end) = reader.mark(&mut beacon, 3_000_000);
    let (delivered, lost) = (delivered - delivered_before, reader.lost - lost_before);

    let mut all = Reader::new(&witness);
    let mut between = None;
    while let Some(event) = witness.recv_event(Some(Duration::ZERO)).expect("recv_event") {
        assert!(!matches!(event.view(), View::Overrun { .. }), "the witness must lose nothing");
        all.delivered += 1;
        match number_of(&event, pid) {
            Some(number) if number == begin => all.delivered = 0,
            Some(number) if number == end => between = Some(all.delivered),
            _ => {}
        }
    }
    assert!(lost > 4_000, "{lost}");
    assert_eq!(Some(delivered + lost), between, "delivered {delivered}, lost {lost}");
    assert_eq!(small.stats().lost, reader.lost, "announced and booked");
    assert_eq!(small.stats().received, reader.delivered);
}

/// The calls of 0.3 announce the same losses, each once, and go on with what is queued.
#[test]
fn an_overrun_is_an_error_once_and_the_statistics_have_the_number() {
    needs_root!();
    let mut beacon = Beacon::start();
    let filter = EventMask::GID;
    let connector = open(Options::new().filter(filter).queue_bytes(32 << 10));
    beacon.emit(1, 2_000);
    let (mut delivered, mut overruns) = (0, 0);
    connector.set_nonblocking().expect("set_nonblocking");
    loop {
        match connector.recv(&mut [0; 4096]) {
            Ok(_) => delivered += 1,
            Err(Error::Overrun) => overruns += 1,
            Err(Error::WouldBlock) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let books = connector.stats();
    assert!(overruns >= 1 && books.lost > 0, "{overruns} {books:?}");
    assert!(delivered > 16, "what was queued is delivered: {delivered}");
    assert_eq!(books.received, delivered);
    // Others may have made some, too.
    assert!(books.received + books.lost >= 2_000, "{books:?}");
    // No blindness afterwards. (But others may leave no room.)
    for number in 10_000.. {
        beacon.emit(number, 1);
        match connector.recv(&mut []) {
            Ok(ProcEvent::Gid { pid, .. }) if pid == beacon.pid as u32 => break,
            Ok(_) | Err(Error::Overrun | Error::WouldBlock) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A queue that is resized while it overflows keeps its books.
#[test]
fn resizing_the_queue_keeps_the_statistics_exact() {
    needs_root!();
    let mut beacon = Beacon::start();
    let filter = EventMask::GID;
    let connector = open(Options::new().filter(filter).queue_bytes(64 << 20));
    beacon.emit(20000, 1_000);
    connector.set_recv_buf_size(16 << 10).expect("set_recv_buf_size");
    beacon.emit(30000, 1_000);
    connector.set_recv_buf_size(64 << 20).expect("set_recv_buf_size");
    beacon.emit(40000, 1_000);
    let mut reader = Reader::new(&connector);
    reader.drain(beacon.pid, 0);
    let Reader { delivered, lost, .. } = reader;
    let books = connector.stats();
    assert_eq!((books.received, books.lost), (delivered, lost));
    assert!(lost >= 1_000, "{lost}");
    assert!(delivered >= 2_000, "{delivered}");
}
