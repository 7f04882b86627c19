//! What the table reports, held against what happened on the machine.

use super::machine::{Machine, Process as Truth, Who};
use super::outside::Outside;
use crate::procfs::{Command, TICK_NS};
use crate::protocol::bpf::UNHEARD_MAX;
use crate::table::follower::Follower;
use crate::table::judge;
use crate::table::report::{Change, Process, change, field, remark, state};
use std::collections::{BTreeMap, BTreeSet};

macro_rules! ensure {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}
pub(super) use ensure;

/// A process as the caller knows it.
struct Known {
    who: Who,
    process: Process,
    begun_ns: u64,
    /// When this was reported, by the machine's time: in a table of a family, later, and all that had happened
    /// by then may be included.
    told_ns: u64,
    /// It was found by a look, not by its FORK: at this process.
    seen: Option<Who>,
    /// The timestamps of its EXECEDs; `true`: a scan found it.
    execs: Vec<(u64, bool)>,
    end: Option<u32>,
}

#[derive(Default)]
pub(super) struct Witness {
    known: BTreeMap<u64, Known>,
    /// By process: the ids that began as this process.
    ids: BTreeMap<Who, Vec<u64>>,
    changes: u64,
    is_synced: bool,
    syncs: u32,
    deaf_syncs: u32,
    lost: u64,
    synced_ns: u64,
    /// When a process left last whose EXIT may still come.
    last_exit_missing_ns: u64,
    pub rescans: u32,
    /// When the table was synced for the first time, by the machine's time.
    first_synced_ns: Option<u64>,
}

const fn is_beginning(kind: u32) -> bool {
    matches!(kind, change::FOUND | change::STARTED)
}

const fn is_end(kind: u32) -> bool {
    matches!(kind, change::EXITED | change::VANISHED)
}

impl Witness {
    pub(super) fn take(
        &mut self,
        change: &Change,
        outside: &Outside,
        follower: &mut Follower,
    ) -> Result<(), String> {
        let machine = outside.machine.borrow();
        let is_recovered = change.flags & remark::RECOVERED != 0;
        ensure!(
            !is_recovered
                || self.has_doubt(&machine)
                || self.is_discovered(change, outside, &machine)
                || self.may_root_vanish(&machine),
            "recovered, although nothing was lost: {change:?}"
        );
        self.changes += 1;
        ensure!(change.sequence == self.changes, "{} is not the next number", change.sequence);
        if change.kind == change::UNSYNCED {
            ensure!(change.process == Process::EMPTY, "UNSYNCED is about a process");
            ensure!(self.is_synced && self.has_doubt(&machine), "UNSYNCED without a reason");
            self.is_synced = false;
            return Ok(());
        }
        if change.kind == change::SYNCED {
            ensure!(change.process == Process::EMPTY, "SYNCED is about a process");
            ensure!(is_recovered || self.syncs == 0, "only the first SYNCED recovers nothing");
            ensure!(!self.is_synced, "SYNCED without UNSYNCED");
            self.is_synced = true;
            self.syncs += 1;
            self.first_synced_ns.get_or_insert(machine.now_ns);
            self.synced_ns = change.timestamp_ns;
            self.deaf_syncs += u32::from(change.flags & remark::DEAF != 0);
            self.lost += change.lost;
            return Ok(());
        }
        if is_beginning(change.kind) {
            self.begin(change, outside, &machine, follower)?;
            let set = follower.set_user(change.process.pid, change.process.id * 3);
            ensure!(set.is_some(), "has begun, and is not there");
            self.known.get_mut(&change.process.id).expect("begun").process.user =
                change.process.id * 3;
        } else {
            self.go_on(change, &machine)?;
        }
        let there = follower.get(change.process.pid);
        if is_end(change.kind) {
            ensure!(there.is_none(), "is there after its end: {there:?}");
        } else {
            self.check_family(&self.known[&change.process.id], change.process.state, &machine)?;
            let user = change.process.id * 3;
            ensure!(there == Some(Process { user, ..change.process }), "differs: {there:?}");
        }
        self.check_command(change, follower, &machine)?;
        let living = self.known.values().filter(|known| known.end.is_none()).count();
        ensure!(living == follower.reported, "the count is {}", follower.reported);
        Ok(())
    }

    fn has_lost(machine: &Machine) -> bool {
        machine.dropped > 0 || machine.was_deaf
    }

