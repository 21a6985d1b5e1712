//! `mutate`: strategic merges and JSON patches, once or for each element of a list.

use ridgeway_doc::{Doc, Kind, Node, Pointer, Value, parse_yaml};
use ridgeway_krm::LabelSelector;

use super::condition::Conditions;
use super::context::{ContextEntry, Env};
use super::policy::{self, Fault as Place};
use super::strategic;
use super::template::{Template, Tree};
use crate::jmespath::{Expression, Fault, Val};

/// A compiled `mutate`.
#[derive(Clone, Debug)]
pub(crate) struct Mutate {
    steps: Vec<Step>,
    /// It changes other objects than the one at hand.
    pub(crate) existing: bool,
    /// Which ones.
    pub(crate) targets: Vec<Target>,
}

/// Objects that a rule changes when another one, its trigger, is made or changed.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    api_version: Template,
    kind: Template,
    name: Template,
    namespace: Template,
    selector: Option<LabelSelector>,
    pub(crate) context: Vec<ContextEntry>,
    pub(crate) preconditions: Conditions,
}

impl Target {
    fn compile(node: Node<'_>, path: &str) -> Result<Target, Place> {
        let template = |key: &str| {
            let text = node.str_at(&[key]).unwrap_or_default();
            Template::compile(text, "request.object").map_err(|e| Place::new(format!("{path}.{key}"), e))
        };
        let selector = node.get("selector").map(LabelSelector::from_node).transpose();
        Ok(Target {
            api_version: template("apiVersion")?,
            kind: template("kind")?,
            name: template("name")?,
            namespace: template("namespace")?,
            selector: selector.map_err(|e| Place::new(format!("{path}.selector"), e.to_string()))?,
            context: policy::context(node.get("context"), &format!("{path}.context"))?,
            preconditions: Conditions::compile(node.get("preconditions"))
                .map_err(|e| Place::new(format!("{path}.preconditions"), e))?,
        })
    }

    /// The objects that are there now.
    pub(crate) fn objects<'a>(&'a self, env: &Env<'a>) -> Result<Vec<Doc>, Fault> {
        let (api_version, kind) = (self.api_version.text(env)?, self.kind.text(env)?);
        let (name, namespace) = (self.name.text(env)?, self.namespace.text(env)?);
        let base = if api_version.contains('/') { "apis" } else { "api" };
        let place = if namespace.is_empty() || namespace.contains(['*', '?']) {
            String::new()
        } else {
            format!("/namespaces/{namespace}")
        };
        let plural = crate::cel_policy::plural(&kind);
        let path = format!("/{base}/{api_version}{place}/{plural}");
        let Some(list) = env.request.data.api(&path) else {
            return Err(Fault::Invalid(format!(
                "the objects of the kind {kind} cannot be listed"
            )));
        };
        let fits = |pattern: &str, text: &str| pattern.is_empty() || super::wildcard(pattern, text);
        let items = list.node().get("items").into_iter().flat_map(Node::items);
        let chosen = items.filter(|item| {
            let of = |key: &str| item.str_at(&["metadata", key]).unwrap_or_default();
            fits(&name, of("name"))
                && fits(&namespace, of("namespace"))
                && self
                    .selector
                    .as_ref()
                    .is_none_or(|selector| selector.matches(item.at(&["metadata", "labels"])))
        });
        let whole = |item: Node<'_>| {
            let mut object = item.to_value();
            object.set(&["apiVersion"], api_version.as_ref());
            object.set(&["kind"], kind.as_ref());
            object.into_doc()
        };
        Ok(chosen.map(whole).collect())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Merge(Tree),
    Patch(Tree),
    Foreach(Foreach),
}

#[derive(Clone, Debug)]
struct Foreach {
    list: Expression,
    context: Vec<ContextEntry>,
    preconditions: Conditions,
    descending: bool,
    steps: Vec<Step>,
}

const FIELDS: [&str; 5] = [
    "patchStrategicMerge",
    "patchesJson6902",
    "foreach",
    "targets",
    "mutateExistingOnPolicyUpdate",
];

