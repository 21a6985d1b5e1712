//! Any text: compiling and checking an expression ends without a panic, and says the same every time.
#![no_main]

use ridgeway_policy::expression_type;

libfuzzer_sys::fuzz_target!(|text: &str| assert_eq!(expression_type(text), expression_type(text)));
