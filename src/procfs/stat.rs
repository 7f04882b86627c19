//! What /proc says about a process, read without allocation.

use crate::errno::Errno;
use crate::sys::{leader_exists, read_file, task_exists};

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
    Ok(match read(tgid)? {
        None => Liveness::Ended,
        Some(Reading { leader_gone: true, .. }) => Liveness::LeaderGone,
        Some(_) => Liveness::Alive,
    })
}

/// A living process, as /proc/PID/stat describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reading {
    /// It was read after this moment; 0: nobody has looked at the clock.
    pub taken_ns: u64,
    pub parent: i32,
    pub session: i32,
    /// When the process began, by `CLOCK_BOOTTIME`, rounded down to a tick.
    pub start_ns: u64,
    /// Where its program and its stack are: other addresses, hence another program. 0: unknown,
    /// as for whoever may not trace it; [`NO_IMAGE`].
    pub image: u64,
    pub comm: [u8; 16],
    pub is_kernel_thread: bool,
    /// It has used memory, hence it is running for some time: its FORK is made before.
    pub has_run: bool,
    pub leader_gone: bool,
    /// It is a zombie.
    pub has_ended: bool,
    /// If so, its wait(2) status; 0 for whoever may not trace it.
    pub status: i32,
}

/// Reads the process `tgid`; `None` if it has ended, is a zombie, or never was. Errors as for
/// [`process_alive`].
pub(crate) fn read(tgid: i32) -> Result<Option<Reading>, Errno> {
    Ok(read_even_zombie(tgid)?.filter(|reading| !reading.has_ended))
}

/// The same, but a zombie is read as well.
pub(crate) fn read_even_zombie(tgid: i32) -> Result<Option<Reading>, Errno> {
    if tgid <= 0 {
        return Err(Errno(libc::EINVAL));
    }
    let mut buffer = [0; 1024];
    let mut between = None;
    for _ in 0..PATIENCE {
        let stat = read_of(tgid, b"stat", &mut buffer);
        // /proc opens a thread's id too, and may hide a process. The kernel's own word tells.
        if !leader_exists(tgid) {
            return if task_exists(tgid) { Err(Errno(libc::ESRCH)) } else { Ok(None) };
        }
        match stat.map(parse) {
            Ok((reading, false)) => return Ok(Some(reading)),
            Ok((reading, true)) => between = Some(reading),
            Err(Errno(libc::ENOENT | libc::ESRCH)) => {}
            Err(error) => return Err(error),
        }
    }
    // The thread that is to be the new leader may have to wait for a CPU.
    between.map_or(Err(Errno(libc::EACCES)), |reading| Ok(Some(reading)))
}

/// How often to look for a process that exists but is not shown: it may have come into being only
/// now, or be between two leaders. Then it is hidden.
const PATIENCE: usize = 100;

/// Reads a file of /proc/PID; its name and the zero behind it have at most 8 bytes.
pub(crate) fn read_of<'a>(pid: i32, name: &[u8], buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    // The digits go where the slashes are, of which the kernel takes any number for one.
    let mut path = *b"/proc///////////\0\0\0\0\0\0\0\0";
    for (to, from) in path.iter_mut().skip(16).zip(name) {
        *to = *from;
    }
    let mut number = pid.unsigned_abs();
    let (digits, _) = path.split_at_mut(15);
    for digit in digits.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    read_file(&path, buffer)
}

