#![no_main]

use darts_fuzz::{begin, share_code};

libfuzzer_sys::fuzz_target!(init: begin("share_code"), |bytes: &[u8]| share_code(bytes));
