//! What the table does next: one order of jobs. Whether there is work is whether there is a next
//! job.

use super::census::{Census, Queue, Slot};
use super::compare::Comparison;
use super::judge::Slept;
use super::record::Hearing;
use super::scan::{Cause, Doubt, Due, Scan};
use crate::protocol::event::{Event, kind, reason};

/// How many events are received at a time.
pub(super) const BATCH: usize = 32;

/// Something to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Job {
    /// Report that the table may differ from /proc.
    Doubt,
    /// Report the next difference of the comparison that was begun.
    Difference(Slot),
    /// Find the new parent of a process.
    Orphan(Slot),
    /// Report that a process exited.
    Exit(Slot),
    /// Enter the next owner of a pid, if its FORK was taken for the previous owner's.
    Successor,
    Scan,
    /// Judge the next event.
    Judge,
    Receive,
    /// See which processes without a leader exited.
    Watch,
}

/// Which descriptors had nothing when they were asked last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Quiet {
    /// Something may wait.
    Unknown,
    /// No event was queued.
    Queue,
    /// No event was queued, and no pidfd was readable.
    All,
}

/// A process that is being compared with what a look showed.
pub(super) struct Compared {
    pub slot: Slot,
    pub comparison: Comparison,
    /// The flags of the changes that the comparison finds.
    pub flags: u32,
}

pub(super) struct Agenda {
    pub compared: Option<Compared>,
    pub scan: Scan,
    /// What the scan heals, if there was a doubt.
    pub healed: Doubt,
    /// What was known before this moment may have changed without an event that was heard. 0: nobody has doubted
    /// that every event was heard, since the table was opened.
    pub doubted_ns: u64,
    /// What has been lost since the last scan began.
    doubt: Option<Doubt>,
    /// What the caller knows: the last such change was SYNCED, not UNSYNCED.
    is_synced: bool,
    /// The socket was adopted at this moment. The events that had been queued by then are handled before
    /// the first scan: they tell what has happened since the previous owner released it. Once that scan
    /// has visited every process, this is the moment at which it had: what exited before is reported.
    backlog_ns: Option<u64>,
    /// Events that were received and not handled: `batch[handled..received]`.
    batch: [Event; BATCH],
    handled: u32,
    received: u32,
    /// The next event is a FORK, and the previous owner of its pid left without an EXIT.
    pub is_exit_pending: bool,
    /// Every event that was queued before this moment has been handled.
    horizon_ns: u64,
    events_since_scan_step: u32,
    events_since_watch: u32,
    pub hearing: Hearing,
    /// Read after the batch was received, so that the machine had slept no longer than this when any
    /// of its events was generated.
    pub slept: Slept,
}

impl Agenda {
    /// `backlog_ns`: see the field.
    pub(super) const fn new(backlog_ns: Option<u64>, hearing: Hearing) -> Self {
        Self {
            backlog_ns,
            hearing,
            compared: None,
            scan: Scan::FIRST,
            healed: Doubt::at(0),
            doubted_ns: 0,
            doubt: None,
            is_synced: false,
            batch: [Event::EMPTY; BATCH],
            handled: 0,
            received: 0,
            is_exit_pending: false,
            horizon_ns: 0,
            events_since_scan_step: 0,
            events_since_watch: 0,
            slept: Slept(0),
        }
    }

    /// The next job; `None` if there is none before a descriptor becomes readable.
    ///
    /// `has_announcement`: the connector has one that no descriptor shows.
    pub(super) fn next_job(
        &self,
        census: &Census,
        quiet: Quiet,
        has_announcement: bool,
        now_ns: impl FnOnce() -> u64,
    ) -> Option<Job> {
        if self.is_synced && self.doubt.is_some() {
            return Some(Job::Doubt);
        }
        if let Some(compared) = &self.compared {
            return Some(Job::Difference(compared.slot));
        }
        if let Some(orphan) = census.first(Queue::Orphans) {
            return Some(Job::Orphan(orphan));
        }
        let exited = census.first(Queue::Exited);
        let oldest_exit_ns = exited.and_then(|slot| census.at(slot).gone()).map(|gone| gone.at_ns);
        let is_past = |at_ns: u64| at_ns <= self.horizon_ns();
        if let Some(slot) = exited.filter(|_| oldest_exit_ns.is_some_and(is_past)) {
            return Some(Job::Exit(slot));
        }
        if census.first(Queue::Replaced).is_some() {
            return Some(Job::Successor);
        }
        let events = self.events_since_scan_step;
        let due = self.scan.due(self.doubt.as_ref(), oldest_exit_ns, events, now_ns);
        let has_backlog = self.has_backlog();
        if due == Due::Now && !has_backlog {
            return Some(Job::Scan);
        }
        if self.event().is_some() {
            return Some(Job::Judge);
        }
        // A queue that is never empty must not hide the exits that no event reports.
        if quiet == Quiet::Unknown && self.events_since_watch >= BATCH as u32 {
            return Some(Job::Watch);
        }
        // An empty queue moves the horizon, for which the exits wait.
        if quiet < Quiet::Queue || has_announcement || exited.is_some() || has_backlog {
            return Some(Job::Receive);
        }
        if quiet < Quiet::All {
            return Some(Job::Watch);
        }
        (due == Due::WhenQuiet).then_some(Job::Scan)
    }

