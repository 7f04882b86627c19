//! The records of all processes: by pid, by family, and in queues. No I/O.

use super::family::Family;
use super::pids::Pids;
use super::record::{Life, Origin, Record, Watch};
use super::report::{Process, field, state};
use crate::errno::Errno;
use crate::memory::Arena;
use crate::procfs::Command;
use core::num::NonZero;

/// Where a record is. It is valid until the record is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(NonZero<u32>);

/// Why a process waits for a job of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Queue {
    /// The process's parent exited, so the process has another one.
    Orphans,
    /// It exited, and leaves the table once the events about it have been handled.
    Exited,
    /// Its leader is gone, and it is not waited for: it is looked at every now and then.
    Unwatched,
    /// It left the table, and its pid was seen to have another owner, who may not be in the table.
    Replaced,
}

const QUEUES: usize = 4;

/// A place in a queue.
#[derive(Clone, Copy, Default)]
struct Link {
    queue: Option<Queue>,
    previous: Option<Slot>,
    next: Option<Slot>,
}

#[derive(Clone, Copy, Default)]
struct Ends {
    first: Option<Slot>,
    last: Option<Slot>,
}

#[derive(Clone, Copy)]
struct Entry {
    record: Record,
    /// What the bytes behind this entry hold.
    command: Command,
    parent: Option<Slot>,
    first_child: Option<Slot>,
    next_sibling: Option<Slot>,
    previous_sibling: Option<Slot>,
    /// The place among the orphans, whatever else the process waits for.
    orphan: Link,
    /// Its parent left the table during a loss.
    is_orphaned_by_loss: bool,
    /// The place in the queue that its life demands; of a free entry, `next` is the next free one.
    life: Link,
}

impl Entry {
    #[inline(never)]
    const fn new(record: Record) -> Self {
        const NOWHERE: Link = Link { queue: None, previous: None, next: None };
        Self {
            record,
            command: Command::NONE,
            parent: None,
            first_child: None,
            next_sibling: None,
            previous_sibling: None,
            orphan: NOWHERE,
            is_orphaned_by_loss: false,
            life: NOWHERE,
        }
    }
}

pub(super) struct Census {
    /// Behind each entry is the command of the process. Behind the entry that stands in for all others, a
    /// command is read.
    entries: Arena<Entry>,
    pids: Pids,
    free: Option<Slot>,
    first_parentless: Option<Slot>,
    queues: [Ends; QUEUES],
    last_id: u64,
    /// Of the orphans, only those that started since then can belong to the family that is reported:
    /// `CLOCK_BOOTTIME`. 0: every process is reported.
    pub orphans_since_ns: u64,
    /// How many processes are hidden.
    hidden: u32,
}

impl Census {
    /// A census that keeps so many bytes of each process's command.
    pub(super) fn new(text_bytes: u32) -> Result<Self, Errno> {
        Ok(Self {
            entries: Arena::new(Entry::new(Record::none()), text_bytes)?,
            pids: Pids::new()?,
            free: None,
            first_parentless: None,
            queues: [Ends { first: None, last: None }; QUEUES],
            last_id: 0,
            orphans_since_ns: 0,
            hidden: 0,
        })
    }

    /// The process that has this pid.
    pub(super) fn find(&self, pid: i32) -> Option<Slot> {
        self.pids.find(pid).map(Slot)
    }

    /// The process with the next pid above this one.
    pub(super) fn above(&self, pid: i32) -> Option<Slot> {
        self.pids.above(pid).map(Slot)
    }

    #[inline(never)] // A call is smaller than what it does.
    fn entry(&self, slot: Slot) -> &Entry {
        self.entries.at(slot.0.get())
    }

    #[inline(never)]
    fn entry_mut(&mut self, slot: Slot) -> &mut Entry {
        self.entries.at_mut(slot.0.get())
    }

    pub(super) fn at(&self, slot: Slot) -> &Record {
        &self.entry(slot).record
    }

