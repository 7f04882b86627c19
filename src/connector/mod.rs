//! A subscription to process events, its queue and its statistics.

mod adoption;
mod counters;
mod loss;
mod receiver;
mod shared;
mod subscription;

#[cfg(feature = "capi")]
pub(crate) use receiver::Reception;
pub(crate) use receiver::{Receiver, receive};
pub(crate) use shared::{Connector, Options};
