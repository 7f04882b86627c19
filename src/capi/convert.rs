//! Between C's arguments and the core's.

use super::types::{PC_OPEN_SUBSCRIBED, pc_options, pc_stats};
use crate::connector::{Connector, Options};
use crate::errno::Errno;
use crate::filter::Filter;
use core::ffi::c_int;

const INVALID: Errno = Errno(libc::EINVAL);

/// 0 or a negative errno.
pub(super) fn status(result: Result<(), Errno>) -> c_int {
    count(result.map(|()| 0))
}

/// A number that fits, or a negative errno.
pub(super) fn count(result: Result<usize, Errno>) -> c_int {
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

/// No version's options will be longer: what says so is not initialised.
const SIZE_MAX: usize = 4096;

/// The caller's options, checked for their size only.
///
/// # Safety
/// NULL, or readable for as many bytes as its `size` says.
unsafe fn read_options(options: *const pc_options) -> Result<pc_options, Errno> {
    const KNOWN: usize = size_of::<pc_options>();
    if options.is_null() {
        return Ok(DEFAULTS);
    }
    // SAFETY: any pc_options begins with its size.
    let size = unsafe { (&raw const (*options).size).read() };
    if size < KNOWN {
        return Err(INVALID);
    }
    if size > SIZE_MAX {
        return Err(Errno(libc::E2BIG));
    }
    for offset in KNOWN..size {
        // SAFETY: within the size that the caller states.
        if unsafe { options.cast::<u8>().add(offset).read() } != 0 {
            return Err(Errno(libc::E2BIG));
        }
    }
    // SAFETY: at least as long as a pc_options.
    Ok(unsafe { options.read() })
}

/// # Safety
/// As for [`read_options`].
pub(super) unsafe fn open_options(options: *const pc_options) -> Result<Options, Errno> {
    // SAFETY: passed on.
    let options = unsafe { read_options(options) }?;
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
/// As for [`read_options`].
pub(super) unsafe fn filter_options(options: *const pc_options) -> Result<Filter, Errno> {
    // SAFETY: passed on.
    let options = unsafe { read_options(options) }?;
    if options.reserved != 0 || options.rcvbuf_bytes != 0 {
        return Err(INVALID);
    }
    Filter::new(options.events, options.flags).ok_or(INVALID)
}

pub(super) fn stats(connector: &Connector) -> pc_stats {
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
