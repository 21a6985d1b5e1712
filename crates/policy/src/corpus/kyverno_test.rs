//! `kyverno test`: suites that say what each rule makes of each object.

mod beside;

use std::sync::LazyLock;

use ridgeway_doc::{Doc, Kind, Node, Value};
use ridgeway_krm::{Gvk, KindTable};

use super::{CorpusResult, Files, Report, RowOutcome, documents, folder, join};
use crate::request::{Given, Operation, Request, User};
use crate::ruleset::RuleSet;
use crate::verdict::{CompileError, Generated, Outcome, RuleResult};
use beside::{Context, bound, kind_of};

/// Runs every `kyverno-test.yaml` below a folder.
pub fn run(files: &dyn Files, root: &str) -> CorpusResult {
    let mut out = CorpusResult::default();
    let mut suites: Vec<String> = files
        .walk(root)
        .into_iter()
        .filter(|path| path.ends_with("/kyverno-test.yaml"))
        .collect();
    suites.sort();
    for suite in suites {
        out.add(run_suite(files, &suite).result());
    }
    out
}

/// One policy of a suite.
struct Loaded {
    name: String,
    kind: String,
    set: RuleSet,
    errors: Vec<CompileError>,
}

/// What one policy made of one object.
#[derive(Default)]
struct Response {
    policy: String,
    kind: String,
    results: Vec<RuleResult>,
    patched: Option<Value>,
    generated: Vec<Generated>,
}

struct Trigger {
    object: Doc,
    /// The file of a payload that is no object; empty for objects.
    payload: String,
    responses: Vec<Response>,
}

/// Runs one suite.
pub fn run_suite(files: &dyn Files, path: &str) -> Report {
    let mut report = Report::default();
    let docs = match documents(files, path) {
        Ok(docs) => docs,
        Err(error) => {
            report.row(path, RowOutcome::Failed, error);
            return report;
        }
    };
    for doc in docs.iter().filter(|doc| doc.root().str_at(&["kind"]) == Some("Test")) {
        if let Err(error) = suite(files, path, doc.root(), &mut report) {
            report.row(path, RowOutcome::Failed, error);
        }
    }
    report
}

fn listed<'a>(node: Node<'a>, key: &str) -> Vec<&'a str> {
    node.get(key)
        .into_iter()
        .flat_map(Node::items)
        .filter_map(Node::as_str)
        .collect()
}

fn load(files: &dyn Files, base: &str, paths: &[&str]) -> Result<Vec<Doc>, String> {
    let mut out = Vec::new();
    for path in paths {
        let full = join(base, path);
        if files.read(&full).is_some() {
            out.extend(documents(files, &full)?);
        } else {
            let mut inside: Vec<String> = files.walk(&full);
            inside.retain(|path| path.ends_with(".yaml") || path.ends_with(".yml"));
            inside.sort();
            if inside.is_empty() {
                return Err(format!("{full} is not there"));
            }
            for path in inside {
                out.extend(documents(files, &path)?);
            }
        }
    }
    Ok(out)
}

