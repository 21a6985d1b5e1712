//! Differential fuzzing: the fixtures of the corpora, each with one field changed, before a peer and before us.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ridgeway_doc::{Doc, Node, parse_json};
use ridgeway_krm::Gvk;
use ridgeway_policy::corpus::rivals::Rego;
use ridgeway_policy::{Outcome, Request, RuleSet};
use serde_json::Value;

use super::library::{self, Case};
use super::mutate::{Chance, mutate};
use super::{Peers, ask, documents, rego};

/// Where disagreements are kept, and how many there were.
pub struct Findings {
    folder: PathBuf,
    /// Mutants judged by both.
    pub compared: usize,
    /// Those judged differently.
    pub apart: usize,
    seen: BTreeSet<String>,
}

impl Findings {
    /// Findings in a folder.
    pub fn new(folder: &Path) -> Findings {
        Findings {
            folder: folder.to_owned(),
            compared: 0,
            apart: 0,
            seen: BTreeSet::new(),
        }
    }

    /// Keeps a disagreement; one line for each rule and kind of change, all in files.
    fn keep(&mut self, rule: &str, change: &str, ours: &str, theirs: &str, files: &[(&str, String)]) -> Result<()> {
        self.apart += 1;
        let folder = self.folder.join(format!("{:04}", self.apart));
        std::fs::create_dir_all(&folder)?;
        for (name, text) in files {
            std::fs::write(folder.join(name), text)?;
        }
        let told = format!("{rule}\n  change  {change}\n  ours    {ours}\n  theirs  {theirs}\n");
        std::fs::write(folder.join("README.txt"), &told)?;
        let shape = format!("{rule} {}", change.split(' ').next().unwrap_or_default());
        if self.seen.insert(shape) {
            println!("{told}  files   {}", folder.display());
        }
        Ok(())
    }
}

fn raw(node: Node<'_>) -> Value {
    serde_json::from_str(&node.to_json()).unwrap_or_default()
}

fn doc(value: &Value) -> Result<Doc> {
    Ok(parse_json(value.to_string().as_bytes())?)
}

/// Templates before OPA until the time is over.
pub fn templates(root: &Path, peers: &Peers, time: Duration, seed: u64, findings: &mut Findings) -> Result<()> {
    let Some(program) = peers.find("opa-go") else {
        return Ok(());
    };
    let all = library::load(&root.join("gatekeeper-library"));
    let begun = Instant::now();
    let mut chance = Chance::new(seed);
    let before = (findings.compared, findings.apart);
    while begun.elapsed() < time {
        let (mut questions, mut asked) = (Vec::new(), Vec::new());
        for template in &all {
            let modules: Vec<&str> = template.modules.iter().map(String::as_str).collect();
            let Ok(rego) = Rego::compile(&modules, template.v1, &template.query) else {
                continue;
            };
            let rego = std::rc::Rc::new(rego);
            for case in template.samples.iter().flat_map(|sample| &sample.cases) {
                let (mut mutants, mut changes) = (Vec::new(), Vec::new());
                for _ in 0..10 {
                    let mut input = raw(case.input.root());
                    let part = if chance.below(8) == 0 { "parameters" } else { "review" };
                    let changed = match part {
                        "review" => mutate(&mut input["review"]["object"], &mut chance),
                        _ => mutate(&mut input["parameters"], &mut chance),
                    };
                    let Some(changed) = changed else { continue };
                    changes.push(format!("{part}: {changed}"));
                    mutants.push(Case {
                        name: case.name.clone(),
                        object: case.object.clone(),
                        input: doc(&input)?,
                        data: case.data.clone(),
                    });
                }
                let cases: Vec<&Case> = mutants.iter().collect();
                let data = case.data.as_ref().map(|data| data.root());
                questions.push(rego::question(&case.name, template, &cases, data));
                asked.push((template, rego.clone(), mutants, changes));
            }
        }
        let answers = ask(program, &["-budget", "0"], &questions)?;
        for ((template, rego, mutants, changes), answer) in asked.iter().zip(&answers) {
            for (i, case) in mutants.iter().enumerate() {
                let theirs = &answer["answers"][i];
                let theirs = match theirs["error"].as_str() {
                    Some(error) => Err(error.to_owned()),
                    None => Ok(rego::messages(&theirs["result"])),
                };
                let ours = rego::own(rego, case);
                findings.compared += 1;
                let agree = match (&ours, &theirs) {
                    (Ok(ours), Ok(theirs)) => ours == theirs,
                    (ours, theirs) => ours.is_err() == theirs.is_err(),
                };
                if !agree {
                    let files = [
                        ("input.json", case.input.root().to_json()),
                        ("template.yaml", template.doc.root().to_yaml()),
                    ];
                    findings.keep(
                        &case.name,
                        &changes[i],
                        &format!("{ours:?}"),
                        &format!("{theirs:?}"),
                        &files,
                    )?;
                }
            }
        }
    }
    println!(
        "OPA: {} mutants compared, {} disagreements, {:.0?}",
        findings.compared - before.0,
        findings.apart - before.1,
        begun.elapsed()
    );
    Ok(())
}

