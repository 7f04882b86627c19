//! The command of a process, as a table keeps it: its command line and its executable, in one block.

use super::file::{self, Tree};
use crate::errno::Errno;

/// What a block holds: the command line, then the executable, each with a NUL behind it. The numbers in the
/// middle are laid out as in `struct pc_command`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Command {
    pub line_length: u32,
    pub executable_length: u32,
    /// 0, or a negative errno value.
    pub line_error: i32,
    pub executable_error: i32,
    /// Bits of [`kept`].
    pub flags: u32,
}

/// Flags of a command.
pub(crate) mod kept {
    /// Only the beginning of the command line is kept.
    pub const CUT: u32 = 1 << 0;
    /// Events were lost after it was read: the process may have run another program since.
    pub const DOUBTFUL: u32 = 1 << 1;
}

impl Command {
    /// None was read.
    pub(crate) const NONE: Self = Self {
        line_length: 0,
        executable_length: 0,
        line_error: -libc::ESRCH,
        executable_error: -libc::ESRCH,
        flags: 0,
    };

    /// There is none to be given, for this reason.
    #[inline(never)]
    pub(crate) const fn withhold(&mut self, error: i32) {
        (self.line_length, self.executable_length) = (0, 0);
        (self.line_error, self.executable_error) = (-error, -error);
    }

    /// Where the executable begins in the block.
    pub(crate) const fn executable_at(&self) -> usize {
        match self.line_error {
            0 => self.line_length as usize + 1,
            _ => 0,
        }
    }
}

/// Reads the command of a process into a block. Which process that is, a look that follows shows.
///
/// The command line, which vanishes first, gets up to three quarters of the block, and the executable what
/// is left.
pub(crate) fn read_command(tree: Tree<'_>, pid: i32, block: &mut [u8]) -> Command {
    let mut command = Command::NONE;
    let most = block.len() - block.len() / 4;
    let part = block.get_mut(..most).unwrap_or_default();
    match file::read(tree, pid, b"cmdline", part).map(<[u8]>::len) {
        Ok(0) | Err(Errno(libc::ENOENT)) => {}
        Ok(length) => {
            command.line_error = 0;
            if length == most {
                command.flags = kept::CUT;
            }
            command.line_length = end_text(block, 0, length.min(most - 1));
        }
        Err(Errno(error)) => command.line_error = -error,
    }
    // At least one byte is left, and a path that fills the rest has no room for its NUL.
    let at = command.executable_at();
    let part = block.get_mut(at..).unwrap_or_default();
    match file::read_link(tree, pid, b"exe", part) {
        Ok(length) => {
            command.executable_error = 0;
            command.executable_length = end_text(block, at, length as usize);
        }
        Err(Errno(libc::ENOENT)) => {}
        Err(Errno(error)) => command.executable_error = -error,
    }
    command
}

/// Puts a NUL behind a text in a block. Returns the text's length.
fn end_text(block: &mut [u8], at: usize, length: usize) -> u32 {
    if let Some(end) = block.get_mut(at + length) {
        *end = 0;
    }
    length as u32
}
