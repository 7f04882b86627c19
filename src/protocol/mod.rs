//! What the kernel sends and hears, and what of it is wanted. Pure: no I/O, no `unsafe`, nothing
//! else of this crate.

pub(crate) mod event;
pub(crate) mod filter;
#[cfg(any(feature = "capi", feature = "std"))]
pub(crate) mod format;
pub(crate) mod texts;
pub(crate) mod wire;
