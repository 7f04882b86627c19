//! cnproc 0.2.

use super::{set_queue, times};
use cnproc::PidMonitor;
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};

/// A monitor, and its socket, which it keeps to itself.
struct Monitor {
    monitor: PidMonitor,
    fd: RawFd,
}

#[unsafe(no_mangle)]
extern "C" fn cnproc_open(rcvbuf_bytes: u32) -> Box<Monitor> {
    // The next descriptor is always the lowest that is free.
    let fd = File::open("/dev/null").expect("a descriptor").as_raw_fd();
    let monitor = PidMonitor::new().expect("open");
    set_queue(fd, rcvbuf_bytes);
    Box::new(Monitor { monitor, fd })
}

/// One datagram each, also where it returns `None` because it does not know the kind.
#[unsafe(no_mangle)]
extern "C" fn cnproc_recv(monitor: &mut Monitor, count: i64) -> i64 {
    times(count, || Ok::<_, ()>(monitor.monitor.recv()))
}

/// Unsubscribes too, which it does not do itself: or the kernel made events for nobody for ever.
#[unsafe(no_mangle)]
extern "C" fn cnproc_close(monitor: Box<Monitor>) {
    // nlmsghdr (NLMSG_DONE), cn_msg (CN_IDX_PROC, CN_VAL_PROC), PROC_CN_MCAST_IGNORE
    let request: [u32; 10] = [40, 3, 0, 0, 1, 1, 0, 0, 4, 2];
    // SAFETY: a readable message and its size.
    let sent = unsafe { libc::send(monitor.fd, request.as_ptr().cast(), size_of_val(&request), 0) };
    assert_eq!(sent, 40);
}
