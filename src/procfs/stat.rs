//! /proc/PID/stat: a process, zombie or not.

use super::file::{self, Tree};
use crate::errno::Errno;
use crate::sys::leader_exists;
use core::num::NonZero;

/// A process as /proc/PID/stat describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stat {
    pub condition: Condition,
    pub parent: i32,
    pub session: i32,
    /// When the process started: `CLOCK_BOOTTIME`, rounded down to a tick.
    pub start_ns: u64,
    pub image: Image,
    pub comm: [u8; 16],
    /// The process has other threads than its leader.
    pub has_threads: bool,
    pub is_kernel_thread: bool,
    /// The process is about to exit with this thread, and may have given up its memory.
    pub is_exiting: bool,
    /// The process has used memory, so it has been running for some time: its FORK event was
    /// generated before.
    pub has_run: bool,
}

impl Stat {
    /// Of no process.
    pub(crate) const NONE: Self = Self {
        condition: Condition::Led,
        parent: 0,
        session: 0,
        start_ns: 0,
        image: Image::UNKNOWN,
        comm: [0; 16],
        has_threads: false,
        is_kernel_thread: false,
        has_run: false,
        is_exiting: false,
    };
}

/// Which of a process's threads are left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Condition {
    /// The leader lives.
    Led,
    /// The leader exited; other threads live on.
    Leaderless,
    /// An exec by another thread is replacing the leader: the old leader is released, and the new
    /// one does not have its id yet (`de_thread` in `fs/exec.c`; measured on Linux 6.18).
    BetweenLeaders,
    /// Every thread exited, and nobody has reaped the process. `status` is its wait(2) status, and
    /// 0 for a reader that may not trace the process (`proc_pid_stat(5)`).
    Zombie { status: i32 },
}

#[cfg(feature = "table")]
impl Condition {
    pub(crate) const fn is_zombie(self) -> bool {
        matches!(self, Self::Zombie { .. })
    }

    /// Whether the parent and the session are shown. Between two leaders there are none to show
    /// (`do_task_stat` in `fs/proc/array.c`).
    pub(crate) const fn shows_family(self) -> bool {
        !matches!(self, Self::BetweenLeaders)
    }

    /// Whether other threads live without the leader.
    pub(crate) const fn has_no_leader(self) -> bool {
        matches!(self, Self::Leaderless | Self::BetweenLeaders)
    }
}

/// The addresses of a process's program and stack, as one number. If the number changed, the
/// process runs another program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Image(Option<NonZero<u64>>);

impl Image {
    /// The kernel does not show the addresses to this process, or the leader is gone.
    pub(crate) const UNKNOWN: Self = Self(None);

    /// The process has no program: it is a kernel thread, one of the kernel's helpers before its
    /// exec (`kernel/umh.c`), or about to exit.
    pub(crate) const NONE: Self = Self(NonZero::new(1));

    /// From the fields startcode and startstack.
    pub(crate) const fn at(code: u64, stack: u64) -> Self {
        Self(NonZero::new(code.rotate_left(32) ^ stack))
    }
}

#[cfg(feature = "table")]
impl Image {
    pub(crate) fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }

    /// Whether the kernel showed the addresses of a program.
    pub(crate) fn is_program(self) -> bool {
        self != Self::UNKNOWN && self != Self::NONE
    }
}

/// /proc counts time in hundredths of a second (`USER_HZ` in `include/asm-generic/param.h`).
pub(crate) const TICK_NS: u64 = 10_000_000;

/// How often to look at a process that exists but is not shown. It may have been created only now,
/// or be between two leaders; after that many looks, /proc is hiding it.
const ATTEMPTS: usize = 100;

