//! The variables a rule sees: the request, its context's entries (loaded when first read), and loop elements.

use std::borrow::Cow;
use std::cell::RefCell;

use ridgeway_doc::{Node, Value};
use ridgeway_krm::Gvk;

use super::template::{Template, TemplateFault, Tree};
use crate::budget::Fuel;
use crate::explain::Trace;
use crate::global_context::{self, Within};
use crate::image;
use crate::jmespath::{Evaluator, Expression, Fault, Scope, Val};
use crate::request::{Operation, Request};

/// One entry of a rule's `context`.
#[derive(Clone, Debug)]
pub(crate) struct ContextEntry {
    pub(crate) name: Box<str>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Variable {
        value: Option<Tree>,
        query: Option<Template>,
        default: Option<Tree>,
    },
    ConfigMap {
        namespace: Template,
        name: Template,
    },
    Api {
        method: Box<str>,
        path: Template,
        query: Option<Template>,
        default: Option<Tree>,
    },
    Global {
        name: Template,
        query: Option<Template>,
    },
    Service {
        method: Box<str>,
        url: Template,
        query: Option<Template>,
    },
    Elsewhere(&'static str),
}

impl ContextEntry {
    pub(crate) fn compile(node: Node<'_>) -> Result<ContextEntry, TemplateFault> {
        let name = node.str_at(&["name"]).ok_or("a context entry needs a `name`")?;
        let template = |node: Node<'_>, key: &str| -> Result<Option<Template>, TemplateFault> {
            node.str_at(&[key]).map(|text| Template::compile(text, "")).transpose()
        };
        // A query is an expression itself; braces around parts of it make it one that is put together first.
        let query = |node: Node<'_>| -> Result<Option<Template>, TemplateFault> {
            let Some(text) = node.str_at(&["jmesPath"]) else {
                return Ok(None);
            };
            if text.contains("{{") {
                return Template::compile(text, "").map(Some);
            }
            Expression::parse(text)
                .map(|e| Some(Template::Whole(e)))
                .map_err(|e| e.to_string())
        };
        let tree = |node: Node<'_>, key: &str| node.get(key).map(|value| Tree::compile(value, "")).transpose();
        let source = if let Some(variable) = node.get("variable") {
            Source::Variable {
                value: tree(variable, "value")?,
                query: query(variable)?,
                default: tree(variable, "default")?,
            }
        } else if let Some(map) = node.get("configMap") {
            let namespace = template(map, "namespace")?.unwrap_or(Template::Text("".into()));
            Source::ConfigMap {
                namespace,
                name: template(map, "name")?.ok_or("`configMap` needs a `name`")?,
            }
        } else if let Some(call) = node.get("apiCall") {
            let method = call.str_at(&["method"]).unwrap_or("GET").into();
            let url = call
                .get("service")
                .map(|service| template(service, "url"))
                .transpose()?;
            match (template(call, "urlPath")?, url.flatten()) {
                (Some(path), _) => Source::Api {
                    method,
                    path,
                    query: query(call)?,
                    default: tree(call, "default")?,
                },
                (None, Some(url)) => Source::Service {
                    method,
                    url,
                    query: query(call)?,
                },
                (None, None) => Source::Elsewhere("a call to a service"),
            }
        } else if let Some(reference) = node.get("globalReference") {
            Source::Global {
                name: template(reference, "name")?.ok_or("`globalReference` needs a `name`")?,
                query: query(reference)?,
            }
        } else if node.get("imageRegistry").is_some() {
            Source::Elsewhere("an image registry")
        } else {
            return Err(format!(
                "the context entry {name} has no source this engine knows: use `variable`, `configMap` or `apiCall`"
            ));
        };
        Ok(ContextEntry {
            name: name.into(),
            source,
        })
    }

    fn is_variable(&self) -> bool {
        matches!(self.source, Source::Variable { .. })
    }
}

enum Binding<'a> {
    Value(Val<'a>),
    Pending(&'a ContextEntry),
    Busy,
}

/// The environment of one rule's evaluation.
pub(crate) struct Env<'a> {
    pub(crate) request: &'a Request<'a>,
    object: Option<Node<'a>>,
    pub(crate) fuel: &'a Fuel,
    rule: &'a str,
    layers: RefCell<Vec<(Cow<'a, str>, Binding<'a>)>>,
    /// Where what is looked at is written down, when somebody asked.
    pub(crate) trace: Option<&'a Trace>,
}

