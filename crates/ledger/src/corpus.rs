//! One case of the transparency-dev proof corpus (`inclusion/**`, `consistency/**`), judged by [`merkle`](crate::merkle).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::merkle::{verify_consistency, verify_inclusion};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    want_err: bool,
    #[serde(default)]
    proof: Option<Vec<String>>,
    #[serde(flatten)]
    claim: Claim,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Claim {
    #[serde(rename_all = "camelCase")]
    Inclusion {
        leaf_idx: u64,
        tree_size: u64,
        root: String,
        leaf_hash: String,
    },
    Consistency {
        size1: u64,
        size2: u64,
        root1: String,
        root2: String,
    },
}

/// Judges the JSON text of one case: `Ok(true)` when the verifier answers what the case wants.
///
/// # Errors
/// A sentence when the text is not such a case.
pub fn check_case(json: &str) -> Result<bool, String> {
    let case: Case = serde_json::from_str(json).map_err(|error| format!("not a proof case: {error}"))?;
    let bytes = |text: &str| {
        STANDARD
            .decode(text)
            .map_err(|error| format!("`{text}` is not base64: {error}"))
    };
    let proof = case
        .proof
        .unwrap_or_default()
        .iter()
        .map(|hash| bytes(hash))
        .collect::<Result<Vec<_>, _>>()?;
    let verdict = match &case.claim {
        Claim::Inclusion {
            leaf_idx,
            tree_size,
            root,
            leaf_hash,
        } => verify_inclusion(&bytes(leaf_hash)?, *leaf_idx, *tree_size, &proof, &bytes(root)?),
        Claim::Consistency {
            size1,
            size2,
            root1,
            root2,
        } => verify_consistency(*size1, *size2, &bytes(root1)?, &bytes(root2)?, &proof),
    };
    Ok(verdict.is_err() == case.want_err)
}
