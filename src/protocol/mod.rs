//! What the kernel sends and what it is asked, and which events are wanted. Pure: no I/O, no
//! `unsafe`, and no import from the rest of the crate.
//!
//! ```text
//! texts <- event <- wire <- request
//!            ^        ^        ^
//!            filter <- bpf ----+        format -> event, texts
//! ```

#[cfg(any(feature = "capi", feature = "std"))]
pub(crate) mod format;

pub(crate) mod bpf;
pub(crate) mod event;
pub(crate) mod filter;
pub(crate) mod request;
pub(crate) mod texts;
pub(crate) mod wire;
