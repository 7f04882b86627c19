//! A picture of the machine's processes, which the recovery recipe keeps true, shown on stdout as it
//! changes. The lines are those of `examples-c/loops/processes.h`.

use proc_connector::{Event, Liveness, ProcConnector, View, process_alive};
use std::collections::HashMap;
use std::io::{self, BufWriter, Stdout, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

const BATCH: usize = 64;
const BATCHES_PER_WAKE_UP: usize = 16;
const RESCAN_AFTER: Duration = Duration::from_millis(100);

/// Whether more events may wait.
#[derive(PartialEq)]
pub enum Queue {
    Empty,
    Unknown,
}

pub struct Processes {
    /// Those that live, and whether their leaders do.
    table: HashMap<i32, Liveness>,
    /// Since when events are missing, or when /proc was read since then.
    doubtful: Option<Instant>,
    lost: u64,
    output: BufWriter<Stdout>,
}

fn look_up(tgid: i32) -> Liveness {
    process_alive(tgid).unwrap_or(Liveness::Ended)
}

impl Processes {
    pub fn read() -> io::Result<Self> {
        let output = BufWriter::new(io::stdout());
        let mut processes = Self { table: HashMap::new(), doubtful: None, lost: 0, output };
        processes.rescan()?;
        processes.output.flush()?;
        Ok(processes)
    }

    /// Takes a limited number of events, so that a flood leaves the runtime its time.
    pub fn drain(&mut self, connector: &ProcConnector) -> io::Result<Queue> {
        let mut events = [Event::EMPTY; BATCH];
        for _ in 0..BATCHES_PER_WAKE_UP {
            let count = connector
                .recv_events(&mut events, Some(Duration::ZERO))
                .map_err(|error| io::Error::other(error.explanation()))?;
            for event in &events[..count] {
                self.take(event)?;
            }
            if count == 0 {
                self.settle(Queue::Empty)?;
                return Ok(Queue::Empty);
            }
        }
        self.settle(Queue::Unknown)?;
        Ok(Queue::Unknown)
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        match event.view() {
            View::Fork { child_tgid, .. } => {
                self.table.entry(child_tgid).or_insert(Liveness::Alive);
            }
            View::Exec { tgid, .. } => {
                self.table.insert(tgid, Liveness::Alive);
                writeln!(self.output, "exec {tgid}")?;
            }
            View::Exit { pid, tgid, exit_code, .. } => self.take_exit(pid, tgid, exit_code)?,
            View::Overrun { lost, .. } => {
                self.lost += lost;
                self.doubtful.get_or_insert_with(Instant::now);
            }
            _ => {}
        }
        Ok(())
    }

    /// A leader's exit is the end of its process unless other threads live on. Then it is one of
    /// theirs, and its status the process's, as far as events can tell.
    fn take_exit(&mut self, pid: i32, tgid: i32, exit_code: i32) -> io::Result<()> {
        if pid != tgid && self.table.get(&tgid) != Some(&Liveness::LeaderGone) {
            return Ok(());
        }
        match look_up(tgid) {
            Liveness::Ended => {
                self.table.remove(&tgid);
                let status = ExitStatus::from_raw(exit_code);
                let shown = status.code().or(status.signal().map(|signal| 128 + signal));
                writeln!(self.output, "exit {tgid} {}", shown.unwrap_or_default())
            }
            alive => {
                self.table.insert(tgid, alive);
                Ok(())
            }
        }
    }

    /// In a flood the queue may never be empty. What waits then may be older than what /proc says,
    /// so that the picture stays doubtful.
    fn settle(&mut self, queue: Queue) -> io::Result<()> {
        if let Some(since) = self.doubtful {
            if queue == Queue::Empty {
                self.rescan()?;
                writeln!(self.output, "lost {}", self.lost)?;
                self.lost = 0;
                self.doubtful = None;
            } else if since.elapsed() > RESCAN_AFTER {
                self.rescan()?;
                self.doubtful = Some(Instant::now());
            }
        }
        self.output.flush()
    }

    fn rescan(&mut self) -> io::Result<()> {
        let mut alive = HashMap::new();
        for entry in std::fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let state = look_up(pid);
            if state != Liveness::Ended {
                alive.insert(pid, state);
            }
        }
        for pid in alive.keys().filter(|pid| !self.table.contains_key(pid)) {
            writeln!(self.output, "found {pid}")?;
        }
        for pid in self.table.keys().filter(|pid| !alive.contains_key(pid)) {
            writeln!(self.output, "gone {pid}")?;
        }
        self.table = alive;
        Ok(())
    }
}