    fn has_doubt(&self, machine: &Machine) -> bool {
        self.rescans > 0 || Self::has_lost(machine)
    }

    /// An event of a process that exited before the table could find it was taken for one of the pid's
    /// next owner, which started in the tick of the event.
    fn is_discovered(&self, change: &Change, outside: &Outside, machine: &Machine) -> bool {
        let Some(seen) = outside.looks.borrow().get(&change.timestamp_ns).copied() else {
            return false;
        };
        let truth = &machine.processes[seen];
        machine.processes[..seen]
            .iter()
            .enumerate()
            .any(|(who, first)| first.pid == truth.pid && !self.ids.contains_key(&who))
    }

    fn begin(
        &mut self,
        change: &Change,
        outside: &Outside,
        machine: &Machine,
        follower: &Follower,
    ) -> Result<(), String> {
        let process = &change.process;
        let is_first = change.kind == change::FOUND;
        ensure!(is_first == (self.syncs == 0) || !is_first, "FOUND after the first SYNCED");
        // The FORK of a process that a look found may have shown that it is of the family.
        let slot = follower.census.find(process.pid).expect("it has begun");
        let seen_ns = judge::found_ns(follower.census.at(slot));
        let is_seen_before = machine.root.is_some() && seen_ns > 0;
        let begun_ns = if is_seen_before { seen_ns } else { change.timestamp_ns };
        let looked = outside.looks.borrow().get(&begun_ns).copied();
        let forked = machine.forks.get(&change.timestamp_ns).copied();
        let Some(who) = looked.or(forked) else {
            return Err("begins at a moment at which nothing was seen".into());
        };
        let truth = &machine.processes[who];
        ensure!(truth.pid == process.pid, "another pid begins than was seen");
        ensure!(!self.known.contains_key(&process.id), "the id has begun before");
        let earlier = self.ids.get(&who).and_then(|ids| ids.last()).copied().filter(|first| {
            !(self.known[first].seen.is_some()
                && self.known[first].end.is_some()
                && self.settle_twin(*first, machine, |_| true))
        });
        if let Some(first) = earlier {
            let first = &self.known[&first];
            ensure!(
                is_fork_undecidable(truth, first, machine)
                    || is_taken_for_predecessor(first, machine),
                "has begun before: {}",
                first.process.id
            );
        }
        self.ids.entry(who).or_default().push(process.id);
        let known = Known {
            who,
            process: *process,
            begun_ns,
            told_ns: machine.now_ns,
            seen: looked,
            execs: Vec::new(),
            end: None,
        };
        self.known.insert(process.id, known);
        Ok(())
    }

    fn go_on(&mut self, change: &Change, machine: &Machine) -> Result<(), String> {
        let process = &change.process;
        let Some(known) = self.known.get_mut(&process.id) else {
            return Err("the id has not begun".into());
        };
        ensure!(known.end.is_none(), "the id has ended");
        let before = &known.process;
        // What each kind of change may change. Nothing reports the parent's id, the state, and
        // that the parent is not known because the process is between two leaders.
        let mut expected = Process {
            parent_id: process.parent_id,
            state: process.state,
            sequence: process.sequence,
            ..*before
        };
        expected.valid = before.valid & !field::PARENT | process.valid & field::PARENT;
        match change.kind {
            change::EXECED | change::RENAMED => {
                expected.comm = process.comm;
                expected.valid = expected.valid & !field::COMM | process.valid & field::COMM;
            }
            change::CREDENTIALS => {
                (expected.ruid, expected.euid) = (process.ruid, process.euid);
                (expected.rgid, expected.egid) = (process.rgid, process.egid);
                expected.valid |= process.valid & field::CREDENTIALS;
            }
            change::SESSION => {
                expected.session = process.session;
                expected.valid |= process.valid & field::SESSION;
            }
            change::REPARENTED => expected.parent_pid = process.parent_pid,
            change::EXITED | change::VANISHED => {}
            kind => return Err(format!("there is no kind {kind}")),
        }
        ensure!(expected == *process, "more has changed than is reported, since {before:?}");
        let is_new = matches!(change.kind, change::EXECED | change::EXITED | change::VANISHED)
            || Process {
                parent_id: before.parent_id,
                state: before.state,
                sequence: before.sequence,
                ..*process
            } != *before;
        ensure!(is_new, "nothing has changed");
        known.process = *process;
        if change.kind == change::EXECED {
            known.execs.push((change.timestamp_ns, change.flags & remark::RECOVERED != 0));
            check_exec(change, known, machine)?;
        }
        if is_end(change.kind) {
            known.end = Some(change.kind);
            let known = &self.known[&process.id];
            let is_alive = machine.processes[known.who].is_alive();
            if known.seen.is_some() && (is_alive || !self.is_code_right(change, known, machine)) {
                self.settle_twin(process.id, machine, |twin| is_code_right(change, twin));
            }
            let known = &self.known[&process.id];
            self.check_end(change, known, machine)?;
            if change.flags & remark::EXIT_CODE == 0 || change.flags & remark::LEADER_CODE != 0 {
                let missing_ns = &mut self.last_exit_missing_ns;
                *missing_ns = machine.now_ns;
            }
        }
        Ok(())
    }

