//! The library itself: its version, and what its errors mean. The comments become the header's.
#![allow(missing_docs)]

use crate::errno::Errno;
use core::ffi::{c_char, c_int};

/// The version of this header. pc_version() returns the version of the library.
pub const PC_VERSION_MAJOR: u32 = 0u32;
pub const PC_VERSION_MINOR: u32 = 2u32;
pub const PC_VERSION_PATCH: u32 = 0u32;
pub const PC_VERSION: u32 = (PC_VERSION_MAJOR << 16) | (PC_VERSION_MINOR << 8) | PC_VERSION_PATCH;

/// Returns the version of the library in the form of PC_VERSION: major << 16 | minor << 8 | patch.
#[unsafe(no_mangle)]
pub extern "C" fn pc_version() -> u32 {
    PC_VERSION
}

/// Returns a text that explains an error and what to do about it. The string is static.
///
/// error:  the result of a function of this library; its sign does not matter.
#[unsafe(no_mangle)]
pub extern "C" fn pc_strerror(error: c_int) -> *const c_char {
    Errno(error.saturating_abs()).text().as_ptr().cast()
}

/// The value of a decimal number.
const fn parsed(text: &str) -> u32 {
    let mut value = 0;
    let mut i = 0;
    while i < text.len() {
        value = value * 10 + (text.as_bytes()[i] - b'0') as u32;
        i += 1;
    }
    value
}

// The header's version is the package's.
const _: () = {
    assert!(PC_VERSION_MAJOR == parsed(env!("CARGO_PKG_VERSION_MAJOR")));
    assert!(PC_VERSION_MINOR == parsed(env!("CARGO_PKG_VERSION_MINOR")));
    assert!(PC_VERSION_PATCH == parsed(env!("CARGO_PKG_VERSION_PATCH")));
};
