//! How to test a program that handles events: without root, without the kernel, in any container. The page
//! docs/testing.md explains this file. The program: `cargo run --example made-up PID`. Its test:
//! `cargo test --example made-up`.

use proc_connector::{Error, Event, Filter, Options, ProcConnector, View};
use std::collections::HashSet;
use std::process::ExitCode;

/// Counts the children of one process that fail. A loss makes the count uncertain.
#[derive(Default)]
struct Count {
    children: HashSet<i32>,
    failed: u32,
    is_uncertain: bool,
}

impl Count {
    fn take(&mut self, event: &Event, parent: i32) {
        match event.view() {
            View::Fork { parent_tgid, child_tgid, .. } if parent_tgid == parent => {
                self.children.insert(child_tgid);
            }
            View::Exit { tgid, exit_code, .. } if self.children.remove(&tgid) => {
                self.failed += u32::from(exit_code != 0);
            }
            View::Overrun { .. } => self.is_uncertain = true,
            _ => {}
        }
    }

    /// Receives until an error ends the loop.
    fn receive(&mut self, connector: &ProcConnector, parent: i32) -> Error {
        loop {
            match connector.recv_event(None) {
                Ok(Some(event)) => self.take(&event, parent),
                Ok(None) | Err(Error::Interrupted) => {}
                Err(error) => return error,
            }
            println!("failed: {}{}", self.failed, if self.is_uncertain { " or more" } else { "" });
        }
    }
}

fn options() -> Options {
    Options::new().filter(Filter::default().no_threads())
}

fn main() -> ExitCode {
    let Some(parent) = std::env::args().nth(1).and_then(|pid| pid.parse().ok()) else {
        eprintln!("usage: made-up PID");
        return ExitCode::from(2);
    };
    let error = match ProcConnector::open(&options()) {
        Ok(connector) => Count::default().receive(&connector, parent),
        Err(error) => error,
    };
    eprintln!("made-up: {}", error.explanation());
    ExitCode::FAILURE
}

#[cfg(test)]
mod feed;

#[cfg(test)]
mod tests {
    use super::*;
    use proc_connector::kind;

    const OURS: i32 = 100;
    const THEIRS: i32 = 200;

    #[test]
    fn children_that_fail_are_counted_and_others_are_not() {
        let (mut feeder, socket) = feed::feeder();
        let connector = ProcConnector::from_fd(socket, &options()).expect("a connector");
        feeder.fork(OURS, 101);
        feeder.fork(OURS, 102);
        feeder.fork(THEIRS, 201);
        feeder.exec(101);
        feeder.exit(101, 3 << 8);
        feeder.exit(102, 0);
        feeder.exit(201, libc::SIGKILL);
        drop(feeder);

        let mut count = Count::default();
        let end = count.receive(&connector, OURS);
        assert!(matches!(end, Error::ConnectionClosed), "{end}");
        assert_eq!((count.failed, count.is_uncertain), (1, false));
    }

    /// A socket pair loses nothing, so the test makes the overrun up.
    #[test]
    fn a_loss_makes_the_count_uncertain() {
        let mut overrun = Event::EMPTY; // Some fields are private: set the others one by one.
        overrun.kind = kind::OVERRUN;
        overrun.data[0] = 5; // lost
        let mut count = Count::default();
        count.take(&overrun, OURS);
        assert!(count.is_uncertain);
    }
}
