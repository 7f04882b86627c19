//! The events that the kernel generates, and when it queues them.

use super::machine::{Exec, Machine, Phase, Who};
use super::step::{Delay, Step};
use crate::protocol::event::{Event, kind};

/// What an event reports of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    Fork,
    /// The process has one more thread.
    ThreadFork,
    Exec,
    /// `leader`: which of its leaders this is. `is_end`: the process exits with it.
    Exit {
        code: i32,
        leader: u32,
        is_end: bool,
    },
    Rename,
    SetUser,
    SetGroup,
    SetSession,
}

/// The id of every thread that is no leader.
const THREAD: u32 = 1_000_000;

/// An event that is not queued yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub who: Who,
    pub deed: Deed,
    /// The task that is preempted; `None`: it only has its exit left.
    pub actor: Option<Who>,
    /// `None`: it is not generated yet.
    event: Option<Event>,
}

impl Machine {
    pub(super) fn announce(&mut self, who: Who, deed: Deed, delay: Delay) {
        self.announce_by(Some(who), who, deed, delay);
    }

    pub(super) fn announce_by(&mut self, actor: Option<Who>, who: Who, deed: Deed, delay: Delay) {
        let actor = actor.filter(|_| !matches!(deed, Deed::Exit { .. }));
        let event = if delay == Delay::Unstamped { None } else { self.generate(who, deed) };
        let held = Held { who, deed, actor, event };
        match delay {
            Delay::No => self.enqueue(&held),
            Delay::Unstamped => self.held.push(held),
            Delay::Stamped if event.is_some() => self.held.push(held),
            Delay::Stamped => {}
        }
    }

    pub(super) fn go_on(&mut self, index: usize) {
        let mut held = self.held.remove(index);
        if held.event.is_none() {
            held.event = self.generate(held.who, held.deed);
        }
        self.enqueue(&held);
    }

    /// Every task goes on, and every exec comes to its end.
    pub(super) fn stand_still(&mut self) {
        (self.failing_pidfds, self.failing_looks) = (0, 0);
        loop {
            if !self.held.is_empty() {
                self.go_on(0);
            } else if self.processes.iter().any(|p| p.exec != Exec::No) {
                self.perform(Step::ThreadExecGoesOn { who: 0, delay: Delay::No });
            } else {
                break;
            }
        }
        self.perform(Step::Check);
    }

    /// The event of a deed, as the kernel generates it now; `None` if it is that of a thread.
    fn generate(&mut self, who: Who, deed: Deed) -> Option<Event> {
        let timestamp_ns = self.tick();
        if deed == Deed::Fork {
            self.processes[who].fork_parent = self.processes[who].parent;
        }
        let process = &self.processes[who];
        let parent = process.parent.map_or(0, |parent| self.processes[parent].pid);
        let is_reaped = process.phase == Phase::Reaped;
        let pid = process.pid as u32;
        let pair = |low: u32, high: u32| {
            let [a, b, c, d] = low.to_ne_bytes();
            let [e, f, g, h] = high.to_ne_bytes();
            u64::from_ne_bytes([a, b, c, d, e, f, g, h])
        };
        let ids = pair(pid, pid);
        let parents = pair(parent as u32, parent as u32);
        let (kind, rest) = match deed {
            Deed::Fork => {
                let event = Event { kind: kind::FORK, timestamp_ns, ..Event::EMPTY };
                return Some(Event { data: [parents, ids, 0, 0, 0], ..event });
            }
            Deed::ThreadFork => {
                let thread = pair(THREAD, pid);
                let event = Event { kind: kind::FORK, timestamp_ns, ..Event::EMPTY };
                return Some(Event { data: [parents, thread, 0, 0, 0], ..event });
            }
            Deed::Exec => (kind::EXEC, [0, 0]),
            Deed::Exit { leader, .. } if leader != process.leaders => return None,
            Deed::Exit { code, .. } => {
                let signal = libc::SIGCHLD as u32;
                let parents = if is_reaped { 0 } else { parents };
                (kind::EXIT, [pair(code as u32, signal), parents])
            }
            Deed::Rename => {
                let (low, high) = process.comm.split_at(8);
                let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("8 bytes"));
                (kind::COMM, [word(low), word(high)])
            }
            Deed::SetUser => (kind::UID, [pair(process.ids.ruid, process.ids.euid), 0]),
            Deed::SetGroup => (kind::GID, [pair(process.ids.rgid, process.ids.egid), 0]),
            Deed::SetSession => (kind::SID, [0, 0]),
        };
        let data = [ids, rest[0], rest[1], 0, 0];
        Some(Event { kind, timestamp_ns, data, ..Event::EMPTY })
    }

    fn enqueue(&mut self, held: &Held) {
        let Some(event) = held.event else { return };
        if self.listened & 1 << event.kind == 0 || self.deaf_since_ns.is_some() {
            return;
        }
        let (kind, tgid) = (event.kind, event.tgid());
        if held.deed == Deed::ThreadFork && self.unheard.contains(&tgid) {
            return;
        }
        if self.queue.len() >= self.setup.capacity {
            self.dropped += 1;
            self.note(|| format!("event of pid {tgid} is lost: kind {kind}"));
            return;
        }
        self.queue.push_back(event);
        let now_ns = self.now_ns;
        let parent = self.processes[held.who].born_to;
        let is_parent_gone = parent.is_some_and(|parent| !self.processes[parent].is_alive());
        let process = &mut self.processes[held.who];
        if event.kind == kind::EXIT {
            process.last_exit_queued_ns = Some(now_ns);
        }
        match held.deed {
            Deed::Fork => {
                process.is_fork_late = is_parent_gone;
                process.fork_ns = Some(event.timestamp_ns);
                self.forks.insert(event.timestamp_ns, held.who);
            }
            Deed::Exec => process.execs.push(event.timestamp_ns),
            Deed::Exit { is_end: true, .. } => {
                process.exit_queued_ns = Some(now_ns);
                process.exit_has_parent = event.word(5) != 0;
            }
            _ => {}
        }
        let at = event.timestamp_ns / 1000 - 1_000_000;
        self.note(|| format!("event of pid {tgid} is queued: kind {kind}, stamped {at}"));
    }
}
