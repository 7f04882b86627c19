#![cfg(feature = "table")]

use crate::changes::find;
use crate::support::{assert_os, needs_root};
use proc_connector::{
    Change, ChangeView, Error, Process, ProcessTable, TableOptions, TextKind, change, field,
    process_texts, state,
};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that lives until it is killed.
pub fn sleeper() -> Child {
    Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().expect("sleep")
}

pub fn end(mut child: Child) {
    child.kill().expect("a child to kill");
    child.wait().expect("a child to wait for");
}

#[track_caller]
pub fn next_of(table: &mut ProcessTable, kind: u32) -> Change {
    find(table, |change| (change.kind == kind).then_some(*change))
}

#[test]
fn the_texts_of_a_process_are_those_that_proc_shows() {
    let long = "0".repeat(5000) + "1000";
    let child = Command::new("sleep").arg(&long).current_dir("/proc").spawn().expect("sleep");
    let process = Process::read(child.id()).expect("/proc").expect("a process");
    let kinds = [TextKind::CommandLine, TextKind::Directory, TextKind::Nspid];
    let [command_line, directory, nspid] = process.texts(kinds).expect("texts");
    let expected = format!("sleep\0{long}\0");
    assert_eq!(command_line.expect("a command line"), expected.into_bytes());
    assert_eq!(directory.expect("a directory"), b"/proc");
    assert_eq!(nspid.expect("a pid"), child.id().to_string().into_bytes());

    let errno = |result: proc_connector::Result<_>| match result {
        Err(Error::Os(error)) => error.raw_os_error(),
        _ => None,
    };
    let start = process.start_boottime_ns;
    for start in [start - 10_000_000, start + 10_000_000] {
        assert_eq!(errno(process_texts(child.id(), start, kinds)), Some(libc::ESRCH));
    }
    let mut other = process;
    other.pidfd_inode = 1; // No process has this inode.
    assert_eq!(errno(other.texts(kinds)), Some(libc::ESRCH));
    other.pid = 0;
    assert_eq!(errno(other.texts(kinds)), Some(libc::EINVAL));
    end(child);
    assert_eq!(errno(process.texts(kinds)), Some(libc::ESRCH));
    assert_eq!(errno(process_texts(0, 0, kinds)), Some(libc::EINVAL));
    assert_eq!(errno(process_texts(u32::MAX, 0, kinds)), Some(libc::EINVAL));
}

#[test]
fn a_table_reads_the_inodes_of_pidfds_if_it_is_asked_to() {
    needs_root!();
    let children = [sleeper(), sleeper()];
    let inodes_in = |options: TableOptions<'_>| {
        let mut table = ProcessTable::with(&options).expect("a table");
        next_of(&mut table, change::SYNCED);
        children.each_ref().map(|child| {
            let process = table.get(child.id().try_into().expect("a pid")).expect("a child");
            let [directory] = process.texts([TextKind::Directory]).expect("texts");
            directory.expect("a directory");
            process.pidfd_inode
        })
    };
    assert_eq!(inodes_in(TableOptions::new()), [0, 0]);
    let [first, second] = inodes_in(TableOptions::new().pidfd_inodes());
    assert_eq!(inodes_in(TableOptions::new().pidfd_inodes()), [first, second]);
    // Before Linux 6.9 there are none.
    assert!(first != second || first == 0, "{first} {second}");
    for child in children {
        end(child);
    }
}

#[test]
fn a_table_is_synced_from_a_synced_to_an_unsynced() {
    needs_root!();
    let mut table = ProcessTable::open().expect("a table");
    assert!(!table.is_synced());
    while !table.is_synced() {
        table.next(None).expect("a change");
    }
    assert!(table.iter().any(|process| process.pid == std::process::id() as i32));

    table.rescan().expect("a reading");
    next_of(&mut table, change::UNSYNCED);
    assert!(!table.is_synced());
    let synced = next_of(&mut table, change::SYNCED);
    assert!(matches!(synced.view(), ChangeView::Synced { hidden: 0, .. }));
    assert!(table.is_synced());
}

