//! Containers that are built on `unsafe` code. None of them makes a system call, and none knows
//! what it holds, so that an interpreter can run all of their tests (`tests/miri.sh`).

#[cfg(feature = "table")]
mod arena;
mod heap;
mod inbox;
mod out;
#[cfg(feature = "table")]
mod room;

#[cfg(feature = "table")]
pub(crate) use arena::Arena;
#[cfg(feature = "capi")]
pub(crate) use heap::{allocate, release};
pub(crate) use inbox::{Headers, Inbox};
pub(crate) use out::OutSlice;
#[cfg(feature = "table")]
pub(crate) use room::Room;
