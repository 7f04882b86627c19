use crate::support::{Beacon, assert_os, find, in_child, needs_root, number_of, open};
use proc_connector::{Error, Event, EventMask, Options, ProcConnector};
use std::time::Duration;

fn is_child_error<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Os(error)) if error.raw_os_error() == Some(libc::ECHILD))
}

/// Defect 6: in 0.3 a forked child takes the parent's events, and its drop unsubscribes the parent.
#[test]
fn a_forked_child_can_only_close_its_copy_of_a_connector() {
    needs_root!();
    let mut beacon = Beacon::start();
    let connector = open(Options::new().filter(EventMask::GID));
    beacon.emit(1, 1);
    // SAFETY: the child makes no use of what other threads may have locked.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let calls = [
            is_child_error(connector.recv(&mut [0; 4096])),
            is_child_error(connector.recv_timeout(&mut [0; 4096], Duration::ZERO)),
            is_child_error(connector.recv_raw(&mut [0; 4096])),
            is_child_error(connector.recv_raw_timeout(&mut [0; 4096], Duration::ZERO)),
            is_child_error(connector.recv_event(None)),
            is_child_error(connector.recv_events(&mut [Event::EMPTY], None)),
            is_child_error(connector.subscribe()),
            is_child_error(connector.subscribe_filtered(EventMask::ALL)),
            is_child_error(connector.unsubscribe()),
            is_child_error(connector.resume()),
            is_child_error(connector.set_filter(EventMask::ALL)),
            is_child_error(connector.check()),
            is_child_error(connector.interrupt()),
            is_child_error(connector.set_recv_buf_size(1 << 20)),
            is_child_error(connector.set_nonblocking()),
        ];
        let wrong = calls.iter().position(|right| !right).map_or(0, |call| call as i32 + 1);
        drop(connector);
        // SAFETY: ends this process.
        unsafe { libc::_exit(wrong) };
    }
    let mut status = 0;
    // SAFETY: a child of ours and a local.
    while unsafe { libc::waitpid(pid, &mut status, 0) } != pid {}
    assert_eq!(status, 0, "wrong call (counted from 1) or signal");
    beacon.emit(2, 1);
    for number in [1, 2] {
        assert_eq!(find(&connector, |event| number_of(event, beacon.pid)), number);
    }
    assert_eq!(connector.stats().lost, 0);
}

/// Defect 3: in a PID namespace 0.3 says that all is well, or blocks for ever.
#[test]
fn opening_in_another_pid_namespace_fails_at_once_with_its_own_error() {
    needs_root!();
    // So that the kernel builds events at all.
    let _listener = ProcConnector::new().expect("new");
    let status = in_child(|| {
        // SAFETY: takes no pointer.
        if unsafe { libc::unshare(libc::CLONE_NEWPID) } != 0 {
            return 99;
        }
        in_child(|| match ProcConnector::new() {
            Ok(_) => 1,
            Err(Error::Os(error)) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => 0,
            Err(_) => 2,
        })
    });
    assert_eq!(status, 0, "1: opened, 2: another error, 99: unshare failed");
}

#[test]
fn opening_in_another_network_namespace_fails_with_its_own_error() {
    needs_root!();
    let status = in_child(|| {
        // SAFETY: takes no pointer.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return 99;
        }
        match ProcConnector::new() {
            Ok(_) => 1,
            Err(error) if error.explanation().contains("--net=host") => 0,
            Err(_) => 2,
        }
    });
    assert_eq!(status, 0, "1: opened, 2: another error, 99: unshare failed");
}

/// Defect 8: what the system does not give is an error.
#[test]
fn an_unprivileged_queue_never_claims_more_than_it_has() {
    needs_root!();
    let status = in_child(|| {
        let Ok(connector) = ProcConnector::new() else { return 98 };
        // SAFETY: takes no pointer.
        if unsafe { libc::setuid(65534) } != 0 {
            return 99;
        }
        let before = connector.stats();
        let refused = connector.set_recv_buf_size(1 << 30);
        let refused = matches!(refused, Err(Error::Os(e)) if e.raw_os_error() == Some(libc::EPERM));
        if !refused || connector.stats() != before {
            return 1;
        }
        i32::from(connector.set_recv_buf_size(64 << 10).is_err()) * 2
            + i32::from(connector.stats().queue_bytes != 64 << 10) * 4
    });
    assert_eq!(status, 0);
}

#[test]
fn the_option_subscribed_is_refused_unless_a_socket_is_adopted() {
    assert_os(ProcConnector::open(&Options::new().subscribed()), libc::EINVAL);
}
