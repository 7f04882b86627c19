//! Process events in tokio: the programs that start and end, until SIGTERM.

mod processes;

use proc_connector::{EventMask, Options, ProcConnector};
use processes::{Processes, Queue};
use std::error::Error;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{SignalKind, signal};

/// `RCVBUF_BYTES` in the environment is the queue's budget.
fn open() -> Result<ProcConnector, Box<dyn Error>> {
    let mut options = Options::new().filter(EventMask::FORK | EventMask::EXEC | EventMask::EXIT);
    if let Ok(bytes) = std::env::var("RCVBUF_BYTES") {
        options = options.queue_bytes(bytes.parse()?);
    }
    ProcConnector::open(&options).map_err(|error| error.explanation().into())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    // SAFETY: a connector's descriptor is the same, and open, as long as the connector lives.
    let connector = unsafe { AsyncFd::register_with_interest(open()?, Interest::READABLE)? };
    let mut processes = Processes::read()?;
    loop {
        tokio::select! {
            ready = connector.readable() => {
                let mut ready = ready?;
                // What is left does not make tokio wake us again: its readiness stays as it is.
                if processes.drain(connector.get_ref())? == Queue::Empty {
                    ready.clear_ready();
                }
            }
            _ = second.tick() => {
                // If the kernel was deaf, an overrun waits, but the descriptor is not readable.
                if matches!(connector.get_ref().check(), Ok(true)) {
                    processes.drain(connector.get_ref())?;
                }
            }
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("tokio-example: {error}");
        std::process::exit(1);
    }
}
