//! Process events as an enum.

use crate::protocol::event::{Event, View};
use std::fmt;

/// A process event. These fields are common to all variants but `Unknown`:
///
/// - `pid`: the id of the task, as gettid(2) returns it. All ids are those of the initial PID
///   namespace.
/// - `tgid`: the id of the process, as getpid(2) returns it. In a leader, `pid == tgid`.
/// - `cpu`: the CPU that reported the event.
/// - `seq`: the kernel's per-CPU sequence number. Filtered events are numbered too, so a gap does
///   not mean a loss.
/// - `timestamp_ns`: `CLOCK_MONOTONIC` in nanoseconds. (Start times in /proc are `CLOCK_BOOTTIME`.)
///
/// ```
/// use proc_connector::ProcEvent;
///
/// fn describe(event: &ProcEvent) -> String {
///     match event {
///         ProcEvent::Exec { tgid, .. } => format!("{tgid} runs a new program"),
///         ProcEvent::Fork { child_pid, child_tgid, .. } if child_pid != child_tgid => {
///             format!("{child_tgid} has a new thread")
///         }
///         ProcEvent::Exit { tgid, .. } => match event.terminating_signal() {
///             Some(signal) => format!("{tgid} was killed by signal {signal}"),
///             None => format!("{tgid} exited with status {}", event.exit_status().unwrap_or(0)),
///         },
///         other => other.to_string(),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The documentation of the enum describes the common fields.
pub enum ProcEvent {
    /// A process runs a new program.
    Exec { cpu: u32, seq: u32, pid: u32, tgid: u32, timestamp_ns: u64 },
    /// A task was created: a process, or a thread if `child_pid != child_tgid`.
    Fork {
        cpu: u32,
        seq: u32,
        /// The child's real parent. For a thread, and with `CLONE_PARENT`, that is the parent of
        /// the task that called clone(2).
        parent_pid: u32,
        parent_tgid: u32,
        child_pid: u32,
        child_tgid: u32,
        timestamp_ns: u64,
    },
    /// A task exited. The exit of a leader (`pid == tgid`) is not always the process exit: see
    /// [`process_alive`](crate::process_alive).
    Exit {
        cpu: u32,
        seq: u32,
        pid: u32,
        tgid: u32,
        /// A wait(2) status: see [`exit_status`](ProcEvent::exit_status) and
        /// [`terminating_signal`](ProcEvent::terminating_signal).
        exit_code: u32,
        /// The signal that the parent gets, mostly `SIGCHLD`; `u32::MAX` (-1) for a thread.
        exit_signal: u32,
        /// 0 when the kernel names no parent.
        parent_pid: u32,
        /// 0 when the kernel names no parent.
        parent_tgid: u32,
        timestamp_ns: u64,
    },
    /// A task's real or effective user id changed.
    Uid { cpu: u32, seq: u32, pid: u32, tgid: u32, ruid: u32, euid: u32, timestamp_ns: u64 },
    /// A task's real or effective group id changed.
    Gid { cpu: u32, seq: u32, pid: u32, tgid: u32, rgid: u32, egid: u32, timestamp_ns: u64 },
    /// A process started a session.
    Sid { cpu: u32, seq: u32, pid: u32, tgid: u32, timestamp_ns: u64 },
    /// A tracer attached or detached. The exit of a tracer causes no such event.
    Ptrace {
        cpu: u32,
        seq: u32,
        pid: u32,
        tgid: u32,
        /// 0 when the tracer detached.
        tracer_pid: u32,
        /// 0 when the tracer detached.
        tracer_tgid: u32,
        timestamp_ns: u64,
    },
    /// A task was renamed. The name may be unchanged.
    Comm {
        cpu: u32,
        seq: u32,
        pid: u32,
        tgid: u32,
        /// The new name, filled up with zeroes.
        comm: [u8; 16],
        timestamp_ns: u64,
    },
    /// A process dumps core; its exit follows.
    Coredump {
        cpu: u32,
        seq: u32,
        pid: u32,
        tgid: u32,
        parent_pid: u32,
        parent_tgid: u32,
        timestamp_ns: u64,
    },
    /// A kernel event that this version does not know.
    Unknown {
        /// The kernel's number for this kind of event.
        what: u32,
        /// All the data that the kernel sent after the event's header.
        raw_data: Vec<u8>,
    },
}

impl ProcEvent {
    /// Returns the status with which a task exited, 0 to 255, as `WEXITSTATUS` does. Returns `None`
    /// if a signal killed the task, and for events other than `Exit`.
    ///
    /// ```
    /// use proc_connector::ProcEvent;
    ///
    /// let exit = ProcEvent::Exit {
    ///     cpu: 0, seq: 0, pid: 7, tgid: 7, exit_code: 3 << 8, exit_signal: 17,
    ///     parent_pid: 1, parent_tgid: 1, timestamp_ns: 0,
    /// };
    /// assert_eq!(exit.exit_status(), Some(3));
    /// assert_eq!(exit.terminating_signal(), None);
    /// ```
    #[must_use]
    pub const fn exit_status(&self) -> Option<i32> {
        match *self {
            Self::Exit { exit_code, .. } if exit_code & 0x7f == 0 => {
                Some((exit_code >> 8 & 0xff) as i32)
            }
            _ => None,
        }
    }