fn suite(files: &dyn Files, path: &str, test: Node<'_>, report: &mut Report) -> Result<(), String> {
    let base = folder(path);
    let exceptions = load(files, base, &listed(test, "exceptions"))?;
    let mut policies = Vec::new();
    let (bindings, loaded): (Vec<Doc>, Vec<Doc>) = load(files, base, &listed(test, "policies"))?
        .into_iter()
        .partition(|doc| kind_of(doc).ends_with("AdmissionPolicyBinding"));
    for doc in loaded {
        let bound = bound(&doc, &bindings);
        let mut sources = vec![doc.root()];
        sources.extend(exceptions.iter().chain(&bound).map(Doc::root));
        let (set, errors) = RuleSet::compile(&sources);
        let text = |path: &[&str]| doc.root().str_at(path).unwrap_or_default().to_owned();
        policies.push(Loaded {
            name: text(&["metadata", "name"]),
            kind: text(&["kind"]),
            set,
            errors,
        });
    }
    let values = values(files, base, test)?;
    let user = match test.str_at(&["userinfo"]) {
        Some(path) => load(files, base, &[path])?.into_iter().next(),
        None => None,
    };
    let context = match test.str_at(&["context"]) {
        Some(path) => load(files, base, &[path])?,
        None => Vec::new(),
    };
    let context = Context(context, load(files, base, &listed(test, "paramResources"))?);
    let mut triggers: Vec<Trigger> = Vec::new();
    for object in load(files, base, &listed(test, "resources"))? {
        let object = in_default_namespace(object);
        let key = key_of(object.root());
        if !triggers.iter().any(|t| key_of(t.object.root()) == key) {
            let responses = respond(&policies, &object, &values, user.as_ref(), &context, false);
            let payload = String::new();
            triggers.push(Trigger {
                object,
                payload,
                responses,
            });
        }
    }
    let payloads = listed(test, "jsonPayloads")
        .into_iter()
        .chain(test.str_at(&["jsonPayload"]));
    for path in payloads {
        let full = join(base, path);
        let text = files.read(&full).ok_or_else(|| format!("{full} is not there"))?;
        for object in ridgeway_doc::parse_yaml(&text).map_err(|error| format!("{full}: {error}"))? {
            let responses = respond(&policies, &object, &values, None, &context, true);
            triggers.push(Trigger {
                object,
                payload: path.to_owned(),
                responses,
            });
        }
    }
    for result in test.get("results").into_iter().flat_map(Node::items) {
        rows(files, base, path, result, &policies, &triggers, report);
    }
    Ok(())
}

/// The object in the namespace `default`, when it has none and is of a kind that needs one.
fn in_default_namespace(object: Doc) -> Doc {
    static KINDS: LazyLock<KindTable> = LazyLock::new(KindTable::builtin);
    let root = object.root();
    let named = root
        .str_at(&["metadata", "namespace"])
        .is_some_and(|namespace| !namespace.is_empty());
    let namespaced = Gvk::of(root)
        .and_then(|gvk| KINDS.get(&gvk))
        .is_none_or(|kind| kind.namespaced);
    if named || !namespaced {
        return object;
    }
    let mut value = root.to_value();
    value.set(&["metadata", "namespace"], "default");
    value.into_doc()
}

/// Group and kind, namespace, name.
fn key_of(object: Node<'_>) -> (String, String, String, String) {
    let gvk = Gvk::of(object).unwrap_or_default();
    let text = |key: &str| object.str_at(&["metadata", key]).unwrap_or_default().to_owned();
    (gvk.group, gvk.kind, text("namespace"), text("name"))
}

/// Variables given by a suite.
struct Values(Vec<Doc>);

fn values(files: &dyn Files, base: &str, test: Node<'_>) -> Result<Values, String> {
    let mut docs = Vec::new();
    if let Some(path) = test.str_at(&["variables"]) {
        docs.extend(load(files, base, &[path])?);
    }
    if let Some(inline) = test.get("values") {
        docs.push(inline.to_doc());
    }
    Ok(Values(docs))
}

impl Values {
    fn namespace(&self, name: &str) -> Option<Value> {
        for doc in &self.0 {
            for key in ["namespaces", "namespaceSelector"] {
                for item in doc.root().get(key).into_iter().flat_map(Node::items) {
                    let named = item.str_at(&["name"]).or(item.str_at(&["metadata", "name"]));
                    if named == Some(name) {
                        let labels = item.get("labels").or(item.at(&["metadata", "labels"]));
                        let mut out = Value::object();
                        out.set(&["metadata", "name"], name);
                        out.set(
                            &["metadata", "labels"],
                            labels.map_or_else(Value::object, Node::to_value),
                        );
                        return Some(out);
                    }
                }
            }
        }
        None
    }