    // ---- Commands ----

    /// The command that is kept with a process is one that it has had.
    fn check_command(
        &self,
        change: &Change,
        follower: &Follower,
        machine: &Machine,
    ) -> Result<(), String> {
        let Some(kept) = follower.command(&change.process) else {
            return Err("no command is kept with it".into());
        };
        let known = &self.known[&change.process.id];
        let Some(program) = program_of(kept) else { return Ok(()) };
        let truth = &machine.processes[known.who];
        let is_twin = |who: Who| {
            let later = &machine.processes[who];
            later.pid == truth.pid && seem_equally_old(truth, later, machine)
        };
        let mut others = (known.who + 1..machine.processes.len())
            .filter(|who| is_twin(*who) || self.stands_for(known, *who, machine));
        ensure!(
            truth.programs.contains(&program)
                || others.any(|who| machine.processes[who].programs.contains(&program)),
            "it never ran {program}"
        );
        Ok(())
    }

    // ---- Families ----

    /// The first scan may see that the root exited, which may have been before the table was opened. Then the
    /// root has vanished, and its children are orphans by a scan.
    fn may_root_vanish(&self, machine: &Machine) -> bool {
        let ended_ns = machine.root.and_then(|root| machine.processes[root].ended_ns);
        ended_ns.is_some_and(|at| at < self.first_synced_ns.unwrap_or(u64::MAX))
    }

    /// What is reported as a member was born in the family. Without a loss it is known who was.
    fn check_family(&self, known: &Known, state: u32, machine: &Machine) -> Result<(), String> {
        if state & state::PERHAPS != 0 {
            ensure!(machine.root.is_some(), "perhaps of a family, and there is none");
            ensure!(
                self.has_doubt(machine)
                    || self.is_parent_unknown(known.who, machine)
                    || self.may_be_confused(known.who, machine),
                "perhaps, although nothing was lost"
            );
            return Ok(());
        }
        let mut later = known.who..machine.processes.len();
        ensure!(
            later.any(|who| (who == known.who || self.stands_for(known, who, machine))
                && machine.is_member(who))
                || self.may_be_confused(known.who, machine),
            "is no member"
        );
        Ok(())
    }

    /// Whether a process, or one that it descends from, was born to a parent that the table could not know:
    /// one that was there when the table was opened, and exited before it was read; one that exited while
    /// its child was made; or one that no look showed.
    fn is_parent_unknown(&self, who: Who, machine: &Machine) -> bool {
        let truth = &machine.processes[who];
        if machine.seen_between.contains(&who) {
            return true;
        }
        let Some(parent) = truth.born_to else { return false };
        let parents = &machine.processes[parent];
        let is_older = parents.start_ns < machine.opened_boot_ns;
        let synced_ns = self.first_synced_ns.unwrap_or(u64::MAX);
        truth.is_fork_late
            || is_older && parents.ended_ns.is_some_and(|at| at < synced_ns)
            || self.may_be_overtaken(parent, machine)
            || self.is_parent_unknown(parent, machine)
    }

