//! A mutex without std.

use core::cell::UnsafeCell;

/// Serialises what any thread may call. What holds it calls no cancellation point.
pub(crate) struct Lock(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a pthread mutex is made to be shared. Its address must not change while it is held,
// which the borrow in Guard sees to.
unsafe impl Send for Lock {}
// SAFETY: as above.
unsafe impl Sync for Lock {}

impl Lock {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER))
    }

    #[inline(never)]
    pub(crate) fn hold(&self) -> Guard<'_> {
        // SAFETY: an initialised, default mutex: locking it cannot fail unless this thread holds
        // it already, and no function of this library calls another that locks.
        unsafe { libc::pthread_mutex_lock(self.0.get()) };
        Guard(self)
    }
}

/// Lets go when dropped.
pub(crate) struct Guard<'a>(&'a Lock);

impl Drop for Guard<'_> {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: this thread holds it.
        unsafe { libc::pthread_mutex_unlock(self.0.0.get()) };
    }
}
