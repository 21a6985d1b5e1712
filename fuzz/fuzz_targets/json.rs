//! Any bytes: parsing must not panic, and what parses must print to something that parses to the same document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ridgeway_doc::parse_json;

fuzz_target!(|data: &[u8]| {
    if let Ok(doc) = parse_json(data) {
        let again = parse_json(doc.root().to_json().as_bytes()).expect("printed JSON must parse");
        assert_eq!(doc, again);
    }
});
