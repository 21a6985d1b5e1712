//! `kyverno test`: suites that say what each rule makes of each object.

mod beside;
mod keys;
mod mocks;
mod rows;

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;

use super::{CorpusResult, Files, Report, RowOutcome, documents, folder, join};
use crate::request::{Data, Given, Operation, Request, User};
use crate::ruleset::{PolicyInfo, RuleSet};
use crate::verdict::{CompileError, Generated, RuleResult};
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

impl Loaded {
    /// A response that says nothing yet.
    fn response(&self) -> Response {
        Response {
            policy: self.name.clone(),
            kind: self.kind.clone(),
            ..Response::default()
        }
    }
}

struct Trigger {
    object: Doc,
    /// The file of a payload that is no object; empty for objects.
    payload: String,
    /// What the policies made of it: as the suite's values say, and once more for each operation that rows name.
    runs: Vec<(Option<Operation>, Vec<Response>)>,
}

/// A stored object that policies change because of a trigger.
struct Target {
    object: Doc,
    response: Response,
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
    listed_at(node, &[key])
}

fn listed_at<'a>(node: Node<'a>, path: &[&str]) -> Vec<&'a str> {
    node.at(path)
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
    keys::check(test)?;
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
    let mut context = Context::read(files, base, test)?;
    let mut objects: Vec<Doc> = Vec::new();
    for object in load(files, base, &listed(test, "resources"))? {
        let object = in_default_namespace(object, &context);
        if !objects
            .iter()
            .any(|known| key_of(known.root()) == key_of(object.root()))
        {
            objects.push(object);
        }
    }
    let stored = load(files, base, &listed(test, "targetResources"))?;
    let stored: Vec<Doc> = stored
        .into_iter()
        .map(|doc| in_default_namespace(doc, &context))
        .collect();
    // With a cluster given, its objects are there too.
    let there = objects.iter().filter(|_| test.get("clusterResources").is_some());
    there.chain(&stored).for_each(|object| context.add(object.clone()));
    let mut operations = vec![None];
    for row in test.get("results").into_iter().flat_map(Node::items) {
        let operation = row.str_at(&["operation"]).and_then(Operation::parse);
        if operation.is_some() && !operations.contains(&operation) {
            operations.push(operation);
        }
    }
    let world = World {
        policies: &policies,
        values: &values,
        user: user.as_ref(),
        context: &context,
        stored: &stored,
    };
    let (mut triggers, mut targets): (Vec<Trigger>, Vec<Target>) = (Vec::new(), Vec::new());
    for object in objects {
        let run = |operation: &Option<Operation>| (*operation, world.respond(&object, *operation, false, &mut targets));
        let runs = operations.iter().map(run).collect();
        triggers.push(Trigger {
            object,
            payload: String::new(),
            runs,
        });
    }
    let payloads = listed(test, "jsonPayloads")
        .into_iter()
        .chain(test.str_at(&["jsonPayload"]));
    for path in payloads {
        let full = join(base, path);
        let text = files.read(&full).ok_or_else(|| format!("{full} is not there"))?;
        for object in ridgeway_doc::parse_yaml(&text).map_err(|error| format!("{full}: {error}"))? {
            let runs = vec![(None, world.respond(&object, None, true, &mut targets))];
            triggers.push(Trigger {
                object,
                payload: path.to_owned(),
                runs,
            });
        }
    }
    let suite = rows::Suite {
        files,
        base,
        name: path.strip_suffix("/kyverno-test.yaml").unwrap_or(path),
        context: &context,
        policies: &policies,
        triggers: &triggers,
        targets: &targets,
    };
    for result in test.get("results").into_iter().flat_map(Node::items) {
        suite.judge(result, report);
    }
    Ok(())
}

/// The object in the namespace `default`, when it has none and is of a kind that needs one.
fn in_default_namespace(object: Doc, context: &Context) -> Doc {
    let root = object.root();
    let named = root
        .str_at(&["metadata", "namespace"])
        .is_some_and(|namespace| !namespace.is_empty());
    let namespaced = Gvk::of(root)
        .and_then(|gvk| context.kind(&gvk))
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

/// What triggers are put before.
struct World<'w> {
    policies: &'w [Loaded],
    values: &'w Values,
    user: Option<&'w Doc>,
    context: &'w Context,
    /// The objects that a trigger may change.
    stored: &'w [Doc],
}

impl World<'_> {
    /// What each policy makes of an object; the stored objects that are changed because of it are added to `targets`.
    fn respond(
        &self,
        object: &Doc,
        operation: Option<Operation>,
        payload: bool,
        targets: &mut Vec<Target>,
    ) -> Vec<Response> {
        let own = Gvk::of(object.root()).filter(|_| !payload).unwrap_or_default();
        let (gvk, subresource) = self.values.parent(&own).unwrap_or((own, String::new()));
        let text = |key: &str| object.root().str_at(&["metadata", key]).unwrap_or_default();
        let namespace = self.values.namespace(text("namespace"));
        let user = self.user.filter(|_| !payload);
        let info = UserInfo::read(user);
        let mut current = object.root().to_value();
        let mut responses = Vec::new();
        let judge = |loaded: &Loaded, current: &Value, with: &mut dyn FnMut(&Request<'_>)| {
            let variables = self.values.variables(&loaded.name, text("name"));
            let given = variables
                .iter()
                .find(|given| given.name == "request.operation" && given.rule.is_empty());
            let given = given.and_then(|given| Operation::parse(given.value.as_str()?));
            let operation = operation.or(given).unwrap_or_default();
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
                data: self.context,
                variables: &variables,
            });
        };
        for loaded in self.that(|info| info.mutates) {
            let mut response = loaded.response();
            let before = current.clone();
            judge(loaded, &before, &mut |request| {
                if let Some(mutated) = loaded.set.mutate(request, &mut response.results) {
                    current = mutated;
                }
                if !self.stored.is_empty() {
                    self.change_stored(loaded, request, &mut response.results, targets);
                }
            });
            response.patched = Some(current.clone());
            responses.push(response);
        }
        for loaded in self.policies.iter().filter(|p| !p.set.is_empty()) {
            let mut response = loaded.response();
            judge(loaded, &current, &mut |request| {
                loaded.set.validate(request, false, &mut response.results);
            });
            responses.push(response);
        }
        for loaded in self.that(|info| info.generates) {
            let mut response = loaded.response();
            judge(loaded, &current, &mut |request| {
                (response.generated, response.results) = loaded.set.generate(request);
            });
            responses.push(response);
        }
        responses
    }

    fn that(&self, does: impl Fn(&PolicyInfo) -> bool) -> impl Iterator<Item = &Loaded> {
        self.policies.iter().filter(move |p| p.set.policies().iter().any(&does))
    }

    /// What a policy changes in the suite's stored objects because of a trigger.
    fn change_stored(
        &self,
        loaded: &Loaded,
        request: &Request<'_>,
        results: &mut Vec<RuleResult>,
        targets: &mut Vec<Target>,
    ) {
        let (changed, told) = loaded.set.mutate_existing(request);
        for change in changed {
            let key = key_of(change.object.node());
            let Some(object) = self.stored.iter().find(|doc| key_of(doc.root()) == key) else {
                continue;
            };
            let result = told.iter().find(|result| result.rule == change.rule);
            targets.push(Target {
                object: object.clone(),
                response: Response {
                    results: result.cloned().into_iter().collect(),
                    patched: Some(change.object),
                    ..loaded.response()
                },
            });
        }
        results.extend(told);
    }
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

#[cfg(test)]
mod tests;
