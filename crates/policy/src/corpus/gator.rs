//! `gator verify`: suites that say how many violations a constraint finds in an object.

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;

use super::{CorpusResult, Files, Report, RowOutcome, documents, folder, join};
use crate::gatekeeper::Point;
use crate::request::{Data, NoData, Operation, Request, User};
use crate::ruleset::RuleSet;
use crate::verdict::{Outcome, RuleResult};

/// Runs every `suite.yaml` below a folder; the unit is the suite, as `gator verify` prints it.
pub fn run(files: &dyn Files, root: &str) -> CorpusResult {
    let mut out = CorpusResult::default();
    let mut suites: Vec<String> = files
        .walk(root)
        .into_iter()
        .filter(|path| path.ends_with("/suite.yaml"))
        .collect();
    suites.sort();
    for suite in suites {
        let result = run_suite(files, &suite).result();
        if result.failed == 0 {
            out.passed += 1;
        } else {
            out.failed += 1;
            out.failing.extend(result.failing);
        }
    }
    out
}

/// Runs one suite; a line per case.
pub fn run_suite(files: &dyn Files, path: &str) -> Report {
    let mut report = Report::default();
    let docs = match documents(files, path) {
        Ok(docs) => docs,
        Err(error) => {
            report.row(path, RowOutcome::Failed, error);
            return report;
        }
    };
    for suite in docs
        .iter()
        .map(Doc::root)
        .filter(|doc| doc.str_at(&["kind"]) == Some("Suite"))
    {
        for test in suite.get("tests").into_iter().flat_map(Node::items) {
            let name = format!("{path} {}", test.str_at(&["name"]).unwrap_or_default());
            if test.get("skip").is_some_and(|skip| skip.as_bool() == Some(true)) {
                report.row(name, RowOutcome::Skipped, "skipped");
            } else if let Err(error) = run_test(files, path, test, &name, &mut report) {
                report.row(name, RowOutcome::Failed, error);
            }
        }
    }
    report
}

/// Objects of a case's inventory.
struct Inventory(Option<Value>);

impl Data for Inventory {
    fn get(&self, _: &Gvk, _: &str, _: &str) -> Option<Doc> {
        None
    }

    fn inventory(&self) -> Option<Value> {
        self.0.clone()
    }
}

fn run_test(files: &dyn Files, path: &str, test: Node<'_>, name: &str, report: &mut Report) -> Result<(), String> {
    let base = folder(path);
    let read = |key: &str| -> Result<Vec<Doc>, String> {
        match test.str_at(&[key]) {
            Some(path) => documents(files, &join(base, path)),
            None => Err(format!("the test has no `{key}`")),
        }
    };
    let (templates, mut constraints) = (read("template")?, read("constraint")?);
    if test.get("expansion").is_some() {
        // What follows from the objects, and what it is given beforehand.
        constraints.extend(read("expansion")?);
    }
    // Where a template is written in several languages, all must say the same.
    let other: Vec<Option<Doc>> = templates.iter().map(in_rego_alone).collect();
    let mut engines = vec![("", templates.iter().collect::<Vec<_>>())];
    if other.iter().any(Option::is_some) {
        let chosen = templates
            .iter()
            .zip(&other)
            .map(|(own, other)| other.as_ref().unwrap_or(own));
        engines = vec![(" in CEL", templates.iter().collect()), (" in Rego", chosen.collect())];
    }
    for (engine, templates) in engines {
        let sources: Vec<Node<'_>> = templates.into_iter().chain(&constraints).map(Doc::root).collect();
        let (rules, errors) = RuleSet::compile(&sources);
        if let Some(error) = errors.first() {
            return Err(error.to_string());
        }
        let rules = rules.at(Point::Gator);
        for case in test.get("cases").into_iter().flat_map(Node::items) {
            let name = format!("{name} / {}{engine}", case.str_at(&["name"]).unwrap_or_default());
            let (outcome, detail) = match judge(files, base, &rules, case) {
                Ok(results) => match assertions(case, &results) {
                    Ok(()) => (RowOutcome::Passed, String::new()),
                    Err(why) => (RowOutcome::Failed, why),
                },
                Err(error) => (RowOutcome::Failed, error),
            };
            report.row(name, outcome, detail);
        }
    }
    Ok(())
}

