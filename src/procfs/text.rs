//! The texts of a process: its command line, its executable and others.

use super::file::{self, Tree};
use super::stat::{self, Condition, Image, Stat};
use crate::errno::Errno;
use crate::memory::{OutSlice, Room};
use crate::sys::{self, Fd, Mode, give_way, open, read, read_link};

/// Which text of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum TextKind {
    /// The arguments, each with a NUL behind it, as the kernel has them.
    CommandLine = 1,
    /// The path of the program.
    Executable = 2,
    /// The path of the working directory.
    Directory = 3,
    /// The path of the cgroup.
    Cgroup = 4,
    /// The pid in the innermost PID namespace, in decimal digits.
    Nspid = 5,
}

/// A text that is asked for, and what came of it. It is laid out as `struct pc_text`.
#[repr(C)]
pub(crate) struct Text<'a> {
    /// A `TextKind`.
    pub what: u32,
    /// 0, or a negative errno value.
    pub error: i32,
    pub room: Room<'a>,
}

/// What one reading may hold. No path that the kernel shows is longer (`PATH_MAX`).
type Scratch = [u8; 4096];

/// How often to look at a process that lacks a text, although its leader lives. Between the moment when
/// execve(2) wakes the parent of a vfork(2), or closes the descriptors that are close-on-exec, and the one
/// when the new command line is in place, it is empty (`begin_new_exec` and `create_elf_tables` in
/// `fs/`). So most programs that are read right after posix_spawn(3) are read too early.
const ATTEMPTS: u32 = 20;

/// A process that runs the same program before and after each of so many readings has no such text. One would be
/// enough if the kernel gave each program other addresses, which a process can forbid (`ADDR_NO_RANDOMIZE`).
const ENOUGH: u32 = 4;

const GONE: Errno = Errno(libc::ESRCH);
/// There was no such text when it was looked for. The process's state says why.
const MISSING: i32 = -libc::ENOENT;

/// A process, as far as the caller knows it.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub pid: i32,
    /// Whether `mark` is the inode of the process's pidfds rather than the process's start.
    pub has_inode: bool,
    /// 0: not known.
    pub mark: u64,
}

impl Owner {
    /// A process by the inode of its pidfds if that is known, otherwise by its start.
    pub(crate) const fn new(pid: i32, start_ns: u64, pidfd_inode: u64) -> Self {
        let has_inode = pidfd_inode != 0;
        Self { pid, has_inode, mark: if has_inode { pidfd_inode } else { start_ns } }
    }

    /// Fails with `ESRCH` unless the pid, whose owner was just read, belongs to this process.
    fn confirm(&self, stat: &Stat) -> Result<(), Errno> {
        // The caller knew the process before the texts were read. A pid that was passed on never returns to
        // an earlier owner. So if the process has its pid now, it had the pid all the time.
        let seen = if self.has_inode { sys::pidfd_inode(self.pid)? } else { stat.start_ns };
        if self.mark == 0 || self.mark == seen { Ok(()) } else { Err(GONE) }
    }
}

