#![no_main]

use darts_fuzz::{begin, checkpoint};

libfuzzer_sys::fuzz_target!(init: begin("checkpoint"), |bytes: &[u8]| checkpoint(bytes));
