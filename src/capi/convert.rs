//! Between C's arguments and the core's.

use super::types::{PC_OPEN_SUBSCRIBED, pc_options, pc_stats};
use crate::connector::{Connector, Options};
use crate::errno::Errno;
use crate::protocol::filter::Filter;
use core::ffi::c_int;

const INVALID: Errno = Errno(libc::EINVAL);

/// 0 or a negative errno.
pub(super) fn status(result: Result<(), Errno>) -> c_int {
    count(result.map(|()| 0))
}

/// A number that fits, or a negative errno.
pub(super) fn count(result: Result<u32, Errno>) -> c_int {
    match result {
        Ok(count) => count as c_int,
        Err(Errno(error)) => -error,
    }
}

/// Nanoseconds from milliseconds; -1, no limit, is `None`.
pub(super) fn timeout(timeout_ms: c_int) -> Result<Option<u64>, Errno> {
    match timeout_ms {
        -1 => Ok(None),
        0.. => Ok(Some(u64::from(timeout_ms.unsigned_abs()) * 1_000_000)),
        _ => Err(INVALID),
    }
}

const DEFAULTS: pc_options =
    pc_options { size: size_of::<pc_options>(), events: 0, flags: 0, rcvbuf_bytes: 0, reserved: 0 };

/// The size of options in version 0.1. Callers of later versions have longer ones.
const SIZE_MIN: usize = size_of::<usize>() + 16;

/// No version's options will be longer: what says so is not initialised.
const SIZE_MAX: usize = 4096;

/// The size of `pc_stats` in version 0.1.
const STATS_MIN: usize = 72;

/// The caller's options, checked for their size only; `defaults` where the caller has none.
///
/// # Safety
/// `T` begins with its size, a `usize`. `options` is NULL, or readable for as many bytes as its size
/// says.
pub(super) unsafe fn options_of<T>(options: *const T, defaults: T) -> Result<T, Errno> {
    let mut result = defaults;
    if options.is_null() {
        return Ok(result);
    }
    // SAFETY: options begin with their size.
    let size = unsafe { options.cast::<usize>().read() };
    if size < SIZE_MIN {
        return Err(INVALID);
    }
    if size > SIZE_MAX {
        return Err(Errno(libc::E2BIG));
    }
    for offset in size_of::<T>()..size {
        // SAFETY: within the size that the caller states.
        if unsafe { options.cast::<u8>().add(offset).read() } != 0 {
            return Err(Errno(libc::E2BIG));
        }
    }
    let known = size.min(size_of::<T>());
    // SAFETY: within both.
    unsafe { options.cast::<u8>().copy_to_nonoverlapping((&raw mut result).cast(), known) };
    Ok(result)
}

/// # Safety
/// As for [`options_of`].
pub(super) unsafe fn open_options(options: *const pc_options) -> Result<Options, Errno> {
    // SAFETY: passed on.
    let options = unsafe { options_of(options, DEFAULTS) }?;
    if options.reserved != 0 || c_int::try_from(options.rcvbuf_bytes).is_err() {
        return Err(INVALID);
    }
    Ok(Options {
        filter: Filter::new(options.events, options.flags & !PC_OPEN_SUBSCRIBED).ok_or(INVALID)?,
        budget: (options.rcvbuf_bytes != 0).then_some(options.rcvbuf_bytes),
        subscribed: options.flags & PC_OPEN_SUBSCRIBED != 0,
    })
}

/// # Safety
/// As for [`options_of`].
pub(super) unsafe fn filter_options(options: *const pc_options) -> Result<Filter, Errno> {
    // SAFETY: passed on.
    let options = unsafe { options_of(options, DEFAULTS) }?;
    if options.reserved != 0 || options.rcvbuf_bytes != 0 {
        return Err(INVALID);
    }
    Filter::new(options.events, options.flags).ok_or(INVALID)
}

/// Writes the books.
///
/// # Safety
/// `stats` is NULL, or writable for `size` bytes.
pub(super) unsafe fn stats_into(
    connector: &Connector,
    stats: *mut pc_stats,
    size: usize,
) -> Result<(), Errno> {
    if stats.is_null() || size < STATS_MIN {
        return Err(INVALID);
    }
    let books = self::stats(connector);
    let known = size.min(size_of::<pc_stats>());
    // SAFETY: writable for `size` bytes, and within the books.
    unsafe {
        (&raw const books).cast::<u8>().copy_to_nonoverlapping(stats.cast(), known);
        stats.cast::<u8>().add(known).write_bytes(0, size - known);
    }
    Ok(())
}

fn stats(connector: &Connector) -> pc_stats {
    let counters = &connector.counters;
    pc_stats {
        received: counters.received.get(),
        filtered: counters.filtered.get(),
        lost: counters.lost.get(),
        foreign: counters.foreign.get(),
        malformed: counters.malformed.get(),
        repaired: counters.repaired.get(),
        rcvbuf_bytes: connector.budget(),
        reserved: 0,
        reserved2: [0; 2],
    }
}
