//! What several rules of one set do alike at their beginning is done once.
//!
//! Ten rules that go through the same containers and leave out the same exempt ones become one body with ten arms. The
//! elements of a set have no order, so the order in which they are found does not matter.

use super::plan::{Branch, Clause, Expr, Steps};
use super::value::Value;

/// The rules of a set, those with a common beginning as one.
pub(super) fn merged(clauses: Vec<Clause>) -> Vec<Clause> {
    let mut groups: Vec<Vec<Clause>> = Vec::new();
    for clause in clauses {
        let first = beginning(&clause).and_then(|steps| steps.first());
        let fits =
            |group: &&mut Vec<Clause>| first.is_some() && beginning(&group[0]).and_then(|steps| steps.first()) == first;
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(clause),
            None => groups.push(vec![clause]),
        }
    }
    groups
        .into_iter()
        .flat_map(|group| if group.len() > 1 { vec![one(group)] } else { group })
        .collect()
}

/// The body of a rule that may be merged with others.
fn beginning(clause: &Clause) -> Option<&Steps> {
    match &clause.branches[..] {
        [only] if clause.element && clause.args.is_empty() && only.keys.is_empty() => Some(&only.steps),
        _ => None,
    }
}

/// Rules with the same first step as one.
fn one(group: Vec<Clause>) -> Clause {
    let bodies: Vec<&Steps> = group.iter().filter_map(beginning).collect();
    let shortest = bodies.iter().map(|steps| steps.len()).min().unwrap_or_default();
    let alike = |at: &usize| bodies.iter().all(|steps| steps[*at] == bodies[0][*at]);
    let common = (0..shortest).take_while(alike).count();
    let slots = group.iter().map(|clause| clause.slots).max().unwrap_or_default();
    let pos = group[0].pos;
    let mut shared = Steps::new();
    let arms = group
        .into_iter()
        .flat_map(|clause| clause.branches)
        .map(|mut branch| {
            let rest = branch.steps.split_off(common);
            shared = std::mem::replace(&mut branch.steps, rest);
            branch
        })
        .collect();
    Clause {
        slots,
        args: Vec::new(),
        branches: vec![Branch {
            steps: shared,
            keys: Vec::new(),
            value: Expr::Const(Value::Null),
        }],
        arms,
        element: true,
        pos,
    }
}
