//! What locations say about the shape of objects, and where two of them contradict each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::location::Step;
use super::mutator::{End, Mutator};

/// What a location takes the value at one of its steps for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What a location says of one place: the shape of what is there, and by which key the items of a list are told apart.
type Claim = (Shape, Option<String>);

/// Pairs of mutators that say different things of one place. What all agree about costs one look for each mutator.
pub(super) fn suspects(all: &[Arc<Mutator>]) -> BTreeSet<(usize, usize)> {
    let mut places: BTreeMap<String, Vec<(Claim, Vec<usize>)>> = BTreeMap::new();
    for (i, mutator) in all.iter().enumerate() {
        let mut way = String::new();
        let steps = &mutator.location.0;
        for (depth, step) in steps.iter().enumerate() {
            match step {
                Step::Field(name) => way.push_str(&format!("{name:?}.")),
                Step::Items { .. } => way.push_str("[]"),
            }
            let key = match steps.get(depth + 1) {
                Some(Step::Items { key, .. }) => Some(key.clone()),
                _ => None,
            };
            let claim = (shape(mutator, depth), key);
            let claims = places.entry(way.clone()).or_default();
            match claims.iter_mut().find(|(known, _)| *known == claim) {
                Some((_, who)) => who.push(i),
                None => claims.push((claim, vec![i])),
            }
        }
    }
    let mut out = BTreeSet::new();
    for claims in places.values() {
        // What may be anything contradicts nothing.
        let claims: Vec<&(Claim, Vec<usize>)> = claims
            .iter()
            .filter(|((shape, _), _)| *shape != Shape::End(End::Anything))
            .collect();
        for (at, (_, ones)) in claims.iter().enumerate() {
            for (_, others) in &claims[at + 1..] {
                out.extend(
                    ones.iter()
                        .flat_map(|a| others.iter().map(move |b| (*a.min(b), *a.max(b)))),
                );
            }
        }
    }
    out
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

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn assign(name: &str, location: &str) -> Arc<Mutator> {
        let text = format!(
            "apiVersion: mutations.gatekeeper.sh/v1
kind: Assign
metadata: {{name: {name}}}
spec:
  applyTo: [{{groups: [''], versions: [v1], kinds: [Pod]}}]
  location: {location:?}
  parameters: {{assign: {{value: a}}}}
"
        );
        let doc = parse_yaml(&text).unwrap().remove(0);
        Arc::new(Mutator::compile(doc.root()).unwrap())
    }

    #[test]
    fn suspects_are_all_that_contradict_and_few_others() {
        let locations = [
            "spec.a.b",
            "spec.a[k: *].b",
            "spec.a[k: x].c",
            "spec.a[j: *].c",
            "spec.a",
            "spec.b.c.d",
            "spec.b.c[n: 1].d",
            "other.b.c",
        ];
        let all: Vec<Arc<Mutator>> = locations
            .iter()
            .enumerate()
            .map(|(i, location)| assign(&format!("m{i}"), location))
            .collect();
        let suspects = suspects(&all);
        let mut wrong = 0;
        for i in 0..all.len() {
            for j in i + 1..all.len() {
                if contradiction(&all[i], &all[j]).is_some() {
                    wrong += 1;
                    assert!(suspects.contains(&(i, j)), "{} {}", locations[i], locations[j]);
                }
            }
        }
        assert!(wrong >= 5 && suspects.len() <= 2 * wrong, "{wrong} {suspects:?}");
        let alike: Vec<Arc<Mutator>> = (0..200)
            .map(|i| assign(&format!("m{i}"), &format!("spec.containers[name: c{i}].image")))
            .collect();
        assert!(super::suspects(&alike).is_empty());
    }
}
