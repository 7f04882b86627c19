//! The Rust face: what `proc-connector` 0.3 offers under the same names, and what it lacks.

mod connector;
mod error;
mod event;
mod filter;
mod layout;
mod liveness;
mod mask;
mod message;
mod options;
mod stats;
#[cfg(feature = "table")]
mod table;

pub use connector::ProcConnector;
pub use error::{Error, Result};
pub use event::ProcEvent;
pub use layout::*;
pub use liveness::process_alive;
pub use mask::EventMask;
pub use message::{NetlinkMessageIter, parse_cn_msg, parse_netlink_message};
pub use options::Options;
pub use stats::Stats;
#[cfg(feature = "table")]
pub use table::{ProcessTable, TableOptions, TableRemote};
