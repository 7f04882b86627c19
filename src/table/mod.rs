//! A table of all processes that is kept true: list, then follow, then heal.
//!
//! /proc is the truth, and events say when to look. Their order is not to be trusted: an EXIT may be
//! none, the EXIT of a pid's last owner may come after the FORK of the next one, and /proc may be
//! ahead of the queue. So each event is held against what /proc says now, and each process carries
//! the time of its last reading: older events are known already.

mod census;
mod compare;
mod events;
mod leaderless;
mod pids;
mod remote;
mod report;
mod scan;

pub(crate) use remote::Shared;
pub use report::{Change, Process, change, field, remark, state};

use crate::connector::{self, Options, Receiver};
use crate::errno::Errno;
use crate::memory::OutSlice;
use crate::procfs::namespace;
use crate::procfs::stat::{Reading, read, read_even_zombie};
use crate::procfs::status::{Credentials, read_credentials};
use crate::protocol::event::{Event, kind, reason};
use crate::protocol::filter::{Filter, NO_THREADS};
use crate::sys::{self, Doorbell, Epoll, monotonic_ns};
use census::{BEREAVED, Exit, List, NOBODY, RAN, Slot, Store, UNREPORTED};
use compare::Comparison;
use events::Verdict;
use report::process_of;
use scan::Scan;

/// How to open a table.
pub(crate) struct TableOptions {
    /// Bits of [`field`] that are to be kept up to date.
    pub fields: u32,
    /// Queue budget in bytes; `None`: the default.
    pub budget: Option<u32>,
    /// How many processes one call may read from /proc.
    pub max_work: u32,
}

/// How many processes one call reads unless told otherwise: about a millisecond's worth.
pub(crate) const DEFAULT_WORK: u32 = 64;

/// What work costs: an event, and the reading of a process.
const EVENT: u32 = 1;
const READING: u32 = 16;

/// How many events are handled between two steps of a scan, so that neither waits for the other.
const EVENTS_PER_SCAN_STEP: u32 = 16;

/// How long a flood of events may put off the scan that heals a loss.
const SCAN_DELAY_NS: u64 = 100_000_000;

/// The part of a table that belongs to the thread that follows it.
pub(crate) struct Table {
    receiver: Receiver,
    store: Store,
    scan: Scan,
    fields: u32,
    work: u32,
    batch: [Event; 32],
    /// Which events of the batch have not been handled.
    next: u32,
    end: u32,
    /// The bell has been rung by this thread, and not been silenced since.
    has_rung: bool,
    comparison: Option<Comparison>,
    /// All events about what was gone at this time have been handled.
    horizon_ns: u64,
    /// What was lost and has not been healed.
    doubt: Option<Doubt>,
    events_since_scan_step: u32,
    /// The pid whose last owner's EXIT is still to come.
    unexplained: i32,
    /// /proc says how a zombie ended, even if its leader did so otherwise.
    knows_status: bool,
    /// The pid of a process that has ended and was seen to have another owner.
    replaced: i32,
    unreported: usize,
}

/// A loss.
#[derive(Clone, Copy)]
struct Doubt {
    lost: u64,
    since_ns: u64,
    noticed_ns: u64,
    flags: u32,
}

const NOTHING: Doubt = Doubt { lost: 0, since_ns: 0, noticed_ns: 0, flags: 0 };

enum Step {
    Report(Change),
    Worked(u32),
    Idle,
}

enum Run {
    Report(Change),
    /// It has worked enough for one call.
    Paused,
    Idle,
}

