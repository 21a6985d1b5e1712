//! Expansion, where constraints are asked, and what is left alone.

use ridgeway_doc::{Doc, parse_yaml};
use ridgeway_krm::Gvk;

use crate::{Action, Outcome, Point, Request, RuleResult, RuleSet};

const TEMPLATE: &str = "---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: named}
spec:
  crd: {spec: {names: {kind: Named}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package named
      violation[{\"msg\": msg}] {
        not input.review.object.metadata.labels.owner
        msg := sprintf(\"%v %v has no owner\", [input.review.kind.kind, input.review.name])
      }
";

const EXPANSION: &str = "---
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: pods}
spec:
  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment]}]
  templateSource: spec.template
  generatedGVK: {group: '', version: v1, kind: Pod}
";

const OWNER: &str = "---
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: owner}
spec: {match: {source: Generated}, location: metadata.labels.owner, parameters: {assign: {value: x}}}
";

const DEPLOYMENT: &str =
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {}}}}";

fn constraint(spec: &str) -> String {
    format!(
        "---\napiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Named\nmetadata: {{name: all}}\nspec: {{{spec}}}\n"
    )
}

fn rules(parts: &[&str]) -> (RuleSet, Vec<String>) {
    let docs = parse_yaml(&parts.concat()).unwrap();
    let sources: Vec<_> = docs.iter().map(Doc::root).collect();
    let (rules, errors) = RuleSet::compile(&sources);
    (rules, errors.iter().map(ToString::to_string).collect())
}

fn with_object<T>(object: &str, judge: impl FnOnce(&Request<'_>) -> T) -> T {
    let object = parse_yaml(object).unwrap().remove(0);
    let gvk = Gvk::of(object.root()).unwrap();
    judge(&Request::create(&gvk, object.root()))
}

fn told(results: &[RuleResult]) -> Vec<(Outcome, Action, String)> {
    let found = results.iter().filter(|r| r.outcome != Outcome::Pass);
    found.map(|r| (r.outcome, r.action, r.author.clone())).collect()
}

fn admit(parts: &[&str], object: &str) -> Vec<(Outcome, Action, String)> {
    let (rules, errors) = rules(parts);
    assert!(errors.is_empty(), "{errors:?}");
    with_object(object, |request| told(&rules.admit(request).results))
}

#[test]
fn what_follows_is_judged() {
    let pods = constraint("match: {kinds: [{apiGroups: [''], kinds: [Pod]}]}");
    let implied = "[Implied by pods] Pod web-pod has no owner".to_owned();
    let base = [TEMPLATE, &pods, EXPANSION];
    assert_eq!(
        admit(&base, DEPLOYMENT),
        [(Outcome::Fail, Action::Enforce, implied.clone())]
    );
    assert_eq!(admit(&[TEMPLATE, &pods], DEPLOYMENT), []);
    let labelled = DEPLOYMENT.replace("{spec: {}}", "{metadata: {labels: {owner: me}}, spec: {}}");
    assert_eq!(admit(&base, &labelled), []);
    // Mutators for what is generated are asked first.
    assert_eq!(admit(&[TEMPLATE, &pods, EXPANSION, OWNER], DEPLOYMENT), []);
    let original = OWNER.replace("Generated", "Original");
    assert_eq!(admit(&[TEMPLATE, &pods, EXPANSION, &original], DEPLOYMENT).len(), 1);
    // The template may soften what constraints say.
    for (action, want) in [
        ("warn", (Outcome::Warn, Action::Warn)),
        ("dryrun", (Outcome::Fail, Action::Audit)),
        ("deny", (Outcome::Fail, Action::Enforce)),
    ] {
        let expansion = format!("{EXPANSION}  enforcementAction: {action}\n");
        let got = admit(&[TEMPLATE, &pods, &expansion], DEPLOYMENT);
        assert_eq!(got, [(want.0, want.1, implied.clone())], "{action}");
    }
    // In the background as at admission.
    let set = rules(&base).0;
    let scanned = with_object(DEPLOYMENT, |request| told(&set.scan(request)));
    assert_eq!(scanned, [(Outcome::Fail, Action::Enforce, implied)]);
}

#[test]
fn constraints_choose_by_source() {
    let deployment = (Outcome::Fail, Action::Enforce, "Deployment web has no owner".to_owned());
    let pod = (
        Outcome::Fail,
        Action::Enforce,
        "[Implied by pods] Pod web-pod has no owner".to_owned(),
    );
    for (source, want) in [
        ("Original", vec![deployment.clone()]),
        ("Generated", vec![pod.clone()]),
        ("All", vec![deployment, pod]),
    ] {
        let all = constraint(&format!("match: {{source: {source}}}"));
        assert_eq!(admit(&[TEMPLATE, &all, EXPANSION], DEPLOYMENT), want, "{source}");
    }
}

#[test]
fn expansion_goes_on() {
    let cron = "---
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: jobs}
spec:
  applyTo: [{groups: [batch], versions: [v1], kinds: [CronJob]}]
  templateSource: spec.jobTemplate
  generatedGVK: {group: batch, version: v1, kind: Job}
";
    let pods = EXPANSION
        .replace("[apps]", "[apps, batch]")
        .replace("[Deployment]", "[Deployment, Job]");
    let all = constraint("match: {source: Generated}");
    let object = "{apiVersion: batch/v1, kind: CronJob, metadata: {name: c, namespace: shop}, spec: {jobTemplate: {spec: {template: {spec: {}}}}}}";
    let got: Vec<String> = admit(&[TEMPLATE, &all, cron, &pods], object)
        .into_iter()
        .map(|t| t.2)
        .collect();
    assert_eq!(
        got,
        [
            "[Implied by jobs] Job c-job has no owner",
            "[Implied by pods] Pod c-job-pod has no owner"
        ]
    );
    // A resource without the field that the template names.
    let set = rules(&[TEMPLATE, &all, cron, &pods]).0;
    let empty = "{apiVersion: batch/v1, kind: CronJob, metadata: {name: c, namespace: shop}, spec: {}}";
    let results = with_object(empty, |request| set.admit(request).results);
    assert!(
        results
            .iter()
            .any(|r| r.refuses() && r.policy == "ExpansionTemplate/jobs" && r.message.contains("spec.jobTemplate")),
        "{results:?}"
    );
}