    /// Variables for one policy and object: global ones, the object's, the rules'.
    fn variables(&self, policy: &str, object: &str) -> Vec<Given> {
        let mut out: Vec<Given> = Vec::new();
        let mut put = |rule: &str, map: Option<Node<'_>>| {
            for (name, value) in map.into_iter().flat_map(Node::members) {
                out.retain(|given| given.name != name || given.rule != rule);
                out.push(Given {
                    rule: rule.into(),
                    name: name.into(),
                    value: value.to_value(),
                });
            }
        };
        for doc in &self.0 {
            put("", doc.root().get("globalValues"));
            let policies = doc.root().get("policies").into_iter().flat_map(Node::items);
            for item in policies.filter(|item| item.str_at(&["name"]) == Some(policy)) {
                for rule in item.get("rules").into_iter().flat_map(Node::items) {
                    put(rule.str_at(&["name"]).unwrap_or_default(), rule.get("values"));
                }
                for resource in item.get("resources").into_iter().flat_map(Node::items) {
                    if resource.str_at(&["name"]) == Some(object) {
                        put("", resource.get("values"));
                    }
                }
            }
        }
        out
    }

    /// The parent's kind and the subresource, when the object's kind is one that stands for a subresource.
    fn parent(&self, gvk: &Gvk) -> Option<(Gvk, String)> {
        let of = |node: Node<'_>| {
            let text = |key: &str| node.str_at(&[key]).unwrap_or_default();
            Gvk::new(text("group"), text("version"), text("kind"))
        };
        let mut all = self
            .0
            .iter()
            .flat_map(|doc| doc.root().get("subresources").into_iter().flat_map(Node::items));
        all.find_map(|item| {
            let (sub, parent) = (item.get("subresource")?, item.get("parentResource")?);
            let name = sub.str_at(&["name"])?.split_once('/')?.1.to_owned();
            (of(sub) == *gvk).then(|| (of(parent), name))
        })
    }
}

fn respond(
    policies: &[Loaded],
    object: &Doc,
    values: &Values,
    user: Option<&Doc>,
    context: &Context,
    payload: bool,
) -> Vec<Response> {
    let own = Gvk::of(object.root()).filter(|_| !payload).unwrap_or_default();
    let (gvk, subresource) = values.parent(&own).unwrap_or((own, String::new()));
    let text = |key: &str| object.root().str_at(&["metadata", key]).unwrap_or_default();
    let namespace = values.namespace(text("namespace"));
    let info = UserInfo::read(user);
    let mut current = object.root().to_value();
    let mut responses = Vec::new();
    let judge = |loaded: &Loaded, current: &Value, with: &mut dyn FnMut(&Request<'_>)| {
        let variables = values.variables(&loaded.name, text("name"));
        let operation = variables
            .iter()
            .find(|given| given.name == "request.operation" && given.rule.is_empty());
        let operation = operation
            .and_then(|given| Operation::parse(given.value.as_str()?))
            .unwrap_or_default();
        let node = Some(current.node());
        with(&Request {
            operation,
            gvk: &gvk,
            gvr: None,
            subresource: &subresource,
            namespace: text("namespace"),
            name: text("name"),
            object: node.filter(|_| operation != Operation::Delete),
            old_object: node.filter(|_| matches!(operation, Operation::Delete | Operation::Update)),
            namespace_object: namespace.as_ref().map(Value::node),
            user: user.is_some().then(|| info.user()),
            dry_run: false,
            options: None,
            now: "2026-01-01T00:00:00Z".parse().ok(),
            data: context,
            variables: &variables,
        });
    };
    for loaded in policies
        .iter()
        .filter(|p| p.set.policies().iter().any(|info| info.mutates))
    {
        let mut response = Response {
            policy: loaded.name.clone(),
            kind: loaded.kind.clone(),
            ..Response::default()
        };
        let before = current.clone();
        judge(loaded, &before, &mut |request| {
            if let Some(mutated) = loaded.set.mutate(request, &mut response.results) {
                current = mutated;
            }
        });
        response.patched = Some(current.clone());
        responses.push(response);
    }
    for loaded in policies.iter().filter(|p| !p.set.is_empty()) {
        let mut response = Response {
            policy: loaded.name.clone(),
            kind: loaded.kind.clone(),
            ..Response::default()
        };
        judge(loaded, &current, &mut |request| {
            loaded.set.validate(request, false, &mut response.results);
        });
        responses.push(response);
    }
    for loaded in policies
        .iter()
        .filter(|p| p.set.policies().iter().any(|info| info.generates))
    {
        let mut response = Response {
            policy: loaded.name.clone(),
            kind: loaded.kind.clone(),
            ..Response::default()
        };
        judge(loaded, &current, &mut |request| {
            (response.generated, response.results) = loaded.set.generate(request);
        });
        responses.push(response);
    }
    responses
}

