//! One file of /proc/PID.

use crate::errno::Errno;
use crate::sys::read_file;

/// Where the name begins in `PATH`.
const NAME: usize = 16;
/// Room for the longest pid, in slashes: the kernel treats repeated slashes as one. Then room for
/// a name of up to 7 bytes and its terminator.
const PATH: [u8; 24] = *b"/proc///////////\0\0\0\0\0\0\0\0";

/// Reads the beginning of /proc/PID/`name`, as much as one read(2) returns; `name` has at most 7
/// bytes.
pub(super) fn read<'a>(pid: i32, name: &[u8], buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    let mut path = PATH;
    let (digits, rest) = path.split_at_mut(NAME - 1);
    // `rest` begins with the slash before the name.
    for (to, from) in rest.iter_mut().skip(1).zip(name) {
        *to = *from;
    }
    let mut number = pid.unsigned_abs();
    for digit in digits.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    read_file(&path, buffer)
}