impl Table {
    pub(crate) fn open(options: &TableOptions) -> Result<(Shared, Self), Errno> {
        namespace::require_whole_proc()?;
        let mut mask = 1 << kind::FORK | 1 << kind::EXEC | 1 << kind::EXIT;
        for (field, kinds) in [
            (field::SESSION, 1 << kind::SID),
            (field::COMM, 1 << kind::COMM),
            (field::CREDENTIALS, 1 << kind::UID | 1 << kind::GID),
        ] {
            if options.fields & field != 0 {
                mask |= kinds;
            }
        }
        let filter = Filter::new(mask, NO_THREADS).ok_or(Errno(libc::EINVAL))?;
        let (store, scan) = (Store::new()?, Scan::new()?);
        let (epoll, bell) = (Epoll::new()?, Doorbell::new()?);
        let how = Options { filter, budget: options.budget, subscribed: false };
        let (connector, receiver) = connector::open(&how)?;
        let shared = Shared::new(connector, epoll, bell)?;
        let table = Self {
            receiver,
            store,
            scan,
            fields: options.fields | field::PARENT | field::START,
            work: options.max_work.saturating_mul(READING),
            batch: [Event::EMPTY; 32],
            next: 0,
            end: 0,
            has_rung: false,
            comparison: None,
            horizon_ns: 0,
            doubt: None,
            events_since_scan_step: 0,
            unexplained: 0,
            knows_status: sys::knows_endings(),
            replaced: 0,
            unreported: 0,
        };
        Ok((shared, table))
    }

