//! What locations say about the shape of objects, and where two of them contradict each other.

use super::location::Step;
use super::mutator::{End, Mutator};

/// What a location takes the value at one of its steps for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Object,
    List,
    End(End),
}

impl Shape {
    fn as_str(self) -> &'static str {
        match self {
            Shape::Object => "an object",
            Shape::List => "a list of objects",
            Shape::End(End::Set) => "a set of values",
            Shape::End(End::Text) => "a text",
            Shape::End(End::Anything) => "anything",
        }
    }
}

fn shape(mutator: &Mutator, depth: usize) -> Shape {
    match mutator.location.0.get(depth + 1) {
        Some(Step::Field(_)) => Shape::Object,
        Some(Step::Items { .. }) => Shape::List,
        None => Shape::End(mutator.end),
    }
}

/// Why two mutators cannot both be right about an object, if so.
pub(super) fn contradiction(a: &Mutator, b: &Mutator) -> Option<String> {
    let why = shapes(a, b)?;
    let meet = a.applies.iter().any(|one| b.applies.iter().any(|two| one.meets(two)));
    meet.then_some(why)
}

fn shapes(a: &Mutator, b: &Mutator) -> Option<String> {
    let mut way = String::new();
    for (depth, (one, two)) in a.location.0.iter().zip(&b.location.0).enumerate() {
        match (one, two) {
            (Step::Field(one), Step::Field(two)) if one == two => {
                if !way.is_empty() {
                    way.push('.');
                }
                way.push_str(one);
            }
            (Step::Items { key: one, .. }, Step::Items { key: two, .. }) => {
                if one != two {
                    return Some(format!(
                        "it tells the items of {way} apart by `{one}`, the other by `{two}`"
                    ));
                }
                way.push_str("[]");
            }
            _ => return None,
        }
        let (one, two) = (shape(a, depth), shape(b, depth));
        if [one, two].contains(&Shape::End(End::Anything)) {
            return None;
        }
        if one != two {
            let (one, two) = (one.as_str(), two.as_str());
            return Some(format!("it takes {way} for {one}, the other for {two}"));
        }
    }
    None
}
