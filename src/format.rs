//! One readable line per event.

use crate::event::{Event, View, kind};
use core::fmt;

/// "name key=value … cpu=0 seq=7 ts=seconds.nanoseconds", without a line break, in ASCII.
///
/// Made without the standard formatting code, which is larger than this library.
pub(crate) struct Line {
    bytes: [u8; Self::MAX],
    length: usize,
}

/// The line for an event.
pub(crate) fn format(event: &Event) -> Line {
    let mut line = Line { bytes: [0; Line::MAX], length: 0 };
    line.text(Event::name(event.kind).to_bytes());
    match event.view() {
        View::Fork { parent_pid, parent_tgid, child_pid, child_tgid } => {
            line.task(b"parent", parent_pid, parent_tgid);
            line.task(b"child", child_pid, child_tgid);
        }
        View::Exec { pid, tgid } | View::Sid { pid, tgid } => line.own(pid, tgid),
        View::Exit { pid, tgid, exit_code, exit_signal, parent_pid, parent_tgid } => {
            line.own(pid, tgid);
            line.exit_code(exit_code);
            line.signed(b"exit_signal", exit_signal);
            line.task(b"parent", parent_pid, parent_tgid);
        }
        View::Uid { pid, tgid, ruid, euid } => {
            line.own(pid, tgid);
            line.unsigned(b"ruid", u64::from(ruid));
            line.unsigned(b"euid", u64::from(euid));
        }
        View::Gid { pid, tgid, rgid, egid } => {
            line.own(pid, tgid);
            line.unsigned(b"rgid", u64::from(rgid));
            line.unsigned(b"egid", u64::from(egid));
        }
        View::Ptrace { pid, tgid, tracer_pid, tracer_tgid } => {
            line.own(pid, tgid);
            line.task(b"tracer", tracer_pid, tracer_tgid);
        }
        View::Comm { pid, tgid, comm } => {
            line.own(pid, tgid);
            line.name(b"comm", &comm);
        }
        View::Coredump { pid, tgid, parent_pid, parent_tgid } => {
            line.own(pid, tgid);
            line.task(b"parent", parent_pid, parent_tgid);
        }
        View::Overrun { lost, since_ns, reason } => {
            line.unsigned(b"lost", lost);
            line.unsigned(b"reason", u64::from(reason));
            line.time(b"since", since_ns);
        }
        View::Unknown { what, size, .. } => {
            line.key(b"what");
            line.text(b"0x");
            line.hex(what, 8);
            line.unsigned(b"size", u64::from(size));
        }
    }
    if event.kind != kind::OVERRUN {
        line.unsigned(b"cpu", u64::from(event.cpu));
        line.unsigned(b"seq", u64::from(event.seq));
    }
    line.time(b"ts", event.timestamp_ns);
    line
}

impl Line {
    /// Longer than any line: the longest have seven numbers of 11 digits, or a name of 60.
    const MAX: usize = 255;

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn byte(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
    }

    fn text(&mut self, text: &[u8]) {
        for byte in text {
            self.byte(*byte);
        }
    }

    fn key(&mut self, key: &[u8]) {
        self.text(b" ");
        self.text(key);
        self.text(b"=");
    }

    /// At least `width` digits.
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
        for digit in digits.iter().skip(20 - used) {
            self.byte(*digit);
        }
    }

    fn hex(&mut self, number: u32, width: u32) {
        for place in (0..width).rev() {
            let digit = (number >> (place * 4) & 0xf) as u8;
            self.byte(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
        }
    }

    fn unsigned(&mut self, key: &[u8], value: u64) {
        self.key(key);
        self.digits(value, 1);
    }

    fn number(&mut self, value: i32) {
        if value < 0 {
            self.text(b"-");
        }
        self.digits(u64::from(value.unsigned_abs()), 1);
    }

    fn signed(&mut self, key: &[u8], value: i32) {
        self.key(key);
        self.number(value);
    }

    fn own(&mut self, pid: i32, tgid: i32) {
        self.signed(b"pid", pid);
        self.signed(b"tgid", tgid);
    }

    fn task(&mut self, key: &[u8], pid: i32, tgid: i32) {
        self.key(key);
        self.number(pid);
        self.text(b"/");
        self.number(tgid);
    }

    fn time(&mut self, key: &[u8], ns: u64) {
        self.unsigned(key, ns / 1_000_000_000);
        self.text(b".");
        self.digits(ns % 1_000_000_000, 9);
    }

    /// As wait(2) takes it apart.
    fn exit_code(&mut self, code: i32) {
        let signal = code & 0x7f;
        if signal == 0 {
            self.signed(b"status", code >> 8 & 0xff);
        } else {
            self.signed(b"killed", signal);
            if code & 0x80 != 0 {
                self.text(b" core");
            }
        }
    }

    /// Quoted; what is not printable ASCII as \xNN, so that a name cannot fake a line.
    fn name(&mut self, key: &[u8], name: &[u8; 16]) {
        self.key(key);
        self.text(b"\"");
        for byte in name.iter().copied().take_while(|byte| *byte != 0) {
            match byte {
                b'"' | b'\\' => {
                    self.text(b"\\");
                    self.byte(byte);
                }
                b' '..=b'~' => self.byte(byte),
                _ => {
                    self.text(b"\\x");
                    self.hex(u32::from(byte), 2);
                }
            }
        }
        self.text(b"\"");
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(format(self).as_bytes()).unwrap_or_default())
    }
}
