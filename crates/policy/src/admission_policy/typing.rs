//! The types that expressions of admission policies are checked against before anything is evaluated.

use std::sync::{Arc, LazyLock};

use crate::cel::{CheckError, Env, Program, SyntaxError, Type, Types, check};
use crate::cel_policy::Named;

/// What `request` and `namespaceObject` hold.
const TYPES: &str = "
package kubernetes proto3
message GroupVersionKind
string group 1
string version 2
string kind 3
message GroupVersionResource
string group 1
string version 2
string resource 3
message UserInfo
string username 1
string uid 2
repeated string groups 3
map<string,google.protobuf.Value> extra 4
message AdmissionRequest
GroupVersionKind kind 1
GroupVersionResource resource 2
string subResource 3
GroupVersionKind requestKind 4
GroupVersionResource requestResource 5
string requestSubResource 6
string name 7
string namespace 8
string operation 9
UserInfo userInfo 10
bool dryRun 11
google.protobuf.Value options 12
message NamespaceMetadata
string name 1
string generateName 2
string namespace 3
map<string,string> labels 4
map<string,string> annotations 5
string UID 6
google.protobuf.Timestamp creationTimestamp 7
int64 deletionGracePeriodSeconds 8
google.protobuf.Timestamp deletionTimestamp 9
int64 generation 10
string resourceVersion 11
repeated string finalizers 12
message NamespaceSpec
repeated string finalizers 1
message NamespaceStatus
string phase 1
message Namespace
NamespaceMetadata metadata 1
NamespaceSpec spec 2
NamespaceStatus status 3
";

/// Functions of other policies in CEL: their modules, and those without.
const FOREIGN_MODULES: [&str; 13] = [
    "resource",
    "http",
    "globalContext",
    "generator",
    "image",
    "json",
    "yaml",
    "time",
    "random",
    "hash",
    "x509",
    "gzip",
    "transform",
];
const FOREIGN: [&str; 9] = [
    "image",
    "isImage",
    "parseServiceAccount",
    "now",
    "listObjToMap",
    "sha1",
    "sha256",
    "md5",
    "random",
];

/// The names that an expression sees, by their types.
#[derive(Clone)]
pub(super) struct Typing {
    env: Env,
    /// The variables so far.
    names: Vec<String>,
    /// Types beyond those that are always known.
    tables: Vec<String>,
}

/// The types of what every policy sees.
fn described() -> &'static Arc<Types> {
    static DESCRIBED: LazyLock<Arc<Types>> = LazyLock::new(|| Arc::new(Types::read_all(&[TYPES])));
    &DESCRIBED
}

fn message(name: &str) -> Type {
    Type::Message(name.into())
}

fn opaque(name: &str) -> Type {
    Type::Opaque(name.into(), Vec::new())
}

impl Typing {
    /// The names of match conditions: no variables yet.
    pub(super) fn new(params: bool) -> Typing {
        let mut env = Env {
            types: described().clone(),
            ..Env::default()
        };
        let mut declare = |name: &str, kind: Type| env.variables.insert(name.to_owned(), kind);
        for name in ["object", "oldObject"] {
            declare(name, Type::Dyn);
        }
        if params {
            declare("params", Type::Dyn);
        }
        declare("request", message("kubernetes.AdmissionRequest"));
        declare("namespaceObject", message("kubernetes.Namespace"));
        declare("authorizer", opaque("kubernetes.Authorizer"));
        declare(
            "authorizer.requestResource",
            opaque("kubernetes.authorizer.ResourceCheck"),
        );
        Typing {
            env,
            names: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// Compiles an expression that sees these names.
    pub(super) fn parse(&self, text: &str) -> Result<Program, SyntaxError> {
        let variables: Vec<&str> = self.names.iter().map(String::as_str).collect();
        Program::parse_among(text, &variables)
    }

    /// Makes `variables` known, without any so far.
    pub(super) fn open_variables(&mut self) {
        self.describe();
    }

    /// Makes a variable known to what comes after it.
    pub(super) fn variable(&mut self, name: &str, kind: Type) {
        self.env.variables.insert(format!("variables.{name}"), kind);
        self.names.push(name.to_owned());
        self.describe();
    }

    fn describe(&mut self) {
        let mut table = String::from("package kubernetes proto3\nmessage Variables\n");
        for (i, name) in self.names.iter().enumerate() {
            table.push_str(&format!("google.protobuf.Value {name} {}\n", i + 1));
        }
        let more = self.tables.iter().map(String::as_str);
        let tables: Vec<&str> = [&*table].into_iter().chain(more).collect();
        self.env.types = Arc::new(described().with(&tables));
        let variables = message("kubernetes.Variables");
        self.env.variables.insert("variables".into(), variables);
    }

    /// The same names without the authorizer: words are no place to ask it.
    pub(super) fn for_messages(&self) -> Typing {
        let mut out = self.clone();
        out.env.variables.remove("authorizer");
        out.env.variables.remove("authorizer.requestResource");
        out
    }

    /// The same names with objects of a type that a table describes, and which of the variables cannot work then.
    pub(super) fn with_object(&self, table: &str, root: &str, variables: &[Named]) -> (Typing, Vec<(usize, String)>) {
        let mut out = self.clone();
        out.tables.push(table.to_owned());
        for name in ["object", "oldObject"] {
            out.env.variables.insert(name.into(), message(root));
        }
        out.open_variables();
        let mut wrong = Vec::new();
        for (i, (name, program)) in variables.iter().enumerate() {
            let kind = out.kind(program).unwrap_or_else(|why| {
                wrong.push((i, why));
                Type::Dyn
            });
            out.variable(&name.text, kind);
        }
        (out, wrong)
    }

    /// The type of a program, or why it cannot work.
    pub(super) fn kind(&self, program: &Program) -> Result<Type, String> {
        if let Some(name) = program.calls().find(|name| foreign(name)) {
            return Err(format!(
                "undeclared reference to '{name}': Kubernetes has no such function"
            ));
        }
        check(program, &self.env).map_err(|why| match why {
            CheckError::Undeclared(name) => self.undeclared(&name),
            CheckError::Mismatch(why) => why,
        })
    }

    fn undeclared(&self, name: &str) -> String {
        let hint = match name {
            "params" => "; name the kind of the parameters in `spec.paramKind`",
            "variables" => "; match conditions are asked before there are variables",
            "authorizer" => "; messages cannot ask the authorizer",
            _ => "",
        };
        format!("undeclared reference to '{name}'{hint}")
    }

    /// Whether a program gives one of the types that are wanted.
    pub(super) fn expect(&self, program: &Program, wanted: &[Type]) -> Result<(), String> {
        let kind = self.kind(program)?;
        if matches!(kind, Type::Dyn | Type::Any) || wanted.contains(&kind) {
            return Ok(());
        }
        let wanted: Vec<String> = wanted.iter().map(Type::to_string).collect();
        Err(format!(
            "the expression gives a {kind}, but a {} is needed here",
            wanted.join(" or ")
        ))
    }
}

/// Whether a function is not one of Kubernetes'.
fn foreign(name: &str) -> bool {
    let module = name.split_once('.').map_or("", |(module, _)| module);
    FOREIGN_MODULES.contains(&module) || FOREIGN.contains(&name)
}
