//! Which events are wanted, and the classic BPF program that has the kernel deliver only those.
//!
//! The program and [`Filter::admits`] give the same verdict on every event; a test runs both.

use crate::event::{Event, kind};
use crate::wire::{
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
    #[cfg(any(test, feature = "capi"))]
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
        !(self.flags & NO_THREADS != 0 && event.pid() != event.tgid()
            || self.flags & NONZERO_EXIT != 0 && event.kind == kind::EXIT && event.word(2) == 0)
    }

    const fn wants(self, kind: u32) -> bool {
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
            let mut checks = Program::new();
            if wanted && self.has(NONZERO_EXIT) && layout.what == PROC_EVENT_EXIT {
                checks.load(EXIT_CODE);
                checks.skip_unless_equal(0, 1);
                checks.verdict(false);
            }
            if wanted && self.has(NO_THREADS) {
                let (pid, tgid) = if layout.what == PROC_EVENT_FORK {
                    (CHILD_PID, CHILD_TGID)
                } else {
                    (PID, TGID)
                };
                checks.load(pid);
                checks.push(TAX, 0, 0, 0);
                checks.load(tgid);
                checks.push(JUMP_IF_EQUAL_X, 1, 0, 0);
                checks.verdict(false);
            }
            checks.verdict(wanted);
            program.skip_unless_equal(layout.what, checks.len as u8);
            program.append(&checks);
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

    fn push(&mut self, code: u16, if_true: u8, if_false: u8, operand: u32) {
        if let Some(slot) = self.instructions.get_mut(self.len) {
            *slot = Instruction { code, if_true, if_false, operand };
            self.len += 1;
        }
    }

    fn append(&mut self, other: &Self) {
        for i in other.instructions() {
            self.push(i.code, i.if_true, i.if_false, i.operand);
        }
    }

    fn load(&mut self, offset: u32) {
        self.push(LOAD, 0, 0, offset);
    }

    /// Classic BPF loads words as big-endian; the connector's are native.
    fn skip_unless_equal(&mut self, value: u32, count: u8) {
        self.push(JUMP_IF_EQUAL, 0, count, value.to_be());
    }

    fn verdict(&mut self, admit: bool) {
        self.push(RETURN, 0, 0, if admit { u32::MAX } else { 0 });
    }

    fn require(&mut self, offset: u32, value: u32) {
        self.load(offset);
        self.push(JUMP_IF_EQUAL, 1, 0, value.to_be());
        self.verdict(false);
    }
}