impl<'a> Env<'a> {
    /// The environment of a rule over a request.
    pub(crate) fn new(request: &'a Request<'a>, fuel: &'a Fuel, rule: &'a str, context: &'a [ContextEntry]) -> Env<'a> {
        let env = Env {
            rule,
            ..Env::bare(request, fuel)
        };
        env.load(context);
        env
    }

    /// An environment without context.
    pub(crate) fn bare(request: &'a Request<'a>, fuel: &'a Fuel) -> Env<'a> {
        Env {
            request,
            object: request.object,
            fuel,
            rule: "",
            layers: RefCell::new(Vec::new()),
            trace: None,
        }
    }

    /// The object the rule looks at.
    pub(crate) fn object(&self) -> Option<Node<'a>> {
        self.object
    }

    /// How many variables are bound, for [`Env::unwind`].
    pub(crate) fn depth(&self) -> usize {
        self.layers.borrow().len()
    }

    /// Drops the variables bound after a depth.
    pub(crate) fn unwind(&self, depth: usize) {
        self.layers.borrow_mut().truncate(depth);
    }

    /// Binds context entries; each is loaded when it is first read.
    pub(crate) fn load(&self, context: &'a [ContextEntry]) {
        let pending = context
            .iter()
            .map(|entry| (Cow::Borrowed(&*entry.name), Binding::Pending(entry)));
        self.layers.borrow_mut().extend(pending);
    }

    /// Binds a variable.
    pub(crate) fn bind(&self, name: impl Into<Cow<'a, str>>, value: Val<'a>) {
        self.layers.borrow_mut().push((name.into(), Binding::Value(value)));
    }

    /// Binds a loop's element, by its plain names and by those of its nesting.
    pub(crate) fn bind_element(&self, element: Val<'a>, index: usize, nesting: usize) {
        let number = Val::Number(ridgeway_doc::Number::Int(index as i64));
        self.bind("element", element.clone());
        self.bind(format!("element{nesting}"), element);
        self.bind("elementIndex", number.clone());
        self.bind(format!("elementIndex{nesting}"), number);
    }

    /// The value of an expression.
    pub(crate) fn evaluate(&self, expression: &Expression) -> Result<Val<'a>, Fault> {
        Evaluator::new(self, self.fuel, self.request.now).evaluate(expression)
    }