    /// Whether a process, or one that it descends from, may be taken for another owner of its pid.
    fn may_be_confused(&self, who: Who, machine: &Machine) -> bool {
        // The process that has the pid of the root's parent when that is read is an ancestor.
        let has_pid_of_ancestor = |truth: &Truth| {
            machine.pids_of_ancestors.contains(&truth.pid)
                && truth.start_ns >= machine.opened_boot_ns
                && self.is_of_opening(truth, machine)
        };
        if machine.processes.iter().any(has_pid_of_ancestor) {
            return true;
        }
        let mut next = Some(who);
        while let Some(at) = next {
            if self.has_twin(at, machine) {
                return true;
            }
            next = machine.processes[at].born_to.filter(|_| machine.root != Some(at));
        }
        false
    }

    fn has_twin(&self, who: Who, machine: &Machine) -> bool {
        let truth = &machine.processes[who];
        let is_twin = |(other, other_truth): (Who, &Truth)| {
            let (first, second) = if who < other { (who, other) } else { (other, who) };
            let [older, younger] = [first, second].map(|who| &machine.processes[who]);
            other != who
                && other_truth.pid == truth.pid
                // What was looked at while the kernel was deaf had parents of which nobody had heard.
                && (machine.was_deaf
                    || may_be_mistaken_for_own_fork(first, second, machine)
                    || self.is_of_opening(younger, machine)
                    || self.may_be_looked_at(second, machine)
                        && seem_equally_old(older, younger, machine))
        };
        // What the FORK of the root is taken for then is outside of the family.
        let is_twice = |id: &u64| {
            is_fork_undecidable(truth, &self.known[id], machine)
                || is_taken_for_predecessor(&self.known[id], machine)
        };
        machine.processes.iter().enumerate().any(is_twin)
            || self.ids.get(&who).is_some_and(|ids| ids.iter().any(is_twice))
    }

    /// Whether a process has to be reported: it was born to one that has to be, or its parents led to the root
    /// when the table was opened, and did so until it was read.
    fn is_due(&self, who: Who, machine: &Machine) -> bool {
        if machine.root.is_none() {
            return true;
        }
        if self.may_be_confused(who, machine) {
            return false;
        }
        if machine.root == Some(who) {
            return true;
        }
        if let Some(path) = machine.family_at_opening.get(&who) {
            let is_read = |at: &Who| {
                let ended_ns = machine.processes[*at].ended_ns;
                ended_ns.is_none_or(|at| self.first_synced_ns.is_some_and(|synced| synced < at))
            };
            return path.iter().chain([&who]).all(is_read);
        }
        let truth = &machine.processes[who];
        // /proc rounds when a process started. If its FORK is lost, one that started in the tick in which the
        // table was opened seems older.
        let start_ns = if Self::has_lost(machine) { truth.start_tick() } else { truth.start_ns };
        start_ns >= machine.opened_boot_ns
            && !truth.is_fork_late
            && truth.born_to.is_some_and(|parent| self.is_due(parent, machine))
    }

    // ---- Exits ----

    /// What a look found was one of several owners of the pid that started in one tick, and looked
    /// all like it. Then the id may be that of an earlier one, of which nothing else is known.
    fn settle_twin(&mut self, id: u64, machine: &Machine, may_be: impl Fn(&Truth) -> bool) -> bool {
        let who = self.known[&id].who;
        let mut twins = (0..who).filter(|twin| {
            let (twin_truth, truth) = (&machine.processes[*twin], &machine.processes[who]);
            twin_truth.pid == truth.pid
                && seem_equally_old(twin_truth, truth, machine)
                && self.ids.get(twin).is_none_or(Vec::is_empty)
                && may_be(twin_truth)
        });
        let twin = twins.next();
        if let Some(twin) = twin {
            self.ids.entry(who).or_default().retain(|other| *other != id);
            self.ids.entry(twin).or_default().push(id);
            self.known.get_mut(&id).expect("begun").who = twin;
        }
        twin.is_some()
    }

