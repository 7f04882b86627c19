//! What becomes of processes.

use super::events::Deed;
use super::machine::{Exec, Machine, Phase, Process, Who};
use super::step::{Birth, Delay, Step};
use crate::protocol::event::{Event, reason};

impl Machine {
    pub(super) fn perform(&mut self, step: Step) {
        self.tick();
        if self.try_to(step).is_some() {
            self.note(|| format!("{step:?}"));
        }
    }

    fn try_to(&mut self, step: Step) -> Option<()> {
        match step {
            Step::Wait { ns } => {
                // No task is preempted for so long.
                if ns > 1_000_000_000 {
                    self.release_held();
                }
                self.wait(ns);
            }
            Step::Sleep { ns } => {
                // Before the machine sleeps, each task is stopped outside of the kernel.
                self.release_held();
                self.slept_ns += ns;
            }
            Step::Fork { who, pid, birth, delay } => return self.fork(who, pid, birth, delay),
            Step::Exec { who, new_ids, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader)?;
                self.processes[who].threads = 0;
                self.run_program(who, new_ids, delay);
            }
            Step::Exit { who, code, is_ignored, delay } => {
                let can = |p: &Process| p.is_alive() && p.exec == Exec::No && p.pid > 2;
                let who = self.pick(who, can)?;
                self.exit(who, code, is_ignored, delay);
            }
            Step::Reap { who } => {
                let who = self.pick(who, |p| p.phase == Phase::Zombie)?;
                self.processes[who].phase = Phase::Reaped;
                let pid = self.processes[who].pid;
                self.note(|| format!("pid {pid} is reaped"));
            }
            Step::Thread { who, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.program != 0 && p.threads < 3)?;
                self.processes[who].threads += 1;
                self.processes[who].is_simple = false;
                self.announce(who, Deed::ThreadFork, delay);
            }
            Step::ManyThreads { who } => {
                let who = self.pick(who, |p| p.can_act() && p.program != 0)?;
                self.processes[who].is_simple = false;
                self.pids_with_many_threads.insert(self.processes[who].pid);
                for _ in 0..16 {
                    self.announce(who, Deed::ThreadFork, Delay::No);
                }
            }
            Step::ThreadExit { who, code } => {
                let who = self.pick(who, |p| p.can_act() && p.threads > 0)?;
                if self.processes[who].threads == 1 && !self.processes[who].has_leader {
                    self.exit(who, code, false, Delay::No);
                } else {
                    self.processes[who].threads -= 1;
                }
            }
            Step::LeaderExit { who, code, delay } => {
                let can = |p: &Process| p.can_act() && p.has_leader && p.threads > 0 && p.pid > 2;
                let who = self.pick(who, can)?;
                self.lose_leader(who, code, delay);
            }
            Step::ThreadExec { who, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.threads > 0)?;
                if self.processes[who].has_leader {
                    self.lose_leader(who, libc::SIGKILL, delay);
                }
                self.processes[who].threads = 1;
                self.processes[who].exec = Exec::Alone;
            }
            Step::ThreadExecGoesOn { who, delay } => {
                let who = self.pick(who, |p| p.exec != Exec::No)?;
                if self.processes[who].exec == Exec::Alone {
                    self.processes[who].exec = Exec::Between;
                } else {
                    self.lead_again(who);
                    self.run_program(who, true, delay);
                }
            }
            Step::ThreadExecFails { who, delay } => {
                let who = self.pick(who, |p| p.exec == Exec::Between && p.pid > 2)?;
                self.lead_again(who);
                self.exit(who, libc::SIGSEGV, false, delay);
            }
            Step::DropMemory { who } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader && p.pid > 2)?;
                self.processes[who].has_memory = false;
            }
            Step::Fault { who } => {
                let who = self.pick(who, |p| p.can_act() && p.program != 0 && !p.has_run)?;
                self.processes[who].has_run = true;
            }
            Step::Rename { who, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader)?;
                self.rename(who, delay);
            }
            Step::SetSession { who, delay } => {
                let who =
                    self.pick(who, |p| p.can_act() && p.session != p.pid && p.program != 0)?;
                self.processes[who].session = self.processes[who].pid;
                self.announce(who, Deed::SetSession, delay);
            }
            Step::SetUser { who, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader && p.program != 0)?;
                let ids = self.new_ids();
                let old = &mut self.processes[who].ids;
                (old.ruid, old.euid) = (ids.ruid, ids.euid);
                self.announce(who, Deed::SetUser, delay);
            }
            Step::SetGroup { who, delay } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader && p.program != 0)?;
                let ids = self.new_ids();
                let old = &mut self.processes[who].ids;
                (old.rgid, old.egid) = (ids.rgid, ids.egid);
                self.announce(who, Deed::SetGroup, delay);
            }
            Step::BecomeSubreaper { who } => {
                let who = self.pick(who, |p| p.can_act() && p.program != 0 && !p.is_subreaper)?;
                self.processes[who].is_subreaper = true;
            }
            Step::GoOn { which } => {
                let index = usize::from(which).checked_rem(self.held.len())?;
                self.go_on(index);
            }
            Step::Flood { who, count } => {
                let who = self.pick(who, |p| p.can_act() && p.has_leader && p.program != 0)?;
                for _ in 0..count {
                    self.rename(who, Delay::No);
                }
            }
            Step::Deafen => {
                if self.deaf_since_ns.is_some() || self.listened == 0 {
                    return None;
                }
                self.deaf_since_ns = Some(self.now_ns);
                self.was_deaf = true;
            }
            Step::Check => {
                let since_ns = self.deaf_since_ns.take()?;
                let until_ns = self.tick();
                self.announcement = Some(Event::overrun(0, since_ns, until_ns, reason::DEAF));
            }
            Step::FailPidfds { count } => self.failing_pidfds = count,
            Step::FailLooks { count } => self.failing_looks = count,
            Step::DropPrivileges => self.may_trace = false,
        }
        Some(())
    }

    fn release_held(&mut self) {
        while !self.held.is_empty() {
            self.go_on(0);
        }
    }

    fn fork(&mut self, who: u8, pid: u8, birth: Birth, delay: Delay) -> Option<()> {
        let pid = self.free_pid(pid)?;
        let can = |p: &Process| p.can_act() && p.program != 0;
        let (actor, parent, model) = match birth {
            Birth::KernelThread | Birth::Helper { .. } => (1, Some(1), None),
            Birth::Plain | Birth::OfOtherThread => {
                let who = self.pick(who, can)?;
                (who, Some(who), Some(who))
            }
            Birth::Sibling => {
                let who = self.pick(who, |p| can(p) && p.pid != 1)?;
                (who, self.processes[who].parent, Some(who))
            }
        };
        let child = self.born(pid, parent, model);
        let (name, ids) = (self.new_name(), self.new_ids());
        let process = &mut self.processes[child];
        match birth {
            Birth::Plain | Birth::Sibling => {}
            Birth::OfOtherThread => (process.comm, process.ids) = (name, ids),
            Birth::KernelThread => process.is_kernel_thread = true,
            Birth::Helper { is_kernel_thread } => process.is_kernel_thread = is_kernel_thread,
        }
        self.note(|| format!("pid {pid} is forked"));
        self.announce_by(Some(actor), child, Deed::Fork, delay);
        Some(())
    }

    fn run_program(&mut self, who: Who, new_ids: bool, delay: Delay) {
        self.programs += 1;
        let (name, ids, program) = (self.new_name(), self.new_ids(), self.programs);
        let now_ns = self.now_ns;
        let process = &mut self.processes[who];
        process.programs_ns.push(now_ns);
        (process.program, process.comm, process.is_kernel_thread) = (program, name, false);
        if new_ids {
            process.ids = ids;
        }
        self.announce(who, Deed::Exec, delay);
    }

    fn rename(&mut self, who: Who, delay: Delay) {
        self.processes[who].comm = self.new_name();
        if !self.processes[who].is_kernel_thread {
            self.announce(who, Deed::Rename, delay);
        }
    }

    fn lose_leader(&mut self, who: Who, code: i32, delay: Delay) {
        let process = &mut self.processes[who];
        process.has_leader = false;
        process.leader_codes.push(code);
        let leader = process.leaders;
        self.announce(who, Deed::Exit { code, leader, is_end: false }, delay);
    }

    fn lead_again(&mut self, who: Who) {
        let process = &mut self.processes[who];
        (process.has_leader, process.threads, process.exec) = (true, 0, Exec::No);
        process.leaders += 1;
    }

    /// The last thread exits.
    fn exit(&mut self, who: Who, code: i32, is_ignored: bool, delay: Delay) {
        let had_leader = self.processes[who].has_leader;
        let reaper = self.reaper_of(who);
        for process in &mut self.processes {
            if process.parent == Some(who) && process.phase != Phase::Reaped {
                process.parent = Some(reaper);
            }
        }
        let now_ns = self.tick();
        let process = &mut self.processes[who];
        (process.has_leader, process.threads, process.exec) = (false, 0, Exec::No);
        (process.status, process.ended_ns) = (Some(code), Some(now_ns));
        process.phase = if is_ignored { Phase::Reaped } else { Phase::Zombie };
        let (pid, leader) = (process.pid, process.leaders);
        if had_leader {
            process.leader_codes.push(code);
        }
        self.note(|| format!("pid {pid} exits: {code}"));
        if had_leader {
            self.announce(who, Deed::Exit { code, leader, is_end: true }, delay);
        }
    }

    /// Who becomes the parent of an exiting process's children.
    fn reaper_of(&self, who: Who) -> Who {
        let mut next = self.processes[who].parent;
        while let Some(ancestor) = next {
            let process = &self.processes[ancestor];
            if process.is_subreaper && process.is_alive() {
                return ancestor;
            }
            next = process.parent;
        }
        0
    }
}
