//! The texts of a process.

use super::Result;
use crate::errno::Errno;
use crate::memory::Room;
use crate::procfs::{Owner, Text, TextKind, read_texts};
use std::array;

/// Reads texts of a process, such as its command line.
///
/// The texts are those of one process: the one that has this pid and started at `start_boottime_ns`, which
/// a [`Process`](crate::Process) has. 0 stands for any process that has the pid. Each text is complete.
/// If the process runs another program meanwhile, one text may be of the old program and the next one
/// of the new program; the kernel then reports an exec. Texts that were read before the process exited
/// are given.
///
/// # Errors
/// [`Error::Os`](crate::Error::Os) with an error of open(2) or read(2), or with
/// - `ESRCH`: the process exited before it was known whose the texts are, or the pid has another owner, or is
///   the id of a thread.
/// - `EACCES`: the process exists but /proc does not show it (not mounted, or hidepid).
/// - `EINVAL`: `pid` is not positive, or above `i32::MAX`.
///
/// A single text has an error of its own:
/// - `ENODATA`: there is none. A kernel thread has no command line and no executable, and without
///   `CONFIG_PID_NS` no process has a pid of its own namespace.
/// - `EACCES`: this process may not read it. For the executable and the directory of another user's
///   process, it needs `CAP_SYS_PTRACE`.
/// - `ESRCH`: the process exited before this text was read.
/// - `EAGAIN`: none at this moment. The process is taking up another program, or its leader is gone.
/// - `ENAMETOOLONG`: the kernel shows no path that is longer than `PATH_MAX` (4096).
///
/// ```
/// use proc_connector::{TextKind, process_texts};
///
/// let kinds = [TextKind::CommandLine, TextKind::Executable];
/// let [command_line, executable] = process_texts(std::process::id(), 0, kinds)?;
/// let command_line = command_line?;
/// for argument in command_line.strip_suffix(b"\0").unwrap_or_default().split(|byte| *byte == 0) {
///     println!("{}", String::from_utf8_lossy(argument));
/// }
/// assert_eq!(executable?, std::env::current_exe()?.into_os_string().into_encoded_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn process_texts<const N: usize>(
    pid: impl TryInto<i32>,
    start_boottime_ns: u64,
    kinds: [TextKind; N],
) -> Result<[Result<Vec<u8>>; N]> {
    let pid = pid.try_into().ok().filter(|pid| *pid > 0).ok_or(Errno(libc::EINVAL))?;
    texts_of(&Owner::new(pid, start_boottime_ns, 0), kinds)
}

/// Reads texts of a process.
pub(super) fn texts_of<const N: usize>(
    owner: &Owner,
    kinds: [TextKind; N],
) -> Result<[Result<Vec<u8>>; N]> {
    let mut buffers: [Vec<u8>; N] = array::from_fn(|_| vec![0; 512]);
    loop {
        let mut kinds = kinds.iter();
        let mut texts = buffers.each_mut().map(|buffer| Text {
            what: kinds.next().map_or(0, |kind| *kind as u32),
            error: 0,
            room: Room::over(buffer),
        });
        read_texts(owner, &mut texts)?;
        let results = texts.map(|text| (text.error, text.room.length()));
        if results.iter().zip(&buffers).all(|((_, length), buffer)| *length < buffer.len()) {
            let mut results = results.into_iter();
            return Ok(buffers.map(|mut buffer| match results.next() {
                Some((0, length)) => {
                    buffer.truncate(length);
                    Ok(buffer)
                }
                error => Err(Errno(-error.map_or(0, |(error, _)| error)).into()),
            }));
        }
        for ((_, length), buffer) in results.into_iter().zip(&mut buffers) {
            // Somewhat more, because a command line may have changed until the next reading.
            if length >= buffer.len() {
                buffer.resize(length + 512, 0);
            }
        }
    }
}
