//! Tables on sockets that exist already, and on another /proc.
#![cfg(feature = "table")]

use crate::changes::find;
use crate::support::{PATIENCE, assert_os, datagram, in_child, needs_root};
use crate::table::{drop_privileges, end, next_of, sleeper};
use proc_connector::{
    ChangeView, Error, PROC_EVENT_EXIT, PROC_EVENT_FORK, ProcessTable, TableOptions, change,
};
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{self, Command};
use std::time::{Duration, Instant};

/// Releases a table, once there is nothing to report.
fn release(mut table: ProcessTable) -> OwnedFd {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match table.into_fd() {
            Ok(socket) => return socket,
            Err((Error::Os(error), busy)) if error.raw_os_error() == Some(libc::EBUSY) => {
                table = *busy
            }
            Err((error, _)) => panic!("{error}"),
        }
        while table.next(Some(Duration::ZERO)).expect("a table").is_some() {}
        assert!(Instant::now() < deadline, "the table stays busy");
    }
}

#[test]
fn a_table_on_the_socket_that_another_one_released_misses_nothing() {
    needs_root!();
    let mut table = ProcessTable::open().expect("a table");
    next_of(&mut table, change::SYNCED);
    let (leaving, staying) = (sleeper(), sleeper());
    next_of(&mut table, change::STARTED);
    // A hold of another thread keeps the connector open.
    let remote = table.remote();
    let (error, table) = table.into_fd().expect_err("a table with a hold");
    assert!(matches!(error, Error::Os(error) if error.raw_os_error() == Some(libc::EBUSY)));
    drop(remote);
    let socket = release(*table);

    let left = leaving.id() as i32;
    end(leaving);
    let mut passing = Command::new("sh").args(["-c", "exit 3"]).spawn().expect("sh");
    let passed = passing.id() as i32;
    let status = passing.wait().expect("a child");
    let options = TableOptions::new().subscribed();
    let mut successor =
        ProcessTable::from_fd(socket, &options).map_err(|(error, _)| error).expect("a table");
    let (mut started, mut exits) = (Vec::new(), Vec::new());
    while !successor.is_synced() {
        let change = successor.next(Some(PATIENCE)).expect("a table").expect("a change");
        match change.view() {
            ChangeView::Started(process) => started.push(process.pid),
            ChangeView::Exited { process, status, .. } => exits.push((process.pid, status)),
            _ => {}
        }
    }
    assert!(started.contains(&passed), "{passed} did not start: {started:?}");
    assert!(exits.contains(&(passed, Some(status))), "{passed} did not exit: {exits:?}");
    assert!(exits.iter().any(|(pid, _)| *pid == left), "{left} did not exit: {exits:?}");
    let stayed = staying.id() as i32;
    assert_eq!(successor.get(stayed).map(|process| process.name()), Some("sleep".to_owned()));
    end(staying);
    find(&mut successor, |change| match change.view() {
        ChangeView::Exited { process, .. } if process.pid == stayed => Some(()),
        _ => None,
    });
}

/// A directory with made-up processes, as /proc shows them.
struct MadeUp(PathBuf);

impl MadeUp {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("processes-{}-{test}", process::id()));
        fs::create_dir(&path).expect("a directory");
        let made_up = Self(path);
        made_up.add(1, 0, "first");
        made_up.add(100, 1, "shell");
        made_up
    }

    fn folder(&self, pid: i32) -> PathBuf {
        self.0.join(pid.to_string())
    }

    fn add(&self, pid: i32, parent: i32, comm: &str) {
        let folder = self.folder(pid);
        fs::create_dir(&folder).expect("a folder");
        // The start, among the zeros, is not later than the timestamp of the FORK.
        let zeros = " 0".repeat(31);
        let stat = format!(
            "{pid} ({comm}) S {parent} {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0{zeros}\n"
        );
        fs::write(folder.join("stat"), stat).expect("a file");
        let status = format!("Name:\t{comm}\nUid:\t7\t8\t7\t7\nGid:\t9\t10\t9\t9\n");
        fs::write(folder.join("status"), status).expect("a file");
    }

    fn remove(&self, pid: i32) {
        fs::remove_dir_all(self.folder(pid)).expect("a folder");
    }

    fn open(&self) -> File {
        File::open(&self.0).expect("a directory")
    }
}

impl Drop for MadeUp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn feed_pair() -> (OwnedFd, OwnedFd) {
    let mut pair = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: room for two descriptors, which nobody else owns.
    unsafe {
        assert_eq!(libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()), 0);
        (OwnedFd::from_raw_fd(pair[0]), OwnedFd::from_raw_fd(pair[1]))
    }
}

