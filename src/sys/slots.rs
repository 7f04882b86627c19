//! Free places for events.

use crate::event::Event;
use core::mem::MaybeUninit;
use core::slice::IterMut;

/// Places that can only be filled, one after the other: so it does not matter whether what is in
/// them is an event already.
pub(crate) struct Slots<'a>(IterMut<'a, MaybeUninit<Event>>);

impl<'a> Slots<'a> {
    #[inline]
    pub(crate) fn new(places: &'a mut [MaybeUninit<Event>]) -> Self {
        Self(places.iter_mut())
    }

    /// The events that are there are overwritten.
    #[cfg(feature = "std")]
    pub(crate) fn over(events: &'a mut [Event]) -> Self {
        let events: *mut [Event] = events;
        // SAFETY: MaybeUninit<Event> is laid out as Event, the borrow is handed on, and whole
        // events are all that fill() writes.
        Self::new(unsafe { &mut *(events as *mut [MaybeUninit<Event>]) })
    }

    /// How many are free.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) fn fill(&mut self, event: Event) {
        if let Some(place) = self.0.next() {
            place.write(event);
        }
    }
}
