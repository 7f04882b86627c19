//! The process table against a model of a machine, as `src/table/model/` performs a script of it.
#![no_main]

use libfuzzer_sys::fuzz_target;

// Five bytes are the machine, each further four are something that happens.
fuzz_target!(|input: &[u8]| proc_connector::fuzz_table(input));
