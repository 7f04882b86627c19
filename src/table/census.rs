//! The processes, who is whose child, and what is to be done about them. No I/O.

use super::pids::Pids;
use super::report::{Process, remark};
use crate::errno::Errno;
use crate::memory::Arena;
use crate::sys::Fd;

/// Where an entry is. 0 is no process: it is the parent of those whose parent is not known.
pub(crate) type Slot = u32;

pub(crate) const NOBODY: Slot = 0;

/// What else the table knows of a process. A process is in at most one list.
pub(crate) struct Entry {
    pub process: Process,
    /// See [`Reading::image`](crate::procfs::stat::Reading::image).
    pub image: u64,
    /// Events from before are known: the process has been read since.
    pub read_ns: u64,
    /// EXEC events from before are known: it was found by a scan. 0: its FORK has told of it.
    pub found_ns: u64,
    /// While it is ending: /proc had it no more at this time.
    pub gone_ns: u64,
    pub exit: Option<Exit>,
    /// Watches the end of a process whose leader has ended.
    pub pidfd: Option<Fd>,
    pub marks: u32,
    parent: Slot,
    first_child: Slot,
    next_sibling: Slot,
    previous_sibling: Slot,
    list: List,
    next: Slot,
    previous: Slot,
}

/// How a process ended.
#[derive(Clone, Copy)]
pub(crate) struct Exit {
    pub timestamp_ns: u64,
    /// A wait(2) status; 0 if it is not known.
    pub code: i32,
    /// What is to be remarked on that.
    pub flags: u32,
}

impl Exit {
    pub(crate) fn new(timestamp_ns: u64, code: Option<i32>) -> Self {
        let flags = if code.is_some() { remark::EXIT_CODE } else { 0 };
        Self { timestamp_ns, code: code.unwrap_or(0), flags }
    }
}

/// Its FORK has been seen.
pub(crate) const FORKED: u32 = 1 << 0;
/// Found by the scan that is running, and not reported yet.
pub(crate) const UNREPORTED: u32 = 1 << 1;
/// The EXIT of the pid's last owner may still come.
pub(crate) const AMBIGUOUS: u32 = 1 << 2;
/// Its pid was seen to have another owner.
pub(crate) const REPLACED: u32 = 1 << 3;
/// An EXIT of its leader was not its end, and no EXEC has come since.
pub(crate) const OUTLIVED: u32 = 1 << 6;
/// Its parent has ended in a loss.
pub(crate) const BEREAVED: u32 = 1 << 4;
/// An EXIT of its leader has come since it was found.
pub(crate) const LEFT: u32 = 1 << 7;
/// It had run when it was found.
pub(crate) const RAN: u32 = 1 << 8;
/// The user has been told that it cannot be watched.
pub(crate) const TOLD: u32 = 1 << 5;

impl Entry {
    const NONE: Self = Self {
        process: Process::EMPTY,
        image: 0,
        read_ns: 0,
        found_ns: 0,
        gone_ns: 0,
        exit: None,
        pidfd: None,
        marks: 0,
        parent: NOBODY,
        first_child: NOBODY,
        next_sibling: NOBODY,
        previous_sibling: NOBODY,
        list: List::None,
        next: NOBODY,
        previous: NOBODY,
    };

    pub(crate) const fn is(&self, mark: u32) -> bool {
        self.marks & mark != 0
    }
}

/// What is to be done about an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    None,
    /// Its parent has ended.
    Orphans,
    /// It has ended, and nothing more is expected of it but its EXIT.
    Ending,
    /// Its leader has ended, and its pidfd could not be had yet.
    Unwatched,
}

#[derive(Clone, Copy, Default)]
struct Ends {
    first: Slot,
    last: Slot,
}

pub(crate) struct Store {
    entries: Arena<Entry>,
    pids: Pids,
    /// The first free slot; they hang together by `next`.
    free: Slot,
    last_id: u64,
    count: usize,
    watched: usize,
    lists: [Ends; 4],
}

