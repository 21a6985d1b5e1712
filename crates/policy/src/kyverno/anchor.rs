//! Anchors: how a key of a pattern is to be taken.

/// The mark around a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// `key`: must be there and match.
    None,
    /// `(key)`: if it does not match, the rule does not apply.
    Condition,
    /// `<(key)`: as a condition, for the whole rule.
    Global,
    /// `X(key)`: must not be there.
    Negation,
    /// `+(key)`: added when missing (mutation only).
    AddIfMissing,
    /// `=(key)`: must match if it is there.
    Equality,
    /// `^(key)`: some item of the list must match.
    Existence,
}

/// The anchor of a key and the key without it.
pub(crate) fn parse(key: &str) -> (Anchor, &str) {
    let key = key.trim();
    let Some(rest) = key.strip_suffix(')') else {
        return (Anchor::None, key);
    };
    for (mark, anchor) in [
        ("(", Anchor::Condition),
        ("<(", Anchor::Global),
        ("X(", Anchor::Negation),
        ("+(", Anchor::AddIfMissing),
        ("=(", Anchor::Equality),
        ("^(", Anchor::Existence),
    ] {
        if let Some(bare) = rest.strip_prefix(mark)
            && !bare.is_empty()
        {
            return (anchor, bare);
        }
    }
    (Anchor::None, key)
}

/// The key without its anchor.
pub(crate) fn bare_key(key: &str) -> &str {
    parse(key).1
}