#[derive(Default)]
struct UserInfo {
    name: String,
    groups: Vec<String>,
    roles: Vec<String>,
    cluster_roles: Vec<String>,
}

impl UserInfo {
    fn read(doc: Option<&Doc>) -> UserInfo {
        let Some(root) = doc.map(Doc::root) else {
            return UserInfo::default();
        };
        let texts = |path: &[&str]| {
            root.at(path)
                .into_iter()
                .flat_map(Node::items)
                .filter_map(Node::as_str)
                .map(str::to_owned)
                .collect()
        };
        UserInfo {
            name: root.str_at(&["userInfo", "username"]).unwrap_or_default().to_owned(),
            groups: texts(&["userInfo", "groups"]),
            roles: texts(&["roles"]),
            cluster_roles: texts(&["clusterRoles"]),
        }
    }

    fn user(&self) -> User<'_> {
        User {
            name: &self.name,
            groups: &self.groups,
            roles: &self.roles,
            cluster_roles: &self.cluster_roles,
            ..User::default()
        }
    }
}

fn rows(
    files: &dyn Files,
    base: &str,
    path: &str,
    result: Node<'_>,
    policies: &[Loaded],
    triggers: &[Trigger],
    report: &mut Report,
) {
    let text = |key: &str| result.str_at(&[key]).unwrap_or_default();
    let policy = text("policy").rsplit('/').next().unwrap_or_default();
    let (rule, expected) = (text("rule"), text("result"));
    let mut chosen: Vec<&Trigger> = Vec::new();
    for wanted in listed(result, "resources") {
        chosen.extend(triggers.iter().filter(|trigger| {
            if !trigger.payload.is_empty() {
                return wanted == trigger.payload || trigger.payload.rsplit('/').next() == Some(wanted);
            }
            let (_, _, namespace, name) = key_of(trigger.object.root());
            match wanted.split_once('/') {
                Some((ns, n)) => ns == namespace && n == name,
                None => wanted == name,
            }
        }));
    }
    if chosen.is_empty() {
        chosen.extend(triggers);
    }
    let suite = path.strip_suffix("/kyverno-test.yaml").unwrap_or(path);
    for trigger in chosen {
        let (_, kind, _, name) = key_of(trigger.object.root());
        let label = format!("{suite} {policy}/{rule} {kind} {name}");
        let unsupported = policies
            .iter()
            .find(|loaded| loaded.name == policy && loaded.set.is_empty());
        if let Some(loaded) = unsupported {
            let why = match loaded.errors.first() {
                Some(error) => format!("{}: {}", error.path, error.message),
                None => format!("{} is not evaluated", loaded.kind),
            };
            report.row(label, RowOutcome::Failed, why);
            continue;
        }
        let mut judged = 0;
        let (mut dropped, mut known) = (false, false);
        for response in trigger.responses.iter().filter(|response| response.policy == policy) {
            known = true;
            for got in &response.results {
                let about = loaded_in_cel(&response.kind)
                    || got.rule == rule
                    || got.rule == format!("autogen-{rule}")
                    || got.rule == format!("autogen-cronjob-{rule}");
                if !rule.is_empty() && !about {
                    continue;
                }
                match check(files, base, result, expected, response, got) {
                    None => dropped = true,
                    Some(lines) => {
                        for (outcome, detail) in lines {
                            judged += 1;
                            report.row(label.as_str(), outcome, detail);
                        }
                    }
                }
            }
        }
        if judged == 0 && !dropped {
            let outcome = if known { RowOutcome::Skipped } else { RowOutcome::Failed };
            report.row(label, outcome, if known { "excluded" } else { "not found" });
        }
    }
}

