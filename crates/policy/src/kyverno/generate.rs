//! `generate`: objects that shall be because another one is.

use ridgeway_doc::{Node, Value};
use ridgeway_krm::{Gvk, LabelSelector};

use super::condition::Conditions;
use super::context::{ContextEntry, Env};
use super::policy::{self, Fault as Place};
use super::template::{Template, Tree};
use crate::jmespath::{Expression, Fault, Val};

/// A compiled `generate`.
#[derive(Clone, Debug)]
pub(crate) struct Generate {
    targets: Vec<Target>,
    pub(crate) synchronize: bool,
}

#[derive(Clone, Debug)]
struct Target {
    list: Option<Expression>,
    context: Vec<ContextEntry>,
    preconditions: Conditions,
    api_version: Template,
    kind: Template,
    name: Template,
    namespace: Template,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Data(Tree),
    Clone {
        namespace: Template,
        name: Template,
    },
    /// All objects of some kinds in a namespace, by their labels.
    List {
        namespace: Template,
        kinds: Vec<(String, String)>,
        selector: Option<LabelSelector>,
    },
}

const FIELDS: [&str; 13] = [
    "apiVersion",
    "kind",
    "name",
    "namespace",
    "uid",
    "data",
    "clone",
    "cloneList",
    "foreach",
    "synchronize",
    "generateExisting",
    "orphanDownstreamOnPolicyDelete",
    "list",
];

impl Generate {
    pub(crate) fn compile(node: Node<'_>, path: &str) -> Result<Generate, Place> {
        if let Some((key, _)) = node.members().find(|(key, _)| !FIELDS.contains(key)) {
            return Err(Place::new(
                format!("{path}.{key}"),
                crate::source::unknown_field(key, &FIELDS),
            ));
        }
        let targets = match node.get("foreach") {
            Some(list) => list
                .items()
                .enumerate()
                .map(|(i, item)| Target::compile(item, &format!("{path}.foreach[{i}]")))
                .collect::<Result<_, _>>()?,
            None => vec![Target::compile(node, path)?],
        };
        Ok(Generate {
            targets,
            synchronize: node.get("synchronize").and_then(Node::as_bool).unwrap_or(false),
        })
    }

    /// The objects the trigger at hand asks for.
    pub(crate) fn eval<'a>(&'a self, env: &Env<'a>) -> Result<Vec<Value>, Fault> {
        let mut out = Vec::new();
        for target in &self.targets {
            let Some(list) = &target.list else {
                env.load(&target.context);
                out.extend(target.eval(env)?);
                continue;
            };
            let items = match env.evaluate(list) {
                Ok(value) if value.is_array() => value.items(),
                Ok(Val::Null) | Err(Fault::NotFound(_)) => continue,
                Ok(one) => vec![one],
                Err(fault) => return Err(fault),
            };
            for (i, element) in items.into_iter().enumerate() {
                let depth = env.depth();
                env.bind_element(element, i, 0);
                env.load(&target.context);
                let made = match target.preconditions.eval(env) {
                    Ok(answer) if !answer.holds => None,
                    Ok(_) => Some(target.eval(env)),
                    Err(fault) => Some(Err(fault)),
                };
                env.unwind(depth);
                out.extend(made.transpose()?.unwrap_or_default());
            }
        }
        Ok(out)
    }
}

