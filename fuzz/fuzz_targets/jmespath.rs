//! The target `jmespath` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ridgeway_fuzz::targets::jmespath(data));
