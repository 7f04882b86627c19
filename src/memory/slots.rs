//! Free places for events.

use crate::protocol::event::Event;
use core::mem::{MaybeUninit, take};

/// A place that only a whole event can be put into: so it does not matter whether what is there is
/// an event already.
pub(crate) struct Place<'a>(&'a mut MaybeUninit<Event>);

impl<'a> Place<'a> {
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) const fn new(place: &'a mut MaybeUninit<Event>) -> Self {
        Self(place)
    }

    /// The event that is there is overwritten.
    #[cfg(feature = "std")]
    pub(crate) const fn over(event: &'a mut Event) -> Self {
        let event: *mut Event = event;
        // SAFETY: MaybeUninit<Event> is laid out as Event, the borrow is handed on, and whole
        // events are all that put() writes.
        Self(unsafe { &mut *event.cast() })
    }

    #[inline]
    pub(crate) const fn put(self, event: Event) -> &'a Event {
        self.0.write(event)
    }
}

/// Places that are filled one after the other.
pub(crate) struct Slots<'a>(&'a mut [MaybeUninit<Event>]);

impl<'a> Slots<'a> {
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) const fn new(places: &'a mut [MaybeUninit<Event>]) -> Self {
        Self(places)
    }

    /// The events that are there are overwritten.
    #[cfg(any(feature = "std", feature = "table"))]
    pub(crate) const fn over(events: &'a mut [Event]) -> Self {
        let events: *mut [Event] = events;
        // SAFETY: as in Place::over(), whose put() is what writes here.
        Self(unsafe { &mut *(events as *mut [MaybeUninit<Event>]) })
    }

    /// How many are free.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The next one, which stays free until [`keep`](Self::keep).
    #[inline]
    pub(crate) fn place(&mut self) -> Option<Place<'_>> {
        self.0.first_mut().map(Place)
    }

    /// Keeps what is in the next one.
    #[inline]
    pub(crate) fn keep(&mut self) {
        self.0 = take(&mut self.0).get_mut(1..).unwrap_or_default();
    }

    #[inline]
    pub(crate) fn fill(&mut self, event: Event) {
        if let Some(place) = self.place() {
            place.put(event);
            self.keep();
        }
    }
}
