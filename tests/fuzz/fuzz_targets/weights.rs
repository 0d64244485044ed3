#![no_main]

use darts_fuzz::{begin, weights};

libfuzzer_sys::fuzz_target!(init: begin("weights"), |bytes: &[u8]| weights(bytes));