    /// Returns the signal that killed a task, as `WTERMSIG` does. Returns `None` if the task exited
    /// by itself, and for events other than `Exit`.
    #[must_use]
    pub const fn terminating_signal(&self) -> Option<i32> {
        match *self {
            Self::Exit { exit_code, .. } if exit_code & 0x7f != 0 => {
                Some((exit_code & 0x7f) as i32)
            }
            _ => None,
        }
    }

    /// Converts an event of the nine kinds. Returns `None` for an overrun and for an unknown event.
    #[inline]
    pub(in crate::rust) fn from_event(event: &Event) -> Option<Self> {
        let Event { cpu, seq, timestamp_ns, .. } = *event;
        let id = |id: i32| id as u32;
        Some(match event.view() {
            View::Fork { parent_pid, parent_tgid, child_pid, child_tgid } => Self::Fork {
                cpu,
                seq,
                parent_pid: id(parent_pid),
                parent_tgid: id(parent_tgid),
                child_pid: id(child_pid),
                child_tgid: id(child_tgid),
                timestamp_ns,
            },
            View::Exec { pid, tgid } => {
                Self::Exec { cpu, seq, pid: id(pid), tgid: id(tgid), timestamp_ns }
            }
            View::Exit { pid, tgid, exit_code, exit_signal, parent_pid, parent_tgid } => {
                Self::Exit {
                    cpu,
                    seq,
                    pid: id(pid),
                    tgid: id(tgid),
                    exit_code: exit_code as u32,
                    exit_signal: exit_signal as u32,
                    parent_pid: id(parent_pid),
                    parent_tgid: id(parent_tgid),
                    timestamp_ns,
                }
            }
            View::Uid { pid, tgid, ruid, euid } => {
                Self::Uid { cpu, seq, pid: id(pid), tgid: id(tgid), ruid, euid, timestamp_ns }
            }
            View::Gid { pid, tgid, rgid, egid } => {
                Self::Gid { cpu, seq, pid: id(pid), tgid: id(tgid), rgid, egid, timestamp_ns }
            }
            View::Sid { pid, tgid } => {
                Self::Sid { cpu, seq, pid: id(pid), tgid: id(tgid), timestamp_ns }
            }
            View::Ptrace { pid, tgid, tracer_pid, tracer_tgid } => Self::Ptrace {
                cpu,
                seq,
                pid: id(pid),
                tgid: id(tgid),
                tracer_pid: id(tracer_pid),
                tracer_tgid: id(tracer_tgid),
                timestamp_ns,
            },
            View::Comm { pid, tgid, comm } => {
                Self::Comm { cpu, seq, pid: id(pid), tgid: id(tgid), comm, timestamp_ns }
            }
            View::Coredump { pid, tgid, parent_pid, parent_tgid } => Self::Coredump {
                cpu,
                seq,
                pid: id(pid),
                tgid: id(tgid),
                parent_pid: id(parent_pid),
                parent_tgid: id(parent_tgid),
                timestamp_ns,
            },
            View::Overrun { .. } | View::Unknown { .. } => return None,
        })
    }
}

