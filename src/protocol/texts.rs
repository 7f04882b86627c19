//! Texts by number, in one block of bytes: a table of pointers would have to be relocated when the
//! library is loaded.

use core::ffi::CStr;

/// The last number of a block, whose text stands for every number that the block lacks.
pub(crate) const OTHERS: i32 = 255;

/// The size of the [`block`] for these texts.
pub(crate) const fn size(texts: &[(i32, &CStr)]) -> usize {
    let (mut size, mut i) = (0, 0);
    while i < texts.len() {
        size += 1 + texts[i].1.count_bytes() + 1;
        i += 1;
    }
    size
}

/// The block: each number in one byte, followed by its text and a zero. Only the compiler evaluates
/// this.
pub(crate) const fn block<const SIZE: usize>(texts: &[(i32, &CStr)]) -> [u8; SIZE] {
    let mut block = [0; SIZE];
    let (mut end, mut i) = (0, 0);
    while i < texts.len() {
        let (number, text) = texts[i];
        assert!(0 <= number && number <= OTHERS);
        block[end] = number as u8;
        end += 1;
        let (text, mut j) = (text.to_bytes_with_nul(), 0);
        while j < text.len() {
            block[end + j] = text[j];
            j += 1;
        }
        end += text.len();
        i += 1;
    }
    block
}

/// The rest of the block from the text of `number` on.
#[inline(never)]
pub(crate) const fn find(block: &'static [u8], number: i32) -> &'static [u8] {
    let mut rest = block;
    while let [first, text @ ..] = rest {
        if *first as i32 == number || *first as i32 == OTHERS {
            return text;
        }
        rest = text;
        while let [byte, behind @ ..] = rest {
            rest = behind;
            if *byte == 0 {
                break;
            }
        }
    }
    &[0]
}

/// A text that [`find`] has found, without what follows it.
pub(crate) const fn c_str(found: &'static [u8]) -> &'static CStr {
    match CStr::from_bytes_until_nul(found) {
        Ok(text) => text,
        Err(_) => c"",
    }
}