/// Reads the process `tgid` into `stat`. False if no process has this id.
///
/// # Errors
/// `EINVAL`: not positive. `ESRCH`: the id of a thread, not of a process. `EACCES`: /proc does not
/// show the process although it exists. Otherwise an error of open(2) or read(2).
pub(crate) fn read(tree: Tree<'_>, tgid: i32, stat: &mut Stat) -> Result<bool, Errno> {
    if tgid <= 0 {
        return Err(Errno(libc::EINVAL));
    }
    let mut buffer = [0; 1024];
    // What /proc showed last. If the loop goes on after it, the process was between two leaders.
    let mut shown = None;
    for _ in 0..ATTEMPTS {
        let failure = match file::read(tree, tgid, b"stat", &mut buffer) {
            Ok(bytes) => {
                shown = Some(parse(bytes, stat));
                None
            }
            Err(error) => Some(error),
        };
        let is_thread = shown == Some(Task::Thread);
        let has_leader = shown.is_some() && stat.condition != Condition::BetweenLeaders;
        if has_leader && !is_thread {
            break;
        }
        // /proc opens the id of a thread, too, and may hide a process. So ask the kernel, but only then:
        // security modules log the question.
        if tree.is_made_up || !leader_exists(tgid) {
            return match failure {
                None if is_thread => Err(Errno(libc::ESRCH)),
                Some(error) if tree.is_made_up && error != Errno(libc::ENOENT) => Err(error),
                _ => Ok(false),
            };
        }
        if has_leader {
            break;
        }
        match failure {
            None | Some(Errno(libc::ENOENT | libc::ESRCH)) => {}
            Some(error) => return Err(error),
        }
    }
    // The thread that is to be the new leader may have to wait for a CPU.
    if shown.is_some() { Ok(true) } else { Err(Errno(libc::EACCES)) }
}

// The numbers of the fields in proc_pid_stat(5).
const STATE: usize = 3;
const PARENT: usize = 4;
const SESSION: usize = 6;
const FLAGS: usize = 9;
const MINOR_FAULTS: usize = 10;
const THREADS: usize = 20;
const START_TIME: usize = 22;
const START_CODE: usize = 26;
const START_STACK: usize = 28;
const EXIT_SIGNAL: usize = 38;
const EXIT_CODE: usize = 52;
const FIELDS: usize = EXIT_CODE + 1;

/// `include/linux/sched.h`
const PF_EXITING: u64 = 0x0000_0004;
const PF_KTHREAD: u64 = 0x0020_0000;

/// Whose stat was read.
#[derive(PartialEq, Eq, Debug)]
enum Task {
    Leader,
    /// A thread, or a leader whom an exec has replaced: it sends no signal when it exits.
    Thread,
}