impl Store {
    pub(crate) fn new() -> Result<Self, Errno> {
        Ok(Self {
            entries: Arena::new(Entry::NONE)?,
            pids: Pids::new()?,
            free: NOBODY,
            last_id: 0,
            count: 0,
            watched: 0,
            lists: [Ends::default(); 4],
        })
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The process that has this pid.
    pub(crate) fn find(&self, pid: i32) -> Slot {
        self.pids.find(pid)
    }

    /// The process with the next pid above this one.
    pub(crate) fn next(&self, after: i32) -> Slot {
        self.pids.next(after)
    }

    pub(crate) fn at(&self, slot: Slot) -> &Entry {
        self.entries.at(slot)
    }

    /// Its pid must not be changed.
    pub(crate) fn at_mut(&mut self, slot: Slot) -> &mut Entry {
        self.entries.at_mut(slot)
    }

    /// The process as the user sees it.
    pub(crate) fn view(&self, slot: Slot) -> Process {
        let entry = self.at(slot);
        Process { parent_id: self.at(entry.parent).process.id, ..entry.process }
    }

    /// A new process, which has no parent yet.
    pub(crate) fn insert(&mut self, process: Process, marks: u32) -> Result<Slot, Errno> {
        let id = self.last_id + 1;
        let entry = Entry { process: Process { id, ..process }, marks, ..Entry::NONE };
        let slot = self.take()?;
        if let Err(error) = self.pids.insert(process.pid, slot) {
            self.give_back(slot);
            return Err(error);
        }
        *self.at_mut(slot) = entry;
        self.last_id = id;
        self.count += 1;
        self.hang(slot, NOBODY);
        Ok(slot)
    }

    /// Forgets a process. Its children become orphans, and get these marks.
    pub(crate) fn remove(&mut self, slot: Slot, marks: u32) {
        self.unlist(slot);
        self.unhang(slot);
        loop {
            let child = self.at(slot).first_child;
            if child == NOBODY {
                break;
            }
            self.unhang(child);
            self.hang(child, NOBODY);
            if self.at(child).list != List::Ending {
                self.at_mut(child).marks |= marks;
                self.list(child, List::Orphans);
            }
        }
        self.pids.remove(self.at(slot).process.pid);
        self.give_back(slot);
        self.count -= 1;
    }

    fn take(&mut self) -> Result<Slot, Errno> {
        if self.free == NOBODY {
            return self.entries.push(Entry::NONE);
        }
        let slot = self.free;
        self.free = self.at(slot).next;
        Ok(slot)
    }

    fn give_back(&mut self, slot: Slot) {
        *self.at_mut(slot) = Entry { next: self.free, ..Entry::NONE };
        self.free = slot;
    }

    /// Gives a process the parent that its `parent_pid` says, if that is known.
    pub(crate) fn link(&mut self, slot: Slot) {
        let parent = self.find(self.at(slot).process.parent_pid);
        if parent != slot && parent != self.at(slot).parent {
            self.unhang(slot);
            self.hang(slot, parent);
        }
    }

    /// The first of those whose parent is not known, and the next one.
    pub(crate) fn next_parentless(&self, after: Slot) -> Slot {
        if after == NOBODY { self.at(NOBODY).first_child } else { self.at(after).next_sibling }
    }

    fn hang(&mut self, slot: Slot, parent: Slot) {
        let first = core::mem::replace(&mut self.at_mut(parent).first_child, slot);
        if first != NOBODY {
            self.at_mut(first).previous_sibling = slot;
        }
        let entry = self.at_mut(slot);
        entry.parent = parent;
        entry.previous_sibling = NOBODY;
        entry.next_sibling = first;
    }

    fn unhang(&mut self, slot: Slot) {
        let &Entry { parent, next_sibling, previous_sibling, .. } = self.at(slot);
        if previous_sibling == NOBODY {
            self.at_mut(parent).first_child = next_sibling;
        } else {
            self.at_mut(previous_sibling).next_sibling = next_sibling;
        }
        if next_sibling != NOBODY {
            self.at_mut(next_sibling).previous_sibling = previous_sibling;
        }
    }

    /// Keeps a pidfd that watches a process.
    pub(crate) fn watch(&mut self, slot: Slot, pidfd: Fd) {
        self.at_mut(slot).pidfd = Some(pidfd);
        self.watched += 1;
    }

    /// Gives it back.
    pub(crate) fn take_pidfd(&mut self, slot: Slot) -> Option<Fd> {
        let pidfd = self.at_mut(slot).pidfd.take()?;
        self.watched -= 1;
        Some(pidfd)
    }

    /// How many processes are watched.
    pub(crate) const fn watched(&self) -> usize {
        self.watched
    }

    pub(crate) fn first(&self, list: List) -> Slot {
        self.lists[list as usize].first
    }

    pub(crate) fn listed(&self, slot: Slot) -> List {
        self.at(slot).list
    }

    /// Puts an entry at the end of a list, out of the one that it is in.
    pub(crate) fn list(&mut self, slot: Slot, list: List) {
        self.unlist(slot);
        if list == List::None {
            return;
        }
        let last = core::mem::replace(&mut self.lists[list as usize].last, slot);
        if last == NOBODY {
            self.lists[list as usize].first = slot;
        } else {
            self.at_mut(last).next = slot;
        }
        let entry = self.at_mut(slot);
        (entry.list, entry.previous, entry.next) = (list, last, NOBODY);
    }

    pub(crate) fn unlist(&mut self, slot: Slot) {
        let &Entry { list, next, previous, .. } = self.at(slot);
        if list == List::None {
            return;
        }
        if previous == NOBODY {
            self.lists[list as usize].first = next;
        } else {
            self.at_mut(previous).next = next;
        }
        if next == NOBODY {
            self.lists[list as usize].last = previous;
        } else {
            self.at_mut(next).previous = previous;
        }
        self.at_mut(slot).list = List::None;
    }
}
