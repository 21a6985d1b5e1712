//! Entity references: `[kind:][namespace/]name`.

use std::fmt;
use std::str::FromStr;

/// The namespace of entities that name none.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Why a text is not an entity reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Kind, namespace or name is empty, or there are too many separators.
    #[error("`{0}` is not an entity reference; write `[kind:][namespace/]name`, such as `group:default/platform`")]
    Shape(String),
    /// The kind is left out where no default applies.
    #[error(
        "`{0}` names no kind and none can be assumed here; write it out, such as `component:{0}` or `resource:{0}`"
    )]
    NoKind(String),
}

/// The identity of an entity. All parts are lower case, as references compare without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityRef {
    /// The kind, such as `component`.
    pub kind: String,
    /// The namespace, mostly `default`.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl EntityRef {
    /// A reference from its parts.
    pub fn new(kind: &str, namespace: &str, name: &str) -> EntityRef {
        EntityRef {
            kind: kind.to_lowercase(),
            namespace: namespace.to_lowercase(),
            name: name.to_lowercase(),
        }
    }

    /// Reads a reference; what it leaves out is taken from the defaults.
    ///
    /// # Errors
    /// [`ReferenceError::NoKind`] when the text and `kind` both leave the kind open.
    pub fn parse(text: &str, kind: Option<&str>, namespace: &str) -> Result<EntityRef, ReferenceError> {
        let shape = || ReferenceError::Shape(text.to_owned());
        let text = text.trim();
        // A colon behind the slash belongs to the name.
        let colon = text
            .find(':')
            .filter(|colon| text.find('/').is_none_or(|slash| *colon < slash));
        let (given_kind, rest) = match colon {
            Some(colon) => (Some(&text[..colon]), &text[colon + 1..]),
            None => (None, text),
        };
        let (given_namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, rest),
        };
        if name.is_empty() || given_kind == Some("") || given_namespace == Some("") {
            return Err(shape());
        }
        let kind = given_kind
            .or(kind)
            .ok_or_else(|| ReferenceError::NoKind(text.to_owned()))?;
        Ok(EntityRef::new(kind, given_namespace.unwrap_or(namespace), name))
    }
}

impl FromStr for EntityRef {
    type Err = ReferenceError;

    /// A reference that names its kind; the namespace may be left out.
    fn from_str(text: &str) -> Result<EntityRef, ReferenceError> {
        EntityRef::parse(text, None, DEFAULT_NAMESPACE)
    }
}

impl fmt::Display for EntityRef {
    /// The canonical form `kind:namespace/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.kind, self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_take_what_they_lack_from_the_defaults() {
        for (text, kind, expected) in [
            ("Platform", Some("Group"), "group:team-a/platform"),
            ("user:Carla", Some("Group"), "user:team-a/carla"),
            ("shop/basket", Some("API"), "api:shop/basket"),
            ("api:shop/basket", None, "api:shop/basket"),
            ("shop/odd:name", Some("API"), "api:shop/odd:name"),
        ] {
            assert_eq!(
                EntityRef::parse(text, kind, "team-a").unwrap().to_string(),
                expected,
                "{text}"
            );
        }
        for text in ["", ":x", "a:", "/x", "a:/x", "ns/", "kind:ns/"] {
            assert!(
                matches!(EntityRef::parse(text, Some("k"), "n"), Err(ReferenceError::Shape(_))),
                "{text}"
            );
        }
        assert!(matches!(
            EntityRef::parse("x", None, "n"),
            Err(ReferenceError::NoKind(_))
        ));
    }

    proptest! {
        #[test]
        fn the_canonical_form_reads_back(kind in "[A-Za-z]{1,8}", namespace in "[a-z0-9]{1,8}", name in "[A-Za-z0-9._-]{1,12}") {
            let reference = EntityRef::new(&kind, &namespace, &name);
            prop_assert_eq!(reference.to_string().parse::<EntityRef>(), Ok(reference));
        }

        #[test]
        fn no_text_panics(text in ".{0,24}") {
            let _ = text.parse::<EntityRef>();
        }
    }
}