#[test]
fn changes_are_numbered_and_a_process_has_the_number_of_the_last_change() {
    needs_root!();
    let mut table = ProcessTable::open().expect("a table");
    let own = std::process::id() as i32;
    let mut last = 0;
    while !table.is_synced() {
        let change = table.next(None).expect("a table").expect("a change");
        assert_eq!(change.sequence, last + 1);
        last = change.sequence;
        if change.process.pid != 0 {
            assert_eq!(change.process.sequence, last);
        }
    }
    assert_eq!(table.get(own).map(|process| process.sequence), Some(last));
    assert!(table.iter().all(|process| process.sequence == last));
    assert_eq!(Process::read(own).expect("/proc").map(|process| process.sequence), Some(0));
}

#[test]
fn a_table_keeps_the_command_of_a_process_until_it_has_left() {
    needs_root!();
    let options = TableOptions::new().text_bytes(512);
    let mut table = ProcessTable::with(&options).expect("a table");
    next_of(&mut table, change::SYNCED);
    let mut child = Command::new("sh")
        .args(["-c", "read go; exit 3", ""])
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    let pid = child.id() as i32;
    let about = |kind| {
        move |change: &Change| (change.kind == kind && change.process.pid == pid).then_some(*change)
    };
    let execed = find(&mut table, about(change::EXECED));
    let executable = std::fs::read_link(format!("/proc/{pid}/exe")).expect("/proc");
    child.wait().expect("a child to wait for"); // which closes its input
    let exited = find(&mut table, about(change::EXITED));
    let command = table.command(&exited.process).expect("a command");
    assert_eq!(command.command_line.expect("a command line"), b"sh\0-c\0read go; exit 3\0\0");
    let path = executable.into_os_string().into_encoded_bytes();
    assert_eq!(command.executable.expect("an executable"), path);
    assert!(!command.is_cut && !command.is_doubtful);

    table.rescan().expect("a reading");
    let other = find(&mut table, |change| (change.kind == change::SYNCED).then_some(*change));
    assert_os(table.command(&execed.process), libc::ESRCH);
    assert_os(table.command(&other.process), libc::ESRCH);
    let mut without = ProcessTable::open().expect("a table");
    next_of(&mut without, change::SYNCED);
    let own = without.get(std::process::id() as i32).expect("this process");
    assert_os(without.command(&own), libc::ENODATA);
}

