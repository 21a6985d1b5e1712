//! What every policy in CEL is made of: conditions, variables, validations, and the names its expressions see.

use std::cell::OnceCell;

use ridgeway_doc::{Key, Node};
use smallvec::SmallVec;

use super::constraints::plural;
use super::typing::Typing;
use crate::budget::Fuel;
use crate::cel::{Beginning, Cel, Evaluator, Fault, Global, Program, Root, Scope, Slot, Type, Variable, authorizer};
use crate::kyverno::Place;
use crate::name::Name;
use crate::request::{Operation, Request};

/// A program with its name.
pub(crate) type Named = (Name, Program);

/// Compiles a list of `{name, expression}` that may read these variables.
pub(crate) fn named_programs(list: Option<Node<'_>>, variables: &[&str], path: &str) -> Result<Vec<Named>, Place> {
    let compile = |(i, item): (usize, Node<'_>)| {
        let text = item.str_at(&["expression"]).unwrap_or_default();
        let program = Program::parse_among(text, variables)
            .map_err(|e| Place::new(format!("{path}[{i}].expression"), e.to_string()))?;
        Ok((item.text_at(&["name"]).into(), program))
    };
    list.into_iter()
        .flat_map(Node::items)
        .enumerate()
        .map(compile)
        .collect()
}

/// Compiles variables, which may read each other.
pub(crate) fn variables(list: Option<Node<'_>>, path: &str) -> Result<Vec<Named>, Place> {
    let items = list.into_iter().flat_map(Node::items);
    let names: Vec<&str> = items.map(|item| item.text_at(&["name"])).collect();
    named_programs(list, &names, path)
}

/// The names of variables, for expressions that read them.
pub(crate) fn names(variables: &[Named]) -> Vec<&str> {
    variables.iter().map(|(name, _)| &*name.text).collect()
}

/// Compiles match conditions, which must be booleans.
pub(crate) fn conditions(list: Option<Node<'_>>, variables: &[&str], path: &str) -> Result<Vec<Program>, Place> {
    Ok(named_programs(list, variables, path)?
        .into_iter()
        .map(|(_, program)| program)
        .collect())
}

/// What exceptions allow in place of taking the object out altogether: expressions ask for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) images: Vec<String>,
    pub(crate) values: Vec<String>,
}

impl Allowed {
    pub(crate) const NOTHING: Allowed = Allowed {
        images: Vec::new(),
        values: Vec::new(),
    };

    pub(crate) fn is_empty(&self) -> bool {
        self.images.is_empty() && self.values.is_empty()
    }
}

/// One validation.
#[derive(Clone, Debug)]
struct Validation {
    program: Program,
    message: String,
    message_program: Option<Program>,
}

/// Variables and validations.
#[derive(Clone, Debug)]
pub(crate) struct CelCheck {
    variables: Vec<Named>,
    validations: Vec<Validation>,
}

/// How validations ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Fail { message: String, path: String },
    Fault(String),
}

impl CelCheck {
    /// Compiles `variables` and the validations under `key` of a node.
    pub(crate) fn compile(node: Node<'_>, key: &str, path: &str, message: &str) -> Result<CelCheck, Place> {
        let variables = self::variables(node.get("variables"), &format!("{path}.variables"))?;
        let known = names(&variables);
        let typing = Typing::of(&variables, &format!("{path}.variables"))?;
        let compile = |(i, item): (usize, Node<'_>)| {
            let program = |field: &str| {
                let parsed = item.str_at(&[field]).map(|text| Program::parse_among(text, &known));
                let parsed = parsed.transpose();
                parsed.map_err(|e| Place::new(format!("{path}.{key}[{i}].{field}"), e.to_string()))
            };
            let missing = || Place::new(format!("{path}.{key}[{i}]"), "a validation needs an `expression`");
            let validation = Validation {
                program: program("expression")?.ok_or_else(missing)?,
                message: item.str_at(&["message"]).unwrap_or(message).trim().to_owned(),
                message_program: program("messageExpression")?,
            };
            typing.expect(&validation.program, &Type::Bool, || {
                format!("{path}.{key}[{i}].expression")
            })?;
            if let Some(program) = &validation.message_program {
                typing.expect(program, &Type::Text, || format!("{path}.{key}[{i}].messageExpression"))?;
            }
            Ok(validation)
        };
        let validations = node.get(key).into_iter().flat_map(Node::items).enumerate().map(compile);
        let validations: Vec<Validation> = validations.collect::<Result<_, Place>>()?;
        if validations.is_empty() {
            return Err(Place::new(format!("{path}.{key}"), "there is nothing to validate"));
        }
        Ok(CelCheck { variables, validations })
    }

