//! Whole texts: literal parts, outputs and tags.

use ridgeway_doc::{Kind, Map, Node, Value};

use super::evaluate::{Scope, printed};
use super::parse::{Expression, parse, parse_for, parse_set};
use super::{Fault, Fuel};

/// The largest text that a template may become.
const MAX_OUTPUT: usize = 4 << 20;
/// How deep tags may nest.
const MAX_NESTING: usize = 32;

/// A parsed template text.
#[derive(Debug)]
pub(crate) struct Text(Vec<Part>);

#[derive(Debug)]
enum Part {
    Literal(String),
    Output(Expression),
    If(Vec<(Option<Expression>, Vec<Part>)>),
    For {
        names: Vec<String>,
        list: Expression,
        body: Vec<Part>,
        otherwise: Vec<Part>,
    },
    Set(String, Expression),
}

impl Text {
    /// Parses a text.
    pub(crate) fn parse(source: &str) -> Result<Text, Fault> {
        let mut reader = Reader {
            source,
            at: 0,
            trim: false,
        };
        let (parts, _) = reader.parts(0, &[])?;
        Ok(Text(parts))
    }

    /// Renders to text.
    pub(crate) fn render(&self, root: &Value) -> Result<String, Fault> {
        let mut out = String::new();
        render(&self.0, &mut Scope::new(root), &mut Fuel::full(), &mut out)?;
        Ok(out)
    }

    /// Renders to a value: a text that is one single output keeps its type.
    pub(crate) fn value(&self, root: &Value) -> Result<Value, Fault> {
        match &self.0[..] {
            [Part::Output(expression)] => expression.value(&Scope::new(root), &mut Fuel::full()),
            _ => self.render(root).map(Value::from),
        }
    }

    /// Whether the text holds as a condition: a single output as its value, an undefined one not at all.
    pub(crate) fn holds(&self, root: &Value) -> Result<bool, Fault> {
        match &self.0[..] {
            [Part::Output(expression)] => expression.holds(&Scope::new(root), &mut Fuel::full()),
            _ => self.render(root).map(|text| !text.is_empty()),
        }
    }
}

fn render(parts: &[Part], scope: &mut Scope<'_>, fuel: &mut Fuel, out: &mut String) -> Result<(), Fault> {
    for part in parts {
        match part {
            Part::Literal(text) => out.push_str(text),
            Part::Output(expression) => {
                let value = expression.value(scope, fuel)?;
                out.push_str(&printed(&value, expression.offset)?);
                if out.len() > MAX_OUTPUT {
                    return Err(Fault::new(expression.offset, "the text becomes larger than 4 MiB"));
                }
            }
            Part::If(branches) => {
                for (condition, body) in branches {
                    if condition.as_ref().map_or(Ok(true), |c| c.holds(scope, fuel))? {
                        render(body, scope, fuel, out)?;
                        break;
                    }
                }
            }
            Part::For {
                names,
                list,
                body,
                otherwise,
            } => {
                let value = list.value(scope, fuel)?;
                let items = pairs(value.node(), names, list.offset)?;
                if items.is_empty() {
                    render(otherwise, scope, fuel, out)?;
                }
                let count = items.len();
                for (index, item) in items.into_iter().enumerate() {
                    fuel.burn(list.offset)?;
                    let mark = scope.mark();
                    for (name, value) in names.iter().zip(item) {
                        scope.push(name, value);
                    }
                    scope.push("loop", position(index, count));
                    render(body, scope, fuel, out)?;
                    scope.reset(mark);
                }
            }
            Part::Set(name, expression) => {
                let value = expression.value(scope, fuel)?;
                scope.push(name, value);
            }
        }
    }
    Ok(())
}

fn pairs(list: Node<'_>, names: &[String], offset: usize) -> Result<Vec<Vec<Value>>, Fault> {
    match (list.kind(), names.len()) {
        (Kind::Array, 1) => Ok(list.items().map(|item| vec![item.to_value()]).collect()),
        (Kind::Array, _) => Ok(list
            .items()
            .map(|item| item.items().map(Node::to_value).collect())
            .collect()),
        (Kind::Object, 2) => Ok(list
            .members()
            .map(|(key, value)| vec![key.into(), value.to_value()])
            .collect()),
        (Kind::Null, _) => Ok(Vec::new()),
        (other, _) => Err(Fault::new(offset, format!("`for` needs a list here, found {other}"))),
    }
}

