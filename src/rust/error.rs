//! What can go wrong.

use crate::errno::Errno;
use std::io;

/// What can go wrong.
///
/// [`explanation`](Self::explanation) says what to do about it.
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
    /// The kernel refused, or the library itself did with an error number of its own:
    ///
    /// | `raw_os_error()` | cause |
    /// |---|---|
    /// | `EPROTONOSUPPORT` | a kernel without `CONFIG_CONNECTOR` |
    /// | `EAFNOSUPPORT` | netlink is forbidden (systemd's `RestrictAddressFamilies=`) |
    /// | `ENOSYS` | a kernel without `CONFIG_PROC_EVENTS` |
    /// | `ECONNREFUSED` | not in the initial network namespace |
    /// | `EOPNOTSUPP` | not in the initial PID and user namespaces |
    /// | `EPERM` | before Linux 6.6: no `CAP_NET_ADMIN`; later: a seccomp filter or an LSM |
    /// | `ETIMEDOUT` | no acknowledgement although none of the above holds |
    /// | `ECHILD` | the connector belongs to the process that this one was forked from |
    /// | `ECANCELED` | [`ProcConnector::interrupt`](crate::ProcConnector::interrupt) |
    #[error("system call error: {0}")]
    Os(#[from] io::Error),

    /// A message is shorter than it should be or says that it is.
    #[error("truncated message")]
    Truncated,

    /// The buffer cannot hold the event that waits. Nothing is lost: call again with a larger one.
    #[error("buffer too small, need at least {needed} bytes")]
    BufferTooSmall {
        /// How many bytes that event takes.
        needed: usize,
    },

    /// A signal arrived. Nothing is lost: call again.
    #[error("interrupted by signal")]
    Interrupted,

    /// The end of the stream. Only an adopted `AF_UNIX` socket has one.
    #[error("connection closed")]
    ConnectionClosed,

    /// Events were lost before the ones that follow; [`Stats::lost`](crate::Stats::lost) is how
    /// many so far. Go on receiving, and see the crate's documentation for how to recover.
    #[error("message overrun, events may have been dropped")]
    Overrun,

    /// Nothing is there, after
    /// [`ProcConnector::set_nonblocking`](crate::ProcConnector::set_nonblocking).
    #[error("operation would block")]
    WouldBlock,

    /// A connector message, but not about processes. Only the parse functions say so.
    #[error("unexpected connector index (expected CN_IDX_PROC)")]
    UnexpectedConnector,
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What is wrong and what to do about it: a static text, the one that C programs get from
    /// `pc_strerror()`.
    #[must_use]
    pub fn explanation(&self) -> &'static str {
        let number = match self {
            Self::Os(error) => error.raw_os_error().unwrap_or(-1),
            Self::Truncated => libc::EBADMSG,
            Self::Interrupted => libc::EINTR,
            Self::ConnectionClosed => libc::EPIPE,
            Self::BufferTooSmall { .. } => {
                return "the buffer cannot hold the event that waits; nothing is lost: call again with a larger one (256 bytes are always enough)";
            }
            Self::Overrun => {
                return "events were lost: rescan /proc, receive faster, or enlarge the queue; go on receiving";
            }
            Self::WouldBlock => {
                return "nothing is there: wait until the descriptor is readable, and call again";
            }
            Self::UnexpectedConnector => return "a connector message, but not about processes",
        };
        Errno(number).explanation().to_str().unwrap_or_default()
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
    /// For event loops whose callbacks return `io::Result`, as tokio's `AsyncFd::try_io` does.
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
    fn the_texts_are_those_of_0_3() {
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
    fn every_error_is_explained() {
        assert!(Error::from(Errno(libc::EOPNOTSUPP)).explanation().contains("--pid=host"));
        assert!(Error::from(io::Error::other("no number")).explanation().contains("errno(3)"));
        for error in [Error::Truncated, Error::Interrupted, Error::Overrun, Error::WouldBlock] {
            assert!(error.explanation().len() > 20, "{error}");
        }
    }

    #[test]
    fn event_loops_understand_what_io_errors_they_get() {
        let kind = |error: Error| io::Error::from(error).kind();
        assert_eq!(kind(Error::WouldBlock), io::ErrorKind::WouldBlock);
        assert_eq!(kind(Error::Interrupted), io::ErrorKind::Interrupted);
        assert_eq!(kind(Error::Overrun), io::ErrorKind::Other);
    }
}
