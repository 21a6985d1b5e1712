//! Gatekeeper's library on disk: templates with the constraints and objects of their suites.

use std::path::Path;

use ridgeway_doc::{Doc, Node, Value};

use super::read;

/// A template.
pub struct Template {
    /// The kind of its constraints.
    pub kind: String,
    /// Its folder below the library.
    pub folder: String,
    /// Its document.
    pub doc: Doc,
    /// The Rego and its libraries.
    pub modules: Vec<String>,
    /// Whether the Rego is of version 1.
    pub v1: bool,
    /// The rule that finds violations.
    pub query: String,
    /// Its constraints.
    pub samples: Vec<Sample>,
}

/// A constraint with what it is tried on.
pub struct Sample {
    /// The constraint's document.
    pub constraint: Doc,
    /// What it is tried on.
    pub cases: Vec<Case>,
}

/// An object before a constraint.
pub struct Case {
    /// Template, sample and case.
    pub name: String,
    /// The object or the whole admission review.
    pub object: Doc,
    /// `{"review": …, "parameters": …}`
    pub input: Doc,
    /// `{"inventory": …}`, where the case has one.
    pub data: Option<Doc>,
}

/// Reads every suite below a folder. Suites that name one template together are one template.
pub fn load(root: &Path) -> Vec<Template> {
    let mut out: Vec<Template> = Vec::new();
    let mut suites = crate::corpora::files(root, "yaml").unwrap_or_default();
    suites.retain(|path| path.ends_with("suite.yaml"));
    for path in suites {
        let base = path.parent().unwrap_or(root);
        let name = crate::corpora::id(root, base);
        for suite in read(&path) {
            for test in suite.root().get("tests").into_iter().flat_map(Node::items) {
                let file = |key: &str| test.str_at(&[key]).map(|file| base.join(file));
                let (Some(template), Some(constraint)) = (file("template"), file("constraint")) else {
                    continue;
                };
                let (Some(template), Some(constraint)) =
                    (read(&template).into_iter().next(), read(&constraint).into_iter().next())
                else {
                    continue;
                };
                let Some(mut template) = Template::read(template, &name) else {
                    continue;
                };
                let sample = Sample::read(constraint, test, base, &template.kind);
                let known = |t: &&mut Template| t.folder == name && t.doc.root() == template.doc.root();
                match out.iter_mut().find(known) {
                    Some(known) => known.samples.push(sample),
                    None => {
                        template.samples.push(sample);
                        out.push(template);
                    }
                }
            }
        }
    }
    out
}

impl Template {
    fn read(doc: Doc, folder: &str) -> Option<Template> {
        let root = doc.root();
        let target = root.at(&["spec", "targets"])?.items().next()?;
        let code = target.get("code").into_iter().flat_map(Node::items);
        let rego = code.clone().find(|code| code.str_at(&["engine"]) == Some("Rego"));
        let source = rego.and_then(|code| code.get("source")).unwrap_or(target);
        let main = source.str_at(&["rego"])?;
        let libraries = source.get("libs").into_iter().flat_map(Node::items);
        let package = main
            .lines()
            .find_map(|line| line.trim().strip_prefix("package "))?
            .split('#')
            .next()?
            .trim();
        Some(Template {
            kind: root.str_at(&["spec", "crd", "spec", "names", "kind"])?.to_owned(),
            folder: folder.to_owned(),
            query: format!("data.{package}.violation"),
            v1: source.str_at(&["version"]) == Some("v1"),
            modules: std::iter::once(main)
                .chain(libraries.filter_map(Node::as_str))
                .map(str::to_owned)
                .collect(),
            samples: Vec::new(),
            doc,
        })
    }
}

impl Sample {
    fn read(constraint: Doc, test: Node<'_>, base: &Path, kind: &str) -> Sample {
        let mut cases = Vec::new();
        for case in test.get("cases").into_iter().flat_map(Node::items) {
            let Some(object) = case
                .str_at(&["object"])
                .and_then(|path| read(&base.join(path)).into_iter().next())
            else {
                continue;
            };
            let mut inventory: Option<Value> = None;
            for path in case
                .get("inventory")
                .into_iter()
                .flat_map(Node::items)
                .filter_map(Node::as_str)
            {
                for doc in read(&base.join(path)) {
                    put(inventory.get_or_insert_with(Value::object), &doc);
                }
            }
            let text = |node: Node<'_>| node.text_at(&["name"]).to_owned();
            cases.push(Case {
                name: format!("{kind} / {} / {}", text(test), text(case)),
                input: input(object.root(), constraint.root()),
                data: inventory.map(|inventory| {
                    let mut data = Value::object();
                    data.set(&["inventory"], inventory);
                    data.into_doc()
                }),
                object,
            });
        }
        Sample { constraint, cases }
    }
}

/// What a template is given: the review of an object, and the constraint's parameters.
pub fn input(object: Node<'_>, constraint: Node<'_>) -> Doc {
    let review = if object.str_at(&["kind"]) == Some("AdmissionReview") {
        object.get("request").map_or(Value::NULL, Node::to_value)
    } else {
        let (group, version) = match object.text_at(&["apiVersion"]).rsplit_once('/') {
            Some((group, version)) => (group, version),
            None => ("", object.text_at(&["apiVersion"])),
        };
        let mut review = Value::object();
        review.set(&["kind", "group"], group);
        review.set(&["kind", "version"], version);
        review.set(&["kind", "kind"], object.text_at(&["kind"]));
        review.set(&["name"], object.text_at(&["metadata", "name"]));
        let namespace = object.text_at(&["metadata", "namespace"]);
        if !namespace.is_empty() {
            review.set(&["namespace"], namespace);
        }
        review.set(&["operation"], "CREATE");
        review.set(&["object"], object);
        review.set(&["oldObject"], Value::NULL);
        review
    };
    let mut input = Value::object();
    input.set(&["review"], review);
    let parameters = constraint.at(&["spec", "parameters"]);
    input.set(&["parameters"], parameters.map_or_else(Value::object, Node::to_value));
    input.into_doc()
}

/// Puts an object where `data.inventory` has it.
fn put(inventory: &mut Value, doc: &Doc) {
    let root = doc.root();
    let (version, kind) = (root.text_at(&["apiVersion"]), root.text_at(&["kind"]));
    let (namespace, name) = (
        root.text_at(&["metadata", "namespace"]),
        root.text_at(&["metadata", "name"]),
    );
    if namespace.is_empty() {
        inventory.set(&["cluster", version, kind, name], doc.clone());
    } else {
        inventory.set(&["namespace", namespace, version, kind, name], doc.clone());
    }
}
