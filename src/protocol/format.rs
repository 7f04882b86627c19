//! One readable line per event, and what the lines of events and of changes are made of.

use super::event::{self, Event, kind, pair};
use super::texts::{self, OTHERS};
use core::ffi::CStr;
use core::fmt::{self, Write};

/// Where a line goes.
pub(crate) trait Destination {
    fn put(&mut self, byte: u8);
}

/// "name key=value … cpu=0 seq=7 ts=seconds.nanoseconds", without a line break, in ASCII.
///
/// The standard formatting code is larger than this library, so none of it is used here.
pub(crate) struct Line<'a, D>(&'a mut D);

/// What the data of every kind from EXEC to COREDUMP begins with.
const IDS: &[u8] = b" pid=$i0 tgid=$i1";

/// The text of each kind's data behind its [`IDS`], which [`Line::fill`] fills in.
const TEMPLATES: &[(i32, &CStr)] = &[
    (kind::FORK as i32, c" parent=$i0/$i1 child=$i2/$i3"),
    (kind::EXEC as i32, c""),
    (kind::SID as i32, c""),
    (kind::EXIT as i32, c" $s2 exit_signal=$i3 parent=$i4/$i5"),
    (kind::UID as i32, c" ruid=$u2 euid=$u3"),
    (kind::GID as i32, c" rgid=$u2 egid=$u3"),
    (kind::PTRACE as i32, c" tracer=$i2/$i3"),
    (kind::COMM as i32, c" comm=\"$n2\""),
    (kind::COREDUMP as i32, c" parent=$i2/$i3"),
    (kind::OVERRUN as i32, c" lost=$l0 reason=$u4 since=$t1"),
    (OTHERS, c" what=0x$x0 size=$u1"),
];

static BLOCK: [u8; texts::size(TEMPLATES)] = texts::block(TEMPLATES);

/// What every line ends with, but for an overrun's, which has only the [`TIME`].
const END: &[u8] = b" cpu=$u: seq=$u; ts=$t6";
const TIME: usize = 16;

/// Writes the line for an event.
pub(crate) fn format(event: &Event, to: &mut impl Destination) {
    let [a, b, c, d, e] = event.data;
    let data = [a, b, c, d, e, pair(event.cpu, event.seq), event.timestamp_ns];
    let end = if event.kind == kind::OVERRUN { TIME } else { 0 };
    let mut line = Line::begin(event::name(event.kind), to);
    if matches!(event.kind, kind::EXEC..=kind::COREDUMP) {
        line.fill(IDS, &data);
    }
    line.fill(texts::find(&BLOCK, event.kind as i32), &data);
    line.fill(END.get(end..).unwrap_or_default(), &data);
}

impl<'a, D: Destination> Line<'a, D> {
    pub(crate) fn begin(name: &[u8], to: &'a mut D) -> Self {
        let mut line = Self(to);
        line.text(name);
        line
    }

    /// Appends `template` up to its first zero. `$`, a letter and an index stand for a word of the
    /// data. The characters after `9` are the indices from 10 on.
    ///
    /// | letter | indexed word | shown as |
    /// |---|---|---|
    /// | `i`, `u`, `x` | 32 bits | a signed, unsigned or hexadecimal number |
    /// | `s` | 32 bits | a wait(2) status |
    /// | `n` | 32 bits, the first of four | a name |
    /// | `l`, `t` | 64 bits | a number, a time |
    pub(crate) fn fill(&mut self, mut template: &[u8], data: &[u64]) {
        while let [byte @ 1..=u8::MAX, rest @ ..] = template {
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

    #[inline(never)]
    fn byte(&mut self, byte: u8) {
        self.0.put(byte);
    }

    /// Appends the text up to its first zero.
    #[inline(never)]
    fn text(&mut self, text: &[u8]) {
        for byte in text.iter().take_while(|byte| **byte != 0) {
            self.0.put(*byte);
        }
    }

    fn value(&mut self, data: &[u64], form: u8, index: usize) {
        let word = event::word(data, index);
        let long = data.get(index).copied().unwrap_or(0);
        match form {
            b'i' => self.signed(word as i32),
            b'u' => self.number(word.into()),
            b'x' => self.digits(word.into(), 8, true),
            b's' => self.status(word as i32),
            b'n' => self.name(data, index),
            b'l' => self.number(long),
            _ => {
                self.number(long / 1_000_000_000);
                self.byte(b'.');
                self.digits(long % 1_000_000_000, 9, false);
            }
        }
    }

    fn number(&mut self, number: u64) {
        self.digits(number, 1, false);
    }

    /// Appends at least `width` digits, decimal unless they are to be hexadecimal.
    #[inline(never)]
    fn digits(&mut self, mut number: u64, width: usize, is_hex: bool) {
        let mut digits = [0; 20];
        let mut used = 0;
        for place in digits.iter_mut().rev() {
            if number == 0 && used >= width {
                break;
            }
            // A division by a variable takes several times as long.
            let (rest, digit) =
                if is_hex { (number / 16, number % 16) } else { (number / 10, number % 10) };
            let digit = digit as u8;
            *place = if digit < 10 { b'0' + digit } else { b'a' - 10 + digit };
            number = rest;
            used += 1;
        }
        self.text(digits.get(20 - used..).unwrap_or_default());
    }

    #[inline]
    fn signed(&mut self, value: i32) {
        if value < 0 {
            self.byte(b'-');
        }
        self.number(value.unsigned_abs().into());
    }

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

    /// Appends a name of 16 bytes, escaped.
    fn name(&mut self, data: &[u64], index: usize) {
        for index in index * 4..index * 4 + 16 {
            let byte = event::word(data, index / 4).to_ne_bytes()[index % 4];
            match byte {
                0 => break,
                b' '..=b'~' => {
                    if matches!(byte, b'"' | b'\\') {
                        self.byte(b'\\');
                    }
                    self.byte(byte);
                }
                _ => {
                    self.text(b"\\x");
                    self.digits(byte.into(), 2, true);
                }
            }
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown::by(f, |shown| format(self, shown))
    }
}

/// A line that is shown. The first error ends it.
pub(crate) struct Shown<'a, 'b> {
    formatter: &'a mut fmt::Formatter<'b>,
    result: fmt::Result,
}

impl<'a, 'b> Shown<'a, 'b> {
    /// Shows what `write` writes.
    pub(crate) fn by(
        formatter: &'a mut fmt::Formatter<'b>,
        write: impl FnOnce(&mut Self),
    ) -> fmt::Result {
        let mut shown = Self { formatter, result: Ok(()) };
        write(&mut shown);
        shown.result
    }
}

impl Destination for Shown<'_, '_> {
    fn put(&mut self, byte: u8) {
        if self.result.is_ok() {
            self.result = self.formatter.write_char(char::from(byte));
        }
    }
}