    /// Whether events from before the adoption of the socket, or the end of the first scan, may be queued.
    pub(super) fn has_backlog(&self) -> bool {
        self.backlog_ns.is_some_and(|adopted_ns| adopted_ns > self.horizon_ns)
    }

    /// Whether a process that exits may have been there when the previous owner released the socket, although
    /// the table does not know it.
    pub(super) const fn is_catching_up(&self) -> bool {
        self.backlog_ns.is_some() && self.scan.is_first()
    }

    /// The next event to be judged.
    pub(super) fn event(&self) -> Option<&Event> {
        self.batch.get(self.handled as usize).filter(|_| self.handled < self.received)
    }

    /// The event has been handled.
    pub(super) fn finish_event(&mut self) {
        self.horizon_ns = self.horizon_ns();
        self.handled += 1;
        self.events_since_scan_step += 1;
        self.events_since_watch += 1;
        self.is_exit_pending = false;
    }

    /// An event was queued at its timestamp, behind every event that had been queued before. (One
    /// that the library made itself says nothing about the queue.)
    fn horizon_ns(&self) -> u64 {
        let event = self.event().filter(|event| event.kind != kind::OVERRUN);
        self.horizon_ns.max(event.map_or(0, |event| event.timestamp_ns.saturating_sub(1)))
    }

    /// Room for new events, when the old ones have been handled.
    pub(super) const fn batch_mut(&mut self) -> &mut [Event; BATCH] {
        (self.handled, self.received) = (0, 0);
        &mut self.batch
    }

    /// So many events were received. `asked_ns` is from before the queue was read, `slept` from after.
    pub(super) fn note_received(&mut self, count: u32, asked_ns: u64, slept: Slept) {
        (self.received, self.slept) = (count, slept);
        if count == 0 {
            self.horizon_ns = self.horizon_ns.max(asked_ns);
        }
    }

    /// Whether a scan is going to report what it found.
    pub(super) const fn is_scan_to_report(&self) -> bool {
        self.doubt.is_some() || matches!(self.scan, Scan::Listing { .. })
    }

    /// Events were lost.
    pub(super) fn note_loss(&mut self, overrun: &Event) {
        let [lost, since_ns, ..] = overrun.data;
        self.hearing.complete_since_ns = overrun.timestamp_ns;
        self.hearing.exits_since_ns = u64::MAX;
        self.doubted_ns = overrun.timestamp_ns;
        let doubt = self.doubt_since(overrun.timestamp_ns);
        doubt.lost += lost;
        doubt.since_ns = Some(doubt.since_ns.map_or(since_ns, |earlier| earlier.min(since_ns)));
        doubt.is_deaf |= overrun.word(4) == reason::DEAF;
    }

    /// The table may differ from /proc.
    #[inline(never)]
    pub(super) fn doubt_since(&mut self, noticed_ns: u64) -> &mut Doubt {
        self.doubt.get_or_insert(Doubt::at(noticed_ns))
    }

    /// Begins the scan that heals what has been lost.
    pub(super) fn begin_scan(&mut self, now_ns: u64) {
        self.healed = *self.doubt_since(now_ns);
        self.doubt = None;
        self.doubted_ns = self.doubted_ns.max(1);
        self.scan = Scan::Listing { cause: Cause::Doubt, done: 0 };
    }

    /// The scan has visited every process.
    pub(super) fn settle_scan(&mut self, cause: Cause, ended_ns: u64) {
        if cause == Cause::Opening {
            self.backlog_ns = self.backlog_ns.map(|_| ended_ns);
        }
        self.scan = Scan::Settling { cause, ended_ns };
    }

    /// The scan has come to its end, and the caller is told so. If events were lost meanwhile, the doubt
    /// is reported next.
    pub(super) fn end_scan(&mut self, ended_ns: u64) {
        self.scan = Scan::Off { ended_ns };
        self.is_synced = true;
        if self.doubt.is_none() {
            self.hearing.exits_since_ns = ended_ns;
        }
    }

    /// The doubt that the caller is told about now.
    pub(super) fn tell_doubt(&mut self) -> Option<&Doubt> {
        self.is_synced = false;
        self.doubt.as_ref()
    }

    /// Whether the table agrees with /proc, but for events that it has not handled.
    pub(super) const fn is_synced(&self) -> bool {
        self.is_synced && self.doubt.is_none()
    }

    /// No pidfd was readable. Whether it was asked because of many events, so that more may be queued.
    pub(super) fn finish_watch(&mut self) -> bool {
        core::mem::take(&mut self.events_since_watch) >= BATCH as u32
    }

    /// The scan takes a step.
    pub(super) const fn note_scan_step(&mut self) {
        self.events_since_scan_step = 0;
    }
}
