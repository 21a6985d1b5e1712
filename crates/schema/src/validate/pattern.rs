//! Regular expressions of schemas, compiled once.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;

/// More patterns than any cluster's CRDs hold together; beyond it the cache starts anew.
const CAPACITY: usize = 4096;

static CACHE: LazyLock<Mutex<HashMap<Box<str>, Option<Regex>>>> = LazyLock::new(Mutex::default);

/// Whether the text matches somewhere. A pattern that does not compile matches everything: it was refused, or let
/// through, when its schema was read, and must not block objects now.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let compiled = {
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        match cache.get(pattern) {
            Some(found) => found.clone(),
            None => {
                if cache.len() >= CAPACITY {
                    cache.clear();
                }
                let compiled = Regex::new(pattern).ok();
                cache.insert(pattern.into(), compiled.clone());
                compiled
            }
        }
    };
    compiled.is_none_or(|regex| regex.is_match(text))
}
