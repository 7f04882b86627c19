//! A machine on which a row says what happens: the table's own driver runs on it.

use super::scene::*;
use super::*;
use crate::errno::Errno;
use crate::procfs::Command;
use crate::sys::PidfdExit;
use crate::table::agenda::{Agenda, BATCH, Job, Quiet};
use crate::table::census::{Census, Slot};
use crate::table::family::Family;
use crate::table::follower::Follower;
use crate::table::jobs::Run;
use crate::table::report::{Change, change, field, remark};
use crate::table::scan::Scan;
use crate::table::unheard::Unheard;
use crate::table::world::World;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub struct Machine {
    pub now_ns: Cell<u64>,
    pub slept_ns: u64,
    /// How long the machine sleeps while the next events are received.
    pub sleeps_ns: u64,
    pub queue: VecDeque<Event>,
    pub has_announcement: bool,
    pub shown: BTreeMap<i32, Look>,
    listed_after: i32,
    /// /proc lists no process, because it hides them all.
    pub lists_nothing: bool,
    /// How the processes of pidfds exited. A pidfd is the pid that it was opened for.
    pub exits: BTreeMap<i32, PidfdExit>,
    pub watched: BTreeSet<i32>,
    pub readable: Option<i32>,
    pub pidfd_error: Option<Errno>,
    /// No more processes may be waited for.
    pub has_no_room: bool,
    /// The timer has ticked.
    pub has_ticked: bool,
    /// The next look fails.
    pub look_error: Cell<Option<Errno>>,
    /// How often processes were looked at.
    pub looks: Cell<u32>,
    /// How often ids were read.
    pub ids_read: Cell<u32>,
    receptions: u32,
    /// The processes whose threads' FORKs are not wanted.
    pub unheard: Vec<i32>,
    pub is_status_shown: bool,
    pub may_trace: bool,
}

impl World for Machine {
    type Pidfd = i32;

    /// Time passes with each look at the clock.
    fn clock(&self) -> Clock {
        let now_ns = self.now_ns.get();
        self.now_ns.set(now_ns + 1);
        Clock { now_ns, slept: Slept(self.slept_ns) }
    }

    fn receive(&mut self, batch: &mut [Event; BATCH]) -> Result<u32, Errno> {
        self.receptions += 1;
        assert!(self.receptions < 10_000, "the table receives for ever");
        self.slept_ns += std::mem::take(&mut self.sleeps_ns);
        let count = self.queue.len().min(BATCH);
        for (to, event) in batch.iter_mut().zip(self.queue.drain(..count)) {
            *to = event;
        }
        Ok(count as u32)
    }

    fn leave_unheard(&mut self, pids: &[i32]) -> bool {
        self.unheard = pids.iter().copied().filter(|pid| *pid != 0).collect();
        true
    }

    fn has_announcement(&self) -> bool {
        self.has_announcement
    }

    fn look(&self, pid: i32, with_credentials: bool, look: &mut Look) -> Result<(), Errno> {
        if let Some(error) = self.look_error.take() {
            return Err(error);
        }
        self.looks.set(self.looks.get() + 1);
        self.ids_read.set(self.ids_read.get() + u32::from(with_credentials));
        *look = self.shown.get(&pid).copied().unwrap_or(Look::Absent);
        match look {
            Look::Shown(sight) if !with_credentials => sight.credentials = None,
            _ => {}
        }
        Ok(())
    }

    fn read_command(&self, _: i32, _: &mut [u8]) -> Command {
        Command::NONE
    }

    fn listed(&mut self) -> Result<Option<i32>, Errno> {
        let mut listed = self.shown.range(self.listed_after + 1..);
        let is_listed = |look: &Look| *look != Look::Hidden && !self.lists_nothing;
        Ok(listed.find(|(_, look)| is_listed(look)).map(|(pid, _)| *pid))
    }

    fn take_listed(&mut self) {
        self.listed_after = self.listed().unwrap().unwrap();
    }

    fn rewind_listing(&mut self) -> Result<(), Errno> {
        self.listed_after = 0;
        Ok(())
    }

    fn shows_exit_status(&self) -> bool {
        self.is_status_shown
    }

    fn may_trace(&self) -> bool {
        self.may_trace
    }

