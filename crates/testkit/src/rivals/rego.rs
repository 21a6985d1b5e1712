//! Templates of Gatekeeper's library beside OPA.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use ridgeway_doc::Node;
use ridgeway_policy::corpus::rivals::Rego;
use serde_json::json;

use super::library::{self, Case, Template};
use super::{Peers, ask, measure, shown, summary};

/// How much faster every template shall be.
const GOAL: f64 = 10.0;

/// What OPA is asked about a template.
pub fn question(id: &str, template: &Template, cases: &[&Case], data: Option<Node<'_>>) -> String {
    let raw = |node: Node<'_>| -> serde_json::Value { serde_json::from_str(&node.to_json()).unwrap_or_default() };
    json!({
        "id": id,
        "modules": template.modules,
        "v1": template.v1,
        "query": template.query,
        "data": data.map(raw),
        "inputs": cases.iter().map(|case| raw(case.input.root())).collect::<Vec<_>>(),
    })
    .to_string()
}

/// The messages of violations, sorted; objects of violations count by their values.
pub fn messages(answer: &serde_json::Value) -> Vec<String> {
    let of = |item: &serde_json::Value| match item.get("msg").unwrap_or(item) {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut out: Vec<String> = match answer {
        serde_json::Value::Array(items) => items.iter().map(of).collect(),
        serde_json::Value::Object(members) => members.values().map(of).collect(),
        _ => Vec::new(),
    };
    out.sort();
    out
}

/// Our messages for a case.
pub fn own(rego: &Rego, case: &Case) -> Result<Vec<String>, String> {
    let answer = rego.answer(case.input.root(), case.data.as_ref().map(|data| data.root()))?;
    let json = answer.map_or_else(|| "null".into(), |answer| answer.to_json());
    Ok(messages(&serde_json::from_str(&json).unwrap_or_default()))
}

/// Prints a line per template.
pub fn run(root: &Path, peers: &Peers, budget: Duration) -> Result<()> {
    println!("\n== Rego: each template of gatekeeper-library with its samples, CPU time of one evaluation");
    let templates = library::load(&root.join("gatekeeper-library"));
    let peer = peers.find("opa-go");
    println!(
        "{:34} {:>5} {:>10} {:>10} {:>10} {:>7} {:>7}",
        "template", "cases", "ours", "OPA", "OPA parsed", "ratio", "parsed"
    );
    let (mut ratios, mut whole_ratios) = (Vec::new(), Vec::new());
    let mut total = [0.0_f64; 3];
    let (mut count, mut apart) = (0, Vec::new());
    for template in &templates {
        let cases: Vec<&Case> = template.samples.iter().flat_map(|sample| &sample.cases).collect();
        let modules: Vec<&str> = template.modules.iter().map(String::as_str).collect();
        let rego = match Rego::compile(&modules, template.v1, &template.query) {
            Ok(rego) => rego,
            Err(why) => {
                println!("{:34} does not compile: {why}", template.kind);
                continue;
            }
        };
        let mut line = [0.0_f64; 3];
        for case in &cases {
            let (input, data) = (case.input.root(), case.data.as_ref().map(|data| data.root()));
            line[0] += measure(budget / 2, || {
                let _ = std::hint::black_box(rego.count(std::hint::black_box(input), data));
            });
        }
        if let Some(program) = peer {
            // Data belong to the prepared query: cases with an inventory are asked one by one.
            let questions: Vec<String> = cases
                .iter()
                .map(|case| {
                    question(
                        &case.name,
                        template,
                        &[*case],
                        case.data.as_ref().map(|data| data.root()),
                    )
                })
                .collect();
            let wait = format!("{}ms", budget.as_millis());
            for (case, answer) in cases.iter().zip(ask(program, &["-budget", &wait], &questions)?) {
                let found = answer["answers"].get(0).with_context(|| format!("OPA: {answer}"))?;
                line[1] += found["nanos"].as_f64().unwrap_or_default();
                line[2] += found["parsedNanos"].as_f64().unwrap_or_default();
                let theirs = messages(&found["result"]);
                match own(&rego, case) {
                    Ok(ours) if ours == theirs => {}
                    other => apart.push(format!("{}: ours {other:?}, OPA {theirs:?}", case.name)),
                }
            }
        }
        let each = |nanos: f64| nanos / cases.len().max(1) as f64;
        let name = &template.kind;
        print!("{name:34} {:>5} {:>10}", cases.len(), shown(each(line[0])));
        if peer.is_some() {
            let (whole, parsed) = (line[1] / line[0], line[2] / line[0]);
            print!(
                " {:>10} {:>10} {whole:>6.1}x {parsed:>6.1}x",
                shown(each(line[1])),
                shown(each(line[2]))
            );
            whole_ratios.push((name.clone(), whole));
            ratios.push((name.clone(), parsed));
        }
        println!();
        (0..3).for_each(|i| total[i] += line[i]);
        count += cases.len();
    }
    let each = |nanos: f64| shown(nanos / count.max(1) as f64);
    print!("{:34} {count:>5} {:>10}", "total (mean of all cases)", each(total[0]));
    if peer.is_some() {
        print!(
            " {:>10} {:>10} {:>6.1}x {:>6.1}x",
            each(total[1]),
            each(total[2]),
            total[1] / total[0],
            total[2] / total[0]
        );
    }
    println!();
    if peer.is_some() {
        summary("OPA, from a decoded document", "templates", GOAL, &whole_ratios);
        summary("OPA, from its own form of the input", "templates", GOAL, &ratios);
        println!("answers that differ: {}", apart.len());
        apart.iter().for_each(|line| println!("  {line}"));
    }
    Ok(())
}
