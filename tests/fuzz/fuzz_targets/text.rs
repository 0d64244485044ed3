#![no_main]

use darts_fuzz::{begin, text};

libfuzzer_sys::fuzz_target!(init: begin("text"), |bytes: &[u8]| text(bytes));