impl fmt::Display for ProcEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec { pid, tgid, .. } => write!(f, "EXEC pid={pid} tgid={tgid}")?,
            Self::Fork { parent_pid, parent_tgid, child_pid, child_tgid, .. } => write!(
                f,
                "FORK parent=({parent_pid},{parent_tgid}) child=({child_pid},{child_tgid})"
            )?,
            Self::Exit { pid, tgid, exit_code, exit_signal, parent_pid, parent_tgid, .. } => {
                write!(f, "EXIT pid={pid} tgid={tgid} code={exit_code} signal={exit_signal}")?;
                write!(f, " parent=({parent_pid},{parent_tgid})")?;
            }
            Self::Uid { pid, tgid, ruid, euid, .. } => {
                write!(f, "UID pid={pid} tgid={tgid} ruid={ruid} euid={euid}")?;
            }
            Self::Gid { pid, tgid, rgid, egid, .. } => {
                write!(f, "GID pid={pid} tgid={tgid} rgid={rgid} egid={egid}")?;
            }
            Self::Sid { pid, tgid, .. } => write!(f, "SID pid={pid} tgid={tgid}")?,
            Self::Ptrace { pid, tgid, tracer_pid, tracer_tgid, .. } => {
                write!(f, "PTRACE pid={pid} tgid={tgid} tracer=({tracer_pid},{tracer_tgid})")?
            }
            Self::Comm { pid, tgid, comm, .. } => {
                let name = comm.split(|byte| *byte == 0).next().unwrap_or_default();
                let name = std::str::from_utf8(name).unwrap_or("<invalid>");
                write!(f, "COMM pid={pid} tgid={tgid} name=\"{}\"", name.escape_debug())?;
            }
            Self::Coredump { pid, tgid, parent_pid, parent_tgid, .. } => {
                write!(f, "COREDUMP pid={pid} tgid={tgid} parent=({parent_pid},{parent_tgid})")?
            }
            Self::Unknown { what, raw_data } => {
                return write!(f, "UNKNOWN what=0x{what:08x} len={}", raw_data.len());
            }
        }
        match self {
            Self::Exec { timestamp_ns, .. }
            | Self::Fork { timestamp_ns, .. }
            | Self::Exit { timestamp_ns, .. }
            | Self::Uid { timestamp_ns, .. }
            | Self::Gid { timestamp_ns, .. }
            | Self::Sid { timestamp_ns, .. }
            | Self::Ptrace { timestamp_ns, .. }
            | Self::Comm { timestamp_ns, .. }
            | Self::Coredump { timestamp_ns, .. } => write!(f, " ts={timestamp_ns}"),
            Self::Unknown { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(exit_code: u32, exit_signal: u32) -> ProcEvent {
        ProcEvent::Exit {
            cpu: 0,
            seq: 0,
            pid: 5,
            tgid: 4,
            exit_code,
            exit_signal,
            parent_pid: 3,
            parent_tgid: 2,
            timestamp_ns: 9,
        }
    }

    #[test]
    fn exit_status_and_terminating_signal_are_those_of_wait_whatever_the_exit_signal() {
        for signal in [0, 17, u32::MAX] {
            for (code, status, killed) in [
                (0, Some(0), None),
                (3 << 8, Some(3), None),
                (255 << 8, Some(255), None),
                (9, None, Some(9)),
                (11 | 0x80, None, Some(11)),
            ] {
                assert_eq!(exit(code, signal).exit_status(), status, "{code} {signal}");
                assert_eq!(exit(code, signal).terminating_signal(), killed, "{code} {signal}");
            }
        }
        let exec = ProcEvent::Exec { cpu: 0, seq: 0, pid: 1, tgid: 1, timestamp_ns: 0 };
        assert_eq!((exec.exit_status(), exec.terminating_signal()), (None, None));
    }

    #[test]
    fn events_display_the_lines_of_proc_connector_0_3_with_names_escaped() {
        let (cpu, seq, pid, tgid, timestamp_ns) = (1, 2, 5, 4, 9);
        let mut comm = [0; 16];
        comm[..2].copy_from_slice(b"sh");
        let lines = [
            (ProcEvent::Exec { cpu, seq, pid, tgid, timestamp_ns }, "EXEC pid=5 tgid=4 ts=9"),
            (
                ProcEvent::Fork {
                    cpu,
                    seq,
                    parent_pid: 1,
                    parent_tgid: 2,
                    child_pid: 3,
                    child_tgid: 4,
                    timestamp_ns,
                },
                "FORK parent=(1,2) child=(3,4) ts=9",
            ),
            (exit(256, 17), "EXIT pid=5 tgid=4 code=256 signal=17 parent=(3,2) ts=9"),
            (
                ProcEvent::Uid { cpu, seq, pid, tgid, ruid: 1, euid: 0, timestamp_ns },
                "UID pid=5 tgid=4 ruid=1 euid=0 ts=9",
            ),
            (
                ProcEvent::Gid { cpu, seq, pid, tgid, rgid: 1, egid: 0, timestamp_ns },
                "GID pid=5 tgid=4 rgid=1 egid=0 ts=9",
            ),
            (ProcEvent::Sid { cpu, seq, pid, tgid, timestamp_ns }, "SID pid=5 tgid=4 ts=9"),
            (
                ProcEvent::Ptrace {
                    cpu,
                    seq,
                    pid,
                    tgid,
                    tracer_pid: 7,
                    tracer_tgid: 6,
                    timestamp_ns,
                },
                "PTRACE pid=5 tgid=4 tracer=(7,6) ts=9",
            ),
            (
                ProcEvent::Comm { cpu, seq, pid, tgid, comm, timestamp_ns },
                "COMM pid=5 tgid=4 name=\"sh\" ts=9",
            ),
            (
                ProcEvent::Comm {
                    cpu,
                    seq,
                    pid,
                    tgid,
                    comm: *b"a\"\n\x1b[2J pid=1\0\0\0",
                    timestamp_ns,
                },
                "COMM pid=5 tgid=4 name=\"a\\\"\\n\\u{1b}[2J pid=1\" ts=9",
            ),
            (
                ProcEvent::Comm { cpu, seq, pid, tgid, comm: [255; 16], timestamp_ns },
                "COMM pid=5 tgid=4 name=\"<invalid>\" ts=9",
            ),
            (
                ProcEvent::Coredump {
                    cpu,
                    seq,
                    pid,
                    tgid,
                    parent_pid: 1,
                    parent_tgid: 2,
                    timestamp_ns,
                },
                "COREDUMP pid=5 tgid=4 parent=(1,2) ts=9",
            ),
            (
                ProcEvent::Unknown { what: 16, raw_data: vec![0; 24] },
                "UNKNOWN what=0x00000010 len=24",
            ),
        ];
        for (event, line) in lines {
            assert_eq!(event.to_string(), line);
        }
    }
}