impl Mutate {
    pub(crate) fn compile(node: Node<'_>, path: &str) -> Result<Mutate, Place> {
        if let Some((key, _)) = node.members().find(|(key, _)| !FIELDS.contains(key)) {
            return Err(Place::new(
                format!("{path}.{key}"),
                crate::source::unknown_field(key, &FIELDS),
            ));
        }
        let steps = steps(node, path)?;
        if steps.is_empty() {
            return Err(Place::new(
                path,
                "a `mutate` needs one of `patchStrategicMerge`, `patchesJson6902` and `foreach`",
            ));
        }
        Ok(Mutate {
            steps,
            existing: node.get("targets").is_some(),
            targets: node
                .get("targets")
                .into_iter()
                .flat_map(Node::items)
                .enumerate()
                .map(|(i, target)| Target::compile(target, &format!("{path}.targets[{i}]")))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Another object as the rule leaves it; `None` when nothing applies.
    pub(crate) fn eval_on<'a>(&'a self, env: &Env<'a>, target: Node<'_>) -> Result<Option<Value>, Fault> {
        let mut work = target.to_value();
        let applied = run(&self.steps, env, &mut work, 0)?;
        Ok((applied && work.node() != target).then_some(work))
    }

    /// The object as the rule leaves it; `None` when nothing applies.
    pub(crate) fn eval<'a>(&'a self, env: &Env<'a>) -> Result<Option<Value>, Fault> {
        let Some(object) = env.object() else { return Ok(None) };
        let mut work = object.to_value();
        let applied = run(&self.steps, env, &mut work, 0)?;
        Ok((applied && work.node() != object).then_some(work))
    }
}

fn steps(node: Node<'_>, path: &str) -> Result<Vec<Step>, Place> {
    let mut out = Vec::new();
    if let Some(patch) = node.get("patchStrategicMerge") {
        let tree = Tree::compile(patch, "request.object");
        out.push(Step::Merge(
            tree.map_err(|e| Place::new(format!("{path}.patchStrategicMerge"), e))?,
        ));
    }
    if let Some(patch) = node.get("patchesJson6902") {
        let text = patch.as_str().map_or_else(|| patch.to_json(), str::to_owned);
        out.push(Step::Patch(
            json_patch(&text).map_err(|e| Place::new(format!("{path}.patchesJson6902"), e))?,
        ));
    }
    for (i, item) in node.get("foreach").into_iter().flat_map(Node::items).enumerate() {
        let path = format!("{path}.foreach[{i}]");
        let list = item
            .str_at(&["list"])
            .ok_or_else(|| Place::new(format!("{path}.list"), "a loop needs a `list`"))?;
        out.push(Step::Foreach(Foreach {
            list: Expression::parse(list).map_err(|e| Place::new(format!("{path}.list"), e.to_string()))?,
            context: policy::context(item.get("context"), &format!("{path}.context"))?,
            preconditions: Conditions::compile(item.get("preconditions"))
                .map_err(|e| Place::new(format!("{path}.preconditions"), e))?,
            descending: match item.str_at(&["order"]) {
                Some(order) => order == "Descending",
                // Items of a merge go in front of those that are there.
                None => item.get("patchStrategicMerge").is_some(),
            },
            steps: steps(item, &path)?,
        }));
    }
    Ok(out)
}

fn run<'a>(steps: &'a [Step], env: &Env<'a>, work: &mut Value, nesting: usize) -> Result<bool, Fault> {
    let mut applied = false;
    for step in steps {
        match step {
            Step::Merge(tree) => {
                let patch = tree.eval(env)?;
                if let Some(merged) = strategic::apply(work.node(), patch, env)? {
                    *work = merged;
                    applied = true;
                }
            }
            Step::Patch(tree) => {
                let patch = tree.eval(env)?;
                apply_json_patch(work, patch.node()).map_err(|why| Fault::Invalid(why.to_string()))?;
                applied = true;
            }
            Step::Foreach(each) => applied |= each.run(env, work, nesting)?,
        }
    }
    Ok(applied)
}

impl Foreach {
    fn run<'a>(&'a self, env: &Env<'a>, work: &mut Value, nesting: usize) -> Result<bool, Fault> {
        let list = match env.evaluate(&self.list) {
            Ok(value) if value.is_array() => value.items(),
            Ok(Val::Null) | Err(Fault::NotFound(_)) => return Ok(false),
            Ok(one) => vec![one],
            Err(fault) => return Err(fault),
        };
        let mut indexed: Vec<(usize, Val<'a>)> = list.into_iter().enumerate().collect();
        if self.descending {
            indexed.reverse();
        }
        let mut applied = false;
        for (i, element) in indexed {
            if element.is_null() {
                continue;
            }
            let depth = env.depth();
            env.bind_element(element, i, nesting);
            env.load(&self.context);
            let done = match self.preconditions.eval(env) {
                Ok(answer) if answer.holds => run(&self.steps, env, work, nesting + 1),
                Ok(_) => Ok(false),
                Err(fault) => Err(fault),
            };
            env.unwind(depth);
            applied |= done?;
        }
        Ok(applied)
    }
}