/// A policy of Kyverno with the resources of its tests.
struct Suite {
    file: PathBuf,
    policy: Doc,
    resources: Vec<Value>,
}

impl Suite {
    fn name(&self) -> &str {
        self.policy.root().text_at(&["metadata", "name"])
    }

    /// Whether it is a policy of expressions. Kyverno's command line names no rule of those, not even derived ones.
    fn is_of_expressions(&self) -> bool {
        self.policy.root().text_at(&["kind"]) == "ValidatingPolicy"
    }
}

/// Whether a policy looks at something beside the request: a cluster, a registry, a service. Here there is none.
fn asks_elsewhere(node: Node<'_>) -> bool {
    const SOURCES: [&str; 5] = [
        "apiCall",
        "configMap",
        "globalReference",
        "imageRegistry",
        "verifyImages",
    ];
    const CALLS: [&str; 7] = [
        "resource.get(",
        "resource.list(",
        "resource.post(",
        "globalcontext.get(",
        "image.getmetadata(",
        "http.get(",
        "http.post(",
    ];
    let calls = |text: &str| {
        let text = text.to_lowercase();
        let begins = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '_');
        let mut found = CALLS.iter().flat_map(|call| text.match_indices(call));
        found.any(|(at, _)| begins(at))
    };
    node.as_str().is_some_and(calls)
        || node.items().any(asks_elsewhere)
        || node
            .members()
            .any(|(key, member)| SOURCES.contains(&key) && !member.is_null() || asks_elsewhere(member))
}

/// The suites, and how many are left out because their policies ask elsewhere.
fn suites(root: &Path) -> (Vec<Suite>, usize) {
    let root = root.join("kyverno-policies");
    let (mut out, mut left_out) = (Vec::new(), 0);
    for (file, policy) in documents(&root) {
        let hidden = file.components().any(|part| part.as_os_str() == ".kyverno-test");
        let kind = policy.root().text_at(&["kind"]);
        if hidden || !matches!(kind, "ClusterPolicy" | "ValidatingPolicy") || file.file_name().is_none() {
            continue;
        }
        let tests = file.parent().unwrap_or(&root).join(".kyverno-test");
        let mut resources: Vec<Value> = documents(&tests).iter().map(|(_, doc)| raw(doc.root())).collect();
        resources.retain(|resource| {
            let version = resource["apiVersion"].as_str().unwrap_or_default();
            !version.is_empty() && !version.contains("kyverno.io") && resource["metadata"]["name"].is_string()
        });
        if resources.is_empty() {
            continue;
        }
        if policy.root().get("spec").is_some_and(asks_elsewhere) {
            left_out += 1;
            continue;
        }
        out.push(Suite {
            file,
            policy,
            resources,
        });
    }
    (out, left_out)
}

/// Verdicts by policy, rule and object.
type Verdicts = BTreeMap<(String, String, String), String>;

