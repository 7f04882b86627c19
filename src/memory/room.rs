//! A caller's buffer for a text whose length nobody knows before it is read.

use super::OutSlice;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

/// A buffer as snprintf(3) has it: it gets the beginning of the text, as far as that fits, and a
/// terminator. The length counts the whole text. It is laid out like the end of a `struct pc_text`, which
/// C lends as a whole.
#[repr(C)]
pub(crate) struct Room<'a> {
    buffer: *mut MaybeUninit<u8>,
    size: usize,
    length: usize,
    lender: PhantomData<&'a mut [MaybeUninit<u8>]>,
}

impl<'a> Room<'a> {
    #[cfg(any(test, feature = "std"))]
    pub(crate) const fn over(buffer: &'a mut [u8]) -> Self {
        let (size, buffer) = (buffer.len(), buffer.as_mut_ptr().cast());
        Self { buffer, size, length: 0, lender: PhantomData }
    }

    /// Whether C gave a size but no buffer.
    #[cfg(feature = "capi")]
    pub(crate) const fn is_impossible(&self) -> bool {
        self.buffer.is_null() && self.size > 0
    }

    pub(crate) const fn length(&self) -> usize {
        self.length
    }

    /// The whole buffer.
    pub(crate) const fn buffer(&mut self) -> OutSlice<'_, u8> {
        let buffer = if self.size == 0 { [].as_mut_ptr() } else { self.buffer };
        // SAFETY: the lender's buffer is writable for its size.
        OutSlice::new(unsafe { core::slice::from_raw_parts_mut(buffer, self.size) })
    }

    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// Forgets the text.
    pub(crate) const fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends a byte to the text.
    pub(crate) const fn put(&mut self, byte: u8) {
        if self.length < self.size {
            // SAFETY: the lender's buffer is writable for its size.
            unsafe { self.buffer.add(self.length).write(MaybeUninit::new(byte)) };
        }
        self.length += 1;
    }

    /// Counts bytes of the text that the buffer has already, or has no place for.
    pub(crate) const fn count(&mut self, bytes: usize) {
        self.length += bytes;
    }

    /// Terminates the text; an empty one unless it `is_valid`.
    pub(crate) fn terminate(&mut self, is_valid: bool) {
        if !is_valid {
            self.length = 0;
        }
        if let Some(last) = self.size.checked_sub(1) {
            let end = self.length.min(last);
            // SAFETY: the lender's buffer is writable for its size.
            unsafe { self.buffer.add(end).write(MaybeUninit::new(0)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_and_terminated_as_snprintf_does_it() {
        for size in 0..8 {
            let mut buffer = [b'#'; 8];
            let mut room = Room::over(&mut buffer[..size]);
            room.put(b'#');
            room.clear();
            for byte in b"12345" {
                room.put(*byte);
            }
            room.terminate(true);
            assert_eq!(room.length(), 5);
            let mut expected = [b'#'; 8];
            let fitting = 5.min(size.saturating_sub(1));
            expected[..fitting].copy_from_slice(&b"12345"[..fitting]);
            if size > 0 {
                expected[fitting] = 0;
            }
            // What was written and then cleared may remain behind the terminator.
            assert_eq!(buffer[..fitting + 1], expected[..fitting + 1], "{size}");
            assert_eq!(buffer[size..], expected[size..], "{size}");
        }
    }
}
