//! Loading a policy: every rule compiled, every fault with its place.

use ridgeway_doc::Node;
use ridgeway_krm::LabelSelector;

use super::autogen;
use super::condition::Conditions;
use super::context::ContextEntry;
use super::generate::Generate;
use super::matching::Match;
use super::mutate::Mutate;
use super::validate::Validate;
use super::wildcard;
use crate::cel::Program;
use crate::cel_policy;
use crate::request::{Operation, Request};
use crate::verdict::{Action, CompileError};

/// A compiled policy.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// `name`, or `namespace/name`.
    pub(crate) name: String,
    /// The namespace it is confined to, if it is.
    pub(crate) namespace: Option<String>,
    pub(crate) title: String,
    pub(crate) category: String,
    pub(crate) action: Action,
    overrides: Vec<Override>,
    pub(crate) background: bool,
    /// Whether a rule that cannot be evaluated lets the change through.
    pub(crate) fail_open: bool,
    /// Whether violations count as warnings only (`policies.kyverno.io/scored: "false"`).
    pub(crate) unscored: bool,
    /// Whether generated objects are made for what existed before the policy.
    pub(crate) generate_existing: bool,
    pub(crate) apply_one: bool,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Override {
    action: Action,
    namespaces: Vec<String>,
    selector: Option<LabelSelector>,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// The rule an `autogen-` rule was carried over from.
    pub(crate) origin: Option<String>,
    pub(crate) matches: Match,
    exclude: Match,
    pub(crate) context: Vec<ContextEntry>,
    pub(crate) preconditions: Conditions,
    cel_preconditions: Vec<Program>,
    pub(crate) body: Body,
    action: Option<Action>,
    overrides: Vec<Override>,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Validate(Box<Validate>),
    Mutate(Box<Mutate>),
    Generate(Box<Generate>),
}

/// The place of a fault within a rule, for the error.
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault {
            path: path.into(),
            message: message.into(),
        }
    }
}

fn action(text: &str) -> Option<Action> {
    match text {
        "Enforce" | "enforce" => Some(Action::Enforce),
        "Audit" | "audit" => Some(Action::Audit),
        _ => None,
    }
}

fn action_at(node: Node<'_>, key: &str, path: &str) -> Result<Option<Action>, Fault> {
    let Some(text) = node.str_at(&[key]) else {
        return Ok(None);
    };
    action(text).map(Some).ok_or_else(|| {
        Fault::new(
            format!("{path}.{key}"),
            format!("{text:?} is no action; use Enforce or Audit"),
        )
    })
}

fn overrides(node: Option<Node<'_>>, path: &str) -> Result<Vec<Override>, Fault> {
    let Some(list) = node else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for (i, item) in list.items().enumerate() {
        let path = format!("{path}[{i}]");
        let selector = item
            .get("namespaceSelector")
            .map(LabelSelector::from_node)
            .transpose()
            .map_err(|e| Fault::new(format!("{path}.namespaceSelector"), e.to_string()))?;
        let namespaces = item
            .get("namespaces")
            .map(|list| list.items().filter_map(Node::as_str).map(str::to_owned).collect());
        out.push(Override {
            action: action_at(item, "action", &path)?.unwrap_or_default(),
            namespaces: namespaces.unwrap_or_default(),
            selector,
        });
    }
    Ok(out)
}

