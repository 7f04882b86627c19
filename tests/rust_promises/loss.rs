use crate::support::{Renamer, name_of, needs_root, open};
use proc_connector::{
    Error, Event, EventMask, Filter, Options, ProcConnector, ProcEvent, View, reason,
};
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

    /// Reads until nothing is there; how many had been delivered when `pid` became `name`.
    fn drain(&mut self, pid: i32, name: &str) -> Option<u64> {
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
                    if name_of(event, pid).is_some_and(|its| its == name) {
                        found = Some(self.delivered);
                    }
                }
            }
        }
    }

    /// Has the renamer set a mark around which nothing is lost: a small queue may be full of other
    /// processes' events. Returns its name and how many had been delivered with it.
    fn mark(&mut self, renamer: &mut Renamer, prefix: &str) -> (String, u64) {
        for i in 0.. {
            self.drain(renamer.pid, "");
            let lost = self.lost;
            let name = format!("{prefix}-{i}");
            renamer.rename(&name, 1);
            if let Some(delivered) = self.drain(renamer.pid, &name)
                && self.lost == lost
            {
                return (name, delivered);
            }
        }
        unreachable!()
    }
}

/// Defect 7: 0.3 says that something was lost, but not how much, and then goes blind until the
/// queue is empty. Here a second connector, whose queue is large enough, tells what there was.
#[test]
fn every_lost_event_is_counted() {
    needs_root!();
    let filter = Filter::events(EventMask::COMM).no_threads();
    let witness = open(Options::new().filter(filter).queue_bytes(512 << 20));
    let small = open(Options::new().filter(filter).queue_bytes(32 << 10));
    let mut renamer = Renamer::start();
    let pid = renamer.pid;
    let mut reader = Reader::new(&small);
    let (begin, delivered_before) = reader.mark(&mut renamer, "begin");
    let lost_before = reader.lost;
    // With nobody reading, and against a reader.
    renamer.rename("unread", 5_000);
    renamer.order("read", 50_000);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            renamer.done();
            done.store(true, SeqCst);
        });
        while !done.load(SeqCst) {
            reader.drain(pid, "");
        }
    });
    let (end, delivered) = reader.mark(&mut renamer, "end");
    let (delivered, lost) = (delivered - delivered_before, reader.lost - lost_before);

    let mut all = Reader::new(&witness);
    let mut between = None;
    while let Some(event) = witness.recv_event(Some(Duration::ZERO)).expect("recv_event") {
        assert!(!matches!(event.view(), View::Overrun { .. }), "the witness must lose nothing");
        all.delivered += 1;
        match name_of(&event, pid) {
            Some(name) if name == begin => all.delivered = 0,
            Some(name) if name == end => between = Some(all.delivered),
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
fn an_overrun_is_an_error_once_and_the_books_tell_how_many() {
    needs_root!();
    let filter = Filter::events(EventMask::COMM).no_threads();
    let connector = open(Options::new().filter(filter).queue_bytes(32 << 10));
    let mut renamer = Renamer::start();
    renamer.rename("flood", 2_000);
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
    // Others may have renamed themselves meanwhile.
    assert!(books.received + books.lost >= 2_000, "{books:?}");
    // No blindness afterwards. (But others may leave no room.)
    for i in 0.. {
        renamer.rename(&format!("after-{i}"), 1);
        match connector.recv(&mut []) {
            Ok(ProcEvent::Comm { pid, .. }) if pid == renamer.pid as u32 => break,
            Ok(_) | Err(Error::Overrun | Error::WouldBlock) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A queue that is resized while it overflows keeps its books.
#[test]
fn resizing_keeps_the_books_exact() {
    needs_root!();
    let filter = Filter::events(EventMask::COMM).no_threads();
    let connector = open(Options::new().filter(filter).queue_bytes(64 << 20));
    let mut renamer = Renamer::start();
    renamer.rename("large", 1_000);
    connector.set_recv_buf_size(16 << 10).expect("set_recv_buf_size");
    renamer.rename("small", 1_000);
    connector.set_recv_buf_size(64 << 20).expect("set_recv_buf_size");
    renamer.rename("large", 1_000);
    let mut reader = Reader::new(&connector);
    reader.drain(renamer.pid, "");
    let Reader { delivered, lost, .. } = reader;
    let books = connector.stats();
    assert_eq!((books.received, books.lost), (delivered, lost));
    assert!(lost >= 1_000, "{lost}");
    assert!(delivered >= 2_000, "{delivered}");
}
