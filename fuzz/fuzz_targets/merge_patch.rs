//! The target `merge_patch` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ridgeway_fuzz::targets::merge_patch(data));