/// Reads texts of a process.
///
/// The directory /proc/PID is opened once. The kernel binds its descriptor to the process
/// (`fs/proc/base.c`), so all texts are those of one process, even if the pid has another owner later. Texts
/// vanish first, so they are read first, and then whose they are.
///
/// # Errors
/// `ESRCH`: the process has exited, or this is not its pid, or the id of a thread. Otherwise those of
/// [`stat::read`]. No text is given then.
pub(crate) fn read_texts(owner: &Owner, texts: &mut [Text<'_>]) -> Result<(), Errno> {
    let (mut left, mut odd, mut image) = (ATTEMPTS, 0, Image::UNKNOWN);
    let reason = loop {
        let missing = read_all(owner.pid, texts);
        let before = image;
        let reason = why_missing(owner, &mut image);
        if missing == 0 || !matches!(reason, Ok(..=0)) {
            break reason;
        }
        odd = if reason == Ok(0) && image == before { odd + 1 } else { 0 };
        if odd == ENOUGH {
            break reason;
        }
        left -= 1;
        if left == 0 {
            break Ok(libc::EAGAIN);
        }
        give_way();
    };
    let mut found = false;
    for text in texts {
        text.error = match reason {
            Err(Errno(error)) => -error,
            Ok(0) if text.error == MISSING && text.what != TextKind::CommandLine as u32 => {
                -libc::ENODATA
            }
            Ok(reason) if text.error == MISSING => -reason,
            // Who may not trace a kernel thread cannot even see that it has no executable.
            Ok(libc::ENODATA) if text.what == TextKind::Executable as u32 => -libc::ENODATA,
            Ok(_) => text.error,
        };
        found |= text.error == 0;
        text.room.terminate(text.error == 0);
    }
    match reason {
        Ok(libc::ESRCH) if !found => Err(GONE),
        reason => reason.map(drop),
    }
}

/// Reads each text once. Returns how many are missing.
#[inline]
fn read_all(pid: i32, texts: &mut [Text<'_>]) -> u32 {
    let directory = file::directory(pid);
    let mut scratch: Scratch = [0; 4096];
    let mut missing = 0;
    for text in texts {
        text.room.clear();
        let result = match &directory {
            Ok(directory) => text.read(directory, &mut scratch),
            Err(error) => Err(*error),
        };
        text.error = match result {
            Ok(()) if text.room.length() > 0 => 0,
            Ok(()) | Err(GONE) => MISSING,
            Err(Errno(error)) => -error,
        };
        missing += u32::from(text.error == MISSING);
    }
    missing
}

/// Why a process may lack texts. It should have them all if this is 0, and soon if this is negative. `image`
/// becomes the program that it runs.
#[inline]
fn why_missing(owner: &Owner, image: &mut Image) -> Result<i32, Errno> {
    let mut stat = Stat::NONE;
    if !stat::read(Tree::OWN, owner.pid, &mut stat)? {
        return Err(GONE);
    }
    owner.confirm(&stat)?;
    *image = stat.image;
    Ok(match stat.condition {
        Condition::Zombie { .. } => libc::ESRCH,
        _ if stat.is_kernel_thread => libc::ENODATA,
        Condition::Led if stat.image.is_program() => 0,
        Condition::Led if stat.is_exiting => libc::ESRCH,
        Condition::Led => -libc::EAGAIN,
        _ => libc::EAGAIN,
    })
}

/// Where a text is found.
struct Source {
    /// The file in the process's directory.
    name: [u8; 8],
    /// How many colons stand before the text in its line; 0: the file is nothing but the text.
    colons: u32,
}

impl Source {
    /// Whether this is a symbolic link, whose names have three letters.
    const fn is_link(&self) -> bool {
        self.name[3] == 0
    }
}

/// The sources of the kinds of texts.
static SOURCES: [Source; 5] = [
    Source { name: *b"cmdline\0", colons: 0 },
    Source { name: *b"exe\0\0\0\0\0", colons: 0 },
    Source { name: *b"cwd\0\0\0\0\0", colons: 0 },
    Source { name: *b"cgroup\0\0", colons: 2 },
    Source { name: *b"status\0\0", colons: 1 },
];

impl Text<'_> {
    /// Reads this text of the process whose directory this is.
    fn read(&mut self, directory: &Fd, scratch: &mut Scratch) -> Result<(), Errno> {
        let at = self.what.wrapping_sub(1) as usize;
        let source = SOURCES.get(at).ok_or(Errno(libc::EINVAL))?;
        let mut finder = Finder::of(source);
        let file = if source.is_link() {
            Fd::NONE
        } else {
            open(Some(directory), &source.name, Mode::Read)?
        };
        if self.what == TextKind::CommandLine as u32 {
            // The kernel ends a reading early only at the end of the text. One reading is of one
            // program; the next one may be of another program, or find that the process exited. So it
            // must not decide whether the text is complete: the whole buffer is read, and a text that
            // fills it is too long. What follows is only counted.
            let got = read(&file, self.room.buffer())?;
            self.room.count(got as usize);
            if self.room.length() < self.room.size() {
                return Ok(());
            }
        }
        loop {
            let got = if source.is_link() {
                read_link(Some(directory), &source.name, scratch)
            } else {
                read(&file, OutSlice::over(scratch))
            }?;
            for byte in scratch.get(..got as usize).unwrap_or_default() {
                finder.take(*byte, &mut self.room);
            }
            if source.is_link() || got == 0 {
                let is_found = source.colons == 0 || finder.best > 0;
                return if is_found { Ok(()) } else { Err(Errno(libc::ENODATA)) };
            }
        }
    }
}

/// Finds a text in a file, however long the file's lines are.
///
/// A line of /proc/PID/cgroup is ID:LABEL:PATH (`cgroups(7)`). The ID of cgroup v2 is 0, and its
/// label is empty. The label of a hierarchy with a name ends with =NAME. A line of /proc/PID/status is
/// LABEL: and a list, with a tab before each item (`proc_pid_status(5)`).
struct Finder {
    source: &'static Source,
    /// How many colons this line has had.
    colons: u32,
    /// How good the best line is.
    best: u32,
    /// The text is here, unless a later line is better.
    is_text: bool,
    /// The last eight bytes before the text.
    last: u64,
}

impl Finder {
    const fn of(source: &'static Source) -> Self {
        Self { source, colons: 0, best: 0, is_text: source.colons == 0, last: b'\n' as u64 }
    }

    /// The next byte of the file.
    #[inline(never)]
    fn take(&mut self, byte: u8, room: &mut Room<'_>) {
        let wanted = self.source.colons;
        if self.is_text && (byte != b'\n' || wanted == 0) {
            if byte == b'\t' && wanted == 1 {
                room.clear(); // An item of a list: the last one counts.
            } else {
                room.put(byte);
            }
            return;
        }
        if byte == b':' {
            self.colons += 1;
            if self.colons == wanted {
                let quality = match self.last {
                    last if ends_with(last, b"\nNSpid") || ends_with(last, b"\n0:") => 3,
                    last if ends_with(last, b"=systemd") => 2,
                    _ => wanted - 1,
                };
                if quality > self.best {
                    (self.best, self.is_text) = (quality, true);
                    room.clear();
                }
            }
        }
        if byte == b'\n' {
            (self.colons, self.is_text) = (0, false);
        }
        self.last = self.last << 8 | u64::from(byte);
    }
}

/// Whether the last of eight bytes are these.
const fn ends_with<const N: usize>(last: u64, end: &[u8; N]) -> bool {
    let (mut expected, mut mask, mut i) = (0, 0, 0);
    while i < N {
        expected = expected << 8 | end[i] as u64;
        mask = mask << 8 | 0xff;
        i += 1;
    }
    last & mask == expected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(what: TextKind, file: &[u8]) -> Option<String> {
        let mut buffer = vec![0; 9000];
        let mut room = Room::over(&mut buffer);
        let mut finder = Finder::of(&SOURCES[what as usize - 1]);
        for byte in file {
            finder.take(*byte, &mut room);
        }
        let length = room.length();
        buffer.truncate(length);
        (finder.best > 0).then(|| String::from_utf8(buffer).expect("UTF-8"))
    }

    #[test]
    fn the_cgroup_is_that_of_v2_else_that_of_systemd_else_the_first() {
        for (file, cgroup) in [
            (&b"0::/a b:c\n"[..], Some("/a b:c")),
            (b"0::/\n", Some("/")),
            (b"3:cpu,cpuacct:/x\n1:name=systemd:/y:z\n0::/u\n", Some("/u")),
            (b"3:cpu,cpuacct:/x\n1:name=systemd:/y:z\n", Some("/y:z")),
            (b"1:name=systemd:/y\n3:cpu:/x\n", Some("/y")),
            (b"3:cpu:/x\n2:name=systemd2:/z\n1:name=openrc:/y\n", Some("/x")),
            (b"3:cpu:/x:name=systemd:/z\n2:pids:::/y\n", Some("/x:name=systemd:/z")),
            (b"0::/a\t/b\n", Some("/a\t/b")),
            (b"", None),
        ] {
            assert_eq!(found(TextKind::Cgroup, file).as_deref(), cgroup);
        }
        let deep = format!("7:cpu:/{}\n0::/{}\n", "x".repeat(4000), "y".repeat(4090));
        assert_eq!(
            found(TextKind::Cgroup, deep.as_bytes()),
            Some(format!("/{}", "y".repeat(4090)))
        );
    }

    #[test]
    fn the_pid_is_that_of_the_innermost_namespace() {
        for (file, pid) in [
            (&b"Name:\tx\nPid:\t7\nGroups:\t1 2 \nNSpid:\t7\nNSpgid:\t8\n"[..], Some("7")),
            (b"Name:\tNSpid:\\n\nNSpid:\t4711\t32\t1\nNSpgid:\t8\t9\n", Some("1")),
            (b"Name:\tNSpid:\t5\nPid:\t7\n", None),
            (b"", None),
        ] {
            assert_eq!(found(TextKind::Nspid, file).as_deref(), pid);
        }
    }
}
