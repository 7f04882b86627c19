//! A filter as a classic BPF program, so that the kernel queues only what is wanted.

use super::event::kind;
use super::filter::{Filter, NONZERO_EXIT};
use super::request::answer_to;
use super::wire::{
    CN_IDX_PROC, CN_VAL_PROC, LAYOUTS, Layout, PROC_EVENT_EXIT, PROC_EVENT_FORK, PROC_EVENT_NONE,
    PROC_EVENT_OFFSET, SIZE_NLMSGHDR,
};
use libc::sock_filter;

// Where the fields are in a datagram. The kernel rejects a datagram that ends before a loaded word.
const IDX: u32 = SIZE_NLMSGHDR as u32;
const VAL: u32 = IDX + 4;
const ACK: u32 = IDX + 12;
const WHAT: u32 = PROC_EVENT_OFFSET as u32;
const PID: u32 = WHAT + 16;
const TGID: u32 = PID + 4;
const CHILD_PID: u32 = PID + 8;
const EXIT_CODE: u32 = PID + 8;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_IF_EQUAL_X: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_X) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
/// BPF_TAX is 0. Older versions of the libc crate, such as Debian 13 has, do not name it.
const TAX: u16 = libc::BPF_MISC as u16;

/// How many processes a program can name whose threads are not wanted.
#[cfg(feature = "table")]
pub(crate) const UNHEARD_MAX: usize = 8;
#[cfg(not(feature = "table"))]
const UNHEARD_MAX: usize = 0;

/// The longest program: the prologue, nine kinds with at most 10 instructions each, two for each
/// process whose threads are not wanted, a verdict.
const CAPACITY: usize = 7 + 9 * 10 + 2 * UNHEARD_MAX + 1;

const REJECT: sock_filter = verdict(false);
const ADMIT: sock_filter = verdict(true);
const COPY_TO_X: sock_filter = instruction(TAX, 0, 0, 0);
const COMPARE_WITH_X: sock_filter = instruction(JUMP_IF_EQUAL_X, 0, 0, 0);

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

const fn load(offset: u32) -> sock_filter {
    instruction(LOAD, 0, 0, offset)
}

/// Skips `equal` instructions if the loaded word has this value, and `other` ones if not. Classic BPF loads
/// words as big-endian, but the connector's are native.
const fn compare(value: u32, equal: u8, other: u8) -> sock_filter {
    instruction(JUMP_IF_EQUAL, equal, other, value.to_be())
}

const fn verdict(admit: bool) -> sock_filter {
    instruction(RETURN, 0, 0, if admit { u32::MAX } else { 0 })
}

/// A program that admits nothing. Before Linux 6.6 a member of the group that is not subscribed
/// still receives everything that others have subscribed to.
pub(crate) static ADMITTING_NOTHING: [sock_filter; 1] = [REJECT];

/// A classic BPF program for a socket.
pub(crate) struct Program {
    instructions: [sock_filter; CAPACITY],
    len: usize,
}

impl Program {
    /// Makes the kernel queue exactly the events that [`Filter::admits`].
    ///
    /// The program rejects everything that is not a process event, above all acknowledgements. The
    /// kernel sends these to every listener, and any process can cause them by the million.
    ///
    /// It also rejects the FORKs of the threads of `unheard` processes, of which 0 is none.
    pub(crate) fn admit(&mut self, filter: Filter, unheard: &[i32]) {
        self.require(IDX, CN_IDX_PROC);
        self.require(VAL, CN_VAL_PROC);
        self.push(load(WHAT));
        self.push(compare(PROC_EVENT_NONE, 0, 1));
        self.push(REJECT);
        for layout in &LAYOUTS {
            self.judge(filter, layout, unheard);
        }
        self.push(verdict(filter.wants(kind::UNKNOWN)));
    }

    /// Admits only the acknowledgement of the request with `token`.
    pub(crate) fn admit_answer_to(&mut self, token: u32) {
        // This rejects all events as soon as possible: the kernel runs the program for each of them.
        self.require(WHAT, PROC_EVENT_NONE);
        self.require(ACK, answer_to(token));
        self.push(ADMIT);
    }

