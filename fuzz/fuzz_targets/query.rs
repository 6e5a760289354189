//! Feeds the fuzzer's bytes to `wirewatch::fuzz::query_language`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wirewatch::fuzz::query_language(bytes));
