//! Distinguishes a forked child from the process that opened the handle, without a system call.

use super::granted;
use crate::errno::Errno;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering};

/// A page that the kernel zeroes in forked children (`MADV_WIPEONFORK`, Linux 4.14).
pub(crate) struct ForkGuard {
    page: NonNull<AtomicU32>,
}

/// At most the size of a page, to which the kernel rounds it up in every call made here.
const SIZE: usize = 4096;

// SAFETY: the guard owns its page, and every access to it goes through an atomic.
unsafe impl Send for ForkGuard {}
// SAFETY: every access to the page goes through an atomic, which threads may share.
unsafe impl Sync for ForkGuard {}

impl ForkGuard {
    pub(crate) fn new() -> Result<Self, Errno> {
        // SAFETY: a new private mapping, at an address of the kernel's choice.
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
            // EAGAIN is possible too, after mlockall().
            return Err(Errno(libc::ENOMEM));
        }
        let guard = Self { page: NonNull::new(page.cast()).ok_or(Errno(libc::ENOMEM))? };
        // SAFETY: the range is the mapping that was made above.
        granted(unsafe { libc::syscall(libc::SYS_madvise, page, SIZE, libc::MADV_WIPEONFORK) })?;
        guard.flag().store(1, Ordering::Relaxed);
        Ok(guard)
    }

    const fn flag(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped as long as the guard lives. It is page-aligned, and any bytes
        // are a valid AtomicU32.
        unsafe { self.page.as_ref() }
    }

    /// Whether this process made the guard.
    #[inline]
    pub(crate) fn is_owner(&self) -> bool {
        self.flag().load(Ordering::Relaxed) != 0
    }
}

impl Drop for ForkGuard {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to this guard, and no reference into it outlives the guard.
        unsafe { libc::syscall(libc::SYS_munmap, self.page.as_ptr(), SIZE) };
    }
}
