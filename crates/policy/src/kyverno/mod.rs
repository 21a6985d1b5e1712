//! Kyverno's `ClusterPolicy`, `Policy` and `PolicyException` (`kyverno.io`): rules that validate, mutate and generate.
//!
//! A policy compiles to [`Policy`]: rules with their own pattern trees, expressions and matchers, and beside them the
//! rules that [`autogen`] carries over from Pods to the controllers that make them. Nothing of a policy is looked at as
//! text again after that.

mod anchor;
mod autogen;
mod condition;
mod context;
mod exception;
mod generate;
mod matching;
mod mutate;
mod pattern;
mod pod_security;
mod policy;
mod scalar;
mod strategic;
mod template;
mod terms;
mod validate;

pub(crate) use crate::pattern_text::wildcard;
pub(crate) use context::Env;
pub(crate) use exception::{CelException, Exception};
pub(crate) use mutate::{Mutate, PatchFault, apply_json_patch};
pub(crate) use pattern::{Expected, Failure};
pub(crate) use policy::{Body, Fault as Place, Policy, Rule};
pub(crate) use strategic::apply_configuration;
pub use terms::{APPROVED_AT, APPROVED_BY, EXPIRES, OWNER, REASON, REQUESTED_BY, Terms, TermsError};
pub(crate) use validate::{Finding, Violation};

/// Splits a dotted name; parts in double quotes may hold dots.
pub(crate) fn dotted(name: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    for c in name.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => out.push(String::new()),
            c => {
                if let Some(last) = out.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    out
}
