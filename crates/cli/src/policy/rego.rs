//! Plain Rego files (`deny`, `violation`, `warn` over `input`) as constraint templates.
//!
//! The rules become libraries of a template whose only rule asks them; so they run on the same engine, and violations look
//! like all others. Lines stay as they are.

use ridgeway_doc::{Doc, Value};

/// A file of Rego.
pub(super) struct Module {
    pub(super) file: String,
    pub(super) text: String,
}

/// The templates and constraints for the rules of modules that were found together; the file of each is given with it.
/// Modules without such rules are libraries of the others.
pub(super) fn sources(modules: &[Module]) -> Result<Vec<(String, Doc)>, (String, String)> {
    let mut packages: Vec<&str> = Vec::new();
    for module in modules {
        let missing = || {
            let why = "the file has no `package`; a Rego policy starts with one, such as `package main`";
            (module.file.clone(), why.to_owned())
        };
        packages.push(package(&module.text).ok_or_else(missing)?);
    }
    let v1 = modules.iter().any(|module| {
        module.text.contains("import rego.v1")
            || heads(&module.text).any(|head| head.contains(" contains ") || head.ends_with(" if {"))
    });
    let library: Vec<String> = modules
        .iter()
        .map(|module| rewritten(&module.text, &packages))
        .collect();
    let mut out = Vec::new();
    for (module, package) in modules.iter().zip(&packages) {
        if module.file.ends_with("_test.rego") {
            continue;
        }
        for rule in ["deny", "violation", "warn"] {
            if heads(&module.text).any(|head| names(head, rule)) {
                let (template, constraint) = pair(&module.file, package, rule, v1, &library);
                out.extend([(module.file.clone(), template), (module.file.clone(), constraint)]);
            }
        }
    }
    match modules.first() {
        Some(module) if out.is_empty() => Err((
            module.file.clone(),
            "the file has no `deny`, `violation` or `warn` rule; nothing in it can refuse anything".into(),
        )),
        _ => Ok(out),
    }
}

fn pair(file: &str, package: &str, rule: &str, v1: bool, library: &[String]) -> (Doc, Doc) {
    let kind = kind(package, rule);
    let rego = if v1 {
        format!(
            "package conftest\nimport rego.v1\nsaid(one) := one if is_string(one)\nsaid(one) := one.msg if is_object(one)\n\
             violation contains {{\"msg\": msg}} if {{\n  one := data.lib.{package}.{rule}[_]\n  msg := said(one)\n}}\n"
        )
    } else {
        format!(
            "package conftest\nsaid(one) = one {{ is_string(one) }}\nsaid(one) = out {{ is_object(one); out := one.msg }}\n\
             violation[{{\"msg\": msg}}] {{\n  one := data.lib.{package}.{rule}[_]\n  msg := said(one)\n}}\n"
        )
    };
    let library: Value = library.iter().map(|text| Value::from(text.as_str())).collect();
    let mut code = Value::object();
    code.set(&["target"], "admission.k8s.gatekeeper.sh");
    if v1 {
        let mut engine = Value::object();
        engine.set(&["engine"], "Rego");
        engine.set(&["source", "version"], "v1");
        engine.set(&["source", "rego"], rego.as_str());
        engine.set(&["source", "libs"], library);
        code.set(&["code"], [engine].into_iter().collect::<Value>());
    } else {
        code.set(&["rego"], rego.as_str());
        code.set(&["libs"], library);
    }
    let mut template = Value::object();
    template.set(&["apiVersion"], "templates.gatekeeper.sh/v1");
    template.set(&["kind"], "ConstraintTemplate");
    template.set(&["metadata", "name"], kind.to_lowercase());
    template.set(&["spec", "crd", "spec", "names", "kind"], kind.as_str());
    template.set(&["spec", "targets"], [code].into_iter().collect::<Value>());
    let mut constraint = Value::object();
    constraint.set(&["apiVersion"], "constraints.gatekeeper.sh/v1beta1");
    constraint.set(&["kind"], kind.as_str());
    constraint.set(&["metadata", "name"], stem(file));
    constraint.set(
        &["spec", "enforcementAction"],
        if rule == "warn" { "warn" } else { "deny" },
    );
    (template.into_doc(), constraint.into_doc())
}