    fn check_end(&self, change: &Change, known: &Known, machine: &Machine) -> Result<(), String> {
        let truth = &machine.processes[known.who];
        ensure!(!truth.is_alive() || is_taken_for_predecessor(known, machine), "it lives");
        let has_code = change.flags & remark::EXIT_CODE != 0;
        let is_leaders = change.flags & remark::LEADER_CODE != 0;
        ensure!(has_code || !is_leaders && change.exit_code == 0, "a code that is not known");
        if change.kind == change::VANISHED {
            ensure!(!has_code, "VANISHED has a code");
            return self.check_vanished(change, known, machine);
        }
        let is_right = self.is_code_right(change, known, machine);
        ensure!(is_right, "the code is wrong: {:?}", truth.status);
        if self.is_code_due(known, machine) {
            // Who left outside of the family is not known here.
            let is_clear = truth.exit_has_parent
                || machine.root.is_none()
                    && change.timestamp_ns
                        > self.synced_ns.max(self.last_exit_missing_ns) + 1_000_000_000;
            let is_queued = truth.last_exit_queued_ns.is_some_and(|at| at <= change.timestamp_ns);
            ensure!(has_code || !is_queued, "not even the leader's code is known");
            let is_fork_new = truth.fork_ns.is_some_and(|at| at > machine.opened_ns);
            // What was left out for an earlier owner of the pid may have been this process's.
            let many = &machine.pids_with_many_threads;
            let is_heard = !many.contains(&truth.pid) && many.len() <= UNHEARD_MAX;
            let is_own_due = truth.is_simple && is_clear && is_fork_new && is_heard;
            ensure!(!is_leaders || !is_own_due, "the code is called the leader's, and is its own");
        }
        Ok(())
    }

    /// Whether the exit code is that of the process, or of one that the id stands for, too.
    fn is_code_right(&self, change: &Change, known: &Known, machine: &Machine) -> bool {
        let mut later = known.who..machine.processes.len();
        // Before its EXIT, the process was reaped: it may be the EXIT of an earlier owner of the pid.
        let pid = machine.processes[known.who].pid;
        let may_be_earlier = change.flags & remark::LEADER_CODE != 0;
        let mut earlier = machine.processes[..known.who].iter().filter(|p| p.pid == pid);
        is_code_right(change, &machine.processes[known.who])
            || may_be_earlier && earlier.any(|earlier| is_code_right(change, earlier))
            || later.any(|later| {
                self.stands_for(known, later, machine)
                    && is_code_right(change, &machine.processes[later])
            })
    }

    /// A process vanishes if the EXIT that reports its end
    /// - was lost,
    /// - does not exist, because the leader was gone before,
    /// - or was queued after a rescan's look had shown the process gone,
    /// - or if that look had shown the pid's next owner.
    fn check_vanished(
        &self,
        change: &Change,
        known: &Known,
        machine: &Machine,
    ) -> Result<(), String> {
        let truth = &machine.processes[known.who];
        let is_late = truth.exit_queued_ns.is_none_or(|at| at > change.timestamp_ns);
        let is_replaced = machine.processes.iter().skip(known.who + 1).any(|next| {
            let started_ns = next.start_ns.saturating_sub(machine.slept_ns);
            next.pid == truth.pid && started_ns < change.timestamp_ns
        });
        ensure!(
            Self::has_lost(machine)
                || self.may_root_vanish(machine)
                || self.rescans > 0 && (is_late || is_replaced),
            "VANISHED, although its EXIT was queued in time"
        );
        Ok(())
    }

    /// Whether an id may stand for a later owner of the pid, too, because nothing tells the two apart:
    /// among others, if the FORK of the second was lost. Then its events are taken for those of the first,
    /// whose EXIT may have been that of a leader.
    fn stands_for(&self, known: &Known, later: Who, machine: &Machine) -> bool {
        let (first, second) = (&machine.processes[known.who], &machine.processes[later]);
        is_mistaken_for_own_fork(known, later, machine)
            || self.has_doubt(machine)
                && known.who < later
                && first.pid == second.pid
                && (seem_equally_old(first, second, machine) || second.fork_ns.is_none())
    }

    /// Whether nothing was in the way of knowing the exit code.
    fn is_code_due(&self, known: &Known, machine: &Machine) -> bool {
        let truth = &machine.processes[known.who];
        let owners = |p: &&Truth| p.pid == truth.pid;
        let next = machine.processes.iter().skip(known.who + 1).find(owners);
        // If not, the EXIT of a previous owner may still come, or be that of a leader of this one.
        let is_over = |last: Who| {
            let was_there = self.ids.contains_key(&last);
            let last = &machine.processes[last];
            !seem_equally_old(last, truth, machine)
                && last.exit_queued_ns.map_or(!was_there, |at| at < known.begun_ns)
        };
        let previous = (0..known.who).filter(|last| machine.processes[*last].pid == truth.pid);
        !self.has_doubt(machine)
            && known.seen.is_none()
            && self.ids[&known.who].len() == 1
            && next.is_none()
            && previous.into_iter().all(is_over)
    }

