//! Edits of YAML texts that leave alone what they are not about: comments, order, quotes.
//!
//! Block style is edited line by line. What cannot be edited so (flow style, anchors on the way) is told to the caller
//! by `None`; every result is read again and compared with what it shall be, so a wrong edit never gets out.

use ridgeway_doc::{Node, Value};
use ridgeway_policy::fix::{Edit, Step};

/// The text of a file with edits of one of its documents; `None` when it cannot be edited line by line.
pub(super) fn edit(text: &str, root: Node<'_>, edits: &[Edit], wanted: &Value) -> Option<String> {
    let start = root.position()?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // From the bottom up, so that the places of what comes later in the list still hold.
    let mut placed: Vec<(u32, &Edit)> = edits.iter().map(|edit| (place(root, edit), edit)).collect();
    placed.sort_by_key(|(line, _)| std::cmp::Reverse(*line));
    for (_, edit) in placed {
        one(&mut lines, root, edit)?;
    }
    let mut out = lines.join("\n");
    if text.ends_with('\n') {
        out.push('\n');
    }
    let read = ridgeway_doc::parse_yaml(&out).ok()?;
    let found = read
        .iter()
        .find(|doc| doc.root().position().is_some_and(|p| p.line == start.line) || doc.root() == wanted.node())?;
    (found.root() == wanted.node()).then_some(out)
}

/// The deepest node on the way to an edit's place, and the steps that are missing from there.
fn reach<'a, 'e>(root: Node<'a>, edit: &'e Edit) -> (Node<'a>, Vec<Step<'e>>) {
    let steps: Vec<Step<'e>> = edit.steps().collect();
    let mut node = root;
    for (i, step) in steps.iter().enumerate() {
        let next = match step {
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.item(*index),
        };
        match next {
            Some(next) => node = next,
            None => return (node, steps[i..].to_vec()),
        }
    }
    (node, Vec::new())
}

fn place(root: Node<'_>, edit: &Edit) -> u32 {
    reach(root, edit).0.position().map_or(0, |p| p.line)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn blank(line: &str) -> bool {
    let text = line.trim();
    text.is_empty() || text.starts_with('#')
}

fn one(lines: &mut Vec<String>, root: Node<'_>, edit: &Edit) -> Option<()> {
    let (node, missing) = reach(root, edit);
    match (&edit.value, missing.as_slice()) {
        (Some(value), []) => replace(lines, root, edit, node, Some(value)),
        (Some(value), missing) => add(lines, node, missing, value),
        (None, []) => replace(lines, root, edit, node, None),
        (None, _) => Some(()),
    }
}

/// The last line of the block that begins on a line and whose content is indented by at least so much.
fn end_of(lines: &[String], first: usize, column: usize) -> usize {
    let mut last = first;
    for (i, line) in lines.iter().enumerate().skip(first + 1) {
        if line.starts_with("---") || line.starts_with("...") {
            break;
        }
        if blank(line) {
            continue;
        }
        if indent(line) < column {
            break;
        }
        last = i;
    }
    last
}

/// Adds members below a mapping in block style.
fn add(lines: &mut Vec<String>, node: Node<'_>, missing: &[Step<'_>], value: &Value) -> Option<()> {
    let position = node.position()?;
    let (first, column) = (position.line as usize - 1, position.column as usize - 1);
    let line = lines.get(first)?;
    if node.is_null() || node.is_object() && node.is_empty() {
        return None;
    }
    let head = line.get(column..)?;
    if !node.is_object() {
        return None;
    }
    if head.starts_with('{') {
        return add_flow(&mut lines[first], column, missing, value);
    }
    let mut inner = value.clone();
    for step in missing.iter().rev() {
        let Step::Key(key) = step else { return None };
        let mut outer = Value::object();
        outer.make_object().insert(*key, inner);
        inner = outer;
    }
    let last = end_of(lines, first, column);
    let text = inner.node().to_yaml();
    let padding = " ".repeat(column);
    let made: Vec<String> = text.lines().map(|line| format!("{padding}{line}")).collect();
    lines.splice(last + 1..last + 1, made);
    Some(())
}

/// Adds members to a mapping in flow style, `{a: b}`, that ends on its line.
fn add_flow(line: &mut String, column: usize, missing: &[Step<'_>], value: &Value) -> Option<()> {
    let (mut depth, mut quote, mut end) = (0_usize, None, None);
    for (i, c) in line.char_indices().skip_while(|(i, _)| *i < column) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => {
                depth -= 1;
                if depth == 0 {
                    end = Some(i);
                    break;
                }
            }
            _ => {}
        }
    }
    let mut made = flow(value.node());
    for (i, step) in missing.iter().enumerate().rev() {
        let Step::Key(key) = step else { return None };
        made = format!("{}: {made}", flow(Value::from(*key).node()));
        if i > 0 {
            made = format!("{{{made}}}");
        }
    }
    line.insert_str(end?, &format!(", {made}"));
    Some(())
}

/// A value in flow style; texts without quotes where that is safe.
fn flow(node: Node<'_>) -> String {
    if let Some(text) = node.as_str() {
        let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'))
            && !matches!(
                text.to_lowercase().as_str(),
                "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
            );
        return if plain { text.to_owned() } else { node.to_json() };
    }
    if node.is_object() {
        let members = node
            .members()
            .map(|(key, member)| format!("{}: {}", flow(Value::from(key).node()), flow(member)));
        return format!("{{{}}}", members.collect::<Vec<_>>().join(", "));
    }
    if node.is_array() {
        return format!("[{}]", node.items().map(flow).collect::<Vec<_>>().join(", "));
    }
    node.to_json()
}

