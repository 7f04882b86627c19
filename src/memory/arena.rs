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
///
/// Each value may have a tail: bytes behind it, as many as were asked for when the arena was made.
pub(crate) struct Arena<T> {
    chunks: Chunks,
    values: PhantomData<T>,
}

impl<T> Arena<T> {
    /// An arena with `first` at index 0. That value stands in for every index out of range. `tail`: how many
    /// bytes each value has behind it, or a few more.
    pub(crate) fn new(first: T, tail: u32) -> Result<Self, Errno> {
        let padding = align_of::<T>() - 1;
        let stride = (size_of::<T>() + padding).saturating_add(tail as usize) & !padding;
        let (chunks, room) = Chunks::new(stride, align_of::<T>())?;
        // SAFETY: there is room for a value of this size and alignment, which nothing else uses.
        unsafe { room.cast::<T>().write(first) };
        Ok(Self { chunks, values: PhantomData })
    }

    /// Adds `value` at the end, with zeros behind it, and returns its index.
    pub(crate) fn push(&mut self, value: T) -> Result<u32, Errno> {
        let (index, room) = self.chunks.push(align_of::<T>())?;
        // SAFETY: there is room for a value of this size and alignment, which nothing else uses.
        unsafe { room.cast::<T>().write(value) };
        Ok(index)
    }

    fn find(&self, index: u32) -> NonNull<T> {
        self.chunks.find(index).cast()
    }

    pub(crate) fn at(&self, index: u32) -> &T {
        // SAFETY: new() has written index 0, so that find() returns a value that was written. The
        // shared borrow of the arena keeps anyone from changing it.
        unsafe { self.find(index).as_ref() }
    }

    pub(crate) fn at_mut(&mut self, index: u32) -> &mut T {
        // SAFETY: new() has written index 0, so that find() returns a value that was written. The
        // exclusive borrow of the arena keeps anyone else from using it.
        unsafe { self.find(index).as_mut() }
    }

    /// Where the bytes behind a value are, and how many.
    fn tail_of(&self, index: u32) -> NonNull<[u8]> {
        // SAFETY: find() returns a value of the arena, and its tail begins where the value ends.
        let tail = unsafe { self.find(index).add(1) };
        NonNull::slice_from_raw_parts(tail.cast(), self.chunks.stride - size_of::<T>())
    }

    /// The bytes behind a value.
    pub(crate) fn tail(&self, index: u32) -> &[u8] {
        // SAFETY: push() has written the tail. The shared borrow of the arena keeps anyone from changing it.
        unsafe { self.tail_of(index).as_ref() }
    }

    pub(crate) fn tail_mut(&mut self, index: u32) -> &mut [u8] {
        // SAFETY: push() has written the tail. The exclusive borrow keeps anyone else from using it.
        unsafe { self.tail_of(index).as_mut() }
    }

    /// Copies the bytes behind one value over those behind another.
    pub(crate) fn copy_tail(&mut self, from: u32, to: u32) {
        let (from, to) = (self.tail_of(from), self.tail_of(to));
        // SAFETY: both are tails of one size, either one or apart.
        unsafe { from.cast::<u8>().copy_to(to.cast(), to.len()) };
    }
}

/// The memory of an arena: one code for values of every size.
struct Chunks {
    /// Points to the chunks. Those that exist come first. The array is not part of this struct, because an arena
    /// is often moved before it is used, and a small one is cheap to move.
    chunks: NonNull<[Option<NonNull<u8>>; CHUNKS]>,
    /// Every place below this index has been filled.
    len: u32,
    /// The distance between two places.
    stride: usize,
}

// SAFETY: the chunks belong to this alone, as a Vec's memory does.
unsafe impl Send for Chunks {}

impl Chunks {
    /// Chunks with one place, and that place.
    #[inline(never)]
    fn new(stride: usize, alignment: usize) -> Result<(Self, NonNull<u8>), Errno> {
        let memory = heap::allocate()?;
        // SAFETY: there is room for this value, which nothing else uses.
        unsafe { memory.write([None; CHUNKS]) };
        let mut chunks = Self { chunks: memory, len: 0, stride };
        let (_, room) = chunks.push(alignment)?;
        Ok((chunks, room))
    }

