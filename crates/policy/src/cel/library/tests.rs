//! Cases of the libraries.

use ridgeway_doc::parse_json;

use crate::budget::Fuel;
use crate::cel::Variable;
use crate::cel::{Cel, Env, Evaluator, Fault, Global, Program, Scope, Type, check};
use crate::request::NoData;

struct Nothing;

impl<'a> Scope<'a> for Nothing {
    fn lookup(&self, name: &Global) -> Option<Cel<'a>> {
        let asked = [
            ("group", "g"),
            ("resource", "r"),
            ("subresource", ""),
            ("namespace", "n"),
            ("name", "x"),
        ];
        (&*name.name == "authorizer").then(|| super::authorizer(asked.map(|(key, value)| (key, Cel::str(value)))))
    }

    fn variable(&self, _: &mut Evaluator<'_, 'a>, _: &Variable) -> Option<Result<Cel<'a>, Fault>> {
        None
    }
}

/// The value as JSON, or the fault. What has a value must pass the checker too.
fn run(text: &str) -> String {
    let program = match Program::parse(text) {
        Ok(program) => program,
        Err(error) => return error.to_string(),
    };
    let fuel = Fuel::new(50_000);
    let mut env = Env::default();
    env.variables.insert(
        "authorizer".into(),
        Type::Opaque("kubernetes.Authorizer".into(), Vec::new()),
    );
    match Evaluator::new(&Nothing, &fuel, "2026-03-04T05:06:07Z".parse().ok(), &NoData).run(&program) {
        Ok(value) => {
            assert!(check(&program, &env).is_ok(), "{text}: {:?}", check(&program, &env));
            value.to_value().to_json()
        }
        Err(fault) => format!("fault: {fault}"),
    }
}

fn table(cases: &[(&str, &str)]) {
    for (text, want) in cases {
        let got = run(text);
        if *want == "fault" {
            assert!(got.starts_with("fault: "), "{text}: {got}");
        } else {
            assert_eq!(got, *want, "{text}");
        }
    }
}

