//! Containers built on `unsafe` code. None of them makes a system call.

#[cfg(feature = "table")]
mod arena;
mod heap;
mod slots;

#[cfg(feature = "table")]
pub(crate) use arena::Arena;
pub(crate) use heap::{allocate, release};
pub(crate) use slots::{Place, Slots};
