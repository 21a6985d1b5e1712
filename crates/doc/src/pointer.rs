//! JSON Pointer (RFC 6901).

use std::fmt;

use crate::node::{Kind, Node};

/// A parsed JSON Pointer: the unescaped reference tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(Vec<String>);

/// Why a text is not a JSON Pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a JSON Pointer: it must be empty or start with `/`, and `~` must be followed by 0 or 1")]
pub struct PointerError(String);

impl Pointer {
    /// Parses a pointer.
    pub fn parse(text: &str) -> Result<Pointer, PointerError> {
        let Some(rest) = text.strip_prefix('/') else {
            return if text.is_empty() {
                Ok(Pointer::default())
            } else {
                Err(PointerError(text.into()))
            };
        };
        rest.split('/')
            .map(|token| {
                let mut out = String::with_capacity(token.len());
                let mut chars = token.chars();
                while let Some(c) = chars.next() {
                    match (c, c == '~') {
                        (_, false) => out.push(c),
                        (_, true) => match chars.next() {
                            Some('0') => out.push('~'),
                            Some('1') => out.push('/'),
                            _ => return Err(PointerError(text.into())),
                        },
                    }
                }
                Ok(out)
            })
            .collect::<Result<_, _>>()
            .map(Pointer)
    }

    /// The unescaped tokens.
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// This pointer with one more token.
    pub fn child(&self, token: impl Into<String>) -> Pointer {
        let mut tokens = self.0.clone();
        tokens.push(token.into());
        Pointer(tokens)
    }

    /// The node it points at.
    pub fn resolve<'a>(&self, root: Node<'a>) -> Option<Node<'a>> {
        self.0.iter().try_fold(root, |node, token| match node.kind() {
            Kind::Array => array_index(token).and_then(|i| node.item(i)),
            _ => node.get(token),
        })
    }
}

/// An array index token: digits without a leading zero.
fn array_index(token: &str) -> Option<usize> {
    if token.len() > 1 && token.starts_with('0') || !token.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    token.parse().ok()
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in &self.0 {
            write!(f, "/{}", token.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

impl FromIterator<String> for Pointer {
    fn from_iter<I: IntoIterator<Item = String>>(tokens: I) -> Pointer {
        Pointer(tokens.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Doc;

    #[test]
    fn resolves_as_the_rfc_does() {
        let doc = Doc::parse_json(br#"{"foo":["bar","baz"],"":0,"a/b":1,"m~n":8}"#).unwrap();
        for (pointer, want) in [
            ("", Some(doc.root().to_json())),
            ("/foo/0", Some("\"bar\"".into())),
            ("/", Some("0".into())),
            ("/a~1b", Some("1".into())),
            ("/m~0n", Some("8".into())),
            ("/foo/01", None),
            ("/foo/2", None),
        ] {
            let got = Pointer::parse(pointer).unwrap();
            assert_eq!(got.to_string(), pointer);
            assert_eq!(got.resolve(doc.root()).map(|n| n.to_json()), want, "{pointer}");
        }
        assert!(Pointer::parse("foo").is_err());
        assert!(Pointer::parse("/~2").is_err());
    }
}