#[test]
fn texts() {
    table(&[
        ("'tacocat'.lastIndexOf('a', 3)", "1"),
        ("'aaaa'.lastIndexOf('aa', 1)", "1"),
        ("'aaaa'.lastIndexOf('aa')", "2"),
        ("'ab'.indexOf('b', 9)", "fault"),
        ("'a b c'.split(' ', 2)", r#"["a","b c"]"#),
        ("'a b c'.split(' ', 0)", "[]"),
        ("'aXbX'.replace('X', '-', 1)", r#""a-bX""#),
        ("'©αT'.reverse()", r#""Tα©""#),
        ("'abc'.substring(2, 1)", "fault"),
        ("strings.quote('a\"\\n')", r#""\"a\\\"\\n\"""#),
        ("'abc 123 def 456'.find('[0-9]+')", r#""123""#),
        ("'abc 123 def 456'.findAll('[0-9]+')", r#"["123","456"]"#),
        ("'abc 123 def 456'.findAll('[0-9]+', 1)", r#"["123"]"#),
        ("'abc'.find('[')", "fault"),
        ("base64.decode(base64.encode(b'hi')) == b'hi'", "true"),
        ("matches('abc', 'b+')", "true"),
        (
            "regex.replace('a1b22', '([a-z])([0-9]+)', r'\\2-\\1;')",
            r#""1-a;22-b;""#,
        ),
        ("regex.replace('aaa', 'a', '$b', 2)", r#""$b$ba""#),
        ("regex.extract('v1.2', 'v([0-9]+)').value()", r#""1""#),
        ("regex.extractAll('a1b22', '[0-9]+')", r#"["1","22"]"#),
        ("regex.extract('ab', '(a)(b)')", "fault"),
    ]);
}

#[test]
fn formatting() {
    table(&[
        ("'%s and %d%%'.format(['a', 3u])", r#""a and 3%""#),
        ("'%x %X %o %b'.format([255, b'\\xab', 8, true])", r#""ff AB 10 1""#),
        ("'%x'.format([-255])", r#""-ff""#),
        (
            "'%.2f %.3e %e'.format([2.005, 1234.5, 0])",
            r#""2.00 1.234e+03 0.000000e+00""#,
        ),
        (
            "'%s'.format([[1, 'a', null, {'b': 2.5, 'a': duration('90s')}]])",
            r#""[1, a, null, {a: 90s, b: 2.5}]""#,
        ),
        ("'%s'.format([double('-Infinity')])", r#""-Infinity""#),
        ("'%s %s'.format(['one'])", "fault"),
        ("'%a'.format([1])", "fault"),
        ("'%d'.format(['a'])", "fault"),
        ("'%'.format([1])", "fault"),
    ]);
}

#[test]
fn numbers_and_conversions() {
    table(&[
        ("math.greatest(1, 2u, 1.5)", "2"),
        ("math.least([3, -1, 2])", "-1"),
        ("math.abs(-9223372036854775808)", "fault"),
        ("math.sign(-2.5) + math.trunc(-1.9) + math.round(-1.5)", "-4"),
        ("math.bitShiftRight(-1, 63)", "1"),
        ("math.bitShiftLeft(1, 64)", "0"),
        ("math.bitShiftLeft(1, -1)", "fault"),
        ("math.sqrt(16)", "4"),
        ("int(9223372036854775807.0)", "fault"),
        ("uint(-1)", "fault"),
        ("int('9x')", "fault"),
        ("double('NaN') == double('NaN')", "false"),
        (
            "string(1e21) + string(0.0001) + string(1.5e-7)",
            r#""1e+210.00011.5e-07""#,
        ),
        ("string(b'\\xff')", "fault"),
        ("1u - 2u", "fault"),
        ("9223372036854775807 * 2", "fault"),
        ("-9223372036854775808 / -1", "fault"),
        ("1 % 0", "fault"),
        (
            "dyn(1) == 1.0 && dyn(1u) == 1 && dyn(1) != 2u && dyn(9007199254740993u) == 9007199254740993",
            "true",
        ),
        ("dyn(1) == '1'", "false"),
        ("1 < 1.5 && 2u > 1 && -1 < 0u", "true"),
    ]);
}

#[test]
fn times() {
    table(&[
        (
            "string(timestamp('2024-02-29T23:59:59.5+01:00'))",
            r#""2024-02-29T22:59:59.5Z""#,
        ),
        ("timestamp('2023-02-29T00:00:00Z')", "fault"),
        ("timestamp('10000-01-01T00:00:00Z')", "fault"),
        ("timestamp(0).getFullYear()", "1970"),
        ("timestamp('2026-07-01T12:00:00Z').getHours('Europe/Berlin')", "14"),
        ("timestamp('2026-07-01T12:00:00Z').getHours('-03:30')", "8"),
        ("timestamp('2026-07-01T12:00:00Z').getHours('Nowhere/Land')", "fault"),
        ("timestamp('2024-12-31T00:00:00Z').getDayOfYear()", "365"),
        ("timestamp('0001-01-01T00:00:00Z') - duration('1ns')", "fault"),
        (
            "string(timestamp('2026-01-02T00:00:00Z') - timestamp('2026-01-01T00:00:00Z'))",
            r#""86400s""#,
        ),
        (
            "duration('1h30m').getMinutes() + duration('1500ms').getMilliseconds()",
            "590",
        ),
        ("duration('320000000000s')", "fault"),
    ]);
}

#[test]
fn lists_and_sets() {
    table(&[
        ("[3, 1, 2].sort()", "[1,2,3]"),
        ("['ccc', 'a', 'bb'].sortBy(x, size(x))", r#"["a","bb","ccc"]"#),
        ("[1, 2].sortBy(x, [x])", "fault"),
        ("'b' in ['a', 'b'] && !(dyn(3) in [1, 2.0]) && dyn(2) in [1, 2]", "true"),
        (
            "transform.listObjToMap([{'n': 'a'}], [{'v': 1}], 'n', 'v')",
            r#"{"a":1}"#,
        ),
        ("time.toCron(timestamp('2026-03-04T05:06:07Z'))", r#""6 5 4 3 3""#),
        (
            "string(time.truncate(timestamp('2026-03-04T05:06:07Z'), duration('1h')))",
            r#""2026-03-04T05:00:00Z""#,
        ),
        ("['b', 'a'].isSorted() || [1, 2, 2].isSorted()", "true"),
        ("[1, 2].sum() + [5, 7].max() + [5, 7].min()", "15"),
        ("[9223372036854775807, 1].sum()", "fault"),
        ("[[1], [2, [3]]].flatten()", "[1,2,[3]]"),
        ("[[1], [2, [3]]].flatten(2)", "[1,2,3]"),
        ("[1, 2, 3, 4].slice(1, 3)", "[2,3]"),
        ("[1, 2].slice(1, 3)", "fault"),
        ("[1, 1.0, 'a', 'a'].distinct()", r#"[1,"a"]"#),
        ("lists.range(3).reverse()", "[2,1,0]"),
        ("lists.range(1000000000)", "fault"),
        ("[1, 2].first().value() + [1, 2].last().value()", "3"),
        ("[].first().hasValue()", "false"),
        ("[1, 2, 1].indexOf(1) + [1, 2, 1].lastIndexOf(1)", "2"),
        (
            "sets.equivalent([1, 1], [1]) && sets.intersects([1], [1, 2]) && !sets.contains([1], [2])",
            "true",
        ),
        ("[optional.of(1), optional.none()].unwrapOpt()", "[1]"),
    ]);
}

#[test]
fn kubernetes() {
    table(&[
        ("ip('10.0.0.1').family() + ip('::1').family()", "10"),
        ("ip('::ffff:1.2.3.4')", "fault"),
        (
            "ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:DB8::1')",
            "true",
        ),
        (
            "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.0.0.0/8').containsIP('11.0.0.1')",
            "true",
        ),
        ("string(cidr('10.1.2.3/8').masked())", r#""10.0.0.0/8""#),
        (
            "isCIDR('10.0.0.0/33') || isIP('1.2.3') || isCIDR('10.0.0.0/08')",
            "false",
        ),
        (
            "semver('1.2.3').isLessThan(semver('1.10.0-rc.1')) && isSemver('v1.0', true) && !isSemver('v1.0')",
            "true",
        ),
        ("semver('2.3.4-beta+x').minor()", "3"),
        (
            "quantity('1Gi').sub(quantity('1Mi')).isGreaterThan(quantity('1000M')) && isQuantity('1.5Ki')",
            "true",
        ),
        ("quantity('a')", "fault"),
        (
            "url('https://u@h.example:8443/a%20b?x=1&x=2').getQuery()",
            r#"{"x":["1","2"]}"#,
        ),
        ("isURL('../up')", "false"),
        ("format.dns1123Label().validate('a-b').hasValue()", "false"),
        ("format.dns1123Label().validate('A_b').value().size() > 0", "true"),
        (
            "format.named('uuid').value().validate('01234567-89ab-cdef-0123-456789abcdef').hasValue()",
            "false",
        ),
        ("format.named('nothing').hasValue()", "false"),
        ("format.date().validate('2026-02-30').hasValue()", "true"),
        (
            "authorizer.group('apps').resource('deployments').namespace('a').check('create').allowed()",
            "false",
        ),
        (
            "authorizer.serviceAccount('a', 'b').path('/healthz').check('get').reason() != ''",
            "true",
        ),
        ("authorizer.group('apps').check('get')", "fault"),
    ]);
}

#[test]
fn macros_blocks_and_optionals() {
    table(&[
        ("[1, 2, 3].transformList(i, v, i > 0, v * i)", "[2,6]"),
        (
            "{'a': 1, 'b': 2}.transformMapEntry(k, v, {v: k})",
            r#"{"1":"a","2":"b"}"#,
        ),
        ("{'a': 1, 'b': 1}.transformMapEntry(k, v, {v: k})", "fault"),
        (
            "[1, 2].exists(i, v, i == v - 1) && [4, 5].existsOne(i, v, i + v == 6)",
            "true",
        ),
        (
            "cel.block([1 + 1, cel.index(0) * 2], [cel.index(1), cel.index(0)])",
            "[4,2]",
        ),
        ("cel.block([[1].map(x, x)], [5].map(y, cel.index(0)[0] + y))", "[6]"),
        ("[1, 2].map(x, [10].map(y, cel.bind(z, x + y, z * 2)))", "[[22],[24]]"),
        ("{'a': {'b': 1}}.?a.?b.optMap(v, v + 1).orValue(0)", "2"),
        ("{'a': 1}[?'b'].or(optional.of(7)).value()", "7"),
        ("optional.none().value()", "fault"),
        ("{'a': 1, 'a': 2}", "fault"),
        ("[1, 2][2]", "fault"),
        ("dyn({2u: 'b'})[2.0] + dyn({1: 'a'})[1.5]", "fault"),
        ("dyn({1: 'a'})[1u]", r#""a""#),
        ("has({'a': null}.a)", "true"),
        ("google.protobuf.Int32Value{value: 5} + 1", "6"),
        (
            "google.protobuf.Struct{fields: {'a': google.protobuf.Value{number_value: 1.0}}}.a",
            "1",
        ),
        ("google.protobuf.Duration{seconds: 61} == duration('1m1s')", "true"),
    ]);
}

#[test]
fn no_expression_outruns_its_budget() {
    for text in [
        "cel.bind(a, [1, 1], cel.bind(b, [a, a, a, a, a, a, a, a], cel.bind(c, [b, b, b, b, b, b, b, b],
          cel.bind(d, [c, c, c, c, c, c, c, c], cel.bind(e, [d, d, d, d, d, d, d, d], cel.bind(f, [e, e, e, e], f == f))))))",
        "lists.range(2000).map(x, lists.range(2000))",
        "lists.range(4000).distinct()",
        "cel.bind(a, lists.range(40000).map(x, 'x').join(), a + a + a + a + a + a + a + a + a + a + a + a + a + a)",
    ] {
        assert!(run(text).contains("budget of 50000 steps"), "{text}: {}", run(text));
    }
}

#[test]
fn documents_are_read_without_copies() {
    let doc = parse_json(br#"{"a":[{"n":1,"z":null}]}"#).unwrap();
    let value = Cel::of(doc.root());
    let item = value.field("a").and_then(|a| a.item(0)).unwrap();
    assert!(matches!(item, Cel::Node(_)));
    assert_eq!(
        (item.has("n"), item.has("z"), item.has("q")),
        (Some(true), Some(false), Some(false))
    );
}

#[test]
fn deep_and_long_expressions_end_in_an_error_and_not_in_the_stack() {
    let chain = |part: &str, times: usize| vec![part; times].join("");
    for (text, fine) in [
        (format!("{}1{}", chain("(", 50), chain(")", 50)), true),
        (format!("{}1{}", chain("(", 5_000), chain(")", 5_000)), false),
        (format!("{}true", chain("!", 50)), true),
        (format!("{}true", chain("!", 5_000)), false),
        (format!("{}1{}", chain("[", 50), chain("]", 50)), true),
        (format!("1{}", chain(" + 1", 100)), true),
        (format!("1{}", chain(" + 1", 5_000)), false),
        (format!("true{}", chain(" && true", 900)), true),
        (format!("dyn({{}}){}", chain(".?a", 100)), true),
        (format!("dyn({{}}){}", chain(".?a", 5_000)), false),
        (format!("{}1{}", chain("[1].map(x, ", 50), chain(")", 50)), true),
        (format!("{}1", chain("true ? 1 : ", 50)), true),
        (format!("{}1", chain("true ? 1 : ", 5_000)), false),
    ] {
        let got = run(&text);
        let error = got.contains("is not a CEL expression") || got.starts_with("fault");
        assert_eq!(!error, fine, "{}: {}", &text[..40], &got[..got.len().min(200)]);
    }
}
