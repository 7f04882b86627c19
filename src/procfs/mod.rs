//! Everything that reads /proc.

pub(crate) mod namespace;
pub(crate) mod stat;
#[cfg(feature = "table")]
pub(crate) mod status;
