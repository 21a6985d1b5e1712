//! The language by example: modules, a query, and what comes out.

use ridgeway_doc::parse_json;

use super::{Engine, Request, Value, Version};
use crate::budget::Fuel;

const DATA: &str = r#"{"numbers": [1, 2, 3], "teams": {"a": {"size": 3}, "b": {"size": 5}}}"#;
const INPUT: &str = r#"{"user": "amy", "roles": ["dev", "ops"], "limits": {"cpu": "500m"}}"#;

/// The value of `x` in all solutions, or the code of the error.
fn answer(modules: &[&str], query: &str, version: Version) -> String {
    let (data, input) = (
        parse_json(DATA.as_bytes()).unwrap(),
        parse_json(INPUT.as_bytes()).unwrap(),
    );
    let fuel = Fuel::new(100_000);
    let request = Request {
        input: Some(Value::from_node(input.root())),
        data: Value::from_node(data.root()),
        fuel: &fuel,
        strict: false,
        now: 1_700_000_000_000_000_000,
    };
    let solutions = Engine::compile(modules, version).and_then(|engine| {
        let found = engine.query(query, request)?;
        Ok(found
            .iter()
            .map(|solution| solution.iter().find(|(name, _)| &**name == "x").unwrap().1.to_string())
            .collect::<Vec<_>>())
    });
    match solutions {
        Ok(found) if found.is_empty() => "undefined".into(),
        Ok(found) => found.join(" | "),
        Err(error) => error.code.to_owned(),
    }
}

/// What an expression is, or the error of it: in strict mode.
pub(super) fn value_of(expression: &str) -> String {
    let data = parse_json(DATA.as_bytes()).unwrap();
    let input = parse_json(INPUT.as_bytes()).unwrap();
    let fuel = Fuel::new(100_000);
    let request = Request {
        input: Some(Value::from_node(input.root())),
        data: Value::from_node(data.root()),
        fuel: &fuel,
        strict: true,
        now: 1_700_000_000_000_000_000,
    };
    let engine = Engine::compile(&[], Version::V1).unwrap();
    match engine.query(&format!("x = {expression}"), request) {
        Ok(found) => match found.first().and_then(|solution| solution.first()) {
            Some((_, value)) => value.to_string(),
            None => "undefined".into(),
        },
        Err(error) => error.to_string(),
    }
}

