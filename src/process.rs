//! Whether a process lives, read from /proc without allocation.

use crate::errno::Errno;
use crate::sys::{leader_exists, read_file, task_exists};
use core::ffi::CStr;

/// What /proc says about a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Liveness {
    /// It has ended, or is a zombie.
    Ended,
    /// It lives.
    Alive,
    /// Its leader has ended, but other threads live on.
    LeaderGone,
}

/// Looks the process `tgid` up.
///
/// # Errors
/// `EINVAL`: not positive. `ESRCH`: the id of a thread, not of a process. `EACCES`: /proc does not
/// show it although it exists. Others as open(2) and read(2) say.
pub fn process_alive(tgid: i32) -> Result<Liveness, Errno> {
    if tgid <= 0 {
        return Err(Errno(libc::EINVAL));
    }
    let mut buffer = [0; 512];
    for _ in 0..PATIENCE {
        let stat = read_stat(tgid, &mut buffer);
        // /proc opens a thread's id too, and may hide a process. The kernel's own word tells.
        if !leader_exists(tgid) {
            let is_thread = task_exists(tgid);
            return if is_thread { Err(Errno(libc::ESRCH)) } else { Ok(Liveness::Ended) };
        }
        match stat.map(liveness) {
            Ok(Some(liveness)) => return Ok(liveness),
            Ok(None) | Err(Errno(libc::ENOENT | libc::ESRCH)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno(libc::EACCES))
}

/// How often to look for a process that exists but is not shown: it may have come into being only
/// now, or be between two leaders. Then it is hidden.
const PATIENCE: usize = 100;

fn read_stat(pid: i32, buffer: &mut [u8; 512]) -> Result<&[u8], Errno> {
    // The digits go where the slashes are, of which the kernel takes any number for one.
    let mut path = *b"/proc///////////stat\0";
    let mut number = pid.unsigned_abs();
    for digit in path.iter_mut().take(15).rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno(libc::EINVAL))?;
    read_file(path, buffer)
}

/// From /proc/PID/stat: field 3 is the state, field 20 the number of threads. They are counted from
/// behind the name, which may contain anything.
///
/// `None` while a thread's exec replaces the leader: the old one has been released, so that it
/// counts no threads, and the new one has not got its id yet (`de_thread` in `fs/exec.c`; measured
/// on Linux 6.18).
fn liveness(stat: &[u8]) -> Option<Liveness> {
    let mut fields = stat.rsplit(|byte| *byte == b')').next().unwrap_or_default().split(is_space);
    // Behind the name comes a space, hence an empty field.
    let state = fields.nth(1).unwrap_or_default();
    let threads = fields.nth(20 - 4).unwrap_or_default();
    match (state, threads) {
        (b"Z" | b"X", b"0") => None,
        // The leader itself is counted until it is reaped.
        (b"Z" | b"X", b"1") => Some(Liveness::Ended),
        (b"Z" | b"X", _) => Some(Liveness::LeaderGone),
        _ => Some(Liveness::Alive),
    }
}

const fn is_space(byte: &u8) -> bool {
    *byte == b' '
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_and_the_threads_are_found_behind_any_name() {
        let stat = |name, state, threads| {
            format!("7 ({name}) {state} 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 {threads} 0 99\n")
        };
        for name in ["sh", ") Z 1 (", "a b", "", ")"] {
            assert_eq!(liveness(stat(name, "S", 1).as_bytes()), Some(Liveness::Alive));
            assert_eq!(liveness(stat(name, "R", 9).as_bytes()), Some(Liveness::Alive));
            assert_eq!(liveness(stat(name, "Z", 1).as_bytes()), Some(Liveness::Ended));
            assert_eq!(liveness(stat(name, "X", 0).as_bytes()), None);
            assert_eq!(liveness(stat(name, "Z", 2).as_bytes()), Some(Liveness::LeaderGone));
            assert_eq!(liveness(stat(name, "Z", 12).as_bytes()), Some(Liveness::LeaderGone));
        }
    }
}