    // ---- Pauses ----

    /// The machine stands still, and the table has nothing to do: it is what /proc is.
    pub(super) fn pause(&self, outside: &Outside, follower: &Follower) -> Result<(), String> {
        let machine = outside.machine.borrow();
        ensure!(machine.queue.is_empty(), "events are left");
        ensure!(self.is_synced && follower.agenda.is_synced(), "not synced, and idle");
        ensure!(self.lost == machine.dropped, "{} events were lost", machine.dropped);
        ensure!(!machine.was_deaf || self.deaf_syncs > 0, "nothing says that it was deaf");
        let mut living = BTreeSet::new();
        for (who, truth) in machine.processes.iter().enumerate() {
            let is_due = self.is_due(who, &machine);
            if truth.is_alive() {
                living.insert(truth.pid);
                if is_due || follower.get(truth.pid).is_some() {
                    self.compare(who, &machine, follower)?;
                }
            } else if !is_due {
                // Nobody asks for it.
            } else if !Self::has_lost(&machine) {
                ensure!(
                    truth.fork_ns.is_none()
                        || self.is_overtaken(who, truth)
                        || machine.root.is_some() && self.may_be_overtaken(who, &machine)
                        || self.known.values().any(|known| self.stands_for(known, who, &machine))
                        || self.ids.get(&who).is_some_and(|ids| !ids.is_empty()),
                    "pid {} was never there: {}",
                    truth.pid,
                    describe(truth)
                );
            }
        }
        let mut pid = 0;
        while let Some(process) = follower.above(pid) {
            pid = process.pid;
            ensure!(living.contains(&pid), "pid {pid} is in the table only: {process:?}");
        }
        let leaderless = machine.processes.iter().filter(|p| p.is_alive() && !p.has_leader);
        let leaderless: BTreeSet<i32> = leaderless.map(|p| p.pid).collect();
        let watched: BTreeSet<i32> = outside.watched.keys().copied().collect();
        let is_full = watched.len() == machine.setup.max_watches;
        ensure!(
            watched.is_subset(&leaderless) && (is_full || watched == leaderless),
            "watched: {watched:?}, without leaders: {leaderless:?}"
        );
        if !Self::has_lost(&machine) {
            self.check_execs(&machine)?;
        }
        Ok(())
    }

    /// A look found a later owner of the pid before the FORK of this process was handled.
    fn is_overtaken(&self, who: Who, truth: &Truth) -> bool {
        self.known.values().any(|known| {
            let seen = known.seen.filter(|seen| *seen > who);
            seen.is_some() && known.process.pid == truth.pid
        })
    }

    /// A later owner of the pid may have been looked at before the FORK of this process was handled.
    fn may_be_overtaken(&self, who: Who, machine: &Machine) -> bool {
        let pid = machine.processes[who].pid;
        let mut later = machine.processes.iter().skip(who + 1).filter(|next| next.pid == pid);
        later.any(|next| self.may_be_found(next, machine))
    }

    /// A look, not a FORK, may have shown the process first.
    fn may_be_looked_at(&self, who: Who, machine: &Machine) -> bool {
        let is_forked = |id: &u64| self.known[id].seen.is_none();
        self.has_doubt(machine) || !self.ids.get(&who).is_some_and(|ids| ids.iter().all(is_forked))
    }

    /// A look may have found the process before its FORK was handled.
    fn may_be_found(&self, truth: &Truth, machine: &Machine) -> bool {
        self.has_doubt(machine) || self.is_of_opening(truth, machine)
    }

    /// The process started before the first scan had ended.
    fn is_of_opening(&self, truth: &Truth, machine: &Machine) -> bool {
        self.first_synced_ns.is_none_or(|at| truth.start_ns < at + machine.slept_ns)
    }

