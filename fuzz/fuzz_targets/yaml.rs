//! Any text: parsing must not panic, and what parses must print to something that parses to the same documents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ridgeway_doc::{parse_yaml, yaml::write_stream};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(docs) = parse_yaml(text) {
        let again = parse_yaml(&write_stream(&docs)).expect("printed YAML must parse");
        assert_eq!(docs, again);
    }
});
