//! pc_open_fd() and pc_set_filter() with any bytes as their options, in a heap block that ends
//! where their size says; and pc_get_stats() with any size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proc_connector_fuzz::ffi::{self, Event, OPEN_SUBSCRIBED, Options, Stats};
use proc_connector_fuzz::handle::Handle;
use proc_connector_fuzz::input::Input;
use proc_connector_fuzz::model::{Filter, KINDS, Meaning, datagram, meaning, word};
use proc_connector_fuzz::sockets::{flags, open_descriptors, pair, send};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::ptr::null_mut;

// A byte says what is adopted, two the size of the books; then come two options, each as
// [`Block::new`] takes them.
fuzz_target!(|input: &[u8]| {
    let before = open_descriptors();
    let mut input = Input(input);
    let (what, size) = (input.byte(), input.half());
    let options = Block::new(&mut input);
    open(what, &options);

    let [near, far] = pair(libc::SOCK_SEQPACKET);
    let first = Filter { events: 1 << 2, flags: 0 };
    let handle = Handle::adopt(near, &first.options());
    set_filter(&handle, &far, first, &Block::new(&mut input));
    stats(&handle, usize::from(size));
    drop((handle, far));
    assert_eq!(open_descriptors(), before, "no descriptor is left open");
});

/// No version has longer options: a larger size was never set, and says nothing of what is there.
const SIZE_MAX: usize = 4096;

/// Options that are exactly as long as they say.
struct Block {
    start: *mut u8,
    layout: Layout,
    /// Of which the first 8 are the size.
    bytes: Vec<u8>,
}

impl Block {
    /// Two bytes are the size, of which half the values stand for at most 80, so that many are near
    /// the real one; the rest follows. What claims more than 4096 bytes has none of them.
    fn new(input: &mut Input<'_>) -> Self {
        let size = input.half();
        let size = usize::from(if size < 0x8000 { size % 81 } else { size - 0x8000 });
        let mut bytes = vec![0; if size > SIZE_MAX { 8 } else { size.max(8) }];
        bytes[..8].copy_from_slice(&size.to_ne_bytes());
        let rest = input.bytes(bytes.len() - 8);
        bytes[8..8 + rest.len()].copy_from_slice(rest);
        let layout = Layout::from_size_align(bytes.len(), align_of::<Options>()).unwrap();
        // SAFETY: not empty, and as long as `bytes`.
        let start = unsafe { alloc_zeroed(layout) };
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Self { start, layout, bytes }
    }

    fn pointer(&self) -> *const Options {
        self.start.cast()
    }

    /// The word at an offset; 0 behind the end.
    fn word(&self, offset: usize) -> u32 {
        if offset + 4 <= self.bytes.len() { word(&self.bytes, offset) } else { 0 }
    }

    fn filter(&self) -> Filter {
        Filter { events: self.word(8), flags: self.word(12) & 3 }
    }

    /// Every error that the header gives for these options; with none of them they are good.
    fn errors(&self, opening: bool) -> Vec<i32> {
        let mut errors = Vec::new();
        let known_flags = if opening { 3 | OPEN_SUBSCRIBED } else { 3 };
        let budget = self.word(16);
        let size = usize::from_ne_bytes(self.bytes[..8].try_into().unwrap());
        if size > SIZE_MAX {
            return vec![-libc::E2BIG];
        }
        if size < size_of::<Options>()
            || self.word(8) & !ffi::MASK_EVERYTHING != 0
            || self.word(12) & !known_flags != 0
            || if opening { (budget as i32) < 0 } else { budget != 0 }
            || !opening && self.word(20) != 0
        {
            errors.push(-libc::EINVAL);
        }
        if self.bytes.iter().skip(size_of::<Options>()).any(|byte| *byte != 0) {
            errors.push(-libc::E2BIG);
        }
        errors
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated so in new().
        unsafe { dealloc(self.start, self.layout) };
    }
}

