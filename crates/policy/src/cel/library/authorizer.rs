//! Kubernetes' authorizer: `authorizer.group('apps').resource('deployments').namespace('a').check('create').allowed()`.
//!
//! What is asked is gathered in a map; the answer comes from [`crate::request::Data`], or is a denial that says that
//! nobody was there to ask.

use crate::cel::eval::{Answer, Evaluator, fail};
use crate::cel::value::Cel;

use super::overload;

/// The key that marks a map as a question to the authorizer.
const MARK: &str = "\u{0}authorizer";

/// The authorizer of a request before anything is asked.
pub(crate) fn authorizer<'a>() -> Cel<'a> {
    Cel::object([(MARK, Cel::str("authorizer"))])
}

fn with<'a>(receiver: &Cel<'a>, stage: &'static str, more: &[(&'static str, Cel<'a>)]) -> Cel<'a> {
    let kept = receiver
        .members()
        .into_iter()
        .filter(|(key, _)| key.as_str() != Some(MARK));
    let added = more.iter().map(|(key, value)| (Cel::str(key), value.clone()));
    Cel::map(kept.chain(added).chain([(Cel::str(MARK), Cel::str(stage))]).collect())
}

pub(super) fn method<'a>(_: &Evaluator<'_, 'a>, receiver: &Cel<'a>, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let mark = receiver.field(MARK);
    let stage = mark.as_ref().and_then(Cel::as_str).unwrap_or_default();
    Ok(match (stage, name, arguments) {
        ("authorizer", "path", [path @ Cel::Text(_)]) => with(receiver, "path", &[("path", path.clone())]),
        ("authorizer", "group", [group @ Cel::Text(_)]) => with(receiver, "group", &[("group", group.clone())]),
        ("authorizer", "serviceAccount", [namespace @ Cel::Text(_), account @ Cel::Text(_)]) => with(
            receiver,
            "authorizer",
            &[("account namespace", namespace.clone()), ("account", account.clone())],
        ),
        ("group", "resource", [resource @ Cel::Text(_)]) => {
            with(receiver, "resource", &[("resource", resource.clone())])
        }
        ("resource", "subresource", [value @ Cel::Text(_)]) => {
            with(receiver, "resource", &[("subresource", value.clone())])
        }
        ("resource", "namespace", [value @ Cel::Text(_)]) => {
            with(receiver, "resource", &[("namespace", value.clone())])
        }
        ("resource", "name", [value @ Cel::Text(_)]) => with(receiver, "resource", &[("name", value.clone())]),
        ("resource" | "path", "check", [verb @ Cel::Text(_)]) => with(receiver, "decision", &[("verb", verb.clone())]),
        ("decision", "allowed" | "errored", []) => Cel::Bool(false),
        ("decision", "reason", []) => Cel::str("no authorizer is asked where this policy is evaluated"),
        ("decision", "error", []) => Cel::str(""),
        ("", _, _) => return overload(name, Some(receiver), arguments),
        (stage, _, _) => return fail(format!("no such overload: the {stage} of an authorizer has no {name}")),
    })
}