    fn open_pidfd(&self, pid: i32) -> Result<i32, Errno> {
        self.pidfd_error.map_or(Ok(pid), Err)
    }

    fn exit_of(&self, pidfd: &i32) -> PidfdExit {
        match self.exits.get(pidfd) {
            Some(PidfdExit::Status(status)) => PidfdExit::Status(*status),
            Some(PidfdExit::Unreaped) => PidfdExit::Unreaped,
            Some(PidfdExit::Unknown) | None => PidfdExit::Unknown,
        }
    }

    fn may_watch(&self) -> bool {
        !self.has_no_room
    }

    fn take_tick(&mut self) -> bool {
        std::mem::take(&mut self.has_ticked)
    }

    fn watch(&mut self, pid: i32, pidfd: i32) -> Result<(), Errno> {
        assert!(self.watched.insert(pid), "watched twice");
        assert_eq!(pid, pidfd);
        Ok(())
    }

    fn unwatch(&mut self, pid: i32) -> Option<i32> {
        assert!(self.watched.remove(&pid), "not watched");
        Some(pid)
    }

    fn exited(&self) -> Option<i32> {
        self.readable.filter(|pid| self.watched.contains(pid))
    }
}

/// A table on a machine.
pub struct Stage {
    pub follower: Follower,
    pub machine: Machine,
    /// What the table reported since the last time that it was asked.
    reported: Vec<String>,
    /// All that it ever reported.
    pub changes: Vec<Change>,
}

impl Stage {
    /// A table of the family of the process, which started at 1,000 ms, and of these processes. It was opened
    /// at 1,100 ms.
    pub fn of_family(others: impl IntoIterator<Item = Record>) -> Self {
        let mut stage = Self::with([found()]);
        let find = |pid| stage.follower.census.find(pid).unwrap();
        let (init, root) = (find(INIT), find(PID));
        let census = &mut stage.follower.census;
        census.orphans_since_ns = STARTED;
        *census.at_mut(init) = Record { family: Family::Adopter, ..*census.at(init) };
        census.at_mut(root).family = Family::Root;
        stage.follower.reported = 1;
        for record in others {
            census.insert(record).unwrap();
        }
        stage
    }

    /// A table of these processes and of pid 1, of which all was reported; nothing happens.
    pub fn with(records: impl IntoIterator<Item = Record>) -> Self {
        let mut init = found();
        init.process.pid = INIT;
        init.process.parent_pid = 0;
        let mut census = Census::new(0).unwrap();
        let mut reported = 0;
        for record in [init].into_iter().chain(records) {
            reported += usize::from(!record.is_unreported());
            census.insert(record).unwrap();
        }
        census.link_parentless(false);
        let mut agenda = Agenda::new(None, HEARING);
        agenda.scan = Scan::Off { ended_ns: 0 };
        let follower = Follower {
            census,
            agenda,
            unheard: Unheard::NONE,
            fields: field::ALL,
            max_work: 1,
            round: None,
            command: Command::NONE,
            left: None,
            change: Change::EMPTY,
            sequence: 0,
            reported,
        };
        let machine = Machine {
            now_ns: Cell::new(JUDGED),
            slept_ns: 0,
            sleeps_ns: 0,
            queue: VecDeque::new(),
            has_announcement: false,
            shown: BTreeMap::new(),
            listed_after: 0,
            lists_nothing: false,
            exits: BTreeMap::new(),
            watched: BTreeSet::new(),
            readable: None,
            pidfd_error: None,
            has_no_room: false,
            has_ticked: false,
            look_error: Cell::new(None),
            looks: Cell::new(0),
            ids_read: Cell::new(0),
            receptions: 0,
            unheard: Vec::new(),
            is_status_shown: false,
            may_trace: true,
        };
        let mut stage = Self { follower, machine, reported: Vec::new(), changes: Vec::new() };
        stage.show(INIT, led().with(|sight| sight.stat.parent = 0));
        let pids: Vec<_> = std::iter::successors(stage.follower.above(0), |process| {
            stage.follower.above(process.pid)
        })
        .map(|process| process.pid)
        .collect();
        for pid in pids {
            if stage.record(pid).life == Life::Leaderless(Watch::Pidfd) {
                stage.machine.watched.insert(pid);
            }
        }
        stage
    }

