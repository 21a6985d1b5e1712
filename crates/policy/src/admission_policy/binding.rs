//! Bindings: where a policy counts, with which parameters, to what effect.

use ridgeway_doc::{Doc, Node};
use ridgeway_krm::{Gvk, LabelSelector};

use super::definition::{fault, known, one_of};
use crate::cel_policy::Constraints;
use crate::kyverno::Place;
use crate::request::Request;
use crate::verdict::{Action, CompileError};

/// A compiled binding.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(super) name: String,
    pub(super) policy: String,
    /// Whether it binds a policy that changes objects.
    pub(super) mutates: bool,
    pub(super) resources: Constraints,
    params: Option<ParamRef>,
    /// As they are written: `Deny`, `Warn`, `Audit`.
    pub(super) actions: Vec<String>,
}

#[derive(Debug)]
struct ParamRef {
    namespace: String,
    which: Which,
    /// Whether a request is refused when there are no parameters.
    demanded: bool,
}

#[derive(Debug)]
enum Which {
    Name(String),
    Selected(LabelSelector),
}

impl Binding {
    pub(crate) fn compile(node: Node<'_>) -> Result<Binding, CompileError> {
        Binding::read(node).map_err(|place| fault(node, place))
    }

    fn read(node: Node<'_>) -> Result<Binding, Place> {
        let Some(spec) = node.get("spec").filter(|spec| spec.is_object()) else {
            return Err(Place::new("spec", "a binding needs a `spec`"));
        };
        let mutates = node.str_at(&["kind"]) == Some("MutatingAdmissionPolicyBinding");
        let own: &[&str] = if mutates { &[] } else { &["validationActions"] };
        known(
            spec,
            "spec",
            &[&["policyName", "paramRef", "matchResources"], own].concat(),
        )?;
        let policy = spec.str_at(&["policyName"]).unwrap_or_default();
        if policy.is_empty() {
            return Err(Place::new(
                "spec.policyName",
                "a binding names the policy that it binds",
            ));
        }
        Ok(Binding {
            name: node.str_at(&["metadata", "name"]).unwrap_or_default().to_owned(),
            policy: policy.to_owned(),
            mutates,
            resources: Constraints::of_binding(spec.get("matchResources"), "spec.matchResources")?,
            params: spec
                .get("paramRef")
                .filter(|params| !params.is_null())
                .map(ParamRef::read)
                .transpose()?,
            actions: if mutates { Vec::new() } else { actions(spec)? },
        })
    }

    pub(super) fn has(&self, action: &str) -> bool {
        self.actions.iter().any(|own| own == action)
    }

    /// What a violation does.
    pub(super) fn action(&self) -> Action {
        if self.has("Deny") || self.mutates {
            Action::Enforce
        } else if self.has("Warn") {
            Action::Warn
        } else {
            Action::Audit
        }
    }

    /// The parameters that a policy is evaluated with, once for each; `None` for one without.
    pub(super) fn params(&self, kind: Option<&Gvk>, request: &Request<'_>) -> Result<Vec<Option<Doc>>, String> {
        let (Some(kind), Some(params)) = (kind, &self.params) else {
            return Ok(vec![None]);
        };
        params.find(kind, request)
    }
}

/// The actions of a binding, each once; a refusal needs no warning.
fn actions(spec: Node<'_>) -> Result<Vec<String>, Place> {
    const ALL: [&str; 3] = ["Deny", "Warn", "Audit"];
    let path = "spec.validationActions";
    let mut out: Vec<String> = Vec::new();
    let list = spec.get("validationActions").into_iter().flat_map(Node::items);
    for (i, item) in list.enumerate() {
        let action = item.as_str().unwrap_or_default();
        let wrong = |why: String| Err(Place::new(format!("{path}[{i}]"), why));
        if !ALL.contains(&action) {
            return wrong(format!("{action:?} is no action; use {}", ALL.join(", ")));
        }
        if out.iter().any(|known| known == action) {
            return wrong(format!("{action} is there already"));
        }
        out.push(action.to_owned());
    }
    let has = |action: &str| out.iter().any(|own| own == action);
    if out.is_empty() {
        let why = format!("a binding says what a violation does: {}", ALL.join(", "));
        return Err(Place::new(path, why));
    }
    if has("Deny") && has("Warn") {
        return Err(Place::new(
            path,
            "Deny and Warn must not stand together: a refusal says why already",
        ));
    }
    Ok(out)
}

impl ParamRef {
    fn read(node: Node<'_>) -> Result<ParamRef, Place> {
        let path = "spec.paramRef";
        known(
            node,
            path,
            &["name", "namespace", "selector", "parameterNotFoundAction"],
        )?;
        let name = node.str_at(&["name"]).unwrap_or_default();
        let selector = node.get("selector").filter(|selector| !selector.is_null());
        let which = match (name, selector) {
            ("", Some(selector)) => {
                let read = LabelSelector::from_node(selector);
                Which::Selected(read.map_err(|e| Place::new(format!("{path}.selector"), e.to_string()))?)
            }
            ("", None) => return Err(Place::new(path, "say which parameters, by `name` or by `selector`")),
            (_, Some(_)) => return Err(Place::new(path, "`name` and `selector` exclude each other; keep one")),
            (name, None) => Which::Name(name.to_owned()),
        };
        let missing = one_of(node, "parameterNotFoundAction", path, &["Allow", "Deny"])?;
        let Some(missing) = missing else {
            let why = "say with `parameterNotFoundAction` (Allow or Deny) what happens when there are no parameters";
            return Err(Place::new(path, why));
        };
        Ok(ParamRef {
            namespace: node.str_at(&["namespace"]).unwrap_or_default().to_owned(),
            which,
            demanded: missing == "Deny",
        })
    }

    fn find(&self, kind: &Gvk, request: &Request<'_>) -> Result<Vec<Option<Doc>>, String> {
        let known = request.data.kind(kind);
        let namespaced = known.as_ref().map(|kind| kind.namespaced);
        let namespace = match (namespaced, self.namespace.as_str(), request.told_namespace()) {
            (Some(false), "", _) => "",
            (Some(false), _, _) => {
                return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".into());
            }
            (Some(true), "", "") => {
                return Err(
                    "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".into(),
                );
            }
            (_, "", namespace) | (_, namespace, _) => namespace,
        };
        let unknown = || format!("paramKind kind `{}` not known", kind);
        let found = match &self.which {
            Which::Name(name) => {
                let mut found = request.data.get(kind, namespace, name);
                // Of a kind that nobody knows, a parameter may lie in no namespace.
                if found.is_none() && namespaced.is_none() && self.namespace.is_empty() {
                    found = request.data.get(kind, "", name);
                }
                match found {
                    Some(doc) => vec![doc],
                    None => {
                        request.data.list(kind, namespace).ok_or_else(unknown)?;
                        Vec::new()
                    }
                }
            }
            Which::Selected(selector) => {
                let mut all = request.data.list(kind, namespace).ok_or_else(unknown)?;
                all.retain(|doc| selector.matches(doc.root().at(&["metadata", "labels"])));
                all.sort_by_key(|doc| doc.root().str_at(&["metadata", "name"]).unwrap_or_default().to_owned());
                all
            }
        };
        if found.is_empty() && self.demanded {
            return Err("no params found for policy binding with `Deny` parameterNotFoundAction".into());
        }
        Ok(found.into_iter().map(Some).collect())
    }
}
