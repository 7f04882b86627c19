//! The C face: include/proc_connector.h is made from it. Conversions, no logic.
#![allow(non_camel_case_types)]

mod arguments;
mod connector;
mod event;
mod library;
mod process;
#[cfg(feature = "table")]
mod table;

/// C's library has nobody to report a panic to. The symbol test proves that none can be reached.
#[cfg(not(any(test, feature = "std")))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort() takes nothing and does not return.
    unsafe { libc::abort() }
}
