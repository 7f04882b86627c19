//! The table, held against a model of a machine: random deeds of processes, seen through a queue
//! that lags and a /proc that is ahead. Tests and the fuzzer share it.
//!
//! - `machine`: processes, and the events that the kernel generates
//! - `outside`: how the table sees the machine
//! - `witness`: what the table reports, held against what happened

mod machine;
mod outside;
mod script;
#[cfg(test)]
mod tests;
mod witness;

#[cfg(fuzzing)]
pub use script::fuzz;
