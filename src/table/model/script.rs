//! A script of what happens, as a test or the fuzzer makes it, and its performance.

use super::machine::{Machine, Setup};
use super::outside::{Outside, TICK_NS};
use super::step::{Birth, Delay, Step};
use super::witness::{Witness, ensure};
use crate::errno::Errno;
use crate::procfs::{Command, Look, Sight};
use crate::protocol::event::kind;
use crate::table::agenda::Agenda;
use crate::table::census::Census;
use crate::table::follower::Follower;
use crate::table::jobs::Run;
use crate::table::record::Hearing;
use crate::table::report::{Change, field};
use crate::table::unheard::Unheard;

/// What happens next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    Do(Step),
    /// The step happens before the `.0`th further question that the table asks.
    Between(u8, Step),
    /// The table works, at most so much.
    Run {
        work: u32,
    },
    /// The table is to read /proc again.
    Rescan,
    /// The machine stands still until the table has nothing to do.
    Pause,
}

impl Setup {
    /// How many bytes describe a setup.
    pub(super) const SIZE: usize = 5;

    pub(super) fn decode([queue, kernel, fields, pids, before]: [u8; Self::SIZE]) -> Self {
        Self {
            capacity: [1 << 20, 1 << 20, 64, 16, 6, 4][usize::from(queue % 6)],
            shows_exit_status: kernel % 2 == 0,
            is_confined: kernel / 2 % 4 == 3,
            slept_ns: u64::from(kernel / 8 % 4) * 123_456_789,
            fields: match fields % 4 {
                3 => u32::from(fields / 4) & field::ALL,
                _ => field::ALL,
            },
            max_watches: [64, 64, 64, 1, 0][usize::from(kernel / 32 % 5)],
            listed: 1 + usize::from(fields % 5) * 2,
            pids: 1 + i32::from(pids % 8),
            before: usize::from(before % 16),
            family: None,
        }
    }
}

impl Op {
    /// How many bytes describe an operation.
    pub(super) const SIZE: usize = 4;

    pub(super) fn decode([code, who, a, b]: [u8; Self::SIZE]) -> Self {
        let step = match code % 64 {
            0..14 => return Self::Run { work: [1, 17, 40, 1000][usize::from(who % 4)] },
            14 => return Self::Pause,
            15 => return Self::Rescan,
            16..24 => {
                return Self::step(
                    code,
                    Step::Fork { who, pid: a, birth: birth(b), delay: delay(b / 8) },
                );
            }
            24..27 => Step::Exec { who, new_ids: a % 2 == 1, delay: delay(b) },
            27..32 => Step::Exit { who, code: code_of(a), is_ignored: a % 8 == 7, delay: delay(b) },
            32..36 => Step::Reap { who },
            36 | 37 => Step::Thread { who, delay: delay(b) },
            38 => Step::ManyThreads { who },
            39 | 40 => Step::ThreadExit { who, code: code_of(a) },
            41 | 42 => Step::LeaderExit { who, code: code_of(a), delay: delay(b) },
            43 => Step::ThreadExec { who, delay: delay(b) },
            44..46 => Step::ThreadExecGoesOn { who, delay: delay(b) },
            46 => Step::ThreadExecFails { who, delay: delay(b) },
            47 => Step::DropMemory { who },
            48 => Step::Fault { who },
            49 => Step::Rename { who, delay: delay(b) },
            50 => Step::SetSession { who, delay: delay(b) },
            51 => Step::SetUser { who, delay: delay(b) },
            52 => Step::SetGroup { who, delay: delay(b) },
            53 => Step::BecomeSubreaper { who },
            54..56 => Step::GoOn { which: who },
            56 | 57 => {
                let ns = [1, 100, 1_000, 4_000, 9_000, 12_000, 150_000, 1_200_000];
                Step::Wait { ns: 1_000 * ns[usize::from(a) % ns.len()] }
            }
            58 => Step::Sleep { ns: [4_000_000, 25_000_000, 3_000_000_000][usize::from(a % 3)] },
            59 => Step::Flood { who, count: a % 32 },
            60 => {
                if a % 2 == 0 {
                    Step::Deafen
                } else {
                    Step::Check
                }
            }
            61 => Step::FailPidfds { count: a % 8 },
            62 => Step::FailLooks { count: a % 3 },
            _ => {
                if a % 8 == 7 {
                    Step::DropPrivileges
                } else {
                    Step::Fault { who }
                }
            }
        };
        Self::step(code, step)
    }

