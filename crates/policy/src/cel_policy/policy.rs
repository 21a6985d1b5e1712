//! `policies.kyverno.io`: a policy with the variants carried over from it.

use ridgeway_doc::{Node, Value};

use super::autogen;
use super::constraints::Constraints;
use super::existing::Existing;
use super::expressions::{self, Allowed, CelCheck, CelScope, Named, Verdict};
use super::mutation::{self, Mutation};
use super::typing::Typing;
use crate::budget::Fuel;
use crate::cel::{Cel, Evaluator, Fault, Program, Type};
use crate::kyverno::Place;
use crate::request::Request;
use crate::ruleset::PolicyInfo;
use crate::verdict::{Action, CompileError, Dialect, Outcome, RuleResult};

/// A compiled policy.
#[derive(Clone, Debug)]
pub(crate) struct CelPolicy {
    pub(crate) name: String,
    namespace: Option<String>,
    pub(crate) title: String,
    pub(crate) category: String,
    pub(crate) action: Action,
    pub(crate) fail_open: bool,
    pub(crate) background: bool,
    pub(crate) synchronize: bool,
    /// Whether it is asked when a change is made, and not only about what is stored.
    pub(crate) admission: bool,
    /// Whether it is about structured files that are no objects.
    json: bool,
    /// How it changes objects that are stored already.
    pub(crate) existing: Option<Existing>,
    pub(crate) variants: Vec<Variant>,
}

/// The policy itself, or what is carried over from it.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) rule: String,
    pub(super) constraints: Constraints,
    pub(super) conditions: Vec<Program>,
    pub(super) variables: Vec<Named>,
    pub(crate) body: CelBody,
}

/// What it does.
#[derive(Clone, Debug)]
pub(crate) enum CelBody {
    Validate(CelCheck),
    Mutate(Vec<Mutation>),
    Generate(Vec<Program>),
}

/// What a variant makes of a request.
#[derive(Debug)]
pub(crate) enum Ruling {
    /// It is not for the request.
    Unmatched,
    Skip,
    Pass,
    Fail {
        message: String,
        path: String,
    },
    Error(String),
    Mutated(Value),
    Made(Vec<Value>),
}

impl CelPolicy {
    pub(crate) fn compile(node: Node<'_>) -> Result<CelPolicy, CompileError> {
        let text = |path: &[&str]| node.str_at(path).unwrap_or_default().to_owned();
        let kind = text(&["kind"]);
        let namespace = kind.starts_with("Namespaced").then(|| text(&["metadata", "namespace"]));
        let name = match &namespace {
            Some(namespace) => format!("{namespace}/{}", text(&["metadata", "name"])),
            None => text(&["metadata", "name"]),
        };
        let fail = |place: Place| {
            let position = crate::source::position_of(node, &place.path);
            CompileError {
                policy: name.clone(),
                rule: String::new(),
                path: place.path,
                line: position.map_or(0, |p| p.line),
                column: position.map_or(0, |p| p.column),
                message: place.message,
            }
        };
        let Some(spec) = node.get("spec") else {
            return Err(fail(Place::new("spec", "a policy needs a `spec`")));
        };
        let json = match spec.str_at(&["evaluation", "mode"]) {
            None | Some("" | "Kubernetes") => false,
            Some("JSON") if kind.ends_with("ValidatingPolicy") => true,
            Some(_) => {
                let why = "policies are evaluated over Kubernetes objects (`Kubernetes`) and, where they validate, over any \
                           structured file (`JSON`)";
                return Err(fail(Place::new("spec.evaluation.mode", why)));
            }
        };
        let kind = kind.trim_start_matches("Namespaced");
        let mut variants = vec![Variant::compile(kind, spec, "spec", kind, json).map_err(&fail)?];
        let existing = Existing::compile(kind, spec).map_err(&fail)?;
        let mutates = kind == "MutatingPolicy";
        if kind != "GeneratingPolicy" {
            for (name, carried) in autogen::specs(spec, mutates) {
                // Faults of these are faults of the policy they come from.
                variants.extend(Variant::compile(
                    kind,
                    carried.node(),
                    "spec",
                    &format!("autogen-{name}"),
                    json,
                ));
            }
        }
        let actions = spec
            .get("validationActions")
            .into_iter()
            .flat_map(Node::items)
            .filter_map(Node::as_str);
        let action = actions.map(|action| match action {
            "Deny" => Action::Enforce,
            "Warn" => Action::Warn,
            _ => Action::Audit,
        });
        let enabled = |path: &[&str]| spec.at(path).and_then(Node::as_bool);
        Ok(CelPolicy {
            namespace,
            title: text(&["metadata", "annotations", "policies.kyverno.io/title"]),
            category: text(&["metadata", "annotations", "policies.kyverno.io/category"]),
            action: action.max().unwrap_or(Action::Enforce),
            fail_open: spec.str_at(&["failurePolicy"]) == Some("Ignore"),
            background: !json && enabled(&["evaluation", "background", "enabled"]).unwrap_or(true),
            synchronize: enabled(&["evaluation", "synchronize", "enabled"]).unwrap_or(false),
            admission: enabled(&["evaluation", "admission", "enabled"]).unwrap_or(true),
            json,
            existing,
            name,
            variants,
        })
    }
}

impl CelPolicy {
    /// The description for views.
    pub(crate) fn info(&self) -> PolicyInfo {
        let does = |wanted: fn(&CelBody) -> bool| self.variants.iter().any(|variant| wanted(&variant.body));
        PolicyInfo {
            name: self.name.clone(),
            dialect: Dialect::Kyverno,
            title: self.title.clone(),
            category: self.category.clone(),
            action: self.action,
            rules: self
                .variants
                .iter()
                .take(1)
                .map(|variant| variant.rule.clone())
                .collect(),
            background: self.background,
            generates: does(|body| matches!(body, CelBody::Generate(_))),
            mutates: does(|body| matches!(body, CelBody::Mutate(_))),
        }
    }