    /// A new place, filled with zeros, in a new chunk if need be, and its index.
    #[inline(never)]
    fn push(&mut self, alignment: usize) -> Result<(u32, NonNull<u8>), Errno> {
        let (chunk, offset) = place(self.len);
        // SAFETY: new() has written the chunks, which belong to this alone.
        let chunks = unsafe { self.chunks.as_mut() };
        let entry = chunks.get_mut(chunk).ok_or(Errno(libc::ENOMEM))?;
        let memory = match *entry {
            Some(memory) => memory,
            None => {
                let size = self.stride.checked_mul(FIRST << chunk).ok_or(Errno(libc::ENOMEM))?;
                *entry.insert(heap::allocate_bytes(size, alignment)?)
            }
        };
        // SAFETY: the chunk has room for FIRST << chunk places, and place() returns an offset below that.
        let room = unsafe { memory.add(offset * self.stride) };
        // SAFETY: nothing else uses the place.
        unsafe { room.write_bytes(0, self.stride) };
        self.len += 1;
        Ok((self.len - 1, room))
    }

    /// The place at `index`, or the one at 0 when `index` is out of range.
    #[inline(never)]
    fn find(&self, index: u32) -> NonNull<u8> {
        let (chunk, offset) = place(if index < self.len { index } else { 0 });
        // SAFETY: new() has written the chunks. There is a place at 0, because nobody has an arena without it. So
        // this place exists, and its chunk has room for FIRST << chunk places. place() returns an offset below that.
        unsafe {
            let chunk = self.chunks.as_ref().get_unchecked(chunk).unwrap_unchecked();
            chunk.add(offset * self.stride)
        }
    }
}

/// The chunk that holds the place at `index`, and its offset in that chunk.
const fn place(index: u32) -> (usize, usize) {
    let index = index as usize;
    let chunk = ((index / FIRST) + 1).ilog2() as usize;
    (chunk, index + FIRST - (FIRST << chunk))
}

impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        if core::mem::needs_drop::<T>() {
            for index in 0..self.chunks.len {
                // SAFETY: the value was written, and nothing uses it after this.
                unsafe { drop_in_place(self.find(index).as_ptr()) };
            }
        }
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        // SAFETY: new() has written the chunks.
        for memory in unsafe { self.chunks.read() }.into_iter().flatten() {
            // SAFETY: push() allocated the chunk, and nothing borrows from an arena that is
            // dropped.
            unsafe { heap::release(memory) };
        }
        // SAFETY: new() allocated it, and nothing uses it after this.
        unsafe { heap::release(self.chunks) };
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
        let mut arena = Arena::new(0_u64, 0).expect("memory");
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
        let mut arena = Arena::new(5, 0).expect("memory");
        assert_eq!(arena.push(6), Ok(1));
        assert_eq!((*arena.at(2), *arena.at(u32::MAX)), (5, 5));
        *arena.at_mut(2) = 7;
        assert_eq!((*arena.at(0), *arena.at(1)), (7, 6));
    }

    #[test]
    fn an_arena_drops_each_of_its_values_once() {
        let value = Rc::new(());
        let mut arena = Arena::new(Rc::clone(&value), 3).expect("memory");
        for _ in 1..200 {
            arena.push(Rc::clone(&value)).expect("memory");
        }
        assert_eq!(Rc::strong_count(&value), 201);
        drop(arena);
        assert_eq!(Rc::strong_count(&value), 1);
    }

    #[test]
    fn the_bytes_behind_a_value_stay_its_own() {
        let mut arena = Arena::new(0_u64, 3).expect("memory");
        for i in 1..200_u32 {
            assert_eq!(arena.push(u64::MAX), Ok(i));
            assert_eq!(arena.tail(i), [0; 8]); // for the alignment
            arena.tail_mut(i)[..3].copy_from_slice(&[i as u8, 1, 2]);
        }
        for i in 1..200_u32 {
            assert_eq!((*arena.at(i), &arena.tail(i)[..3]), (u64::MAX, &[i as u8, 1, 2][..]));
        }
        arena.copy_tail(7, 0);
        arena.copy_tail(8, 8);
        assert_eq!((arena.tail(0)[0], arena.tail(8)[0], arena.tail(1000)[0]), (7, 8, 7));
    }

    #[test]
    fn a_value_without_a_tail_has_no_bytes_behind_it() {
        let mut arena = Arena::new(0_u64, 0).expect("memory");
        assert!(arena.tail_mut(0).is_empty());
        arena.copy_tail(0, 1);
    }
}
