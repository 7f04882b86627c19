//! Processes that do as they are told, and what else the promises need.

use proc_connector::{Error, Event, Options, ProcConnector, ProcEvent, View};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Long enough for everything that is expected to happen.
pub const PATIENCE: Duration = Duration::from_secs(10);

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

/// The new name in a COMM event of the process `pid`.
pub fn name_of(event: &Event, process: i32) -> Option<String> {
    match event.view() {
        View::Comm { pid, comm, .. } if pid == process => {
            let name = comm.split(|byte| *byte == 0).next().unwrap_or_default();
            Some(String::from_utf8_lossy(name).into_owned())
        }
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

/// A process that renames itself on demand: each time is one COMM event.
pub struct Renamer {
    pub pid: i32,
    stream: UnixStream,
}

impl Renamer {
    pub fn start() -> Self {
        let (stream, its) = UnixStream::pair().expect("a socket pair");
        // SAFETY: the child only makes system calls.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let ours = its.as_raw_fd();
            // SAFETY: local buffers with their sizes. Its parent's death ends it too.
            unsafe {
                libc::close(stream.as_raw_fd());
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                let mut order = [0_u8; 20];
                while libc::recv(ours, order.as_mut_ptr().cast(), 20, libc::MSG_WAITALL) == 20 {
                    let count = u32::from_ne_bytes([order[0], order[1], order[2], order[3]]);
                    for _ in 0..count {
                        libc::prctl(libc::PR_SET_NAME, order.as_ptr().add(4));
                    }
                    libc::write(ours, order.as_ptr().cast(), 1);
                }
                libc::_exit(0);
            }
        }
        Self { pid, stream }
    }

    /// Starts `count` renamings.
    pub fn order(&mut self, name: &str, count: u32) {
        let mut order = [0; 20];
        order[..4].copy_from_slice(&count.to_ne_bytes());
        order[4..4 + name.len()].copy_from_slice(name.as_bytes());
        self.stream.write_all(&order).expect("the renamer lives");
    }

    /// Waits until an order is carried out.
    pub fn done(&mut self) {
        self.stream.read_exact(&mut [0]).expect("the renamer lives");
    }

    pub fn rename(&mut self, name: &str, count: u32) {
        self.order(name, count);
        self.done();
    }
}

impl Drop for Renamer {
    fn drop(&mut self) {
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
