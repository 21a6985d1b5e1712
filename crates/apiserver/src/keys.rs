//! Store keys: `<group>/<resource>/<namespace>/<name>`; the core group and cluster scope are empty parts.

use bytes::Bytes;
use ridgeway_krm::Kind;

/// The key of one object.
pub(crate) fn object(kind: &Kind, namespace: &str, name: &str) -> Bytes {
    let mut key = Vec::with_capacity(kind.gvk.group.len() + kind.plural.len() + namespace.len() + name.len() + 3);
    for part in [kind.gvk.group.as_str(), &kind.plural, namespace] {
        key.extend_from_slice(part.as_bytes());
        key.push(b'/');
    }
    key.extend_from_slice(name.as_bytes());
    key.into()
}

/// The prefix of a kind's objects, in one namespace or in all.
pub(crate) fn prefix(kind: &Kind, namespace: Option<&str>) -> Bytes {
    match namespace {
        Some(namespace) => format!("{}/{}/{}/", kind.gvk.group, kind.plural, namespace).into(),
        None => format!("{}/{}/", kind.gvk.group, kind.plural).into(),
    }
}

/// The parts of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// Takes a key apart; `None` for bytes that this plane did not write.
pub(crate) fn parts(key: &[u8]) -> Option<Parts<'_>> {
    let mut parts = std::str::from_utf8(key).ok()?.splitn(4, '/');
    let mut next = || parts.next();
    Some(Parts {
        group: next()?,
        resource: next()?,
        namespace: next()?,
        name: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart() {
        let want = Parts {
            group: "",
            resource: "pods",
            namespace: "a",
            name: "b/c",
        };
        assert_eq!(parts(b"/pods/a/b/c"), Some(want));
        assert_eq!(parts(b"apps/deployments/a"), None);
    }
}
