//! One readable line per event, and what the lines of events and of changes are made of.

use super::event::{self, Event, kind};
use super::texts::{self, OTHERS};
use core::ffi::CStr;
use core::fmt;

/// "name key=value … cpu=0 seq=7 ts=seconds.nanoseconds", without a line break, in ASCII.
///
/// The standard formatting code is larger than this library, so none of it is used here.
pub(crate) struct Line {
    bytes: [u8; Self::MAX],
    length: usize,
}

/// The text of each kind's data, which [`Line::fill`] fills in.
const TEMPLATES: &[(i32, &CStr)] = &[
    (kind::FORK as i32, c" parent=$i0/$i1 child=$i2/$i3"),
    (kind::EXEC as i32, c" pid=$i0 tgid=$i1"),
    (kind::SID as i32, c" pid=$i0 tgid=$i1"),
    (kind::EXIT as i32, c" pid=$i0 tgid=$i1 $s2 exit_signal=$i3 parent=$i4/$i5"),
    (kind::UID as i32, c" pid=$i0 tgid=$i1 ruid=$u2 euid=$u3"),
    (kind::GID as i32, c" pid=$i0 tgid=$i1 rgid=$u2 egid=$u3"),
    (kind::PTRACE as i32, c" pid=$i0 tgid=$i1 tracer=$i2/$i3"),
    (kind::COMM as i32, c" pid=$i0 tgid=$i1 comm=\"$n2\""),
    (kind::COREDUMP as i32, c" pid=$i0 tgid=$i1 parent=$i2/$i3"),
    (kind::OVERRUN as i32, c" lost=$l0 reason=$u4 since=$t1"),
    (OTHERS, c" what=0x$x0 size=$u1"),
];

static BLOCK: [u8; texts::size(TEMPLATES)] = texts::block(TEMPLATES);

/// The line for an event.
pub(crate) fn format(event: &Event) -> Line {
    let mut line = Line::new();
    line.text(event::name(event.kind));
    line.fill(texts::find(&BLOCK, event.kind.cast_signed()), &event.data);
    if event.kind != kind::OVERRUN {
        line.text(b" cpu=");
        line.digits(u64::from(event.cpu), 1);
        line.text(b" seq=");
        line.digits(u64::from(event.seq), 1);
    }
    line.text(b" ts=");
    line.time(event.timestamp_ns);
    line
}

impl Line {
    /// No line is this long: the longest have eight numbers of 11 digits, or a name of 64 bytes.
    const MAX: usize = 255;

    pub(crate) const fn new() -> Self {
        Self { bytes: [0; Self::MAX], length: 0 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Appends `template` up to its first zero. `$`, a letter and an index stand for a word of the
    /// data.
    ///
    /// | letter | indexed word | shown as |
    /// |---|---|---|
    /// | `i`, `u`, `x` | 32 bits | a signed, unsigned or hexadecimal number |
    /// | `s` | 32 bits | a wait(2) status |
    /// | `n` | 32 bits, the first of four | a name |
    /// | `l`, `t` | 64 bits | a number, a time |
    pub(crate) fn fill(&mut self, mut template: &[u8], data: &[u64]) {
        while let [byte, rest @ ..] = template
            && *byte != 0
        {
            template = rest;
            match template {
                [form, index, rest @ ..] if *byte == b'$' => {
                    self.value(data, *form, usize::from(index - b'0'));
                    template = rest;
                }
                _ => self.byte(*byte),
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
    }

    /// Appends `text` up to its first zero.
    #[inline(never)]
    pub(crate) fn text(&mut self, text: &[u8]) {
        for byte in text.iter().take_while(|byte| **byte != 0) {
            self.byte(*byte);
        }
    }

    fn value(&mut self, data: &[u64], form: u8, index: usize) {
        let word = event::word(data, index);
        let long = data.get(index).copied().unwrap_or(0);
        match form {
            b'i' => self.signed(word.cast_signed()),
            b'u' => self.digits(u64::from(word), 1),
            b'x' => self.hex(word, 8),
            b's' => self.status(word.cast_signed()),
            b'n' => self.name(data, index),
            b'l' => self.digits(long, 1),
            _ => self.time(long),
        }
    }

    /// Appends a decimal number of at least `width` digits.
    #[inline(never)]
    fn digits(&mut self, mut number: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            if number == 0 && used >= width {
                break;
            }
            *digit += (number % 10) as u8;
            number /= 10;
            used += 1;
        }
        self.text(digits.get(20 - used..).unwrap_or_default());
    }

    #[inline]
    fn hex(&mut self, number: u32, width: u32) {
        for place in (0..width).rev() {
            let digit = (number >> (place * 4) & 0xf) as u8;
            self.byte(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
        }
    }

    #[inline]
    fn signed(&mut self, value: i32) {
        if value < 0 {
            self.byte(b'-');
        }
        self.digits(u64::from(value.unsigned_abs()), 1);
    }

    fn time(&mut self, ns: u64) {
        self.digits(ns / 1_000_000_000, 1);
        self.byte(b'.');
        self.digits(ns % 1_000_000_000, 9);
    }

    /// Appends what a wait(2) status means.
    fn status(&mut self, code: i32) {
        let signal = code & 0x7f;
        if signal == 0 {
            self.text(b"status=");
            self.signed(code >> 8 & 0xff);
        } else {
            self.text(b"killed=");
            self.signed(signal);
            if code & 0x80 != 0 {
                self.text(b" core");
            }
        }
    }

    /// Appends a name, with `\xNN` for what is not printable ASCII, so that no name can forge a
    /// line of a log.
    fn name(&mut self, data: &[u64], index: usize) {
        for index in index * 4..index * 4 + 16 {
            let byte = event::word(data, index / 4).to_ne_bytes()[index % 4];
            match byte {
                0 => break,
                b'"' | b'\\' => {
                    self.byte(b'\\');
                    self.byte(byte);
                }
                b' '..=b'~' => self.byte(byte),
                _ => {
                    self.text(b"\\x");
                    self.hex(u32::from(byte), 2);
                }
            }
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(format(self).as_bytes()).unwrap_or_default())
    }
}