/// Compiles the text of JSON patches. Variables are set apart before it is read as YAML, so that what they hold is
/// always data: a value between quotes stays a text, one that stands alone keeps its type.
pub(crate) fn json_patch(text: &str) -> Result<Tree, String> {
    let mut marked = String::with_capacity(text.len());
    let mut variables: Vec<(String, bool)> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let end = end_of_variable(&rest[start..]).ok_or("a `{{` is not closed")?;
        let source = &rest[start..start + end];
        let before = rest[..start].trim_end_matches(' ');
        let after = rest[start + end..].trim_start_matches(' ');
        let alone = before.ends_with([':', '-']) && (after.is_empty() || after.starts_with('\n'));
        marked.push_str(&rest[..start]);
        marked.push_str(&format!("rwvar{}x", variables.len()));
        variables.push((source.to_owned(), alone));
        rest = &rest[start + end..];
    }
    marked.push_str(rest);
    let docs = parse_yaml(&marked).map_err(|e| format!("the patch is no YAML: {e}"))?;
    let root = docs.first().ok_or("the patch is empty")?;
    if !root.root().is_array() {
        return Err("the patch must be a list of operations".into());
    }
    with_variables(root.root(), &variables)
}

fn end_of_variable(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
        i += 1;
    }
    None
}

fn with_variables(node: Node<'_>, variables: &[(String, bool)]) -> Result<Tree, String> {
    Ok(match node.kind() {
        Kind::Array => Tree::Array(
            node.items()
                .map(|item| with_variables(item, variables))
                .collect::<Result<_, _>>()?,
        ),
        Kind::Object => {
            let member = |(key, value)| Ok((restore(key, variables).0?, with_variables(value, variables)?));
            Tree::Object(node.members().map(member).collect::<Result<_, String>>()?)
        }
        Kind::String => match restore(node.as_str().unwrap_or_default(), variables) {
            (Ok(Template::Text(text)), _) => Tree::Fixed(Value::from(&*text)),
            (Ok(template), true) => Tree::Leaf(template),
            (Ok(template), false) => Tree::Text(template),
            (Err(error), _) => return Err(error),
        },
        _ => Tree::Fixed(node.to_value()),
    })
}

/// The template of a marked text, and whether it is one variable that stands alone.
fn restore(text: &str, variables: &[(String, bool)]) -> (Result<Template, String>, bool) {
    let mut out = text.to_owned();
    let mut alone = false;
    for (i, (source, bare)) in variables.iter().enumerate() {
        let mark = format!("rwvar{i}x");
        if out.contains(&mark) {
            alone = *bare && out == mark;
            out = out.replace(&mark, source);
        }
    }
    (Template::compile(&out, "request.object"), alone)
}

/// Why a JSON patch was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatchFault {
    /// One of its tests fails.
    #[error("the patch's test of {0} fails")]
    Test(String),
    /// It cannot be applied at all.
    #[error("{0}")]
    Invalid(String),
}

impl From<String> for PatchFault {
    fn from(why: String) -> PatchFault {
        PatchFault::Invalid(why)
    }
}

/// RFC 6902; parents of added members are made, removing what is not there does nothing.
pub(crate) fn apply_json_patch(object: &mut Value, patch: Node<'_>) -> Result<(), PatchFault> {
    for op in patch.items() {
        let pointer = |key: &str| -> Result<Pointer, String> {
            let text = op
                .get(key)
                .map(|p| p.as_str().map_or_else(|| p.to_json(), str::to_owned));
            Pointer::parse(&text.ok_or_else(|| format!("an operation of the patch has no `{key}`"))?)
                .map_err(|e| e.to_string())
        };
        let path = pointer("path")?;
        let value = || op.get("value").map_or(Value::NULL, Node::to_value);
        match op.str_at(&["op"]).unwrap_or_default() {
            "add" => add(object, path.tokens(), value())?,
            "replace" => {
                if path.resolve(object.node()).is_none() {
                    return Err(format!("the patch replaces {path}, which is not there").into());
                }
                remove(object, path.tokens());
                add(object, path.tokens(), value())?;
            }
            "remove" => remove(object, path.tokens()),
            "test" => {
                if path.resolve(object.node()).map(Node::to_value) != Some(value()) {
                    return Err(PatchFault::Test(path.to_string()));
                }
            }
            kind @ ("move" | "copy") => {
                let from = pointer("from")?;
                let moved = from.resolve(object.node()).map(Node::to_value);
                let moved = moved.ok_or_else(|| format!("the patch reads {from}, which is not there"))?;
                if kind == "move" {
                    remove(object, from.tokens());
                }
                add(object, path.tokens(), moved)?;
            }
            other => return Err(format!("{other:?} is no operation of a JSON patch").into()),
        }
    }
    Ok(())
}

