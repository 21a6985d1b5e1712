//! `validate`: pattern, anyPattern, deny, foreach and podSecurity.

use ridgeway_doc::{Node, Value};

use super::condition::Conditions;
use super::context::{ContextEntry, Env};
use super::pattern::{Failure, Mismatch, Pattern};
use super::pod_security::{Exclude, PodSecurity};
use super::policy::{self, Fault as Place};
use super::template::Template;
use crate::cel_policy::{CelCheck, Verdict};
use crate::explain::Part;
use crate::jmespath::{Expression, Fault, Val};
use crate::path::FieldPath;
use crate::request::Operation;

/// A compiled `validate`.
#[derive(Clone, Debug)]
pub(crate) struct Validate {
    message: Option<Template>,
    check: Check,
    pub(crate) allow_existing: bool,
}

#[derive(Clone, Debug)]
enum Check {
    Pattern(Pattern),
    AnyPattern(Vec<Pattern>),
    Deny(Conditions),
    Foreach(Vec<Foreach>),
    PodSecurity(PodSecurity),
    Cel(CelCheck),
}

#[derive(Clone, Debug)]
struct Foreach {
    list: Expression,
    context: Vec<ContextEntry>,
    preconditions: Conditions,
    element_scope: Option<bool>,
    check: Check,
}

/// How a validation ended.
#[derive(Debug)]
pub(crate) enum Finding {
    Pass,
    Skip(String),
    /// The rule has nothing to say: there was nothing to look at.
    Nothing,
    Fail(Box<Violation>),
    Error(String),
}

/// A violation with its evidence.
#[derive(Debug, Default)]
pub(crate) struct Violation {
    /// What the author says about it.
    pub(crate) author: String,
    /// Every place that fails, relative to the object.
    pub(crate) failures: Vec<Failure>,
    /// Where, when no pattern says it.
    pub(crate) path: String,
    pub(crate) value: Option<Value>,
    /// Sentences that are complete already, with their remedies (Pod Security).
    pub(crate) sentences: Vec<(String, String)>,
    /// A JSON patch that was worked out already.
    pub(crate) patch: Option<Value>,
}

const FIELDS: [&str; 13] = [
    "message",
    "pattern",
    "anyPattern",
    "deny",
    "foreach",
    "podSecurity",
    "failureAction",
    "failureActionOverrides",
    "allowExistingViolations",
    "cel",
    "assert",
    "manifests",
    "messageExpression",
];

impl Validate {
    pub(crate) fn compile(node: Node<'_>, path: &str) -> Result<Validate, Place> {
        if let Some((key, _)) = node.members().find(|(key, _)| !FIELDS.contains(key)) {
            return Err(Place::new(
                format!("{path}.{key}"),
                crate::source::unknown_field(key, &FIELDS),
            ));
        }
        let message = node
            .str_at(&["message"])
            .map(|text| Template::compile(text, "request.object"))
            .transpose()
            .map_err(|e| Place::new(format!("{path}.message"), e))?;
        let allow_existing = node
            .get("allowExistingViolations")
            .and_then(Node::as_bool)
            .unwrap_or(true);
        let check = Check::compile(node, path)?.ok_or_else(|| {
            Place::new(
                path,
                "a `validate` needs one of `pattern`, `anyPattern`, `deny`, `foreach` and `podSecurity`",
            )
        })?;
        Ok(Validate {
            message,
            check,
            allow_existing,
        })
    }

    /// Whether it has something to say when the object goes away.
    pub(crate) fn judges_deletion(&self) -> bool {
        matches!(self.check, Check::Deny(_) | Check::Cel(_))
    }

    /// Judges the object of an environment; `excepted` are controls of Pod Security Standards that do not count.
    pub(crate) fn eval<'a, 'e>(&'a self, env: &Env<'a>, excepted: impl Iterator<Item = &'e Exclude>) -> Finding {
        let mut finding = match (&self.check, env.object()) {
            (Check::PodSecurity(standard), Some(object)) => {
                standard.eval(&env.request.gvk.kind, object, &excepted.collect::<Vec<_>>())
            }
            (check, object) => check.eval(env, object, &FieldPath::default(), 0),
        };
        if let Finding::Fail(violation) = &mut finding {
            let own = self
                .message
                .as_ref()
                .filter(|_| !matches!(self.check, Check::Cel(_)))
                .map(|m| m.text(env));
            let own = match own {
                Some(Ok(text)) => text.into_owned(),
                // The message must not hide the violation.
                Some(Err(_)) | None => String::new(),
            };
            violation.author = match (own.is_empty(), violation.author.is_empty()) {
                (false, false) => format!("{own}; {}", violation.author),
                (false, true) => own,
                _ => std::mem::take(&mut violation.author),
            };
        }
        finding
    }
}

