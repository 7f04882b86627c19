//! Where datagrams are received: one by recvfrom(), several by recvmmsg().

use super::{Fd, check};
use crate::errno::Errno;
use crate::protocol::wire::DATAGRAM_MAX;
use core::ptr::{NonNull, null_mut};

/// The most datagrams that one system call receives.
pub(crate) const BATCH: usize = 64;

/// Buffers, and the headers that point to them. Prepared once: the kernel's only lasting change is
/// to `msg_namelen`, which netlink sets to what it was.
#[repr(C, align(64))]
struct Slots {
    datagrams: [[u8; DATAGRAM_MAX]; BATCH],
    headers: [libc::mmsghdr; BATCH],
    vectors: [libc::iovec; BATCH],
    senders: [libc::sockaddr_nl; BATCH],
}

/// The datagrams received last.
pub(crate) struct Inbox {
    slots: NonNull<Slots>,
}

// SAFETY: the inbox owns its slots; nothing else points into them.
unsafe impl Send for Inbox {}

/// A datagram and who sent it.
pub(crate) struct Datagram<'a> {
    pub bytes: &'a [u8],
    /// On netlink the sender's port: 0 is the kernel.
    pub sender: u32,
}

impl Inbox {
    pub(crate) fn new() -> Result<Self, Errno> {
        let slots = crate::memory::allocate::<Slots>()?;
        // SAFETY: allocated for one Slots, which is plain integers and pointers: zeroes are a
        // value. Writing it now spares the first receives the page faults.
        unsafe { slots.write_bytes(0, 1) };
        let mut inbox = Self { slots };
        let slots = inbox.slots_mut();
        for i in 0..BATCH {
            slots.vectors[i] = libc::iovec {
                iov_base: slots.datagrams[i].as_mut_ptr().cast(),
                iov_len: DATAGRAM_MAX,
            };
            let header = &mut slots.headers[i].msg_hdr;
            header.msg_iov = &raw mut slots.vectors[i];
            header.msg_iovlen = 1;
        }
        Ok(inbox)
    }

    /// Has batches tell their senders. Only on netlink may they: an AF_UNIX address may be longer
    /// than its place here, and its length, which the kernel writes back, would be taken for the
    /// place's the next time.
    pub(crate) fn ask_for_senders(&mut self) {
        let slots = self.slots_mut();
        for (header, sender) in slots.headers.iter_mut().zip(&mut slots.senders) {
            header.msg_hdr.msg_name = (&raw mut *sender).cast();
            header.msg_hdr.msg_namelen = size_of_val(sender) as libc::socklen_t;
        }
    }

    const fn slots(&self) -> &Slots {
        // SAFETY: allocated and initialised in new(), owned until drop().
        unsafe { self.slots.as_ref() }
    }

    const fn slots_mut(&mut self) -> &mut Slots {
        // SAFETY: as in slots().
        unsafe { self.slots.as_mut() }
    }

    /// Receives up to `count` datagrams that wait already; `EAGAIN` when there is none.
    #[inline]
    pub(crate) fn receive(&mut self, socket: &Fd, count: usize) -> Result<u32, Errno> {
        if count == 1 { self.receive_one(socket) } else { self.receive_many(socket, count) }
    }

    #[inline]
    pub(crate) fn receive_one(&mut self, socket: &Fd) -> Result<u32, Errno> {
        let slots = self.slots_mut();
        let (buffer, sender) = (&mut slots.datagrams[0], &mut slots.senders[0]);
        let mut address_size = size_of_val(sender) as libc::socklen_t;
        // SAFETY: the buffer and its size, the address and its size.
        slots.headers[0].msg_len = check(unsafe {
            libc::recvfrom(
                socket.raw(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
                (&raw mut *sender).cast(),
                &mut address_size,
            )
        } as i64)?;
        Ok(1)
    }

    fn receive_many(&mut self, socket: &Fd, count: usize) -> Result<u32, Errno> {
        let count = count.min(BATCH);
        let headers = self.slots_mut().headers.as_mut_ptr();
        // SAFETY: `count` headers, all of which point to buffers of this inbox.
        check(unsafe {
            libc::recvmmsg(socket.raw(), headers, count as u32, libc::MSG_DONTWAIT as _, null_mut())
        })
    }

    /// One of the datagrams received last.
    #[inline]
    pub(crate) fn datagram(&self, index: usize) -> Datagram<'_> {
        let (slots, index) = (self.slots(), index % BATCH);
        let size = slots.headers[index].msg_len as usize;
        Datagram {
            bytes: slots.datagrams[index].get(..size).unwrap_or_default(),
            sender: slots.senders[index].nl_pid,
        }
    }
}

impl Drop for Inbox {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: allocated in new(), and nothing borrows it any more.
        unsafe { crate::memory::release(self.slots) };
    }
}
