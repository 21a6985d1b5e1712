//! Templates in the language of Go's `text/template`.

mod lexer;
mod parser;
mod run;

use super::super::error::Fault;
use super::super::value::Value;
use super::Env;

/// What a template is made of.
enum Node {
    Text(String),
    /// A value that is shown, unless it is only given a name.
    Show(Pipe),
    If(Pipe, Vec<Node>, Vec<Node>),
    With(Pipe, Vec<Node>, Vec<Node>),
    Range(Pipe, Vec<Node>, Vec<Node>),
    Template(String, Option<Pipe>),
    Break,
    Continue,
}

/// Commands, each given the value of the one before as its last argument.
struct Pipe {
    names: Vec<String>,
    /// Whether the names are new.
    declares: bool,
    commands: Vec<Vec<Arg>>,
}

/// An argument, with the fields asked of it.
struct Arg {
    of: Of,
    fields: Vec<String>,
}

enum Of {
    Dot,
    Variable(String),
    Function(String),
    Value(Value<'static>),
    Pipe(Pipe),
}

fn wrong(why: impl std::fmt::Display) -> Fault {
    Fault::value(format!("template: template: {why}"))
}

/// Fills a template in.
pub(super) fn render(env: &Env<'_>, template: &str, vars: &Value<'_>) -> Result<String, Fault> {
    env.work(template.len())?;
    let parsed = parser::parse(template)?;
    let out = run::run(env, &parsed, &vars.to_owned())?;
    Ok(out.replace("<no value>", "<undefined>"))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::value_of;

    #[test]
    fn templates_with_their_values() {
        for (template, vars, shown) in [
            ("hi {{.a}} {{.b.c}}", r#"{"a": "x", "b": {"c": 1}}"#, "hi x 1"),
            (
                "{{range $i, $x := .xs}}{{if $i}},{{end}}{{$x.n}}{{end}}",
                r#"{"xs": [{"n": "a"}, {"n": "b"}]}"#,
                "a,b",
            ),
            (
                "{{range $k, $v := .}}{{$k}}{{$v}}{{else}}no{{end}}",
                r#"{"b": 1, "a": 2}"#,
                "a2b1",
            ),
            ("{{range .a}}x{{else}}none{{end}}", r#"{"a": []}"#, "none"),
            (
                "{{range .l}}{{if eq . `b`}}{{continue}}{{else if eq . `d`}}{{break}}{{end}}{{$.x}}{{.}}{{end}}",
                r#"{"l": ["a", "b", "c", "d"], "x": 0}"#,
                "0a0c",
            ),
            ("{{if .a}}y{{else}}n{{end}}", r#"{"a": 0}"#, "y"),
            ("{{if .a}}y{{else}}n{{end}}", r#"{"a": ""}"#, "n"),
            ("{{with .a}}a{{else with .b}}{{.}}{{end}}", r#"{"b": 1}"#, "1"),
            ("{{.missing}} {{.a.b.c}}", r#"{"a": {}}"#, "<undefined> <undefined>"),
            ("{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{end}}{{$x}}", "{}", "2"),
            (
                "{{len .a}} {{index .a 0}} {{printf `%s-%d` `x` 5}}",
                r#"{"a": ["p"]}"#,
                "1 p x-5",
            ),
            ("a  {{- 1 -}}  b{{/* no */}}", "{}", "a1b"),
            (
                "{{.a | printf `%v`}} {{.b}}",
                r#"{"a": [1, "b"], "b": {"x": [null, true]}}"#,
                "[1 b] map[x:[<nil> true]]",
            ),
            (
                "{{html .a}} {{urlquery .a}}",
                r#"{"a": "<b c>"}"#,
                "&lt;b c&gt; %3Cb+c%3E",
            ),
            (
                "{{define `T`}}[{{.}}]{{end}}{{template `T` .a}}{{block `B` 2}}({{.}}){{end}}",
                r#"{"a": "b"}"#,
                "[b](2)",
            ),
            (
                "{{not true}} {{and 1 0}} {{or 0 2}} {{lt 1 2}} {{eq .a 1 2}}",
                r#"{"a": true}"#,
                "",
            ),
            (
                "{{and .a (not .b)}} {{(index .l 0).x}} {{slice `abcd` 1 3}}",
                r#"{"a": 1, "b": false, "l": [{"x": 9}]}"#,
                "true 9 bc",
            ),
            (
                "{{print 1 2 `a` `b` 3}} {{'a'}} {{1e3}} {{0x10}}",
                "{}",
                "1 2ab3 97 1000 16",
            ),
        ] {
            let told = value_of(&format!("strings.render_template({template:?}, {vars})"));
            if shown.is_empty() {
                assert!(told.starts_with("eval_builtin_error"), "{template}: {told}");
            } else {
                assert_eq!(told, format!("{shown:?}"), "{template}");
            }
        }
    }

    #[test]
    fn what_is_no_template() {
        for template in [
            "{{.a",
            "{{foo}}",
            "{{end}}",
            "{{if .a}}",
            "{{else}}",
            "{{if}}{{end}}",
            "{{$x}}",
            "{{nil}}",
            "{{.a b}}",
            "{{\"a}}",
            "{{template `x`}}",
            "{{len}}",
            "{{len 1 2}}",
            "{{.a-b}}",
            "{{lt 1 `a`}}",
            "{{index .a 9}}",
            "{{range .t}}{{end}}",
            "{{.t.u}}",
            "{{break}}",
        ] {
            let told = value_of(&format!(
                "strings.render_template({template:?}, {{\"a\": [1], \"t\": \"s\"}})"
            ));
            assert!(
                told.starts_with("eval_builtin_error: strings.render_template: template"),
                "{template}: {told}"
            );
        }
        let deep = "{{define `T`}}{{template `T`}}{{end}}{{template `T`}}";
        let told = value_of(&format!("strings.render_template({deep:?}, {{}})"));
        assert!(told.starts_with("eval_builtin_error"), "{told}");
    }
}
