//! Field selectors: `metadata.name=web,status.phase!=Running`.

use std::fmt;

use ridgeway_doc::{Kind, Node};

use crate::labels::SelectorError;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Term {
    path: Vec<String>,
    value: String,
    equal: bool,
}

/// A field selector: all terms must hold. Fields are named by dotted paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

impl FieldSelector {
    /// Parses the text form; the empty text selects everything. `\` escapes `,`, `=` and itself in values.
    pub fn parse(text: &str) -> Result<FieldSelector, SelectorError> {
        let terms = split_terms(text)
            .into_iter()
            .filter(|term| !term.trim().is_empty())
            .map(|term| parse_term(&term))
            .collect::<Result<_, _>>()?;
        Ok(FieldSelector { terms })
    }

    /// Whether an object is selected. A missing field counts as the zero value of its type.
    pub fn matches(&self, object: Node<'_>) -> bool {
        self.terms.iter().all(|term| {
            let path: Vec<&str> = term.path.iter().map(String::as_str).collect();
            let is = match object.at(&path) {
                None => matches!(term.value.as_str(), "" | "false" | "0"),
                Some(node) => match node.kind() {
                    Kind::Null => term.value.is_empty(),
                    Kind::String => node.as_str() == Some(&term.value),
                    _ => node.to_json() == term.value,
                },
            };
            is == term.equal
        })
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that a field must equal, if the selector demands one: lets a list become a get.
    pub fn required(&self, path: &str) -> Option<&str> {
        let term = self
            .terms
            .iter()
            .find(|term| term.equal && term.path.join(".") == path)?;
        Some(&term.value)
    }

    /// The dotted paths that the selector names, for checking them against those of a kind.
    pub fn paths(&self) -> impl Iterator<Item = String> + '_ {
        self.terms.iter().map(|term| term.path.join("."))
    }
}

fn split_terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == ',' && !escaped {
            terms.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(last) = terms.last_mut() {
            last.push(c);
        }
    }
    terms
}

fn parse_term(term: &str) -> Result<Term, SelectorError> {
    let Some(at) = term.find(['=', '!']) else {
        return Err(SelectorError(format!(
            "invalid selector: {term:?}; can't understand it: write field=value or field!=value"
        )));
    };
    let (path, rest) = term.split_at(at);
    let (equal, value) = match (rest.strip_prefix("!="), rest.strip_prefix("==")) {
        (Some(value), _) => (false, value),
        (None, Some(value)) => (true, value),
        (None, None) => match rest.strip_prefix('=') {
            Some(value) => (true, value),
            None => {
                return Err(SelectorError(format!(
                    "invalid selector: {term:?}; `!` must be followed by `=`"
                )));
            }
        },
    };
    let path = path.trim();
    if path.is_empty() || path.split('.').any(str::is_empty) {
        return Err(SelectorError(format!(
            "invalid selector: {term:?}; the field is a dotted path such as metadata.name"
        )));
    }
    Ok(Term {
        path: path.split('.').map(Into::into).collect(),
        value: unescape(value, term)?,
        equal,
    })
}

fn unescape(value: &str, term: &str) -> Result<String, SelectorError> {
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                _ => {
                    return Err(SelectorError(format!(
                        "invalid field selector: {term:?}; invalid escape sequence"
                    )));
                }
            },
            '=' => {
                return Err(SelectorError(format!(
                    "invalid field selector: {term:?}; unescaped `=` in the value: write `\\=`"
                )));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let sign = if term.equal { "=" } else { "!=" };
            let value = term.value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
            write!(f, "{comma}{}{sign}{value}", term.path.join("."))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ridgeway_doc::Doc;

    #[test]
    fn matching() {
        let pod = Doc::parse_json(
            br#"{"metadata":{"name":"web","namespace":"shop"},"spec":{"nodeName":"n1","unschedulable":true},
                "status":{"phase":"Running"},"reason":"a,b=c"}"#,
        )
        .unwrap();
        for (text, want) in [
            ("", true),
            ("metadata.name=web", true),
            ("metadata.name==web,metadata.namespace=shop", true),
            ("metadata.name=web,status.phase!=Running", false),
            ("spec.unschedulable=true", true),
            ("spec.hostNetwork=false", true),
            ("status.reason=", true),
            ("status.reason!=Evicted", true),
            ("reason=a\\,b\\=c", true),
            ("involvedObject.name=web", false),
        ] {
            assert_eq!(FieldSelector::parse(text).unwrap().matches(pod.root()), want, "{text}");
        }
        for text in ["metadata.name", "=x", "a..b=c", "a=b=c", "a=\\x", "a!b"] {
            assert!(FieldSelector::parse(text).is_err(), "{text}");
        }
        let selector = FieldSelector::parse("metadata.name=web,a!=b").unwrap();
        assert_eq!(
            (selector.required("metadata.name"), selector.required("a")),
            (Some("web"), None)
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(path in "[a-z]{1,3}(\\.[a-z]{1,3}){0,2}", value in "[a-z,=\\\\]{0,6}", equal in any::<bool>()) {
            let path = path.split('.').map(Into::into).collect();
            let selector = FieldSelector { terms: vec![Term { path, value, equal }] };
            prop_assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector);
        }
    }
}