impl Policy {
    /// Compiles a policy; faults of all its rules are reported together.
    pub(crate) fn compile(node: Node<'_>) -> Result<Policy, Vec<CompileError>> {
        let name = node.str_at(&["metadata", "name"]).unwrap_or_default();
        let namespace = (node.str_at(&["kind"]) == Some("Policy"))
            .then(|| node.str_at(&["metadata", "namespace"]).unwrap_or("default").to_owned());
        let full = namespace
            .as_ref()
            .map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        let mut errors = Vec::new();
        let mut report = |rule: &str, fault: Fault| {
            let position = crate::source::position_of(node, &fault.path);
            errors.push(CompileError {
                policy: full.clone(),
                rule: rule.into(),
                path: fault.path,
                line: position.map_or(0, |p| p.line),
                column: position.map_or(0, |p| p.column),
                message: fault.message,
            });
        };
        let spec = node.get("spec");
        let text = |path: &[&str]| node.str_at(path).unwrap_or_default().to_owned();
        let annotation = |key: &str| text(&["metadata", "annotations", key]);
        let flag = |key: &str, default: bool| spec.and_then(|s| s.get(key)).and_then(Node::as_bool).unwrap_or(default);
        let mut policy = Policy {
            name: full.clone(),
            namespace,
            title: annotation("policies.kyverno.io/title"),
            category: annotation("policies.kyverno.io/category"),
            action: Action::Audit,
            overrides: Vec::new(),
            background: flag("background", true),
            fail_open: spec.and_then(|s| s.str_at(&["failurePolicy"])) == Some("Ignore"),
            unscored: annotation("policies.kyverno.io/scored") == "false",
            generate_existing: flag("generateExisting", flag("generateExistingOnPolicyUpdate", false)),
            apply_one: spec.and_then(|s| s.str_at(&["applyRules"])) == Some("One"),
            rules: Vec::new(),
        };
        let Some(spec) = spec else {
            report("", Fault::new("spec", "a policy needs a `spec` with `rules`"));
            return Err(errors);
        };
        match action_at(spec, "validationFailureAction", "spec") {
            Ok(action) => policy.action = action.unwrap_or_default(),
            Err(fault) => report("", fault),
        }
        match overrides(
            spec.get("validationFailureActionOverrides"),
            "spec.validationFailureActionOverrides",
        ) {
            Ok(list) => policy.overrides = list,
            Err(fault) => report("", fault),
        }
        let rules: Vec<Node<'_>> = spec.get("rules").into_iter().flat_map(Node::items).collect();
        if rules.is_empty() {
            report("", Fault::new("spec.rules", "a policy needs at least one rule"));
        }
        let mut names: Vec<&str> = Vec::new();
        for (i, rule) in rules.iter().enumerate() {
            let path = format!("spec.rules[{i}]");
            let name = rule.str_at(&["name"]).unwrap_or_default();
            if name.is_empty() {
                report("", Fault::new(format!("{path}.name"), "a rule needs a `name`"));
            } else if names.contains(&name) {
                report(
                    name,
                    Fault::new(
                        format!("{path}.name"),
                        "another rule of the policy has this name; rename one",
                    ),
                );
            }
            names.push(name);
            match Rule::compile(*rule, &path, None) {
                Ok(rule) => policy.rules.push(rule),
                Err(fault) => report(name, fault),
            }
        }
        for (i, rule) in autogen::rules(node) {
            let origin = rules.get(i).and_then(|rule| rule.str_at(&["name"])).map(str::to_owned);
            // Faults of these are faults of the rules they come from, reported above.
            if let Ok(rule) = Rule::compile(rule.node(), "", origin) {
                policy.rules.push(rule);
            }
        }
        if errors.is_empty() { Ok(policy) } else { Err(errors) }
    }

    /// The strictest action among its rules.
    pub(crate) fn strictest(&self) -> Action {
        self.rules
            .iter()
            .map(|rule| rule.action.unwrap_or(self.action))
            .max()
            .unwrap_or(self.action)
    }

    /// What a violation of a rule does in a namespace.
    pub(crate) fn action_for(&self, rule: &Rule, request: &Request<'_>) -> Action {
        let of = |overrides: &[Override]| {
            overrides
                .iter()
                .find(|o| {
                    let named = o.namespaces.iter().any(|n| wildcard(n, request.namespace));
                    let selected = o.selector.as_ref().map(|s| s.matches(request.namespace_labels()));
                    match (o.namespaces.is_empty(), selected) {
                        (false, None) => named,
                        (false, Some(selected)) => named && selected,
                        (true, selected) => selected.unwrap_or(false),
                    }
                })
                .map(|o| o.action)
        };
        of(&rule.overrides)
            .or_else(|| of(&self.overrides))
            .or(rule.action)
            .unwrap_or(self.action)
    }
}

const RULE_FIELDS: [&str; 12] = [
    "name",
    "match",
    "exclude",
    "context",
    "preconditions",
    "celPreconditions",
    "validate",
    "mutate",
    "generate",
    "verifyImages",
    "skipBackgroundRequests",
    "reportProperties",
];

