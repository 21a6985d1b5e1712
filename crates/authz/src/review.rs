//! What a subject may do in a namespace: the status of a SelfSubjectRulesReview.

use std::collections::HashSet;

use ridgeway_doc::Value;

use crate::rule::PolicyRule;
use crate::rules::{MASTERS, Rules, aggregate};

impl Rules {
    /// The `status` of a SelfSubjectRulesReview: all rules that reach the user, cluster-wide ones first, each once.
    pub fn rules_for(&self, user: &str, groups: &[String], namespace: &str) -> Value {
        let all = full_authority();
        let masters = if groups.iter().any(|group| group == MASTERS) {
            &all[..]
        } else {
            &[]
        };
        let held = self.effective(user, groups, namespace).map(AsRef::as_ref);
        let (mut resource_rules, mut other_rules) = (Value::array(), Value::array());
        let mut seen = HashSet::new();
        for rule in masters.iter().chain(held).filter(|rule| seen.insert(*rule)) {
            let (list, parts) = if !rule.resources.is_empty() {
                (
                    &mut resource_rules,
                    PolicyRule {
                        non_resource_urls: Vec::new(),
                        ..rule.clone()
                    },
                )
            } else if !rule.non_resource_urls.is_empty() {
                let (verbs, non_resource_urls) = (rule.verbs.clone(), rule.non_resource_urls.clone());
                (
                    &mut other_rules,
                    PolicyRule {
                        verbs,
                        non_resource_urls,
                        ..PolicyRule::default()
                    },
                )
            } else {
                continue;
            };
            list.make_array().push(parts.to_value());
        }
        let mut status = Value::object();
        status.set(&["resourceRules"], resource_rules);
        status.set(&["nonResourceRules"], other_rules);
        let (mut gaps, broken) = self.gaps(user, groups, namespace);
        gaps.extend(broken);
        status.set(&["incomplete"], !gaps.is_empty());
        if let Some(text) = aggregate(&gaps) {
            status.set(&["evaluationError"], text);
        }
        status
    }
}

/// Everything on everything: what `cluster-admin` says.
pub(crate) fn full_authority() -> [PolicyRule; 2] {
    let any = || vec!["*".to_owned()];
    [
        PolicyRule {
            verbs: any(),
            api_groups: any(),
            resources: any(),
            ..PolicyRule::default()
        },
        PolicyRule {
            verbs: any(),
            non_resource_urls: any(),
            ..PolicyRule::default()
        },
    ]
}
