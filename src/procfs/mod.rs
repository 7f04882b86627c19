//! Everything that reads /proc, without allocation.

mod file;
#[cfg(feature = "table")]
mod listing;
mod liveness;
pub(crate) mod namespace;
#[cfg(feature = "table")]
mod sight;
mod stat;
#[cfg(feature = "table")]
mod status;
#[cfg(feature = "table")]
mod text;

#[cfg(feature = "table")]
pub(crate) use listing::Listing;
pub use liveness::{Liveness, process_alive};
#[cfg(feature = "table")]
pub(crate) use sight::{Look, Sight, look, read_alive};
#[cfg(feature = "table")]
pub(crate) use stat::{Condition, Image, Stat, TICK_NS};
#[cfg(feature = "table")]
pub(crate) use status::{Credentials, is_sandboxed};
#[cfg(feature = "table")]
pub use text::TextKind;
#[cfg(feature = "table")]
pub(crate) use text::{Text, read_texts};