fn position(index: usize, count: usize) -> Value {
    let mut map = Map::new();
    map.insert("index", index as i64 + 1);
    map.insert("index0", index as i64);
    map.insert("first", index == 0);
    map.insert("last", index + 1 == count);
    map.insert("length", count as i64);
    map.into()
}

struct Tag<'a> {
    name: &'a str,
    rest: &'a str,
    offset: usize,
    rest_offset: usize,
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    /// Whether the last tag asked to trim what follows.
    trim: bool,
}

impl<'a> Reader<'a> {
    /// Reads parts up to one of the closing tags (or the end, which gives `None`).
    fn parts(&mut self, depth: usize, close: &[&str]) -> Result<(Vec<Part>, Option<Tag<'a>>), Fault> {
        if depth > MAX_NESTING {
            return Err(Fault::new(self.at, "tags nest too deeply"));
        }
        let mut parts = Vec::new();
        loop {
            let rest = &self.source[self.at..];
            let next = ["${{", "{%", "{#"]
                .iter()
                .filter_map(|open| Some((rest.find(open)?, *open)))
                .min();
            let (length, open) = next.unwrap_or((rest.len(), ""));
            let mut literal = &rest[..length];
            if std::mem::take(&mut self.trim) {
                literal = literal.trim_start();
            }
            let inside = &rest[length + open.len()..];
            if inside.starts_with('-') && !open.is_empty() {
                literal = literal.trim_end();
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let start = self.at + length;
            match open {
                "" => {
                    self.at = self.source.len();
                    return Ok((parts, None));
                }
                "{#" => {
                    self.inside(start, "{#", "#}")?;
                }
                "${{" => {
                    let (text, offset) = self.inside(start, "${{", "}}")?;
                    parts.push(Part::Output(parse(text, offset)?));
                }
                _ => {
                    let tag = self.tag(start)?;
                    if close.contains(&tag.name) {
                        return Ok((parts, Some(tag)));
                    }
                    parts.push(self.block(depth, tag)?);
                }
            }
        }
    }

    /// The text between two marks, and its offset; dashes at either end trim the text around.
    fn inside(&mut self, start: usize, open: &str, close: &str) -> Result<(&'a str, usize), Fault> {
        let mut begin = start + open.len();
        if self.source[begin..].starts_with('-') {
            begin += 1;
        }
        let Some(length) = closing(&self.source[begin..], close) else {
            return Err(Fault::new(start, format!("`{open}` has no closing `{close}`")));
        };
        self.at = begin + length + close.len();
        let text = &self.source[begin..begin + length];
        self.trim = text.ends_with('-');
        Ok((text.strip_suffix('-').unwrap_or(text), begin))
    }

    fn tag(&mut self, start: usize) -> Result<Tag<'a>, Fault> {
        let (text, offset) = self.inside(start, "{%", "%}")?;
        let lead = text.len() - text.trim_start().len();
        let body = text.trim_start();
        let name_length = body.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(body.len());
        let (name, rest) = body.split_at(name_length);
        Ok(Tag {
            name,
            rest,
            offset: start,
            rest_offset: offset + lead + name_length,
        })
    }

