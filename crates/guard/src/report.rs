//! Policy reports as read views: `wgpolicyk8s.io` and `openreports.io`. Nothing of them is stored.
//!
//! There is one report for each object that rules say something about, named after the object's uid, as Kyverno makes
//! them. They are put together from the table of the background scan when somebody reads them.

use std::collections::BTreeMap;

use ridgeway_cluster::rfc3339;
use ridgeway_doc::{Doc, Node, Value, parse_yaml};
use ridgeway_krm::{Gvk, Kind, ObjectRef};
use ridgeway_policy::Outcome;

use crate::guard::Shared;
use crate::scan::Row;
use crate::source::{self, POD_SECURITY, Role, text};
use crate::view;

const DEFINITIONS: &str = include_str!("../crds/reports.yaml");

/// The kinds of reports. They can be got and listed, nothing else.
pub fn report_kinds() -> Vec<Kind> {
    let definitions = parse_yaml(DEFINITIONS).expect("the definitions are tested to be YAML");
    let kinds = definitions
        .iter()
        .filter_map(|definition| Kind::from_crd(definition.root()).ok())
        .flatten();
    kinds
        .map(|mut kind| {
            kind.verbs = ["get", "list"].map(str::to_owned).to_vec();
            kind
        })
        .collect()
}

/// What reports say about a policy besides its name.
struct About {
    spoken: String,
    category: String,
    severity: &'static str,
    scored: bool,
    source: &'static str,
}

fn about(shared: &Shared) -> BTreeMap<String, About> {
    let snapshot = shared.snapshot();
    let mut out: BTreeMap<String, About> = BTreeMap::new();
    for view in view::policies(shared) {
        let unit = snapshot.units.values().find(|unit| unit.id == view.id);
        let role = unit.and_then(|unit| source::role(&unit.key.group, &unit.key.kind));
        let scored = unit.is_none_or(|unit| {
            text(
                unit.doc.root(),
                &["metadata", "annotations", "policies.kyverno.io/scored"],
            ) != "false"
        });
        let about = About {
            spoken: unit.map_or_else(|| view.name.clone(), |unit| unit.spoken.clone()),
            category: view.category,
            severity: view.severity,
            scored,
            source: match role {
                _ if view.id == POD_SECURITY => "pod-security",
                Some(Role::Constraint) => "gatekeeper",
                Some(Role::Cel) => "KyvernoValidatingPolicy",
                Some(Role::Admission) => "ValidatingAdmissionPolicy",
                _ => "kyverno",
            },
        };
        out.insert(view.id, about);
    }
    out
}

/// Counts by outcome, in the order that summaries have.
#[derive(Default)]
struct Summary(BTreeMap<&'static str, i64>);

fn result(rule: &str, row: &Row, about: &About, open: bool, summary: &mut Summary) -> Value {
    let violation = row.violation.as_deref();
    let outcome = match violation {
        Some(result) => result.outcome,
        None if row.excepted.is_empty() => Outcome::Pass,
        None => Outcome::Skip,
    };
    let outcome = outcome.as_str();
    *summary.0.entry(outcome).or_default() += 1;
    let mut out = Value::object();
    out.set(&["source"], about.source);
    out.set(&["policy"], about.spoken.as_str());
    out.set(&["rule"], rule);
    out.set(&["result"], outcome);
    out.set(&["scored"], about.scored);
    out.set(&["severity"], about.severity);
    if !about.category.is_empty() {
        out.set(&["category"], about.category.as_str());
    }
    out.set(&["timestamp", "seconds"], row.since.as_second());
    out.set(&["timestamp", "nanos"], 0);
    let said = match violation {
        Some(result) => result.author.clone(),
        None if row.excepted.is_empty() => "rule passed".to_owned(),
        None => format!("excepted by {}", row.excepted),
    };
    out.set(&[if open { "description" } else { "message" }], said);
    if !row.excepted.is_empty() {
        out.set(&["properties", "exceptions"], row.excepted.as_str());
    }
    if let Some(result) = violation {
        for (key, value) in [("path", &result.path), ("remedy", &result.remedy)] {
            if !value.is_empty() {
                out.set(&["properties", key], value.as_str());
            }
        }
    }
    out
}

/// The reports of a kind in a namespace (`None`: in all).
pub(crate) fn reports(shared: &Shared, gvk: &Gvk, namespace: Option<&str>) -> Vec<Doc> {
    let of_cluster = gvk.kind.starts_with("Cluster");
    let open = gvk.group == "openreports.io";
    let about = about(shared);
    let wanted = |object: &ObjectRef| {
        object.namespace.is_empty() == of_cluster
            && (of_cluster || namespace.is_none_or(|wanted| wanted == object.namespace))
    };
    let reports = shared.scan.objects(|object, rows| {
        if !wanted(object) {
            return None;
        }
        let mut summary = Summary::default();
        let mut results = Vec::new();
        let (mut since, mut api_version) = (None, "");
        for ((policy, rule), row) in rows {
            let Some(about) = about.get(policy) else { continue };
            results.push(result(rule, row, about, open, &mut summary));
            since = Some(since.map_or(row.since, |known: jiff::Timestamp| known.min(row.since)));
            api_version = &row.api_version;
        }
        let mut out = Value::object();
        out.set(&["apiVersion"], gvk.api_version());
        out.set(&["kind"], gvk.kind.as_str());
        out.set(&["metadata", "labels", "app.kubernetes.io/managed-by"], "ridgeway");
        out.set(&["metadata", "creationTimestamp"], rfc3339(since?));
        out.set(&["scope", "apiVersion"], api_version);
        out.set(&["scope", "kind"], object.kind.as_str());
        out.set(&["scope", "name"], object.name.as_str());
        if !of_cluster {
            out.set(&["metadata", "namespace"], object.namespace.as_str());
            out.set(&["scope", "namespace"], object.namespace.as_str());
        }
        for outcome in ["pass", "fail", "warn", "error", "skip"] {
            let count = summary.0.get(outcome).copied().unwrap_or(0);
            out.set(&["summary", outcome], count);
        }
        out.set(&["results"], results);
        Some((object.clone(), out))
    });
    let named = reports.into_iter().flatten().filter_map(|(object, mut report)| {
        let live = shared
            .mirror
            .object(&object.group, &object.kind, &object.namespace, &object.name)?;
        let uid = live.root().str_at(&["metadata", "uid"])?.to_owned();
        report.set(&["metadata", "name"], uid.as_str());
        report.set(&["metadata", "uid"], uid.as_str());
        report.set(&["scope", "uid"], uid.as_str());
        let mut owner = Value::object();
        for key in ["apiVersion", "kind", "name", "uid"] {
            owner.set(
                &[key],
                report
                    .node()
                    .at(&["scope", key])
                    .and_then(Node::as_str)
                    .unwrap_or_default(),
            );
        }
        report.set(&["metadata", "ownerReferences"], vec![owner]);
        Some(report.into_doc())
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_kinds_that_are_only_read() {
        let kinds = report_kinds();
        assert_eq!(kinds.len(), 4);
        for kind in kinds {
            assert_eq!(kind.verbs, ["get", "list"]);
            assert_eq!(kind.namespaced, !kind.gvk.kind.starts_with("Cluster"), "{}", kind.gvk);
        }
    }
}
