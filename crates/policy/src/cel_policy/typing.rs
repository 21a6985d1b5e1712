//! What can be said of a policy's expressions before anything is evaluated.

use super::expressions::Named;
use crate::cel::{CheckError, Env, Program, Type, check};
use crate::kyverno::Place;

/// The types of the names that expressions of policies see.
pub(super) struct Typing {
    env: Env,
}

/// The names of every policy. Objects are of any kind, so all they hold is known only in evaluation.
const NAMES: [&str; 14] = [
    "object",
    "oldObject",
    "request",
    "namespaceObject",
    "params",
    "variables",
    "exceptions",
    "images",
    "image",
    "attestors",
    "attestations",
    "globalContext",
    "http",
    "resource",
];

fn names() -> Env {
    let mut env = Env::default();
    env.variables.extend(NAMES.map(|name| (name.to_owned(), Type::Dyn)));
    let authorizer = Type::Opaque("kubernetes.Authorizer".into(), Vec::new());
    env.variables.insert("authorizer".into(), authorizer);
    let resource = Type::Opaque("kubernetes.authorizer.ResourceCheck".into(), Vec::new());
    env.variables.insert("authorizer.requestResource".into(), resource);
    env
}

impl Typing {
    /// The names with a policy's variables, in their order.
    pub(super) fn of(variables: &[Named], path: &str) -> Result<Typing, Place> {
        let mut typing = Typing { env: names() };
        for (i, (name, program)) in variables.iter().enumerate() {
            let kind = typing.kind(program, || format!("{path}[{i}].expression"))?;
            typing.env.variables.insert(format!("variables.{name}"), kind);
        }
        Ok(typing)
    }

    /// The type of a program. A name that is not known here may be known where the policy is evaluated.
    fn kind(&self, program: &Program, path: impl FnOnce() -> String) -> Result<Type, Place> {
        match check(program, &self.env) {
            Ok(kind) => Ok(kind),
            Err(CheckError::Undeclared(_)) => Ok(Type::Dyn),
            Err(why @ CheckError::Mismatch(_)) => Err(Place::new(path(), why.to_string())),
        }
    }

    /// Whether a program can give what is wanted of it.
    pub(super) fn expect(&self, program: &Program, wanted: &Type, path: impl Fn() -> String) -> Result<(), Place> {
        let kind = self.kind(program, &path)?;
        let fits = matches!(kind, Type::Dyn | Type::Any) || kind == *wanted;
        if fits {
            return Ok(());
        }
        Err(Place::new(
            path(),
            format!("the expression gives a {kind}, but a {wanted} is needed here"),
        ))
    }
}

/// The type of a policy's expression (`dyn` when only evaluation can tell), or why it cannot work.
pub fn expression_type(text: &str) -> Result<String, String> {
    let program = Program::parse(text).map_err(|error| error.to_string())?;
    match check(&program, &names()) {
        Ok(kind) => Ok(kind.to_string()),
        Err(why) => Err(why.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_deduced_and_mistakes_named() {
        for (text, want) in [
            ("object.spec.replicas > 3", Ok("bool")),
            ("object.spec", Ok("dyn")),
            ("object.metadata.name.startsWith('a') ? [1] : []", Ok("list(int)")),
            ("object.?spec.?x.orValue('')", Ok("dyn")),
            ("{'a': 1u}", Ok("map(string, uint)")),
            ("quantity('1Gi').add(1)", Ok("kubernetes.Quantity")),
            (
                "authorizer.group('').resource('pods').check('get').allowed()",
                Ok("bool"),
            ),
            ("authorizer.requestResource.check('get').reason()", Ok("string")),
            ("['b', 'a'].sortBy(x, x.size())", Ok("list(string)")),
            ("1 + 'a'", Err("no matching overload: _+_(int, string)")),
            ("'a'.startsWith(1)", Err("no matching overload: string.startsWith(int)")),
            ("1 && true", Err("a side of `&&` or `||` must be a bool, not a int")),
            ("objekt.spec", Err("undeclared reference to 'objekt'")),
            ("sizes([1])", Err("undeclared reference to 'sizes'")),
            ("[1].map(x, x.y)", Err("a int has no fields, so no 'y'")),
        ] {
            let got = expression_type(text);
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_an_expression_or_an_error(text in "[a-c0-9 .()\\[\\]{}'\"+*/<=!&|?:,-]{0,60}|(\\PC){0,30}") {
            proptest::prop_assert_eq!(expression_type(&text), expression_type(&text));
        }
    }

    #[test]
    fn variables_have_types_and_conditions_are_booleans() {
        let program = |text: &str| Program::parse(text).unwrap();
        let variables: Vec<Named> = vec![
            ("names".into(), program("object.spec.containers.map(c, string(c.name))")),
            ("first".into(), program("variables.names[0]")),
        ];
        let typing = Typing::of(&variables, "spec.variables").ok().unwrap();
        let path = || "spec.validations[0].expression".to_owned();
        assert!(
            typing
                .expect(&program("variables.first.size() > 0"), &Type::Bool, path)
                .is_ok()
        );
        assert!(typing.expect(&program("unheard.of(1)"), &Type::Bool, path).is_ok());
        for (text, want) in [
            (
                "variables.first",
                "the expression gives a string, but a bool is needed here",
            ),
            ("variables.first > 1", "no matching overload: _>_(string, int)"),
        ] {
            let place = typing.expect(&program(text), &Type::Bool, path).unwrap_err();
            assert_eq!(
                (place.path.as_str(), place.message.as_str()),
                ("spec.validations[0].expression", want)
            );
        }
        let wrong = vec![("a".into(), program("1 + true"))];
        assert_eq!(Typing::of(&wrong, "v").err().unwrap().path, "v[0].expression");
    }
}
