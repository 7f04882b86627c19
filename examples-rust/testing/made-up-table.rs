//! How to test a program that follows a table: with made-up events, a made-up /proc and made-up changes, without root
//! and without the kernel. The page docs/testing.md explains this file. The program: `cargo run --example
//! made-up-table`. Its test: `cargo test --example made-up-table`.

use proc_connector::{Change, ChangeView, Error, ProcessTable, TableOptions};
use std::process::ExitCode;

/// Notes the processes that fail, and how far the list can be trusted.
#[derive(Default)]
struct Failures {
    failed: Vec<String>,
    /// Events were lost, and the table has not recovered yet.
    is_doubtful: bool,
    /// The kernel reported nothing for a while, so any number of failures may be missing.
    was_deaf: bool,
}

impl Failures {
    fn take(&mut self, change: &Change) {
        match change.view() {
            ChangeView::Exited { process, status: Some(status), .. } if !status.success() => {
                self.failed.push(format!("{}: {status}", process.name()));
            }
            ChangeView::Unsynced { .. } => self.is_doubtful = true,
            ChangeView::Synced { is_deaf, .. } => {
                self.is_doubtful = false;
                self.was_deaf |= is_deaf;
            }
            _ => {}
        }
    }
}

fn follow(table: &mut ProcessTable) -> Result<(), Error> {
    let (mut failures, mut shown) = (Failures::default(), 0);
    loop {
        if let Some(change) = table.next(None)? {
            failures.take(&change);
        }
        for failure in &failures.failed[shown..] {
            let is_certain = !failures.is_doubtful && !failures.was_deaf;
            println!("{failure}{}", if is_certain { "" } else { " (others may be missing)" });
        }
        shown = failures.failed.len();
    }
}

fn main() -> ExitCode {
    match ProcessTable::with(&TableOptions::new()).and_then(|mut table| follow(&mut table)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("made-up-table: {}", error.explanation());
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod feed;

#[cfg(test)]
mod tests {
    use super::*;
    use proc_connector::{Process, change, remark};
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::path::PathBuf;

    /// A directory with made-up processes, in place of /proc.
    struct MadeUp(PathBuf);

    impl MadeUp {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("made-up-{}", std::process::id()));
            fs::create_dir(&path).expect("a directory");
            Self(path)
        }

        /// Writes the files of a process that started at time 0.
        fn add(&self, pid: i32, parent: i32, name: &str) {
            let folder = self.0.join(pid.to_string());
            let stat = format!(
                "{pid} ({name}) S {parent} {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 0 0\n"
            );
            let status = format!("Name:\t{name}\nUid:\t7\t7\t7\t7\nGid:\t9\t9\t9\t9\n");
            fs::create_dir(&folder).expect("a folder");
            fs::write(folder.join("stat"), stat).expect("a file");
            fs::write(folder.join("status"), status).expect("a file");
        }

        fn remove(&self, pid: i32) {
            fs::remove_dir_all(self.0.join(pid.to_string())).expect("a folder");
        }
    }

    impl Drop for MadeUp {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_process_that_fails_is_noted_with_its_name() {
        let (made_up, (mut feeder, socket)) = (MadeUp::new(), feed::feeder());
        made_up.add(100, 0, "shell");
        let directory = File::open(&made_up.0).expect("a directory");
        let options = TableOptions::new().proc_fd(directory.as_fd());
        let mut table = ProcessTable::from_fd(socket, &options).expect("a table");
        let mut failures = Failures::default();
        let mut await_one = |kind| loop {
            let change = table.next(None).expect("a table").expect("a change");
            failures.take(&change);
            if change.kind == kind {
                break;
            }
        };
        await_one(change::SYNCED);
        made_up.add(101, 100, "job"); // before its fork event
        feeder.fork(100, 101);
        await_one(change::STARTED);
        made_up.remove(101); // before its exit event
        feeder.exit(101, 3 << 8);
        await_one(change::EXITED);
        assert_eq!(failures.failed, ["job: exit status: 3"]);
        assert!(!failures.was_deaf);
    }

    /// A socket pair loses nothing, so the test makes these changes up.
    #[test]
    fn the_list_is_doubtful_from_a_loss_to_the_recovery() {
        let mut unsynced = Change::default(); // Some fields are private: set the others one by one.
        unsynced.kind = change::UNSYNCED;
        unsynced.lost = 5;
        let mut synced = Change::default();
        synced.kind = change::SYNCED;
        synced.lost = 5;
        let mut failures = Failures::default();
        failures.take(&unsynced);
        assert!(failures.is_doubtful);
        failures.take(&synced);
        assert!(!failures.is_doubtful && !failures.was_deaf);
        synced.flags = remark::DEAF;
        failures.take(&synced);
        assert!(failures.was_deaf);
    }

    #[test]
    fn a_process_whose_status_is_not_known_is_not_noted() {
        let mut process = Process::default();
        process.pid = 101;
        let mut exited = Change::default();
        exited.kind = change::EXITED;
        exited.exit_code = libc::SIGKILL;
        exited.process = process;
        let mut failures = Failures::default();
        failures.take(&exited);
        assert!(failures.failed.is_empty());
        exited.flags = remark::EXIT_CODE;
        failures.take(&exited);
        assert_eq!(failures.failed.len(), 1);
    }
}