    /// The record, of which neither pid, life nor origin may be replaced.
    pub(super) fn at_mut(&mut self, slot: Slot) -> &mut Record {
        &mut self.entry_mut(slot).record
    }

    pub(super) fn pid(&self, slot: Slot) -> i32 {
        self.at(slot).process.pid
    }

    /// The process as the caller sees it after this many changes.
    pub(super) fn view(&self, slot: Slot, sequence: u64) -> Process {
        let entry = self.entry(slot);
        let mut process = entry.record.process;
        let parent = entry.parent.map(|parent| self.at(parent));
        let known = parent.filter(|parent| parent.family.is_reported());
        process.parent_id = known.map_or(0, |parent| parent.process.id);
        if entry.record.family == Family::Perhaps {
            process.state |= state::PERHAPS;
        }
        process.sequence = sequence;
        // Nobody is to take a stale name for the process's. A kernel thread's name was read once.
        if process.valid & field::COMM == 0 && process.state & state::KERNEL_THREAD == 0 {
            process.comm = [0; 16];
        }
        if process.valid & field::START == 0 {
            process.start_boottime_ns = 0;
        }
        process
    }

    /// Enters a process, whose pid is in the table not yet, and gives it an id.
    pub(super) fn insert(&mut self, record: Record) -> Result<Slot, Errno> {
        let slot = self.take_free()?;
        if let Err(error) = self.pids.insert(record.process.pid, slot.0) {
            self.give_back(slot);
            return Err(error);
        }
        self.last_id += 1;
        self.hidden += u32::from(record.is_hidden());
        let (id, has_family) = (self.last_id, self.orphans_since_ns != 0);
        let entry = self.entry_mut(slot);
        entry.record = record;
        entry.record.process.id = id;
        entry.record.family = match (has_family, id, record.process.pid) {
            (false, ..) => Family::Member,
            (true, 1, _) => Family::Root,
            (true, _, 1) => Family::Adopter,
            _ => Family::Unjudged,
        };
        self.adopt(slot, None);
        self.link(slot);
        self.set_life(slot, record.life);
        Ok(slot)
    }

    pub(super) const fn hidden(&self) -> u32 {
        self.hidden
    }

    /// Notes whether /proc shows a process.
    #[inline]
    pub(super) fn set_hidden(&mut self, slot: Slot, is_hidden: bool) {
        let record = self.at_mut(slot);
        let was_hidden = record.is_hidden();
        record.process.state &= !state::HIDDEN;
        if is_hidden {
            record.process.state |= state::HIDDEN;
        }
        self.hidden = self.hidden - u32::from(was_hidden) + u32::from(is_hidden);
    }

    /// Marks a found process as reported.
    pub(super) fn mark_reported(&mut self, slot: Slot) {
        if let Origin::Found(found) = &mut self.at_mut(slot).origin {
            found.is_reported = true;
        }
    }

    /// Whether the parent of a process is in the table. The first process has none.
    pub(super) fn has_parent(&self, slot: Slot) -> bool {
        let Entry { record, parent, .. } = self.entry(slot);
        let is_first = record.process.parent_pid == 0 && record.process.valid & field::PARENT != 0;
        parent.is_some() || is_first
    }

    /// Removes a process. Its children become orphans; `in_loss`: because events were lost.
    pub(super) fn remove(&mut self, slot: Slot, in_loss: bool) {
        let is_replaced = self.at(slot).gone().is_some_and(|gone| gone.is_replaced);
        self.hidden -= u32::from(self.at(slot).is_hidden());
        self.leave(slot, Queue::Orphans);
        self.leave_life_queue(slot);
        self.abandon(slot);
        while let Some(child) = self.entry(slot).first_child {
            self.abandon(child);
            self.adopt(child, None);
            if self.at(child).gone().is_none() {
                self.entry_mut(child).is_orphaned_by_loss |= in_loss;
                self.enqueue(child, Queue::Orphans);
            }
        }
        self.pids.remove(self.pid(slot));
        if is_replaced {
            self.enqueue(slot, Queue::Replaced);
        } else {
            self.give_back(slot);
        }
    }

