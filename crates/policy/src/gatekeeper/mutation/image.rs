//! Parts of image references, as `AssignImage` sets them.

use crate::pattern_text::regex;

/// The parts that are set; empty ones stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) domain: String,
    pub(super) path: String,
    /// With its `:`, or a digest with its `@`.
    pub(super) tag: String,
}

const DOMAIN: &str = r"^(?:[A-Za-z0-9_][A-Za-z0-9_-]*\.[A-Za-z0-9_.-]*[A-Za-z0-9_]|localhost)(?::[0-9]+)?$";
const PATH: &str = r"^[a-z0-9]+(?:(?:[._/]|__|-*)[a-z0-9]+)*$";
const TAG: &str =
    r"^(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,})$";

fn fits(pattern: &str, text: &str) -> bool {
    regex(pattern).is_ok_and(|regex| regex.is_match(text))
}

/// The registry of a reference, where its first part is one, and the rest.
fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("", text),
    }
}

impl Image {
    /// Refuses parts that would not be parts; the field and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.domain.is_empty() && self.path.is_empty() && self.tag.is_empty() {
            return Err(("", "name at least one of assignDomain, assignPath and assignTag".into()));
        }
        if !self.domain.is_empty() && !fits(DOMAIN, &self.domain) {
            let why = format!(
                "{:?} is no registry; write it as registry.example.com:5000",
                self.domain
            );
            return Err(("assignDomain", why));
        }
        if !self.path.is_empty() && !fits(PATH, &self.path) {
            let why = format!("{:?} is no repository path; write it as team/app", self.path);
            return Err(("assignPath", why));
        }
        if !self.tag.is_empty() && !fits(TAG, &self.tag) {
            let why = format!("{:?} is neither a tag (:v1) nor a digest (@sha256:…)", self.tag);
            return Err(("assignTag", why));
        }
        // Read again, the beginning of such a path would be taken for the registry: it would grow with every round.
        if self.domain.is_empty() && !split_domain(&self.path).0.is_empty() {
            let why = format!("{:?} begins with a registry; put that in assignDomain", self.path);
            return Err(("assignPath", why));
        }
        Ok(())
    }

    /// A reference with these parts.
    pub(super) fn apply(&self, reference: &str) -> String {
        let (domain, rest) = split_domain(reference);
        let (path, tag) = rest.split_at(rest.find([':', '@']).unwrap_or(rest.len()));
        let or = |new: &str, old: &str| if new.is_empty() { old.to_owned() } else { new.to_owned() };
        let domain = or(&self.domain, domain);
        let slash = if domain.is_empty() { "" } else { "/" };
        format!("{domain}{slash}{}{}", or(&self.path, path), or(&self.tag, tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(domain: &str, path: &str, tag: &str) -> Image {
        Image {
            domain: domain.into(),
            path: path.into(),
            tag: tag.into(),
        }
    }

    #[test]
    fn parts_are_replaced() {
        let digest = format!("@sha256:{}", "ab".repeat(32));
        for (parts, reference, want) in [
            (image("r.io", "", ""), "nginx:1", "r.io/nginx:1"),
            (image("r.io", "", ""), "library/nginx", "r.io/library/nginx"),
            (image("r.io", "", ""), "a.io:5000/x/y:2", "r.io/x/y:2"),
            (image("localhost:5000", "", ""), "localhost/x", "localhost:5000/x"),
            (image("", "team/app", ""), "a.io/x:2", "a.io/team/app:2"),
            (image("", "", ":3"), "a.io/x:2", "a.io/x:3"),
            (image("", "", ":3"), "a.io:80/x", "a.io:80/x:3"),
            (image("", "", &digest), "x:2", &format!("x{digest}")),
            (image("", "", ":3"), &format!("x:2{digest}"), "x:3"),
            (image("r.io", "y", ":1"), "", "r.io/y:1"),
        ] {
            let got = parts.apply(reference);
            assert_eq!(got, want);
            assert_eq!(parts.apply(&got), want, "a second time");
        }
    }

    #[test]
    fn parts_are_checked() {
        for (parts, want) in [
            (image("", "", ""), Some("")),
            (image("r.io:80", "a/b-c__d.e", ":v1.2_x-y"), None),
            (image("localhost", "", ""), None),
            (image("", "localhost/x", ""), Some("assignPath")),
            (image("r.io", "localhost/x", ""), None),
            (image("noregistry", "", ""), Some("assignDomain")),
            (image("r.io/", "", ""), Some("assignDomain")),
            (image("r.io:x", "", ""), Some("assignDomain")),
            (image("", "A", ""), Some("assignPath")),
            (image("", "a/", ""), Some("assignPath")),
            (image("", "a:1", ""), Some("assignPath")),
            (image("", "gcr.io/a", ""), Some("assignPath")),
            (image("", "", "1"), Some("assignTag")),
            (image("", "", ":a/b"), Some("assignTag")),
            (image("", "", "@sha256:ab"), Some("assignTag")),
        ] {
            assert_eq!(parts.check().err().map(|(field, _)| field), want, "{parts:?}");
        }
    }
}
