use crate::support::{Beacon, PATIENCE, assert_os, find, needs_root, number_of, open};
use proc_connector::{Error, Event, EventMask, Options, ProcConnector, Wake, wake_soon};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::thread::JoinHandleExt;
use std::thread;
use std::time::{Duration, Instant};

/// A connector for which nothing comes.
fn silent() -> ProcConnector {
    open(Options::new().filter(EventMask(0)))
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a local.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Defect 9: 0.3 rounds 900 us down to 0 and spins.
#[test]
fn a_short_wait_sleeps() {
    needs_root!();
    let connector = silent();
    let (begun, cpu) = (Instant::now(), cpu_time());
    for _ in 0..100 {
        let wait = Instant::now();
        let event = connector.recv_timeout(&mut [0; 4096], Duration::from_micros(900));
        assert!(matches!(event, Ok(None)));
        assert!(wait.elapsed() >= Duration::from_micros(900));
    }
    let (elapsed, cpu) = (begun.elapsed(), cpu_time() - cpu);
    assert!(cpu < elapsed / 2, "{cpu:?} of {elapsed:?} on the CPU");
}

/// Defect 9: Duration::MAX panics in 0.3.
#[test]
fn a_wait_of_any_length_is_ended_once_by_an_interrupt() {
    needs_root!();
    let connector = silent();
    for wait in
        [Duration::MAX, Duration::from_secs(u64::MAX / 1000), Duration::from_nanos(u64::MAX)]
    {
        thread::scope(|scope| {
            let waiter = scope.spawn(|| connector.recv_timeout(&mut [], wait));
            connector.interrupt().expect("interrupt");
            assert_os(waiter.join().expect("no panic"), libc::ECANCELED);
        });
    }
    thread::scope(|scope| {
        let waiter = scope.spawn(|| connector.recv(&mut []));
        connector.interrupt().expect("interrupt");
        assert_os(waiter.join().expect("no panic"), libc::ECANCELED);
    });
    connector.interrupt().expect("interrupt");
    connector.interrupt().expect("several count as one");
    let now = Some(Duration::ZERO);
    assert!(matches!(connector.recv_event(now), Ok(None)), "seen by a call that does not wait");
    assert_os(connector.recv_event(Some(Duration::from_millis(1))), libc::ECANCELED);
    assert!(matches!(connector.recv_event(Some(Duration::from_millis(1))), Ok(None)));
}

#[test]
fn a_signal_ends_a_wait_and_loses_nothing() {
    needs_root!();
    extern "C" fn ignore(_: i32) {}
    // SAFETY: a handler that does nothing, and without SA_RESTART.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = ignore as *const () as usize;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
    }
    let connector = open(Options::new().filter(EventMask::SID));
    let connector = &*Box::leak(Box::new(connector));
    let waiter = thread::spawn(|| {
        loop {
            let result = connector.recv_raw(&mut [0; 4096]);
            if result.is_err() {
                break result;
            }
        }
    });
    while !waiter.is_finished() {
        // SAFETY: the thread has not been joined.
        unsafe { libc::pthread_kill(waiter.as_pthread_t() as _, libc::SIGUSR1) };
        thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(waiter.join().expect("a thread"), Err(Error::Interrupted)));
}

/// Defect 10: 0.3 consumes, and loses, what does not fit.
#[test]
fn a_buffer_that_is_too_small_loses_no_event() {
    needs_root!();
    let mut beacon = Beacon::start();
    let connector = open(Options::new().filter(EventMask::GID));
    beacon.emit(0x5a5b_5c5d, 1);
    let size = loop {
        for size in [0, 15, 16, 75] {
            let result = connector.recv_raw(&mut vec![0; size]);
            assert!(matches!(result, Err(Error::BufferTooSmall { needed: 76 })), "{result:?}");
            let result = connector.recv_raw_timeout(&mut vec![0; size], Duration::MAX);
            assert!(matches!(result, Err(Error::BufferTooSmall { needed: 76 })), "{result:?}");
        }
        let mut buffer = [0; 76];
        let size = connector.recv_raw(&mut buffer).expect("recv_raw");
        if buffer.windows(4).any(|bytes| bytes == 0x5a5b_5c5d_u32.to_ne_bytes()) {
            break size;
        }
    };
    assert_eq!(size, 76);
    // 0.3 cannot even take the event out of less than its header.
    beacon.emit(7, 1);
    while !connector.recv(&mut []).expect("recv").to_string().contains("egid=7 ") {}
}

