//! A subscription to process events, its queue and its statistics.
//!
//! A handle has two halves: [`Connector`], which any thread may use at any time, and [`Receiver`],
//! which belongs to the one thread that receives. [`open`] and [`adopt`] make both at once.
//!
//! Each file imports only files of lower rows:
//!
//! | | |
//! |---|---|
//! | `open` | makes a handle, on a new socket or an adopted one |
//! | `adoption`, `receiver` | takes over a socket; the receiving half |
//! | `shared` | the half for any thread |
//! | `transport` | what a handle's socket is |
//! | `handshake` | the kernel's requests and answers |
//! | `options`, `loss`, `subscription`, `counters`, `wide` | values and judgements, without I/O |

mod adoption;
mod counters;
mod handshake;
mod loss;
mod open;
mod options;
mod receiver;
mod shared;
mod subscription;
mod transport;
mod wide;

pub(crate) use open::open_on;
pub(crate) use options::OpenOptions;
#[cfg(feature = "std")]
pub(crate) use receiver::Sink;
#[cfg(feature = "capi")]
pub(crate) use receiver::{BATCH, Reception};
pub(crate) use receiver::{Receiver, receive};
pub(crate) use shared::Connector;
