//! Everything that reads /proc, without allocation.

#[cfg(feature = "table")]
mod command;
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
pub(crate) use command::{Command, kept, read_command};
#[cfg(feature = "table")]
pub(crate) use listing::Listing;
pub use liveness::{Liveness, process_alive};
#[cfg(feature = "table")]
pub(crate) use sight::{Look, Sight, Wanted, look, read_alive};
#[cfg(all(feature = "table", any(test, all(fuzzing, feature = "std"))))]
pub(crate) use stat::Stat;
#[cfg(feature = "table")]
pub(crate) use stat::{Condition, Image, TICK_NS};
#[cfg(feature = "table")]
pub(crate) use status::{Credentials, is_sandboxed};
#[cfg(feature = "table")]
pub use text::TextKind;
#[cfg(feature = "table")]
pub(crate) use text::{Owner, Text, read_texts};