    fn compare(&self, who: Who, machine: &Machine, follower: &Follower) -> Result<(), String> {
        let (truth, fields) = (&machine.processes[who], machine.setup.fields);
        let pid = truth.pid;
        let Some(process) = follower.get(pid) else {
            return Err(format!("pid {pid} is not in the table: {}", describe(truth)));
        };
        let Some(known) = self.known.get(&process.id) else {
            return Err(format!("pid {pid} is in the table, and has never begun"));
        };
        if is_mistaken_for_own_fork(known, who, machine)
            || machine.root.is_some() && self.has_twin(who, machine)
        {
            return Ok(()); // What the two have in common is not known.
        }
        self.check_family(known, process.state, machine)?;
        // Nothing reports the parent's id and the state, nor when they are known.
        let Process { parent_id, state, sequence, .. } = process;
        let valid = known.process.valid | process.valid & field::PARENT;
        ensure!(
            Process { parent_id, state, valid, sequence, ..known.process } == process,
            "pid {pid} is not what was reported: {process:?}, but {:?}",
            known.process
        );
        let has_programs = !truth.programs_ns.is_empty();
        if let Some(program) = machine.shown_program(who).filter(|_| has_programs) {
            let kept = follower.command(&process).and_then(program_of);
            ensure!(kept == Some(program), "pid {pid} runs {program}: {kept:?} is kept");
        }
        let parent = truth.parent.map_or(0, |parent| machine.processes[parent].pid);
        let told_parent = follower.get(process.parent_pid).map(|parent| &self.known[&parent.id]);
        let owner = machine.find(process.parent_pid);
        if told_parent
            .zip(owner)
            .is_some_and(|(told, owner)| is_mistaken_for_own_fork(told, owner, machine))
        {
            return Ok(()); // The parent's exit was not noticed.
        }
        let owners = machine.processes.iter().filter(|p| p.pid == process.parent_pid);
        if Self::has_lost(machine) && parent != process.parent_pid && owners.count() > 1 {
            return Ok(()); // The parent's FORK was lost, and its pid had another owner soon.
        }
        let expected_parent_id = follower.get(parent).map_or(0, |parent| parent.id);
        let expected = Process {
            parent_pid: parent,
            parent_id: expected_parent_id,
            start_boottime_ns: truth.start_tick(),
            session: if fields & field::SESSION != 0 { truth.session } else { process.session },
            state: process.state & state::PERHAPS
                | if truth.is_kernel_thread { state::KERNEL_THREAD } else { 0 }
                | if truth.has_leader { 0 } else { state::LEADER_GONE },
            valid: (fields | field::PARENT | field::START)
                & !if truth.is_kernel_thread { field::COMM } else { 0 },
            ..process
        };
        ensure!(process == expected, "pid {pid} differs: {process:?}, should be {expected:?}");
        let is_named = process.valid & field::COMM == 0 || process.comm == truth.comm;
        ensure!(is_named, "pid {pid} has another name: {process:?}, {:?}", truth.comm);
        let ids = &truth.ids;
        let has_ids = (process.ruid, process.euid, process.rgid, process.egid)
            == (ids.ruid, ids.euid, ids.rgid, ids.egid);
        ensure!(
            process.valid & field::CREDENTIALS == 0 || has_ids,
            "pid {pid} has other ids: {process:?}, {ids:?}"
        );
        Ok(())
    }

    /// Every EXEC that was queued has been reported: by itself, or by what found the process, or its
    /// program, later.
    fn check_execs(&self, machine: &Machine) -> Result<(), String> {
        for (who, ids) in &self.ids {
            let truth = &machine.processes[*who];
            for at in &truth.execs {
                let is_reported = |id: &u64| {
                    let known = &self.known[id];
                    let is_it =
                        |(told, is_found): &(u64, bool)| told == at || *is_found && told > at;
                    known.seen.is_some() && known.begun_ns > *at
                        || machine.root.is_some() && known.told_ns > *at
                        || known.execs.iter().any(is_it)
                        || known.end == Some(change::VANISHED)
                };
                ensure!(
                    ids.is_empty()
                        || ids.iter().any(is_reported)
                        || machine.root.is_some() && self.may_be_confused(*who, machine),
                    "an exec of pid {} was not reported: {}",
                    truth.pid,
                    describe(truth)
                );
            }
        }
        Ok(())
    }
}

