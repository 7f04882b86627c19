use crate::support::{Beacon, PATIENCE, Raw, assert_os, datagram, find, needs_root, number_of};
use proc_connector::{
    Error, EventMask, Options, PROC_CN_MCAST_LISTEN, PROC_EVENT_COMM, PROC_EVENT_EXEC,
    PROC_EVENT_FORK, ProcConnector, ProcEvent, View,
};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// One end for the kernel's part, and the connector on the other.
fn fed(options: &Options) -> (File, ProcConnector) {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors, which nobody else owns.
    let (ours, its) = unsafe {
        let result = libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, ends.as_mut_ptr());
        assert_eq!(result, 0);
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    };
    (File::from(ours), ProcConnector::from_fd(its, options).expect("from_fd"))
}

fn feed(feeder: &File, bytes: &[u8]) {
    // SAFETY: a buffer and its size.
    let sent = unsafe {
        libc::send(feeder.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL)
    };
    assert_eq!(sent, bytes.len() as isize);
}

/// Not by closing it: a process that another test forks may hold a copy.
fn finish(feeder: &File) {
    // SAFETY: takes no pointer.
    assert_eq!(unsafe { libc::shutdown(feeder.as_raw_fd(), libc::SHUT_RDWR) }, 0);
}

#[test]
fn a_program_without_privilege_can_be_fed_events_until_the_stream_ends() {
    let (feeder, connector) = fed(&Options::new().filter(EventMask::EXEC));
    feed(&feeder, &datagram(PROC_EVENT_FORK, &[1; 24]));
    feed(&feeder, &datagram(PROC_EVENT_EXEC, &[1; 24]));
    feed(&feeder, b"nonsense");
    connector.subscribe_filtered(EventMask::EXEC).expect("nothing to do");
    assert!(!connector.check().expect("nothing to do"));
    finish(&feeder);
    let event = connector.recv_event(None).expect("recv_event").expect("an event");
    assert_eq!(event.view(), View::Exec { pid: 0x0101_0101, tgid: 0x0101_0101 });
    assert_eq!((event.cpu, event.timestamp_ns, event.seq), (3, 77, 9));
    for _ in 0..2 {
        assert!(matches!(connector.recv(&mut [0; 64]), Err(Error::ConnectionClosed)));
        assert!(matches!(connector.recv_event(None), Err(Error::ConnectionClosed)));
    }
    let stats = connector.stats();
    assert_eq!((stats.received, stats.filtered, stats.malformed), (1, 1, 1));
}

#[test]
fn every_waiting_thread_gets_the_end_of_the_stream() {
    for _ in 0..20 {
        let (feeder, connector) = fed(&Options::new());
        std::thread::scope(|scope| {
            let waiters = [(); 4].map(|()| scope.spawn(|| connector.recv_event(None)));
            std::thread::sleep(std::time::Duration::from_millis(5));
            feed(&feeder, b"");
            for waiter in waiters {
                let end = waiter.join().expect("no panic");
                assert!(matches!(end, Err(Error::ConnectionClosed)));
            }
        });
    }
}

#[test]
fn an_unknown_event_is_delivered_whole() {
    let (feeder, connector) = fed(&Options::new());
    let union: Vec<u8> = (0..200).collect();
    for _ in 0..3 {
        feed(&feeder, &datagram(0x1000, &union));
    }
    let event = connector.recv(&mut []).expect("recv");
    assert_eq!(event, ProcEvent::Unknown { what: 0x1000, raw_data: union.clone() });
    assert_eq!(event.to_string(), "UNKNOWN what=0x00001000 len=200");
    let mut buffer = [0; 256];
    let size = connector.recv_raw(&mut buffer).expect("recv_raw");
    assert_eq!(buffer[..size], datagram(0x1000, &union));
    let event = connector.recv_event(None).expect("recv_event").expect("an event");
    let View::Unknown { what: 0x1000, size: 200, raw } = event.view() else { panic!("{event}") };
    assert_eq!(raw, union[..32]);
}

