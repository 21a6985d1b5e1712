//! JSONPath as Kubernetes uses it for columns and selectable fields: members, indexes, wildcards, filters.

use ridgeway_doc::{Kind, Node};

/// A parsed path, such as `.status.conditions[?(@.type=="Ready")].status`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Member(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>),
    All,
    Descend,
    Filter(JsonPath, Option<(Compare, Literal)>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Number(f64),
    Bool(bool),
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is not a JSONPath: {message}")]
pub struct JsonPathError {
    path: String,
    message: String,
}

impl JsonPath {
    /// Parses a path; braces around it and a leading `$` may be left out.
    pub fn parse(text: &str) -> Result<JsonPath, JsonPathError> {
        let inner = text.trim();
        let inner = inner
            .strip_prefix('{')
            .and_then(|t| t.strip_suffix('}'))
            .unwrap_or(inner);
        let mut parser = Parser {
            rest: inner.strip_prefix('$').unwrap_or(inner),
        };
        let steps = parser.steps(false).map_err(|message| JsonPathError {
            path: text.into(),
            message,
        })?;
        Ok(JsonPath(steps))
    }

    /// Everything that the path finds, in document order; `..` visits a container before what is in it.
    pub fn find<'a>(&self, root: Node<'a>) -> Vec<Node<'a>> {
        let mut found = vec![root];
        let mut descended = false;
        for step in &self.0 {
            found = found
                .into_iter()
                .flat_map(|node| match step {
                    // Behind `..` the items of a list are found by themselves: no reaching into them a second time.
                    Step::Member(name) if descended => node.get(name).into_iter().collect(),
                    step => step.from(node),
                })
                .collect();
            descended = matches!(step, Step::Descend);
            if found.is_empty() {
                break;
            }
        }
        found
    }

    /// The first thing that the path finds.
    pub fn first<'a>(&self, root: Node<'a>) -> Option<Node<'a>> {
        self.find(root).into_iter().next()
    }
}

impl Step {
    fn from<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        let children = |node: Node<'a>| -> Vec<Node<'a>> {
            node.items().chain(node.members().map(|(_, member)| member)).collect()
        };
        match self {
            // A member of a list is that member of each of its items.
            Step::Member(name) if node.is_array() => node.items().filter_map(|item| item.get(name)).collect(),
            Step::Member(name) => node.get(name).into_iter().collect(),
            Step::Index(index) => {
                let index = if *index < 0 { node.len() as i64 + index } else { *index };
                usize::try_from(index)
                    .ok()
                    .and_then(|i| node.item(i))
                    .into_iter()
                    .collect()
            }
            Step::Slice(from, to) => {
                let len = node.len() as i64;
                let bound = |n: i64| if n < 0 { (len + n).max(0) } else { n.min(len) };
                let (from, to) = (bound(from.unwrap_or(0)), bound(to.unwrap_or(len)));
                node.items()
                    .skip(from as usize)
                    .take((to - from).max(0) as usize)
                    .collect()
            }
            Step::All => children(node),
            Step::Descend => {
                let (mut out, mut open) = (Vec::new(), vec![node]);
                while let Some(node) = open.pop() {
                    out.push(node);
                    open.extend(children(node).into_iter().rev());
                }
                out
            }
            Step::Filter(path, test) => {
                let holds = |item: &Node<'a>| {
                    let found = path.first(*item);
                    match test {
                        None => found.is_some_and(|n| n.as_bool() != Some(false) && !n.is_null()),
                        Some((compare, literal)) => found.is_some_and(|n| compare.holds(n, literal)),
                    }
                };
                node.items().filter(holds).collect()
            }
        }
    }
}