/// Adds a verdict. Of several under one name the worst counts.
fn put(verdicts: &mut Verdicts, batch: &[Suite], policy: &str, rule: &str, object: &str, verdict: &str) {
    let unnamed = batch
        .iter()
        .any(|suite| suite.is_of_expressions() && suite.name() == policy);
    let rule = if unnamed { "" } else { rule };
    let place = verdicts
        .entry((policy.to_owned(), rule.to_owned(), object.to_owned()))
        .or_default();
    let rank = |verdict: &str| {
        ["", "skip", "pass", "warn", "error", "fail"]
            .iter()
            .position(|v| *v == verdict)
    };
    if rank(verdict) > rank(place) {
        verdict.clone_into(place);
    }
}

/// Kyverno's policies before its command line until the time is over.
pub fn kyverno(root: &Path, peers: &Peers, time: Duration, seed: u64, findings: &mut Findings) -> Result<()> {
    let Some(program) = peers.find("kyverno") else {
        return Ok(());
    };
    let begun = Instant::now();
    let mut chance = Chance::new(seed);
    let (mut all, left_out) = suites(root);
    let before = (findings.compared, findings.apart);
    let (mut silent, mut runs) = (0, 0);
    while begun.elapsed() < time && !all.is_empty() {
        // Starting the peer costs a second: it is given some policies at once, and all mutants to each.
        let mut batch: Vec<Suite> = Vec::new();
        while batch.len() < 6 && !all.is_empty() {
            let suite = all.swap_remove(chance.below(all.len()));
            if batch.iter().all(|other| other.name() != suite.name()) {
                batch.push(suite);
            }
        }
        let mut mutants: Vec<(Value, String)> = Vec::new();
        for suite in &batch {
            for _ in 0..20 {
                let mut mutant = suite.resources[chance.below(suite.resources.len())].clone();
                let Some(change) = mutate(&mut mutant, &mut chance) else {
                    continue;
                };
                // The API server drops `null` before any policy sees it; the command line does not.
                if change.ends_with("to null") {
                    continue;
                }
                mutant["metadata"]["name"] = format!("m{}", mutants.len()).into();
                mutants.push((mutant, change));
            }
        }
        runs += 1;
        let theirs = asked(program, &batch, &mutants, &mut silent)?;
        let ours = ours(&batch, &mutants)?;
        for (key, theirs) in &theirs {
            findings.compared += 1;
            let ours = ours.get(key).map_or("nothing", String::as_str);
            if ours == theirs || (theirs == "skip" && ours == "nothing") {
                continue;
            }
            let (Some((mutant, change)), Some(suite)) = (
                mutants.iter().find(|(mutant, _)| mutant["metadata"]["name"] == *key.2),
                batch.iter().find(|suite| suite.name() == key.0),
            ) else {
                continue;
            };
            let name = format!("{} {}", crate::corpora::id(root, &suite.file), key.1);
            let files = [
                ("policy.yaml", suite.policy.root().to_yaml()),
                ("resource.yaml", doc(mutant)?.root().to_yaml()),
            ];
            findings.keep(&name, change, ours, theirs, &files)?;
        }
    }
    println!(
        "Kyverno: {runs} runs, {} verdicts compared, {} disagreements, {silent} mutants it could not read, {left_out} \
         policies left out because they ask a cluster, a registry or a service, {:.0?}",
        findings.compared - before.0,
        findings.apart - before.1,
        begun.elapsed()
    );
    Ok(())
}

/// Asks the peer. It gives up on everything when it cannot read one resource: then each half is asked by itself.
fn asked(program: &Path, batch: &[Suite], mutants: &[(Value, String)], silent: &mut usize) -> Result<Verdicts> {
    let mut found = theirs(program, batch, mutants)?;
    if found.is_empty() && mutants.len() > 8 {
        let (left, right) = mutants.split_at(mutants.len() / 2);
        found = asked(program, batch, left, silent)?;
        found.append(&mut asked(program, batch, right, silent)?);
    } else if found.is_empty() {
        *silent += mutants.len();
    }
    Ok(found)
}

