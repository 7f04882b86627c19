//! What the kernel sends and what it is asked, and which events are wanted. Pure: no I/O, no
//! `unsafe`, and no import from the rest of the crate.
//!
//! Each file imports only files of lower rows:
//!
//! | | |
//! |---|---|
//! | `bpf`, `format` | a filter as the kernel's program; an event as a line of text |
//! | `request`, `filter` | what the kernel is asked; what is wanted |
//! | `wire` | from bytes to events |
//! | `event` | 64 bytes, whatever the kind |
//! | `texts` | texts by number |

#[cfg(any(feature = "capi", feature = "std"))]
pub(crate) mod format;

pub(crate) mod bpf;
pub(crate) mod event;
pub(crate) mod filter;
pub(crate) mod request;
pub(crate) mod texts;
pub(crate) mod wire;