impl Rule {
    fn compile(node: Node<'_>, path: &str, origin: Option<String>) -> Result<Rule, Fault> {
        let at = |key: &str| format!("{path}.{key}");
        if let Some((key, _)) = node.members().find(|(key, _)| !RULE_FIELDS.contains(key)) {
            return Err(Fault::new(at(key), crate::source::unknown_field(key, &RULE_FIELDS)));
        }
        let matches = node
            .get("match")
            .ok_or_else(|| Fault::new(at("match"), "a rule needs a `match` that says which objects it is for"))?;
        let matches = Match::compile(matches).map_err(|e| Fault::new(at("match"), e))?;
        if matches.is_empty() {
            return Err(Fault::new(
                at("match"),
                "the `match` names nothing; give it `any` with `resources.kinds`",
            ));
        }
        let exclude = match node.get("exclude") {
            Some(exclude) => Match::compile(exclude).map_err(|e| Fault::new(at("exclude"), e))?,
            None => Match::default(),
        };
        let context = context(node.get("context"), &at("context"))?;
        let preconditions =
            Conditions::compile(node.get("preconditions")).map_err(|e| Fault::new(at("preconditions"), e))?;
        let (mut own_action, mut own_overrides) = (None, Vec::new());
        let bodies: Vec<&str> = ["validate", "mutate", "generate", "verifyImages"]
            .into_iter()
            .filter(|key| node.get(key).is_some())
            .collect();
        let body = match bodies.as_slice() {
            [one] => {
                let inner = node.get(one).unwrap_or(node);
                match *one {
                    "validate" => {
                        own_action = action_at(inner, "failureAction", &at("validate"))?;
                        own_overrides = overrides(
                            inner.get("failureActionOverrides"),
                            &at("validate.failureActionOverrides"),
                        )?;
                        Body::Validate(Box::new(Validate::compile(inner, &at("validate"))?))
                    }
                    "mutate" => Body::Mutate(Box::new(Mutate::compile(inner, &at("mutate"))?)),
                    "generate" => Body::Generate(Box::new(Generate::compile(inner, &at("generate"))?)),
                    other => {
                        return Err(Fault::new(
                            at(other),
                            "`verifyImages` is not evaluated by this version; keep signature checks in a policy of their own",
                        ));
                    }
                }
            }
            [] => {
                return Err(Fault::new(
                    path,
                    "a rule needs one of `validate`, `mutate` and `generate`",
                ));
            }
            many => {
                return Err(Fault::new(
                    at(many[1]),
                    format!("a rule does one thing: it has {}; split it", many.join(" and ")),
                ));
            }
        };
        Ok(Rule {
            name: node.str_at(&["name"]).unwrap_or_default().into(),
            origin,
            matches,
            exclude,
            context,
            preconditions,
            cel_preconditions: cel_policy::conditions(node.get("celPreconditions"), &[], &at("celPreconditions"))?,
            body,
            action: own_action,
            overrides: own_overrides,
        })
    }

    /// Whether the rule is for this request.
    pub(crate) fn applies(&self, policy: &Policy, request: &Request<'_>, subject: Node<'_>) -> bool {
        if let Some(namespace) = &policy.namespace
            && *namespace != request.namespace
        {
            return false;
        }
        let operation = match self.body {
            // Nothing is left to change or to judge by pattern once the object goes.
            Body::Mutate(_) => matches!(request.operation, Operation::Create | Operation::Update),
            Body::Generate(_) => true,
            Body::Validate(_) => request.operation != Operation::Delete || self.judges_deletion(),
        };
        (operation || self.matches.names_operations())
            && self.matches.selects(request, subject)
            && !self.exclude.excludes(request, subject)
    }

    /// Why the rule is not for a request, in words; empty when it is.
    pub(crate) fn why_not(&self, policy: &Policy, request: &Request<'_>, subject: Node<'_>) -> Vec<String> {
        if self.applies(policy, request, subject) {
            return Vec::new();
        }
        if let Some(namespace) = &policy.namespace
            && *namespace != request.namespace
        {
            return vec![format!("the policy is for the namespace {namespace} alone")];
        }
        let mut why = self.matches.why_not(request, subject);
        if why.is_empty() && self.exclude.excludes(request, subject) {
            why.push("its `exclude` covers the object".into());
        }
        if why.is_empty() {
            why.push(format!("it says nothing about {}", request.operation.as_str()));
        }
        why
    }

    /// Whether the conditions in CEL hold.
    pub(crate) fn cel_preconditions(&self, request: &Request<'_>) -> Result<bool, crate::cel::Fault> {
        if self.cel_preconditions.is_empty() {
            return Ok(true);
        }
        cel_policy::all_hold(
            &self.cel_preconditions,
            &[],
            request,
            true,
            &cel_policy::Allowed::NOTHING,
        )
    }

    fn judges_deletion(&self) -> bool {
        matches!(&self.body, Body::Validate(validate) if validate.judges_deletion())
    }

    /// Whether it can be judged without a request: rules that ask about users cannot.
    pub(crate) fn in_background(&self) -> bool {
        !self.matches.asks_about_users() && !self.exclude.asks_about_users()
    }
}

/// Compiles a list of context entries.
pub(crate) fn context(node: Option<Node<'_>>, path: &str) -> Result<Vec<ContextEntry>, Fault> {
    let compile = |(i, entry)| ContextEntry::compile(entry).map_err(|e| Fault::new(format!("{path}[{i}]"), e));
    node.into_iter()
        .flat_map(Node::items)
        .enumerate()
        .map(compile)
        .collect()
}