impl Compare {
    fn holds(self, node: Node<'_>, literal: &Literal) -> bool {
        use std::cmp::Ordering;
        let order = match (node.kind(), literal) {
            (Kind::String, Literal::Text(text)) => node.as_str().map(|s| s.cmp(text)),
            (Kind::Number, Literal::Number(n)) => node.as_f64().and_then(|f| f.partial_cmp(n)),
            (Kind::Bool, Literal::Bool(b)) => node.as_bool().map(|have| have.cmp(b)),
            _ => None,
        };
        match self {
            Compare::Equal => order == Some(Ordering::Equal),
            Compare::NotEqual => order != Some(Ordering::Equal),
            Compare::Less => order == Some(Ordering::Less),
            Compare::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Compare::Greater => order == Some(Ordering::Greater),
            Compare::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Steps up to the end, or (in a filter) up to what cannot continue a path.
    fn steps(&mut self, in_filter: bool) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        loop {
            if self.rest.is_empty() {
                return Ok(steps);
            }
            if self.eat("..") {
                steps.push(Step::Descend);
                if !self.rest.starts_with('[') {
                    steps.push(self.member()?);
                }
            } else if self.eat(".") {
                if self.rest.is_empty() && steps.is_empty() {
                    return Ok(steps);
                }
                steps.push(self.member()?);
            } else if self.eat("[") {
                steps.push(self.bracket()?);
            } else if in_filter {
                return Ok(steps);
            } else if steps.is_empty() {
                steps.push(self.member()?);
            } else {
                return Err(format!("expected `.` or `[` before {:?}", self.rest));
            }
        }
    }

    fn member(&mut self) -> Result<Step, String> {
        if self.eat("*") {
            return Ok(Step::All);
        }
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((i, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, c)) => name.push(c),
                    None => return Err("nothing follows the `\\`".into()),
                },
                '.' | '[' | ']' | ')' | '=' | '!' | '<' | '>' | ' ' | '{' | '}' => {
                    end = i;
                    break;
                }
                c => name.push(c),
            }
        }
        self.rest = &self.rest[end..];
        if name.is_empty() {
            return Err("a member name is missing behind a `.`".into());
        }
        Ok(Step::Member(name))
    }

    fn bracket(&mut self) -> Result<Step, String> {
        self.spaces();
        if self.eat("?(") {
            self.spaces();
            if !self.eat("@") {
                return Err("a filter starts with `@`, as in `[?(@.type==\"Ready\")]`".into());
            }
            let path = JsonPath(self.steps(true)?);
            self.spaces();
            let test = if self.eat(")") {
                None
            } else {
                let compare = self.compare()?;
                self.spaces();
                let literal = self.literal()?;
                self.spaces();
                if !self.eat(")") {
                    return Err("the filter's `)` is missing".into());
                }
                Some((compare, literal))
            };
            if !self.eat("]") {
                return Err("the filter's `]` is missing".into());
            }
            return Ok(Step::Filter(path, test));
        }
        if self.eat("*") {
            return if self.eat("]") {
                Ok(Step::All)
            } else {
                Err("the `]` is missing".into())
            };
        }
        if self.rest.starts_with(['\'', '"']) {
            let name = self.quoted()?;
            self.spaces();
            return if self.eat("]") {
                Ok(Step::Member(name))
            } else {
                Err("the `]` is missing".into())
            };
        }
        let Some((inside, rest)) = self.rest.split_once(']') else {
            return Err("the `]` is missing".into());
        };
        self.rest = rest;
        let number = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| format!("{text:?} is not an index")),
        };
        match inside.split_once(':') {
            Some((from, to)) => Ok(Step::Slice(number(from)?, number(to)?)),
            None => Ok(Step::Index(number(inside)?.ok_or("the index is missing")?)),
        }
    }

    fn compare(&mut self) -> Result<Compare, String> {
        for (text, compare) in [
            ("==", Compare::Equal),
            ("!=", Compare::NotEqual),
            ("<=", Compare::LessOrEqual),
            (">=", Compare::GreaterOrEqual),
            ("<", Compare::Less),
            (">", Compare::Greater),
        ] {
            if self.eat(text) {
                return Ok(compare);
            }
        }
        Err(format!("expected ==, !=, <, <=, > or >= before {:?}", self.rest))
    }

    fn literal(&mut self) -> Result<Literal, String> {
        if self.rest.starts_with(['\'', '"']) {
            return self.quoted().map(Literal::Text);
        }
        let end = self.rest.find([')', ' ']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        match text {
            "true" => Ok(Literal::Bool(true)),
            "false" => Ok(Literal::Bool(false)),
            text => text
                .parse()
                .map(Literal::Number)
                .map_err(|_| format!("{text:?} is no value: quote texts")),
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut chars = self.rest.char_indices();
        let quote = chars.next().map_or('"', |(_, c)| c);
        let mut out = String::new();
        while let Some((i, c)) = chars.next() {
            match c {
                '\\' => out.extend(chars.next().map(|(_, c)| c)),
                c if c == quote => {
                    self.rest = &self.rest[i + c.len_utf8()..];
                    return Ok(out);
                }
                c => out.push(c),
            }
        }
        Err(format!("the closing {quote} is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridgeway_doc::Doc;

    #[test]
    fn finds() {
        let doc = Doc::parse_json(
            br#"{"a":{"b":[{"c":1,"t":"x"},{"c":2,"t":"y","ok":true}]},"x.y/z":"dotted","n":null,"list":["p","q","r"],"o":{"u":{"v":{"deep":3}}},"last":{"deep":4}}"#,
        )
        .unwrap();
        for (path, want) in [
            (".a.b[0].c", "1"),
            ("{.a.b[1].c}", "2"),
            ("$.a.b[-1].c", "2"),
            ("a.b[*].c", "1 2"),
            (".a.b.c", "1 2"),
            (r#".a.b[?(@.t=="y")].c"#, "2"),
            (".a.b[?(@.t=='x')].c", "1"),
            (".a.b[?(@.c > 1)].t", "\"y\""),
            (".a.b[?(@.ok)].t", "\"y\""),
            (".a.b[?(@.t!='y')].c", "1"),
            (r".x\.y/z", "\"dotted\""),
            ("['x.y/z']", "\"dotted\""),
            ("..t", "\"x\" \"y\""),
            ("..['t']", "\"x\" \"y\""),
            (".a..c", "1 2"),
            ("..b.c", "1 2"),
            ("..b[0].c", "1"),
            ("..deep", "3 4"),
            (".list[1:]", "\"q\" \"r\""),
            (".list[0:2]", "\"p\" \"q\""),
            (".none.x", ""),
            (".list[9]", ""),
        ] {
            let found = JsonPath::parse(path).unwrap().find(doc.root());
            let found: Vec<String> = found.into_iter().map(Node::to_json).collect();
            assert_eq!(found.join(" "), want, "{path}");
        }
        for path in [
            ".a[",
            ".a[x]",
            ".a[?(b==1)]",
            ".a[?(@.b==x)]",
            ".a..",
            ".a[?(@.b==1]",
            "['a",
        ] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }
}