impl Check {
    fn compile(node: Node<'_>, path: &str) -> Result<Option<Check>, Place> {
        let fault = |key: &str| {
            let path = format!("{path}.{key}");
            move |message: String| Place::new(path, message)
        };
        for key in ["assert", "manifests"] {
            if node.get(key).is_some() {
                let why =
                    format!("`{key}` is not evaluated by this version; write the rule as a `pattern` or with `deny`");
                return Err(Place::new(format!("{path}.{key}"), why));
            }
        }
        if let Some(deny) = node.get("deny") {
            let conditions = Conditions::compile(deny.get("conditions")).map_err(fault("deny.conditions"))?;
            return Ok(Some(Check::Deny(conditions)));
        }
        if let Some(pattern) = node.get("pattern") {
            return Ok(Some(Check::Pattern(
                Pattern::compile(pattern, "request.object").map_err(fault("pattern"))?,
            )));
        }
        if let Some(any) = node.get("anyPattern") {
            let patterns = any
                .items()
                .map(|p| Pattern::compile(p, "request.object"))
                .collect::<Result<_, _>>();
            return Ok(Some(Check::AnyPattern(patterns.map_err(fault("anyPattern"))?)));
        }
        if let Some(list) = node.get("foreach") {
            let loops = list
                .items()
                .enumerate()
                .map(|(i, item)| Foreach::compile(item, &format!("{path}.foreach[{i}]")));
            return Ok(Some(Check::Foreach(loops.collect::<Result<_, _>>()?)));
        }
        if let Some(cel) = node.get("cel") {
            let path = format!("{path}.cel");
            if cel.get("paramKind").is_some() {
                let why = "parameters of CEL rules are not read by this version; write the values into the expressions";
                return Err(Place::new(format!("{path}.paramKind"), why));
            }
            let message = node.str_at(&["message"]).unwrap_or_default();
            return Ok(Some(Check::Cel(CelCheck::compile(cel, "expressions", &path, message)?)));
        }
        if let Some(standard) = node.get("podSecurity") {
            return Ok(Some(Check::PodSecurity(
                PodSecurity::compile(standard).map_err(fault("podSecurity"))?,
            )));
        }
        Ok(None)
    }

    /// `at` is where `object` stands in the whole object.
    fn eval<'a>(&'a self, env: &Env<'a>, object: Option<Node<'_>>, at: &FieldPath, nesting: usize) -> Finding {
        match self {
            Check::Deny(conditions) => deny(conditions, env, at),
            Check::Cel(check) => cel(check, env),
            Check::Foreach(loops) => {
                let mut applied = 0;
                for each in loops {
                    match each.eval(env, nesting) {
                        Ok(count) => applied += count,
                        Err(finding) => return finding,
                    }
                }
                if applied == 0 { Finding::Nothing } else { Finding::Pass }
            }
            _ if env.request.operation == Operation::Delete && nesting == 0 => Finding::Nothing,
            Check::Pattern(pattern) => match traced(env, || pattern.check(env, object)) {
                Ok(()) => Finding::Pass,
                Err(Mismatch::Skip(_)) => Finding::Skip("a condition of the pattern does not hold".into()),
                Err(Mismatch::Fault(fault)) => Finding::Error(fault.to_string()),
                Err(Mismatch::Fail(first)) => {
                    let mut failures = pattern.failures(env, object);
                    if failures.is_empty() {
                        failures.push(*first);
                    }
                    Finding::Fail(Box::new(Violation {
                        failures: under(failures, at),
                        ..Violation::default()
                    }))
                }
            },
            Check::AnyPattern(patterns) => traced(env, || any_pattern(patterns, env, object, at)),
            Check::PodSecurity(standard) => match env.object() {
                Some(object) => standard.eval(&env.request.gvk.kind, object, &[]),
                None => Finding::Skip("there is no object".into()),
            },
        }
    }
}

/// Runs a pattern's check; what it looks at counts as the pattern's.
fn traced<T>(env: &Env<'_>, check: impl FnOnce() -> T) -> T {
    if let Some(trace) = env.trace {
        trace.part(Part::Pattern);
    }
    check()
}

fn cel(check: &CelCheck, env: &Env<'_>) -> Finding {
    match check.judge(env.request, true, &crate::cel_policy::Allowed::NOTHING) {
        Verdict::Pass => Finding::Pass,
        Verdict::Fail { message, path } => Finding::Fail(Box::new(Violation {
            author: message,
            path,
            ..Violation::default()
        })),
        // Admission treats an expression that cannot be evaluated as one that does not hold.
        Verdict::Fault(why) => Finding::Fail(Box::new(Violation {
            author: why,
            ..Violation::default()
        })),
    }
}

fn under(failures: Vec<Failure>, at: &FieldPath) -> Vec<Failure> {
    failures
        .into_iter()
        .map(|f| Failure {
            path: f.path.under(at),
            ..f
        })
        .collect()
}