#[test]
fn a_table_of_a_family_reports_the_descendants_of_its_root_and_counts_who_is_left() {
    needs_root!();
    let mut root = Command::new("sh")
        .args(["-c", "read go; sleep 1000 & echo $!; exit 3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh");
    let (root_pid, outside) = (root.id() as i32, sleeper());
    let mut table =
        ProcessTable::with(&TableOptions::new().family(root_pid)).expect("a table of a family");
    next_of(&mut table, change::SYNCED);
    let pids = |table: &ProcessTable| table.iter().map(|it| it.pid).collect::<Vec<_>>();
    assert_eq!((table.len(), pids(&table)), (1, vec![root_pid]));
    root.stdin.take().expect("a pipe").write_all(b"\n").expect("a shell that reads");
    let mut answer = String::new();
    BufReader::new(root.stdout.take().expect("a pipe")).read_line(&mut answer).expect("a pid");
    let orphan: i32 = answer.trim().parse().expect("a pid");
    assert_eq!(root.wait().expect("a child").code(), Some(3));
    let exited = |table: &mut ProcessTable, pid| {
        find(table, |change| match change.view() {
            ChangeView::Exited { process, .. } => {
                assert_ne!(process.pid as u32, outside.id());
                (process.pid == pid).then_some(*process)
            }
            _ => None,
        })
    };
    assert_eq!(exited(&mut table, root_pid).state & state::PERHAPS, 0);
    while table.len() > 1 {
        table.next(None).expect("a change");
    }
    assert_eq!(pids(&table), [orphan]);
    // SAFETY: kill() reads no memory of this process.
    assert_eq!(unsafe { libc::kill(orphan, libc::SIGKILL) }, 0);
    exited(&mut table, orphan);
    assert_eq!((table.len(), table.get(outside.id() as i32)), (0, None));
    for (pid, error) in
        [(root_pid, libc::ESRCH), (0, libc::EINVAL), (1, libc::EINVAL), (-1, libc::EINVAL)]
    {
        let refused = ProcessTable::with(&TableOptions::new().family(pid)).expect_err("no family");
        assert!(matches!(refused, Error::Os(ref it) if it.raw_os_error() == Some(error)));
    }
    end(outside);
}

#[test]
fn a_table_is_opened_with_every_option() {
    needs_root!();
    let wanted = TableOptions::new()
        .fields(field::COMM)
        .queue_bytes(1 << 20)
        .max_work(1)
        .max_watches(0)
        .ignore_threads();
    let mut table = ProcessTable::with(&wanted).expect("a table");
    assert_eq!(table.remote().stats().queue_bytes, 1 << 20);
    next_of(&mut table, change::SYNCED);
    let child = sleeper();
    let pid = child.id() as i32;
    let started = find(&mut table, |change| match change.view() {
        ChangeView::Started(process) if process.pid == pid => Some(*process),
        _ => None,
    });
    assert_eq!(started.valid & field::CREDENTIALS, 0);
    end(child);
    find(&mut table, |change| match change.view() {
        ChangeView::Exited { process, .. } if process.pid == pid => Some(()),
        _ => None,
    });
}

#[test]
fn the_option_because_of_which_a_table_is_refused_is_named() {
    let new = TableOptions::new();
    for (options, name) in [
        (new.fields(field::ALL + 1), "fields"),
        (new.queue_bytes(0), "queue_bytes"),
        (new.queue_bytes(1 << 31), "queue_bytes"),
        (new.max_work(0), "max_work"),
        (new.family(1), "family"),
        (new.family(0), "family"),
        (new.family(-2), "family"),
        (new.text_bytes((8 << 20) + 1), "text_bytes"),
        (new.family(1).fields(1 << 31), "fields"),
    ] {
        assert_eq!(options.invalid(), Some(name));
        assert_os(ProcessTable::with(&options), libc::EINVAL);
    }
    let most = new.fields(0).queue_bytes((1 << 31) - 1).max_work(1).family(2).text_bytes(8 << 20);
    for options in [new, most, new.max_watches(0), new.subscribed()] {
        assert_eq!(options.invalid(), None);
    }
    assert_os(ProcessTable::with(&new.subscribed()), libc::EINVAL);
}

#[test]
fn a_table_without_fields_keeps_the_parent_and_the_start_only() {
    needs_root!();
    let mut table = ProcessTable::with(&TableOptions::new().fields(0)).expect("a table");
    next_of(&mut table, change::SYNCED);
    let own = table.get(std::process::id() as i32).expect("this process");
    assert_eq!((own.valid, own.name()), (field::PARENT | field::START, String::new()));
}

/// Makes this thread alone one of nobody, for which /proc hides the processes of others. False if
/// /proc cannot be mounted.
fn hide_processes() -> bool {
    let root = c"/".as_ptr();
    let (none, proc) = (c"none".as_ptr(), c"proc".as_ptr());
    // SAFETY: the strings are static, and the kernel keeps no pointer.
    unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(none, root, none, libc::MS_REC | libc::MS_PRIVATE, none.cast()) == 0
            && libc::mount(proc, c"/proc".as_ptr(), proc, 0, c"hidepid=2".as_ptr().cast()) == 0
    }
}

pub fn drop_privileges() {
    // The system calls themselves change this thread alone; libc's functions change all.
    // SAFETY: no pointer is passed but to an empty list.
    unsafe {
        assert_eq!(libc::syscall(libc::SYS_setgroups, 0, 0), 0);
        assert_eq!(libc::syscall(libc::SYS_setresgid, 65534, 65534, 65534), 0);
        assert_eq!(libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534), 0);
    }
}

#[test]
fn processes_that_proc_hides_are_reported_from_their_events_and_counted() {
    needs_root!();
    let child = sleeper();
    let others = std::thread::spawn(|| {
        if !hide_processes() {
            println!("SKIPPED: /proc cannot be mounted with hidepid");
            return;
        }
        let mut table = ProcessTable::open().expect("a table");
        drop_privileges();
        let synced = next_of(&mut table, change::SYNCED);
        let ChangeView::Synced { hidden, .. } = synced.view() else { panic!("{synced}") };
        assert!(hidden > 0);
        assert_eq!(table.remote().stats().hidden, hidden);
        let first = table.get(1).expect("process 1");
        assert_eq!((first.state, first.valid, first.name()), (state::HIDDEN, 0, String::new()));
        let next = table.next(Some(Duration::ZERO));
        assert!(next.is_ok(), "{next:?}");
    });
    others.join().expect("a table of hidden processes");
    end(child);
}