    pub(crate) fn instructions(&self) -> &[sock_filter] {
        self.instructions.get(..self.len).unwrap_or_default()
    }

    pub(crate) const fn empty() -> Self {
        Self { instructions: [instruction(0, 0, 0, 0); CAPACITY], len: 0 }
    }

    /// Judges one kind, whose `what` has been loaded, and skips to its end for any other.
    fn judge(&mut self, filter: Filter, layout: &Layout, unheard: &[i32]) {
        let wanted = filter.wants(layout.kind());
        if wanted == filter.wants(kind::UNKNOWN) && (!wanted || filter.flags == 0) {
            return; // The verdict at the end of the program is right for this kind too.
        }
        let begin = self.push(compare(layout.what, 0, 0));
        if wanted && filter.has(NONZERO_EXIT) && layout.what == PROC_EVENT_EXIT {
            self.push(load(EXIT_CODE));
            self.push(compare(0, 0, 1));
            self.push(REJECT);
        }
        let discards = filter.discards_threads(layout.kind());
        let is_fork = layout.what == PROC_EVENT_FORK;
        if wanted && (discards || is_fork && unheard.iter().any(|tgid| *tgid != 0)) {
            let pid = if is_fork { CHILD_PID } else { PID };
            self.push(load(pid));
            self.push(COPY_TO_X);
            self.push(load(pid + TGID - PID));
            let is_leader = self.push(COMPARE_WITH_X);
            if discards {
                self.push(REJECT);
            } else {
                for tgid in unheard.iter().filter(|tgid| **tgid != 0) {
                    self.push(compare(*tgid as u32, 0, 1));
                    self.push(REJECT);
                }
            }
            let length = self.len - is_leader - 1;
            if let Some(compare) = self.instructions.get_mut(is_leader) {
                compare.jt = length as u8;
            }
        }
        self.push(verdict(wanted));
        let length = self.len - begin - 1;
        if let Some(compare) = self.instructions.get_mut(begin) {
            compare.jf = length as u8;
        }
    }

    /// Rejects a datagram whose word at `offset` has another value.
    fn require(&mut self, offset: u32, value: u32) {
        self.push(load(offset));
        self.push(compare(value, 1, 0));
        self.push(REJECT);
    }

