//! Feeds the fuzzer's bytes to `wirewatch::fuzz::html_text`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wirewatch::fuzz::html_text(bytes));
