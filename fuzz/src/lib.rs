//! What the fuzz targets share. The model of a datagram and of a filter in here is written from
//! `proc_connector.h` and `linux/cn_proc.h`, not from the library: so they can disagree.

pub mod ffi;
pub mod handle;
pub mod input;
pub mod model;
pub mod sockets;
