//! Policies, compiled.

use ridgeway_doc::Node;
use ridgeway_krm::{Gvk, validate_label_key};

use super::mutate::Mutation;
use super::typing::Typing;
use crate::cel::{Program, Type};
use crate::cel_policy::{Constraints, Named};
use crate::kyverno::Place;
use crate::source::unknown_field;
use crate::verdict::CompileError;

/// A `ValidatingAdmissionPolicy` or `MutatingAdmissionPolicy`.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) category: String,
    pub(super) constraints: Constraints,
    pub(super) conditions: Vec<Program>,
    pub(super) variables: Vec<Named>,
    pub(super) fail_open: bool,
    pub(super) param_kind: Option<Gvk>,
    /// Whether it asks who makes the request: of what is stored, nobody does.
    pub(super) asks_who: bool,
    pub(super) body: Body,
}

/// What a policy does.
#[derive(Debug)]
pub(super) enum Body {
    Validate {
        validations: Vec<Validation>,
        annotations: Vec<(String, Program)>,
    },
    Mutate {
        mutations: Vec<Mutation>,
        /// Whether it is asked again after others have changed what it saw.
        again: bool,
    },
}

/// One validation.
#[derive(Debug)]
pub(super) struct Validation {
    pub(super) program: Program,
    pub(super) text: String,
    pub(super) message: String,
    pub(super) message_program: Option<Program>,
    pub(super) reason: String,
}

/// The reasons that an author may give a refusal.
const REASONS: [&str; 4] = ["Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"];

/// A place's fault as the policy's.
pub(super) fn fault(node: Node<'_>, place: Place) -> CompileError {
    let position = crate::source::position_of(node, &place.path);
    CompileError {
        policy: node.str_at(&["metadata", "name"]).unwrap_or_default().to_owned(),
        rule: String::new(),
        path: place.path,
        line: position.map_or(0, |p| p.line),
        column: position.map_or(0, |p| p.column),
        message: place.message,
    }
}

/// Fields that are not among the known ones.
pub(super) fn known(node: Node<'_>, path: &str, fields: &[&str]) -> Result<(), Place> {
    match node.members().find(|(key, _)| !fields.contains(key)) {
        Some((key, _)) => Err(Place::new(format!("{path}.{key}"), unknown_field(key, fields))),
        None => Ok(()),
    }
}

fn items<'a>(node: Node<'a>, key: &str) -> impl Iterator<Item = (usize, Node<'a>)> {
    node.get(key).into_iter().flat_map(Node::items).enumerate()
}

/// Compiles the text of a field; without one, what is missing is told.
fn program(node: Node<'_>, field: &str, typing: &Typing, path: &str) -> Result<Program, Place> {
    let text = node.str_at(&[field]).unwrap_or_default();
    if text.trim().is_empty() {
        return Err(Place::new(path, format!("needs an `{field}` in CEL")));
    }
    let parsed = typing.parse(text);
    parsed.map_err(|e| Place::new(format!("{path}.{field}"), e.to_string()))
}

impl Definition {
    pub(crate) fn compile(node: Node<'_>) -> Result<Definition, CompileError> {
        Definition::read(node).map_err(|place| fault(node, place))
    }

