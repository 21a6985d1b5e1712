//! Paths into objects: built on the stack while a pattern descends, written out only when something fails.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// One step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

/// A path as a linked list on the stack.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Option<Step<'p>>,
}

impl<'p> Path<'p> {
    pub(crate) const ROOT: Path<'static> = Path {
        parent: None,
        step: None,
    };

    pub(crate) fn key(&'p self, key: &'p str) -> Path<'p> {
        Path {
            parent: Some(self),
            step: Some(Step::Key(key)),
        }
    }

    pub(crate) fn index(&'p self, index: usize) -> Path<'p> {
        Path {
            parent: Some(self),
            step: Some(Step::Index(index)),
        }
    }

    fn collect(&self, out: &mut FieldPath) {
        if let Some(parent) = self.parent {
            parent.collect(out);
        }
        match self.step {
            Some(Step::Key(key)) => out.0.push(Segment::Key(key.to_owned().into())),
            Some(Step::Index(index)) => out.0.push(Segment::Index(index)),
            None => {}
        }
    }

    pub(crate) fn to_field(self) -> FieldPath {
        let mut out = FieldPath::default();
        self.collect(&mut out);
        out
    }
}

/// One step of an owned path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    /// Most keys are names that the standards have.
    Key(Cow<'static, str>),
    Index(usize),
}

/// An owned path; prints as `spec.containers[0].image`, `metadata.labels[app.kubernetes.io/name]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FieldPath(pub(crate) Vec<Segment>);

impl FieldPath {
    /// Reads the dotted form.
    pub(crate) fn parse(text: &str) -> FieldPath {
        let mut out = FieldPath::default();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(tail) = rest.strip_prefix('[') {
                let (inner, tail) = tail.split_once(']').unwrap_or((tail, ""));
                out.0.push(match inner.parse() {
                    Ok(index) => Segment::Index(index),
                    Err(_) => Segment::Key(inner.to_owned().into()),
                });
                rest = tail;
            } else {
                rest = rest.strip_prefix('.').unwrap_or(rest);
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end > 0 {
                    out.0.push(Segment::Key(rest[..end].to_owned().into()));
                }
                rest = &rest[end..];
            }
        }
        out
    }

    /// The path under a prefix.
    pub(crate) fn under(self, prefix: &FieldPath) -> FieldPath {
        match prefix.0.as_slice() {
            [] => self,
            before => FieldPath(before.iter().cloned().chain(self.0).collect()),
        }
    }

    /// The last key.
    pub(crate) fn last_key(&self) -> &str {
        self.0
            .iter()
            .rev()
            .find_map(|s| if let Segment::Key(key) = s { Some(&**key) } else { None })
            .unwrap_or("")
    }

    /// The keys, without indexes.
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter_map(|s| if let Segment::Key(key) = s { Some(&**key) } else { None })
            .collect()
    }

    /// The JSON Pointer.
    pub(crate) fn pointer(&self) -> String {
        let mut out = String::new();
        for segment in &self.0 {
            match segment {
                Segment::Key(key) => out.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
                Segment::Index(index) => out.push_str(&format!("/{index}")),
            }
        }
        out
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if key.contains(['.', '/']) => write!(f, "[{key}]")?,
                Segment::Key(key) => {
                    if i > 0 {
                        f.write_char('.')?;
                    }
                    f.write_str(key)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_reads() {
        for text in [
            "spec.containers[0].image",
            "metadata.labels[app.kubernetes.io/name]",
            "",
            "a[1][2].b",
        ] {
            assert_eq!(FieldPath::parse(text).to_string(), text);
        }
        assert_eq!(
            FieldPath::parse("metadata.labels[a/b]").pointer(),
            "/metadata/labels/a~1b"
        );
        let root = Path::ROOT;
        let (a, b);
        a = root.key("spec");
        b = a.index(3);
        assert_eq!(b.to_field().to_string(), "spec[3]");
    }
}
