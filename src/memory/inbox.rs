//! Buffers for received datagrams, the headers that recvmmsg(2) needs for them, and what was
//! received last. The caller passes a closure, which makes the system call.

use super::heap;
use crate::errno::Errno;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// The buffers, and the headers that point to them.
///
/// The pointers among them are written once. The kernel changes none of them: its only lasting
/// change is to `msg_namelen`, which netlink sets to the value that it had.
#[repr(C, align(64))]
struct Buffers<const SIZE: usize, const COUNT: usize> {
    datagrams: [[u8; SIZE]; COUNT],
    headers: [libc::mmsghdr; COUNT],
    vectors: [libc::iovec; COUNT],
    senders: [libc::sockaddr_nl; COUNT],
}

/// Room for `COUNT` datagrams of `SIZE` bytes each. Of a longer datagram the first `SIZE` bytes are
/// kept.
///
/// No reference to all of the buffers is ever formed, because it would claim that nothing else
/// points to them. The kernel uses the headers' pointers.
pub(crate) struct Inbox<const SIZE: usize, const COUNT: usize> {
    buffers: NonNull<Buffers<SIZE, COUNT>>,
}

// SAFETY: the inbox owns its buffers, and nothing outside of them points into them.
unsafe impl<const SIZE: usize, const COUNT: usize> Send for Inbox<SIZE, COUNT> {}

/// A received datagram and its sender.
pub(crate) struct Datagram<'a> {
    pub bytes: &'a [u8],
    /// On netlink the sender's port, which is 0 for the kernel. Otherwise without meaning.
    pub sender: u32,
}

/// Headers for recvmmsg(2), each of which points to a buffer of its own. As long as they exist,
/// nothing else uses the buffers.
pub(crate) struct Headers<'a> {
    first: NonNull<libc::mmsghdr>,
    count: usize,
    inbox: PhantomData<&'a mut libc::mmsghdr>,
}

impl Headers<'_> {
    /// The first of the headers. The pointers in them must not be changed.
    pub(crate) const fn as_ptr(&self) -> *mut libc::mmsghdr {
        self.first.as_ptr()
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }
}

impl<const SIZE: usize, const COUNT: usize> Inbox<SIZE, COUNT> {
    pub(crate) fn new() -> Result<Self, Errno> {
        let inbox = Self { buffers: heap::allocate::<Buffers<SIZE, COUNT>>()? };
        // SAFETY: the memory is allocated for one Buffers, which consists of integers and pointers,
        // for which zeroes are valid. Writing all of it now spares the first receptions the page
        // faults.
        unsafe { inbox.buffers.write_bytes(0, 1) };
        let all = inbox.buffers.as_ptr();
        for i in 0..COUNT {
            // SAFETY: the buffers were written above, and no reference to any of them exists.
            unsafe {
                let vector = &raw mut (*all).vectors[i];
                (*vector).iov_base = (&raw mut (*all).datagrams[i]).cast();
                (*vector).iov_len = SIZE;
                let header = &raw mut (*all).headers[i].msg_hdr;
                (*header).msg_iov = vector;
                (*header).msg_iovlen = 1;
            }
        }
        Ok(inbox)
    }

    /// Makes batches record their senders. For netlink only: an AF_UNIX address may be longer than
    /// its place here. The kernel would write the longer length back to `msg_namelen`, and use that
    /// as the size of the place the next time.
    pub(crate) fn record_senders(&mut self) {
        let all = self.buffers.as_ptr();
        for i in 0..COUNT {
            // SAFETY: new() initialised the buffers, and `self` is borrowed exclusively, so that no
            // reference to any of them exists.
            unsafe {
                let header = &raw mut (*all).headers[i].msg_hdr;
                (*header).msg_name = (&raw mut (*all).senders[i]).cast();
                (*header).msg_namelen = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
            }
        }
    }

    /// Receives one datagram. `receive` writes it and its sender, and returns its size.
    #[inline]
    pub(crate) fn receive_one(
        &mut self,
        receive: impl FnOnce(&mut [u8], &mut libc::sockaddr_nl) -> Result<u32, Errno>,
    ) -> Result<u32, Errno> {
        let all = self.buffers.as_ptr();
        // SAFETY: new() initialised the buffers. `self` is borrowed exclusively, so that no other
        // reference to these two exists, and they do not overlap.
        let (buffer, sender) = unsafe { (&mut (*all).datagrams[0], &mut (*all).senders[0]) };
        let size = receive(buffer, sender)?;
        // SAFETY: the header is initialised, and the two references above do not include it.
        unsafe { (*all).headers[0].msg_len = size };
        Ok(1)
    }

