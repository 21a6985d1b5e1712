//! What the rules say.

use ridgeway_doc::Value;

/// How one rule's evaluation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The object satisfies the rule.
    Pass,
    /// The object violates the rule.
    Fail,
    /// The object violates a rule that only warns.
    Warn,
    /// The rule could not be evaluated.
    Error,
    /// The rule does not apply to the object.
    Skip,
}

impl Outcome {
    /// `pass`, as policy reports spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::Warn => "warn",
            Outcome::Error => "error",
            Outcome::Skip => "skip",
        }
    }
}

/// What a violation of a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// It is only reported.
    #[default]
    Audit,
    /// The change goes through with a warning.
    Warn,
    /// The change is refused.
    Enforce,
}

impl Action {
    /// `Enforce`, as people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Audit => "Audit",
            Action::Warn => "Warn",
            Action::Enforce => "Enforce",
        }
    }
}

/// Which dialect a rule was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// `ClusterPolicy` and `Policy`.
    Kyverno,
    /// A constraint of a `ConstraintTemplate`.
    Gatekeeper,
    /// Pod Security Standards from namespace labels.
    PodSecurity,
    /// `ValidatingAdmissionPolicy` and `MutatingAdmissionPolicy`.
    Kubernetes,
}

/// What one rule says about one object, with evidence and remedy.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleResult {
    /// The dialect.
    pub dialect: Dialect,
    /// The policy's name (`namespace/name` for namespaced ones, `Kind/name` for constraints).
    pub policy: String,
    /// The rule within it.
    pub rule: String,
    /// How the evaluation ended.
    pub outcome: Outcome,
    /// What a violation does.
    pub action: Action,
    /// The sentence for the user.
    pub message: String,
    /// The policy author's own message.
    pub author: String,
    /// Where in the object, as a dotted path.
    pub path: String,
    /// The offending value.
    pub value: Option<Value>,
    /// What would make it pass.
    pub remedy: String,
    /// A JSON patch that would make it pass, where one is obvious.
    pub patch: Option<Value>,
    /// The status reason of a refusal (`Invalid`) where the policy chooses it; its message is said as it stands then.
    pub reason: String,
}

impl RuleResult {
    /// A bare result.
    pub(crate) fn new(dialect: Dialect, policy: &str, rule: &str, outcome: Outcome, action: Action) -> RuleResult {
        RuleResult {
            dialect,
            policy: policy.into(),
            rule: rule.into(),
            outcome,
            action,
            message: String::new(),
            author: String::new(),
            path: String::new(),
            value: None,
            remedy: String::new(),
            patch: None,
            reason: String::new(),
        }
    }

    /// Whether whoever makes the change is told of it, though it goes through. Kubernetes' own policies only tell where
    /// their bindings say so.
    pub fn warns(&self) -> bool {
        match (self.outcome, self.dialect) {
            (Outcome::Error | Outcome::Fail | Outcome::Warn, Dialect::Kubernetes) => self.action == Action::Warn,
            (Outcome::Fail | Outcome::Warn, _) => !self.refuses(),
            _ => false,
        }
    }

    /// Whether the change must be refused because of it.
    pub fn refuses(&self) -> bool {
        self.action == Action::Enforce && matches!(self.outcome, Outcome::Fail | Outcome::Error)
    }
}

/// What all rules say about one change.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// One result per rule that matched, in policy order.
    pub results: Vec<RuleResult>,
    /// The object as mutating rules changed it; `None` when none did.
    pub mutated: Option<Value>,
    /// What policies want recorded of the change, as audit annotations.
    pub annotations: Vec<(String, String)>,
}

impl Verdicts {
    /// Results for which the change must be refused.
    pub fn refusals(&self) -> impl Iterator<Item = &RuleResult> {
        self.results.iter().filter(|result| result.refuses())
    }

    /// Violations that do not refuse the change.
    pub fn warnings(&self) -> impl Iterator<Item = &RuleResult> {
        self.results.iter().filter(|r| r.warns())
    }
}

/// An object that a policy makes because of another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The object as it shall be.
    pub object: Value,
    /// Whether it is kept as it shall be, and goes when its trigger goes.
    pub synchronize: bool,
}

/// An object that a policy changes because of another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutated {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The object as it shall be.
    pub object: Value,
}

/// Why a policy cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct CompileError {
    /// The policy's name.
    pub policy: String,
    /// The rule, where the fault is in one.
    pub rule: String,
    /// Where in the policy, as a dotted path.
    pub path: String,
    /// Line in the source, from 1; 0 where it is not known.
    pub line: u32,
    /// Column in the source, from 1; 0 where it is not known.
    pub column: u32,
    /// What is wrong and what to do.
    pub message: String,
}

impl CompileError {
    fn sentence(&self) -> String {
        let mut out = format!("policy {}", self.policy);
        if !self.rule.is_empty() {
            out.push_str(&format!(", rule {}", self.rule));
        }
        if !self.path.is_empty() {
            out.push_str(&format!(", at {}", self.path));
        }
        if self.line > 0 {
            out.push_str(&format!(" (line {}, column {})", self.line, self.column));
        }
        format!("{out}: {}", self.message)
    }
}
