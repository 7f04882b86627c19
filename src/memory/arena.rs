//! Memory that grows piece by piece. Its values never move, and running out of memory is an error.

use super::heap;
use crate::errno::Errno;
use core::marker::PhantomData;
use core::ptr::{NonNull, drop_in_place};

/// How many values the first chunk holds. Each further chunk holds twice as many as the one before.
const FIRST: usize = 64;
/// Enough for 2^32 values.
const CHUNKS: usize = 26;

/// A list that only gets longer. Its user replaces values that are of no more use.
pub(crate) struct Arena<T> {
    /// The chunks that exist come first. All values below `len` have been written.
    chunks: [Option<NonNull<u8>>; CHUNKS],
    len: usize,
    values: PhantomData<T>,
}

// SAFETY: the arena owns its chunks and the values in them, as a Vec does, so that a thread that may
// own a `T` may own the arena.
unsafe impl<T: Send> Send for Arena<T> {}

impl<T> Arena<T> {
    /// An arena with `first` at index 0. That value stands in for every index out of range.
    pub(crate) fn new(first: T) -> Result<Self, Errno> {
        let mut arena = Self { chunks: [None; CHUNKS], len: 0, values: PhantomData };
        arena.push(first)?;
        Ok(arena)
    }

    /// Adds `value` at the end, and returns its index.
    pub(crate) fn push(&mut self, value: T) -> Result<u32, Errno> {
        let index = u32::try_from(self.len).map_err(|_| Errno(libc::ENOMEM))?;
        let room = room(&mut self.chunks, self.len, size_of::<T>(), align_of::<T>())?;
        // SAFETY: there is room for a value of this size and alignment, which nothing else uses.
        unsafe { room.cast::<T>().write(value) };
        self.len += 1;
        Ok(index)
    }

    /// Where the value at `index` is, or the value at 0 when `index` is out of range. `None` only
    /// while new() has written none.
    fn find(&self, index: u32) -> Option<NonNull<T>> {
        let index = if (index as usize) < self.len { index as usize } else { 0 };
        let (chunk, offset) = place(index);
        let memory = (*self.chunks.get(chunk)?)?.cast::<T>();
        // SAFETY: the chunk exists, hence it has room for FIRST << chunk values, and place() returns
        // an offset below that.
        Some(unsafe { memory.add(offset) })
    }

    pub(crate) fn at(&self, index: u32) -> &T {
        // SAFETY: new() has written index 0, so that find() returns a value that was written. The
        // shared borrow of the arena keeps anyone from changing it.
        unsafe { self.find(index).unwrap_unchecked().as_ref() }
    }

    pub(crate) fn at_mut(&mut self, index: u32) -> &mut T {
        // SAFETY: new() has written index 0, so that find() returns a value that was written. The
        // exclusive borrow of the arena keeps anyone else from using it.
        unsafe { self.find(index).unwrap_unchecked().as_mut() }
    }
}

/// Room for the value at `index`, in a new chunk if need be. One function for values of every size.
fn room(
    chunks: &mut [Option<NonNull<u8>>; CHUNKS],
    index: usize,
    size: usize,
    alignment: usize,
) -> Result<NonNull<u8>, Errno> {
    let (chunk, offset) = place(index);
    let entry = chunks.get_mut(chunk).ok_or(Errno(libc::ENOMEM))?;
    let memory = match *entry {
        Some(memory) => memory,
        None => {
            let size = size.checked_mul(FIRST << chunk).ok_or(Errno(libc::ENOMEM))?;
            *entry.insert(heap::allocate_bytes(size, alignment)?)
        }
    };
    // SAFETY: the chunk has room for FIRST << chunk values of this size, and place() returns an
    // offset below that.
    Ok(unsafe { memory.add(offset * size) })
}

/// The chunk that holds the value at `index`, and its offset in that chunk.
const fn place(index: usize) -> (usize, usize) {
    let chunk = ((index / FIRST) + 1).ilog2() as usize;
    (chunk, index + FIRST - (FIRST << chunk))
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        if core::mem::needs_drop::<T>() {
            for index in 0..self.len {
                if let Some(value) = self.find(index as u32) {
                    // SAFETY: the value was written, and nothing uses it after this.
                    unsafe { drop_in_place(value.as_ptr()) };
                }
            }
        }
        for memory in self.chunks.into_iter().flatten() {
            // SAFETY: push() allocated the chunk, and nothing borrows from an arena that is
            // dropped.
            unsafe { heap::release(memory) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    /// Several chunks, but no more than an interpreter can fill.
    const MANY: u32 = if cfg!(miri) { 2_000 } else { 100_000 };

    #[test]
    fn an_arena_returns_every_value_at_its_index() {
        let mut arena = Arena::new(0_u64).expect("memory");
        for i in 1..MANY {
            assert_eq!(arena.push(u64::from(i) * 7), Ok(i));
        }
        for i in 0..MANY {
            assert_eq!(*arena.at(i), u64::from(i) * 7);
        }
        *arena.at_mut(MANY - 1) = 1;
        assert_eq!((*arena.at(MANY - 2), *arena.at(MANY - 1)), (u64::from(MANY - 2) * 7, 1));
    }

    #[test]
    fn an_index_out_of_range_of_an_arena_is_its_first_value() {
        let mut arena = Arena::new(5).expect("memory");
        assert_eq!(arena.push(6), Ok(1));
        assert_eq!((*arena.at(2), *arena.at(u32::MAX)), (5, 5));
        *arena.at_mut(2) = 7;
        assert_eq!((*arena.at(0), *arena.at(1)), (7, 6));
    }

    #[test]
    fn an_arena_drops_each_of_its_values_once() {
        let value = Rc::new(());
        let mut arena = Arena::new(Rc::clone(&value)).expect("memory");
        for _ in 1..200 {
            arena.push(Rc::clone(&value)).expect("memory");
        }
        assert_eq!(Rc::strong_count(&value), 201);
        drop(arena);
        assert_eq!(Rc::strong_count(&value), 1);
    }
}