#[test]
fn circles_are_broken() {
    let step = |name: &str, from: &str, to: &str| {
        format!(
            "---\napiVersion: expansion.gatekeeper.sh/v1beta1\nkind: ExpansionTemplate\nmetadata: {{name: {name}}}\nspec: {{applyTo: [{{groups: [x], versions: [v1], kinds: [{from}]}}], templateSource: spec, generatedGVK: {{group: x, version: v1, kind: {to}}}}}\n"
        )
    };
    let all = constraint("match: {source: Generated}");
    let (set, errors) = rules(&[
        TEMPLATE,
        &all,
        &step("ab", "A", "B"),
        &step("bc", "B", "C"),
        &step("ca", "C", "A"),
        &step("ad", "A", "D"),
    ]);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(
        errors[0].contains("ExpansionTemplate/ab") && errors[0].contains("bc, ca"),
        "{errors:?}"
    );
    let object = "{apiVersion: x/v1, kind: A, metadata: {name: a}, spec: {}}";
    let got: Vec<String> = with_object(object, |r| told(&set.admit(r).results))
        .into_iter()
        .map(|t| t.2)
        .collect();
    assert_eq!(got, ["[Implied by ad] D a-d has no owner"]);
    let errors = rules(&[&step("aa", "A", "A")]).1;
    assert!(
        errors.len() == 1 && errors[0].contains("follow from itself"),
        "{errors:?}"
    );
    for (from, to, part) in [
        (
            "templateSource: spec.template",
            "templateSource: ''",
            "spec.templateSource",
        ),
        ("version: v1, kind: Pod", "kind: Pod", "spec.generatedGVK"),
        ("groups: [apps], ", "", "spec.applyTo"),
    ] {
        let errors = rules(&[&EXPANSION.replace(from, to)]).1;
        assert!(errors.len() == 1 && errors[0].contains(part), "{from}: {errors:?}");
    }
}

