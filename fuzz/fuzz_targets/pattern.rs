//! The target `pattern` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ridgeway_fuzz::targets::pattern(data));