    /// Receives up to `count` datagrams. `receive` makes the kernel fill the buffers that the
    /// headers point to, and returns the number of datagrams.
    #[inline]
    pub(crate) fn receive_many(
        &mut self,
        count: usize,
        receive: impl FnOnce(Headers<'_>) -> Result<u32, Errno>,
    ) -> Result<u32, Errno> {
        let all = self.buffers.as_ptr();
        // SAFETY: only an address inside of the allocation is computed, which is not null.
        let first = unsafe { NonNull::new_unchecked((&raw mut (*all).headers).cast()) };
        receive(Headers { first, count: count.min(COUNT), inbox: PhantomData })
    }

    /// One of the datagrams received last.
    #[inline]
    pub(crate) fn datagram(&self, index: usize) -> Datagram<'_> {
        let (all, index) = (self.buffers.as_ptr(), index % COUNT);
        // SAFETY: new() initialised the buffers. `self` is borrowed, so that nothing writes to them
        // as long as the datagram is in use.
        let (datagram, size, sender) = unsafe {
            (&(*all).datagrams[index], (*all).headers[index].msg_len, (*all).senders[index].nl_pid)
        };
        Datagram { bytes: datagram.get(..size as usize).unwrap_or_default(), sender }
    }
}

impl<const SIZE: usize, const COUNT: usize> Drop for Inbox<SIZE, COUNT> {
    fn drop(&mut self) {
        // SAFETY: new() allocated the buffers, and nothing borrows from an inbox that is dropped.
        unsafe { heap::release(self.buffers) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type SmallInbox = Inbox<8, 4>;

    /// Does what recvmmsg(2) does: writes each datagram through the pointers in its header.
    fn deliver(headers: &Headers<'_>, datagrams: &[(u32, &[u8])]) -> u32 {
        let count = headers.len().min(datagrams.len());
        for (i, (sender, bytes)) in datagrams.iter().take(count).enumerate() {
            // SAFETY: headers, vectors and buffers belong to an inbox, which `headers` borrows.
            unsafe {
                let header = headers.as_ptr().add(i);
                let vector = (*header).msg_hdr.msg_iov;
                let size = bytes.len().min((*vector).iov_len);
                let buffer = (*vector).iov_base.cast::<u8>();
                buffer.copy_from_nonoverlapping(bytes.as_ptr(), size);
                let name = (*header).msg_hdr.msg_name.cast::<libc::sockaddr_nl>();
                if !name.is_null() {
                    assert_eq!((*header).msg_hdr.msg_namelen, 12);
                    (*name).nl_pid = *sender;
                }
                (*header).msg_len = size as u32;
            }
        }
        count as u32
    }

    fn receive(inbox: &mut SmallInbox, count: usize, datagrams: &[(u32, &[u8])]) -> u32 {
        inbox.receive_many(count, |headers| Ok(deliver(&headers, datagrams))).expect("datagrams")
    }

    #[test]
    fn a_batch_is_received_into_buffers_of_its_own_with_sizes_and_senders() {
        let mut inbox = SmallInbox::new().expect("memory");
        inbox.record_senders();
        for round in 0..3 {
            let datagrams: [(u32, &[u8]); 3] = [(0, b"one"), (round, b""), (9, b"a long one")];
            assert_eq!(receive(&mut inbox, 4, &datagrams), 3);
            let seen: [(&[u8], u32); 3] =
                [0, 1, 2].map(|i| (inbox.datagram(i).bytes, inbox.datagram(i).sender));
            assert_eq!(seen, [(&b"one"[..], 0), (b"", round), (b"a long o", 9)]);
        }
    }

    #[test]
    fn one_datagram_and_batches_can_take_turns() {
        let mut inbox = SmallInbox::new().expect("memory");
        inbox.record_senders();
        for _ in 0..2 {
            let one = inbox.receive_one(|buffer, sender| {
                buffer[..5].copy_from_slice(b"alone");
                sender.nl_pid = 7;
                Ok(5)
            });
            assert_eq!(one, Ok(1));
            let datagram = inbox.datagram(0);
            assert_eq!((datagram.bytes, datagram.sender), (&b"alone"[..], 7));
            assert_eq!(receive(&mut inbox, 4, &[(0, b"first"), (0, b"second")]), 2);
            assert_eq!((inbox.datagram(0).bytes, inbox.datagram(0).sender), (&b"first"[..], 0));
            assert_eq!(inbox.datagram(1).bytes, b"second");
        }
    }

    #[test]
    fn a_batch_is_no_larger_than_the_inbox_and_no_larger_than_asked_for() {
        let mut inbox = SmallInbox::new().expect("memory");
        let many: [(u32, &[u8]); 6] = [(0, b"x"); 6];
        assert_eq!(receive(&mut inbox, 6, &many), 4);
        assert_eq!(receive(&mut inbox, 2, &many), 2);
    }

    #[test]
    fn senders_are_not_recorded_unless_asked_for() {
        let mut inbox = SmallInbox::new().expect("memory");
        assert_eq!(receive(&mut inbox, 4, &[(5, b"x")]), 1);
        assert_eq!(inbox.datagram(0).sender, 0);
    }

    #[test]
    fn a_failed_reception_is_passed_on() {
        let mut inbox = SmallInbox::new().expect("memory");
        let failure = Err(Errno(libc::EAGAIN));
        assert_eq!(inbox.receive_one(|_, _| failure), failure);
        assert_eq!(inbox.receive_many(4, |_| failure), failure);
    }

    #[test]
    fn a_size_that_no_buffer_has_is_an_empty_datagram() {
        let mut inbox = SmallInbox::new().expect("memory");
        assert_eq!(inbox.receive_one(|_, _| Ok(9)), Ok(1));
        assert_eq!(inbox.datagram(0).bytes, b"");
    }
}
