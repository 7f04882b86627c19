//! Memory that grows piece by piece: what is in it never moves, and to run out is an error.

use super::heap;
use crate::errno::Errno;
use core::ptr::NonNull;

/// How many places the first chunk has; each further one has twice as many as the one before.
const FIRST: usize = 64;
/// Enough for 2^32 places.
const CHUNKS: usize = 26;

/// A list that only gets longer. Whoever uses it reuses its places.
pub(crate) struct Arena<T> {
    chunks: [Option<NonNull<T>>; CHUNKS],
    len: usize,
}

// SAFETY: the arena owns its chunks; nothing else points into them.
unsafe impl<T: Send> Send for Arena<T> {}

impl<T> Arena<T> {
    /// With `first` at index 0, which stands in wherever an index is out of range.
    pub(crate) fn new(first: T) -> Result<Self, Errno> {
        let mut arena = Self { chunks: [None; CHUNKS], len: 0 };
        arena.push(first)?;
        Ok(arena)
    }

    /// Puts `value` into a new place; its index.
    pub(crate) fn push(&mut self, value: T) -> Result<u32, Errno> {
        let index = u32::try_from(self.len).map_err(|_| Errno(libc::ENOMEM))?;
        let (chunk, offset) = place(self.len);
        let slot = self.chunks.get_mut(chunk).ok_or(Errno(libc::ENOMEM))?;
        let memory = match *slot {
            Some(memory) => memory,
            None => *slot.insert(heap::allocate_array(FIRST << chunk)?),
        };
        // SAFETY: the chunk has FIRST << chunk places, of which `offset` is one.
        unsafe { memory.add(offset).write(value) };
        self.len += 1;
        Ok(index)
    }

    fn find(&self, index: u32) -> Option<NonNull<T>> {
        let index = if (index as usize) < self.len { index as usize } else { 0 };
        let (chunk, offset) = place(index);
        let memory = (*self.chunks.get(chunk)?)?;
        // SAFETY: as in push().
        Some(unsafe { memory.add(offset) })
    }

    pub(crate) fn at(&self, index: u32) -> &T {
        // SAFETY: places below `len`, and index 0 always, have been written; find() knows them.
        unsafe { self.find(index).unwrap_unchecked().as_ref() }
    }

    pub(crate) fn at_mut(&mut self, index: u32) -> &mut T {
        // SAFETY: as in at(); the arena is borrowed mutably.
        unsafe { self.find(index).unwrap_unchecked().as_mut() }
    }
}

/// The chunk and the offset in it.
const fn place(index: usize) -> (usize, usize) {
    let chunk = ((index / FIRST) + 1).ilog2() as usize;
    (chunk, index + FIRST - (FIRST << chunk))
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        for index in 0..self.len {
            if let Some(place) = self.find(index as u32) {
                // SAFETY: every index below `len` was written by push(), and each is dropped once.
                unsafe { place.drop_in_place() };
            }
        }
        for memory in self.chunks.into_iter().flatten() {
            // SAFETY: allocated in push(), and nothing borrows it any more.
            unsafe { heap::release(memory) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_it_is_found_again_and_an_index_out_of_range_is_the_first() {
        let mut arena = Arena::new(0_u64).expect("memory");
        for i in 1..100_000 {
            assert_eq!(arena.push(u64::from(i) * 7), Ok(i));
        }
        for i in 0..100_000 {
            assert_eq!(*arena.at(i), u64::from(i) * 7);
        }
        *arena.at_mut(99_999) = 1;
        assert_eq!((*arena.at(99_999), *arena.at(100_000), *arena.at(u32::MAX)), (1, 0, 0));
    }
}