    /// The next change; `None` if none comes in time, or if it has worked enough for one call: then
    /// the descriptor is readable again, or still.
    pub(crate) fn next(
        &mut self,
        shared: &Shared,
        timeout_ns: Option<u64>,
    ) -> Result<Option<Change>, Errno> {
        shared.connector.require_owner()?;
        let may_wait = timeout_ns != Some(0);
        let deadline =
            timeout_ns.map(|ns| if may_wait { monotonic_ns().saturating_add(ns) } else { 0 });
        loop {
            if may_wait && shared.connector.take_interrupt() {
                self.ring_for_work(shared);
                return Err(Errno(libc::ECANCELED));
            }
            // After an error there is still to do what has failed.
            match self.run(shared).inspect_err(|_| shared.ring())? {
                Run::Report(change) => {
                    // Whoever rings after the first look is heard by the second.
                    if !self.ring_for_work(shared) && self.silence(shared) {
                        self.ring_for_work(shared);
                    }
                    return Ok(Some(change));
                }
                Run::Paused if deadline.is_some_and(|deadline| monotonic_ns() >= deadline) => {
                    // Anew, which edge-triggered loops need.
                    shared.ring();
                    return Ok(None);
                }
                Run::Paused => {}
                // Whoever has rung may have done so after the run.
                Run::Idle if self.silence(shared) => {}
                Run::Idle if !may_wait => return Ok(None),
                Run::Idle => match shared.connector.wait_for(shared.fd(), deadline) {
                    Ok(true) => {}
                    Ok(false) => return Ok(None),
                    Err(_) if shared.connector.take_interrupt() => {
                        return Err(Errno(libc::ECANCELED));
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Has the descriptor be readable if there is something to do that no other one tells.
    fn ring_for_work(&mut self, shared: &Shared) -> bool {
        let has_work = self.has_work(shared);
        if has_work && !self.has_rung {
            shared.ring();
            self.has_rung = true;
        }
        has_work
    }

    /// Whether the bell had been rung, which then it is no more.
    fn silence(&mut self, shared: &Shared) -> bool {
        self.has_rung = false;
        shared.silence()
    }

    fn run(&mut self, shared: &Shared) -> Result<Run, Errno> {
        let mut work = 0;
        while work < self.work {
            match self.step(shared)? {
                Step::Report(change) => return Ok(Run::Report(change)),
                Step::Worked(units) => work += units,
                Step::Idle => return Ok(Run::Idle),
            }
        }
        Ok(Run::Paused)
    }

    /// Whether there is something to do that no descriptor tells.
    fn has_work(&self, shared: &Shared) -> bool {
        self.comparison.is_some()
            || self.replaced != 0
            || shared.connector.has_deafness()
            || self.next < self.end
            || self.scan.is_running()
            || self.doubt.is_some()
            || self.store.first(List::Orphans) != NOBODY
            || self.store.first(List::Ending) != NOBODY
    }

    /// One step of work. On an error nothing is lost: the next call tries the same again.
    fn step(&mut self, shared: &Shared) -> Result<Step, Errno> {
        if let Some(change) = self.compare() {
            return Ok(Step::Report(change));
        }
        let orphan = self.store.first(List::Orphans);
        if orphan != NOBODY {
            return self.look_for_parent(orphan);
        }
        let event = self.batch.get(self.next as usize).filter(|_| self.next < self.end).copied();
        if let Some(event) = event.as_ref().filter(|event| event.kind != kind::OVERRUN) {
            // It was queued after that moment, and hence behind whatever was queued until then.
            self.horizon_ns = self.horizon_ns.max(event.timestamp_ns.saturating_sub(1));
        }
        let ending = self.store.first(List::Ending);
        if ending != NOBODY && self.store.at(ending).gone_ns <= self.horizon_ns {
            return Ok(Step::Report(self.end(shared, ending)));
        }
        if self.replaced != 0 {
            return self.look_for_successor(shared);
        }
        if self.is_scan_due() {
            self.events_since_scan_step = 0;
            return self.scan_step(shared);
        }
        if let Some(event) = event {
            let verdict = self.handle(shared, &event)?;
            if !matches!(verdict, Verdict::First(_)) {
                self.next += 1;
                self.events_since_scan_step += 1;
            }
            return Ok(match verdict {
                Verdict::First(change) | Verdict::Report(change) => Step::Report(change),
                Verdict::Read => Step::Worked(READING),
                Verdict::Known => Step::Worked(EVENT),
            });
        }
        let asked_ns = monotonic_ns();
        self.next = 0;
        self.end = 0;
        let mut batch = OutSlice::over(&mut self.batch);
        self.end = self.receiver.fill(&shared.connector, None, &mut batch)?;
        if self.end > 0 {
            return Ok(Step::Worked(EVENT));
        }
        self.horizon_ns = self.horizon_ns.max(asked_ns);
        if self.store.first(List::Ending) != NOBODY {
            return Ok(Step::Worked(EVENT));
        }
        if self.look_at_pidfds(shared)? {
            return Ok(Step::Worked(READING));
        }
        if self.scan.is_running() || self.doubt.is_some() {
            return self.scan_step(shared);
        }
        Ok(Step::Idle)
    }

    /// Notes that events were lost.
    fn note_loss(&mut self, event: &Event) {
        let [lost, since_ns, ..] = event.data;
        let deaf = if event.word(4) == reason::DEAF { remark::DEAF } else { 0 };
        let noticed_ns = event.timestamp_ns;
        let doubt = self.doubt.get_or_insert(Doubt { noticed_ns, ..NOTHING });
        doubt.lost += lost;
        if doubt.since_ns == 0 || since_ns < doubt.since_ns {
            doubt.since_ns = since_ns;
        }
        doubt.flags |= deaf;
    }

    /// Has /proc be read anew.
    pub(crate) fn rescan(&mut self, shared: &Shared) -> Result<(), Errno> {
        shared.connector.require_owner()?;
        let noticed_ns = monotonic_ns();
        self.doubt.get_or_insert(Doubt { noticed_ns, ..NOTHING });
        shared.ring();
        Ok(())
    }

    /// What /proc says about a process, even about a zombie, and its ids if they are wanted; `None`
    /// if there is none.
    fn look(&self, pid: i32) -> Result<Option<(Reading, Option<Credentials>)>, Errno> {
        // In this order: if it is the right process after that, it was so before.
        let credentials =
            if self.fields & field::CREDENTIALS != 0 { read_credentials(pid)? } else { None };
        Ok(look(pid)?.map(|reading| (reading, credentials)))
    }

    /// The same for a process that lives.
    fn look_alive(&self, pid: i32) -> Result<Option<(Reading, Option<Credentials>)>, Errno> {
        Ok(self.look(pid)?.filter(|(reading, _)| !reading.has_ended))
    }

    /// Reads the parent of a process whose own has ended.
    fn look_for_parent(&mut self, slot: Slot) -> Result<Step, Errno> {
        let reading = look_alive(self.store.at(slot).process.pid)?;
        let entry = self.store.at_mut(slot);
        let flags = if entry.is(BEREAVED) { remark::RECOVERED } else { 0 };
        entry.marks &= !BEREAVED;
        let is_unwatched = entry.process.state & state::LEADER_GONE != 0 && entry.pidfd.is_none();
        self.store.list(slot, if is_unwatched { List::Unwatched } else { List::None });
        if let Some(reading) = reading
            && self.is_same(slot, &reading)
        {
            let fields = field::PARENT;
            self.comparison = Some(Comparison { slot, reading, credentials: None, fields, flags });
        }
        Ok(Step::Worked(READING))
    }

    /// Enters the next owner of a pid, if its FORK has not done so: it may have been taken for the
    /// last one's.
    fn look_for_successor(&mut self, shared: &Shared) -> Result<Step, Errno> {
        let pid = self.replaced;
        if self.store.find(pid) == NOBODY
            && let Some((reading, credentials)) = self.look_alive(pid)?
        {
            let slot = self.enter(shared, pid, &reading, credentials, 0)?;
            self.replaced = 0;
            self.store.at_mut(slot).found_ns = reading.taken_ns;
            return Ok(Step::Report(self.report(change::STARTED, slot, reading.taken_ns, 0)));
        }
        self.replaced = 0;
        Ok(Step::Worked(READING))
    }

    /// Whether a reading is about this process, not about the next one with its pid.
    fn is_same(&self, slot: Slot, reading: &Reading) -> bool {
        let process = &self.store.at(slot).process;
        process.valid & field::START != 0 && process.start_boottime_ns == reading.start_ns
    }

    /// Enters a process that has been read.
    fn enter(
        &mut self,
        shared: &Shared,
        pid: i32,
        reading: &Reading,
        credentials: Option<Credentials>,
        marks: u32,
    ) -> Result<Slot, Errno> {
        let mut process = process_of(pid, reading, credentials);
        process.valid &= self.fields;
        let slot = self.store.insert(process, marks)?;
        let entry = self.store.at_mut(slot);
        entry.read_ns = reading.taken_ns;
        entry.image = reading.image;
        entry.marks |= if reading.has_run { RAN } else { 0 };
        self.store.link(slot);
        self.settle(shared, slot, reading.leader_gone && !reading.has_ended);
        Ok(slot)
    }

    /// A process has ended; `exit` is what is known of how.
    fn note_end(&mut self, shared: &Shared, slot: Slot, exit: Option<Exit>) {
        let now = monotonic_ns();
        let entry = self.store.at_mut(slot);
        entry.gone_ns = now;
        entry.exit = Some(exit.unwrap_or(Exit::new(now, None)));
        drop(self.take_pidfd(shared, slot));
        self.store.list(slot, List::Ending);
    }

    pub(crate) fn get(&self, pid: i32) -> Option<Process> {
        let slot = self.find(pid);
        (slot != NOBODY).then(|| self.store.view(slot))
    }

    /// The process with the next pid above this one.
    pub(crate) fn above(&self, pid: i32) -> Option<Process> {
        let mut slot = self.store.next(pid);
        while self.store.at(slot).is(UNREPORTED) {
            slot = self.store.next(self.store.at(slot).process.pid);
        }
        (slot != NOBODY).then(|| self.store.view(slot))
    }

    pub(crate) fn set_user(&mut self, pid: i32, user: u64) -> Result<(), Errno> {
        let slot = self.find(pid);
        if slot == NOBODY {
            return Err(Errno(libc::ESRCH));
        }
        self.store.at_mut(slot).process.user = user;
        Ok(())
    }

    pub(crate) const fn count(&self) -> usize {
        self.store.count() - self.unreported
    }

    /// What has been reported.
    fn find(&self, pid: i32) -> Slot {
        let slot = self.store.find(pid);
        if self.store.at(slot).is(UNREPORTED) { NOBODY } else { slot }
    }
}

/// What /proc says about a process, even about a zombie; `None` also if its pid is a thread's by now.
fn look(pid: i32) -> Result<Option<Reading>, Errno> {
    let taken_ns = monotonic_ns();
    match read_even_zombie(pid) {
        Err(Errno(libc::ESRCH)) => Ok(None),
        result => Ok(result?.map(|reading| Reading { taken_ns, ..reading })),
    }
}

fn look_alive(pid: i32) -> Result<Option<Reading>, Errno> {
    Ok(look(pid)?.filter(|reading| !reading.has_ended))
}

/// Reads one process; `None` if it has ended or is a zombie.
pub(crate) fn read_process(pid: i32) -> Result<Option<Process>, Errno> {
    for _ in 0..10 {
        let Some(before) = read(pid)? else { return Ok(None) };
        let credentials = read_credentials(pid)?;
        if let Some(reading) = read(pid)?
            && reading.start_ns == before.start_ns
        {
            return Ok(Some(process_of(pid, &reading, credentials)));
        }
        // Its pid has another owner by now.
    }
    Ok(None)
}
