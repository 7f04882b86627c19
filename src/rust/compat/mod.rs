//! The names of `proc-connector` 0.3 that this crate would not need itself. The core knows none of
//! them.

mod event;
mod layout;
mod message;
mod receive;

pub use event::ProcEvent;
pub use layout::*;
pub use message::{NetlinkMessageIter, parse_cn_msg, parse_netlink_message};
