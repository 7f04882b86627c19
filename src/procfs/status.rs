//! The user and group ids of a process, from /proc/PID/status.

use super::file::{self, Tree};
use crate::errno::Errno;
use crate::sys::{self, Fd, read_file};

/// The number that `text` begins with, and the rest of the text.
fn decimal(mut text: &[u8]) -> (u32, &[u8]) {
    let mut number = 0_u32;
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        number = number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'));
        text = rest;
    }
    (number, text)
}

/// The user and group ids of a process: real, effective; user, group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Credentials {
    pub ruid: u32,
    pub euid: u32,
    pub rgid: u32,
    pub egid: u32,
}

/// The ids of the process of a pidfd, in a third of the time that a file takes; `None` before Linux 6.13.
pub(super) fn ask_pidfd(pidfd: &Fd) -> Option<Credentials> {
    let [ruid, rgid, euid, egid] = sys::ids(pidfd).ok()?;
    Some(Credentials { ruid, euid, rgid, egid })
}

/// Reads the ids of the process `tgid`; `None` if no task has this id.
///
/// # Errors
/// Those of reading a file.
pub(super) fn read_credentials(tree: Tree<'_>, tgid: i32) -> Result<Option<Credentials>, Errno> {
    // Both lines stand before everything that may be long. A name cannot forge them, because the
    // kernel escapes line breaks in it.
    let mut buffer = [0; 512];
    match file::read(tree, tgid, b"status", &mut buffer) {
        Ok(status) => Ok(ids(status, b"\nUid:\t")
            .zip(ids(status, b"\nGid:\t"))
            .map(|([ruid, euid], [rgid, egid])| Credentials { ruid, euid, rgid, egid })),
        Err(Errno(libc::ENOENT | libc::ESRCH)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a seccomp filter may forbid system calls to this thread.
pub(crate) fn is_sandboxed() -> bool {
    // Where the groups fill the buffer, the line that matters may be behind it.
    const SIZE: usize = 4096;
    let mut buffer = [0; SIZE];
    let status = read_file(None, b"/proc/thread-self/status\0", &mut buffer);
    status.map_or(true, |status| status.len() == SIZE || has_seccomp_filter(status))
}

fn has_seccomp_filter(status: &[u8]) -> bool {
    let mut lines = status.split(|byte| *byte == b'\n');
    // A kernel without seccomp has no such line.
    lines.any(|line| line.starts_with(b"Seccomp:") && !line.ends_with(b"\t0"))
}

/// The first two numbers of a line of /proc/PID/status, which `label` begins.
fn ids(status: &[u8], label: &[u8]) -> Option<[u32; 2]> {
    let at = status.windows(label.len()).position(|part| part == label)? + label.len();
    let (first, rest) = decimal(status.get(at..)?);
    let (second, _) = decimal(rest.strip_prefix(b"\t")?);
    Some([first, second])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_process_are_its_real_and_effective_ones() {
        let status = b"Name:\tUid:\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n";
        assert_eq!(ids(status, b"\nUid:\t"), Some([1, 2]));
        assert_eq!(ids(status, b"\nGid:\t"), Some([5, 6]));
        assert_eq!(ids(b"\nUid:\t1", b"\nUid:\t"), None);
    }

    #[test]
    fn a_thread_is_sandboxed_if_it_has_a_seccomp_filter() {
        for (seccomp, is_sandboxed) in
            [("Seccomp:\t0\n", false), ("Seccomp:\t2\nSeccomp_filters:\t1\n", true), ("", false)]
        {
            let status = format!("Name:\tx\nNoNewPrivs:\t0\n{seccomp}Speculation:\tx\n");
            assert_eq!(has_seccomp_filter(status.as_bytes()), is_sandboxed, "{seccomp}");
        }
    }
}
