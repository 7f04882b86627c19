//! The model machine as the table sees it: through a queue that lags, a /proc that is ahead, pidfds
//! and a clock. Steps of the machine can be put between any two questions of the table.

use super::machine::{Exec, Machine, Phase, Who};
use super::step::Step;
use crate::errno::Errno;
use crate::procfs::{Command, Look, Sight};
use crate::protocol::event::{Event, reason};
use crate::sys::PidfdExit;
use crate::table::agenda::BATCH;
use crate::table::judge::{Clock, Slept};
use crate::table::world::World;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How often the timer ticks.
pub(super) const TICK_NS: u64 = 100_000_000;

pub(super) struct Outside {
    pub machine: RefCell<Machine>,
    /// What happens before the `.0`th further question.
    scheduled: RefCell<Vec<(u8, Step)>>,
    /// Which process the look taken at this moment showed.
    pub looks: RefCell<BTreeMap<u64, Who>>,
    pub watched: BTreeMap<i32, Who>,
    /// The drop counter as it was read last, when that was, and how many events may be received
    /// before it is read again: see `connector/loss.rs`.
    drops_read: u64,
    read_ns: u64,
    allowance: usize,
    /// When the timer ticks.
    next_tick_ns: u64,
    /// What is left of the pids that were listed together, and the last of them.
    listing: Vec<i32>,
    listed_to: i32,
    /// What the table must not do.
    pub misuse: RefCell<Option<String>>,
}

impl Outside {
    pub(super) fn new(machine: Machine) -> Self {
        Self {
            machine: RefCell::new(machine),
            scheduled: RefCell::default(),
            looks: RefCell::default(),
            watched: BTreeMap::new(),
            drops_read: 0,
            read_ns: 0,
            allowance: 0,
            next_tick_ns: 0,
            listing: Vec::new(),
            listed_to: 0,
            misuse: RefCell::default(),
        }
    }

    /// The connector is opened.
    pub(super) fn listen(&mut self, kinds: u32) {
        let machine = self.machine.get_mut();
        machine.listened = kinds;
        self.read_ns = machine.tick();
        machine.opened_ns = self.read_ns;
        machine.opened_boot_ns = self.read_ns + machine.slept_ns;
        self.allowance = self.interval();
    }

    pub(super) fn perform(&self, step: Step) {
        self.machine.borrow_mut().perform(step);
    }

    /// The step happens before the `calls`th further question.
    pub(super) fn schedule(&self, calls: u8, step: Step) {
        self.scheduled.borrow_mut().push((calls, step));
    }

    /// Whatever was to happen has happened, and nothing more does.
    pub(super) fn stand_still(&mut self) {
        for (_, step) in self.scheduled.take() {
            self.perform(step);
        }
        self.machine.get_mut().stand_still();
    }

    /// Whether no descriptor is readable, nor will be.
    pub(super) fn is_silent(&self) -> bool {
        self.machine.borrow().queue.is_empty()
            && self.exited_pid().is_none()
            && self.scheduled.borrow().is_empty()
    }

    /// The table asks a question.
    fn asked(&self) {
        let mut due = Vec::new();
        self.scheduled.borrow_mut().retain_mut(|(calls, step)| {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                due.push(*step);
            }
            *calls > 0
        });
        for step in due {
            self.machine.borrow_mut().note(|| "between two questions:".into());
            self.perform(step);
        }
    }

    fn interval(&self) -> usize {
        (self.machine.borrow().setup.capacity / 2).clamp(1, 256)
    }

    /// Announces what was lost since the counter was read last.
    fn look_for_loss(&mut self) -> Option<Event> {
        let machine = self.machine.get_mut();
        let (since_ns, lost) = (self.read_ns, machine.dropped - self.drops_read);
        (self.read_ns, self.drops_read) = (machine.tick(), machine.dropped);
        let until_ns = machine.tick();
        self.allowance = self.interval();
        (lost > 0).then(|| Event::overrun(lost, since_ns, until_ns, reason::QUEUE))
    }

    fn exited_pid(&self) -> Option<i32> {
        let machine = self.machine.borrow();
        let seems_exited = |who: Who| {
            let process = &machine.processes[who];
            !process.is_alive() || process.exec == Exec::Between
        };
        self.watched.iter().find(|(_, who)| seems_exited(**who)).map(|(pid, _)| *pid)
    }

    fn blame(&self, misuse: String) {
        self.misuse.borrow_mut().get_or_insert(misuse);
    }
}

impl World for Outside {
    type Pidfd = Who;

    fn clock(&self) -> Clock {
        let mut machine = self.machine.borrow_mut();
        let now_ns = machine.tick();
        // The two clocks are read one after the other.
        let slept = Slept(machine.tick() + machine.slept_ns - now_ns);
        machine.asked_ns = now_ns;
        Clock { now_ns, slept }
    }

    fn receive(&mut self, batch: &mut [Event; BATCH]) -> Result<u32, Errno> {
        self.asked();
        if let Some(deafness) = self.machine.get_mut().announcement.take() {
            batch[0] = deafness;
            return Ok(1);
        }
        let mut events = Vec::new();
        let wanted = BATCH.min(self.interval());
        let is_due = self.allowance < wanted;
        if is_due {
            events.extend(self.look_for_loss());
        }
        let room = (BATCH - events.len()).min(self.interval());
        let queue = &mut self.machine.get_mut().queue;
        let count = room.min(queue.len());
        let is_empty = count == 0;
        events.extend(queue.drain(..count));
        self.allowance = self.allowance.saturating_sub(count);
        if is_empty && !is_due {
            events.extend(self.look_for_loss());
        }
        let machine = self.machine.get_mut();
        assert!(
            !machine.queue.is_empty()
                || is_empty
                || self.allowance > 0
                || machine.dropped == self.drops_read
        );
        machine.note(|| format!("the table receives {} events", events.len()));
        batch[..events.len()].copy_from_slice(&events);
        Ok(events.len() as u32)
    }