    /// A ruling as a result; `None` when the policy is not for the request.
    pub(crate) fn result(&self, variant: &Variant, ruling: Ruling) -> Option<RuleResult> {
        let mut result = RuleResult::new(Dialect::Kyverno, &self.name, &variant.rule, Outcome::Pass, self.action);
        match ruling {
            Ruling::Unmatched => return None,
            Ruling::Pass | Ruling::Mutated(_) | Ruling::Made(_) => {}
            Ruling::Skip => {
                result.outcome = Outcome::Skip;
                result.message = "the match conditions do not hold".into();
            }
            Ruling::Fail { message, path } => {
                result.outcome = Outcome::Fail;
                let end = if message.ends_with(['.', '!', '?']) { "" } else { "." };
                result.message = format!("Policy Violation: {message}{end}");
                result.remedy = if path.is_empty() {
                    format!("Change the object so that it satisfies: {message}")
                } else {
                    format!("Change {path} so that it satisfies: {message}")
                };
                result.author = message;
                result.path = path;
            }
            Ruling::Error(why) => {
                result.outcome = Outcome::Error;
                if self.fail_open {
                    result.action = Action::Audit;
                }
                result.message = format!("The policy {} could not be evaluated: {why}", self.name);
                result.remedy = format!("Ask the author of the policy {} to mend it.", self.name);
            }
        }
        Some(result)
    }
}

impl Variant {
    fn compile(kind: &str, spec: Node<'_>, path: &str, rule: &str, json: bool) -> Result<Variant, Place> {
        let at = |key: &str| format!("{path}.{key}");
        let variables = expressions::variables(spec.get("variables"), &at("variables"))?;
        let known = expressions::names(&variables);
        let body = match kind {
            "ValidatingPolicy" => CelBody::Validate(CelCheck::compile(spec, "validations", path, "")?),
            "MutatingPolicy" => {
                let list = spec.get("mutations").into_iter().flat_map(Node::items).enumerate();
                let compile = |(i, item)| Mutation::compile(item, &known, &format!("{path}.mutations[{i}]"));
                CelBody::Mutate(list.map(compile).collect::<Result<_, _>>()?)
            }
            "GeneratingPolicy" => {
                CelBody::Generate(expressions::conditions(spec.get("generate"), &known, &at("generate"))?)
            }
            other => return Err(Place::new("kind", format!("{other} is not evaluated by this version"))),
        };
        let typing = Typing::of(&variables, &at("variables"))?;
        let conditions = expressions::conditions(spec.get("matchConditions"), &known, &at("matchConditions"))?;
        for (i, condition) in conditions.iter().enumerate() {
            typing.expect(condition, &Type::Bool, || {
                format!("{path}.matchConditions[{i}].expression")
            })?;
        }
        Ok(Variant {
            rule: match kind {
                _ if rule.starts_with("autogen-") => rule.into(),
                "ValidatingPolicy" => "validations".into(),
                "MutatingPolicy" => "mutations".into(),
                _ => "generate".into(),
            },
            constraints: match spec.get("matchConstraints") {
                None if json => Constraints::default(),
                node => Constraints::compile(node, &at("matchConstraints"))?,
            },
            conditions,
            variables,
            body,
        })
    }

    /// What it makes of a request.
    pub(crate) fn rule_on(&self, policy: &CelPolicy, request: &Request<'_>, allowed: &Allowed) -> Ruling {
        let elsewhere = policy
            .namespace
            .as_ref()
            .is_some_and(|namespace| namespace != request.namespace);
        // What is no object is for policies about files alone.
        let file = request.gvk.kind.is_empty();
        if elsewhere || file != policy.json || !file && !self.constraints.selects(request) {
            return Ruling::Unmatched;
        }
        match expressions::all_hold(&self.conditions, &self.variables, request, false, allowed) {
            Ok(true) => {}
            Ok(false) => return Ruling::Skip,
            Err(_) if policy.fail_open => return Ruling::Skip,
            Err(fault) => return Ruling::Error(format!("the match conditions cannot be evaluated: {fault}")),
        }
        match &self.body {
            CelBody::Validate(check) => match check.judge(request, false, allowed) {
                Verdict::Pass => Ruling::Pass,
                Verdict::Fail { message, path } => Ruling::Fail { message, path },
                Verdict::Fault(why) => Ruling::Error(why),
            },
            CelBody::Mutate(mutations) => match mutation::run(mutations, &self.variables, request, allowed) {
                Ok(value) => Ruling::Mutated(value),
                Err(fault) => Ruling::Error(fault.to_string()),
            },
            CelBody::Generate(programs) => match self.generate(programs, request) {
                Ok(objects) => Ruling::Made(objects),
                Err(fault) => Ruling::Error(fault.to_string()),
            },
        }
    }

    fn generate(&self, programs: &[Program], request: &Request<'_>) -> Result<Vec<Value>, Fault> {
        let fuel = Fuel::default();
        let scope = CelScope::new(request, &self.variables, false);
        let mut evaluator = Evaluator::new(&scope, &fuel, request.now, request.data);
        let mut out = Vec::new();
        for program in programs {
            let made = evaluator.run(program)?;
            let namespace = made
                .field("namespace")
                .and_then(|n| n.as_str().map(str::to_owned))
                .unwrap_or_default();
            for object in made.field("objects").iter().flat_map(Cel::items) {
                let mut object = object.to_value();
                if !namespace.is_empty() {
                    object.set(&["metadata", "namespace"], namespace.as_str());
                }
                out.push(object);
            }
        }
        Ok(out)
    }
}
