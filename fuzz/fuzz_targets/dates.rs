//! Feeds the fuzzer's bytes to `wirewatch::fuzz::dates`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wirewatch::fuzz::dates(bytes));
