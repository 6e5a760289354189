//! Feeds the fuzzer's bytes to `wirewatch::fuzz::article_extraction`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wirewatch::fuzz::article_extraction(bytes));
