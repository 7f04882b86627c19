//! The error of every fallible method and function.

use crate::errno::Errno;
use std::io;

/// An error of this crate. [`explanation`](Self::explanation) says what to do about it.
///
/// ```
/// use proc_connector::{Error, ProcConnector};
///
/// match ProcConnector::new() {
///     Ok(_connector) => println!("listening"),
///     Err(error @ Error::Os(_)) => println!("{error}: {}", error.explanation()),
///     Err(error) => println!("{error}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel or this library refused, with an error number. The documentation of each method lists its own.
    /// These are common:
    ///
    /// | `raw_os_error()` | cause |
    /// |---|---|
    /// | `EPROTONOSUPPORT` | the kernel lacks `CONFIG_CONNECTOR` |
    /// | `EAFNOSUPPORT` | netlink is forbidden (systemd's `RestrictAddressFamilies=`) |
    /// | `ENOSYS` | the kernel lacks `CONFIG_PROC_EVENTS` |
    /// | `ECONNREFUSED` | not in the initial network namespace |
    /// | `EOPNOTSUPP` | not in the initial PID, user and time namespaces |
    /// | `EIO` | a system call failed unexpectedly, perhaps because of a seccomp filter or an emulator |
    /// | `EPERM` | before Linux 6.6: no `CAP_NET_ADMIN`; later: a seccomp filter or an LSM |
    /// | `ETIMEDOUT` | the kernel did not acknowledge, and no cause was found |
    /// | `EINVAL` | an argument or an option is invalid; [`Options::invalid`](crate::Options::invalid) or [`TableOptions::invalid`](crate::TableOptions::invalid) names the option. The same call fails again |
    /// | `ECHILD` | the connector or the table belongs to the parent process. This is final: end the loop that receives, because every later call in this process fails, too |
    /// | `ECANCELED` | [`ProcConnector::interrupt`](crate::ProcConnector::interrupt) or [`TableRemote::interrupt`](crate::TableRemote::interrupt) ended the wait |
    #[error("system call error: {0}")]
    Os(#[from] io::Error),

    /// The message is truncated or damaged.
    #[error("truncated message")]
    Truncated,

    /// The buffer cannot hold the pending event. Nothing is lost: call again with a larger buffer.
    #[error("buffer too small, need at least {needed} bytes")]
    BufferTooSmall {
        /// How many bytes the pending event takes.
        needed: usize,
    },

    /// A signal arrived. Nothing is lost: call again.
    #[error("interrupted by signal")]
    Interrupted,

    /// The stream has ended (adopted `AF_UNIX` `SOCK_SEQPACKET` sockets only). This is final: end the loop that
    /// receives, because no event can follow.
    #[error("connection closed")]
    ConnectionClosed,

    /// Events were lost. [`Stats::lost`](crate::Stats::lost) has the number of all events lost so
    /// far. Go on receiving; the crate documentation describes how to recover.
    #[error("message overrun, events may have been dropped")]
    Overrun,

    /// No event is pending, and
    /// [`ProcConnector::set_nonblocking`](crate::ProcConnector::set_nonblocking) was called.
    #[error("operation would block")]
    WouldBlock,

    /// The connector message is not about processes. Only the parse functions return this.
    #[error("unexpected connector index (expected CN_IDX_PROC)")]
    UnexpectedConnector,
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Returns a static text that explains the error and what to do about it. C programs get this
    /// text from `pc_strerror()`.
    #[must_use]
    pub fn explanation(&self) -> &'static str {
        let number = match self {
            Self::Os(error) => error.raw_os_error().unwrap_or(-1),
            Self::Truncated => libc::EBADMSG,
            Self::Interrupted => libc::EINTR,
            Self::ConnectionClosed => libc::EPIPE,
            Self::BufferTooSmall { .. } => {
                return "the buffer cannot hold the pending event; nothing is lost: call again with a larger buffer (256 bytes are always enough)";
            }
            Self::Overrun => {
                return "events were lost: go on receiving, and read /proc again; to lose fewer, receive faster or enlarge the queue";
            }
            Self::WouldBlock => {
                return "no event is pending: wait until the descriptor is readable, and call again";
            }
            Self::UnexpectedConnector => return "the connector message is not about processes",
        };
        match number {
            libc::EINVAL => {
                "invalid argument: the documentation of the function lists the causes; the method invalid() of the options names an option"
            }
            libc::EBUSY => {
                "the table still has something to report, or a TableRemote exists: call next(), and drop all remotes"
            }
            _ => Errno(number).explanation().to_str().unwrap_or_default(),
        }
    }
}

impl From<Errno> for Error {
    fn from(error: Errno) -> Self {
        match error {
            Errno(libc::EINTR) => Self::Interrupted,
            Errno(libc::EPIPE) => Self::ConnectionClosed,
            Errno(number) => Self::Os(io::Error::from_raw_os_error(number)),
        }
    }
}

impl From<Error> for io::Error {
    /// Serves event loops whose callbacks return `io::Result`, such as tokio's `AsyncFd::try_io`.
    fn from(error: Error) -> Self {
        match error {
            Error::Os(error) => error,
            Error::Interrupted => Self::from_raw_os_error(libc::EINTR),
            Error::WouldBlock => Self::from_raw_os_error(libc::EAGAIN),
            error => Self::other(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn errors_display_the_texts_of_proc_connector_0_3() {
        let os = Error::from(io::Error::from_raw_os_error(libc::EPERM));
        let texts = [
            (os, "system call error: Operation not permitted (os error 1)"),
            (Error::Truncated, "truncated message"),
            (Error::BufferTooSmall { needed: 76 }, "buffer too small, need at least 76 bytes"),
            (Error::Interrupted, "interrupted by signal"),
            (Error::ConnectionClosed, "connection closed"),
            (Error::Overrun, "message overrun, events may have been dropped"),
            (Error::WouldBlock, "operation would block"),
            (Error::UnexpectedConnector, "unexpected connector index (expected CN_IDX_PROC)"),
        ];
        for (error, text) in texts {
            assert_eq!(error.to_string(), text);
            assert_eq!(error.source().is_some(), matches!(error, Error::Os(_)), "{text}");
        }
    }

    #[test]
    fn every_error_has_an_explanation() {
        assert!(Error::from(Errno(libc::EOPNOTSUPP)).explanation().contains("--pid=host"));
        assert!(Error::from(io::Error::other("no number")).explanation().contains("errno(3)"));
        assert!(Error::from(Errno(libc::EBUSY)).explanation().contains("TableRemote"));
        assert!(Error::from(Errno(libc::EINVAL)).explanation().contains("invalid()"));
        for error in [Error::Truncated, Error::Interrupted, Error::Overrun, Error::WouldBlock] {
            assert!(error.explanation().len() > 20, "{error}");
        }
    }

    #[test]
    fn an_error_keeps_its_meaning_for_event_loops_when_it_becomes_an_io_error() {
        let kind = |error: Error| io::Error::from(error).kind();
        assert_eq!(kind(Error::WouldBlock), io::ErrorKind::WouldBlock);
        assert_eq!(kind(Error::Interrupted), io::ErrorKind::Interrupted);
        assert_eq!(kind(Error::Overrun), io::ErrorKind::Other);
    }
}
