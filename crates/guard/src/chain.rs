//! Chains: changes of an object that rules alone have made, one after the other, since somebody else changed it.
//!
//! A rule whose target is its own trigger sees its change again. One that then wants to change it once more, and would
//! for ever, is stopped.

use std::collections::BTreeMap;

use ridgeway_krm::ObjectRef;

/// How often a rule may change an object because of what other rules made of it.
const TURNS: u32 = 8;

/// Policy and rule.
type RuleKey = (String, String);

/// The last changes of one object.
#[derive(Debug, Default)]
struct Chain {
    /// The version that the last of them made.
    version: String,
    last: RuleKey,
    turns: BTreeMap<RuleKey, u32>,
}

/// The chains of all objects that are triggers and were changed by rules.
#[derive(Debug, Default)]
pub(crate) struct Chains(BTreeMap<ObjectRef, Chain>);

impl Chains {
    /// Whether a rule is asked again by a trigger in a version that it, or rules in turn, made without end.
    pub(crate) fn endless(&self, trigger: &ObjectRef, version: &str, rule: &RuleKey) -> bool {
        let chain = self.0.get(trigger).filter(|chain| chain.version == version);
        chain.is_some_and(|chain| chain.last == *rule || chain.turns.get(rule).is_some_and(|turns| *turns >= TURNS))
    }

    /// Takes note of a change: an object in a version was changed by a rule to another version.
    pub(crate) fn changed(&mut self, object: &ObjectRef, from: &str, to: &str, rule: RuleKey) {
        let chain = self.0.entry(object.clone()).or_default();
        if chain.version != from {
            chain.turns.clear();
        }
        to.clone_into(&mut chain.version);
        *chain.turns.entry(rule.clone()).or_default() += 1;
        chain.last = rule;
    }

    /// Forgets an object.
    pub(crate) fn forget(&mut self, object: &ObjectRef) {
        self.0.remove(object);
    }

    /// Lets a policy begin anew.
    pub(crate) fn forgive(&mut self, policy: &str) {
        for chain in self.0.values_mut() {
            if chain.last.0 == policy {
                chain.version.clear();
            }
            chain.turns.retain(|rule, _| rule.0 != policy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> RuleKey {
        ("p".into(), name.into())
    }

    #[test]
    fn a_rule_that_sees_its_own_change_is_stopped_and_others_are_not() {
        let (mut chains, object) = (Chains::default(), ObjectRef::default());
        assert!(!chains.endless(&object, "1", &rule("a")));
        chains.changed(&object, "1", "2", rule("a"));
        assert!(chains.endless(&object, "2", &rule("a")));
        assert!(!chains.endless(&object, "2", &rule("b")), "another rule");
        assert!(!chains.endless(&object, "3", &rule("a")), "somebody else's change");
        chains.forgive("p");
        assert!(!chains.endless(&object, "2", &rule("a")), "the policy was changed");
    }

    #[test]
    fn rules_that_take_turns_are_stopped() {
        let (mut chains, object) = (Chains::default(), ObjectRef::default());
        let mut version = 0;
        let mut turn = |chains: &mut Chains, name: &str| {
            if chains.endless(&object, &version.to_string(), &rule(name)) {
                return false;
            }
            let (from, to) = (version.to_string(), (version + 1).to_string());
            version += 1;
            chains.changed(&object, &from, &to, rule(name));
            true
        };
        let turns = (0..100)
            .take_while(|i| turn(&mut chains, if i % 2 == 0 { "a" } else { "b" }))
            .count();
        assert_eq!(turns, 2 * TURNS as usize);
    }
}