/// The fields are counted from the last parenthesis, because a name may contain anything.
#[inline(never)]
fn parse(bytes: &[u8], stat: &mut Stat) -> Task {
    let mut field = 0;
    let mut fields = [0_u64; FIELDS];
    let (mut state, mut name, mut name_end, mut task) = (0, 0, 0, Task::Leader);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' if name == 0 => name = at + 1,
            b')' => (field, name_end, fields, task) = (2, at, [0; FIELDS], Task::Leader),
            b' ' => field += 1,
            _ if field == STATE => state = *byte,
            b'-' if field == EXIT_SIGNAL => task = Task::Thread,
            b'0'..=b'9' => {
                if let Some(number) = fields.get_mut(field) {
                    *number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
                }
            }
            _ => {}
        }
    }
    let is_leader_gone = matches!(state, b'Z' | b'X');
    let mut comm = [0; 16];
    for (to, from) in comm.iter_mut().take(15).zip(bytes.get(name..name_end).unwrap_or_default()) {
        *to = *from;
    }
    *stat = Stat {
        condition: match fields[THREADS] {
            _ if !is_leader_gone => Condition::Led,
            0 => Condition::BetweenLeaders,
            // The leader is counted until it is reaped.
            1 => Condition::Zombie { status: fields[EXIT_CODE] as i32 },
            _ => Condition::Leaderless,
        },
        parent: fields[PARENT] as i32,
        session: fields[SESSION] as i32,
        start_ns: fields[START_TIME].saturating_mul(TICK_NS),
        image: match (fields[START_CODE], fields[START_STACK]) {
            (0, _) if !is_leader_gone => Image::NONE,
            // A reader that may not trace the process sees code at address 1 and no stack.
            (_, 0) => Image::UNKNOWN,
            (code, stack) => Image::at(code, stack),
        },
        comm,
        has_threads: fields[THREADS] > 1,
        is_kernel_thread: fields[FLAGS] & PF_KTHREAD != 0,
        // A leader that an exec has just replaced is counted no more.
        is_exiting: fields[FLAGS] & PF_EXITING != 0 && fields[THREADS] == 1,
        has_run: fields[MINOR_FAULTS] != 0,
    };
    task
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str, state: char, threads: u32) -> String {
        let head = format!("7 ({name}) {state} 5 7 6 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 {threads}");
        let rest = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1792\n";
        format!("{head} 0 99 0 0 0 3 4 9 {rest}")
    }

    fn parsed(name: &str, state: char, threads: u32) -> Stat {
        parsed_from(&stat(name, state, threads)).0
    }

    fn parsed_from(text: &str) -> (Stat, Task) {
        let mut stat = Stat::NONE;
        let task = parse(text.as_bytes(), &mut stat);
        (stat, task)
    }

    const NAMES: [&str; 5] = ["sh", ") Z 1 (", "a b", "", ")"];

    #[test]
    fn the_condition_of_a_process_is_found_behind_any_name() {
        for name in NAMES {
            for (state, threads, condition) in [
                ('S', 1, Condition::Led),
                ('R', 9, Condition::Led),
                ('Z', 1, Condition::Zombie { status: 1792 }),
                ('Z', 2, Condition::Leaderless),
                ('Z', 12, Condition::Leaderless),
                ('X', 0, Condition::BetweenLeaders),
            ] {
                assert_eq!(parsed(name, state, threads).condition, condition, "{name} {state}");
            }
        }
    }

    #[test]
    fn the_other_fields_are_found_behind_any_name() {
        for name in NAMES {
            let stat = parsed(name, 'S', 1);
            assert_eq!((stat.parent, stat.session), (5, 6));
            assert_eq!((stat.start_ns, stat.image), (990_000_000, Image::at(3, 9)));
            assert!(stat.is_kernel_thread);
            assert!(!stat.has_run && !stat.has_threads && !stat.is_exiting);
            assert!(parsed(name, 'S', 2).has_threads);
            assert_eq!(stat.comm.split(|b| *b == 0).next(), Some(name.as_bytes()));
        }
    }

    #[test]
    fn a_process_whose_only_thread_is_about_to_exit_is_known_by_its_flags() {
        for (flags, threads, is_exiting) in [
            ("4194304", 1, false),
            ("4194308", 1, true),
            ("4194308", 0, false),
            ("4194308", 2, false),
        ] {
            let stat = stat("sh", 'R', threads).replace("2097152", flags);
            assert_eq!(parsed_from(&stat).0.is_exiting, is_exiting, "{flags} {threads}");
        }
    }

    #[test]
    fn a_task_that_sends_no_signal_when_it_exits_is_a_thread() {
        for name in NAMES {
            let stat = stat(name, 'S', 2);
            assert_eq!(parsed_from(&stat).1, Task::Leader);
            let (head, rest) =
                stat.split_once(" 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1792").expect("a stat");
            let thread = format!("{head} -1 0 0 0 0 0 0 0 0 0 0 0 0 0 1792{rest}");
            assert_eq!(parsed_from(&thread).1, Task::Thread, "{thread}");
        }
    }

    #[test]
    fn an_image_is_known_unless_its_addresses_are_hidden_or_there_is_none() {
        let image = |state, addresses| {
            let stat = stat("sh", state, 2).replace("3 4 9", addresses);
            parsed_from(&stat).0.image
        };
        assert_eq!(image('S', "3 4 9"), Image::at(3, 9));
        assert_eq!(image('S', "1 1 0"), Image::UNKNOWN);
        assert_eq!(image('S', "0 0 0"), Image::NONE);
        assert_eq!(image('Z', "0 0 0"), Image::UNKNOWN);
    }

    #[test]
    fn any_bytes_are_parsed_without_a_panic() {
        for bytes in [&b""[..], b")", b"(", b"1 (", b")(", b"1 (x", b"1 (x)", b"1 (x) ", b"x) Z 1"]
        {
            let _ = parse(bytes, &mut Stat::NONE.clone());
        }
    }
}