    fn leave_unheard(&mut self, pids: &[i32]) -> bool {
        self.asked();
        self.machine.get_mut().unheard = pids.to_vec();
        true
    }

    fn has_announcement(&self) -> bool {
        self.machine.borrow().announcement.is_some()
    }

    fn look(&self, pid: i32, with_credentials: bool, look: &mut Look) -> Result<(), Errno> {
        let mut taken_ns = self.machine.borrow_mut().tick();
        self.asked();
        let mut machine = self.machine.borrow_mut();
        if machine.read_pid != 0 {
            taken_ns = machine.tick(); // What happened since the command was read came before the look.
        }
        let read_pid = std::mem::take(&mut machine.read_pid);
        if machine.failing_looks > 0 {
            machine.failing_looks -= 1;
            return Err(Errno(libc::EMFILE));
        }
        let who = machine.find(pid);
        let sight = who.map(|who| {
            if machine.processes[who].exec == Exec::Between {
                machine.seen_between.insert(who);
            }
            let credentials = with_credentials.then_some(machine.processes[who].ids);
            self.looks.borrow_mut().insert(taken_ns, who);
            if read_pid != 0 {
                self.looks.borrow_mut().insert(machine.asked_ns, who);
            }
            Sight { taken_ns, stat: machine.stat(who), credentials, pidfd_inode: 0 }
        });
        machine.note(|| match &sight {
            Some(Sight { stat, .. }) => format!(
                "the table looks at pid {pid}: {:?}, parent {}, started in tick {}",
                stat.condition,
                stat.parent,
                stat.start_ns / 10_000_000,
            ),
            None => format!("the table looks at pid {pid}: no process"),
        });
        *look = sight.map_or(Look::Absent, Look::Shown);
        Ok(())
    }

    /// The command is the number of the program.
    fn read_command(&self, pid: i32, block: &mut [u8]) -> Command {
        if self.machine.borrow().find(pid).is_some() {
            self.machine.borrow_mut().read_pid = pid;
        }
        self.asked();
        let mut machine = self.machine.borrow_mut();
        machine.read_pid = pid;
        let program = machine.find(pid).and_then(|who| machine.shown_program(who));
        machine.note(|| format!("the table reads the command of pid {pid}: {program:?}"));
        let mut command = Command::NONE;
        if let Some(program) = program {
            let line = program.to_string();
            block[..line.len()].copy_from_slice(line.as_bytes());
            (command.line_length, command.line_error) = (line.len() as u32, 0);
        }
        command
    }

    fn listed(&mut self) -> Result<Option<i32>, Errno> {
        if self.listing.is_empty() {
            self.asked();
            let machine = self.machine.get_mut();
            let present = machine.processes.iter().filter(|p| p.phase != Phase::Reaped);
            let mut pids: Vec<i32> =
                present.map(|p| p.pid).filter(|p| *p > self.listed_to).collect();
            pids.sort_unstable();
            pids.truncate(machine.setup.listed);
            self.listed_to = pids.last().copied().unwrap_or(self.listed_to);
            pids.reverse();
            self.listing = pids;
        }
        Ok(self.listing.last().copied())
    }

    fn take_listed(&mut self) {
        self.listing.pop();
    }

    fn rewind_listing(&mut self) -> Result<(), Errno> {
        self.listing.clear();
        self.listed_to = 0;
        Ok(())
    }

    fn shows_exit_status(&self) -> bool {
        self.machine.borrow().setup.shows_exit_status
    }

    fn may_trace(&self) -> bool {
        self.machine.borrow().may_trace
    }

    fn open_pidfd(&self, pid: i32) -> Result<Who, Errno> {
        self.asked();
        let mut machine = self.machine.borrow_mut();
        if machine.failing_pidfds > 0 {
            machine.failing_pidfds -= 1;
            return Err(Errno(libc::EMFILE));
        }
        machine.find(pid).ok_or(Errno(libc::ESRCH))
    }

    fn exit_of(&self, pidfd: &Who) -> PidfdExit {
        self.asked();
        let machine = self.machine.borrow();
        let process = &machine.processes[*pidfd];
        match process.status {
            _ if !machine.setup.shows_exit_status => PidfdExit::Unknown,
            Some(status) if process.phase == Phase::Reaped => PidfdExit::Status(status),
            _ => PidfdExit::Unreaped,
        }
    }

    fn may_watch(&self) -> bool {
        self.watched.len() < self.machine.borrow().setup.max_watches
    }

    fn take_tick(&mut self) -> bool {
        let now_ns = self.machine.get_mut().tick();
        let has_ticked = now_ns >= self.next_tick_ns;
        if has_ticked {
            self.next_tick_ns = now_ns + TICK_NS;
        }
        has_ticked
    }

    fn watch(&mut self, pid: i32, pidfd: Who) -> Result<(), Errno> {
        if self.watched.insert(pid, pidfd).is_some() {
            self.blame(format!("pid {pid} is watched twice"));
        }
        if self.machine.get_mut().processes[pidfd].pid != pid {
            self.blame(format!("pid {pid} is watched through another's pidfd"));
        }
        Ok(())
    }

    fn unwatch(&mut self, pid: i32) -> Option<Who> {
        let pidfd = self.watched.remove(&pid);
        if pidfd.is_none() {
            self.blame(format!("pid {pid} is not watched"));
        }
        pidfd
    }

    fn exited(&self) -> Option<i32> {
        self.asked();
        self.exited_pid()
    }
}
