//! Tells a forked child from the process that opened the handle, without a system call.

use super::granted;
use crate::errno::Errno;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering};

/// A page that the kernel zeroes in forked children (`MADV_WIPEONFORK`, Linux 4.14).
pub(crate) struct ForkGuard {
    page: NonNull<AtomicU32>,
}

/// Of a page or less: the kernel rounds it up in all that is asked of it here.
const SIZE: usize = 4096;

// SAFETY: the page is only ever read after new(), through an atomic.
unsafe impl Send for ForkGuard {}
// SAFETY: as above.
unsafe impl Sync for ForkGuard {}

impl ForkGuard {
    pub(crate) fn new() -> Result<Self, Errno> {
        // SAFETY: a new private mapping, placed where the kernel likes.
        let page = unsafe {
            libc::mmap(
                null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            // Also EAGAIN, where all memory is to be locked.
            return Err(Errno(libc::ENOMEM));
        }
        let guard = Self { page: NonNull::new(page.cast()).ok_or(Errno(libc::ENOMEM))? };
        // SAFETY: the range is the mapping that was just made.
        granted(unsafe { libc::syscall(libc::SYS_madvise, page, SIZE, libc::MADV_WIPEONFORK) })?;
        guard.flag().store(1, Ordering::Relaxed);
        Ok(guard)
    }

    const fn flag(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped, zeroed and page-aligned as long as the guard lives.
        unsafe { self.page.as_ref() }
    }

    /// Whether this process is the one that made the guard.
    #[inline]
    pub(crate) fn is_owner(&self) -> bool {
        self.flag().load(Ordering::Relaxed) != 0
    }
}

impl Drop for ForkGuard {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: the mapping is this guard's own, and no reference into it outlives the guard.
        super::preserving_errno(|| unsafe {
            libc::syscall(libc::SYS_munmap, self.page.as_ptr(), SIZE)
        });
    }
}