    /// The next owner of a pid has been looked for; the previous one is forgotten.
    pub(super) fn finish_replaced(&mut self, slot: Slot) {
        self.leave(slot, Queue::Replaced);
        self.give_back(slot);
    }

    /// The children of a process may be those of the previous owner of its pid: as orphans, they are
    /// looked at. The process is, too, if it names a parent that is not in the table: it may have another
    /// one by now.
    #[inline(never)]
    pub(super) fn doubt_kin(&mut self, slot: Slot) {
        self.link(slot);
        if self.parent(slot).is_none() {
            self.enqueue(slot, Queue::Orphans);
        }
        let mut next = self.entry(slot).first_child;
        while let Some(child) = next {
            next = self.entry(child).next_sibling;
            if self.at(child).gone().is_none() {
                self.enqueue(child, Queue::Orphans);
            }
        }
    }

    /// Takes a process off the orphans. True if its parent left during a loss.
    pub(super) fn settle_orphan(&mut self, slot: Slot) -> bool {
        self.leave(slot, Queue::Orphans);
        core::mem::take(&mut self.entry_mut(slot).is_orphaned_by_loss)
    }

    /// Changes where a process is between its start and its exit, and the queue that it is in: behind
    /// the others that are there.
    pub(super) fn set_life(&mut self, slot: Slot, life: Life) {
        self.leave_life_queue(slot);
        self.at_mut(slot).life = life;
        match life {
            Life::Led | Life::Leaderless(Watch::Pidfd) => {}
            Life::Leaderless(Watch::Timer) => self.enqueue(slot, Queue::Unwatched),
            Life::Exited(_) => {
                self.leave(slot, Queue::Orphans);
                self.enqueue(slot, Queue::Exited);
            }
        }
    }

    fn take_free(&mut self) -> Result<Slot, Errno> {
        let Some(slot) = self.free else {
            let index = self.entries.push(Entry::new(Record::none()))?;
            return NonZero::new(index).map(Slot).ok_or(Errno(libc::ENOMEM));
        };
        self.free = core::mem::take(&mut self.entry_mut(slot).life).next;
        Ok(slot)
    }

    fn give_back(&mut self, slot: Slot) {
        *self.entry_mut(slot) = Entry::new(Record::none());
        self.entry_mut(slot).life.next = self.free;
        self.free = Some(slot);
    }

    // ---- Commands ----

    /// Where a command is read; empty if none are kept.
    pub(super) fn reading(&mut self) -> &mut [u8] {
        self.entries.tail_mut(0)
    }

    /// Keeps the command that was read last with a process.
    pub(super) fn keep_command(&mut self, slot: Slot, command: Command) {
        self.entries.copy_tail(0, slot.0.get());
        self.entry_mut(slot).command = command;
    }

    pub(super) fn command(&self, slot: Slot) -> &Command {
        &self.entry(slot).command
    }

    /// The bytes of a command.
    pub(super) fn command_bytes(&self, slot: Slot) -> &[u8] {
        self.entries.tail(slot.0.get())
    }

    // ---- Families ----

    /// Gives a process the parent that its `parent_pid` names, if that is in the table.
    pub(super) fn link(&mut self, slot: Slot) {
        let parent = self.find(self.at(slot).process.parent_pid);
        if parent != Some(slot) && parent != self.entry(slot).parent {
            self.abandon(slot);
            self.adopt(slot, parent);
            self.note_adopters(slot);
        }
    }

    /// The parent of a process.
    pub(super) fn parent(&self, slot: Slot) -> Option<Slot> {
        self.entry(slot).parent
    }

