//! The Rust face: what `proc-connector` 0.3 offers, under the names used there, and what it lacks.

#[cfg(feature = "table")]
mod change;
mod compat;
mod connector;
mod error;
mod filter;
mod liveness;
mod mask;
mod options;
mod stats;
#[cfg(feature = "table")]
mod table;
#[cfg(feature = "table")]
mod text;
#[cfg(feature = "table")]
mod wake;

#[cfg(feature = "table")]
pub use change::ChangeView;
pub use compat::*;
pub use connector::ProcConnector;
pub use error::{Error, Result};
pub use liveness::process_alive;
pub use mask::EventMask;
pub use options::Options;
pub use stats::Stats;
#[cfg(feature = "table")]
pub use table::{ProcessTable, TableOptions, TableRemote};
#[cfg(feature = "table")]
pub use text::process_texts;
#[cfg(feature = "table")]
pub use wake::{Wake, wake_soon};
