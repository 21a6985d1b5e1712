//! `generate`: objects that shall be because another one is.

use ridgeway_doc::{Node, Value};
use ridgeway_krm::Gvk;

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
    Clone { namespace: Template, name: Template },
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
                out.push(target.eval(env)?);
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
                out.extend(made.transpose()?);
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
        if node.get("cloneList").is_some() {
            return Err(Place::new(
                format!("{path}.cloneList"),
                "`cloneList` is not evaluated by this version; write one rule with `clone` per kind",
            ));
        }
        let source = match (node.get("data"), node.get("clone")) {
            (Some(data), None) => {
                Source::Data(Tree::compile(data, "request.object").map_err(|e| Place::new(format!("{path}.data"), e))?)
            }
            (None, Some(clone)) => Source::Clone {
                namespace: template(clone, "namespace", false)?,
                name: template(clone, "name", true)?,
            },
            _ => return Err(Place::new(path, "a `generate` needs one of `data` and `clone`")),
        };
        let list = node.str_at(&["list"]).map(Expression::parse).transpose();
        Ok(Target {
            list: list.map_err(|e| Place::new(format!("{path}.list"), e.to_string()))?,
            context: policy::context(node.get("context"), &format!("{path}.context"))?,
            preconditions: Conditions::compile(node.get("preconditions"))
                .map_err(|e| Place::new(format!("{path}.preconditions"), e))?,
            api_version: template(node, "apiVersion", true)?,
            kind: template(node, "kind", true)?,
            name: template(node, "name", true)?,
            namespace: template(node, "namespace", false)?,
            source,
        })
    }

    fn eval<'a>(&'a self, env: &Env<'a>) -> Result<Value, Fault> {
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
                let mut copy = source.root().to_value();
                copy.remove(&["status"]);
                let mut metadata = Value::object();
                for key in ["labels", "annotations"] {
                    if let Some(map) = source.root().at(&["metadata", key]) {
                        metadata.set(&[key], map.to_value());
                    }
                }
                copy.set(&["metadata"], metadata);
                copy
            }
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
