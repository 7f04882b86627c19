//! Rust's layout of the public structs: sizes, alignments and offsets, as lines of text in a
//! section of the object file. `make` takes the section out again, and tests/layouts.sh compares it
//! with the layout that the C compiler computes from the header. So no program has to run, and the
//! comparison works for every machine.

use super::connector::{pc_options, pc_stats};
use super::event::*;
use super::table::{pc_change, pc_command, pc_process, pc_table_options};
use super::text::pc_text;
use core::mem::{MaybeUninit, offset_of};

/// The name, two numbers, and spaces.
type Line = [u8; 64];

const fn line(name: &str, first: usize, second: usize) -> Line {
    let mut line = [b' '; 64];
    let mut at = 0;
    while at < name.len() {
        line[at] = name.as_bytes()[at];
        at += 1;
    }
    decimal(&mut line, 56, first);
    decimal(&mut line, 62, second);
    line[63] = b'\n';
    line
}

/// Writes a number whose last digit is at `at`. (C takes a number that begins with 0 for an octal one.)
const fn decimal(line: &mut Line, mut at: usize, mut number: usize) {
    loop {
        assert!(line[at] == b' ');
        line[at] = b'0' + (number % 10) as u8;
        number /= 10;
        at -= 1;
        if number == 0 {
            return;
        }
    }
}

const fn size_of_target<T>(_: *const T) -> usize {
    size_of::<T>()
}

macro_rules! layouts {
    ($($type:ident: $($field:ident)*;)*) => { &[ $(
        line(stringify!($type), size_of::<$type>(), align_of::<$type>()),
        $(line(concat!(stringify!($type), ".", stringify!($field)), offset_of!($type, $field), {
            let value = MaybeUninit::<$type>::uninit();
            // SAFETY: the address of a field of a local; nothing is read.
            size_of_target(unsafe { &raw const (*value.as_ptr()).$field })
        }),)*
    )* ] };
}

const LINES: &[Line] = layouts! {
    pc_event_fork: parent_pid parent_tgid child_pid child_tgid;
    pc_event_exec: pid tgid;
    pc_event_exit: pid tgid exit_code exit_signal parent_pid parent_tgid;
    pc_event_uid: pid tgid ruid euid;
    pc_event_gid: pid tgid rgid egid;
    pc_event_sid: pid tgid;
    pc_event_ptrace: pid tgid tracer_pid tracer_tgid;
    pc_event_comm: pid tgid comm;
    pc_event_coredump: pid tgid parent_pid parent_tgid;
    pc_event_overrun: lost since_ns reason reserved;
    pc_event_unknown: what size raw;
    pc_event_data: fork exec exit uid gid sid ptrace comm coredump overrun unknown;
    pc_event: kind cpu timestamp_ns seq reserved data;
    pc_options: size events flags rcvbuf_bytes spin_us;
    pc_stats: received filtered lost foreign malformed repaired rcvbuf_bytes hidden reserved2;
    pc_table_options: size fields flags rcvbuf_bytes max_work max_watches proc_fd spin_us family text_bytes reserved;
    pc_process: id parent_id start_boottime_ns user pid parent_pid session valid ruid euid rgid egid comm state
        reserved sequence pidfd_inode reserved2;
    pc_change: kind flags timestamp_ns lost since_ns exit_code hidden sequence reserved2 process;
    pc_command: command_line executable command_line_length executable_length command_line_error executable_error
        flags reserved;
    pc_text: what error buffer size length;
};

/// No function of the library refers to this, so the shared library does not have it.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".pc_layouts")]
static proc_connector_layouts: [Line; LINES.len()] = *LINES.first_chunk().expect("its own length");
