use crate::support::{Beacon, needs_root, open};
use proc_connector::{Error, EventMask, Options, ProcConnector, ProcEvent};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

#[test]
fn a_connector_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    shared::<ProcConnector>();
}

#[test]
fn threads_share_the_events_of_a_connector_and_none_is_delivered_twice() {
    needs_root!();
    let mut beacon = Beacon::start();
    const COUNT: usize = 2000;
    let connector = open(Options::new().filter(EventMask::GID));
    let pid = beacon.pid as u32;
    let (seen, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let receive = |way: usize| {
        loop {
            let event = match way % 3 {
                0 => connector.recv(&mut [0; 4096]),
                1 => connector
                    .recv_timeout(&mut [], std::time::Duration::MAX)
                    .map(|event| event.expect("no end")),
                _ => {
                    let mut buffer = [0; 80];
                    connector.recv_raw(&mut buffer).map(|size| {
                        let event = proc_connector::parse_netlink_message(&buffer, size);
                        event.expect("a message").expect("an event")
                    })
                }
            };
            match event {
                Ok(ProcEvent::Gid { pid: its, egid, .. }) if its == pid => {
                    let mut seen = seen.lock().expect("no panic");
                    seen.push(egid);
                    if seen.len() == COUNT {
                        stop.store(true, SeqCst);
                    }
                }
                Ok(_) => {}
                Err(Error::Os(error)) if error.raw_os_error() == Some(libc::ECANCELED) => {}
                Err(error) => panic!("{error}"),
            }
            if stop.load(SeqCst) {
                // Each interrupt ends one wait: hand it on.
                connector.interrupt().expect("interrupt");
                return;
            }
        }
    };
    thread::scope(|scope| {
        for way in 0..6 {
            let receive = &receive;
            scope.spawn(move || receive(way));
        }
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                connector.check().expect("check");
                assert_eq!(connector.stats().lost, 0);
            }
        });
        beacon.emit(1, COUNT as u32);
    });
    let mut seen = seen.into_inner().expect("no panic");
    seen.sort_unstable();
    assert!(seen.into_iter().eq(1..=COUNT as u32));
}
