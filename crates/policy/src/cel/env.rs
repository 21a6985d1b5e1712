//! [`Env`]: what an expression may name.

use std::collections::HashMap;
use std::sync::Arc;

use super::descriptor::Types;
use super::signatures::{self, Overload};
use super::types::Type;

/// The names an expression is compiled and checked against.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env {
    /// Names are looked up in this namespace and those around it first.
    pub(crate) container: String,
    pub(crate) variables: HashMap<String, Type>,
    /// Functions beyond the built-in ones.
    pub(crate) functions: HashMap<String, Vec<Overload>>,
    pub(crate) types: Arc<Types>,
    /// Whether constants of enumerations are values of their own type rather than integers.
    pub(crate) strong_enums: bool,
    /// Whether messages of unknown types are allowed: they become plain maps.
    pub(crate) open_messages: bool,
}

impl Env {
    /// Full names that a name may stand for, the innermost namespace first.
    pub(super) fn candidates(&self, name: &str, absolute: bool) -> Vec<String> {
        let mut out = Vec::new();
        let mut container = if absolute { "" } else { self.container.as_str() };
        while !container.is_empty() {
            out.push(format!("{container}.{name}"));
            container = container.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
        out.push(name.to_owned());
        out
    }

    /// Overloads of a function.
    pub(super) fn overloads(&self, name: &str) -> Vec<&Overload> {
        let built_in = signatures::built_in().get(name).into_iter().flatten();
        built_in.chain(self.functions.get(name).into_iter().flatten()).collect()
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        signatures::built_in().contains_key(name) || self.functions.contains_key(name)
    }
}

/// The full name of a type that can be named in expressions.
pub(super) fn type_named(name: &str) -> bool {
    matches!(
        name,
        "null_type"
            | "bool"
            | "int"
            | "uint"
            | "double"
            | "string"
            | "bytes"
            | "list"
            | "map"
            | "type"
            | "optional_type"
            | "google.protobuf.Timestamp"
            | "google.protobuf.Duration"
            | "net.IP"
            | "net.CIDR"
            | "kubernetes.Quantity"
            | "kubernetes.URL"
            | "kubernetes.Semver"
    )
}
