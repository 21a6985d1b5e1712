//! Kubernetes' authorizer: `authorizer.group('apps').resource('deployments').namespace('a').check('create').allowed()`.
//!
//! What is asked is gathered in a map; the answer comes from [`crate::request::Data::authorize`], and is a denial that
//! says so where there is nobody to ask.

use crate::cel::eval::{Answer, Evaluator, fail};
use crate::cel::value::Cel;
use crate::request::Question;

use super::overload;

/// The key that marks a map as a question to the authorizer.
const MARK: &str = "\u{0}authorizer";

/// The authorizer of a request before anything is asked; `resource` is what the request is about.
pub(crate) fn authorizer<'a>(resource: [(&'static str, Cel<'a>); 5]) -> Cel<'a> {
    let mut members = vec![(Cel::str(MARK), Cel::str("resource"))];
    members.extend(resource.into_iter().map(|(key, value)| (Cel::str(key), value)));
    Cel::object([(MARK, Cel::str("authorizer")), ("requestResource", Cel::map(members))])
}

fn with<'a>(receiver: &Cel<'a>, stage: &'static str, more: Vec<(&'static str, Cel<'a>)>) -> Cel<'a> {
    let replaced = |key: &Cel<'_>| {
        let key = key.as_str().unwrap_or_default();
        matches!(key, MARK | "requestResource") || more.iter().any(|(new, _)| *new == key)
    };
    let kept: Vec<_> = receiver
        .members()
        .into_iter()
        .filter(|(key, _)| !replaced(key))
        .collect();
    let added = more.into_iter().map(|(key, value)| (Cel::str(key), value));
    Cel::map(
        kept.into_iter()
            .chain(added)
            .chain([(Cel::str(MARK), Cel::str(stage))])
            .collect(),
    )
}

pub(super) fn method<'a>(
    evaluator: &Evaluator<'_, 'a>,
    receiver: &Cel<'a>,
    name: &str,
    arguments: &[Cel<'a>],
) -> Answer<'a> {
    let mark = receiver.field(MARK);
    let stage = mark.as_ref().and_then(Cel::as_str).unwrap_or_default();
    let given = |at: usize| arguments.get(at).filter(|value| value.as_str().is_some()).cloned();
    Ok(match (stage, name, given(0), arguments.len()) {
        ("authorizer", "path", Some(path), 1) => with(receiver, "path", vec![("path", path)]),
        ("authorizer", "group", Some(group), 1) => with(receiver, "group", vec![("group", group)]),
        ("authorizer", "serviceAccount", Some(namespace), 2) => {
            let Some(account) = given(1) else {
                return overload(name, Some(receiver), arguments);
            };
            let about = vec![("account namespace", namespace), ("account", account)];
            with(receiver, "authorizer", about)
        }
        ("group", "resource", Some(resource), 1) => with(receiver, "resource", vec![("resource", resource)]),
        ("resource", "subresource", Some(value), 1) => with(receiver, "resource", vec![("subresource", value)]),
        ("resource", "namespace", Some(value), 1) => with(receiver, "resource", vec![("namespace", value)]),
        ("resource", "name", Some(value), 1) => with(receiver, "resource", vec![("name", value)]),
        ("resource" | "path", "check", Some(verb), 1) => decide(evaluator, &with(receiver, "", vec![("verb", verb)])),
        ("decision", "allowed" | "errored" | "reason" | "error", _, 0) => receiver.field(name).unwrap_or(Cel::Null),
        ("", ..) => return overload(name, Some(receiver), arguments),
        (stage, ..) => return fail(format!("no such overload: the {stage} of an authorizer has no {name}")),
    })
}

fn decide<'a>(evaluator: &Evaluator<'_, 'a>, asked: &Cel<'a>) -> Cel<'a> {
    let fields = asked.members();
    let text = |name: &str| {
        let found = fields.iter().find(|(key, _)| key.as_str() == Some(name));
        found.and_then(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let account = Some((text("account namespace"), text("account"))).filter(|(_, name)| !name.is_empty());
    let decision = evaluator.data.authorize(&Question {
        account,
        path: text("path"),
        group: text("group"),
        resource: text("resource"),
        subresource: text("subresource"),
        namespace: text("namespace"),
        name: text("name"),
        verb: text("verb"),
    });
    let (allowed, reason, error) = match decision {
        Some(decision) => (decision.allowed, decision.reason, decision.error),
        None => (
            false,
            "no authorizer is asked where this policy is evaluated".into(),
            None,
        ),
    };
    Cel::object([
        (MARK, Cel::str("decision")),
        ("allowed", Cel::Bool(allowed)),
        ("errored", Cel::Bool(error.is_some())),
        ("reason", Cel::text(reason)),
        ("error", Cel::text(error.unwrap_or_default())),
    ])
}