    /// Judges a request.
    pub(crate) fn judge(&self, request: &Request<'_>, namespace_known: bool, allowed: &Allowed) -> Verdict {
        let fuel = Fuel::default();
        let scope = CelScope::new(request, &self.variables, namespace_known).allowing(allowed);
        let mut evaluator = Evaluator::new(&scope, &fuel, request.now, request.data);
        for (i, validation) in self.validations.iter().enumerate() {
            match evaluator.holds(&validation.program) {
                Ok(true) => {}
                Ok(false) => {
                    let made = validation
                        .message_program
                        .as_ref()
                        .and_then(|program| evaluator.run(program).ok());
                    let made = made
                        .as_ref()
                        .and_then(Cel::as_str)
                        .map(str::trim)
                        .filter(|text| !text.is_empty());
                    let message = match made {
                        Some(text) => text.to_owned(),
                        None if validation.message.is_empty() => format!("the expression {} does not hold", i + 1),
                        None => validation.message.clone(),
                    };
                    return Verdict::Fail {
                        message,
                        path: validation.program.first_path().unwrap_or_default(),
                    };
                }
                Err(fault) => return Verdict::Fault(format!("the expression {} cannot be evaluated: {fault}", i + 1)),
            }
        }
        Verdict::Pass
    }
}

/// Whether all conditions hold.
pub(crate) fn all_hold(
    conditions: &[Program],
    variables: &[Named],
    request: &Request<'_>,
    namespace_known: bool,
    allowed: &Allowed,
) -> Result<bool, Fault> {
    let fuel = Fuel::default();
    let scope = CelScope::new(request, variables, namespace_known).allowing(allowed);
    let mut evaluator = Evaluator::new(&scope, &fuel, request.now, request.data);
    let mut fault = None;
    for condition in conditions {
        match evaluator.holds(condition) {
            Ok(true) => {}
            // A condition that fails decides, whatever is wrong with the others.
            Ok(false) => return Ok(false),
            Err(other) => fault = fault.or(Some(other)),
        }
    }
    fault.map_or(Ok(true), Err)
}

/// The options of an operation of which only that is known.
fn options<'a>(request: &Request<'a>) -> Cel<'a> {
    let kind = match request.operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => return Cel::object([]),
    };
    let mut members = vec![
        (Cel::str("kind"), Cel::str(kind)),
        (Cel::str("apiVersion"), Cel::str("meta.k8s.io/v1")),
    ];
    if request.dry_run {
        members.push((Cel::str("dryRun"), Cel::list(vec![Cel::str("All")])));
    }
    Cel::map(members)
}

const SPEC: Key<'static> = Key::new("spec");
const METADATA: Key<'static> = Key::new("metadata");

/// The names that expressions see.
pub(crate) struct CelScope<'a> {
    request: &'a Request<'a>,
    variables: &'a [Named],
    slots: SmallVec<[Slot<'a>; 4]>,
    /// `request`, made when it is first read.
    review: OnceCell<Cel<'a>>,
    /// A namespace of which nothing is known still has its name.
    named_namespace: bool,
    allowed: Option<&'a Allowed>,
}

impl<'a> CelScope<'a> {
    pub(crate) fn new(request: &'a Request<'a>, variables: &'a [Named], named_namespace: bool) -> CelScope<'a> {
        let slots = variables.iter().map(|(name, _)| Slot::unread(name)).collect();
        CelScope {
            request,
            variables,
            slots,
            review: OnceCell::new(),
            named_namespace,
            allowed: None,
        }
    }

    /// The same names with what exceptions allow.
    pub(crate) fn allowing(self, allowed: &'a Allowed) -> CelScope<'a> {
        CelScope {
            allowed: Some(allowed),
            ..self
        }
    }

    fn namespace(&self) -> Cel<'a> {
        match self.request.namespace_object {
            Some(namespace) => Cel::of(namespace),
            None if self.named_namespace && !self.request.namespace.is_empty() => {
                Cel::object([("metadata", Cel::object([("name", Cel::str(self.request.namespace))]))])
            }
            None => Cel::Null,
        }
    }

    fn resource(&self) -> Cel<'a> {
        match self.request.gvr {
            Some(gvr) => Cel::str(&gvr.resource),
            None => Cel::text(plural(&self.request.gvk.kind)),
        }
    }

