//! The fuzzer's bytes as a sequence of choices. Once they have run out, everything is 0.

pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub fn byte(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    pub fn half(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// A valid filter in three bytes: which events, and which flags.
    pub fn filter(&mut self) -> crate::model::Filter {
        let events = u32::from(self.half()) & crate::ffi::MASK_EVERYTHING;
        crate::model::Filter { events, flags: u32::from(self.byte()) & 3 }
    }
}