    const fn step(code: u8, step: Step) -> Self {
        match code / 64 {
            0 | 1 => Self::Do(step),
            calls => Self::Between(if calls == 2 { 1 } else { 3 }, step),
        }
    }
}

const fn code_of(byte: u8) -> i32 {
    (byte as i32 / 8) << 8
}

const fn delay(byte: u8) -> Delay {
    match byte % 8 {
        6 => Delay::Stamped,
        7 => Delay::Unstamped,
        _ => Delay::No,
    }
}

const fn birth(byte: u8) -> Birth {
    match byte % 8 {
        0..4 => Birth::Plain,
        4 => Birth::Sibling,
        5 => Birth::OfOtherThread,
        6 => Birth::KernelThread,
        _ => Birth::Helper { is_kernel_thread: byte / 8 % 2 == 0 },
    }
}

/// Performs the script that some bytes describe; panics if the table and the machine disagree.
#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) {
    let Some((setup, bytes)) = bytes.split_first_chunk() else { return };
    let decode = |op: &[u8]| Op::decode(op.try_into().expect("an op has this size"));
    let ops: Vec<Op> = bytes.chunks_exact(Op::SIZE).map(decode).collect();
    if let Err(why) = perform(Setup::decode(*setup), &ops) {
        panic!("{why}");
    }
}

/// Performs a script. The error says where the table and the machine disagree, and how that came.
pub(super) fn perform(setup: Setup, ops: &[Op]) -> Result<(), String> {
    Performance::new(setup, false).perform(ops).map_err(|why| {
        let mut again = Performance::new(setup, true);
        let _ = again.perform(ops);
        let trace = again.outside.machine.get_mut().trace.take().unwrap_or_default();
        format!("{why}\n{setup:?}\n{ops:?}\n{}\n{why}", trace.join("\n"))
    })
}

/// Performs a script, and returns the last change that the table reports.
#[cfg(test)]
pub(super) fn last_change(setup: Setup, ops: &[Op]) -> Result<Change, String> {
    let mut performance = Performance::new(setup, false);
    performance.perform(ops)?;
    Ok(performance.follower.change)
}

struct Performance {
    outside: Outside,
    follower: Follower,
    witness: Witness,
    is_open: bool,
}

/// How many runs the table may need to become idle when the machine stands still.
const RUNS_MAX: u32 = 10_000;

impl Performance {
    fn new(setup: Setup, is_traced: bool) -> Self {
        Self {
            outside: Outside::new(Machine::new(setup, is_traced)),
            follower: Follower {
                census: Census::new(16).expect("memory"),
                agenda: Agenda::new(
                    None,
                    Hearing {
                        complete_since_ns: 0,
                        exits_since_ns: u64::MAX,
                        has_thread_forks: true,
                    },
                ),
                fields: setup.fields | field::PARENT | field::START,
                unheard: Unheard::NONE,
                max_work: 1000,
                round: None,
                command: Command::NONE,
                left: None,
                change: Change::EMPTY,
                sequence: 0,
                reported: 0,
            },
            witness: Witness::default(),
            is_open: false,
        }
    }

    fn perform(&mut self, ops: &[Op]) -> Result<(), String> {
        let before = self.outside.machine.get_mut().setup.before;
        for (index, op) in ops.iter().enumerate() {
            if index >= before {
                self.open();
            }
            self.operate(*op)?;
        }
        self.open();
        self.pause()
    }

    fn open(&mut self) {
        if self.is_open {
            return;
        }
        self.is_open = true;
        let fields = self.outside.machine.get_mut().setup.fields;
        let mut kinds = 1 << kind::FORK | 1 << kind::EXEC | 1 << kind::EXIT;
        for (field, more) in [
            (field::SESSION, 1 << kind::SID),
            (field::COMM, 1 << kind::COMM),
            (field::CREDENTIALS, 1 << kind::UID | 1 << kind::GID),
        ] {
            if fields & field != 0 {
                kinds |= more;
            }
        }
        self.outside.listen(kinds);
        self.follower.agenda.hearing.complete_since_ns = self.outside.machine.get_mut().opened_ns;
        let machine = self.outside.machine.get_mut();
        machine.note(|| "the table is opened".into());
        if let Some(pid) = machine.choose_root() {
            machine.note(|| format!("the family is that of pid {pid}"));
            let root = machine.root.expect("a root");
            let (stat, taken_ns) = (machine.stat(root), machine.opened_ns - 1);
            self.outside.looks.get_mut().insert(taken_ns, root);
            let sight = Sight { taken_ns, stat, credentials: None, pidfd_inode: 0 };
            self.follower.enter_root(pid, &Look::Shown(sight), &mut self.outside);
        }
    }