impl Target {
    fn compile(node: Node<'_>, path: &str) -> Result<Target, Place> {
        let template = |node: Node<'_>, key: &str, required: bool| {
            let text = match node.str_at(&[key]) {
                Some(text) => text,
                None if required => {
                    return Err(Place::new(
                        format!("{path}.{key}"),
                        format!("a generated object needs `{key}`"),
                    ));
                }
                None => "",
            };
            Template::compile(text, "request.object").map_err(|e| Place::new(format!("{path}.{key}"), e))
        };
        let many = node.get("cloneList");
        if let Some(many) = many
            && (node.get("data").is_some() || node.get("clone").is_some())
        {
            let why = format!(
                "a `generate` copies by `cloneList` or makes one object, not both: {}",
                many.to_json()
            );
            return Err(Place::new(format!("{path}.cloneList"), why));
        }
        let source = match (node.get("data"), node.get("clone")) {
            (None, None) if many.is_some() => clone_list(node, path, &template)?,
            (Some(data), None) => {
                Source::Data(Tree::compile(data, "request.object").map_err(|e| Place::new(format!("{path}.data"), e))?)
            }
            (None, Some(clone)) => Source::Clone {
                namespace: template(clone, "namespace", false)?,
                name: template(clone, "name", true)?,
            },
            _ => {
                return Err(Place::new(
                    path,
                    "a `generate` needs one of `data`, `clone` and `cloneList`",
                ));
            }
        };
        let list = node.str_at(&["list"]).map(Expression::parse).transpose();
        Ok(Target {
            list: list.map_err(|e| Place::new(format!("{path}.list"), e.to_string()))?,
            context: policy::context(node.get("context"), &format!("{path}.context"))?,
            preconditions: Conditions::compile(node.get("preconditions"))
                .map_err(|e| Place::new(format!("{path}.preconditions"), e))?,
            api_version: template(node, "apiVersion", many.is_none())?,
            kind: template(node, "kind", many.is_none())?,
            name: template(node, "name", many.is_none())?,
            namespace: template(node, "namespace", false)?,
            source,
        })
    }

    fn eval<'a>(&'a self, env: &Env<'a>) -> Result<Vec<Value>, Fault> {
        let Source::List {
            namespace,
            kinds,
            selector,
        } = &self.source
        else {
            return self.one(env).map(|object| vec![object]);
        };
        let (from, to) = (namespace.text(env)?, self.namespace.text(env)?);
        let mut out = Vec::new();
        for (api_version, kind) in kinds {
            let base = if api_version.contains('/') { "apis" } else { "api" };
            let plural = crate::cel_policy::plural(kind);
            let Some(list) = env
                .request
                .data
                .api(&format!("/{base}/{api_version}/namespaces/{from}/{plural}"))
            else {
                let why = format!("the objects of the kind {kind} in {from} that are to be cloned cannot be listed");
                return Err(Fault::Invalid(why));
            };
            let items = list.node().get("items").into_iter().flat_map(Node::items);
            for source in items {
                let selected = selector
                    .as_ref()
                    .is_none_or(|selector| selector.matches(source.at(&["metadata", "labels"])));
                if !selected {
                    continue;
                }
                let mut object = copy(source);
                object.set(&["apiVersion"], api_version.as_str());
                object.set(&["kind"], kind.as_str());
                object.set(
                    &["metadata", "name"],
                    source.str_at(&["metadata", "name"]).unwrap_or_default(),
                );
                object.set(&["metadata", "namespace"], to.as_ref());
                out.push(object);
            }
        }
        Ok(out)
    }

    fn one<'a>(&'a self, env: &Env<'a>) -> Result<Value, Fault> {
        let (api_version, kind) = (self.api_version.text(env)?, self.kind.text(env)?);
        let (namespace, name) = (self.namespace.text(env)?, self.name.text(env)?);
        let mut object = match &self.source {
            Source::Data(tree) => tree.eval(env)?,
            Source::Clone { namespace, name } => {
                let (namespace, name) = (namespace.text(env)?, name.text(env)?);
                let mut probe = Value::object();
                probe.set(&["apiVersion"], api_version.as_ref());
                probe.set(&["kind"], kind.as_ref());
                let gvk = Gvk::of(probe.node()).unwrap_or_default();
                let Some(source) = env.request.data.get(&gvk, &namespace, &name) else {
                    return Err(Fault::Invalid(format!(
                        "the {kind} {namespace}/{name} to be cloned is not there"
                    )));
                };
                copy(source.root())
            }
            Source::List { .. } => Value::object(),
        };
        if !object.node().is_object() {
            object = Value::object();
        }
        object.set(&["apiVersion"], api_version.as_ref());
        object.set(&["kind"], kind.as_ref());
        object.set(&["metadata", "name"], name.as_ref());
        if !namespace.is_empty() {
            object.set(&["metadata", "namespace"], namespace.as_ref());
        }
        Ok(object)
    }
}

/// What a copy takes over of an object.
fn copy(source: Node<'_>) -> Value {
    let mut copy = source.to_value();
    copy.remove(&["status"]);
    let mut metadata = Value::object();
    for key in ["labels", "annotations"] {
        if let Some(map) = source.at(&["metadata", key]) {
            metadata.set(&[key], map.to_value());
        }
    }
    copy.set(&["metadata"], metadata);
    copy
}

/// `cloneList`: kinds as `v1/Secret` and `apps/v1/Deployment`, a namespace, and labels.
fn clone_list(
    node: Node<'_>,
    path: &str,
    template: &dyn Fn(Node<'_>, &str, bool) -> Result<Template, Place>,
) -> Result<Source, Place> {
    let list = node.get("cloneList").unwrap_or(node);
    let mut kinds = Vec::new();
    for (i, item) in list.get("kinds").into_iter().flat_map(Node::items).enumerate() {
        let text = item.as_str().unwrap_or_default();
        let Some((api_version, kind)) = text.rsplit_once('/') else {
            let why = format!("{text:?} names no kind with its version; write one such as v1/Secret");
            return Err(Place::new(format!("{path}.cloneList.kinds[{i}]"), why));
        };
        kinds.push((api_version.to_owned(), kind.to_owned()));
    }
    if kinds.is_empty() {
        let why = "a `cloneList` needs `kinds` such as v1/Secret";
        return Err(Place::new(format!("{path}.cloneList.kinds"), why));
    }
    let selector = list.get("selector").map(LabelSelector::from_node).transpose();
    Ok(Source::List {
        namespace: template(list, "namespace", true)?,
        kinds,
        selector: selector.map_err(|e| Place::new(format!("{path}.cloneList.selector"), e.to_string()))?,
    })
}
