#![no_main]

use darts_fuzz::{archive, begin};

libfuzzer_sys::fuzz_target!(init: begin("archive"), |bytes: &[u8]| archive(bytes));
