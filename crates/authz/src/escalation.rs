//! Nobody grants what he does not hold: whether a user's rules cover the rules that he would hand out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ridgeway_doc::Node;

use crate::review::full_authority;
use crate::rule::{PolicyRule, quoted, url_covers};
use crate::rules::Rules;

/// The rules that a role or binding hands out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    rules: Vec<PolicyRule>,
    /// A role that aggregates may come to hold anything.
    aggregates: bool,
}

impl Rules {
    /// What a `roleRef` stands for. `Err` names the role that does not exist.
    pub fn rules_of_role(&self, role_ref: Option<Node<'_>>, namespace: &str) -> Result<Granted, String> {
        let text = |key| role_ref.and_then(|role| role.str_at(&[key])).unwrap_or_default();
        let role = self
            .role(text("kind"), text("name"), namespace)
            .ok_or_else(|| text("name").to_owned())?;
        Ok(Granted {
            rules: role.rules.iter().map(|rule| PolicyRule::clone(rule)).collect(),
            aggregates: false,
        })
    }

    /// What a Role or ClusterRole object hands out: its rules, and everything if it aggregates.
    ///
    /// # Errors
    /// None today; the shape is that of [`Rules::rules_of_role`].
    pub fn rules_in(&self, role: Node<'_>) -> Result<Granted, String> {
        let aggregates = role.get("aggregationRule").is_some_and(|rule| rule.is_object());
        Ok(Granted {
            rules: PolicyRule::all_of(role),
            aggregates,
        })
    }

    /// Whether the user's own rules in the namespace cover what is granted. `Err` lists what they do not.
    pub fn escalation_check(
        &self,
        user: &str,
        groups: &[String],
        granted: &Granted,
        namespace: &str,
    ) -> Result<(), String> {
        let held: Vec<&Arc<PolicyRule>> = self.effective(user, groups, namespace).collect();
        let missing = |wanted: &[PolicyRule]| -> Vec<PolicyRule> {
            let single = wanted.iter().flat_map(break_down);
            single
                .filter(|rule| !held.iter().any(|owned| covers(owned, rule)))
                .collect()
        };
        if granted.aggregates && !missing(&full_authority()).is_empty() {
            return Err("must have cluster-admin privileges to use an aggregationRule".into());
        }
        let missing = missing(&granted.rules);
        if missing.is_empty() {
            return Ok(());
        }
        let lines: BTreeSet<String> = compact(missing).iter().map(PolicyRule::compact).collect();
        let lines: Vec<String> = lines.into_iter().collect();
        let mut message = format!(
            "user {user:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            quoted(groups),
            lines.join("\n")
        );
        let (mut gaps, broken) = self.gaps(user, groups, namespace);
        gaps.extend(broken);
        if !gaps.is_empty() {
            message.push_str(&format!("; resolution errors: [{}]", gaps.join(" ")));
        }
        Err(message)
    }
}

/// The rule as rules of one verb and one resource, object or path each.
fn break_down(rule: &PolicyRule) -> Vec<PolicyRule> {
    let one = |text: &String| vec![text.clone()];
    let mut single = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let part = PolicyRule {
                    verbs: one(verb),
                    api_groups: one(group),
                    resources: one(resource),
                    ..PolicyRule::default()
                };
                if rule.resource_names.is_empty() {
                    single.push(part);
                } else {
                    let named = |name| PolicyRule {
                        resource_names: one(name),
                        ..part.clone()
                    };
                    single.extend(rule.resource_names.iter().map(named));
                }
            }
        }
    }
    for url in &rule.non_resource_urls {
        for verb in &rule.verbs {
            single.push(PolicyRule {
                verbs: one(verb),
                non_resource_urls: one(url),
                ..PolicyRule::default()
            });
        }
    }
    single
}

/// Whether everything that `wanted` allows is allowed by `owned`.
fn covers(owned: &PolicyRule, wanted: &PolicyRule) -> bool {
    let has = |list: &[String], text: &str| list.iter().any(|item| item == text);
    let all = |list: &[String], wanted: &[String]| wanted.iter().all(|text| has(list, text));
    let resource = |wanted: &String| {
        has(&owned.resources, "*")
            || has(&owned.resources, wanted)
            || wanted
                .split_once('/')
                .is_some_and(|(_, sub)| has(&owned.resources, &format!("*/{sub}")))
    };
    let names = owned.resource_names.is_empty()
        || (!wanted.resource_names.is_empty() && all(&owned.resource_names, &wanted.resource_names));
    names
        && (has(&owned.verbs, "*") || all(&owned.verbs, &wanted.verbs))
        && (has(&owned.api_groups, "*") || all(&owned.api_groups, &wanted.api_groups))
        && wanted.resources.iter().all(resource)
        && wanted
            .non_resource_urls
            .iter()
            .all(|url| owned.non_resource_urls.iter().any(|own| url_covers(own, url)))
}

/// Single rules that differ in the verb only, put together.
fn compact(single: Vec<PolicyRule>) -> Vec<PolicyRule> {
    let mut together: BTreeMap<PolicyRule, Vec<String>> = BTreeMap::new();
    for mut rule in single {
        let verbs = std::mem::take(&mut rule.verbs);
        let known = together.entry(rule).or_default();
        for verb in verbs {
            if !known.contains(&verb) {
                known.push(verb);
            }
        }
    }
    together
        .into_iter()
        .map(|(rule, verbs)| PolicyRule { verbs, ..rule })
        .collect()
}