    /// Names beside those that every policy has.
    fn other(&self, name: &str) -> Option<Cel<'a>> {
        Some(match name {
            "authorizer" => authorizer([
                ("group", Cel::str(&self.request.gvk.group)),
                ("resource", self.resource()),
                ("subresource", Cel::str(self.request.subresource)),
                ("namespace", Cel::str(self.request.told_namespace())),
                ("name", Cel::str(self.request.name)),
            ]),
            "variables" => Cel::map(
                self.variables
                    .iter()
                    .map(|(name, _)| (Cel::str(&name.text), Cel::Null))
                    .collect(),
            ),
            "exceptions" => {
                let listed = |of: fn(&Allowed) -> &Vec<String>| {
                    let all = self.allowed.into_iter().flat_map(of);
                    Cel::list(all.map(|text| Cel::str(text)).collect())
                };
                Cel::object([
                    ("allowedImages", listed(|allowed| &allowed.images)),
                    ("allowedValues", listed(|allowed| &allowed.values)),
                ])
            }
            _ => return None,
        })
    }

    fn request(&self) -> Cel<'a> {
        let request = self.request;
        let gvk = request.gvk;
        let resource = self.resource();
        let user = request.user.unwrap_or_default();
        let groups = Cel::list(user.groups.iter().map(|group| Cel::str(group)).collect());
        let options = match request.options {
            Some(options) => Cel::of(options),
            None if request.user.is_some() => options(request),
            None => Cel::object([]),
        };
        let kind = Cel::object([
            ("group", Cel::str(&gvk.group)),
            ("version", Cel::str(&gvk.version)),
            ("kind", Cel::str(&gvk.kind)),
        ]);
        let resource = Cel::object([
            ("group", Cel::str(&gvk.group)),
            ("version", Cel::str(&gvk.version)),
            ("resource", resource),
        ]);
        Cel::object([
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", Cel::str(request.subresource)),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", Cel::str(request.subresource)),
            ("options", options),
            ("name", Cel::str(request.name)),
            ("namespace", Cel::str(request.told_namespace())),
            ("operation", Cel::str(request.operation.as_str())),
            (
                "userInfo",
                Cel::object([
                    ("username", Cel::str(user.name)),
                    ("uid", Cel::str(user.uid)),
                    ("groups", groups),
                    ("extra", user.extra.map_or_else(|| Cel::object([]), Cel::of)),
                ]),
            ),
            ("dryRun", Cel::Bool(request.dry_run)),
            ("object", value(request.object)),
            ("oldObject", value(request.old_object)),
        ])
    }
}

impl<'a> CelScope<'a> {
    /// The object as it is to be; nothing when it goes.
    fn object(&self) -> Option<Node<'a>> {
        self.request
            .object
            .filter(|_| self.request.operation != Operation::Delete)
    }

    #[inline]
    fn place(&self, variable: &Variable) -> Option<usize> {
        let is = |(known, _): &Named| *known == variable.name;
        match self.variables.get(variable.place) {
            Some((known, _)) if known.mark() == variable.name.mark() => Some(variable.place),
            _ => self.variables.iter().position(is),
        }
    }
}

fn value(node: Option<Node<'_>>) -> Cel<'_> {
    node.map_or(Cel::Null, Cel::of)
}

impl<'a> Scope<'a> for CelScope<'a> {
    fn lookup(&self, name: &Global) -> Option<Cel<'a>> {
        Some(match name.root {
            Root::Object => value(self.object()),
            Root::OldObject => value(self.request.old_object),
            Root::Request => self.review.get_or_init(|| self.request()).clone(),
            Root::NamespaceObject => self.namespace(),
            Root::Params => Cel::Null,
            Root::Other => return self.other(&name.name),
        })
    }

    fn node(&self, name: &Global) -> Option<Node<'a>> {
        let found = match name.root {
            Root::Object => self.object(),
            Root::OldObject => self.request.old_object,
            Root::NamespaceObject => self.request.namespace_object,
            _ => None,
        };
        found.filter(|node| node.is_object() || node.is_array())
    }

    fn beginning(&self, place: Beginning) -> Option<Node<'a>> {
        let object = self.object()?;
        match place {
            Beginning::Object => Some(object).filter(|node| node.is_object() || node.is_array()),
            Beginning::Spec => object.member(SPEC),
            Beginning::Metadata => object.member(METADATA),
        }
    }

    fn part(&self, name: &Global, field: &Name) -> Option<Cel<'a>> {
        if name.root != Root::Request {
            return None;
        }
        let request = self.request;
        Some(match &*field.text {
            "operation" => Cel::str(request.operation.as_str()),
            "name" => Cel::str(request.name),
            "namespace" => Cel::str(request.told_namespace()),
            "subResource" | "requestSubResource" => Cel::str(request.subresource),
            "dryRun" => Cel::Bool(request.dry_run),
            "object" => value(request.object),
            "oldObject" => value(request.old_object),
            _ => return None,
        })
    }

    fn slots(&self) -> &[Slot<'a>] {
        &self.slots
    }

    fn variable(&self, evaluator: &mut Evaluator<'_, 'a>, variable: &Variable) -> Option<Result<Cel<'a>, Fault>> {
        let at = self.place(variable)?;
        let slot = &self.slots[at];
        if let Some(known) = slot.value.get() {
            return Some(known.clone());
        }
        if slot.busy.replace(true) {
            let name = &variable.name.text;
            return Some(Err(Fault::invalid(format!("the variable {name} is defined by itself"))));
        }
        let value = evaluator.run_apart(&self.variables[at].1);
        slot.busy.set(false);
        Some(slot.value.get_or_init(|| value).clone())
    }
}