    fn block(&mut self, depth: usize, tag: Tag<'a>) -> Result<Part, Fault> {
        let open = |name: &str| Fault::new(tag.offset, format!("`{name}` is never closed by `end{name}`"));
        match tag.name {
            "if" => {
                let mut branches = Vec::new();
                let mut condition = Some(parse(tag.rest, tag.rest_offset)?);
                loop {
                    let close: &[&str] = if condition.is_some() {
                        &["elif", "elseif", "else", "endif"]
                    } else {
                        &["endif"]
                    };
                    let (body, end) = self.parts(depth + 1, close)?;
                    branches.push((condition, body));
                    let end = end.ok_or_else(|| open("if"))?;
                    condition = match end.name {
                        "endif" => return Ok(Part::If(branches)),
                        "else" => None,
                        _ => Some(parse(end.rest, end.rest_offset)?),
                    };
                }
            }
            "for" => {
                let (names, list) = parse_for(tag.rest, tag.rest_offset)?;
                let (body, end) = self.parts(depth + 1, &["else", "endfor"])?;
                let end = end.ok_or_else(|| open("for"))?;
                let mut otherwise = Vec::new();
                if end.name == "else" {
                    let (parts, end) = self.parts(depth + 1, &["endfor"])?;
                    end.ok_or_else(|| open("for"))?;
                    otherwise = parts;
                }
                Ok(Part::For {
                    names,
                    list,
                    body,
                    otherwise,
                })
            }
            "set" => {
                let (name, expression) = parse_set(tag.rest, tag.rest_offset)?;
                Ok(Part::Set(name, expression))
            }
            "raw" | "verbatim" => self.raw(&tag),
            "else" | "elif" | "elseif" | "endif" | "endfor" | "endraw" | "endverbatim" => {
                Err(Fault::new(tag.offset, format!("`{}` closes nothing", tag.name)))
            }
            other => Err(Fault::new(
                tag.offset,
                format!("`{other}` is not a tag that templates have; known are if, for, set and raw"),
            )),
        }
    }

    /// Everything up to `endraw`, as it stands.
    fn raw(&mut self, tag: &Tag<'a>) -> Result<Part, Fault> {
        let begin = self.at;
        let mut from = begin;
        while let Some(found) = self.source[from..].find("{%") {
            let start = from + found;
            let end = self.tag(start)?;
            if end.name == format!("end{}", tag.name) {
                return Ok(Part::Literal(self.source[begin..start].to_owned()));
            }
            from = start + 2;
        }
        Err(Fault::new(
            tag.offset,
            format!("`{0}` is never closed by `end{0}`", tag.name),
        ))
    }
}

