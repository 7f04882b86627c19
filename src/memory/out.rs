//! Memory to be written from the front, in the caller's hands.

use core::mem::{MaybeUninit, take};

/// Room for values that need not be there yet. Only whole values are ever written to it.
pub(crate) struct OutSlice<'a, T>(&'a mut [MaybeUninit<T>]);

impl<'a, T: Copy> OutSlice<'a, T> {
    #[cfg(any(test, feature = "capi", feature = "table"))]
    #[inline]
    pub(crate) const fn new(room: &'a mut [MaybeUninit<T>]) -> Self {
        Self(room)
    }

    /// Values that may be overwritten.
    pub(crate) const fn over(values: &'a mut [T]) -> Self {
        let values: *mut [T] = values;
        // SAFETY: MaybeUninit<T> is laid out as T. The result borrows `values` exclusively. Only
        // push() writes to it, and writes whole values, so that each element stays a valid T.
        Self(unsafe { &mut *(values as *mut [MaybeUninit<T>]) })
    }

    /// How many more values fit.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Where the next value goes. Whole values may be written from there on, no more than fit.
    pub(crate) const fn as_mut_ptr(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }

    /// Writes the next value. When none fits any more, nothing is written.
    #[inline]
    pub(crate) fn push(&mut self, value: T) {
        self.0 = match take(&mut self.0) {
            [next, rest @ ..] => {
                next.write(value);
                rest
            }
            full => full,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_one_after_the_other_and_no_more_than_fit() {
        let mut values = [1, 2, 3];
        let mut out = OutSlice::over(&mut values[..2]);
        for value in [10, 20, 30] {
            out.push(value);
        }
        assert_eq!(out.len(), 0);
        assert_eq!(values, [10, 20, 3]);
    }

    #[test]
    fn memory_that_holds_no_value_yet_can_be_written() {
        let mut room = [const { MaybeUninit::<u64>::uninit() }; 2];
        let mut out = OutSlice::new(&mut room);
        out.push(7);
        assert_eq!(out.len(), 1);
        // SAFETY: the first element was written above.
        assert_eq!(unsafe { room[0].assume_init() }, 7);
    }
}
