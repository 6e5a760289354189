//! Feeds the fuzzer's bytes to `wirewatch::fuzz::charset_decoding`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wirewatch::fuzz::charset_decoding(bytes));
