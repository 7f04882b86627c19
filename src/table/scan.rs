//! Reading all of /proc, a few processes at a time: which process is next. Pure.

/// Events were lost, or the caller asked for a rescan: the table may differ from /proc.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Doubt {
    pub lost: u64,
    /// Since when events may be missing; `None` if none are known to be.
    pub since_ns: Option<u64>,
    pub noticed_ns: u64,
    /// The kernel had reported to nobody for a while.
    pub is_deaf: bool,
}

impl Doubt {
    /// Nothing was lost by then.
    pub(super) const fn at(noticed_ns: u64) -> Self {
        Self { lost: 0, since_ns: None, noticed_ns, is_deaf: false }
    }
}

/// Why a scan runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// The table was opened. This scan only finds processes; later ones compare, too.
    Opening,
    /// There was a [`Doubt`].
    Doubt,
}

/// A scan, and how far it has come. `done` is the pid that was dealt with last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scan {
    Off {
        ended_ns: u64,
    },
    /// It looks at every process, in the order of pids.
    Listing {
        cause: Cause,
        done: i32,
    },
    /// It reports the processes that were not known.
    Reporting {
        cause: Cause,
        done: i32,
    },
    /// It waits until the processes that exited before its end have left the table.
    Settling {
        cause: Cause,
        ended_ns: u64,
    },
}

/// How long a flood of events may put off the scan that heals a loss.
const DELAY_NS: u64 = 100_000_000;

/// How many events are handled between two steps of a scan, so that neither waits for the other.
const EVENTS_PER_STEP: u32 = 16;

/// When a scan takes its next step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// Before any event is handled.
    Now,
    /// When no event is pending.
    WhenQuiet,
    Never,
}

impl Scan {
    /// The scan of a table that was just opened.
    pub(super) const FIRST: Self = Self::Listing { cause: Cause::Opening, done: 0 };

    /// Whether processes that turn up now have been there since the table was opened.
    pub(super) const fn is_first(&self) -> bool {
        matches!(
            self,
            Self::Listing { cause: Cause::Opening, .. }
                | Self::Reporting { cause: Cause::Opening, .. }
                | Self::Settling { cause: Cause::Opening, .. }
        )
    }

    /// When the next step is due. `oldest_exit_ns` is when the first of the processes that are
    /// leaving the table exited, `events` how many have been handled since the last step.
    pub(super) fn due(
        &self,
        doubt: Option<&Doubt>,
        oldest_exit_ns: Option<u64>,
        events: u32,
        now_ns: impl FnOnce() -> u64,
    ) -> Due {
        match *self {
            Self::Settling { ended_ns, .. } if oldest_exit_ns.is_none_or(|at| at > ended_ns) => {
                Due::Now
            }
            // Report every process that exists before any event.
            Self::Listing { .. } | Self::Reporting { .. } if self.is_first() => Due::Now,
            Self::Listing { .. } | Self::Reporting { .. } if events >= EVENTS_PER_STEP => Due::Now,
            Self::Off { ended_ns } => match doubt {
                Some(doubt) => {
                    let last_ns = doubt.noticed_ns.max(ended_ns);
                    let is_late = now_ns().saturating_sub(last_ns) > DELAY_NS;
                    if is_late { Due::Now } else { Due::WhenQuiet }
                }
                None => Due::Never,
            },
            _ => Due::WhenQuiet,
        }
    }
}

/// What a scan does next while it lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Visit {
    /// A process of the table that /proc did not list. It may have started after the list was made.
    Unlisted(i32),
    Listed(i32),
    /// Every process has been visited.
    End,
}

/// Merges what /proc lists with what the table has, both in the order of pids: `listed` and `known`
/// are the next of each.
pub(super) const fn visit(listed: Option<i32>, known: Option<i32>) -> Visit {
    match (listed, known) {
        (None, Some(known)) => Visit::Unlisted(known),
        (Some(listed), Some(known)) if known < listed => Visit::Unlisted(known),
        (Some(listed), _) => Visit::Listed(listed),
        (None, None) => Visit::End,
    }
}