/// Defect 10: 0.3's recv() and recv_raw() have different errors for it.
#[test]
fn every_nonblocking_receive_returns_would_block_when_no_event_is_pending() {
    needs_root!();
    let connector = silent();
    connector.set_nonblocking().expect("set_nonblocking");
    assert!(matches!(connector.recv(&mut [0; 4096]), Err(Error::WouldBlock)));
    assert!(matches!(connector.recv_raw(&mut [0; 4096]), Err(Error::WouldBlock)));
    assert!(matches!(connector.recv_raw(&mut []), Err(Error::WouldBlock)));
    let begun = Instant::now();
    let wait = Duration::from_millis(5);
    assert!(matches!(connector.recv_timeout(&mut [0; 4096], wait), Ok(None)));
    assert!(matches!(connector.recv_raw_timeout(&mut [0; 4096], wait), Ok(None)));
    assert!(matches!(connector.recv_event(Some(wait)), Ok(None)));
    assert!(begun.elapsed() >= wait * 3, "a timeout is a timeout");
}

#[test]
fn the_descriptor_works_in_event_loops() {
    needs_root!();
    let mut beacon = Beacon::start();
    let connector = open(Options::new().filter(EventMask::GID));
    assert_eq!(connector.as_fd().as_raw_fd(), AsRawFd::as_raw_fd(&connector));
    let fd = connector.as_raw_fd();
    assert_eq!(format!("{connector:?}"), format!("ProcConnector {{ fd: {fd} }}"));
    // SAFETY: these take no pointer.
    unsafe {
        assert_ne!(libc::fcntl(fd, libc::F_GETFL) & libc::O_NONBLOCK, 0);
        assert_ne!(libc::fcntl(fd, libc::F_GETFD) & libc::FD_CLOEXEC, 0);
    }
    beacon.emit(1, 1);
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry.
    let ready = unsafe { libc::poll(&mut entry, 1, PATIENCE.as_millis() as i32) };
    assert_eq!(ready, 1);
    find(&connector, |event| number_of(event, beacon.pid));
}

#[test]
fn batches_contain_all_events_in_order() {
    needs_root!();
    let mut beacon = Beacon::start();
    let connector = open(Options::new().filter(EventMask::GID));
    beacon.emit(1, 200);
    let mut events = [Event::EMPTY; 100];
    let (mut last, mut largest) = (0, 0);
    while last < 200 {
        let count = connector.recv_events(&mut events, Some(PATIENCE)).expect("recv_events");
        assert!((1..=64).contains(&count));
        largest = largest.max(count);
        for number in events[..count].iter().filter_map(|event| number_of(event, beacon.pid)) {
            last += 1;
            assert_eq!(number, last);
        }
    }
    assert!(largest > 1);
    assert_os(connector.recv_events(&mut [], None), libc::EINVAL);
}

#[test]
fn a_connector_that_spins_waits_without_sleeping() {
    needs_root!();
    let nothing = Options::new().filter(EventMask(0));
    let spinning = open(nothing.spin(Duration::from_secs(60)));
    let (begun, cpu) = (Instant::now(), cpu_time());
    for _ in 0..20 {
        assert!(matches!(spinning.recv_event(Some(Duration::from_millis(5))), Ok(None)));
    }
    assert!(begun.elapsed() >= Duration::from_millis(100));
    let spun = cpu_time() - cpu;
    // A busy machine leaves less of a CPU, but a thread that sleeps uses next to none.
    assert!(spun > Duration::from_millis(5), "{spun:?}");
}

/// The slice of this thread in nanoseconds; 0 before Linux 6.12.
fn slice() -> u64 {
    let mut attributes = [0_u64; 7];
    let size = size_of_val(&attributes);
    // SAFETY: the attributes are writable for their size.
    let got =
        unsafe { libc::syscall(libc::SYS_sched_getattr, 0, attributes.as_mut_ptr(), size, 0) };
    assert_eq!(got, 0);
    attributes[3]
}

#[test]
fn a_thread_that_asks_to_be_woken_soon_gets_a_short_slice() {
    // In a thread of its own, which the others do not profit from.
    let thread = thread::spawn(|| {
        let has_slices = slice() > 0;
        let woken = wake_soon(Wake::Slice).expect("it is allowed to everybody");
        assert_eq!(woken, if has_slices { Wake::Slice } else { Wake::Usual });
        assert_eq!(slice(), if has_slices { 100_000 } else { 0 });
        assert_os(wake_soon(Wake::Usual), libc::EINVAL);
    });
    thread.join().expect("no panic");
    assert_ne!(slice(), 100_000);
}