    /// Adds an instruction, and returns its index.
    #[inline(never)]
    fn push(&mut self, instruction: sock_filter) -> usize {
        let index = self.len;
        if let Some(free) = self.instructions.get_mut(index) {
            *free = instruction;
            self.len += 1;
        }
        index
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "table")]
    use super::super::filter::NO_THREADS;
    use super::super::request::{Length, PROC_CN_MCAST_LISTEN, Request};
    use super::super::wire;
    use super::*;
    use proptest::prelude::*;

    fn admitting(filter: Filter) -> Program {
        let mut program = Program::empty();
        program.admit(filter, &[]);
        program
    }

    /// What the kernel would do with the program; `None` for an instruction that no program here
    /// has.
    fn run(program: &[sock_filter], packet: &[u8]) -> Option<bool> {
        let (mut a, mut x, mut next) = (0, 0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = *program.get(next)?;
            next += 1;
            match code {
                LOAD => match packet.get(k as usize..).and_then(<[u8]>::first_chunk) {
                    Some(word) => a = u32::from_be_bytes(*word),
                    None => return Some(false),
                },
                TAX => x = a,
                JUMP_IF_EQUAL => next += usize::from(if a == k { jt } else { jf }),
                JUMP_IF_EQUAL_X => next += usize::from(if a == x { jt } else { jf }),
                RETURN => return Some(k != 0),
                _ => return None,
            }
        }
    }

    /// An event datagram as kernels send it.
    fn datagram(what: u32, union: [u32; 6]) -> Vec<u8> {
        let mut words = vec![76, 3, 0, 0, CN_IDX_PROC, CN_VAL_PROC, 9, 0, 40, what, 1, 2, 3];
        words.extend(union);
        words.into_iter().flat_map(u32::to_ne_bytes).collect()
    }

    fn whats() -> impl Strategy<Value = u32> {
        let known = LAYOUTS.map(|layout| layout.what);
        prop_oneof![8 => prop::sample::select(known.to_vec()), 1 => any::<u32>(), 1 => Just(0)]
    }

    fn filters() -> impl Strategy<Value = Filter> {
        let bits = Filter::EVERYTHING.mask;
        (any::<u32>(), 0..4_u32, any::<bool>()).prop_map(move |(mask, flags, thread_forks)| {
            let filter = Filter::new(mask & bits, flags).expect("valid bits");
            #[cfg(feature = "table")]
            let filter = if thread_forks { filter.with_thread_forks() } else { filter };
            #[cfg(not(feature = "table"))]
            let _ = thread_forks;
            filter
        })
    }

    proptest! {
        #[test]
        fn the_kernels_program_and_the_filter_agree_on_every_event(
            filter in filters(),
            what in whats(),
            union in prop::array::uniform6(0..3_u32),
        ) {
            let datagram = datagram(what, union);
            let admitted = wire::parse(&datagram)
                .expect("a whole datagram")
                .is_some_and(|event| filter.admits(&event));
            prop_assert_eq!(run(admitting(filter).instructions(), &datagram), Some(admitted));
        }

        #[test]
        fn every_program_ends_with_a_verdict_on_any_bytes(
            filter in filters(),
            bytes in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            prop_assert!(run(admitting(filter).instructions(), &bytes).is_some());
        }
    }

    #[cfg(feature = "table")]
    #[test]
    fn a_program_rejects_the_forks_of_threads_of_unheard_processes_alone() {
        let filter = Filter::new(0, NO_THREADS).expect("valid bits").with_thread_forks();
        let unheard: Vec<i32> = (1..=UNHEARD_MAX as i32).collect();
        let mut program = Program::empty();
        program.admit(filter, &unheard);
        assert!(program.len < CAPACITY);
        for tgid in 1..20 {
            let fork = |pid| datagram(PROC_EVENT_FORK, [1, 1, pid, tgid, 0, 0]);
            let is_unheard = unheard.contains(&(tgid as i32));
            assert_eq!(run(program.instructions(), &fork(tgid)), Some(true));
            assert_eq!(run(program.instructions(), &fork(99)), Some(!is_unheard));
        }
    }

    #[test]
    fn the_program_of_every_filter_fits() {
        let masks = (2..1 << 12).filter(|mask| mask & !Filter::EVERYTHING.mask == 0);
        // Miri is too slow for all masks.
        for mask in masks.step_by(if cfg!(miri) { 100 } else { 1 }) {
            for flags in 0..4 {
                let filter = Filter::new(mask, flags).expect("valid bits");
                assert!(admitting(filter).len < CAPACITY);
            }
        }
    }

    #[test]
    fn the_program_of_a_paused_socket_rejects_events() {
        assert_eq!(run(&ADMITTING_NOTHING, &datagram(PROC_EVENT_FORK, [0; 6])), Some(false));
    }

    #[test]
    fn the_program_of_a_helper_socket_admits_the_answer_to_its_own_token_alone() {
        let mut program = Program::empty();
        program.admit_answer_to(0x0102_0303);
        let run = |packet: &[u8]| run(program.instructions(), packet);
        let mut answer = datagram(PROC_EVENT_NONE, [0; 6]);
        assert_eq!(run(&answer), Some(false));
        answer[28..32].copy_from_slice(&0x0102_0304_u32.to_ne_bytes());
        assert_eq!(run(&answer), Some(true));
        answer[36..40].copy_from_slice(&PROC_EVENT_FORK.to_ne_bytes());
        assert_eq!(run(&answer), Some(false));
        let request = Request::new(PROC_CN_MCAST_LISTEN, 0x0102_0304, Length::Short);
        assert_eq!(run(request.as_bytes()), Some(false));
    }
}
