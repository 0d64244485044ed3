#![no_main]

use darts_fuzz::{begin, settings};

libfuzzer_sys::fuzz_target!(init: begin("settings"), |bytes: &[u8]| settings(bytes));
