//! The names of `proc-connector` 0.3 that exist only for programs written for that crate. The core
//! uses none of them.

mod event;
mod layout;
mod message;
mod receive;

pub use event::ProcEvent;
pub use layout::*;
pub use message::{NetlinkMessageIter, parse_cn_msg, parse_netlink_message};