    /// The value of an expression that was put together at run time.
    pub(crate) fn evaluate_text(&self, text: &str) -> Result<Val<'a>, Fault> {
        let expression = Expression::parse(text).map_err(|e| Fault::Invalid(e.to_string()))?;
        self.evaluate(&expression)
    }

    fn request_value(&self) -> Val<'a> {
        let request = self.request;
        let node = |node: Option<Node<'a>>| node.map_or(Val::Null, Val::of);
        let object = if request.operation == Operation::Delete {
            request.old_object
        } else {
            self.object
        };
        let texts = |items: &'a [String]| Val::array(items.iter().map(|item| Val::str(item)).collect());
        let kind = |gvk: &'a Gvk| {
            Val::object(vec![
                (Cow::Borrowed("group"), Val::str(&gvk.group)),
                (Cow::Borrowed("version"), Val::str(&gvk.version)),
                (Cow::Borrowed("kind"), Val::str(&gvk.kind)),
            ])
        };
        let mut members: Vec<(Cow<'a, str>, Val<'a>)> = vec![
            (Cow::Borrowed("operation"), Val::str(request.operation.as_str())),
            (Cow::Borrowed("namespace"), Val::str(request.told_namespace())),
            (Cow::Borrowed("name"), Val::str(request.name)),
            (Cow::Borrowed("kind"), kind(request.gvk)),
            (Cow::Borrowed("subResource"), Val::str(request.subresource)),
            (Cow::Borrowed("dryRun"), Val::Bool(request.dry_run)),
        ];
        if let Some(user) = &request.user {
            members.push((Cow::Borrowed("roles"), texts(user.roles)));
            members.push((Cow::Borrowed("clusterRoles"), texts(user.cluster_roles)));
            let mut info = vec![
                (Cow::Borrowed("username"), Val::str(user.name)),
                (Cow::Borrowed("groups"), texts(user.groups)),
            ];
            if !user.uid.is_empty() {
                info.push((Cow::Borrowed("uid"), Val::str(user.uid)));
            }
            if let Some(extra) = user.extra {
                info.push((Cow::Borrowed("extra"), Val::of(extra)));
            }
            members.push((Cow::Borrowed("userInfo"), Val::object(info)));
        }
        if let Some(options) = request.options {
            members.push((Cow::Borrowed("options"), Val::of(options)));
        }
        if object.is_some() {
            members.push((Cow::Borrowed("object"), node(object)));
        }
        if request.old_object.is_some() {
            members.push((Cow::Borrowed("oldObject"), node(request.old_object)));
        }
        if let Some(given) = self.given("request") {
            let mut merged = Val::object(members).to_value();
            merge(&mut merged, given.node());
            return Val::copy(merged.node());
        }
        Val::object(members)
    }

    /// What the test's values say about a root name.
    fn given(&self, root: &str) -> Option<Value> {
        let mut out: Option<Value> = None;
        for given in self
            .request
            .variables
            .iter()
            .filter(|given| given.counts_for(self.rule))
        {
            // The operation of all rules is the request's own.
            if given.rule.is_empty() && given.name == "request.operation" {
                continue;
            }
            let (parts, value) = (crate::kyverno::dotted(&given.name), &given.value);
            if parts.first().map(String::as_str) != Some(root) {
                continue;
            }
            let path: Vec<&str> = parts[1..].iter().map(String::as_str).collect();
            let out = out.get_or_insert_with(Value::object);
            if path.is_empty() {
                *out = value.clone()
            } else {
                out.set(&path, value.clone())
            }
        }
        out
    }

    fn service_account(&self) -> Option<(&'a str, &'a str)> {
        let rest = self.request.user?.name.strip_prefix("system:serviceaccount:")?;
        rest.split_once(':')
    }

    fn read(&self, entry: &'a ContextEntry) -> Result<Val<'a>, Fault> {
        match &entry.source {
            Source::Variable { value, query, default } => {
                let found = match (value, query) {
                    (Some(value), None) => value.val(self),
                    (Some(value), Some(query)) => {
                        let value = value.val(self)?;
                        self.query_within(query, value)
                    }
                    (None, Some(query)) => self.query(query),
                    (None, None) => Ok(Val::Null),
                };
                match (found, default) {
                    (Ok(Val::Null) | Err(Fault::NotFound(_)), Some(default)) => default.val(self),
                    // A query that cannot be answered has the default, too.
                    (Err(Fault::Invalid(_)), Some(default)) if matches!(query, Some(Template::Whole(_))) => {
                        default.val(self)
                    }
                    (found, _) => found,
                }
            }
            Source::ConfigMap { namespace, name } => {
                let namespace = namespace.text(self)?;
                let namespace = if namespace.is_empty() {
                    Cow::Borrowed("default")
                } else {
                    namespace
                };
                let name = name.text(self)?;
                match self
                    .request
                    .data
                    .get(&Gvk::new("", "v1", "ConfigMap"), &namespace, &name)
                {
                    Some(map) => Ok(Val::copy(map.root())),
                    None => Err(Fault::Invalid(format!(
                        "the ConfigMap {namespace}/{name} that the rule reads is not there"
                    ))),
                }
            }
            Source::Api {
                method,
                path,
                query,
                default,
            } => {
                let path = path.text(self)?;
                let answer = match self.call(entry, method, &path)? {
                    None => self.request.data.api(&path).map(|value| Val::copy(value.node())),
                    answer => answer,
                };
                let answer = match (answer, query) {
                    (None, _) => None,
                    (Some(answer), Some(query)) => Some(self.query_within(query, answer)?),
                    (answer, None) => answer,
                };
                match (answer, default) {
                    (Some(answer), _) => Ok(answer),
                    (None, Some(default)) => default.val(self),
                    (None, None) => Err(Fault::Invalid(format!(
                        "the API path {path} that the rule reads gives nothing here"
                    ))),
                }
            }
            Source::Global { name, query } => {
                let name = name.text(self)?;
                let value = self.global(&name)?;
                match query {
                    Some(query) => self.query_within(query, value),
                    None => Ok(value),
                }
            }
            Source::Service { method, url, query } => {
                let url = url.text(self)?;
                match (self.call(entry, method, &url)?, query) {
                    (Some(answer), Some(query)) => self.query_within(query, answer),
                    (Some(answer), None) => Ok(answer),
                    (None, _) => Err(elsewhere(entry, "a call to a service")),
                }
            }
            Source::Elsewhere(what) => Err(elsewhere(entry, what)),
        }
    }

    /// The body of a call's answer, where one is known. As with Kyverno, what is no success is a fault of the rule.
    fn call(&self, entry: &ContextEntry, method: &str, url: &str) -> Result<Option<Val<'a>>, Fault> {
        match self.request.data.call(method, url) {
            None => Ok(None),
            Some(answer) if (200..300).contains(&answer.status) => Ok(Some(Val::copy(answer.body.node()))),
            Some(answer) => Err(Fault::Invalid(format!(
                "the variable {} comes from {method} {url}, which answered with the status {}",
                entry.name, answer.status
            ))),
        }
    }

    /// What a global context entry holds, or one of its projections: `entry.projection`.
    fn global(&self, name: &str) -> Result<Val<'a>, Fault> {
        let (entry, projection) = name.split_once('.').unwrap_or((name, ""));
        global_context::read(self.request.data, entry, projection, self.fuel, self.request.now)
    }

    fn query(&self, query: &'a Template) -> Result<Val<'a>, Fault> {
        match query {
            Template::Whole(expression) => self.evaluate(expression),
            other => self.evaluate_text(&other.text(self)?),
        }
    }

    fn query_within(&self, query: &'a Template, value: Val<'a>) -> Result<Val<'a>, Fault> {
        let parsed;
        let expression = match query {
            Template::Whole(expression) => expression,
            other => {
                parsed = Expression::parse(&other.text(self)?).map_err(|e| Fault::Invalid(e.to_string()))?;
                &parsed
            }
        };
        let scope = Within(value);
        Evaluator::new(&scope, self.fuel, self.request.now).evaluate(expression)
    }
}

