//! Sections in which `pthread_cancel()` must not end the thread.

unsafe extern "C" {
    // pthread.h; the libc crate lacks it on Linux.
    safe fn pthread_setcancelstate(state: i32, old: Option<&mut i32>) -> i32;
}

const PTHREAD_CANCEL_DISABLE: i32 = 1;

/// While it lives, the thread cannot be cancelled: a cancelled thread would leave a lock held and
/// descriptors open.
pub(crate) struct Uncancellable {
    before: i32,
}

impl Uncancellable {
    #[inline(never)]
    pub(crate) fn enter() -> Self {
        let mut before = 0;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, Some(&mut before));
        Self { before }
    }
}

impl Drop for Uncancellable {
    fn drop(&mut self) {
        pthread_setcancelstate(self.before, None);
    }
}