#[test]
fn parts_of_texts_from_either_end() {
    for (call, parts) in [
        (r#"strings.split_n("a,b,c", ",", 2)"#, r#"["a", "b"]"#),
        (r#"strings.split_n("a,b,c", ",", 0)"#, "[]"),
        (r#"strings.split_n("a,b,c", ",", -2)"#, r#"["b", "c"]"#),
        (r#"strings.split_n("a,b,c", ",", -9)"#, r#"["a", "b", "c"]"#),
        (r#"strings.split_n("añb", "", 2)"#, r#"["a", "ñ"]"#),
        (r#"strings.split_n("", "", 2)"#, "[]"),
        (
            r#"strings.split_n("a", ",", 1.5)"#,
            "eval_type_error: strings.split_n: operand 3 must be integer number but got floating-point number",
        ),
    ] {
        assert_eq!(value_of(call), parts, "{call}");
    }
}

#[test]
fn functions_in_their_corners() {
    for (call, told) in [
        (r#"upper("straße ǆ")"#, r#""STRAßE Ǆ""#),
        (r#"lower("ΑΣ İ")"#, r#""ασ i""#),
        (r#"strings.replace_n({"": "x"}, "ab")"#, r#""xaxbx""#),
        (r#"strings.replace_n({"a": "1", "": "-"}, "ba")"#, r#""-b-1-""#),
        (r#"json.marshal("<&>")"#, r#""\"\\u003c\\u0026\\u003e\"""#),
        (r#"base64.is_valid("YQ")"#, "false"),
        (r#"semver.compare("v1.0.0", "1.0.0")"#, "0"),
        (r#"semver.is_valid("99999999999999999999.0.0")"#, "false"),
        (
            r#"uuid.parse("00000000-0000-0000-0000-000000000000").variant"#,
            r#""Reserved""#,
        ),
        (
            r#"uuid.parse("6ba7b810-9dad-21d1-80b4-00c04fd430c8").domain"#,
            r#""Domain180""#,
        ),
        ("time.clock(1e18)", "[1, 46, 40]"),
        ("time.clock(-1.5)", "eval_builtin_error: time.clock: timestamp too big"),
        ("time.diff(1577836800000000001, 1577836799999999999)[5]", "1"),
        (r#"time.parse_duration_ns("1d2h")"#, "93600000000000"),
        (r#"time.format([1577836800000000000, "UTC", "_2 __2"])"#, r#"" 1   1""#),
        (r#"regex.split("", "abc")"#, r#"["a", "b", "c"]"#),
        (r#"regex.split("a", "aXa")"#, r#"["", "X", ""]"#),
        (r#"regex.split(",", "")"#, r#"[""]"#),
        (
            r#"regex.template_match("a{b}c}", "abc", "{", "}")"#,
            r#"eval_builtin_error: regex.template_match: unbalanced braces in "a{b}c}""#,
        ),
        (
            r#"json.patch({"a": [1]}, [{"op": "remove", "path": "/b"}])"#,
            "eval_builtin_error: json.patch: the path does not exist",
        ),
        (
            r#"json.patch({}, [{"op": "add", "path": "/a"}])"#,
            "eval_builtin_error: json.patch: missing required attribute 'value'",
        ),
        (r#"json.filter({"a": 1}, [""])"#, "{}"),
        (r#"net.cidr_contains_matches(input.nope2, "10.1.1.1")"#, "undefined"),
        (
            "net.cidr_merge(object.get({0: {1}}, 0, 0))",
            "eval_builtin_error: net.cidr_merge: element must be string",
        ),
        (
            r#"graph.reachable_paths({"a": ["b", "x"], "b": ["a"]}, ["a"])"#,
            r#"{["a"], ["a", "b"]}"#,
        ),
        (
            r#"urlquery.decode_object("a=1;b")"#,
            "eval_builtin_error: urlquery.decode_object: invalid semicolon separator in query",
        ),
        (
            r#"to_number("1e400")"#,
            r#"eval_builtin_error: to_number: strconv.ParseFloat: parsing "1e400": invalid syntax"#,
        ),
        (r#"{lower("A"): 1, "a": 2}"#, r#"{"a": 1}"#),
        (
            r#"rego.parse_module("a.rego", "package a")"#,
            r#"{"package": {"path": [{"type": "var", "value": "data"}, {"type": "string", "value": "a"}]}}"#,
        ),
    ] {
        assert_eq!(value_of(call), told, "{call}");
    }
}

#[test]
fn numbers_keep_what_doubles_cannot_hold() {
    for (expression, shown) in [
        (
            "sprintf(\"%v %s %d\", [2e308, 2e308, 2e308])",
            r#""2e308 2e308 %!d(string=2e308)""#,
        ),
        ("json.marshal(json.unmarshal(\"[1e400]\"))", r#""[1e400]""#),
        ("2e308 > 1e308", "true"),
        ("2e308 == 20e307", "true"),
        ("2e308 - 1.9e308 > 0", "true"),
        ("1e400 / 1e399", "10"),
    ] {
        assert_eq!(value_of(expression), shown, "{expression}");
    }
}

#[test]
fn formats_with_flags_and_widths() {
    for (format, args, shown) in [
        (
            "%5d|%-5d|%05d|%+d|% d|%6.3d|",
            "[1, 2, -3, 4, 5, 6]",
            "    1|2    |-0003|+4| 5|   006|",
        ),
        (
            "%5s|%-5s|%05s|%.2s|",
            r#"["a", "b", "c", "déf"]"#,
            "    a|b    |0000c|dé|",
        ),
        (
            "%v %v %v %v",
            "[1.0, 1234567.5, 1e21, 0.00001]",
            "1 1.2345675e+06 1e+21 1e-05",
        ),
        (
            "%g %.3g %.2e %8.2f|",
            "[1e20, 1234.5678, 12345.678, 3.14159]",
            "1e+20 1.23e+03 1.23e+04     3.14|",
        ),
        (
            "%d %f %e %5g",
            "[2.0, 3, 4, 5]",
            "%!d(float64=2) %!f(int64=3) %!e(int64=4) %!g(int64=    5)",
        ),
        (
            "%x % x %#x %X %x",
            r#"["hi", "hi", "hi", "hi", [1]]"#,
            "6869 68 69 0x6869 6869 5b315d",
        ),
        (
            "%t %v %q %d",
            r#"[true, null, [1], {}]"#,
            "%!t(string=true) null \"[1]\" %!d(string={})",
        ),
        (
            "%q %#q %+q %q",
            r#"["é\u0001", "ab", "é", 955]"#,
            "\"é\\x01\" `ab` \"\\u00e9\" 'λ'",
        ),
        ("%[2]v %[1]v|%[3]v|%[x]v", "[1, 2]", "2 1|%!v(BADINDEX)|%!v(BADINDEX)"),
        (
            "%*d|%-*d|%.*f|%*d",
            r#"[3, 1, 3, 2, 1, 2.55, "a", 4]"#,
            "  1|2  |2.5|%!(BADWIDTH)4",
        ),
        ("%#o %O %#U %b", "[8, 8, 955, 5]", "010 0o10 U+03BB 'λ' 101"),
        (
            "%v %e",
            "[12345678901234567890, 12345678901234567890]",
            "12345678901234567890 %!e(big.Int=12345678901234567890)",
        ),
    ] {
        let told = value_of(&format!("sprintf({format:?}, {args})"));
        let mut wanted = String::new();
        super::value::quote(shown, &mut wanted);
        assert_eq!(told, wanted, "{format}");
    }
}

#[test]
fn yaml_as_it_is_written() {
    assert_eq!(
        value_of(r#"yaml.marshal({"b": [1, {"c": "x\ny", "d": [[], {}]}], "a": {"e": "true", "1": null}})"#),
        r#""a:\n  \"1\": null\n  e: \"true\"\nb:\n  - 1\n  - c: |-\n      x\n      y\n    d:\n      - []\n      - {}\n""#
    );
    assert_eq!(value_of(r#"yaml.marshal(["a", "b c"])"#), r#""- a\n- b c\n""#);
}

#[test]
fn yaml_has_two_words_for_a_boolean() {
    assert_eq!(
        value_of(r#"yaml.unmarshal("a: yes\nb: y\nc: true\nd: 0x10")"#),
        r#"{"a": "yes", "b": "y", "c": true, "d": 16}"#
    );
}

#[test]
fn what_is_wrong_before_evaluation() {
    for (module, x) in [
        ("p := count(1)", "rego_type_error"),
        ("p := upper(count([1]))", "rego_type_error"),
        ("p := concat(\",\", [1])", "rego_type_error"),
        ("p := concat(\",\", [\"a\", input.user])", "\"a,amy\""),
        ("p := sum([\"a\" | true])", "rego_type_error"),
        ("p := sum([y | y := data.numbers[_]])", "6"),
        ("p := time.clock([1])", "rego_type_error"),
        ("p := \"a\" + 1", "rego_type_error"),
        (
            "p := net.cidr_contains_matches(\"1.1.1.0/24\", {\"x\": \"1.1.1.1\"})",
            "{[\"1.1.1.0/24\", \"x\"]}",
        ),
        ("p if 1 == \"a\"", "rego_type_error"),
        ("p := 1 == \"a\"", "false"),
        ("p if input.user == 1", "undefined"),
        ("p if { y := 1; y := 2 }", "rego_compile_error"),
        ("p if { some y; y := 2 }", "rego_compile_error"),
        ("p if { some y; true }", "rego_compile_error"),
        ("p if { some y in [1]; some y in [2] }", "rego_compile_error"),
        ("p if { y = 1; some y; y = 2 }", "rego_compile_error"),
        ("p if { input := 1 }", "rego_compile_error"),
        ("p if { 1 := 1 }", "rego_compile_error"),
        ("p if { input.user := 1 }", "rego_compile_error"),
        ("input := 1", "rego_compile_error"),
        ("p := {\"b\": 1}\np.c := 1", "rego_type_error"),
        ("p contains 1\np.b := 1", "rego_type_error"),
        ("p.b := 1\np[y] := 2 if y := \"c\"", "{\"b\": 1, \"c\": 2}"),
        ("default p := input.user", "rego_parse_error"),
        ("default p contains 1", "rego_parse_error"),
        ("default p := [y | y := 1]", "[1]"),
        ("p contains 1 if false else := 2", "rego_parse_error"),
        ("p[y] := 1 if { y := 1 } else := 2", "rego_parse_error"),
        ("p := 1 else := 2", "rego_parse_error"),
        ("p", "rego_parse_error"),
        ("p.q", "rego_parse_error"),
        ("f(\"a\")\nf(y) if y == 1\np := [f(\"a\"), f(1)]", "[true, true]"),
        ("p := [data.numbers[i] | not data.numbers[i] == 2]", "[1, 3]"),
        (
            "p := {sprintf(\"%d\", [data.numbers[i]]) | not contains(\"x\", input.roles[i])}",
            "{\"1\", \"2\"}",
        ),
        ("p := [i | not data.numbers[i] == 2]", "rego_unsafe_var_error"),
        ("p := [i | not startswith(lower(input.roles[i]), \"d\")]", "[1]"),
        ("f(y) := y\np := f", "rego_type_error"),
        ("f(y) := y\np := z if { z := f(1) with f as g }\ng(y) := y + 1", "2"),
        ("p if { every [y] in [[1]] { y } }", "rego_parse_error"),
        ("p if { not every y in [1] { y } }", "rego_parse_error"),
        ("p := \"a\", 1 in {\"a\": 1}", "true"),
    ] {
        let module = format!("package t\n{module}");
        assert_eq!(answer(&[&module], "x = data.t.p", Version::V1), x, "{module}");
    }
}

#[test]
fn a_whole_value_has_no_other_below_it() {
    for (module, x) in [
        (
            "p[y] := z if { y := \"a\"; z := {\"b\": 1} }\np.a.c := 2",
            "eval_conflict_error",
        ),
        (
            "p[y] := z if { y := \"a\"; z := 1 }\np.b.c := 2",
            r#"{"a": 1, "b": {"c": 2}}"#,
        ),
        (
            "p[y].b := 1 if { y := \"a\" }\np.a.c := 2",
            r#"{"a": {"b": 1, "c": 2}}"#,
        ),
        ("p := y if { y := 1 with input.roles[0] as 2 }", "eval_conflict_error"),
    ] {
        let module = format!("package t\n{module}");
        assert_eq!(answer(&[&module], "x = data.t.p", Version::V1), x, "{module}");
    }
}

#[test]
fn bodies_with_and_or_not() {
    for (module, x) in [
        ("p if false or true", "true"),
        ("p if { false or true and false }", "undefined"),
        ("p if { true or true and false }", "true"),
        ("p if { (true or true) and false }", "undefined"),
        ("p if { ((false or true)) }", "true"),
        ("p if { { y := 1; y == 1 } or false }", "true"),
        ("p if { { y := 1; y == 2 } and true }", "undefined"),
        ("p if not { input.user == \"bob\"; true }", "true"),
        ("p if not (input.user == \"amy\" or false)", "undefined"),
        ("p if { not input.nope and not { false } }", "true"),
        // All of a negated line is within its body.
        ("p if not count(input.nope) == 0", "true"),
        ("p contains y if { some y in [1, 2, 3]; y == 1 or y == 3 }", "{1, 3}"),
        (
            "p if { input.user == 1 or input.user == 2 with input.user as 2 }",
            "true",
        ),
        (
            "p if { input.user == 1 with input.user as 1 or false }",
            "rego_parse_error",
        ),
        ("p if { (input.user == 1 with input.user as 1) or false }", "true"),
        ("p := or({1}, and({2}, {2}))", "{1, 2}"),
        ("p if { y == 1 or y == 2 }", "rego_unsafe_var_error"),
        ("p if { y := 1 or 2 }", "rego_compile_error"),
        ("p if { true or numbers.range(1, 1000000000) == [] }", "true"),
        ("or := 1", "rego_parse_error"),
        ("p := {\"or\": 1}.or", "1"),
    ] {
        let module = format!("package t\nimport rego.v2\n{module}");
        assert_eq!(answer(&[&module], "x = data.t.p", Version::V1), x, "{module}");
    }
    let plain = "package t\np := or if { or := and(2) }\nand(x) := x + 1";
    assert_eq!(answer(&[plain], "x = data.t.p", Version::V1), "3");
    let own = "package t\nimport future.keywords.or\np if { false or true }";
    assert_eq!(answer(&[own], "x = data.t.p", Version::V1), "true");
}

#[test]
fn printing_is_passed_over() {
    for (module, x) in [
        ("p := 1 if { print(\"a\", input.nope, {1}) }", "1"),
        ("p if { print(\"a\") }", "true"),
        ("p := print(\"a\")", "rego_type_error"),
        ("p if print(\"a\") == 1", "rego_type_error"),
        ("p if internal.print([{1}])", "true"),
        ("p if internal.test_case([1])", "true"),
        (
            "p := internal.template_string([\"a\", {1}, set(), {\"b\"}])",
            "\"a1<undefined>b\"",
        ),
    ] {
        let module = format!("package t\n{module}");
        assert_eq!(answer(&[&module], "x = data.t.p", Version::V1), x, "{module}");
    }
}

#[test]
fn what_stands_in_for_a_function_calls_the_function_itself() {
    let module = "package t\np := x if { x := f(1) with f as g }\nf(x) := x\ng(x) := f(x) + 1\n";
    assert_eq!(answer(&[module], "x = data.t.p", Version::V1), "2");
}

#[test]
fn rules_of_version_1() {
    let cases = [
        ("p := 1 + 2 * 3", "7"),
        ("p := 0.1 + 0.2", "0.3"),
        ("p := 9223372036854775807 + 1", "9223372036854775808"),
        ("p contains x if some x in data.numbers", "{1, 2, 3}"),
        ("p[k] := v.size if some k, v in data.teams", r#"{"a": 3, "b": 5}"#),
        ("p if every n in data.numbers { n < 4 }", "true"),
        ("p if every n in data.numbers { n < 3 }", "undefined"),
        ("p := [x | x := data.numbers[_]; x > 1]", "[2, 3]"),
        ("p := {x: y | some y, x in data.numbers}", "{1: 0, 2: 1, 3: 2}"),
        ("default p := 7\np := 8 if input.user == \"bob\"", "7"),
        (
            "p := 1 if input.user == \"bob\" else := 2 if input.user == \"amy\" else := 3",
            "2",
        ),
        ("f(x) := y if { y := x * 2 }\np := f(21)", "42"),
        ("f(x) := x\np := f(1, 2)", "rego_type_error"),
        // What a negated call is about must be there; what is negated as such need not be.
        ("p if not startswith(input.nope, \"a\")", "undefined"),
        ("p if not count(input.nope) == 0", "undefined"),
        ("p if not input.nope != 1", "undefined"),
        ("p if not input.nope == 1", "true"),
        ("p if not input.nope", "true"),
        ("p if not startswith(input.user, \"b\")", "true"),
        (
            "f(x) := 1 if x == 1\nf(x) := 2 if x == 2\np := [f(1), f(2), f(1)]",
            "[1, 2, 1]",
        ),
        (
            r#"p := sprintf("%s %d %q", [7, 1.5, 97])"#,
            r#""%!s(int64=7) %!d(float64=1.5) 'a'""#,
        ),
        ("p := input.user with input.user as \"zoe\"", "rego_parse_error"),
        (
            "p := x if { x := q with input.user as \"zoe\" }\nq := input.user",
            "\"zoe\"",
        ),
        ("p := x if { x := count([1]) with count as 5 }", "5"),
        ("p := x if { x := data.teams.c.size with data.teams.c.size as 9 }", "9"),
        ("p if { not input.absent }", "true"),
        ("p if { not q[x] }\nq contains 1", "rego_unsafe_var_error"),
        ("p := x if { x > 1 }", "rego_unsafe_var_error"),
        ("p := q\nq := p", "rego_recursion_error"),
        ("p := 1\np := 2", "eval_conflict_error"),
        ("p := nothing.such(1)", "rego_type_error"),
        ("p := 1 / 0", "undefined"),
        ("p := [x, y] if { [x, {\"a\": y}] = [1, {\"a\": 2}] }", "[1, 2]"),
        ("p := x if { y := x + 1; x := 2; y == 3 }", "rego_compile_error"),
        ("p := x if { walk({\"a\": [5]}, [[\"a\", 0], x]) }", "5"),
        (
            "p := $\"{input.user} has {count(input.roles)}, {input.absent}\"",
            "\"amy has 2, <undefined>\"",
        ),
        (
            "p.q.r := 1\np.q[x] := 2 if some x in [\"s\"]",
            r#"{"q": {"r": 1, "s": 2}}"#,
        ),
        (
            "p[x][y] contains z if { x := 1; y := 2; some z in [3, 4] }",
            "{1: {2: {3, 4}}}",
        ),
        ("p := {1, 2} | {3}", "{1, 2, 3}"),
        ("p := {1, 2} & {2, 3}", "{2}"),
        ("p := 1 in [1, 2]", "true"),
        ("p := (0, 1) in [1]", "rego_parse_error"),
        (
            "p := sprintf(\"%v %d %s %5.2f|%-4d|%04d %x\", [[\"a\"], 3, \"s\", 1.5, 7, 42, 255])",
            "\"[\\\"a\\\"] 3 s  1.50|7   |0042 ff\"",
        ),
        ("p := sprintf(\"%v\", [])", "\"%!v(MISSING)\""),
        (
            "p := json.match_schema({\"a\": 1}, {\"properties\": {\"a\": {\"type\": \"integer\"}}, \"required\": [\"a\"]})",
            "[true, []]",
        ),
        (
            "p := json.match_schema({}, {\"required\": [\"a\"]})[1][0].error",
            "\"(Root): a is required\"",
        ),
        ("p := json.verify_schema({\"type\": \"thing\"})[0]", "false"),
        ("p := 1.0", "1.0"),
        ("p { true }", "rego_parse_error"),
        ("p := [1, 2", "rego_parse_error"),
    ];
    for (rules, wanted) in cases {
        let module = format!("package t\n\n{rules}\n");
        assert_eq!(answer(&[&module], "x = data.t.p", Version::V1), wanted, "{rules}");
    }
}

#[test]
fn rules_of_version_0() {
    let cases = [
        ("p[x] { x := data.numbers[_] }", "{1, 2, 3}"),
        ("p[k] = v { v := data.teams[k].size }", r#"{"a": 3, "b": 5}"#),
        ("p = 1 { false } else = 2 { true }", "2"),
        ("p { input.roles[_] == \"ops\" }", "true"),
        ("p = \"a\" { input.user == \"bob\" } { input.user == \"amy\" }", "\"a\""),
        ("f() = 3 { true }\np = f()", "3"),
        ("p[{\"msg\": msg}] { msg := input.user }", r#"{{"msg": "amy"}}"#),
        ("if = 1\np = if", "1"),
        ("import future.keywords.in\np { \"dev\" in input.roles }", "true"),
        ("import rego.v1\np contains 1 if true", "{1}"),
        ("p = x { x := 1\n(x > 0) }", "1"),
    ];
    for (rules, wanted) in cases {
        let module = format!("package t\n\n{rules}\n");
        assert_eq!(answer(&[&module], "x = data.t.p", Version::V0), wanted, "{rules}");
    }
}

#[test]
fn modules_see_each_other() {
    let modules = [
        "package a\n\nimport data.b as other\n\np := other.q[1]",
        "package b\n\nq contains n if some n in [1, 2]",
    ];
    assert_eq!(answer(&modules, "x = data.a.p", Version::V1), "1");
    assert_eq!(answer(&modules, "x = data.b", Version::V1), r#"{"q": {1, 2}}"#);
    assert_eq!(answer(&modules, "data.b.q[x]", Version::V1), "1 | 2");
    assert_eq!(answer(&modules, "data[x].p", Version::V1), "\"a\"");
}

#[test]
fn work_is_bounded() {
    let endless = "package t\n\np := count([1 | numbers.range(1, 1000)[_]; numbers.range(1, 1000)[_]])";
    assert_eq!(answer(&[endless], "x = data.t.p", Version::V1), "eval_cancel_error");
    // A chain of functions, each calling the next, and terms nested without end.
    let mut chain = "package t\n\nf0(x) := x\n".to_owned();
    for i in 1..500 {
        chain.push_str(&format!("f{i}(x) := f{}(x)\n", i - 1));
    }
    chain.push_str("p := f499(1)");
    assert_eq!(answer(&[&chain], "x = data.t.p", Version::V1), "eval_cancel_error");
    for bracket in ["[", "{", "(", "-", "f(", "not "] {
        let nested = format!("package t\n\np if {{ {} }}", bracket.repeat(5_000));
        assert_eq!(
            answer(&[&nested], "x = data.t.p", Version::V1),
            "rego_parse_error",
            "{bracket}"
        );
    }
}

#[test]
fn broken_modules_end_in_errors() {
    let whole = "package t\n\nimport data.a as b\n\n# METADATA\n# title: x\ndefault p := {\"a\": [1, 2.5e3, `raw`]}\n\np := $\"{b} \\{\" if {\n\tsome k, v in input.x[_].y with input as {1}\n\tnot every x in {1} { x == [k | v]\n}\n} else := f(-1)\n";
    for end in 0..whole.len() {
        if whole.is_char_boundary(end) {
            let _ = answer(&[&whole[..end]], "x = data.t.p", Version::V1);
            let _ = answer(&[&whole[..end]], "x = data.t.p", Version::V0);
        }
    }
}

/// A set that is asked for some of its elements gives what the whole set has of them.
#[test]
fn sets_are_narrowed_to_what_is_asked() {
    const RULES: &str = "package t
found[{\"name\": name, \"field\": field}] { x := {\"a\": [1, 2], \"b\": [3], \"c\": 4}[field][_]; name := x }
found[{\"name\": \"fixed\", \"field\": \"b\"}] { true }
found[{\"name\": field, \"field\": field}] { field := [\"a\", \"z\"][_] }
found[{\"name\": n, \"field\": f}] { n := 9; f := lower(\"A\") }
found[{\"name\": n, \"field\": field, \"more\": 1}] { n := 10; field := \"a\" }
found[{\"name\": n, \"field\": field}] { field := [\"a\", \"b\"][_]; xs := [y | y := {\"a\": 11, \"b\": 12}[field]]; n := xs[0] }
inner[{\"name\": n, \"field\": f, \"deep\": d}] { found[{\"name\": n, \"field\": \"a\"}]; f := \"a\"; d := [1, 2][_] }
";
    for (body, want) in [
        (
            "p[n] { found[{\"name\": n, \"field\": \"a\"}] }",
            "{1, 2, 9, 11, \"a\"}",
        ),
        ("p[n] { found[{\"name\": n, \"field\": \"b\"}] }", "{3, 12, \"fixed\"}"),
        ("p[n] { found[{\"name\": n, \"field\": \"c\"}] }", "set()"),
        ("p[n] { found[{\"name\": n, \"field\": \"z\"}] }", "{\"z\"}"),
        ("p[n] { found[{\"name\": n, \"field\": \"a\", \"more\": 1}] }", "{10}"),
        (
            "p[n] { n := \"fixed\"; found[{\"name\": n, \"field\": \"b\"}] }",
            "{\"fixed\"}",
        ),
        (
            "p[[n, d]] { inner[{\"name\": n, \"field\": \"a\", \"deep\": d}]; n == 1 }",
            "{[1, 1], [1, 2]}",
        ),
        ("p = count(found) { found[{\"name\": 1, \"field\": \"a\"}] }", "10"),
        (
            "p = keys { keys := {k | data.t[k]}; found[{\"name\": 1, \"field\": \"a\"}] }",
            "rego_recursion_error",
        ),
        (
            "p[n] { found[{\"name\": n, \"field\": \"a\"}] with data.t.found as {{\"name\": 0, \"field\": \"a\"}} }",
            "{0}",
        ),
    ] {
        let module = format!("{RULES}{body}");
        assert_eq!(answer(&[&module], "x = data.t.p", Version::V0), want, "{body}");
    }
}

/// Rules of one set that begin alike are one body with arms: slots that one arm fills do not reach the next.
#[test]
fn rules_that_begin_alike_give_what_each_gives() {
    const RULES: &str = "package t
p[[\"one\", n, y]] { n := data.numbers[_]; n > 1; y := n * 2; y > 4 }
p[[\"two\", n, y]] { n := data.numbers[_]; n > 1; y := n * 3; not y == 6 }
p[[\"three\", n, z]] { n := data.numbers[_]; n > 1; z := [m | m := data.numbers[_]; m < n] }
p[\"four\"] { n := data.numbers[_]; n > 5 }
p[[\"five\", n]] { n := data.numbers[_] }
p[[\"six\", team]] { data.teams[team].size > 3 }
";
    assert_eq!(
        answer(&[RULES], "x = data.t.p", Version::V0),
        "{[\"five\", 1], [\"five\", 2], [\"five\", 3], [\"one\", 3, 6], [\"six\", \"b\"], [\"three\", 2, [1]], \
         [\"three\", 3, [1, 2]], [\"two\", 3, 9]}"
    );
}
