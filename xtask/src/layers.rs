//! Which crate may use which: lower layers only, and planes never each other.

/// Layer and crates, lowest first, as ARCHITECTURE.md draws them.
const LAYERS: &[&[&str]] = &[
    &["doc", "krm"],
    &["schema", "apply", "policy", "render", "sync", "authz", "catalog"],
    &["store", "ledger", "git", "pki", "cluster"],
    &["apiserver", "nodes", "guard", "deliver"],
    &["server", "webhook", "cli"],
    &["ridgeway"],
];

/// Uses within one layer that are meant.
const WITHIN: &[(&str, &str)] = &[
    ("krm", "doc"),
    ("apply", "schema"),
    ("policy", "schema"),
    ("render", "apply"),
    ("sync", "apply"),
    ("sync", "schema"),
];

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|crates| crates.contains(&name))
}

/// Why `user` must not use `used`; `None` when it may.
pub(crate) fn forbids(user: &str, used: &str) -> Option<String> {
    if matches!(user, "testkit" | "xtask") {
        return None;
    }
    let (Some(above), Some(below)) = (layer(user), layer(used)) else {
        return Some(format!(
            "`{user}` or `{used}` is in no layer; add it to xtask/src/layers.rs and ARCHITECTURE.md"
        ));
    };
    if above > below || WITHIN.contains(&(user, used)) {
        return None;
    }
    Some(if above == below {
        format!("`{user}` uses `{used}` of its own layer; let them meet through objects or a trait of a lower layer")
    } else {
        format!("`{user}` (layer {above}) uses `{used}` (layer {below}) above it")
    })
}

#[cfg(test)]
mod tests {
    use super::forbids;

    #[test]
    fn only_downwards() {
        assert_eq!(forbids("deliver", "render"), None);
        assert_eq!(forbids("krm", "doc"), None);
        assert!(forbids("deliver", "guard").is_some());
        assert!(forbids("doc", "krm").is_some());
        assert!(forbids("policy", "store").is_some());
        assert!(forbids("nowhere", "doc").is_some());
    }
}
