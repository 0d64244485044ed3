#![no_main]

use darts_fuzz::{begin, packed};

libfuzzer_sys::fuzz_target!(init: begin("packed"), |bytes: &[u8]| packed(bytes));
