//! Kyverno's `hash`, `gzip` and `random`.

use std::io::{Read, Write};

use aws_lc_rs::digest;
use flate2::{Compression, GzBuilder, read::GzDecoder};

use crate::cel::eval::{Answer, Evaluator, fail};
use crate::cel::value::Cel;
use crate::pattern_text;

use super::overload;

/// What is decompressed at most: a bomb must not fill the memory.
const LARGEST: u64 = 4 << 20;
/// The text that `random()` makes.
const USUAL: &str = "[0-9a-z]{8}";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `sha1`, `sha256`, `md5`: the digest of a text in hexadecimal digits.
pub(super) fn hash<'a>(evaluator: &Evaluator<'_, 'a>, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let [Cel::Text(text)] = arguments else {
        return overload(name, None, arguments);
    };
    evaluator.fuel.burn(text.len() as u64 / 16)?;
    let of = |algorithm| hex(digest::digest(algorithm, text.as_bytes()).as_ref());
    Ok(Cel::text(match name {
        "sha1" => of(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        "sha256" => of(&digest::SHA256),
        "md5" => hex(&crate::rego::md5(text.as_bytes())),
        _ => return overload(name, None, arguments),
    }))
}

/// `gzip.compress`, `gzip.decompress`.
pub(super) fn gzip<'a>(evaluator: &Evaluator<'_, 'a>, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    match (name, arguments) {
        ("compress", [Cel::Text(text)]) => {
            evaluator.fuel.burn(text.len() as u64)?;
            let mut writer = GzBuilder::new().write(Vec::new(), Compression::default());
            let written = writer.write_all(text.as_bytes()).and_then(|()| writer.finish());
            match written {
                Ok(bytes) => Ok(Cel::Bytes(bytes.into())),
                Err(error) => fail(error.to_string()),
            }
        }
        ("decompress", [Cel::Bytes(bytes)]) => {
            let mut out = Vec::new();
            if let Err(error) = GzDecoder::new(&**bytes).take(LARGEST + 1).read_to_end(&mut out) {
                return fail(format!("the bytes are not gzip: {error}"));
            }
            if out.len() as u64 > LARGEST {
                return fail(format!("the bytes hold more than {LARGEST} bytes"));
            }
            evaluator.fuel.burn(out.len() as u64)?;
            match String::from_utf8(out) {
                Ok(text) => Ok(Cel::text(text)),
                Err(_) => fail("the decompressed bytes are not UTF-8"),
            }
        }
        _ => overload(&format!("gzip.{name}"), None, arguments),
    }
}

/// A text of a pattern such as `[a-z]{8}`. Engines have no randomness of their own: the text follows from the request's
/// time, what was made before, and the pattern, so that it differs between requests and repeats in a replay.
pub(super) fn random<'a>(evaluator: &Evaluator<'_, 'a>, arguments: &[Cel<'a>]) -> Answer<'a> {
    let pattern = match arguments {
        [] => USUAL,
        [Cel::Text(pattern)] => pattern,
        _ => return overload("random", None, arguments),
    };
    let mut seed: u64 = evaluator
        .now
        .map_or(0x9e37_79b9_7f4a_7c15, |now| now.as_nanosecond() as u64);
    // Two calls in one expression are two texts: each leaves less of the budget.
    let left = evaluator.fuel.left();
    for b in pattern.bytes().chain(left.to_le_bytes()) {
        seed = (seed ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    match pattern_text::sample(pattern, seed | 1) {
        Some(text) => Ok(Cel::text(text)),
        None => fail(format!(
            "random() takes a pattern of literals and classes such as \"[a-z]{{8}}\", not {pattern:?}"
        )),
    }
}
