#![no_main]

use darts_fuzz::{begin, event_log};

libfuzzer_sys::fuzz_target!(init: begin("event_log"), |bytes: &[u8]| event_log(bytes));
