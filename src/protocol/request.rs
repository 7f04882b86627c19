//! Requests to the kernel, and the acknowledgements that answer them.

use super::event::halves;
use super::wire::{
    CN_IDX_PROC, CN_VAL_PROC, DATAGRAM_SIZE, NLMSG_DONE, PROC_EVENT_NONE, PROC_EVENT_OFFSET,
    is_usual, u32_at,
};

/// Request: start to report events.
pub const PROC_CN_MCAST_LISTEN: u32 = 1;
/// Request: stop reporting events.
pub const PROC_CN_MCAST_IGNORE: u32 = 2;
/// A request that no kernel knows, and that every kernel acknowledges, with an error number.
pub(crate) const PROC_CN_MCAST_PROBE: u32 = 9;

/// The two forms of a request (`cn_proc_mcast_ctl` in `drivers/connector/cn_proc.c`).
#[derive(Clone, Copy)]
pub(crate) enum Length {
    /// Every kernel understands it.
    Short = 4,
    /// With an event mask, which here asks for everything. Kernels before 6.6 ignore the request.
    Long = 8,
}

/// Size of the longest request.
const SIZE_MAX: usize = PROC_EVENT_OFFSET + Length::Long as usize;

/// A request, ready to be sent.
pub(crate) struct Request {
    bytes: [u8; SIZE_MAX],
    size: usize,
}

impl Request {
    /// The acknowledgement of this request will carry [`answer_to`] its `token`.
    pub(crate) fn new(operation: u32, token: u32, length: Length) -> Self {
        let size = PROC_EVENT_OFFSET as u32 + length as u32;
        let message_type = halves(NLMSG_DONE);
        let data_size = halves(length as u16);
        let words =
            [size, message_type, 0, 0, CN_IDX_PROC, CN_VAL_PROC, 0, token, data_size, operation, 0];
        let mut bytes = [0; SIZE_MAX];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        Self { bytes, size: size as usize }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.size).unwrap_or_default()
    }
}

/// What the acknowledgement of a request with this token carries.
pub(crate) const fn answer_to(token: u32) -> u32 {
    token.wrapping_add(1)
}

/// What an acknowledgement carries: [`answer_to`] the token of its request, and an error number, 0
/// on success. `None` for any other datagram.
pub(crate) fn acknowledgement(datagram: &[u8]) -> Option<(u32, i32)> {
    let datagram = datagram.first_chunk::<DATAGRAM_SIZE>()?;
    let is_ack = is_usual(datagram) && u32_at(datagram, PROC_EVENT_OFFSET) == PROC_EVENT_NONE;
    is_ack.then(|| (u32_at(datagram, 28), u32_at(datagram, 52) as i32))
}

#[cfg(test)]
mod tests {
    use super::super::wire::{split_cn_msg, split_message};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_acknowledgement_is_looked_for_in_any_bytes_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = acknowledgement(&bytes);
        }
    }

    #[test]
    fn a_request_is_laid_out_as_the_kernel_reads_it() {
        let request = Request::new(PROC_CN_MCAST_IGNORE, 0x0102_0304, Length::Short);
        let bytes = request.as_bytes();
        assert_eq!(bytes.len(), 40);
        assert_eq!(bytes[28..32], 0x0102_0304_u32.to_ne_bytes());
        let (message_type, body) = split_message(bytes).expect("a message");
        assert_eq!(message_type, NLMSG_DONE);
        let message = split_cn_msg(body).expect("a connector message");
        assert!(message.is_proc());
        assert_eq!((message.seq, message.data), (0, &PROC_CN_MCAST_IGNORE.to_ne_bytes()[..]));

        let request = Request::new(PROC_CN_MCAST_LISTEN, 0, Length::Long);
        let (_, body) = split_message(request.as_bytes()).expect("a message");
        let message = split_cn_msg(body).expect("a connector message");
        assert_eq!(message.data, [PROC_CN_MCAST_LISTEN.to_ne_bytes(), [0; 4]].concat());
    }

    #[test]
    fn the_token_and_the_error_of_an_acknowledgement_are_found_in_a_datagram_of_the_kernels() {
        let words = [76, 3, 0, 0, CN_IDX_PROC, CN_VAL_PROC, 9, answer_to(7), 40, PROC_EVENT_NONE];
        let mut datagram: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
        datagram.resize(DATAGRAM_SIZE, 0);
        datagram[52..56].copy_from_slice(&libc::EINVAL.to_ne_bytes());
        assert_eq!(acknowledgement(&datagram), Some((8, libc::EINVAL)));
        datagram[36] = 1;
        assert_eq!(acknowledgement(&datagram), None, "a FORK is no acknowledgement");
    }
}
