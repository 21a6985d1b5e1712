//! Places in a policy's source, for errors that teach.

use ridgeway_doc::{Node, Position};

use crate::path::{FieldPath, Segment};

/// Where the node at a dotted path stands; the nearest parent that is there, when it is missing itself.
pub(crate) fn position_of(root: Node<'_>, path: &str) -> Option<Position> {
    let mut node = root;
    for segment in FieldPath::parse(path).0 {
        let next = match &segment {
            Segment::Key(key) => node.get(key),
            Segment::Index(index) => node.item(*index),
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node.position()
}

/// "unknown field `patern`; did you mean `pattern`?"
pub(crate) fn unknown_field(key: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|k| (distance(key, k), *k))
        .filter(|(d, k)| *d <= 2.max(k.len() / 4))
        .min();
    match near {
        Some((_, near)) => format!("unknown field `{key}`; did you mean `{near}`?"),
        None => format!("unknown field `{key}`; known are {}", known.join(", ")),
    }
}

/// Levenshtein distance, ignoring case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}
