//! The same loops in Rust, for benches/peers.h: through our Rust face, and through its peers.
//!
//! Each handle is what the `open` beside it has returned.

use std::hint::black_box;
use std::os::fd::RawFd;
use std::time::Duration;

mod cnproc;
mod face;
mod peer;

/// Longer than any wait: what is waited for is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes `count` events with `take`, whose errors say that somebody else's events did not fit too.
fn times<T, E>(count: i64, mut take: impl FnMut() -> Result<T, E>) -> i64 {
    for _ in 0..count {
        while black_box(take()).is_err() {}
    }
    count
}

/// The datagrams, of 76 bytes each, that begin at `first`.
///
/// # Safety
/// There must be `count` of them.
unsafe fn datagrams<'a>(first: *const u8, count: usize) -> impl Iterator<Item = &'a [u8]> {
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(first, count * 76) }.chunks_exact(76)
}

/// Gives a socket the queue that all contestants have; 0: leaves it as it is.
fn set_queue(fd: RawFd, bytes: u32) {
    let half = (bytes / 2) as i32;
    if half == 0 {
        return;
    }
    let (name, size) = (libc::SO_RCVBUFFORCE, size_of_val(&half) as libc::socklen_t);
    // SAFETY: an integer and its size.
    let set =
        unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const half).cast(), size) };
    assert_eq!(set, 0);
}
