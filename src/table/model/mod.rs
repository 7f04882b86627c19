//! The table, held against a model of a machine: random deeds of processes, seen through a queue
//! that lags and a /proc that is ahead. Tests and the fuzzer share it.
//!
//! - `step`: what can happen on the machine
//! - `machine`: processes, and what /proc shows of them
//! - `deeds`: what becomes of processes
//! - `events`: the events that the kernel generates, and when it queues them
//! - `outside`: how the table sees the machine
//! - `witness`: what the table reports, held against what happened
//! - `script`: what happens, and its performance

mod deeds;
mod events;
mod machine;
mod outside;
mod script;
mod step;
#[cfg(test)]
mod tests;
mod witness;

#[cfg(fuzzing)]
pub use script::fuzz;
