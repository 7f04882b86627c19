//! The pids that /proc lists, in ascending order.

use super::file::Tree;
use crate::errno::Errno;
use crate::sys::Directory;

/// A walk through the pids that /proc lists. The kernel lists them in ascending order
/// (`proc_pid_readdir` in `fs/proc/base.c`).
pub(crate) struct Listing {
    directory: Directory,
    is_made_up: bool,
    /// Whole entries, as getdents64(2) writes them.
    buffer: [u8; 1024],
    /// The part of the buffer that has not been taken.
    next: usize,
    end: usize,
    /// The part that follows the entry of the pid that was peeked at.
    behind: usize,
}

impl Listing {
    /// Opens /proc, or the directory that a descriptor of the caller's stands for.
    pub(crate) fn open(tree: Option<i32>) -> Result<Self, Errno> {
        let directory = tree.map_or_else(|| Directory::open(b"/proc\0"), Directory::reopen)?;
        let is_made_up = tree.is_some() && !directory.is_proc();
        Ok(Self { directory, is_made_up, buffer: [0; 1024], next: 0, end: 0, behind: 0 })
    }

    /// The files of the listed processes.
    pub(crate) const fn tree(&self) -> Tree<'_> {
        Tree { directory: Some(self.directory.fd()), is_made_up: self.is_made_up }
    }

    /// Starts again with the lowest pid.
    pub(crate) fn rewind(&mut self) -> Result<(), Errno> {
        self.directory.rewind()?;
        (self.next, self.end, self.behind) = (0, 0, 0);
        Ok(())
    }

    /// The next pid; `None` at the end. It remains the next one until [`take`](Self::take).
    pub(crate) fn peek(&mut self) -> Result<Option<i32>, Errno> {
        loop {
            if self.next >= self.end {
                (self.next, self.end) = (0, 0);
                self.end = self.directory.read(&mut self.buffer)? as usize;
                if self.end == 0 {
                    return Ok(None);
                }
            }
            match first_listed(self.rest()) {
                Some(Listed { pid: Some(pid), size }) => {
                    self.behind = self.next + size;
                    return Ok(Some(pid));
                }
                Some(Listed { size, .. }) => self.next += size,
                None => self.next = self.end,
            }
        }
    }

    /// Passes the pid that [`peek`](Self::peek) returned.
    pub(crate) const fn take(&mut self) {
        self.next = self.behind;
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.next..self.end).unwrap_or_default()
    }
}

#[derive(PartialEq, Eq, Debug)]
struct Listed {
    /// `None` if its name is not a pid.
    pid: Option<i32>,
    size: usize,
}

/// The first of some `struct linux_dirent64`: d_ino, d_off, d_reclen, d_type, d_name
/// (getdents64(2)).
#[inline]
fn first_listed(entries: &[u8]) -> Option<Listed> {
    let size = u16::from_ne_bytes(*entries.get(16..)?.first_chunk()?);
    let name = entries.get(19..usize::from(size))?.split(|byte| *byte == 0).next()?;
    let pid = name.iter().try_fold(0_i32, |pid, byte| match byte {
        b'0'..=b'9' => pid.checked_mul(10)?.checked_add(i32::from(byte - b'0')),
        _ => None,
    });
    Some(Listed { pid: pid.filter(|pid| *pid > 0), size: size.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8]) -> Vec<u8> {
        let size = (19 + name.len() + 1).next_multiple_of(8);
        let mut entry = vec![0; size];
        entry[16..18].copy_from_slice(&(size as u16).to_ne_bytes());
        entry[19..19 + name.len()].copy_from_slice(name);
        entry
    }

    #[test]
    fn only_names_that_are_numbers_are_pids() {
        for (name, pid) in [
            (&b"1"[..], Some(1)),
            (b"4194304", Some(4_194_304)),
            (b"self", None),
            (b"12a", None),
            (b"0", None),
            (b"99999999999", None),
            (b"", None),
        ] {
            let bytes = entry(name);
            assert_eq!(first_listed(&bytes), Some(Listed { pid, size: bytes.len() }));
        }
    }

    #[test]
    fn a_truncated_entry_does_not_panic() {
        for size in 0..24 {
            let _ = first_listed(&entry(b"123")[..size]);
        }
    }
}
