//! A connector on an AF_UNIX socket. The checks that hold for every call are here.

use crate::ffi::{self, Connector, Event, Options, Stats};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::ptr::null_mut;

pub struct Handle(*mut Connector);

impl Handle {
    pub fn adopt(socket: OwnedFd, options: &Options) -> Self {
        let mut pc = null_mut();
        let result = unsafe { ffi::pc_open_fd(&mut pc, socket.as_raw_fd(), options) };
        assert_eq!(result, 0, "{options:?}");
        assert_eq!(unsafe { ffi::pc_fd(pc) }, socket.into_raw_fd());
        Self(pc)
    }

    /// Up to `count` events into a buffer of exactly that many; one by pc_recv() if `single`.
    pub fn receive(&self, count: usize, single: bool, timeout: i32) -> Result<Vec<Event>, i32> {
        let mut events = vec![Event::UNTOUCHED; count];
        let result = if single {
            unsafe { ffi::pc_recv(self.0, events.as_mut_ptr(), timeout) }
        } else {
            unsafe { ffi::pc_recv_many(self.0, events.as_mut_ptr(), count, timeout) }
        };
        let received = usize::try_from(result).map_err(|_| -result)?;
        assert!(received <= count.min(64), "{received} of {count}");
        if single && received == 0 {
            assert_eq!(events[0], Event::UNTOUCHED, "written only when 1 is returned");
        }
        events.truncate(received);
        Ok(events)
    }

    pub fn set_filter(&self, options: &Options) -> i32 {
        unsafe { ffi::pc_set_filter(self.0, options) }
    }

    pub fn interrupt(&self) {
        assert_eq!(unsafe { ffi::pc_interrupt(self.0) }, 0);
    }

    /// What returns 0 and does nothing on AF_UNIX.
    pub fn idle_calls(&self) {
        let calls = [ffi::pc_unsubscribe, ffi::pc_check, ffi::pc_subscribe, ffi::pc_check];
        assert_eq!(calls.map(|call| unsafe { call(self.0) }), [0; 4]);
    }

    /// The books. On AF_UNIX nothing is lost, forged or repaired.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { reserved2: [1; 2], ..Stats::default() };
        assert_eq!(unsafe { ffi::pc_get_stats(self.0, &mut stats, size_of::<Stats>()) }, 0);
        assert_eq!((stats.lost, stats.foreign, stats.repaired), (0, 0, 0));
        assert_eq!((stats.reserved, stats.reserved2), (0, [0; 2]));
        stats
    }

    pub fn raw(&self) -> *mut Connector {
        self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let fd = unsafe { ffi::pc_fd(self.0) };
        unsafe { ffi::pc_close(self.0) };
        assert_eq!(crate::sockets::flags(fd), None, "pc_close() closes");
    }
}
