use crate::support::{Beacon, PATIENCE, find, needs_root, number_of, open};
use proc_connector::{EventMask, Filter, Options, ProcConnector, View, kind};
use std::process::Command;
use std::time::Duration;

/// Defect 3: on new kernels 0.3's mask filters its own acknowledgement away, and it hangs; on old
/// ones it filters nothing.
#[test]
fn subscribe_filtered_returns_and_filters() {
    needs_root!();
    let connector = ProcConnector::new().expect("new");
    connector.subscribe_filtered(EventMask::EXEC | EventMask::EXIT).expect("subscribe_filtered");
    // Queued before the filter was.
    while connector.recv_event(Some(Duration::ZERO)).expect("recv_event").is_some() {}
    let mut child = Command::new("true").spawn().expect("true");
    child.wait().expect("a child");
    find(&connector, |event| {
        assert!([kind::EXEC, kind::EXIT].contains(&event.kind), "{event}");
        matches!(event.view(), View::Exit { pid, .. } if pid == child.id() as i32).then_some(())
    });
    assert!(connector.stats().received >= 2);
}

#[test]
fn subscribe_means_everything_and_resume_keeps_the_filter() {
    needs_root!();
    let mut beacon = Beacon::start();
    let connector = open(Options::new().filter(EventMask::EXEC));
    let mut number = 0;
    // Whether the beacon's events come; an exec, which always does, tells when to give up. Others
    // may flood the machine: what is lost is tried again.
    let mut is_heard = || {
        loop {
            number += 1;
            let lost = connector.stats().lost;
            beacon.emit(number, 1);
            let mut child = Command::new("true").spawn().expect("true");
            child.wait().expect("a child");
            let mut heard = false;
            loop {
                let event = connector.recv_event(Some(PATIENCE)).expect("recv_event");
                let Some(event) = event else { break };
                heard |= number_of(&event, beacon.pid) == Some(number);
                let is_last = matches!(event.view(), View::Exec { pid, .. }
                    if pid == child.id() as i32);
                if is_last || event.kind == kind::OVERRUN {
                    break;
                }
            }
            if connector.stats().lost == lost {
                return heard;
            }
        }
    };
    assert!(!is_heard());
    connector.unsubscribe().expect("unsubscribe");
    connector.unsubscribe().expect("unsubscribe twice");
    connector.resume().expect("resume");
    connector.resume().expect("resume twice");
    assert!(!is_heard());
    connector.unsubscribe().expect("unsubscribe");
    connector.subscribe().expect("subscribe");
    assert!(is_heard());
    connector.set_filter(EventMask::EXEC).expect("set_filter");
    assert!(!is_heard());
    connector.unsubscribe().expect("unsubscribe");
    connector.set_filter(EventMask::EXEC | EventMask::GID).expect("set_filter while paused");
    connector.resume().expect("resume");
    assert!(is_heard());
}

#[test]
fn while_unsubscribed_no_event_arrives_but_queued_ones_can_be_received() {
    needs_root!();
    let mut beacon = Beacon::start();
    let connector = open(Options::new().filter(EventMask::GID));
    beacon.emit(1, 3);
    connector.unsubscribe().expect("unsubscribe");
    beacon.emit(11, 3);
    connector.resume().expect("resume");
    beacon.emit(21, 3);
    let numbers: Vec<_> =
        (0..6).map(|_| find(&connector, |event| number_of(event, beacon.pid))).collect();
    assert_eq!(numbers, [1, 2, 3, 21, 22, 23]);
}

#[test]
fn threads_and_successes_can_be_left_out() {
    needs_root!();
    let failures = Filter::events(EventMask::EXIT).no_threads().nonzero_exit();
    let connector = open(Options::new().filter(failures));
    for status in ["0", "1"] {
        let mut child =
            Command::new("sh").args(["-c", &format!("exit {status}")]).spawn().expect("sh");
        child.wait().expect("a child");
        std::thread::spawn(|| {}).join().expect("a thread");
        if status == "1" {
            find(&connector, |event| {
                let View::Exit { pid, tgid, exit_code, .. } = event.view() else {
                    panic!("{event}")
                };
                assert_eq!(pid, tgid, "{event}");
                assert_ne!(exit_code, 0, "{event}");
                (pid == child.id() as i32).then_some(())
            });
        }
    }
}

#[test]
fn an_empty_mask_receives_nothing() {
    needs_root!();
    let connector = open(Options::new().filter(EventMask(0)));
    Command::new("true").status().expect("true");
    let event = connector.recv_event(Some(Duration::from_millis(20))).expect("recv_event");
    assert_eq!(event, None);
}