#[test]
fn recv_raw_leaves_an_event_that_does_not_fit_in_the_queue_even_behind_a_discarded_one() {
    let (feeder, connector) = fed(&Options::new());
    feed(&feeder, &[0xff; 40]);
    feed(&feeder, &datagram(PROC_EVENT_COMM, b"\x07\0\0\0\x07\0\0\0a-name\0\0\0\0\0\0\0\0\0\0"));
    for _ in 0..2 {
        let result = connector.recv_raw(&mut [0; 50]);
        assert!(matches!(result, Err(Error::BufferTooSmall { needed: 76 })), "{result:?}");
    }
    assert_eq!(connector.recv_raw(&mut [0; 76]).expect("recv_raw"), 76);
    // More than fits in any buffer of the library: no event of today or tomorrow.
    feed(&feeder, &datagram(0x1000, &[0; 1000]));
    let result = connector.recv_raw(&mut [0; 100]);
    assert!(matches!(result, Err(Error::BufferTooSmall { needed: 256 })), "{result:?}");
    connector.set_nonblocking().expect("set_nonblocking");
    assert!(matches!(connector.recv_raw(&mut [0; 256]), Err(Error::WouldBlock)));
    assert_eq!(connector.stats().malformed, 2);
}

#[test]
fn recv_raw_returns_the_end_of_a_stream_although_a_datagram_that_does_not_fit_is_behind_it() {
    let (feeder, connector) = fed(&Options::new());
    feed(&feeder, b"");
    feed(&feeder, &datagram(PROC_EVENT_EXEC, &[1; 24]));
    for _ in 0..2 {
        let result = connector.recv_raw_timeout(&mut [0; 10], Duration::ZERO);
        assert!(matches!(result, Err(Error::ConnectionClosed)), "{result:?}");
    }
}

#[test]
fn recv_raw_never_takes_an_event_that_does_not_fit_even_if_the_event_comes_during_the_call() {
    const EVENTS: usize = 500;
    let (feeder, connector) = fed(&Options::new());
    let take = |room: usize| connector.recv_raw_timeout(&mut vec![0; room], Duration::ZERO);
    let mut unexpected = None;
    let asked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // One event at a time, each at another moment of a call.
        scope.spawn(|| {
            let mut answered = 0;
            while answered < EVENTS {
                let number = asked.load(SeqCst);
                if number > answered {
                    (0..answered % 500).for_each(|_| std::hint::spin_loop());
                    feed(&feeder, &datagram(PROC_EVENT_EXEC, &[1; 24]));
                    answered = number;
                }
            }
        });
        for number in 1..=EVENTS {
            asked.store(number, SeqCst);
            let deadline = Instant::now() + PATIENCE;
            let result = loop {
                match take(10) {
                    Ok(None) if Instant::now() < deadline => {}
                    other => break other,
                }
            };
            let is_kept = matches!(result, Err(Error::BufferTooSmall { needed: 76 }));
            if !is_kept || !matches!(take(76), Ok(Some(76))) {
                unexpected = Some(result);
                asked.store(EVENTS, SeqCst);
                break;
            }
        }
    });
    assert!(unexpected.is_none(), "{unexpected:?}");
}

#[test]
fn from_fd_gives_back_a_descriptor_that_cannot_be_adopted() {
    let file = File::open("/proc/self/status").expect("a file");
    let raw = file.as_raw_fd();
    let (error, fd) =
        ProcConnector::from_fd(file.into(), &Options::new()).expect_err("not a socket");
    assert_os::<()>(Err(error), libc::EPROTOTYPE);
    assert_eq!(fd.as_raw_fd(), raw);
    let mut text = String::new();
    File::from(fd).read_to_string(&mut text).expect("it is still open");
    assert!(text.starts_with("Name:"));
}

#[test]
fn from_fd_keeps_the_events_queued_in_a_socket_from_a_privileged_parent() {
    needs_root!();
    let mut beacon = Beacon::start();
    let raw = Raw::open();
    raw.enlarge();
    raw.request(PROC_CN_MCAST_LISTEN);
    beacon.emit(1, 1);
    let options = Options::new().subscribed().filter(EventMask::GID);
    let connector = ProcConnector::from_fd(raw.0, &options).expect("from_fd");
    assert_eq!(find(&connector, |event| number_of(event, beacon.pid)), 1);
    beacon.emit(2, 1);
    assert_eq!(find(&connector, |event| number_of(event, beacon.pid)), 2);
}

#[test]
fn a_socket_that_is_given_away_stays_subscribed() {
    needs_root!();
    let mut beacon = Beacon::start();
    let options = Options::new().filter(EventMask::GID);
    let connector = ProcConnector::open(&options).expect("open");
    let socket = connector.into_fd().expect("into_fd");
    beacon.emit(1, 1);
    let successor = ProcConnector::from_fd(socket, &options.subscribed()).expect("from_fd");
    assert_eq!(find(&successor, |event| number_of(event, beacon.pid)), 1);
}