    fn read(node: Node<'_>) -> Result<Definition, Place> {
        let text = |path: &[&str]| node.str_at(path).unwrap_or_default().to_owned();
        let Some(spec) = node.get("spec").filter(|spec| spec.is_object()) else {
            return Err(Place::new("spec", "a policy needs a `spec`"));
        };
        let mutates = node.str_at(&["kind"]) == Some("MutatingAdmissionPolicy");
        let own: &[&str] = if mutates {
            &["mutations", "reinvocationPolicy"]
        } else {
            &["validations", "auditAnnotations"]
        };
        let shared = [
            "paramKind",
            "matchConstraints",
            "matchConditions",
            "variables",
            "failurePolicy",
        ];
        known(spec, "spec", &[&shared, own].concat())?;
        let param_kind = param_kind(spec)?;
        let mut typing = Typing::new(param_kind.is_some());
        let conditions = conditions(spec, "matchConditions", &typing)?;
        typing.open_variables();
        let variables = variables(spec, &mut typing)?;
        let fail_open = one_of(spec, "failurePolicy", "spec", &["Fail", "Ignore"])? == Some("Ignore");
        let body = if mutates {
            let again = one_of(spec, "reinvocationPolicy", "spec", &["Never", "IfNeeded"])? == Some("IfNeeded");
            let compile = |(i, item)| Mutation::compile(item, &typing, &format!("spec.mutations[{i}]"));
            let mutations: Vec<Mutation> = items(spec, "mutations").map(compile).collect::<Result<_, _>>()?;
            if mutations.is_empty() {
                return Err(Place::new("spec.mutations", "a policy that changes needs `mutations`"));
            }
            Body::Mutate { mutations, again }
        } else {
            let validations = validations(spec, &typing)?;
            let annotations = annotations(spec, &typing)?;
            if validations.is_empty() && annotations.is_empty() {
                let why = "a policy needs `validations` or `auditAnnotations`";
                return Err(Place::new("spec.validations", why));
            }
            Body::Validate {
                validations,
                annotations,
            }
        };
        let mut out = Definition {
            name: text(&["metadata", "name"]),
            title: text(&["metadata", "annotations", "policies.kyverno.io/title"]),
            category: text(&["metadata", "annotations", "policies.kyverno.io/category"]),
            constraints: Constraints::of_policy(spec.get("matchConstraints"), "spec.matchConstraints")?,
            conditions,
            variables,
            fail_open,
            param_kind,
            asks_who: false,
            body,
        };
        let asks = |program: &Program| program.reads("request", "userInfo") || program.names("authorizer");
        let asked = out.programs().any(asks);
        out.asks_who = asked;
        Ok(out)
    }

    /// All of its expressions.
    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        let mut body: Vec<&Program> = Vec::new();
        match &self.body {
            Body::Validate {
                validations,
                annotations,
            } => {
                for validation in validations {
                    body.push(&validation.program);
                    body.extend(&validation.message_program);
                }
                body.extend(annotations.iter().map(|(_, program)| program));
            }
            Body::Mutate { mutations, .. } => body.extend(mutations.iter().map(Mutation::program)),
        }
        let variables = self.variables.iter().map(|(_, program)| program);
        self.conditions.iter().chain(variables).chain(body)
    }

    /// The names that its expressions see, before there are variables.
    pub(super) fn typing(&self) -> Typing {
        Typing::new(self.param_kind.is_some())
    }

    pub(crate) fn mutates(&self) -> bool {
        matches!(self.body, Body::Mutate { .. })
    }
}

/// The value of a field that must be one of some.
pub(super) fn one_of<'a>(node: Node<'a>, key: &str, path: &str, all: &[&str]) -> Result<Option<&'a str>, Place> {
    match node.str_at(&[key]).filter(|text| !text.is_empty()) {
        Some(text) if !all.contains(&text) => Err(Place::new(
            format!("{path}.{key}"),
            format!("{text:?} is not known here; use {}", all.join(", ")),
        )),
        found => Ok(found),
    }
}

fn param_kind(spec: Node<'_>) -> Result<Option<Gvk>, Place> {
    let Some(kind) = spec.get("paramKind").filter(|kind| !kind.is_null()) else {
        return Ok(None);
    };
    known(kind, "spec.paramKind", &["apiVersion", "kind"])?;
    let text = |key: &str| match kind.str_at(&[key]) {
        None | Some("") => Err(Place::new(
            "spec.paramKind",
            format!("the kind of the parameters needs its `{key}`"),
        )),
        Some(text) => Ok(text),
    };
    let version = text("apiVersion")?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Ok(Some(Gvk::new(group, version, text("kind")?)))
}

