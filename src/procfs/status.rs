//! The user and group ids of a process, from /proc/PID/status.

use super::file::{self, Tree};
use crate::errno::Errno;
use crate::sys::read_file;

/// The number that `text` begins with.
fn decimal(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits
        .fold(0, |number: u64, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

/// The user and group ids of a process: real, effective; user, group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Credentials {
    pub ruid: u32,
    pub euid: u32,
    pub rgid: u32,
    pub egid: u32,
}

/// Reads the ids of the process `tgid`; `None` if no task has this id.
pub(crate) fn read_credentials(tree: Tree<'_>, tgid: i32) -> Result<Option<Credentials>, Errno> {
    // Both lines stand before everything that may be long. A name cannot forge them, because the
    // kernel escapes line breaks in it.
    let mut buffer = [0; 512];
    match file::read(tree, tgid, b"status", &mut buffer) {
        Ok(status) => Ok(ids(status, b"Uid:")
            .zip(ids(status, b"Gid:"))
            .map(|([ruid, euid], [rgid, egid])| Credentials { ruid, euid, rgid, egid })),
        Err(Errno(libc::ENOENT | libc::ESRCH)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a seccomp filter may forbid system calls to this thread.
pub(crate) fn is_sandboxed() -> bool {
    let mut buffer = [0; 4096];
    read_file(None, b"/proc/thread-self/status\0", &mut buffer).map_or(true, has_seccomp_filter)
}

fn has_seccomp_filter(status: &[u8]) -> bool {
    let mut lines = status.split(|byte| *byte == b'\n');
    // A kernel without seccomp has no such line.
    lines.any(|line| line.starts_with(b"Seccomp:") && !line.ends_with(b"\t0"))
}

/// The first two numbers of a line of /proc/PID/status.
fn ids(status: &[u8], label: &[u8]) -> Option<[u32; 2]> {
    let line = status.split(|byte| *byte == b'\n').find(|line| line.starts_with(label))?;
    let mut numbers = line.split(|byte| *byte == b'\t').skip(1).map(decimal);
    Some([numbers.next()? as u32, numbers.next()? as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_process_are_its_real_and_effective_ones() {
        let status = b"Name:\tUid:\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n";
        assert_eq!(ids(status, b"Uid:"), Some([1, 2]));
        assert_eq!(ids(status, b"Gid:"), Some([5, 6]));
        assert_eq!(ids(b"Uid:\t1", b"Uid:"), None);
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
