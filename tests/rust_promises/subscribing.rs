use crate::support::{
    Beacon, Raw, assert_os, datagram, find, find_old, needs_root, number_of, open,
};
use proc_connector::{EventMask, Options, PROC_EVENT_EXIT, ProcConnector, ProcEvent};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

#[test]
fn the_option_because_of_which_a_connector_is_refused_is_named() {
    for bytes in [0, 1 << 31] {
        let options = Options::new().queue_bytes(bytes);
        assert_eq!(options.invalid(), Some("queue_bytes"));
        assert_os(ProcConnector::open(&options), libc::EINVAL);
    }
    for options in [Options::new(), Options::new().queue_bytes(1), Options::new().subscribed()] {
        assert_eq!(options.invalid(), None);
    }
}

/// Defect 2: 0.3 takes whatever it receives first for its acknowledgement.
#[test]
fn subscribing_swallows_no_event() {
    needs_root!();
    let mut beacon = Beacon::start();
    let connector = open(Options::new().filter(EventMask::GID));
    for i in 1..=10 {
        beacon.emit(i, 1);
        connector.subscribe().expect("subscribe");
    }
    for i in 1..=10 {
        assert_eq!(find(&connector, |event| number_of(event, beacon.pid)), i);
    }
}

/// Defects 2 and 4: in 0.3 other listeners' acknowledgements come as events with `what` 0, and
/// their failures fail one's own subscription.
#[test]
fn acknowledgements_for_other_listeners_are_ignored() {
    needs_root!();
    let mut beacon = Beacon::start();
    // Kinds that this version does not know, too.
    let kinds = EventMask::GID | EventMask(0x10);
    let connector = open(Options::new().filter(kinds));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = Raw::open();
            while !stop.load(Relaxed) {
                other.request(9); // Fails, and every listener is told.
            }
        });
        for _ in 0..100 {
            ProcConnector::new().expect("new");
            connector.unsubscribe().expect("unsubscribe");
            connector.subscribe_filtered(kinds).expect("subscribe_filtered");
        }
        stop.store(true, Relaxed);
    });
    beacon.emit(1, 1);
    find_old(&connector, |event| match event {
        ProcEvent::Unknown { .. } => panic!("{event}"),
        ProcEvent::Gid { pid, .. } => (*pid == beacon.pid as u32).then_some(()),
        _ => None,
    });
}

/// Defect 5: 0.3 delivers what any privileged process makes up.
#[test]
fn a_forged_event_is_counted_and_not_delivered() {
    needs_root!();
    let mut beacon = Beacon::start();
    let connector = open(Options::new().filter(EventMask::EXIT | EventMask::GID));
    let forged = datagram(PROC_EVENT_EXIT, &[0x7f; 24]);
    let raw = Raw::open();
    for groups in [1, 1] {
        assert_eq!(raw.send(&forged, groups), 0);
    }
    beacon.emit(1, 1);
    find(&connector, |event| {
        assert_ne!(event.tgid(), 0x7f7f_7f7f, "{event}");
        number_of(event, beacon.pid)
    });
    assert!(connector.stats().foreign >= 2);
}

#[test]
fn check_proves_that_the_kernel_reports() {
    needs_root!();
    let mut beacon = Beacon::start();
    let connector = open(Options::new().filter(EventMask::GID));
    connector.check().expect("check");
    beacon.emit(1, 1);
    find(&connector, |event| number_of(event, beacon.pid));
}

/// Defect 8: 0.3 says that all is well and gives half, or nothing.
#[test]
fn the_queue_is_as_large_as_was_asked_for_or_there_is_an_error() {
    needs_root!();
    let connector = ProcConnector::new().expect("new");
    let kernels = || {
        let (mut bytes, mut size) = (0_i32, 4);
        // SAFETY: a local of the stated size.
        let result = unsafe {
            libc::getsockopt(
                connector.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUF,
                (&raw mut bytes).cast(),
                &mut size,
            )
        };
        assert_eq!(result, 0);
        bytes as usize
    };
    assert_eq!(kernels(), 36 << 20);
    for bytes in [8 << 20, 64 << 20, 100_001, 16 << 10] {
        connector.set_recv_buf_size(bytes).expect("set_recv_buf_size");
        assert_eq!(kernels(), bytes.next_multiple_of(2));
        assert_eq!(connector.stats().queue_bytes as usize, kernels());
    }
    let before = kernels();
    for bytes in [0, 1 << 31, 1 << 32, (1 << 32) + 65536, usize::MAX] {
        assert_os(connector.set_recv_buf_size(bytes), libc::EINVAL);
        assert_eq!(kernels(), before);
        assert_os(ProcConnector::open(&Options::new().queue_bytes(bytes)), libc::EINVAL);
    }
    assert_eq!(open(Options::new().queue_bytes(1 << 20)).stats().queue_bytes, 1 << 20);
}
