//! The C face: include/proc_connector.h is made from it. Conversions, no logic.
#![allow(non_camel_case_types)]

mod convert;
mod functions;
#[cfg(feature = "table")]
mod table;
#[cfg(feature = "table")]
mod table_types;
mod types;

/// C's library has nobody to report a panic to. The symbol test proves that none can be reached.
#[cfg(not(any(test, feature = "std")))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort() takes nothing and does not return.
    unsafe { libc::abort() }
}
