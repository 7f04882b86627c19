//! What the Rust face promises, on the real kernel. Each mended defect of `proc-connector` 0.3 (the
//! numbers are those of the crate documentation's migration table) has a test that 0.3 fails.
#![cfg(feature = "std")]

mod adopting;
mod changes;
mod events;
mod filters;
mod forking;
mod handover;
mod loss;
mod subscribing;
mod support;
mod table;
mod threads;
mod waiting;
