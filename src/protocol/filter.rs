//! Which events are wanted, and the classic BPF program that has the kernel deliver only those.
//!
//! The program and [`Filter::admits`] give the same verdict on every event; a test runs both.

use crate::protocol::event::{Event, kind};
use crate::protocol::wire::{
    CN_IDX_PROC, CN_VAL_PROC, LAYOUTS, PROC_EVENT_EXIT, PROC_EVENT_FORK, PROC_EVENT_NONE,
    PROC_EVENT_OFFSET, SIZE_NLMSGHDR,
};

/// The nine kinds that kernels send.
pub const MASK_ALL: u32 = 0x3fe;
/// Kernel events that this version does not know.
pub const MASK_UNKNOWN: u32 = 1 << kind::UNKNOWN;
/// Drop the events of tasks that are not thread-group leaders.
pub const NO_THREADS: u32 = 1 << 0;
/// Drop the exits with code 0.
pub const NONZERO_EXIT: u32 = 1 << 1;

/// Which events are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filter {
    pub(crate) mask: u32,
    pub(crate) flags: u32,
}

impl Filter {
    /// Everything, unknown kinds included.
    pub const EVERYTHING: Self = Self { mask: MASK_ALL | MASK_UNKNOWN, flags: 0 };

    /// A filter from bits `1 << kind` (0: everything) and flags; `None` if one of them is unknown.
    #[must_use]
    #[cfg_attr(not(feature = "capi"), allow(dead_code))] // The Rust face has events().
    pub(crate) const fn new(mask: u32, flags: u32) -> Option<Self> {
        let everything = Self::EVERYTHING.mask;
        if mask & !everything != 0 || flags & !(NO_THREADS | NONZERO_EXIT) != 0 {
            return None;
        }
        Some(Self { mask: if mask == 0 { everything } else { mask }, flags })
    }

    /// Whether a kernel event is wanted.
    #[inline]
    #[must_use]
    pub const fn admits(self, event: &Event) -> bool {
        if !self.wants(event.kind) {
            return false;
        }
        if self.flags == 0 {
            return true;
        }
        !(self.flags & NO_THREADS != 0 && event.is_thread()
            || self.flags & NONZERO_EXIT != 0 && event.kind == kind::EXIT && event.word(2) == 0)
    }

    pub(crate) const fn wants(self, kind: u32) -> bool {
        self.mask.wrapping_shr(kind) & 1 != 0
    }

    const fn has(self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// The program that makes the kernel queue exactly the events that [`admits`](Self::admits).
    ///
    /// It also rejects whatever is no process event, above all the acknowledgements, which the
    /// kernel sends to every listener and which anybody can cause by the million.
    pub(crate) fn program(self) -> Program {
        let mut program = Program::new();
        program.require(IDX, CN_IDX_PROC);
        program.require(VAL, CN_VAL_PROC);
        program.load(WHAT);
        program.skip_unless_equal(PROC_EVENT_NONE, 1);
        program.verdict(false);
        for layout in &LAYOUTS {
            let wanted = self.wants(layout.kind);
            if wanted == self.wants(kind::UNKNOWN) && (!wanted || self.flags == 0) {
                continue; // The last verdict is right for it too.
            }
            let skip = program.len;
            program.skip_unless_equal(layout.what, 0);
            if wanted && self.has(NONZERO_EXIT) && layout.what == PROC_EVENT_EXIT {
                program.load(EXIT_CODE);
                program.skip_unless_equal(0, 1);
                program.verdict(false);
            }
            if wanted && self.has(NO_THREADS) {
                let (pid, tgid) = if layout.what == PROC_EVENT_FORK {
                    (CHILD_PID, CHILD_TGID)
                } else {
                    (PID, TGID)
                };
                program.load(pid);
                program.push(TAX, 0, 0, 0);
                program.load(tgid);
                program.push(JUMP_IF_EQUAL_X, 1, 0, 0);
                program.verdict(false);
            }
            program.verdict(wanted);
            program.skip_to_here(skip);
        }
        program.verdict(self.wants(kind::UNKNOWN));
        program
    }
}

/// The program of a paused socket: nothing passes. (Before Linux 6.6 a member of the group that is
/// not subscribed still hears everything.)
pub(crate) fn nothing() -> Program {
    let mut program = Program::new();
    program.verdict(false);
    program
}

/// The program of a helper socket: only the acknowledgement that carries `token` passes.
pub(crate) fn only_acknowledgement(token: u32) -> Program {
    let mut program = Program::new();
    program.require(IDX, CN_IDX_PROC);
    program.require(VAL, CN_VAL_PROC);
    program.require(WHAT, PROC_EVENT_NONE);
    program.require(ACK, token);
    program.verdict(true);
    program
}

// Where the fields are in a datagram. A load beyond its end rejects it.
const IDX: u32 = SIZE_NLMSGHDR as u32;
const VAL: u32 = IDX + 4;
const ACK: u32 = IDX + 12;
const WHAT: u32 = PROC_EVENT_OFFSET as u32;
const PID: u32 = WHAT + 16;
const TGID: u32 = PID + 4;
const CHILD_PID: u32 = PID + 8;
const CHILD_TGID: u32 = PID + 12;
const EXIT_CODE: u32 = PID + 8;

// linux/bpf_common.h
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_IF_EQUAL_X: u16 = 0x1d; // BPF_JMP | BPF_JEQ | BPF_X
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const TAX: u16 = 0x07; // BPF_MISC | BPF_TAX

/// Laid out as `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

/// The longest program: the prologue, nine kinds with at most 10 instructions each, a verdict.
const CAPACITY: usize = 7 + 9 * 10 + 1;

/// A classic BPF program.
pub(crate) struct Program {
    instructions: [Instruction; CAPACITY],
    len: usize,
}

impl Program {
    const fn new() -> Self {
        const NONE: Instruction = Instruction { code: 0, if_true: 0, if_false: 0, operand: 0 };
        Self { instructions: [NONE; CAPACITY], len: 0 }
    }

