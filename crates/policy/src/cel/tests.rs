//! Cases of the language.

use ridgeway_doc::{Doc, parse_json};

use super::*;
use crate::budget::Fuel;
use crate::request::NoData;

struct Root<'a>(&'a Doc);

impl<'a> Scope<'a> for Root<'a> {
    fn lookup(&self, name: &Global) -> Option<Cel<'a>> {
        self.0.root().get(&name.name).map(Cel::of)
    }

    fn variable(&self, _: &mut Evaluator<'_, 'a>, variable: &Variable) -> Option<Result<Cel<'a>, Fault>> {
        (&*variable.name.text == "seven").then_some(Ok(Cel::Int(7)))
    }
}

fn run(doc: &Doc, text: &str) -> String {
    let program = match Program::parse(text) {
        Ok(program) => program,
        Err(error) => return error.to_string(),
    };
    let (scope, fuel) = (Root(doc), Fuel::new(20_000));
    match Evaluator::new(&scope, &fuel, "2026-03-04T05:06:07Z".parse().ok(), &NoData).run(&program) {
        Ok(value) => value.to_value().to_json(),
        Err(fault) => format!("fault: {fault}"),
    }
}

#[test]
fn the_language() {
    let doc = parse_json(
        br#"{"object":{"metadata":{"name":"web","labels":{"app":"web","a.b/c":"x"}},"spec":{"replicas":3,"containers":
        [{"name":"a","image":"ghcr.io/x/a:1","ports":[{"containerPort":80}]},{"name":"b","image":"nginx"}],"empty":[]}}}"#,
    )
    .unwrap();
    for (text, want) in [
        ("1 + 2 * 3", "7"),
        ("-(4 % 3) == -1", "true"),
        ("'a' + \"b\"", r#""ab""#),
        (r"r'\d' + '\x41\n'", r#""\\dA\n""#),
        ("1 == 1.0 && 2u > 1", "true"),
        ("object.spec.replicas > 2 ? 'many' : 'few'", r#""many""#),
        ("has(object.spec.replicas) && !has(object.spec.nothing)", "true"),
        ("object.spec.nothing", "fault: no such key: nothing"),
        ("object.spec.?nothing.?deeper.orValue('none')", r#""none""#),
        ("object.spec.?replicas.orValue(0)", "3"),
        ("object.?spec.nothing.orValue(false)", "false"),
        ("object.metadata.labels[?'a.b/c'].orValue('')", r#""x""#),
        ("object.metadata.labels['a.b/c']", r#""x""#),
        ("object.spec.containers[1].name", r#""b""#),
        ("has(object.spec.containers[1].name.more)", "false"),
        ("object.spec.containers[1].name.?more.orValue(3)", "3"),
        ("object.spec.containers[1].name[?'more'].orValue(3)", "3"),
        ("object.spec.containers[1].name.more", "fault: no such key: more"),
        (
            "has(object.spec.containers.more)",
            "fault: no such field: more (in a list)",
        ),
        (
            "object.spec.containers.?more.orValue(3)",
            "fault: no such field: more (in a list)",
        ),
        ("['a'] + [] == ['a'] && [] + ['a'] == ['a']", "true"),
        ("'a' + object.spec.containers[0].name + 'c'", r#""aac""#),
        (
            "object.spec.containers[0].name + 'b' + 1",
            "fault: no such overload: string + int",
        ),
        (
            "object.spec.containers[0].name in ['a', 'b'] && 'b' != object.spec.containers[0].name",
            "true",
        ),
        ("object.spec.containers.all(c, c.image != '')", "true"),
        (
            "object.spec.containers.exists(c, has(c.ports) && c.ports.exists(p, p.containerPort == 80))",
            "true",
        ),
        ("object.spec.containers.exists_one(c, has(c.ports))", "true"),
        (
            "object.spec.containers.filter(c, !has(c.ports)).map(c, c.name)",
            r#"["b"]"#,
        ),
        ("object.spec.containers.map(c, has(c.ports), c.name)", r#"["a"]"#),
        (
            "object.spec.containers.all(c, c.ports.size() > 0)",
            "fault: no such key: ports",
        ),
        ("object.spec.containers.exists(c, c.ports.size() > 0)", "true"),
        ("object.metadata.labels.all(k, k != 'z')", "true"),
        ("object.metadata.labels.exists(k, v, v == 'x')", "true"),
        ("'app' in object.metadata.labels && 3 in [1, 2, 3]", "true"),
        ("true || object.nope.x", "true"),
        ("object.nope.x || true", "true"),
        ("object.nope.x && false", "false"),
        ("variables.seven * 2", "14"),
        (
            "variables.eight",
            "fault: no such key: eight (there is no variable of that name)",
        ),
        (
            "object.spec.containers + object.spec.?init.orValue([]) == object.spec.containers",
            "true",
        ),
        ("[1, ?optional.none(), ?optional.of(2)]", "[1,2]"),
        ("{'a': 1, ?'b': optional.none()}", r#"{"a":1}"#),
        (
            "Object{metadata: Object.metadata{labels: {'x': 'y'}}}",
            r#"{"metadata":{"labels":{"x":"y"}}}"#,
        ),
        ("object.spec.replicas.orValue(0)", "3"),
        ("optional.of(2).optMap(x, x + 1).value()", "3"),
        ("cel.bind(x, 4, x * x)", "16"),
        ("type(1) == int && type('') == string", "true"),
        ("'a,b'.split(',').map(x, x.upperAscii()).join('-')", r#""A-B""#),
        ("'v1.11.2'.substring(1).split('.')[1]", r#""11""#),
        ("'image:tag'.indexOf(':')", "5"),
        (
            "'abc'.matches('^a.*c$') && 'abc'.startsWith('a') && !'abc'.contains('d')",
            "true",
        ),
        ("int('42') + int(1.9)", "43"),
        ("duration('1h30m') > duration('80m')", "true"),
        ("timestamp('2026-01-01T00:00:00Z') + duration('24h') < now()", "true"),
        ("quantity('1Gi').isGreaterThan(quantity('500Mi'))", "true"),
        ("image('nginx').registry()", r#""docker.io""#),
        ("'%s-%d'.format(['a', 3])", r#""a-3""#),
        ("[3, 1, 2].max() + [1, 2].sum()", "6"),
        ("sets.contains([1, 2], [2]) && [1, 1].distinct().size() == 1", "true"),
        ("url('https://a.b:8443/c?d=e').getPort()", r#""8443""#),
        (
            "object.metadata.labels.transformMap(k, v, v == 'x', k)",
            r#"{"a.b/c":"a.b/c"}"#,
        ),
        (
            "[1, 2].exists(x, x",
            "\"[1, 2].exists(x, x\" is not a CEL expression: `)` was expected (at character 19)",
        ),
        (
            "nope(1)",
            "fault: undeclared reference to 'nope': there is no such function",
        ),
        ("9223372036854775807 + 1", "fault: integer overflow"),
    ] {
        assert_eq!(run(&doc, text), want, "{text}");
    }
}

#[test]
fn fuel_ends_nested_macros() {
    let doc = parse_json(format!("{{\"l\":[{}]}}", vec!["1"; 60].join(",")).as_bytes()).unwrap();
    let answer = run(&doc, "l.all(a, l.all(b, l.all(c, l.all(d, a == d))))");
    assert!(answer.contains("budget of 20000 steps"), "{answer}");
}

#[test]
fn the_first_path_is_evidence() {
    for (text, want) in [
        (
            "!has(object.spec.hostNetwork) || object.spec.hostNetwork == false",
            Some("spec.hostNetwork"),
        ),
        ("object.spec.containers.all(c, c.x)", Some("spec.containers")),
        ("variables.x", None),
    ] {
        assert_eq!(Program::parse(text).unwrap().first_path().as_deref(), want, "{text}");
    }
}

#[test]
fn what_costs_time_costs_steps() {
    let numbers: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let long = "x".repeat(100_000);
    let text = format!(r#"{{"l":[{}],"a":"{long}","b":"{long}"}}"#, numbers.join(","));
    let doc = parse_json(text.as_bytes()).unwrap();
    for expression in [
        // A million elements, however little is done with each.
        "l.map(a, l.map(b, l.map(c, c))).size() == 100",
        "l.all(n, a == b)",
        "l.all(n, a + '' == b + '')",
    ] {
        let said = run(&doc, expression);
        assert!(said.contains("budget"), "{expression}: {said}");
    }
}