pub(super) fn conditions(spec: Node<'_>, key: &str, typing: &Typing) -> Result<Vec<Program>, Place> {
    let mut names: Vec<&str> = Vec::new();
    let mut out = Vec::new();
    for (i, item) in items(spec, key) {
        let path = format!("spec.{key}[{i}]");
        known(item, &path, &["name", "expression"])?;
        let name = item.str_at(&["name"]).unwrap_or_default();
        validate_label_key(name).map_err(|why| Place::new(format!("{path}.name"), why))?;
        if names.contains(&name) {
            let why = format!("there is a condition {name} already");
            return Err(Place::new(format!("{path}.name"), why));
        }
        names.push(name);
        let program = program(item, "expression", typing, &path)?;
        let wrong = |why| Place::new(format!("{path}.expression"), why);
        typing.expect(&program, &[Type::Bool]).map_err(wrong)?;
        out.push(program);
    }
    Ok(out)
}

pub(super) fn variables(spec: Node<'_>, typing: &mut Typing) -> Result<Vec<Named>, Place> {
    let mut out: Vec<Named> = Vec::new();
    for (i, item) in items(spec, "variables") {
        let path = format!("spec.variables[{i}]");
        known(item, &path, &["name", "expression"])?;
        let name = item.str_at(&["name"]).unwrap_or_default();
        let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
        let word = name.starts_with(starts) && name.chars().all(|c| starts(c) || c.is_ascii_digit());
        if !word {
            let why = "a variable's name is a word of letters, digits and _";
            return Err(Place::new(format!("{path}.name"), why));
        }
        if out.iter().any(|(known, _)| *known.text == *name) {
            let why = format!("there is a variable {name} already");
            return Err(Place::new(format!("{path}.name"), why));
        }
        let program = program(item, "expression", typing, &path)?;
        let kind = typing
            .kind(&program)
            .map_err(|why| Place::new(format!("{path}.expression"), why))?;
        typing.variable(name, kind);
        out.push((name.into(), program));
    }
    Ok(out)
}

pub(super) fn validations(spec: Node<'_>, typing: &Typing) -> Result<Vec<Validation>, Place> {
    let words = typing.for_messages();
    let compile = |(i, item)| validation(item, typing, &words, &format!("spec.validations[{i}]"));
    items(spec, "validations").map(compile).collect()
}

fn validation(item: Node<'_>, typing: &Typing, words: &Typing, path: &str) -> Result<Validation, Place> {
    known(item, path, &["expression", "message", "messageExpression", "reason"])?;
    let own = program(item, "expression", typing, path)?;
    let wrong = |field: &str, why: String| Place::new(format!("{path}.{field}"), why);
    typing
        .expect(&own, &[Type::Bool])
        .map_err(|why| wrong("expression", why))?;
    let text = |key: &str| item.str_at(&[key]).unwrap_or_default().trim().to_owned();
    let message = text("message");
    if message.contains('\n') {
        return Err(wrong("message", "a message is one line".into()));
    }
    let message_program = match item.get("messageExpression").filter(|text| !text.is_null()) {
        Some(_) => {
            let made = program(item, "messageExpression", words, path)?;
            words
                .expect(&made, &[Type::Text])
                .map_err(|why| wrong("messageExpression", why))?;
            Some(made)
        }
        None => None,
    };
    Ok(Validation {
        program: own,
        text: text("expression"),
        message,
        message_program,
        reason: one_of(item, "reason", path, &REASONS)?.unwrap_or("Invalid").to_owned(),
    })
}

fn annotations(spec: Node<'_>, typing: &Typing) -> Result<Vec<(String, Program)>, Place> {
    let mut out: Vec<(String, Program)> = Vec::new();
    for (i, item) in items(spec, "auditAnnotations") {
        let path = format!("spec.auditAnnotations[{i}]");
        known(item, &path, &["key", "valueExpression"])?;
        let key = item.str_at(&["key"]).unwrap_or_default();
        validate_label_key(key).map_err(|why| Place::new(format!("{path}.key"), why))?;
        if out.iter().any(|(known, _)| known == key) {
            let why = format!("there is an annotation {key} already");
            return Err(Place::new(format!("{path}.key"), why));
        }
        let program = program(item, "valueExpression", typing, &path)?;
        let wrong = |why| Place::new(format!("{path}.valueExpression"), why);
        typing.expect(&program, &[Type::Text, Type::Null]).map_err(wrong)?;
        out.push((key.to_owned(), program));
    }
    Ok(out)
}
