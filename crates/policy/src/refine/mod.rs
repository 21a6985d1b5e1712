//! From failing paths to sentences: who is concerned, what is wrong, what to do, and the patch that does it.
//!
//! A pattern's author writes one message for all that may go wrong. The failing paths say more: which container, which
//! field, what is there. Fields of known families (resources, security context, probes, images, labels, …) get the
//! sentence a colleague would say; everything else gets one from the pattern itself. The author's own message is kept
//! beside it.

mod family;
mod patch;

use ridgeway_doc::{Node, Value};

use crate::kyverno::{Expected, Failure};
use crate::path::{FieldPath, Segment};
use crate::pss::{Fix, Violation};

pub(crate) use patch::Changes;

/// A violation as it is told.
#[derive(Debug, Default)]
pub(crate) struct Refined {
    /// Sentences with their remedies.
    pub(crate) sentences: Vec<(String, String)>,
    pub(crate) path: String,
    pub(crate) value: Option<Value>,
    pub(crate) patch: Option<Value>,
}

impl Refined {
    /// `Policy Violation: …` with everything in it, the author's words last.
    pub(crate) fn message(&self, author: &str) -> String {
        let mut out = String::from("Policy Violation:");
        for (sentence, remedy) in &self.sentences {
            for part in [sentence, remedy] {
                if !part.is_empty() {
                    out.push(' ');
                    out.push_str(part);
                }
            }
        }
        if self.sentences.is_empty() {
            out.push(' ');
            out.push_str(author);
        } else if !author.is_empty() {
            out.push_str(&format!(" The policy says: {author}"));
        }
        if !out.ends_with(['.', '!', '?', ')', '"']) {
            out.push('.');
        }
        out
    }

    /// All remedies.
    pub(crate) fn remedy(&self) -> String {
        let remedies = self
            .sentences
            .iter()
            .map(|(_, remedy)| remedy.as_str())
            .filter(|r| !r.is_empty());
        remedies.collect::<Vec<_>>().join(" ")
    }
}

/// Who a failure is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// `Container 'app'`, `Deployment 'web'`.
    pub(crate) name: String,
    /// The keys below the subject.
    pub(crate) rest: Vec<String>,
}

/// The sentences, path, value and patch for what failed in an object.
pub(crate) fn failures(failures: &[Failure], kind: &str, object: Node<'_>) -> Refined {
    let mut out = Refined::default();
    let mut groups: Vec<(family::Group, Vec<&Failure>)> = Vec::new();
    for failure in failures {
        let group = family::group(subject(&failure.path, kind, object), failure);
        match groups.iter_mut().find(|(g, _)| *g == group) {
            Some((_, members)) => members.push(failure),
            None => groups.push((group, vec![failure])),
        }
    }
    // What is about limits is said first: it is what stops a workload from starving its neighbours.
    groups.sort_by_key(|(group, _)| group.rank());
    let mut changes = Changes::new(object);
    for (group, members) in &groups {
        out.sentences.push(family::sentence(group, members));
        for failure in members {
            match (&failure.expected, family::suggestion(failure)) {
                (Expected::Absent, _) => changes.remove(&failure.path),
                (_, Some(value)) => changes.set(&failure.path, value),
                _ => {}
            }
        }
    }
    if let Some((_, members)) = groups.first() {
        out.path = common(members).to_string();
        out.value = match members.as_slice() {
            [one] => one.found.clone(),
            _ => at(object, &common(members)).map(Node::to_value),
        };
    }
    out.patch = changes.patch();
    out
}

/// The path that the paths of several failures share.
fn common(failures: &[&Failure]) -> FieldPath {
    let Some((first, rest)) = failures.split_first() else {
        return FieldPath::default();
    };
    let mut len = first.path.0.len();
    for other in rest {
        len = first
            .path
            .0
            .iter()
            .zip(&other.path.0)
            .take_while(|(a, b)| a == b)
            .count()
            .min(len);
    }
    FieldPath(first.path.0[..len].to_vec())
}

/// The node at a path.
pub(crate) fn at<'a>(object: Node<'a>, path: &FieldPath) -> Option<Node<'a>> {
    path.0.iter().try_fold(object, |node, segment| match segment {
        Segment::Key(key) => node.get(key),
        Segment::Index(index) => node.item(*index),
    })
}

/// Whom a path is about: the container it leads into, or the object.
fn subject(path: &FieldPath, kind: &str, object: Node<'_>) -> Subject {
    for (i, segment) in path.0.iter().enumerate() {
        let (Segment::Key(list), Some(Segment::Index(index))) = (segment, path.0.get(i + 1)) else {
            continue;
        };
        let title = match &**list {
            "containers" => "Container",
            "initContainers" => "Init container",
            "ephemeralContainers" => "Ephemeral container",
            "volumes" => "Volume",
            _ => continue,
        };
        let node = at(object, &FieldPath(path.0[..=i + 1].to_vec()));
        let name = node
            .and_then(|node| node.str_at(&["name"]))
            .map_or_else(|| format!("#{index}"), str::to_owned);
        return Subject {
            name: format!("{title} '{name}'"),
            rest: keys(&path.0[i + 2..]),
        };
    }
    let metadata = |key: &str| object.str_at(&["metadata", key]).filter(|name| !name.is_empty());
    let name = match metadata("name").or(metadata("generateName")) {
        Some(name) => format!("{kind} '{name}'"),
        None => kind.to_owned(),
    };
    Subject {
        name,
        rest: keys(&path.0),
    }
}

fn keys(segments: &[Segment]) -> Vec<String> {
    FieldPath(segments.to_vec())
        .keys()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// Sentences for violations of a Pod Security Standard.
pub(crate) fn pod_security_sentences(violations: &[Violation]) -> Vec<(String, String)> {
    let one = |violation: &Violation| {
        let detail = if violation.detail.is_empty() {
            &violation.reason
        } else {
            &violation.detail
        };
        let remedies: Vec<String> = violation
            .fields
            .iter()
            .map(|field| match &field.fix {
                Fix::Set(value) => format!("set {} to {value}", field.path),
                Fix::Remove => format!("remove {}", field.path),
            })
            .collect();
        (
            format!("{}: {detail}.", violation.title),
            format!("Please {}.", remedies.join(", ")),
        )
    };
    violations.iter().map(one).collect()
}

/// The patch that mends violations of a Pod Security Standard.
pub(crate) fn pod_security_patch(violations: &[Violation], object: Node<'_>) -> Option<Value> {
    let mut changes = Changes::new(object);
    for field in violations.iter().flat_map(|v| &v.fields) {
        match &field.fix {
            Fix::Set(value) => changes.set(&field.path, value.clone()),
            Fix::Remove => changes.remove(&field.path),
        }
    }
    changes.patch()
}

#[cfg(test)]
mod tests;
