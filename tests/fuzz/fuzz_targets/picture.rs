#![no_main]

use darts_fuzz::{begin, picture};

libfuzzer_sys::fuzz_target!(init: begin("picture"), |bytes: &[u8]| picture(bytes));
