//! Our Rust face.

use super::{PATIENCE, datagrams, times};
use ours::{Event, Options, ProcConnector, parse_netlink_message};
use std::hint::black_box;
use std::time::Duration;

#[unsafe(no_mangle)]
extern "C" fn face_open(rcvbuf_bytes: u32) -> Box<ProcConnector> {
    let options = Options::new().queue_bytes(rcvbuf_bytes as usize);
    Box::new(ProcConnector::open(&options).expect("open"))
}

#[unsafe(no_mangle)]
extern "C" fn face_recv(connector: &ProcConnector, count: i64) -> i64 {
    times(count, || connector.recv(&mut []))
}

#[unsafe(no_mangle)]
extern "C" fn face_recv_timeout(connector: &ProcConnector, count: i64) -> i64 {
    times(count, || {
        let event = connector.recv_timeout(&mut [], PATIENCE);
        event.map(|event| event.expect("no wait"))
    })
}

#[unsafe(no_mangle)]
extern "C" fn face_recv_event(connector: &ProcConnector, count: i64) -> i64 {
    times(count, || {
        let event = connector.recv_event(Some(PATIENCE));
        event.map(|event| event.expect("no wait"))
    })
}

#[unsafe(no_mangle)]
extern "C" fn face_recv_events(connector: &ProcConnector, count: i64) -> i64 {
    let mut events = [Event::EMPTY; 64];
    let mut got = 0;
    while got < count {
        let room = events.len().min((count - got) as usize);
        let taken = connector.recv_events(&mut events[..room], Some(Duration::ZERO));
        got += taken.expect("no error") as i64;
        black_box(&events);
    }
    got
}

#[unsafe(no_mangle)]
extern "C" fn face_close(connector: Box<ProcConnector>) {
    drop(connector);
}

/// # Safety
/// There must be `count` datagrams.
#[unsafe(no_mangle)]
unsafe extern "C" fn face_parse(first: *const u8, count: usize) -> i64 {
    // SAFETY: as the caller promises.
    let parsed = unsafe { datagrams(first, count) }
        .map(|datagram| black_box(parse_netlink_message(datagram, datagram.len())));
    parsed.filter(|result| matches!(result, Ok(Some(_)))).count() as i64
}
