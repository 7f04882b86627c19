//! How to open a handle.

use crate::protocol::filter::Filter;

/// The queue budget when the caller asks for none: at least 32,000 events on every machine (see `loss.rs`).
pub(super) const DEFAULT_BUDGET: u32 = 36 << 20;

/// How to open a handle.
#[derive(Clone, Copy)]
pub(crate) struct OpenOptions {
    pub filter: Filter,
    /// Queue budget in bytes; `None`: [`DEFAULT_BUDGET`].
    pub budget: Option<u32>,
    /// The previous owner of an adopted socket has subscribed it already.
    pub subscribed: bool,
    /// How long a wait does not sleep.
    #[cfg(feature = "table")]
    pub spin_us: u32,
}
