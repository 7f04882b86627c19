//! Follows all processes in tokio's loop, until SIGTERM or SIGINT: `cargo run`

use proc_connector::{Error, ProcessTable};
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{SignalKind, signal};

async fn follow() -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let table = ProcessTable::open()?;
    let remote = table.remote();
    // The safe AsyncFd::with_interest() is deprecated from tokio 1.54 on: tokio relies on a descriptor that stays open
    // and stays the same, and no type guarantees that. So the caller vouches for it.
    // SAFETY: a table keeps its descriptor open, and does not change it, as long as the table lives.
    let table = unsafe { AsyncFd::register_with_interest(table, Interest::READABLE) };
    let mut table = table.map_err(std::io::Error::from)?;
    loop {
        tokio::select! {
            ready = table.readable_mut() => {
                let mut ready = ready?;
                match ready.get_inner_mut().next(Some(Duration::ZERO))? {
                    Some(change) => println!("{change}"), // tokio polls again at once
                    None => ready.clear_ready(),
                }
            }
            _ = second.tick() => {
                remote.check()?; // Does the kernel still report?
            }
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match follow().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tokio-example: {}", error.explanation());
            ExitCode::FAILURE
        }
    }
}
