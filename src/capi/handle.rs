//! The memory behind a `struct pc_connector *` or a `struct pc_table *`.

use super::arguments::{INVALID, output};
use crate::errno::Errno;
use crate::memory;
use crate::sys::{self, Fd, preserving_errno};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::ptr::NonNull;

/// The C name of a handle. Rust never makes a value of this type: a pointer to one points to
/// [`Halves`].
pub(super) trait Handle {
    /// Used by any number of threads at once.
    type Shared;
    /// Used by one thread at a time.
    type Exclusive;
}

/// Any thread may call some functions of a handle at any time, and one thread at a time may call the
/// others. So no reference to the whole is formed while the handle is open.
struct Halves<H: Handle> {
    shared: H::Shared,
    exclusive: UnsafeCell<H::Exclusive>,
}

/// Calls `make` and gives C a handle of the result. If `make` fails, no handle remains.
///
/// # Safety
/// `out` is NULL or writable.
pub(super) unsafe fn create<H: Handle>(
    out: *mut *mut H,
    make: impl FnOnce() -> Result<(H::Shared, H::Exclusive), Errno>,
) -> Result<(), Errno> {
    // SAFETY: the caller vouches for `out`, which nothing else uses during this call.
    let out = unsafe { output(out) }?;
    // Before `make`, so that what has been made cannot be lost for lack of memory.
    let memory = memory::allocate::<Halves<H>>()?;
    match make() {
        Ok((shared, exclusive)) => {
            let exclusive = UnsafeCell::new(exclusive);
            // SAFETY: the memory was allocated for these Halves.
            unsafe { memory.write(Halves { shared, exclusive }) };
            out.write(memory.as_ptr().cast());
            Ok(())
        }
        Err(error) => {
            // SAFETY: the memory comes from allocate(), and nothing was written to it.
            unsafe { memory::release(memory) };
            Err(error)
        }
    }
}

/// Calls `open` with the caller's socket, or with none. A socket that `open` does not take belongs
/// to the caller again.
///
/// # Safety
/// Nothing else closes the descriptor during this call.
pub(super) unsafe fn on_socket<T>(
    fd: Option<c_int>,
    open: impl FnOnce(&mut Fd) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut socket = match fd {
        None => Fd::NONE,
        Some(fd) => {
            // Before `open` makes a descriptor of its own, which could get this number.
            sys::require_open(fd)?;
            // SAFETY: the descriptor is open, hence not negative, and the caller vouches for it.
            unsafe { Fd::from_raw(fd) }
        }
    };
    let result = open(&mut socket);
    let _ = socket.into_raw();
    result
}

/// The part of a handle that any thread may use.
///
/// # Safety
/// `handle` is NULL or open, and stays open during `'a`.
#[inline]
pub(super) unsafe fn shared<'a, H: Handle>(handle: *const H) -> Result<&'a H::Shared, Errno> {
    if handle.is_null() {
        return Err(INVALID);
    }
    // SAFETY: create() made the Halves of an open handle. This borrows one of them alone: another
    // thread may hold the other.
    Ok(unsafe { &(*handle.cast::<Halves<H>>()).shared })
}

/// Both halves of a handle.
///
/// # Safety
/// `handle` is NULL or open, and stays open during `'a`. Nothing else borrows its exclusive part
/// during `'a`.
#[inline]
pub(super) unsafe fn both<'a, H: Handle>(
    handle: *const H,
) -> Result<(&'a H::Shared, &'a mut H::Exclusive), Errno> {
    // SAFETY: the handle is NULL or open, which shared() demands; shared() rejects NULL, and the
    // caller vouches that no other borrow of the exclusive part exists.
    unsafe { Ok((shared(handle)?, &mut *(*handle.cast::<Halves<H>>()).exclusive.get())) }
}

/// Ends a handle, and returns what `take` takes out of it. If that fails, the handle stays open.
///
/// # Safety
/// `handle` is NULL or open. Nothing else uses it, and nothing uses it afterwards if this succeeds.
pub(super) unsafe fn end_without<H: Handle, T>(
    handle: *mut H,
    take: impl FnOnce(&mut H::Shared, &mut H::Exclusive) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut halves = NonNull::new(handle.cast::<Halves<H>>()).ok_or(INVALID)?;
    // SAFETY: create() made the Halves of an open handle, and nothing else uses them.
    let Halves { shared, exclusive } = unsafe { halves.as_mut() };
    let taken = take(shared, exclusive.get_mut())?;
    // SAFETY: the handle is open, and nothing uses it any more.
    unsafe { end(handle) };
    Ok(taken)
}

/// Drops both halves of a handle and frees the memory. NULL is allowed. errno is unchanged.
///
/// # Safety
/// `handle` is NULL, or open and not used any more.
pub(super) unsafe fn end<H: Handle>(handle: *mut H) {
    if let Some(halves) = NonNull::new(handle.cast::<Halves<H>>()) {
        // SAFETY: create() allocated and initialised the Halves, and nothing uses them any more.
        preserving_errno(|| unsafe {
            halves.drop_in_place();
            memory::release(halves);
        });
    }
}
