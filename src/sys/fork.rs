//! Distinguishes a forked child from the process that opened the handle, without a system call where
//! the kernel can wipe a page.

use super::check;
use crate::errno::Errno;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering};

/// A page that the kernel zeroes in forked children (`MADV_WIPEONFORK`, Linux 4.14): it has
/// [`OWNED`], and 0 in a child. Where the kernel is not known to do that, the page has the process
/// id of the owner.
pub(crate) struct ForkGuard {
    page: NonNull<AtomicU32>,
}

/// At most the size of a page, to which the kernel rounds it up in every call made here.
const SIZE: usize = 4096;

/// No process has this id.
const OWNED: u32 = u32::MAX;

/// An advice that no kernel knows.
const UNKNOWN_ADVICE: i32 = -1;

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
        let advise = |advice: i32| {
            // SAFETY: the range is the mapping that was made above, and nothing is in it yet.
            check(unsafe { libc::syscall(libc::SYS_madvise, page, SIZE, advice) })
        };
        // Emulators (qemu-user) and some seccomp filters answer 0 to every advice and do nothing.
        let can_wipe = advise(UNKNOWN_ADVICE) == Err(Errno(libc::EINVAL))
            && advise(libc::MADV_WIPEONFORK).is_ok();
        let mark = if can_wipe { OWNED } else { own_pid() as u32 };
        guard.flag().store(mark, Ordering::Relaxed);
        Ok(guard)
    }

    const fn flag(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped as long as the guard lives. It is page-aligned, and any bytes
        // are a valid AtomicU32.
        unsafe { self.page.as_ref() }
    }

    /// Whether the page alone shows that this process made the guard.
    #[inline]
    pub(crate) fn is_owner_by_page(&self) -> bool {
        self.flag().load(Ordering::Relaxed) == OWNED
    }

    /// Whether this process made the guard.
    pub(crate) fn is_owner(&self) -> bool {
        match self.flag().load(Ordering::Relaxed) {
            OWNED => true,
            // The kernel has wiped the page.
            0 => false,
            pid => pid == own_pid() as u32,
        }
    }
}

pub(super) fn own_pid() -> i32 {
    // SAFETY: getpid() takes nothing and cannot fail.
    unsafe { libc::syscall(libc::SYS_getpid) as i32 }
}

impl Drop for ForkGuard {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to this guard, and no reference into it outlives the guard.
        unsafe { libc::syscall(libc::SYS_munmap, self.page.as_ptr(), SIZE) };
    }
}