#[test]
fn actions_by_point() {
    let scoped = |list: &str| {
        let spec = format!("enforcementAction: scoped, scopedEnforcementActions: [{list}]");
        rules(&[TEMPLATE, &constraint(&spec)])
    };
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}";
    let at = |list: &str, point: Point| {
        let (rules, errors) = scoped(list);
        assert!(errors.is_empty(), "{errors:?}");
        let results = with_object(map, |request| rules.at(point).admit(request).results);
        results.first().map(|r| r.action)
    };
    let (enforce, warn, audit) = (Some(Action::Enforce), Some(Action::Warn), Some(Action::Audit));
    let deny_all = "{action: deny, enforcementPoints: [{name: '*'}]}";
    let webhook = "{action: warn, enforcementPoints: [{name: validation.gatekeeper.sh}]}";
    let gator = "{action: deny, enforcementPoints: [{name: gator.gatekeeper.sh}]}";
    let plan = "{action: dryrun, enforcementPoints: [{name: plan.ridgeway.dev}]}";
    for (list, point, want) in [
        (deny_all.to_owned(), Point::Audit, enforce),
        (webhook.to_owned(), Point::Admission, warn),
        (webhook.to_owned(), Point::Sync, warn),
        (webhook.to_owned(), Point::Gator, None),
        (webhook.to_owned(), Point::Audit, None),
        (gator.to_owned(), Point::Editor, enforce),
        (gator.to_owned(), Point::Admission, None),
        (format!("{webhook}, {deny_all}"), Point::Admission, enforce),
        (format!("{webhook}, {deny_all}"), Point::Gator, enforce),
        (format!("{webhook}, {plan}"), Point::Plan, audit),
        (format!("{webhook}, {plan}"), Point::Sync, warn),
        (
            format!("{webhook}, {gator}, {}", webhook.replace("warn", "deny")),
            Point::Admission,
            enforce,
        ),
    ] {
        assert_eq!(at(&list, point), want, "{list} {point:?}");
    }
    let (set, _) = scoped("{action: deny, enforcementPoints: [{name: audit.gatekeeper.sh}]}");
    assert_eq!(with_object(map, |request| set.scan(request).len()), 1);
    assert_eq!(with_object(map, |request| set.admit(request).results.len()), 0);
    let dry = |set: &RuleSet| with_object(map, |r| set.admit(&Request { dry_run: true, ..*r }).results[0].action);
    assert_eq!(dry(&scoped(&format!("{webhook}, {plan}")).0), Action::Audit);
    for (list, part) in [
        (
            "{action: deny, enforcementPoints: [{name: webhook}]}",
            "no enforcement point",
        ),
        ("{action: refuse, enforcementPoints: [{name: '*'}]}", "use deny"),
        ("{enforcementPoints: [{name: '*'}]}", "use deny"),
    ] {
        let errors = scoped(list).1;
        assert!(errors.len() == 1 && errors[0].contains(part), "{list}: {errors:?}");
    }
}

#[test]
fn namespaces_that_are_left_alone() {
    let config = |processes: &str| {
        format!(
            "---\napiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {{name: config, namespace: gatekeeper-system}}\nspec: {{match: [{{excludedNamespaces: ['kube-*', shop], processes: [{processes}]}}]}}\n"
        )
    };
    let label = OWNER
        .replace("Generated", "All")
        .replace("owner}", "seen}")
        .replace("labels.owner", "labels.seen");
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}";
    for (processes, admitted, scanned, mutated, unsynced) in [
        ("'*'", 0, 0, false, true),
        ("webhook", 0, 1, true, false),
        ("audit", 1, 0, true, false),
        ("mutation-webhook", 1, 1, false, false),
        ("sync", 1, 1, true, true),
        ("", 1, 1, true, false),
    ] {
        let (set, errors) = rules(&[TEMPLATE, &constraint(""), &label, &config(processes)]);
        assert!(errors.is_empty(), "{errors:?}");
        with_object(map, |request| {
            let verdicts = set.admit(request);
            assert_eq!(told(&verdicts.results).len(), admitted, "{processes}");
            assert_eq!(verdicts.mutated.is_some(), mutated, "{processes}");
            assert_eq!(told(&set.scan(request)).len(), scanned, "{processes}");
        });
        assert_eq!(set.unsynced("shop"), unsynced, "{processes}");
        assert!(!set.unsynced("other"));
        let other = map.replace("shop", "other");
        with_object(&other, |request| assert_eq!(told(&set.admit(request).results).len(), 1));
        let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: kube-x}}";
        with_object(namespace, |request| {
            assert_eq!(told(&set.admit(request).results).len(), admitted)
        });
    }
    let errors = rules(&[&config("everything")]).1;
    assert!(errors.len() == 1 && errors[0].contains("no process"), "{errors:?}");
}