    pub(crate) fn instructions(&self) -> &[Instruction] {
        self.instructions.get(..self.len).unwrap_or_default()
    }

    #[inline(never)]
    fn push(&mut self, code: u16, if_true: u8, if_false: u8, operand: u32) {
        if let Some(slot) = self.instructions.get_mut(self.len) {
            *slot = Instruction { code, if_true, if_false, operand };
            self.len += 1;
        }
    }

    #[inline(never)]
    fn load(&mut self, offset: u32) {
        self.push(LOAD, 0, 0, offset);
    }

    /// Classic BPF loads words as big-endian; the connector's are native.
    fn skip_unless_equal(&mut self, value: u32, count: u8) {
        self.push(JUMP_IF_EQUAL, 0, count, value.to_be());
    }

    /// Lets the `skip_unless_equal` at `index` skip everything behind it.
    fn skip_to_here(&mut self, index: usize) {
        let end = self.len;
        if let Some(skip) = self.instructions.get_mut(index) {
            skip.if_false = (end - index - 1) as u8;
        }
    }

    #[inline(never)]
    fn verdict(&mut self, admit: bool) {
        self.push(RETURN, 0, 0, if admit { u32::MAX } else { 0 });
    }

    fn require(&mut self, offset: u32, value: u32) {
        self.load(offset);
        self.push(JUMP_IF_EQUAL, 1, 0, value.to_be());
        self.verdict(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wire::{self, Length, PROC_CN_MCAST_LISTEN};
    use proptest::prelude::*;

    /// What the kernel would do with the program; `None` for an instruction that it has no use of.
    fn run(program: &Program, packet: &[u8]) -> Option<bool> {
        let (mut a, mut x, mut next) = (0, 0, 0);
        loop {
            let Instruction { code, if_true, if_false, operand } =
                *program.instructions().get(next)?;
            next += 1;
            match code {
                LOAD => match packet.get(operand as usize..).and_then(<[u8]>::first_chunk) {
                    Some(word) => a = u32::from_be_bytes(*word),
                    None => return Some(false),
                },
                TAX => x = a,
                JUMP_IF_EQUAL => next += usize::from(if a == operand { if_true } else { if_false }),
                JUMP_IF_EQUAL_X => next += usize::from(if a == x { if_true } else { if_false }),
                RETURN => return Some(operand != 0),
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
        (any::<u32>(), 0..4_u32)
            .prop_map(move |(mask, flags)| Filter::new(mask & bits, flags).expect("valid bits"))
    }

    proptest! {
        #[test]
        fn kernel_and_user_space_agree_on_every_event(
            filter in filters(),
            what in whats(),
            union in prop::array::uniform6(0..3_u32),
        ) {
            let datagram = datagram(what, union);
            let admitted = wire::parsed(&datagram)
                .expect("a whole datagram")
                .is_some_and(|event| filter.admits(&event));
            prop_assert_eq!(run(&filter.program(), &datagram), Some(admitted));
        }

        #[test]
        fn every_program_ends_with_a_verdict_on_any_bytes(
            filter in filters(),
            bytes in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            prop_assert!(run(&filter.program(), &bytes).is_some());
        }
    }

    #[test]
    fn every_program_fits() {
        for mask in (2..1 << 12).filter(|mask| mask & !Filter::EVERYTHING.mask == 0) {
            for flags in 0..4 {
                let filter = Filter::new(mask, flags).expect("valid bits");
                assert!(filter.program().len < CAPACITY);
            }
        }
    }

    #[test]
    fn unknown_bits_are_refused() {
        assert_eq!(Filter::new(1, 0), None);
        assert_eq!(Filter::new(1 << kind::OVERRUN, 0), None);
        assert_eq!(Filter::new(1 << 12, 0), None);
        assert_eq!(Filter::new(0, 4), None);
        assert_eq!(Filter::new(0, 0), Some(Filter::EVERYTHING));
    }

    #[test]
    fn a_paused_socket_hears_nothing() {
        assert_eq!(run(&nothing(), &datagram(PROC_EVENT_FORK, [0; 6])), Some(false));
    }

    #[test]
    fn a_helper_hears_its_own_acknowledgement_alone() {
        let program = only_acknowledgement(0x0102_0304);
        let mut answer = datagram(PROC_EVENT_NONE, [0; 6]);
        assert_eq!(run(&program, &answer), Some(false));
        answer[28..32].copy_from_slice(&0x0102_0304_u32.to_ne_bytes());
        assert_eq!(run(&program, &answer), Some(true));
        answer[36..40].copy_from_slice(&PROC_EVENT_FORK.to_ne_bytes());
        assert_eq!(run(&program, &answer), Some(false));
        let (request, size) = wire::request(PROC_CN_MCAST_LISTEN, 0x0102_0304, Length::Short);
        assert_eq!(run(&program, &request[..size]), Some(false));
    }
}
