//! Cases of the gitops-engine fixtures: live objects with their health, pairs of desired and live objects.

use ridgeway_doc::{Doc, parse_json, parse_yaml};
use ridgeway_krm::{Gvk, KindTable};

use crate::diff::{Diff, DiffOptions, diff};
use crate::health::health;

fn read(text: &str) -> Result<Doc, String> {
    let mut docs = if text.trim_start().starts_with('{') {
        vec![parse_json(text.as_bytes()).map_err(|e| e.to_string())?]
    } else {
        parse_yaml(text).map_err(|e| e.to_string())?
    };
    if docs.len() == 1 {
        Ok(docs.remove(0))
    } else {
        Err("one document was expected".into())
    }
}

/// The health of a fixture's object as `Status`, or `None`.
///
/// # Errors
/// A sentence when the text is no object.
pub fn check_health(object: &str) -> Result<String, String> {
    let doc = read(object)?;
    Ok(health(doc.root()).map_or_else(|| "None".into(), |h| h.status.to_string()))
}

/// The difference of a pair of fixtures, with the schemas of the built-in kinds.
///
/// # Errors
/// A sentence when one of the texts is no object.
pub fn check_diff(kinds: &KindTable, desired: &str, live: &str, options: &DiffOptions) -> Result<Diff, String> {
    let (desired, live) = (read(desired)?, read(live)?);
    let kind = Gvk::of(live.root()).and_then(|gvk| kinds.get(&gvk));
    let schema = kind.as_ref().and_then(|k| k.schema());
    Ok(diff(desired.root(), live.root(), schema, options))
}