/// A template that is written in CEL and in Rego, without its CEL; `None` for the others.
fn in_rego_alone(template: &Doc) -> Option<Doc> {
    let target = template.root().at(&["spec", "targets"])?.item(0)?;
    let engine = |code: Node<'_>| code.str_at(&["engine"]).map(str::to_owned);
    let engines: Vec<String> = target.get("code")?.items().filter_map(engine).collect();
    let has = |name: &str| engines.iter().any(|engine| engine == name);
    if !has("K8sNativeValidation") || !(has("Rego") || target.get("rego").is_some()) {
        return None;
    }
    let kept = target
        .get("code")?
        .items()
        .filter(|code| engine(*code).as_deref() == Some("Rego"));
    let kept: Value = kept.map(Node::to_value).collect();
    let mut target = target.to_value();
    target.set(&["code"], kept);
    let mut out = template.root().to_value();
    out.set(&["spec", "targets"], vec![target]);
    Some(out.into_doc())
}

fn judge(files: &dyn Files, base: &str, rules: &RuleSet, case: Node<'_>) -> Result<Vec<RuleResult>, String> {
    let path = case.str_at(&["object"]).ok_or("the case has no `object`")?;
    let object = documents(files, &join(base, path))?
        .into_iter()
        .next()
        .ok_or("the object's file is empty")?;
    let mut inventory = None;
    for path in case
        .get("inventory")
        .into_iter()
        .flat_map(Node::items)
        .filter_map(Node::as_str)
    {
        for doc in documents(files, &join(base, path))? {
            put(inventory.get_or_insert_with(Value::object), &doc);
        }
    }
    let inventory = Inventory(inventory);
    let root = object.root();
    if root.str_at(&["kind"]) == Some("AdmissionReview") {
        return review(
            rules,
            root.get("request").ok_or("the review has no `request`")?,
            &inventory,
        );
    }
    let gvk = Gvk::of(root).ok_or("the object has no kind")?;
    Ok(rules
        .admit(&Request {
            data: &inventory,
            ..Request::create(&gvk, root)
        })
        .results)
}

/// A whole admission request instead of an object.
fn review(rules: &RuleSet, request: Node<'_>, inventory: &Inventory) -> Result<Vec<RuleResult>, String> {
    let text = |path: &[&str]| request.str_at(path).unwrap_or_default();
    let gvk = Gvk::new(
        text(&["kind", "group"]),
        text(&["kind", "version"]),
        text(&["kind", "kind"]),
    );
    let groups = request.at(&["userInfo", "groups"]).into_iter().flat_map(Node::items);
    let groups: Vec<String> = groups.filter_map(Node::as_str).map(str::to_owned).collect();
    let user = User {
        name: text(&["userInfo", "username"]),
        groups: &groups,
        ..User::default()
    };
    let object = |key: &str| request.get(key).filter(|node| !node.is_null());
    let results = rules.admit(&Request {
        operation: Operation::parse(text(&["operation"])).ok_or("the review has no operation")?,
        gvk: &gvk,
        gvr: None,
        subresource: text(&["subResource"]),
        namespace: text(&["namespace"]),
        name: text(&["name"]),
        object: object("object"),
        old_object: object("oldObject"),
        namespace_object: None,
        user: Some(user),
        dry_run: false,
        options: None,
        now: None,
        data: if inventory.0.is_some() { inventory } else { &NoData },
        variables: &[],
    });
    Ok(results.results)
}