    pub fn show(&mut self, pid: i32, look: View) {
        match look.look {
            Look::Absent => drop(self.machine.shown.remove(&pid)),
            look => drop(self.machine.shown.insert(pid, look)),
        }
        self.machine.is_status_shown = look.is_status_shown;
    }

    pub fn slot(&self, pid: i32) -> Slot {
        self.follower.census.find(pid).unwrap_or_else(|| panic!("{pid} is not in the table"))
    }

    pub fn record(&self, pid: i32) -> &Record {
        self.follower.census.at(self.slot(pid))
    }

    /// The event is received and handled while /proc shows this. How it was judged, each time.
    pub fn hear(&mut self, heard: Heard, look: View) -> Vec<Verdict> {
        self.machine.queue.push_back(heard.event);
        self.machine.slept_ns = heard.slept.0;
        let pid = heard.event.tgid();
        self.show(pid, look);
        let mut verdicts = Vec::new();
        while !self.machine.queue.is_empty() || self.follower.agenda.event().is_some() {
            if self.next_job(Quiet::Unknown) == Some(Job::Judge) {
                self.machine.now_ns.set(heard.judged_ns);
                let slot = self.follower.census.find(pid);
                let record = slot.map(|slot| *self.follower.census.at(slot));
                verdicts.push(verdict_of(record.as_ref(), heard, look).1);
            }
            self.run().unwrap();
        }
        verdicts
    }

    /// The table works until it has nothing to do. What it reported since the last time.
    pub fn settle(&mut self) -> Vec<String> {
        for _ in 0..10_000 {
            if matches!(self.run().unwrap(), Run::Idle) {
                return std::mem::take(&mut self.reported);
            }
        }
        panic!("the table works for ever, and reports {:?}", self.reported)
    }

    /// One job that is work.
    pub fn run(&mut self) -> Result<Run, Errno> {
        let run = self.follower.run(&mut self.machine)?;
        if matches!(run, Run::Report) {
            self.reported.push(in_words(&self.follower.change));
            self.changes.push(self.follower.change);
        }
        Ok(run)
    }

    pub fn next_job(&self, quiet: Quiet) -> Option<Job> {
        let now_ns = || self.machine.now_ns.get();
        let machine = &self.machine;
        self.follower.agenda.next_job(
            &self.follower.census,
            quiet,
            machine.has_announcement,
            now_ns,
        )
    }
}

/// A change, in words: the pid, what happened, and what is remarked on it.
fn in_words(change: &Change) -> String {
    let what = match change.kind {
        change::FOUND => "found",
        change::STARTED => "started",
        change::EXECED => "execed",
        change::RENAMED => "renamed",
        change::CREDENTIALS => "credentials",
        change::SESSION => "session",
        change::REPARENTED => "reparented",
        change::EXITED => "exited",
        change::VANISHED => "vanished",
        change::SYNCED => "synced",
        change::UNSYNCED => "unsynced",
        _ => "?",
    };
    let mut words = match change.kind {
        change::SYNCED | change::UNSYNCED => what.to_owned(),
        _ => format!("{} {what}", change.process.pid),
    };
    match change.flags & (remark::EXIT_CODE | remark::LEADER_CODE) {
        0 => {}
        remark::EXIT_CODE => words += &format!(" {:#x}", change.exit_code),
        _ => words += &format!(" leader's {:#x}", change.exit_code),
    }
    for (flag, word) in [(remark::RECOVERED, " recovered"), (remark::DEAF, " deaf")] {
        if change.flags & flag != 0 {
            words += word;
        }
    }
    words
}

/// Whether an event needs a look, and with it what it means: what the driver does.
pub fn verdict_of(record: Option<&Record>, heard: Heard, look: View) -> (bool, Verdict) {
    let (hearing, clock) = (look.evidence().hearing, heard.clock());
    match ask(record, &heard.event, hearing, heard.slept) {
        Question::None(verdict) => (false, verdict),
        Question::Gone => {
            let evidence = Evidence { look: &Look::Absent, ..look.evidence() };
            (false, judge(record, &heard.event, &evidence, clock))
        }
        Question::Look { .. } => (true, judge(record, &heard.event, &look.evidence(), clock)),
    }
}
