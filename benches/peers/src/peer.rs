//! proc-connector 0.3.

use super::{PATIENCE, datagrams, set_queue, times};
use peer::{Error, ProcConnector, ProcEvent, parse_netlink_message};
use std::hint::black_box;
use std::os::fd::RawFd;

#[unsafe(no_mangle)]
extern "C" fn peer_open(rcvbuf_bytes: u32) -> Box<ProcConnector> {
    // The failure of somebody else's subscription fails its own.
    let connector = loop {
        if let Ok(connector) = ProcConnector::new() {
            break connector;
        }
    };
    set_queue(connector.as_raw_fd(), rcvbuf_bytes);
    Box::new(connector)
}

#[unsafe(no_mangle)]
extern "C" fn peer_recv(connector: &ProcConnector, count: i64) -> i64 {
    let mut buffer = [0; 4096];
    times(count, || connector.recv(&mut buffer))
}

#[unsafe(no_mangle)]
extern "C" fn peer_recv_timeout(connector: &ProcConnector, count: i64) -> i64 {
    let mut buffer = [0; 4096];
    times(count, || {
        let event = connector.recv_timeout(&mut buffer, PATIENCE);
        event.map(|event| event.expect("no wait"))
    })
}

#[unsafe(no_mangle)]
extern "C" fn peer_fd(connector: &ProcConnector) -> RawFd {
    connector.as_raw_fd()
}

/// # Safety
/// `last` must be readable.
#[unsafe(no_mangle)]
unsafe extern "C" fn peer_watch(connector: &ProcConnector, last: *const u32) -> i64 {
    let mut buffer = [0; 4096];
    let mut count = 0;
    loop {
        match connector.recv(&mut buffer) {
            Ok(ProcEvent::Exec { .. }) => count += 1,
            Ok(ProcEvent::Exit { pid, tgid, .. }) if pid == tgid => {
                count += 1;
                // SAFETY: readable, as the caller promises.
                if tgid == unsafe { last.read_volatile() } {
                    return count;
                }
            }
            Ok(_) | Err(Error::Overrun) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn peer_close(connector: Box<ProcConnector>) {
    drop(connector);
}

/// # Safety
/// There must be `count` datagrams.
#[unsafe(no_mangle)]
unsafe extern "C" fn peer_parse(first: *const u8, count: usize) -> i64 {
    // SAFETY: as the caller promises.
    let parsed = unsafe { datagrams(first, count) }
        .map(|datagram| black_box(parse_netlink_message(datagram, datagram.len())));
    parsed.filter(|result| matches!(result, Ok(Some(_)))).count() as i64
}
