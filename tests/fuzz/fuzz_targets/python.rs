#![no_main]

use darts_fuzz::{begin, python};

libfuzzer_sys::fuzz_target!(init: begin("python"), |bytes: &[u8]| python(bytes));