/// What is adopted, and what the header says to that: by far most often what it is made for.
fn descriptor(what: u8) -> (OwnedFd, Option<OwnedFd>, Option<i32>) {
    let of = |kind, error| {
        let [near, far] = pair(kind);
        (near, Some(far), error)
    };
    match what % 16 {
        0 => of(libc::SOCK_STREAM, Some(-libc::EPROTOTYPE)),
        1 => (std::fs::File::open("/dev/null").unwrap().into(), None, Some(-libc::EPROTOTYPE)),
        2..8 => of(libc::SOCK_DGRAM, None),
        _ => of(libc::SOCK_SEQPACKET, None),
    }
}

fn open(what: u8, options: &Block) {
    let (near, far, unfit) = descriptor(what);
    let raw = near.as_raw_fd();
    let (before, open_before) = (flags(raw).unwrap(), open_descriptors());
    let mut errors = options.errors(true);
    errors.extend(unfit);

    let mut pc = null_mut();
    let closed = unsafe { ffi::pc_open_fd(&mut pc, -1 - i32::from(what), options.pointer()) };
    assert!(closed == -libc::EBADF || options.errors(true).contains(&closed), "{closed}");
    let result = unsafe { ffi::pc_open_fd(&mut pc, raw, options.pointer()) };
    if result < 0 {
        assert!(errors.contains(&result), "{result} is none of {errors:?}");
        assert_eq!(pc, null_mut(), "written on success only");
        assert_eq!(flags(raw), Some(before), "on failure it is the caller's, as it was");
        assert_eq!(open_descriptors(), open_before);
        return;
    }
    assert_eq!((result, errors), (0, vec![]));
    assert_eq!(near.into_raw_fd(), unsafe { ffi::pc_fd(pc) });
    assert_eq!(flags(raw), Some([before[0] | libc::O_NONBLOCK, before[1] | libc::FD_CLOEXEC]));
    passes(pc, far.as_ref().unwrap(), options.filter());
    unsafe { ffi::pc_close(pc) };
    assert_eq!(open_descriptors(), open_before & !(1 << raw), "one descriptor is closed");
}

fn set_filter(handle: &Handle, far: &OwnedFd, before: Filter, options: &Block) {
    let errors = options.errors(false);
    let result = handle.set_filter(unsafe { &*options.pointer() });
    let filter = if result == 0 { options.filter() } else { before };
    assert!(errors.contains(&result) || (result == 0 && errors.is_empty()), "{result}: {errors:?}");
    passes(handle.raw(), far, filter);
}

/// The filter is the one in force: of each kind, a leader's and a thread's event, exit code 0.
fn passes(pc: *mut ffi::Connector, far: &OwnedFd, filter: Filter) {
    for (what, kind, _) in KINDS {
        for union in [[1, 1, 0, 0, 1, 1], [1, 2, 3, 4, 1, 1]] {
            send(far, &datagram(what, union)).expect("room");
            let Meaning::Event(sent) = meaning(&datagram(what, union)) else { unreachable!() };
            let mut event = Event::UNTOUCHED;
            let result = unsafe { ffi::pc_recv(pc, &mut event, 0) };
            let expected = if filter.admits(&sent) { (1, sent) } else { (0, Event::UNTOUCHED) };
            assert_eq!((result, event), expected, "kind {kind}, {filter:?}");
        }
    }
}

/// Whatever a caller's struct pc_stats is as long as.
fn stats(handle: &Handle, size: usize) {
    let mut block = vec![0xa5_u8; size.max(1)].into_boxed_slice();
    // pc_get_stats() demands a pc_stats' alignment, which the allocator gives anyway.
    assert!(block.as_ptr().cast::<Stats>().is_aligned() || size < size_of::<Stats>());
    let result = unsafe { ffi::pc_get_stats(handle.raw(), block.as_mut_ptr().cast(), size) };
    if size < size_of::<Stats>() {
        assert_eq!(result, -libc::EINVAL);
        assert!(block.iter().all(|byte| *byte == 0xa5), "written on success only");
    } else {
        assert_eq!(result, 0);
        let expected = handle.stats();
        assert_eq!(expected.received + expected.filtered, 2 * KINDS.len() as u64);
        assert_eq!(unsafe { block.as_ptr().cast::<Stats>().read() }, expected);
        assert!(block[size_of::<Stats>()..].iter().all(|byte| *byte == 0), "zeroed behind them");
    }
}
