//! Policies that change objects which are stored already, because of another one or of the policy itself.

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;

use super::constraints::Constraints;
use super::expressions::{self, Allowed, CelScope};
use super::mutation;
use super::policy::{CelBody, CelPolicy};
use crate::budget::Fuel;
use crate::cel::{Evaluator, Program};
use crate::kyverno::Place;
use crate::request::{Operation, Request};

/// Which objects are changed.
#[derive(Clone, Debug)]
pub(crate) struct Existing {
    /// Of other kinds than the trigger's; `None` for all objects that the policy itself is about.
    own: Option<Constraints>,
    /// Group, version and plural of the kinds.
    resources: Vec<(String, String, String)>,
    conditions: Vec<Program>,
    /// What gives the objects, instead of their kinds.
    expression: Option<Program>,
}

impl Existing {
    pub(super) fn compile(kind: &str, spec: Node<'_>) -> Result<Option<Existing>, Place> {
        let enabled = spec
            .at(&["evaluation", "mutateExisting", "enabled"])
            .and_then(Node::as_bool);
        if kind != "MutatingPolicy" || enabled != Some(true) {
            return Ok(None);
        }
        let named = |node: Option<Node<'_>>| {
            node.is_some_and(|node| {
                node.get("expression").is_some() || node.get("resourceRules").is_some_and(|rules| !rules.is_empty())
            })
        };
        let targets = spec.get("targetMatchConstraints").filter(|node| named(Some(*node)));
        let path = if targets.is_some() {
            "spec.targetMatchConstraints"
        } else {
            "spec.matchConstraints"
        };
        let expression = match targets.and_then(|targets| targets.str_at(&["expression"])) {
            Some(text) => {
                let read = Program::parse(text);
                Some(read.map_err(|e| Place::new(format!("{path}.expression"), e.to_string()))?)
            }
            None => None,
        };
        let from = targets.or(spec.get("matchConstraints"));
        let own = match targets {
            Some(targets) => Some(Constraints::compile(Some(targets), path)?.of_any_operation()),
            None => None,
        };
        let conditions = expressions::conditions(spec.get("targetMatchConditions"), &[], "spec.targetMatchConditions")?;
        Ok(Some(Existing {
            own,
            resources: resources(from, path)?,
            conditions,
            expression,
        }))
    }

    /// Whether the trigger itself is not among what is changed.
    pub(crate) fn elsewhere(&self) -> bool {
        self.own.is_some()
    }

    /// The objects that may be changed, wherever they lie.
    fn candidates(&self, policy: &CelPolicy, request: &Request<'_>) -> Result<Vec<Doc>, String> {
        let mut out = Vec::new();
        if let (Some(program), Some(variant)) = (&self.expression, policy.variants.first()) {
            let fuel = Fuel::default();
            let scope = CelScope::new(request, &variant.variables, false);
            let mut evaluator = Evaluator::new(&scope, &fuel, request.now, request.data);
            let made = evaluator.run(program).map_err(|fault| fault.to_string())?;
            return Ok(made.items().iter().map(|item| item.to_value().into_doc()).collect());
        }
        for (group, version, plural) in &self.resources {
            let path = match group.as_str() {
                "" => format!("/api/{version}/{plural}"),
                group => format!("/apis/{group}/{version}/{plural}"),
            };
            let list = request.data.api(&path);
            let list = list.ok_or_else(|| format!("{plural} cannot be listed here"))?;
            out.extend(
                list.node()
                    .get("items")
                    .into_iter()
                    .flat_map(Node::items)
                    .map(Node::to_doc),
            );
        }
        Ok(out)
    }
}

/// The resources that rules name one by one.
fn resources(constraints: Option<Node<'_>>, path: &str) -> Result<Vec<(String, String, String)>, Place> {
    let rules = constraints.and_then(|node| node.get("resourceRules"));
    let mut out = Vec::new();
    for (i, rule) in rules.into_iter().flat_map(Node::items).enumerate() {
        let texts = |key: &str| {
            let list = rule.get(key).into_iter().flat_map(Node::items);
            list.filter_map(Node::as_str).collect::<Vec<_>>()
        };
        for group in texts("apiGroups") {
            for version in texts("apiVersions") {
                for plural in texts("resources") {
                    if [group, version, plural].iter().any(|text| text.contains(['*', '/'])) {
                        let why = "to change what is stored, name each group, version and resource";
                        return Err(Place::new(format!("{path}.resourceRules[{i}]"), why));
                    }
                    out.push((group.to_owned(), version.to_owned(), plural.to_owned()));
                }
            }
        }
    }
    Ok(out)
}

impl CelPolicy {
    /// The objects that a trigger changes, as they shall be; `None` when it is no trigger.
    pub(crate) fn change_existing(&self, request: &Request<'_>) -> Result<Option<Vec<Value>>, String> {
        let (Some(existing), Some(variant)) = (&self.existing, self.variants.first()) else {
            return Ok(None);
        };
        let CelBody::Mutate(mutations) = &variant.body else {
            return Ok(None);
        };
        let allowed = &Allowed::NOTHING;
        let holds = |conditions: &[Program], request: &Request<'_>| {
            expressions::all_hold(conditions, &variant.variables, request, false, allowed)
                .map_err(|fault| format!("the match conditions cannot be evaluated: {fault}"))
        };
        if !variant.constraints.clone().of_any_operation().selects(request) || !holds(&variant.conditions, request)? {
            return Ok(None);
        }
        let (constraints, conditions) = match &existing.own {
            Some(own) => (own.clone(), &existing.conditions),
            None => (variant.constraints.clone().of_any_operation(), &variant.conditions),
        };
        let mut out = Vec::new();
        for target in existing.candidates(self, request)? {
            let root = target.root();
            let Some(gvk) = Gvk::of(root) else { continue };
            let within = root.str_at(&["metadata", "namespace"]).unwrap_or_default();
            let namespace = match within {
                "" => None,
                name => request.data.get(&Gvk::new("", "v1", "Namespace"), "", name),
            };
            let of_target = Request {
                operation: Operation::Update,
                namespace_object: namespace.as_ref().map(Doc::root),
                now: request.now,
                data: request.data,
                ..Request::create(&gvk, root)
            };
            if existing.expression.is_none() && !constraints.selects(&of_target) {
                continue;
            }
            // The object is the target; the request is that of the trigger.
            let seen = Request {
                object: Some(root),
                namespace_object: of_target.namespace_object,
                ..*request
            };
            if !holds(conditions, &seen)? {
                continue;
            }
            let made =
                mutation::run(mutations, &variant.variables, &seen, allowed).map_err(|fault| fault.to_string())?;
            if made.node() != root {
                out.push(made);
            }
        }
        Ok(Some(out))
    }
}
