//! The C face, from which include/proc_connector.h is made. It converts, and decides nothing.
//!
//! Every function trusts what the header demands of its caller. A pointer is NULL or valid for what
//! it points to, and a handle is NULL or open. While one thread is in a function of a handle, no
//! other thread is, except in the functions that the header allows to any thread. Each unsafe block
//! names the part of this that it relies on.
#![allow(non_camel_case_types)]
// Rust 1.85 takes constants that only the header has for dead code. Clippy looks for code that is really dead.
#![cfg_attr(not(clippy), allow(dead_code))]

mod arguments;
mod connector;
mod event;
mod handle;
#[cfg(all(layouts, feature = "table"))]
mod layout;
mod library;
mod process;
#[cfg(feature = "table")]
mod table;
#[cfg(feature = "table")]
mod text;
#[cfg(feature = "table")]
mod wake;

/// The C library has nobody to report a panic to. The symbol test proves that none can be reached.
#[cfg(not(any(test, feature = "std")))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort() has no arguments and does not return.
    unsafe { libc::abort() }
}