fn add(object: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        *object = value;
        return Ok(());
    };
    if object.node().is_array() {
        let items = object.make_array();
        let index = match first.as_str() {
            "-" => items.len(),
            text => {
                let index: i64 = text.parse().map_err(|_| format!("{text:?} is no index of a list"))?;
                // Counted from the end, where the end itself is -1.
                if index < 0 {
                    (items.len() as i64 + 1 + index).max(0) as usize
                } else {
                    index as usize
                }
            }
        };
        if rest.is_empty() {
            if index > items.len() {
                return Err(format!("index {index} is beyond the end of the list"));
            }
            items.insert(index, value);
            return Ok(());
        }
        if index == items.len() {
            items.push(Value::object());
        }
        let item = items
            .get_mut(index)
            .ok_or_else(|| format!("index {index} is beyond the end of the list"))?;
        return add(item, rest, value);
    }
    if !object.node().is_object() && !object.is_null() {
        return Err(format!("the patch reaches into {object}, which is no object"));
    }
    let map = object.make_object();
    match rest.first() {
        None => {
            map.insert(first.as_str(), value);
            Ok(())
        }
        Some(next) => {
            let list = matches!(next.as_str(), "-" | "0" | "-1");
            let child = map.entry(first, || if list { Value::array() } else { Value::object() });
            add(child, rest, value)
        }
    }
}

fn remove(object: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if object.node().is_array() {
        let items = object.make_array();
        let Ok(index) = first.parse::<i64>() else { return };
        let index = if index < 0 { items.len() as i64 + index } else { index } as usize;
        if index >= items.len() {
            return;
        }
        if rest.is_empty() {
            items.remove(index);
        } else {
            remove(&mut items[index], rest);
        }
    } else if let Some(map) = object.as_object_mut() {
        if rest.is_empty() {
            map.remove(first);
        } else if let Some(child) = map.get_mut(first) {
            remove(child, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_patches() {
        for (object, patch, want) in [
            ("{a: 1}", "[{op: add, path: /b/c, value: 2}]", r#"{"a":1,"b":{"c":2}}"#),
            ("{a: [1, 3]}", "[{op: add, path: /a/1, value: 2}]", r#"{"a":[1,2,3]}"#),
            ("{a: [1]}", "[{op: add, path: /a/-, value: 2}]", r#"{"a":[1,2]}"#),
            ("{a: 1}", "[{op: remove, path: /x}]", r#"{"a":1}"#),
            ("{a: 1, b: 2}", "[{op: move, from: /a, path: /c}]", r#"{"b":2,"c":1}"#),
            (
                "{a: 1}",
                "[{op: replace, path: /x, value: 1}]",
                "the patch replaces /x, which is not there",
            ),
        ] {
            let (object, patch) = (parse_yaml(object).unwrap(), parse_yaml(patch).unwrap());
            let mut value = object[0].root().to_value();
            let got = match apply_json_patch(&mut value, patch[0].root()) {
                Ok(()) => value.to_json(),
                Err(error) => error.to_string(),
            };
            assert_eq!(got, want);
        }
    }

    #[test]
    fn variables_are_data_before_the_patch_is_read() {
        let text = "- op: add\n  path: /spec/{{elementIndex}}\n  value: {{ request.object.spec }}\n- op: add\n  path: /x\n  value: \"{{ a }}\"\n";
        let Tree::Array(ops) = json_patch(text).unwrap() else {
            panic!("a list")
        };
        let Tree::Object(first) = &ops[0] else {
            panic!("an object")
        };
        assert!(matches!(first[2].1, Tree::Leaf(_)), "{first:?}");
        let Tree::Object(second) = &ops[1] else {
            panic!("an object")
        };
        assert!(matches!(second[2].1, Tree::Text(_)), "{second:?}");
    }
}
