#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![deny(unsafe_code)]
#![warn(missing_docs)]
//! tmp

#[cfg(not(target_os = "linux"))]
compile_error!("process events exist on Linux only");

mod connector;
mod counters;
mod errno;
mod event;
mod filter;
mod format;
mod loss;
mod namespace;
mod process;
mod receiver;
mod subscription;
#[allow(unsafe_code)]
mod sys;
mod wire;

#[cfg(feature = "capi")]
#[allow(unsafe_code)]
mod capi;

#[cfg(feature = "std")]
mod rust;

#[cfg(feature = "std")]
pub use {
    event::{Event, View, kind, reason},
    filter::Filter,
    process::Liveness,
    rust::*,
    wire::*,
};