fn theirs(program: &Path, batch: &[Suite], mutants: &[(Value, String)]) -> Result<Verdicts> {
    let folder = tempfile::tempdir()?;
    let resources = folder.path().join("resources.yaml");
    let mut policies = Vec::new();
    for (number, suite) in batch.iter().enumerate() {
        let path = folder.path().join(format!("policy-{number}.yaml"));
        std::fs::write(&path, suite.policy.root().to_yaml())?;
        policies.push(path);
    }
    let mut text = String::new();
    for (mutant, _) in mutants {
        text.push_str("---\n");
        text.push_str(&doc(mutant)?.root().to_yaml());
    }
    std::fs::write(&resources, text)?;
    let output = Command::new(program)
        .arg("apply")
        .args(&policies)
        .arg("--resource")
        .arg(&resources)
        .args(["--policy-report", "--output-format", "json"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut out = Verdicts::new();
    for (start, _) in printed.match_indices('{').take(1) {
        for report in serde_json::Deserializer::from_str(&printed[start..]).into_iter::<Value>() {
            let Ok(report) = report else { break };
            let lists = [&report["results"], &report["items"]];
            let nested = lists.iter().filter_map(|list| list.as_array()).flatten();
            for item in nested {
                let inner = item["results"]
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![item.clone()]);
                for result in inner {
                    let resources = result["resources"].as_array().cloned().unwrap_or_default();
                    let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
                    for resource in resources {
                        let name = resource["name"].as_str().unwrap_or_default();
                        put(&mut out, batch, &text("policy"), &text("rule"), name, &text("result"));
                    }
                }
            }
        }
    }
    Ok(out)
}

fn ours(batch: &[Suite], mutants: &[(Value, String)]) -> Result<Verdicts> {
    let policies: Vec<Node<'_>> = batch.iter().map(|suite| suite.policy.root()).collect();
    let (rules, _) = RuleSet::compile(&policies);
    let mut out = Verdicts::new();
    for (mutant, _) in mutants {
        let object = doc(mutant)?;
        let root = object.root();
        let Some(gvk) = Gvk::of(root) else { continue };
        let mut request = Request::create(&gvk, root);
        if request.namespace.is_empty() {
            request.namespace = "default";
        }
        // What is generated is told beside what is judged. The command line says no more than that a rule applies.
        let (_, mut generated) = rules.generate(&request);
        for result in generated.iter_mut().filter(|result| result.outcome == Outcome::Error) {
            result.outcome = Outcome::Pass;
        }
        for result in rules.admit(&request).results.into_iter().chain(generated) {
            let verdict = match result.outcome {
                Outcome::Pass => "pass",
                Outcome::Fail => "fail",
                Outcome::Warn => "warn",
                Outcome::Skip => "skip",
                Outcome::Error => "error",
            };
            let name = root.text_at(&["metadata", "name"]);
            put(&mut out, batch, &result.policy, &result.rule, name, verdict);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_that_ask_elsewhere_are_known() {
        let asks = |text: &str| asks_elsewhere(ridgeway_doc::parse_yaml(text).unwrap()[0].root());
        for text in [
            "rules: [{context: [{name: a, apiCall: {urlPath: /api}}]}]",
            "rules: [{verifyImages: [{}]}]",
            "variables: [{expression: \"resource.List('v1', 'pods', '').items\"}]",
            "variables: [{expression: \"size(image.GetMetadata(object.spec.image))\"}]",
            "validations: [{expression: \"globalContext.Get('a', 'b') > 1\"}]",
        ] {
            assert!(asks(text), "{text}");
        }
        for text in [
            "rules: [{context: [{name: a, variable: {value: b}}]}]",
            "validations: [{expression: object.spec.resource.List(1)}]",
            "validations: [{expression: \"object.image.startsWith('a')\"}]",
            "message: see http.example.org (or ask)",
            "validations: [{expression: \"resource.name == 'a' && image.startsWith('b')\"}]",
        ] {
            assert!(!asks(text), "{text}");
        }
    }
}
