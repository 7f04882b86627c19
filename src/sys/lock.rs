//! A mutex without std, which owns what it guards.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

/// A value that one thread at a time may use. While it is locked, no cancellation point is called:
/// a cancelled thread would never unlock it.
pub(crate) struct Lock<T> {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    value: UnsafeCell<T>,
}

// SAFETY: the mutex hands the value from thread to thread, which `T: Send` allows. A pthread mutex
// may be moved while it is not locked, and a lock that is moved is not borrowed by a Guard.
unsafe impl<T: Send> Send for Lock<T> {}
// SAFETY: pthread mutexes are made to be shared, and the mutex lets one thread at a time reach the
// value.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            mutex: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
            value: UnsafeCell::new(value),
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        // SAFETY: a default mutex, initialised in new(). Locking it can fail only if this thread
        // has locked it already, and no function of this library calls another one that locks.
        unsafe { libc::pthread_mutex_lock(self.mutex.get()) };
        Guard(self)
    }

    /// The value, without locking: an exclusive borrow shows that no other thread uses it.
    pub(crate) const fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// The locked value. Dropping it unlocks.
pub(crate) struct Guard<'a, T>(&'a Lock<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this thread has locked the mutex, hence no other thread uses the value.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this thread has locked the mutex, hence no other thread uses the value, and the
        // exclusive borrow of the guard keeps this thread from a second reference to it.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the mutex was locked by this thread, in lock().
        unsafe { libc::pthread_mutex_unlock(self.0.mutex.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_locked_value_is_changed_by_one_thread_at_a_time() {
        let lock = Lock::new(0_u64);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        *lock.lock() += 1;
                    }
                });
            }
        });
        let mut lock = lock;
        assert_eq!(*lock.get_mut(), 200);
    }
}
