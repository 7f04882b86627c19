//! Processes that do as they are told, and what else the promises need.

use proc_connector::{Error, Event, Options, ProcConnector, ProcEvent, View};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// Long enough for everything that is expected to happen, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a test that needs privileges can run; where it must, it fails instead.
pub fn privileged(test: &str) -> bool {
    // SAFETY: takes nothing.
    let privileged = unsafe { libc::geteuid() } == 0;
    if !privileged {
        println!("SKIPPED {test}: needs root");
        let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!ci, "{test} must not be skipped in CI: run as root");
    }
    privileged
}

/// Returns from a test that needs privileges if there are none.
macro_rules! needs_root {
    () => {
        if !crate::support::privileged(module_path!()) {
            return;
        }
    };
}
pub(crate) use needs_root;

pub fn open(options: Options) -> ProcConnector {
    ProcConnector::open(&options).unwrap_or_else(|error| panic!("{error}: {}", error.explanation()))
}

/// The next event that `wanted` makes something of, by recv_event().
#[track_caller]
pub fn find<T>(connector: &ProcConnector, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match connector.recv_event(Some(left)) {
            Ok(Some(event)) => {
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
            Ok(None) => panic!("the event did not come"),
            Err(Error::Interrupted) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The next event that `wanted` makes something of, by recv_timeout().
#[track_caller]
pub fn find_old<T>(connector: &ProcConnector, wanted: impl Fn(&ProcEvent) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match connector.recv_timeout(&mut [0; 4096], left) {
            Ok(Some(event)) => {
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
            Ok(None) => panic!("the event did not come"),
            Err(Error::Interrupted | Error::Overrun) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The number that a beacon's event carries.
pub fn number_of(event: &Event, beacon: i32) -> Option<u32> {
    match event.view() {
        View::Gid { pid, egid, .. } if pid == beacon => Some(egid),
        _ => None,
    }
}

#[track_caller]
pub fn assert_os<T: std::fmt::Debug>(result: Result<T, Error>, number: i32) {
    match result {
        Err(Error::Os(error)) if error.raw_os_error() == Some(number) => {}
        other => panic!("expected {}, got {other:?}", io::Error::from_raw_os_error(number)),
    }
}

/// Runs `child` in a forked process and returns its exit status. It must not panic.
pub fn in_child(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs `child` and nothing else.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let status = child();
        // SAFETY: ends this process.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: a child of ours and a local.
    while unsafe { libc::waitpid(pid, &mut status, 0) } != pid {}
    assert!(libc::WIFEXITED(status), "the child was killed by signal {}", libc::WTERMSIG(status));
    libc::WEXITSTATUS(status)
}

/// A process that changes its effective group id on demand: each time is one GID event, which
/// carries a number of our choice. Other processes hardly ever make such events, while some flood
/// the machine with COMM.
pub struct Beacon {
    pub pid: i32,
    stream: UnixStream,
    _turn: Turn,
}

/// Whether other tests' beacons may make events meanwhile.
enum Turn {
    Together(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

static TURNS: RwLock<()> = RwLock::new(());

impl Beacon {
    /// To be started before a connector is opened, whose queue those who are alone would fill.
    pub fn start() -> Self {
        Self::launch(Turn::Together(TURNS.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The only one, as long as it lives.
    pub fn start_alone() -> Self {
        Self::launch(Turn::Alone(TURNS.write().unwrap_or_else(PoisonError::into_inner)))
    }

    fn launch(turn: Turn) -> Self {
        let (stream, its) = UnixStream::pair().expect("a socket pair");
        // SAFETY: the child only makes system calls.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let ours = its.as_raw_fd();
            // SAFETY: local buffers with their sizes.
            unsafe {
                libc::close(stream.as_raw_fd());
                let mut order = [0_u32; 2];
                while libc::recv(ours, order.as_mut_ptr().cast(), 8, libc::MSG_WAITALL) == 8 {
                    let [first, count] = order;
                    for number in first..first + count {
                        libc::syscall(libc::SYS_setresgid, -1, number, -1);
                    }
                    libc::write(ours, order.as_ptr().cast(), 1);
                }
                libc::_exit(0);
            }
        }
        Self { pid, stream, _turn: turn }
    }

    /// Makes events with `count` consecutive numbers, none of them 0 or the last one's.
    pub fn emit(&mut self, first: u32, count: u32) {
        let order = [first.to_ne_bytes(), count.to_ne_bytes()].concat();
        self.stream.write_all(&order).expect("the beacon lives");
        self.stream.read_exact(&mut [0]).expect("the beacon lives");
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        // Not by closing it: a process that another test forks may hold a copy.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        // SAFETY: a child of ours.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
    }
}

/// A datagram as the kernel sends it, with this union.
pub fn datagram(what: u32, union: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    data.extend([what, 3].iter().flat_map(|word| word.to_ne_bytes()));
    data.extend(77_u64.to_ne_bytes());
    data.extend(union);
    let mut bytes = Vec::new();
    bytes.extend((36 + data.len() as u32).to_ne_bytes());
    bytes.extend([3, 0, 0, 0, 0, 0].iter().flat_map(|half: &u16| half.to_ne_bytes()));
    bytes.extend([1, 1, 9, 0].iter().flat_map(|word: &u32| word.to_ne_bytes()));
    bytes.extend([data.len() as u16, 0].iter().flat_map(|half| half.to_ne_bytes()));
    bytes.extend(data);
    bytes
}

/// A connector socket of our own.
pub struct Raw(pub OwnedFd);

impl Raw {
    pub fn open() -> Self {
        let flags = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: a new descriptor that nobody else owns; an address and its size.
        unsafe {
            let fd = libc::socket(libc::AF_NETLINK, flags, proc_connector::NETLINK_CONNECTOR);
            assert!(fd >= 0, "{}", io::Error::last_os_error());
            let raw = Self(OwnedFd::from_raw_fd(fd));
            let address = Self::address(1);
            let size = size_of_val(&address) as u32;
            let bound = libc::bind(fd, (&raw const address).cast(), size);
            assert_eq!(bound, 0, "{}", io::Error::last_os_error());
            raw
        }
    }

    /// Makes room: it is not filtered, and others may flood the machine.
    pub fn enlarge(&self) {
        let bytes = 256_i32 << 20;
        // SAFETY: a local of the stated size.
        let result = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUFFORCE,
                (&raw const bytes).cast(),
                4,
            )
        };
        assert_eq!(result, 0);
    }

    fn address(groups: u32) -> libc::sockaddr_nl {
        // SAFETY: plain integers.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = groups;
        address
    }

    /// Sends to the kernel (0) or to groups; 0 or an error number.
    pub fn send(&self, bytes: &[u8], groups: u32) -> i32 {
        let address = Self::address(groups);
        // SAFETY: a buffer and an address with their sizes.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                0,
                (&raw const address).cast(),
                size_of_val(&address) as u32,
            )
        };
        if sent < 0 { io::Error::last_os_error().raw_os_error().unwrap_or(-1) } else { 0 }
    }

    /// Sends a request: LISTEN, IGNORE or one that the kernel answers with an error.
    pub fn request(&self, operation: u32) {
        let mut bytes = datagram(operation, &[]);
        bytes.truncate(40);
        bytes[..4].copy_from_slice(&40_u32.to_ne_bytes());
        bytes[32..34].copy_from_slice(&4_u16.to_ne_bytes());
        assert_eq!(self.send(&bytes, 0), 0);
    }
}