/// What a look has shown is not reported again, and what a look reports has happened.
fn check_exec(change: &Change, known: &Known, machine: &Machine) -> Result<(), String> {
    let at_ns = change.timestamp_ns;
    let is_reflected = |(told, is_found): &(u64, bool)| *is_found && *told > at_ns;
    let is_known_since = known.seen.is_some() && at_ns < known.begun_ns;
    ensure!(!is_known_since && !known.execs.iter().any(is_reflected), "an exec is reported twice");
    let mut owners = (known.who..machine.processes.len())
        .filter(|who| machine.processes[*who].pid == change.process.pid);
    let has_run_program = |who: Who| {
        let is_other = who != known.who;
        is_other || machine.processes[who].programs_ns.iter().any(|at| *at > known.begun_ns)
    };
    ensure!(
        change.flags & remark::RECOVERED == 0 || owners.any(has_run_program),
        "a look shows another program, but the process has run none"
    );
    Ok(())
}

/// Whether the exit code that is reported is the process's, or its leader's.
fn is_code_right(change: &Change, truth: &Truth) -> bool {
    if change.flags & remark::LEADER_CODE != 0 {
        truth.leader_codes.contains(&change.exit_code)
    } else {
        change.flags & remark::EXIT_CODE == 0 || truth.status == Some(change.exit_code)
    }
}

/// A process was found before its FORK was generated, and exited before that was handled. It may as
/// well be the FORK of the pid's next owner, and the EXIT in between may be late, if the FORK seems to
/// be more than two ticks younger than the process, or if the process had run by the end of the look.
fn is_fork_undecidable(truth: &Truth, first: &Known, machine: &Machine) -> bool {
    let is_younger = |fork_ns: u64| {
        let seems_ns = fork_ns + machine.slept_ns;
        let had_run = truth.has_run || !truth.is_simple;
        first.begun_ns < fork_ns && (had_run || seems_ns >= truth.start_tick() + 2 * TICK_NS)
    };
    first.seen.is_some() && !truth.is_alive() && truth.fork_ns.is_some_and(is_younger)
}

/// The first was found before it had run, and its EXIT came after the FORK of the second. That might be
/// the FORK of the first, which may still come then, if it is no more than two ticks younger, or if
/// both started in the same tick.
fn is_mistaken_for_own_fork(known: &Known, later: Who, machine: &Machine) -> bool {
    known.seen.is_some() && may_be_mistaken_for_own_fork(known.who, later, machine)
}

fn may_be_mistaken_for_own_fork(who: Who, later: Who, machine: &Machine) -> bool {
    let (first, second) = (&machine.processes[who], &machine.processes[later]);
    let is_late = |fork_ns: u64| {
        first.exit_queued_ns.is_none_or(|at| at >= fork_ns)
            && (fork_ns + machine.setup.slept_ns < first.start_tick() + 2 * TICK_NS
                || first.start_tick() == second.start_tick())
    };
    who < later && first.pid == second.pid && second.fork_ns.is_some_and(is_late)
}

/// A process was found before its FORK was generated, and in between the EXIT of the previous owner of
/// the pid came, which started in the same tick. It may as well be the previous owner that was found.
fn is_taken_for_predecessor(known: &Known, machine: &Machine) -> bool {
    let truth = &machine.processes[known.who];
    let is_late = |at: Option<u64>| at.is_none_or(|at| at > known.begun_ns);
    known.seen == Some(known.who)
        && is_late(truth.fork_ns)
        && machine.processes[..known.who].iter().any(|last| {
            last.pid == truth.pid && last.last_exit_queued_ns.is_some_and(|at| is_late(Some(at)))
        })
}

/// Whether two owners of a pid may seem to have started in one tick: the FORK and the EXIT of the first
/// may be late, and an event seems to be as much younger as the machine has slept since.
fn seem_equally_old(first: &Truth, second: &Truth, machine: &Machine) -> bool {
    let slept_ns = (machine.slept_ns - machine.setup.slept_ns).next_multiple_of(TICK_NS);
    let event_ns = first.fork_ns.max(first.last_exit_queued_ns).unwrap_or(0);
    let seems_ns = first.start_tick().max(event_ns + machine.setup.slept_ns);
    second.start_tick() <= seems_ns + slept_ns
}

/// The program that a command names.
fn program_of((command, bytes): (Command, &[u8])) -> Option<u64> {
    let line = (command.line_error == 0).then_some(&bytes[..command.line_length as usize])?;
    Some(std::str::from_utf8(line).ok().and_then(|line| line.parse().ok()).expect("a number"))
}

fn describe(truth: &Truth) -> String {
    format!("{:?}, tick {}", truth.phase, truth.start_ns / 10_000_000)
}
