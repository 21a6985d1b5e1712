//! The fields an expression reads, found in its text: CEL (`object.spec.x`) and Rego (`input.review.object.spec.x`).

use ridgeway_doc::Node;

use crate::path::{FieldPath, Segment};

/// Where the objects of both languages hang, longest first.
const ROOTS: [&str; 4] = ["input.review.object.", "request.object.", "object.?", "object."];

/// Dotted paths that a text reads, in the order of their appearance.
pub(crate) fn paths(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if line.starts_with('#') || line.starts_with("//") {
            continue;
        }
        let mut rest = line;
        while let Some((root, at)) = next(rest) {
            let before = rest[..at].chars().next_back();
            let tail = &rest[at + root.len()..];
            let (path, used) = chain(tail);
            let starts = !before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
            if starts && !path.is_empty() && !out.contains(&path) {
                out.push(path);
            }
            rest = &tail[used..];
        }
    }
    // A longer path says what a shorter one says.
    let all = out.clone();
    out.retain(|path| {
        !all.iter().any(|other| {
            other.len() > path.len() && other.starts_with(path) && other[path.len()..].starts_with(['.', '['])
        })
    });
    out
}

fn next(text: &str) -> Option<(&'static str, usize)> {
    ROOTS
        .iter()
        .filter_map(|root| text.find(root).map(|at| (*root, at)))
        .min_by_key(|(root, at)| (*at, usize::MAX - root.len()))
}

/// The names that follow each other, and how much text they take; a name that is called is left out.
fn chain(text: &str) -> (String, usize) {
    let mut path = String::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let rest = rest.strip_prefix('?').unwrap_or(rest);
        at = text.len() - rest.len();
        let name = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        if name == 0 || rest[name..].starts_with('(') {
            return (path, at);
        }
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&rest[..name]);
        at += name;
        while text[at..].starts_with('[') {
            let Some(end) = text[at..].find(']') else {
                return (path, at);
            };
            let inner = text[at + 1..at + end].trim();
            let quoted = inner.trim_matches(['"', '\'']);
            if quoted.len() + 2 == inner.len() {
                path.push_str(&format!("[{quoted}]"));
            } else if inner.bytes().all(|b| b.is_ascii_digit()) && !inner.is_empty() {
                path.push_str(&format!("[{inner}]"));
            } else {
                path.push_str("[*]");
            }
            at += end + 1;
        }
        match text[at..].strip_prefix('.') {
            Some(_) => at += 1,
            None => return (path, at),
        }
    }
}

/// The places a path with `[*]` stands for in an object; the path itself where nothing is there.
pub(crate) fn places<'a>(path: &str, object: Node<'a>) -> Vec<(String, Option<Node<'a>>)> {
    let mut open: Vec<(FieldPath, Option<Node<'a>>)> = vec![(FieldPath::default(), Some(object))];
    for segment in FieldPath::parse(path).0 {
        let mut next = Vec::new();
        for (at, node) in open {
            match (&segment, node) {
                (Segment::Key(star), Some(list)) if star == "*" && list.is_array() => {
                    for (i, item) in list.items().enumerate() {
                        next.push((with(&at, Segment::Index(i)), Some(item)));
                    }
                }
                (Segment::Key(star), Some(map)) if star == "*" && map.is_object() => {
                    for (key, member) in map.members() {
                        next.push((with(&at, Segment::Key(key.to_owned().into())), Some(member)));
                    }
                }
                (Segment::Key(key), node) => {
                    next.push((with(&at, segment.clone()), node.and_then(|node| node.get(key))));
                }
                (Segment::Index(i), node) => {
                    next.push((with(&at, segment.clone()), node.and_then(|node| node.item(*i))));
                }
            }
        }
        open = next;
        open.truncate(64);
    }
    open.into_iter().map(|(path, node)| (path.to_string(), node)).collect()
}

fn with(path: &FieldPath, segment: Segment) -> FieldPath {
    let mut out = path.clone();
    out.0.push(segment);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_of_both_languages() {
        for (text, want) in [
            ("object.spec.replicas >= 2", vec!["spec.replicas"]),
            (
                "!has(object.spec.hostNetwork) || object.spec.?hostPID.orValue(false)",
                vec!["spec.hostNetwork", "spec.hostPID"],
            ),
            ("object.spec.containers.all(c, c.image != '')", vec!["spec.containers"]),
            (
                "provided := {l | input.review.object.metadata.labels[l]}",
                vec!["metadata.labels[*]"],
            ),
            (
                "c := input.review.object.spec.containers[_]\nc.image",
                vec!["spec.containers[*]"],
            ),
            ("object.metadata.labels['a.b/c'] == 'x'", vec!["metadata.labels[a.b/c]"]),
            ("oldObject.spec.x == myobject.spec.y", vec![]),
            ("object.spec.a.b == object.spec.a", vec!["spec.a.b"]),
            ("# object.spec.comment", vec![]),
        ] {
            assert_eq!(paths(text), want, "{text}");
        }
    }

    #[test]
    fn stars_stand_for_what_is_there() {
        let doc = ridgeway_doc::parse_yaml("{spec: {containers: [{image: a}, {image: b}]}}")
            .unwrap()
            .remove(0);
        let found: Vec<_> = places("spec.containers[*].image", doc.root())
            .into_iter()
            .map(|(path, node)| (path, node.and_then(Node::as_str)))
            .collect();
        assert_eq!(
            found,
            [
                ("spec.containers[0].image".to_owned(), Some("a")),
                ("spec.containers[1].image".to_owned(), Some("b"))
            ]
        );
        assert_eq!(places("spec.x", doc.root()), [("spec.x".to_owned(), None)]);
    }
}
