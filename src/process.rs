//! Whether a process lives, read from /proc without allocation.

use crate::errno::Errno;
use crate::sys::{exists, read_file};
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
    // The state and the ids are among the first lines, before any of unbounded length.
    let status = match read(tgid, b"status", &mut buffer) {
        // The kernel's own word, because a hidden process must not pass for an ended one.
        Err(Errno(libc::ENOENT | libc::ESRCH)) if exists(tgid) => {
            // It may have come into being since, or be hidden.
            match read(tgid, b"status", &mut buffer) {
                Err(Errno(libc::ENOENT)) if exists(tgid) => return Err(Errno(libc::EACCES)),
                result => result,
            }
        }
        result => result,
    };
    let status = match status {
        Ok(status) => status,
        Err(Errno(libc::ENOENT | libc::ESRCH)) => return Ok(Liveness::Ended),
        Err(error) => return Err(error),
    };
    if field(status, b"\nTgid:\t").and_then(number) != Some(tgid.cast_unsigned()) {
        return Err(Errno(libc::ESRCH));
    }
    if !matches!(field(status, b"\nState:\t"), Some([b'Z' | b'X', ..])) {
        return Ok(Liveness::Alive);
    }
    match read(tgid, b"stat", &mut buffer) {
        Ok(stat) if thread_count(stat) > 1 => Ok(Liveness::LeaderGone),
        Ok(_) | Err(Errno(libc::ENOENT | libc::ESRCH)) => Ok(Liveness::Ended),
        Err(error) => Err(error),
    }
}

fn read<'a>(pid: i32, file: &[u8], buffer: &'a mut [u8; 512]) -> Result<&'a [u8], Errno> {
    let mut path = [0; 32];
    let mut digits = [0; 10];
    let parts = [b"/proc/", decimal(pid.cast_unsigned(), &mut digits), b"/", file, b"\0"];
    for (to, from) in path.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno(libc::EINVAL))?;
    read_file(path, buffer)
}

fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

/// What follows `name`. (A task's own name cannot contain the line break that `name` begins with:
/// the kernel escapes it in this file.)
fn field<'a>(status: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = status.windows(name.len()).position(|window| window == name)?;
    status.get(at + name.len()..)
}

/// The decimal number that `text` begins with.
fn number(text: &[u8]) -> Option<u32> {
    let mut value: Option<u32> = None;
    for byte in text.iter().take_while(|byte| byte.is_ascii_digit()) {
        value = Some(value.unwrap_or(0).checked_mul(10)?.checked_add(u32::from(byte - b'0'))?);
    }
    value
}

/// Field 20 of /proc/PID/stat, counted from behind the name, which may contain anything.
fn thread_count(stat: &[u8]) -> u32 {
    let Some(end) = stat.iter().rposition(|byte| *byte == b')') else { return 0 };
    // Behind the name come a space and field 3.
    let mut fields = stat.get(end + 1..).unwrap_or_default().split(|byte| *byte == b' ').skip(1);
    fields.nth(20 - 3).and_then(number).unwrap_or(0)
}
