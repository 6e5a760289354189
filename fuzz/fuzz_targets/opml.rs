//! Feeds the fuzzer's bytes to `wirewatch::fuzz::opml_lists`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wirewatch::fuzz::opml_lists(bytes));