impl<'a> Scope<'a> for Env<'a> {
    fn lookup(&self, name: &str) -> Option<Result<Val<'a>, Fault>> {
        let found = {
            let mut layers = self.layers.borrow_mut();
            match layers.iter().rposition(|(bound, _)| bound == name) {
                None => None,
                Some(at) => match &mut layers[at].1 {
                    Binding::Value(value) => return Some(Ok(value.clone())),
                    Binding::Busy => {
                        return Some(Err(Fault::Invalid(format!("the variable {name} is defined by itself"))));
                    }
                    binding @ Binding::Pending(_) => {
                        let Binding::Pending(entry) = std::mem::replace(binding, Binding::Busy) else {
                            return None;
                        };
                        Some((at, entry))
                    }
                },
            }
        };
        if let Some((at, entry)) = found {
            let value = match self.given(name) {
                Some(given) if !entry.is_variable() => Ok(Val::copy(given.node())),
                _ => self.read(entry),
            };
            let binding = match &value {
                Ok(value) => Binding::Value(value.clone()),
                Err(_) => Binding::Pending(entry),
            };
            if let Some(slot) = self.layers.borrow_mut().get_mut(at) {
                slot.1 = binding;
            }
            return Some(value);
        }
        match name {
            "request" => return Some(Ok(self.request_value())),
            "serviceAccountName" | "serviceAccountNamespace" if self.given(name).is_none() => {
                let (namespace, account) = self.service_account().unwrap_or_default();
                return Some(Ok(Val::str(if name == "serviceAccountName" {
                    account
                } else {
                    namespace
                })));
            }
            "images" if self.given(name).is_none() => {
                let object = if self.request.operation == Operation::Delete {
                    self.request.old_object
                } else {
                    self.object
                };
                let images = image::of_object(&self.request.gvk.kind, object?)?;
                return Some(images.map(|images| Val::copy(images.node())).map_err(Fault::Invalid));
            }
            _ => {}
        }
        self.given(name).map(|given| Ok(Val::copy(given.node())))
    }
}

fn elsewhere(entry: &ContextEntry, what: &str) -> Fault {
    Fault::Invalid(format!(
        "the variable {} comes from {what}, which is not reachable from here",
        entry.name
    ))
}

/// Merges objects; leaves of the second win.
fn merge(into: &mut Value, from: Node<'_>) {
    for (key, value) in from.members() {
        match into.get_mut(key) {
            Some(old) if old.node().is_object() && value.is_object() => merge(old, value),
            _ => {
                into.make_object().insert(key, value.to_value());
            }
        }
    }
}
