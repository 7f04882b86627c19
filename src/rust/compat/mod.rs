//! The names of `proc-connector` 0.3 that this crate would not need itself.

mod event;
mod layout;
mod mask;
mod message;

pub use event::ProcEvent;
pub use layout::*;
pub use mask::EventMask;
pub use message::{NetlinkMessageIter, parse_cn_msg, parse_netlink_message};
