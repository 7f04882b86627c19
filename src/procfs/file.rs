//! One file of /proc/PID.

use crate::errno::Errno;
#[cfg(feature = "table")]
use crate::sys::{self, Mode, open};
use crate::sys::{Fd, read_file};

/// Where the name begins in `PATH`.
const NAME: usize = 16;
/// Room for the longest pid, in slashes: the kernel treats repeated slashes as one. Then room for
/// a name of up to 7 bytes and its terminator.
const PATH: [u8; 24] = *b"/proc///////////\0\0\0\0\0\0\0\0";

/// A tree of files like those of /proc.
#[derive(Clone, Copy)]
pub(crate) struct Tree<'a> {
    /// `None`: /proc.
    pub directory: Option<&'a Fd>,
    /// The tree is not of the kernel's making, for tests: it alone says which processes there are.
    pub is_made_up: bool,
}

impl Tree<'_> {
    pub(crate) const OWN: Self = Self { directory: None, is_made_up: false };
}

/// Reads the beginning of PID/`name`, as much as one read(2) returns; `name` has at most 7 bytes.
pub(super) fn read<'a>(
    tree: Tree<'_>,
    pid: i32,
    name: &[u8],
    buffer: &'a mut [u8],
) -> Result<&'a [u8], Errno> {
    let mut path = PATH;
    read_file(tree.directory, place(tree, pid, name, &mut path), buffer)
}

/// Makes `PATH` the path of PID/`name` in a tree.
fn place<'a>(tree: Tree<'_>, pid: i32, name: &[u8], path: &'a mut [u8; 24]) -> &'a [u8] {
    let first = put(pid, name, path);
    if tree.directory.is_some() { path.get(first..).unwrap_or_default() } else { path }
}

/// Where the link PID/`name` leads; `name` has at most 7 bytes. Returns how many bytes the path has.
#[cfg(feature = "table")]
pub(super) fn read_link(
    tree: Tree<'_>,
    pid: i32,
    name: &[u8],
    buffer: &mut [u8],
) -> Result<u32, Errno> {
    let mut path = PATH;
    sys::read_link(tree.directory, place(tree, pid, name, &mut path), buffer)
}

/// Opens /proc/PID, to look files up in it.
#[cfg(feature = "table")]
pub(super) fn directory(pid: i32) -> Result<Fd, Errno> {
    let mut path = PATH;
    put(pid, b"", &mut path);
    open(None, &path, Mode::Search)
}

/// Makes `PATH` the path of /proc/PID/`name`. Returns where the PID begins.
#[inline(never)]
fn put(pid: i32, name: &[u8], path: &mut [u8; 24]) -> usize {
    let (digits, rest) = path.split_at_mut(NAME - 1);
    // `rest` begins with the slash before the name.
    for (to, from) in rest.iter_mut().skip(1).zip(name) {
        *to = *from;
    }
    let mut number = pid.unsigned_abs();
    let mut first = NAME - 1;
    for digit in digits.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        first -= 1;
    }
    first
}