fn feed(feeder: &OwnedFd, what: u32, ids: &[u32]) {
    let mut union: Vec<u8> = ids.iter().flat_map(|id| id.to_ne_bytes()).collect();
    union.resize(24, 0);
    let bytes = datagram(what, &union);
    // SAFETY: a buffer with its size.
    let sent = unsafe { libc::send(feeder.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
    assert_eq!(sent, bytes.len() as isize);
}

fn follow_made_up() {
    let (made_up, feeder, mut table) = made_up_table("fed");
    next_of(&mut table, change::SYNCED);
    assert_eq!(table.len(), 2);
    let shell = table.get(100).expect("process 100");
    assert_eq!((shell.name(), shell.euid, shell.egid), ("shell".to_owned(), 8, 10));
    assert_eq!(Some(shell.parent_id), table.get(1).map(|first| first.id));

    made_up.add(200, 100, "child");
    feed(&feeder, PROC_EVENT_FORK, &[100, 100, 200, 200]);
    let started = next_of(&mut table, change::STARTED).process;
    assert_eq!(
        (started.pid, started.name(), started.parent_id),
        (200, "child".to_owned(), shell.id)
    );
    made_up.remove(200);
    feed(&feeder, PROC_EVENT_EXIT, &[200, 200, 5 << 8, 17, 100, 100]);
    let exited = next_of(&mut table, change::EXITED);
    assert_eq!((exited.process.pid, exited.exit_code), (200, 5 << 8));
    // Not by closing it: a process that another test forks may hold a copy.
    // SAFETY: takes no pointer.
    assert_eq!(unsafe { libc::shutdown(feeder.as_raw_fd(), libc::SHUT_RDWR) }, 0);
    let ended = loop {
        match table.next(Some(PATIENCE)) {
            Ok(change) => assert!(change.is_some(), "the end did not come"),
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, Error::ConnectionClosed), "{ended}");
}

#[test]
fn a_test_without_privilege_feeds_a_table_with_made_up_events_and_made_up_processes() {
    let nobody = std::thread::spawn(|| {
        // SAFETY: takes nothing.
        if unsafe { libc::geteuid() } == 0 {
            drop_privileges();
        }
        follow_made_up();
    });
    nobody.join().expect("a table of made-up processes");
}

/// A table of made-up processes, and what feeds it.
fn made_up_table(test: &str) -> (MadeUp, OwnedFd, ProcessTable) {
    let made_up = MadeUp::new(test);
    let (feeder, socket) = feed_pair();
    let proc = made_up.open();
    let options = TableOptions::new().proc_fd(proc.as_fd());
    let opened = ProcessTable::from_fd(socket, &options).map_err(|(error, _)| error);
    (made_up, feeder, opened.expect("a table"))
}

#[test]
fn a_table_whose_stream_has_ended_reports_that_at_each_call_and_is_never_released() {
    let (_made_up, feeder, mut table) = made_up_table("ended");
    // Not by closing it: a process that another test forks may hold a copy.
    // SAFETY: takes no pointer.
    assert_eq!(unsafe { libc::shutdown(feeder.as_raw_fd(), libc::SHUT_RDWR) }, 0);
    while table.next(Some(PATIENCE)).is_ok_and(|change| change.is_some()) {}
    for _ in 0..3 {
        let ended = table.next(Some(PATIENCE));
        assert!(matches!(ended, Err(Error::ConnectionClosed)), "{ended:?}");
        let (error, busy) = table.into_fd().expect_err("a table whose stream has ended");
        assert_os(Err::<(), _>(error), libc::EBUSY);
        table = *busy;
    }
}

#[test]
fn each_call_to_a_table_in_a_forked_child_reports_that_it_is_one() {
    let (_made_up, _feeder, mut table) = made_up_table("forked");
    next_of(&mut table, change::SYNCED);
    let is_child =
        |error: &Error| matches!(error, Error::Os(it) if it.raw_os_error() == Some(libc::ECHILD));
    let status = in_child(move || {
        for number in 1..=3 {
            if !table.next(Some(PATIENCE)).is_err_and(|error| is_child(&error)) {
                return number;
            }
        }
        match table.into_fd() {
            Err((error, _)) if is_child(&error) => 0,
            _ => 4,
        }
    });
    assert_eq!(status, 0, "the number of the call that does otherwise");
}

#[test]
fn a_socket_that_a_table_refuses_is_given_back() {
    let made_up = MadeUp::new("refused");
    let (directory, null) = (made_up.open(), File::open("/dev/null").expect("a file"));
    let fine = TableOptions::new().proc_fd(directory.as_fd());
    let (_feeder, mut socket) = feed_pair();
    let fd = socket.as_raw_fd();
    for (options, number) in [
        (TableOptions::new().proc_fd(null.as_fd()), libc::ENOTDIR),
        (fine.max_work(0), libc::EINVAL),
        (fine.fields(1 << 31), libc::EINVAL),
    ] {
        let (error, returned) = ProcessTable::from_fd(socket, &options).expect_err("bad options");
        assert!(
            matches!(error, Error::Os(ref error) if error.raw_os_error() == Some(number)),
            "{error}"
        );
        assert_eq!(returned.as_raw_fd(), fd);
        socket = returned;
    }
    let (error, _) = ProcessTable::from_fd(null.into(), &fine).expect_err("no socket");
    let number = libc::EPROTOTYPE;
    assert!(
        matches!(error, Error::Os(ref error) if error.raw_os_error() == Some(number)),
        "{error}"
    );
    assert!(ProcessTable::from_fd(socket, &fine).is_ok());
}

#[test]
fn table_options_can_be_compared_with_the_directory_that_they_borrow() {
    let (one, other) =
        (File::open("/").expect("a directory"), File::open("/").expect("a directory"));
    let options = TableOptions::new().proc_fd(one.as_fd());
    assert_eq!(options, TableOptions::new().proc_fd(one.as_fd()));
    assert_ne!(options, TableOptions::new().proc_fd(other.as_fd()));
    assert_ne!(options, TableOptions::new());
    let unborrowed: TableOptions<'static> = TableOptions::default();
    assert_eq!(unborrowed, TableOptions::new());
}

#[test]
fn a_table_reads_the_proc_of_a_descriptor_that_is_closed_afterwards() {
    needs_root!();
    let proc = File::open("/proc").expect("/proc");
    let mut table =
        ProcessTable::with(&TableOptions::new().proc_fd(proc.as_fd())).expect("a table");
    drop(proc);
    next_of(&mut table, change::SYNCED);
    assert!(table.get(std::process::id() as i32).is_some());
}