fn any_pattern<'a>(patterns: &'a [Pattern], env: &Env<'a>, object: Option<Node<'_>>, at: &FieldPath) -> Finding {
    let mut best: Option<Vec<Failure>> = None;
    let mut failed = 0;
    for pattern in patterns {
        match pattern.check(env, object) {
            Ok(()) => return Finding::Pass,
            Err(Mismatch::Skip(_)) => {}
            Err(Mismatch::Fault(fault)) => return Finding::Error(fault.to_string()),
            Err(Mismatch::Fail(_)) => {
                failed += 1;
                // The pattern that is missed by least is the one worth telling about.
                let failures = pattern.failures(env, object);
                if best.as_ref().is_none_or(|b| failures.len() < b.len()) {
                    best = Some(failures);
                }
            }
        }
    }
    match best {
        Some(failures) if failed > 0 => Finding::Fail(Box::new(Violation {
            failures: under(failures, at),
            ..Violation::default()
        })),
        _ => Finding::Skip("no pattern applies".into()),
    }
}

fn deny<'a>(conditions: &'a Conditions, env: &Env<'a>, at: &FieldPath) -> Finding {
    if let Some(trace) = env.trace {
        trace.part(Part::Deny);
    }
    let answer = match conditions.eval(env) {
        Ok(answer) => answer,
        Err(fault) => return Finding::Error(format!("the deny conditions cannot be evaluated: {fault}")),
    };
    if !answer.holds {
        return Finding::Pass;
    }
    let mut violation = Violation {
        author: answer.message,
        path: at.to_string(),
        ..Violation::default()
    };
    if let Some(path) = answer.decided_by.and_then(|condition| condition.key.plain_path()) {
        let inner = path.strip_prefix("element").map(|rest| format!("{at}{rest}"));
        let whole = path
            .strip_prefix("request.object.")
            .or(path.strip_prefix("request.oldObject."));
        if let Some(place) = inner.or(whole.map(str::to_owned)) {
            violation.path = place;
            violation.value = answer
                .decided_by
                .and_then(|c| c.key.val(env).ok())
                .map(|v| v.to_value());
        }
    }
    Finding::Fail(Box::new(violation))
}

impl Foreach {
    fn compile(node: Node<'_>, path: &str) -> Result<Foreach, Place> {
        let list = node
            .str_at(&["list"])
            .ok_or_else(|| Place::new(format!("{path}.list"), "a loop needs a `list`"))?;
        let list = Expression::parse(list).map_err(|e| Place::new(format!("{path}.list"), e.to_string()))?;
        let check = Check::compile(node, path)?.ok_or_else(|| {
            Place::new(
                path,
                "a loop needs one of `pattern`, `anyPattern`, `deny` and `foreach`",
            )
        })?;
        Ok(Foreach {
            list,
            context: policy::context(node.get("context"), &format!("{path}.context"))?,
            preconditions: Conditions::compile(node.get("preconditions"))
                .map_err(|e| Place::new(format!("{path}.preconditions"), e))?,
            element_scope: node.get("elementScope").and_then(Node::as_bool),
            check,
        })
    }

    /// How many elements the check was applied to, or why it ended.
    fn eval<'a>(&'a self, env: &Env<'a>, nesting: usize) -> Result<usize, Finding> {
        let list = match env.evaluate(&self.list) {
            Ok(value) if value.is_array() => value.items(),
            Ok(Val::Null) | Err(Fault::NotFound(_)) => return Ok(0),
            Ok(one) => vec![one],
            Err(fault) => return Err(Finding::Error(format!("the list cannot be evaluated: {fault}"))),
        };
        let base = self.list.plain_path();
        let base = base.as_deref().and_then(|path| path.strip_prefix("request.object."));
        let mut applied = 0;
        for (i, element) in list.into_iter().enumerate() {
            if element.is_null() {
                continue;
            }
            let depth = env.depth();
            env.bind_element(element.clone(), i, nesting);
            env.load(&self.context);
            let at = base
                .map(|b| FieldPath::parse(&format!("{}[{i}]", b.trim_end_matches("[]"))))
                .unwrap_or_default();
            let outer = env.trace.map(|trace| trace.within(at.clone()));
            let finding = self.one(env, element, &at, nesting);
            if let (Some(trace), Some(outer)) = (env.trace, outer) {
                trace.within(outer);
            }
            env.unwind(depth);
            match finding {
                Finding::Pass => applied += 1,
                Finding::Skip(_) | Finding::Nothing => {}
                other => return Err(other),
            }
        }
        Ok(applied)
    }

    fn one<'a>(&'a self, env: &Env<'a>, element: Val<'a>, at: &FieldPath, nesting: usize) -> Finding {
        if let Some(trace) = env.trace {
            trace.part(Part::Precondition);
        }
        match self.preconditions.eval(env) {
            Ok(answer) if !answer.holds => return Finding::Skip(answer.message),
            // An element whose preconditions cannot be evaluated is left out.
            Err(Fault::Exhausted(e)) => return Finding::Error(e.to_string()),
            Err(fault) => return Finding::Skip(fault.to_string()),
            Ok(_) => {}
        }
        let scoped = self.element_scope.unwrap_or(element.is_object());
        if scoped && !element.is_object() {
            return Finding::Error("`elementScope: true` needs elements that are objects".into());
        }
        if scoped {
            let value = element.to_value();
            self.check.eval(env, Some(value.node()), at, nesting + 1)
        } else {
            self.check.eval(env, env.object(), &FieldPath::default(), nesting + 1)
        }
    }
}