/// A module as a library: its package below `lib`, the document where templates have it. Texts and comments stay.
fn rewritten(text: &str, packages: &[&str]) -> String {
    let mut out = String::with_capacity(text.len() + 256);
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let take = match c {
            '"' => quoted(rest),
            '`' => rest[1..].find('`').map_or(rest.len(), |end| end + 2),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            c if c.is_ascii_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let word = &rest[..end.unwrap_or(rest.len())];
                let tail = &rest[word.len()..];
                match word {
                    _ if before == '.' => out.push_str(word),
                    "input" => out.push_str("input.review.object"),
                    "package" if out.is_empty() || out.ends_with('\n') => {
                        let spaces = tail.len() - tail.trim_start().len();
                        out.push_str("package");
                        out.push_str(&tail[..spaces]);
                        out.push_str("lib.");
                        rest = &tail[spaces..];
                        before = '.';
                        continue;
                    }
                    "data" if packages.iter().any(|p| own(tail, p)) => out.push_str("data.lib"),
                    word => out.push_str(word),
                }
                before = 'a';
                rest = tail;
                continue;
            }
            c => c.len_utf8(),
        };
        out.push_str(&rest[..take]);
        before = c;
        rest = &rest[take..];
    }
    out
}

/// Whether what follows `data` leads into a package.
fn own(tail: &str, package: &str) -> bool {
    tail.strip_prefix('.')
        .and_then(|tail| tail.strip_prefix(package))
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
}

/// The length of a quoted text.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' | '\n' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// The name of the package.
fn package(text: &str) -> Option<&str> {
    text.lines()
        .find_map(|line| line.trim().strip_prefix("package "))
        .map(|rest| rest.split(['#', ' ']).next().unwrap_or_default().trim())
        .filter(|name| !name.is_empty())
}

/// Lines that begin at the margin: rule heads among them.
fn heads(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()))
}

fn names(head: &str, rule: &str) -> bool {
    head.strip_prefix(rule)
        .is_some_and(|rest| rest.starts_with(['[', ' ', '{']))
}

/// `main` and `deny` → `MainDeny`.
fn kind(package: &str, rule: &str) -> String {
    let words = package.split(['.', '_', '-']).chain([rule]);
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    words.map(capital).collect()
}

fn stem(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let name = name
        .strip_suffix(".rego")
        .unwrap_or(name)
        .to_lowercase()
        .replace('_', "-");
    if name.is_empty() { "policy".into() } else { name }
}

#[cfg(test)]
mod tests {
    use ridgeway_krm::Gvk;
    use ridgeway_policy::{Action, Outcome, Request, RuleSet};

    use super::*;

    fn module(file: &str, text: &str) -> Module {
        Module {
            file: file.into(),
            text: text.into(),
        }
    }

    fn told(rego: &str, object: &str) -> Vec<(Action, Outcome, String)> {
        let docs = sources(&[module("a/check.rego", rego)]).unwrap();
        let sources: Vec<_> = docs.iter().map(|(_, doc)| doc.root()).collect();
        let (set, errors) = RuleSet::compile(&sources);
        assert!(errors.is_empty(), "{errors:?}");
        let object = ridgeway_doc::parse_yaml(object).unwrap().remove(0);
        let gvk = Gvk::default();
        let verdicts = set.admit(&Request::create(&gvk, object.root()));
        let mut all: Vec<_> = verdicts
            .results
            .into_iter()
            .map(|r| (r.action, r.outcome, r.author))
            .collect();
        all.sort_by(|a, b| a.2.cmp(&b.2));
        all
    }

    #[test]
    fn both_versions_of_the_language() {
        let v0 = "package main\n\ndeny[msg] {\n  input.port != 443\n  msg := sprintf(\"port %d\", [input.port])\n}\n\nwarn[msg] {\n  not input.owner\n  msg := \"no owner\"\n}\n";
        assert_eq!(
            told(v0, "port: 80"),
            [
                (Action::Warn, Outcome::Warn, "no owner".to_owned()),
                (Action::Enforce, Outcome::Fail, "port 80".to_owned())
            ]
        );
        let v1 =
            "package main\nimport rego.v1\n\nviolation contains {\"msg\": \"closed\"} if {\n  input.open == false\n}\n";
        assert_eq!(
            told(v1, "open: false"),
            [(Action::Enforce, Outcome::Fail, "closed".to_owned())]
        );
        assert_eq!(
            told(v1, "open: true"),
            [(Action::Enforce, Outcome::Pass, String::new())]
        );
    }

    #[test]
    fn files_without_rules_say_so() {
        let why = |text: &str| sources(&[module("a.rego", text)]).unwrap_err().1;
        assert!(why("x := 1").contains("package"));
        assert!(why("package a\nx := 1").contains("deny"));
    }

    #[test]
    fn only_names_are_rewritten() {
        let text = "package main\n# input stays\nimport data.main.part\nx := input.a[\"input\"]\ny := input_b.input\nz := `input`\n";
        assert_eq!(
            rewritten(text, &["main"]),
            "package lib.main\n# input stays\nimport data.lib.main.part\nx := input.review.object.a[\"input\"]\ny := input_b.input\nz := `input`\n"
        );
    }
}