/// Replaces or takes out the member or item that a node is.
fn replace(lines: &mut Vec<String>, root: Node<'_>, edit: &Edit, node: Node<'_>, value: Option<&Value>) -> Option<()> {
    let steps: Vec<Step<'_>> = edit.steps().collect();
    let (last, parents) = steps.split_last()?;
    let Step::Key(key) = last else { return None };
    let mut parent = root;
    for step in parents {
        parent = match step {
            Step::Key(key) => parent.get(key)?,
            Step::Index(index) => parent.item(*index)?,
        };
    }
    let base = parent.position()?;
    let column = base.column as usize - 1;
    let at = node.position()?;
    let mut first = at.line as usize - 1;
    // The key stands before its value, on the same line or above it.
    let holds = |line: &str| {
        let rest = line.get(column..).unwrap_or_default();
        let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
        rest.strip_prefix(key)
            .is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    };
    while !holds(lines.get(first)?) {
        first = first.checked_sub(1)?;
        if first + 1 < base.line as usize {
            return None;
        }
    }
    let end = end_of(lines, first, column + 1);
    // A list may stand at its key's own indentation.
    let end = match lines.get(end + 1) {
        Some(next)
            if node.is_array() && end == first && indent(next) == column && next.trim_start().starts_with("- ") =>
        {
            let mut end = end;
            while lines.get(end + 1).is_some_and(|line| {
                indent(line) > column || indent(line) == column && line.trim_start().starts_with('-')
            }) {
                end += 1;
            }
            end
        }
        _ => end,
    };
    let prefix = lines[first].get(..column)?.to_owned();
    let item = prefix.trim_start().starts_with('-');
    match value {
        None if item => {
            // The first member of a list's item carries the dash; the next one takes it over.
            let next = lines
                .get(end + 1)
                .filter(|line| indent(line) == column && !blank(line))?;
            let moved = format!("{prefix}{}", next.trim_start());
            lines.splice(first..=end + 1, [moved]);
        }
        None => {
            lines.drain(first..=end);
        }
        Some(value) => {
            let comment = scalar_comment(&lines[first], node);
            let mut object = Value::object();
            object.make_object().insert(*key, value.clone());
            let text = object.node().to_yaml();
            let padding = " ".repeat(column);
            let made: Vec<String> = text
                .lines()
                .enumerate()
                .map(|(i, line)| match i {
                    0 => format!("{prefix}{line}{comment}"),
                    _ => format!("{padding}{line}"),
                })
                .collect();
            lines.splice(first..=end, made);
        }
    }
    Some(())
}

/// The comment behind a scalar, with the space before it.
fn scalar_comment(line: &str, node: Node<'_>) -> String {
    if node.is_object() || node.is_array() {
        return String::new();
    }
    line.rfind(" #").map_or_else(String::new, |at| {
        let spaces = line[..at].len() - line[..at].trim_end().len();
        line[at - spaces..].to_owned()
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use ridgeway_krm::Gvk;
    use ridgeway_policy::{Request, RuleSet, fix};

    use super::*;
    use crate::policy::diff::unified;

    const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  rules:
  - name: r
    match: {any: [{resources: {kinds: [Deployment]}}]}
    validate:
      message: m
      pattern:
        metadata: {labels: {team: '?*'}}
        spec:
          replicas: '>=2'
          template:
            spec:
              =(hostNetwork): 'false'
              containers:
              - resources: {limits: {memory: '?*'}}
                X(tty): 'null'
";

    #[test]
    fn comments_and_order_stay() {
        let text = "# shop
kind: Deployment
apiVersion: apps/v1
metadata: {name: web, labels: {'a': '}'}}
spec:
  replicas: 1   # for now
  template:
    spec:
      containers:
      # the application
      - tty: true
        name: app
        image: 'a:1'
      - name: sidecar
        resources:
          limits:
            cpu: 1
      hostNetwork: true
---
kind: Other
";
        let policies = ridgeway_doc::parse_yaml(POLICY).unwrap();
        let sources = [policies[0].root()];
        let (set, _) = RuleSet::compile(&sources);
        let docs = ridgeway_doc::parse_yaml(text).unwrap();
        let root = docs[0].root();
        let gvk = Gvk::of(root).unwrap();
        let found = fix::fix(&set, &sources, &Request::create(&gvk, root));
        assert!(found.remaining.is_empty(), "{:?}", found.remaining);
        let edited = edit(text, root, &found.steps(), found.object.as_ref().unwrap()).expect("it is in block style");
        expect![[r#"
            --- a/web.yaml
            +++ b/web.yaml
            @@ -1,20 +1,23 @@
             # shop
             kind: Deployment
             apiVersion: apps/v1
            -metadata: {name: web, labels: {'a': '}'}}
            +metadata: {name: web, labels: {'a': '}', team: change-me}}
             spec:
            -  replicas: 1   # for now
            +  replicas: 2   # for now
               template:
                 spec:
                   containers:
                   # the application
            -      - tty: true
            -        name: app
            +      - name: app
                     image: 'a:1'
            +        resources:
            +          limits:
            +            memory: 256Mi
                   - name: sidecar
                     resources:
                       limits:
                         cpu: 1
            -      hostNetwork: true
            +            memory: 256Mi
            +      hostNetwork: false
             ---
             kind: Other
        "#]]
        .assert_eq(&unified("web.yaml", text, &edited));
    }
}
