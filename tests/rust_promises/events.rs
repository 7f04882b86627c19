use crate::support::{Beacon, find, find_old, needs_root, open};
use proc_connector::{
    Error, EventMask, Liveness, NetlinkMessageIter, Options, ProcEvent, View,
    parse_netlink_message, process_alive,
};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

/// Defect 1: 0.3 takes SIGCHLD, which every parent gets, for the signal that killed the child.
#[test]
fn an_exit_carries_the_status_that_the_parent_gets() {
    needs_root!();
    let connector = open(Options::new().filter(EventMask::EXIT));
    for script in ["exit 0", "exit 3", "exit 255", "kill -9 $$", "kill -15 $$"] {
        let mut child = Command::new("sh").args(["-c", script]).spawn().expect("sh");
        let id = child.id();
        let status = child.wait().expect("a child");
        let exit = find_old(&connector, |event| match event {
            ProcEvent::Exit { pid, .. } if *pid == id => Some(event.clone()),
            _ => None,
        });
        assert_eq!(exit.exit_status(), status.code(), "{script}: {exit}");
        assert_eq!(exit.terminating_signal(), status.signal(), "{script}: {exit}");
        let ProcEvent::Exit { parent_tgid, .. } = exit else { unreachable!() };
        // The kernel gives none if the parent was faster.
        assert!([0, std::process::id()].contains(&parent_tgid), "{exit}");
    }
}

#[test]
fn every_way_to_receive_delivers_equal_events() {
    needs_root!();
    let mut beacon = Beacon::start();
    let connectors: Vec<_> = (0..4).map(|_| open(Options::new().filter(EventMask::GID))).collect();
    beacon.emit(4, 1);
    let [a, b, c, d] = connectors.as_slice() else { unreachable!() };
    let ours = |event: &ProcEvent| match event {
        ProcEvent::Gid { pid, .. } => *pid == beacon.pid as u32,
        _ => false,
    };
    let event = find_old(a, |event| ours(event).then(|| event.clone()));
    let blocking = loop {
        let event = b.recv(&mut []).expect("recv");
        if ours(&event) {
            break event;
        }
    };
    let raw = loop {
        let mut buffer = [0; 4096];
        let size = c.recv_raw(&mut buffer).expect("recv_raw");
        assert_eq!(size, 76);
        let events: Vec<_> = NetlinkMessageIter::new(&buffer, size).collect();
        assert_eq!(events.len(), 1);
        let event = parse_netlink_message(&buffer, size).expect("a message").expect("an event");
        if ours(&event) {
            break event;
        }
    };
    let new = find(d, |event| (event.pid() == beacon.pid).then_some(*event));
    assert_eq!(event, blocking);
    assert_eq!(event, raw);
    let View::Gid { pid, tgid, rgid: 0, egid: 4 } = new.view() else { panic!("{new}") };
    assert_eq!(
        event,
        ProcEvent::Gid {
            cpu: new.cpu,
            seq: new.seq,
            pid: pid as u32,
            tgid: tgid as u32,
            rgid: 0,
            egid: 4,
            timestamp_ns: new.timestamp_ns
        }
    );
}

#[test]
fn a_fork_an_exec_and_an_exit_come_in_this_order() {
    needs_root!();
    let kinds = EventMask::FORK | EventMask::EXEC | EventMask::EXIT;
    let connector = open(Options::new().filter(kinds));
    let mut child = Command::new("true").spawn().expect("true");
    let id = child.id() as i32;
    child.wait().expect("a child");
    find(&connector, |event| match event.view() {
        View::Fork { child_pid, parent_tgid, .. } if child_pid == id => {
            assert_eq!(parent_tgid as u32, std::process::id());
            Some(())
        }
        _ => None,
    });
    find(&connector, |event| {
        matches!(event.view(), View::Exec { tgid, .. } if tgid == id).then_some(())
    });
    find(&connector, |event| {
        matches!(event.view(), View::Exit { pid, exit_code: 0, exit_signal: libc::SIGCHLD, .. }
            if pid == id)
        .then_some(())
    });
}

#[test]
fn process_alive_reports_processes_and_refuses_the_ids_of_threads() {
    assert!(matches!(process_alive(std::process::id()), Ok(Liveness::Alive)));
    assert!(matches!(process_alive(std::process::id() as i32), Ok(Liveness::Alive)));
    let mut child = Command::new("true").spawn().expect("true");
    let id = child.id();
    child.wait().expect("a child");
    assert!(matches!(process_alive(id), Ok(Liveness::Ended)));
    let thread = std::thread::spawn(|| {
        // SAFETY: takes nothing.
        process_alive(unsafe { libc::gettid() })
    });
    let result = thread.join().expect("a thread");
    assert!(matches!(result, Err(Error::Os(e)) if e.raw_os_error() == Some(libc::ESRCH)));
    for id in [0, -1] {
        let result = process_alive(id);
        assert!(matches!(result, Err(Error::Os(e)) if e.raw_os_error() == Some(libc::EINVAL)));
    }
    let result = process_alive(u32::MAX);
    assert!(matches!(result, Err(Error::Os(e)) if e.raw_os_error() == Some(libc::EINVAL)));
}