    /// The process has another parent, which may adopt from the family, as its own parent may.
    fn note_adopters(&mut self, mut slot: Slot) {
        while let Some(parent) = self.parent(slot) {
            let family = self.at(slot).family;
            let parents = &mut self.at_mut(parent).family;
            if !parents.is_adopter_of(family) {
                break;
            }
            *parents = Family::Adopter;
            slot = parent;
        }
    }

    /// Links every process whose parent was not in the table but is now. `is_scanned`: all of /proc
    /// has been read since, so a parent that is still not there exited after its child was read, and
    /// the child is an orphan.
    #[inline]
    pub(super) fn link_parentless(&mut self, is_scanned: bool) {
        let mut next = self.first_parentless;
        while let Some(slot) = next {
            next = self.entry(slot).next_sibling;
            self.link(slot);
            let entry = self.entry_mut(slot);
            let has_parent = entry.parent.is_some() || entry.record.process.parent_pid == 0;
            if is_scanned && !has_parent && entry.record.gone().is_none() {
                entry.is_orphaned_by_loss = true;
                self.enqueue(slot, Queue::Orphans);
            }
        }
    }

    fn first_child_of(&mut self, parent: Option<Slot>) -> &mut Option<Slot> {
        match parent {
            Some(parent) => &mut self.entry_mut(parent).first_child,
            None => &mut self.first_parentless,
        }
    }

    /// Makes a process without a family the first child of `parent`.
    fn adopt(&mut self, slot: Slot, parent: Option<Slot>) {
        let first = self.first_child_of(parent).replace(slot);
        if let Some(first) = first {
            self.entry_mut(first).previous_sibling = Some(slot);
        }
        let entry = self.entry_mut(slot);
        (entry.parent, entry.previous_sibling, entry.next_sibling) = (parent, None, first);
    }

    /// Takes a process out of its family.
    fn abandon(&mut self, slot: Slot) {
        let &Entry { parent, next_sibling, previous_sibling, .. } = self.entry(slot);
        match previous_sibling {
            Some(previous) => self.entry_mut(previous).next_sibling = next_sibling,
            None => *self.first_child_of(parent) = next_sibling,
        }
        if let Some(next) = next_sibling {
            self.entry_mut(next).previous_sibling = previous_sibling;
        }
    }

    // ---- Queues ----

    pub(super) const fn first(&self, queue: Queue) -> Option<Slot> {
        self.queues[queue as usize].first
    }

    fn link_of(&mut self, slot: Slot, queue: Queue) -> &mut Link {
        let entry = self.entry_mut(slot);
        match queue {
            Queue::Orphans => &mut entry.orphan,
            Queue::Exited | Queue::Unwatched | Queue::Replaced => &mut entry.life,
        }
    }

    #[inline]
    fn leave_life_queue(&mut self, slot: Slot) {
        if let Some(queue) = self.entry(slot).life.queue {
            self.leave(slot, queue);
        }
    }

    /// Puts a process at the end of a queue, unless it is there.
    fn enqueue(&mut self, slot: Slot, queue: Queue) {
        if self.link_of(slot, queue).queue.is_some() {
            return;
        }
        let last = self.queues[queue as usize].last.replace(slot);
        match last {
            Some(last) => self.link_of(last, queue).next = Some(slot),
            None => self.queues[queue as usize].first = Some(slot),
        }
        *self.link_of(slot, queue) = Link { queue: Some(queue), previous: last, next: None };
    }

    /// Takes a process out of a queue, if it is there.
    fn leave(&mut self, slot: Slot, queue: Queue) {
        let link = self.link_of(slot, queue);
        if link.queue != Some(queue) {
            return;
        }
        let Link { previous, next, .. } = core::mem::take(link);
        match previous {
            Some(previous) => self.link_of(previous, queue).next = next,
            None => self.queues[queue as usize].first = next,
        }
        match next {
            Some(next) => self.link_of(next, queue).previous = previous,
            None => self.queues[queue as usize].last = previous,
        }
    }
}