/// Puts an object where `data.inventory` has it.
fn put(inventory: &mut Value, doc: &Doc) {
    let text = |path: &[&str]| doc.root().str_at(path).unwrap_or_default();
    let (version, kind) = (text(&["apiVersion"]), text(&["kind"]));
    let (namespace, name) = (text(&["metadata", "namespace"]), text(&["metadata", "name"]));
    if namespace.is_empty() {
        inventory.set(&["cluster", version, kind, name], doc.clone());
    } else {
        inventory.set(&["namespace", namespace, version, kind, name], doc.clone());
    }
}

fn assertions(case: Node<'_>, results: &[RuleResult]) -> Result<(), String> {
    if let Some(error) = results.iter().find(|r| r.outcome == Outcome::Error) {
        return Err(error.message.clone());
    }
    let found: Vec<&RuleResult> = results
        .iter()
        .filter(|r| matches!(r.outcome, Outcome::Fail | Outcome::Warn))
        .collect();
    let mut all = case.get("assertions").into_iter().flat_map(Node::items).peekable();
    if all.peek().is_none() && found.is_empty() {
        return Err("a violation was expected".into());
    }
    for assertion in all {
        let pattern = assertion
            .str_at(&["message"])
            .map(crate::pattern_text::regex)
            .transpose()?;
        let matching = found
            .iter()
            .filter(|r| pattern.as_ref().is_none_or(|p| p.is_match(&r.author)))
            .count();
        let wanted = assertion.get("violations");
        let holds = match (wanted.and_then(Node::as_i64), wanted.map(|w| w.as_bool().or(word(w)))) {
            (Some(count), _) => matching as i64 == count,
            (None, Some(Some(some))) => (matching > 0) == some,
            _ => matching > 0,
        };
        if !holds {
            let messages: Vec<&str> = found.iter().map(|r| r.author.as_str()).collect();
            let wanted = wanted.map_or_else(|| "some".into(), Node::to_json);
            return Err(format!("want {wanted} violations, got {matching} of {messages:?}"));
        }
    }
    Ok(())
}

fn word(node: Node<'_>) -> Option<bool> {
    match node.as_str()? {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(Vec<(&'static str, String)>);

    impl Files for One {
        fn read(&self, path: &str) -> Option<String> {
            let found = self.0.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| text.clone())
        }

        fn walk(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
    }

    #[test]
    fn suites_with_expansion() {
        let suite = |expansion: &str, violations: &str| {
            format!(
                "kind: Suite\ntests: [{{name: t, template: t.yaml, constraint: c.yaml{expansion}, cases: [{{name: c, object: \
                 o.yaml, assertions: [{{violations: {violations}, message: 'Implied by pods'}}]}}]}}]\n"
            )
        };
        let files = |suite: String| {
            One(vec![
                ("s/suite.yaml", suite),
                ("s/t.yaml", "{apiVersion: templates.gatekeeper.sh/v1, kind: ConstraintTemplate, metadata: {name: never}, spec: {crd: {spec: {names: {kind: Never}}}, targets: [{target: admission.k8s.gatekeeper.sh, rego: \"package never\\nviolation[{\\\"msg\\\": \\\"never\\\"}] { true }\"}]}}".into()),
                ("s/c.yaml", "{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Never, metadata: {name: x}, spec: {match: {kinds: [{apiGroups: [''], kinds: [Pod]}]}}}".into()),
                ("s/e.yaml", "{apiVersion: expansion.gatekeeper.sh/v1beta1, kind: ExpansionTemplate, metadata: {name: pods}, spec: {applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment]}], templateSource: spec.template, generatedGVK: {group: '', version: v1, kind: Pod}}}".into()),
                ("s/o.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {}}}}".into()),
            ])
        };
        for (expansion, violations) in [(", expansion: e.yaml", "yes"), ("", "no")] {
            let report = run_suite(&files(suite(expansion, violations)), "s/suite.yaml");
            let result = report.result();
            assert_eq!(
                (result.passed, result.failed),
                (1, 0),
                "{expansion}: {:?}",
                result.failing
            );
        }
    }
}