/// Whether results of a policy's kind name no rule.
fn loaded_in_cel(kind: &str) -> bool {
    kind != "ClusterPolicy" && kind != "Policy"
}

/// The lines for one rule's result; `None` when the suite holds nothing to compare with.
fn check(
    files: &dyn Files,
    base: &str,
    result: Node<'_>,
    expected: &str,
    response: &Response,
    got: &RuleResult,
) -> Option<Vec<(RowOutcome, String)>> {
    let status = || {
        if got.outcome.as_str() == expected {
            (RowOutcome::Passed, String::new())
        } else {
            let seen = if got.outcome == Outcome::Pass {
                String::new()
            } else {
                format!(" ({})", got.message)
            };
            (
                RowOutcome::Failed,
                format!("want {expected}, got {}{seen}", got.outcome.as_str()),
            )
        }
    };
    let against = |file: &str, actual: &Value| -> Option<(RowOutcome, String)> {
        let wanted = find(files, &join(base, file), actual)?;
        if tidy(wanted.root()) == tidy(actual.node()) {
            Some(status())
        } else {
            let texts = (tidy(wanted.root()).to_json(), tidy(actual.node()).to_json());
            Some((
                RowOutcome::Failed,
                format!("the object differs: want {}, got {}", texts.0, texts.1),
            ))
        }
    };
    if let (Some(file), Some(patched)) = (result.str_at(&["patchedResources"]), &response.patched) {
        return against(file, patched).map(|line| vec![line]);
    }
    if let Some(file) = result.str_at(&["generatedResource"]) {
        let made: Vec<&Generated> = response.generated.iter().filter(|g| g.rule == got.rule).collect();
        if !made.is_empty() {
            let missing = || {
                (
                    RowOutcome::Failed,
                    "the generated object is not among the expected ones".to_owned(),
                )
            };
            return Some(
                made.iter()
                    .map(|g| against(file, &g.object).unwrap_or_else(missing))
                    .collect(),
            );
        }
    }
    Some(vec![status()])
}

/// The object of a file that has the identity of another.
fn find(files: &dyn Files, path: &str, like: &Value) -> Option<Doc> {
    let key = key_of(like.node());
    documents(files, path)
        .ok()?
        .into_iter()
        .map(in_default_namespace)
        .find(|doc| {
            let found = key_of(doc.root());
            found == key || found.2.is_empty() && (&found.0, &found.1, &found.3) == (&key.0, &key.1, &key.3)
        })
}

/// The object without what does not tell objects apart: empty parts, labels of generation, time of creation.
fn tidy(node: Node<'_>) -> Value {
    let mut out = node.to_value();
    if let Some(labels) = out.at_mut(&["metadata", "labels"]).and_then(Value::as_object_mut) {
        labels.retain(|key, _| !key.starts_with("generate.kyverno.io/") && key != "app.kubernetes.io/managed-by");
    }
    out.remove(&["metadata", "creationTimestamp"]);
    out.remove(&["status"]);
    prune(&mut out);
    out
}

fn prune(value: &mut Value) {
    match value.kind() {
        Kind::Object => value.make_object().retain(|_, member| {
            prune(member);
            let node = member.node();
            !(node.is_null() || (node.is_object() || node.is_array()) && node.is_empty())
        }),
        Kind::Array => value.make_array().iter_mut().for_each(prune),
        _ => {}
    }
}