    fn operate(&mut self, op: Op) -> Result<(), String> {
        match op {
            Op::Do(step) => self.outside.perform(step),
            Op::Between(calls, step) if self.is_open => self.outside.schedule(calls, step),
            Op::Between(_, step) => self.outside.perform(step),
            _ if !self.is_open => {}
            Op::Run { work } => {
                self.follower.max_work = work;
                self.run()?;
            }
            Op::Rescan => {
                let now_ns = self.outside.machine.get_mut().tick();
                self.follower.agenda.doubt_since(now_ns);
                self.witness.rescans += 1;
            }
            Op::Pause => self.pause()?,
        }
        Ok(())
    }

    /// The table works until it has something to report. Whether it is idle.
    fn run(&mut self) -> Result<bool, String> {
        let failing = {
            let machine = self.outside.machine.get_mut();
            machine.note(|| "the table runs".into());
            machine.failing_looks > 0 || machine.failing_pidfds > 0
        };
        let is_idle = match self.follower.run(&mut self.outside) {
            Ok(Run::Idle) => true,
            Ok(Run::Paused) => false,
            Ok(Run::Report) => {
                let change = self.follower.change;
                self.outside
                    .machine
                    .get_mut()
                    .note(|| format!("the table reports {}", brief(&change)));
                self.witness
                    .take(&change, &self.outside, &mut self.follower)
                    .map_err(|why| format!("{why}; {}", brief(&change)))?;
                false
            }
            // A step in between may have made the calls fail.
            Err(Errno(libc::EMFILE)) => false,
            Err(error) => return Err(format!("the table fails: {error:?}, failing {failing}")),
        };
        if let Some(misuse) = self.outside.misuse.get_mut().take() {
            return Err(misuse);
        }
        if !is_idle {
            self.check_wakeup()?;
        }
        Ok(is_idle)
    }

    /// If no descriptor is readable and there is no other work, then the table has nothing to do.
    fn check_wakeup(&mut self) -> Result<(), String> {
        // The timer wakes the table for what is not waited for.
        if self.follower.has_unwatched()
            || !self.outside.is_silent()
            || self.follower.has_work(&self.outside)
        {
            return Ok(());
        }
        match self.follower.run(&mut self.outside) {
            Ok(Run::Idle) => Ok(()),
            Ok(Run::Paused) => Err("the table works, and nothing woke it".into()),
            Ok(Run::Report) => {
                Err(format!("nothing woke the table for {}", brief(&self.follower.change)))
            }
            Err(error) => Err(format!("nothing woke the table, which fails: {error:?}")),
        }
    }

    fn pause(&mut self) -> Result<(), String> {
        self.outside.machine.get_mut().note(|| "the machine stands still".into());
        self.outside.stand_still();
        let mut ticks = 0;
        for _ in 0..RUNS_MAX {
            if !self.run()? {
                continue;
            }
            if ticks == 2 || !self.follower.has_unwatched() {
                return self.witness.pause(&self.outside, &self.follower);
            }
            ticks += 1;
            self.outside.machine.get_mut().wait(TICK_NS);
        }
        ensure!(false, "the table never becomes idle");
        Ok(())
    }
}
fn brief(change: &crate::table::report::Change) -> String {
    let names = [
        "",
        "FOUND",
        "STARTED",
        "EXECED",
        "RENAMED",
        "CREDENTIALS",
        "SESSION",
        "REPARENTED",
        "EXITED",
        "VANISHED",
        "SYNCED",
        "UNSYNCED",
    ];
    let process = &change.process;
    format!(
        "{} pid {} id {} (flags {:#x}, at {}, code {})",
        names[change.kind as usize],
        process.pid,
        process.id,
        change.flags,
        (change.timestamp_ns / 1000).saturating_sub(1_000_000),
        change.exit_code
    )
}