/// Where a closing mark stands; marks inside quoted texts and inside braces do not count.
fn closing(text: &str, close: &str) -> Option<usize> {
    if close == "#}" {
        return text.find(close);
    }
    let mut quote = None;
    let mut depth = 0_usize;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if depth == 0 && text[index..].starts_with(close) => return Some(index),
            None => match c {
                '"' | '\'' => quote = Some(c),
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn world() -> Value {
        let doc = ridgeway_doc::parse_json(
            br#"{"values":{"name":"checkout","port":8080,"callers":["orders","web"],"empty":[],"none":null,
                "labels":{"team":"a","tier":"b"},"flag":false}}"#,
        );
        doc.unwrap().into()
    }

    fn check(source: &str, expected: Expect) {
        let result = Text::parse(source).and_then(|text| text.render(&world()));
        expected.assert_eq(&result.unwrap_or_else(|fault| format!("{}: {}", fault.offset, fault.message)));
    }

    #[test]
    fn outputs_and_filters() {
        check("n: ${{ values.name }}:${{values.port}}", expect!["n: checkout:8080"]);
        check(
            "${{ values.name | upper | replace('OUT', '-in') }}",
            expect!["CHECK-in"],
        );
        check(
            "${{ values.callers | join(', ') }} ${{ values.callers[1] }}",
            expect!["orders, web web"],
        );
        check("${{ values['name'] ~ '-' ~ 6 / 2 }}", expect!["checkout-3"]);
        check(
            "${{ values.port + 1 if values.flag else values.port - 1 }}",
            expect!["8079"],
        );
        check("${{ values.missing | default('x') }}${{ values.none }}", expect!["x"]);
        check("${{ 'Order Service!' | slug }}", expect!["order-service"]);
        check("${{ 'web' in values.callers and not values.flag }}", expect!["true"]);
        check("${{ {a: 1}.a }}{{ not ours }}", expect!["1{{ not ours }}"]);
        check("${{ 'group:Team' | parseEntityRef | pick('name') }}", expect!["team"]);
        check("${{ 'h?owner=o&repo=r' | projectSlug }}", expect!["o/r"]);
    }

    #[test]
    fn tags() {
        check(
            "{% if values.flag %}a{% elif values.port > 80 %}b{% else %}c{% endif %}",
            expect!["b"],
        );
        check(
            "{% for c in values.callers %}${{ loop.index }}${{ c }}{% if not loop.last %},{% endif %}{% endfor %}",
            expect!["1orders,2web"],
        );
        check(
            "{% for k, v in values.labels %}${{ k }}=${{ v }};{% endfor %}",
            expect!["team=a;tier=b;"],
        );
        check(
            "{% for c in values.empty %}x{% else %}none{% endfor %}",
            expect!["none"],
        );
        check("a\n  {%- if true -%}\n  b\n{% endif %}", expect!["ab\n"]);
        check("{% raw %}${{ as is }}{% endraw %}{# gone #}", expect!["${{ as is }}"]);
        check("{% set x = values.name %}${{ x }}", expect!["checkout"]);
    }

    #[test]
    fn faults_name_place_and_remedy() {
        check(
            "a ${{ values.nmae }}",
            expect!["6: `values.nmae` is not defined; did you mean `values.name`?"],
        );
        check(
            "${{ parameters.x }}",
            expect!["4: `parameters` is not defined; defined are: values"],
        );
        check(
            "${{ values.labels }}",
            expect!["4: an object cannot be printed; name one of its fields, or use `| dump`"],
        );
        check(
            "${{ values.name | shout }}",
            expect![
                "16: `shout` is not a filter that templates have; known are abs, capitalize, d, default, dump, first, float, indent, int, join, last, length, lower, parseEntityRef, parseRepoUrl, pick, projectSlug, replace, reverse, safe, slug, sort, string, trim, upper"
            ],
        );
        check("${{ values.name", expect!["0: `${{` has no closing `}}`"]);
        check("{% if true %}x", expect!["0: `if` is never closed by `endif`"]);
        check("x{% endfor %}", expect!["1: `endfor` closes nothing"]);
        check(
            "${{ values.name.toUpperCase() }}",
            expect!["27: values have no methods; use a filter instead of `.toUpperCase(…)`"],
        );
        check(
            "${{ 1 / 0 }}",
            expect!["4: `/` gives no number here (division by zero?)"],
        );
    }

    #[test]
    fn work_is_bounded() {
        let list = format!("[{}]", "1,".repeat(200));
        let nested = format!(
            "{{% set l = {list} %}}{{% for a in l %}}{{% for b in l %}}{{% for c in l %}}x{{% endfor %}}{{% endfor %}}{{% endfor %}}"
        );
        let fault = Text::parse(&nested).unwrap().render(&world()).unwrap_err();
        assert!(fault.message.contains("200,000 steps"), "{}", fault.message);
        let deep = format!("${{{{ {}1{} }}}}", "(".repeat(500), ")".repeat(500));
        assert!(Text::parse(&deep).unwrap_err().message.contains("too deeply"));
        assert!(
            Text::parse(&format!("${{{{ {}1 }}}}", "-".repeat(5000)))
                .unwrap_err()
                .message
                .contains("too deeply")
        );
    }

    #[test]
    fn a_single_output_keeps_its_type() {
        let value = |source: &str| Text::parse(source).unwrap().value(&world()).unwrap().to_json();
        assert_eq!(value("${{ values.port }}"), "8080");
        assert_eq!(value("${{ values.callers }}"), r#"["orders","web"]"#);
        assert_eq!(value("port ${{ values.port }}"), r#""port 8080""#);
    }

    proptest! {
        #[test]
        fn no_text_panics(source in "(\\$\\{\\{|\\}\\}|\\{%|%\\}|-| |if|for|in|x|é|'|\\||\\.|\\(|[0-9]){0,24}") {
            if let Ok(text) = Text::parse(&source) {
                let _ = text.render(&world());
            }
        }

        #[test]
        fn text_without_marks_stays(source in "[a-z \\n}#%é]{0,40}") {
            prop_assert_eq!(Text::parse(&source).unwrap().render(&world()).unwrap(), source);
        }
    }
}