/// /proc/PID/stat (proc_pid_stat(5)). Fields are counted from behind the name, which may contain
/// anything.
///
/// True while a thread's exec replaces the leader: the old one has been released, so that it counts
/// no threads, and the new one has not got its id yet (`de_thread` in `fs/exec.c`; measured on Linux
/// 6.18). Or it is about to be reaped.
fn parse(stat: &[u8]) -> (Reading, bool) {
    let mut field = 0;
    let mut numbers = [0_u64; 64];
    let (mut state, mut name, mut name_end) = (0, 0, 0);
    for (at, byte) in stat.iter().enumerate() {
        match byte {
            b'(' if name == 0 => name = at + 1,
            b')' => (field, name_end, numbers) = (2, at, [0; 64]),
            b' ' => field += 1,
            _ if field == 3 => state = *byte,
            b'0'..=b'9' => {
                if let Some(number) = numbers.get_mut(field) {
                    *number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
                }
            }
            _ => {}
        }
    }
    let leader_gone = matches!(state, b'Z' | b'X');
    let mut comm = [0; 16];
    for (to, from) in comm.iter_mut().take(15).zip(stat.get(name..name_end).unwrap_or_default()) {
        *to = *from;
    }
    let reading = Reading {
        taken_ns: 0,
        parent: numbers[4] as i32,
        session: numbers[6] as i32,
        start_ns: numbers[22].saturating_mul(TICK_NS),
        image: match (numbers[26], numbers[28]) {
            (0, _) if !leader_gone => NO_IMAGE,
            // Whoever may not trace it is told of code at 1.
            (_, 0) => 0,
            (code, stack) => code.rotate_left(32) ^ stack,
        },
        comm,
        is_kernel_thread: numbers[9] & PF_KTHREAD != 0,
        has_run: numbers[10] != 0,
        leader_gone,
        // The leader itself is counted until it is reaped.
        has_ended: leader_gone && numbers[20] == 1,
        status: numbers[52] as i32,
    };
    (reading, leader_gone && numbers[20] == 0)
}

/// /proc counts in hundredths of a second (`USER_HZ` in `include/asm-generic/param.h`).
pub(crate) const TICK_NS: u64 = 10_000_000;

/// It has no program: it is a thread of the kernel, a helper that the kernel is about to have run
/// one (`kernel/umh.c`), or about to end.
pub(crate) const NO_IMAGE: u64 = 1;

/// `include/linux/sched.h`
const PF_KTHREAD: u64 = 0x0020_0000;

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str, state: char, threads: u32) -> String {
        format!(
            "7 ({name}) {state} 5 7 6 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 {threads} 0 99 0 0 0 3 4 9 0\n"
        )
    }

    const NAMES: [&str; 5] = ["sh", ") Z 1 (", "a b", "", ")"];

    #[test]
    fn the_state_and_the_threads_are_found_behind_any_name() {
        let alive = |name, state, threads| match parse(stat(name, state, threads).as_bytes()) {
            (_, true) => panic!("between"),
            (Reading { has_ended: true, .. }, _) => None,
            (reading, _) => Some(reading.leader_gone),
        };
        for name in NAMES {
            assert_eq!(alive(name, 'S', 1), Some(false));
            assert_eq!(alive(name, 'R', 9), Some(false));
            assert_eq!(alive(name, 'Z', 1), None);
            assert_eq!(alive(name, 'Z', 2), Some(true));
            assert_eq!(alive(name, 'Z', 12), Some(true));
            assert!(parse(stat(name, 'X', 0).as_bytes()).1);
        }
    }

    #[test]
    fn so_are_the_other_fields_and_the_name() {
        for name in NAMES {
            let (reading, _) = parse(stat(name, 'S', 1).as_bytes());
            assert_eq!((reading.parent, reading.session), (5, 6));
            assert_eq!((reading.start_ns, reading.image), (990_000_000, 3 << 32 ^ 9));
            assert!(reading.is_kernel_thread);
            assert_eq!(reading.comm.split(|b| *b == 0).next(), Some(name.as_bytes()));
        }
    }

    #[test]
    fn a_program_is_told_by_its_addresses_unless_they_are_hidden_or_there_is_none() {
        let image = |state, addresses| {
            let stat = stat("sh", state, 2).replace("3 4 9", addresses);
            parse(stat.as_bytes()).0.image
        };
        assert_eq!(image('S', "3 4 9"), 3 << 32 ^ 9);
        assert_eq!(image('S', "1 1 0"), 0);
        assert_eq!(image('S', "0 0 0"), NO_IMAGE);
        assert_eq!(image('Z', "0 0 0"), 0);
    }

    #[test]
    fn any_bytes_are_survived() {
        for bytes in [&b""[..], b")", b"(", b"1 (", b")(", b"1 (x", b"1 (x)", b"1 (x) ", b"x) Z 1"]
        {
            let _ = parse(bytes);
        }
    }
}
