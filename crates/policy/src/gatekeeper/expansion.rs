//! Expansion templates (`expansion.gatekeeper.sh`): objects that will follow from others, judged before they are there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ridgeway_doc::{Node, Position, Value};
use ridgeway_krm::Gvk;

use super::matching::texts;
use super::template::fault;
use crate::verdict::{Action, CompileError};

/// How deep expansion goes. Cycles are found beforehand; this only guards against chains without end.
const DEEPEST: usize = 30;
/// How long the name of a template may be.
const NAME: usize = 63;

/// A compiled template.
#[derive(Debug)]
pub(super) struct Expansion {
    pub(super) name: String,
    applies: Vec<[Vec<String>; 3]>,
    source: Vec<String>,
    gvk: Gvk,
    /// What violations of generated objects do; `None` for what each constraint says.
    pub(super) action: Option<Action>,
    position: Option<Position>,
}

/// An object that will follow from another one.
pub(super) struct Made {
    pub(super) template: Arc<Expansion>,
    pub(super) gvk: Gvk,
    pub(super) object: Value,
}

impl Expansion {
    pub(super) fn compile(node: Node<'_>) -> Result<Expansion, CompileError> {
        let name = node.str_at(&["metadata", "name"]).unwrap_or_default();
        let wrong = |path: &str, why: &str| Err(fault(node, path, why.to_owned()));
        if name.is_empty() || name.len() > NAME {
            return wrong("metadata.name", "a template has a name of at most 63 characters");
        }
        let source = node.str_at(&["spec", "templateSource"]).unwrap_or_default();
        if source.is_empty() {
            return wrong(
                "spec.templateSource",
                "name the field that the object is made of, such as spec.template",
            );
        }
        let text = |key: &str| node.str_at(&["spec", "generatedGVK", key]).unwrap_or_default();
        let gvk = Gvk::new(text("group"), text("version"), text("kind"));
        if gvk.version.is_empty() || gvk.kind.is_empty() {
            return wrong("spec.generatedGVK", "name the version and kind that follow");
        }
        let entries = node.at(&["spec", "applyTo"]).into_iter().flat_map(Node::items);
        let applies: Vec<[Vec<String>; 3]> = entries
            .map(|entry| ["groups", "versions", "kinds"].map(|key| texts(entry.get(key))))
            .collect();
        if applies.is_empty() || applies.iter().flatten().any(Vec::is_empty) {
            return wrong(
                "spec.applyTo",
                "name the groups, versions and kinds that it follows from",
            );
        }
        let action = match node.str_at(&["spec", "enforcementAction"]) {
            None | Some("") => None,
            Some("deny") => Some(Action::Enforce),
            Some("warn") => Some(Action::Warn),
            Some("dryrun") => Some(Action::Audit),
            Some(_) => return wrong("spec.enforcementAction", "use deny, warn or dryrun"),
        };
        let out = Expansion {
            name: name.to_owned(),
            applies,
            source: source.split('.').map(str::to_owned).collect(),
            gvk,
            action,
            position: node.get("spec").and_then(Node::position),
        };
        if out.is_for(&out.gvk) {
            return wrong(
                "spec.generatedGVK",
                "it would follow from itself; applyTo names the same kind",
            );
        }
        Ok(out)
    }

    fn is_for(&self, gvk: &Gvk) -> bool {
        let has = |list: &[String], text: &str| list.iter().any(|item| item == text);
        let mut entries = self.applies.iter();
        entries.any(|[groups, versions, kinds]| {
            has(groups, &gvk.group) && has(versions, &gvk.version) && has(kinds, &gvk.kind)
        })
    }

    /// The object that will follow from a parent.
    fn expand(&self, parent: Node<'_>, namespace: &str) -> Result<Value, String> {
        let path: Vec<&str> = self.source.iter().map(String::as_str).collect();
        let Some(source) = parent.at(&path).filter(|source| source.is_object()) else {
            return Err(format!("the object has no {}", path.join(".")));
        };
        let mut out = source.to_value();
        out.set(&["apiVersion"], self.gvk.api_version());
        out.set(&["kind"], self.gvk.kind.as_str());
        let place = match namespace {
            "" => parent.str_at(&["metadata", "namespace"]).unwrap_or_default(),
            namespace => namespace,
        };
        if !place.is_empty() {
            out.set(&["metadata", "namespace"], place);
        }
        let text = |path: &[&str]| parent.str_at(path).unwrap_or_default();
        let name = format!("{}-{}", text(&["metadata", "name"]), self.gvk.kind).to_lowercase();
        out.set(&["metadata", "name"], name);
        let mut owner = Value::object();
        for (key, value) in [
            ("apiVersion", text(&["apiVersion"])),
            ("kind", text(&["kind"])),
            ("name", text(&["metadata", "name"])),
        ] {
            owner.set(&[key], value);
        }
        let known = out.node().at(&["metadata", "ownerReferences"]);
        let mut owners: Vec<Value> = known.into_iter().flat_map(Node::items).map(Node::to_value).collect();
        let named = ["apiVersion", "kind", "name"]
            .iter()
            .all(|key| !owner.node().text_at(&[key]).is_empty());
        let same = |other: &Value| {
            ["apiVersion", "kind", "name"]
                .iter()
                .all(|key| other.node().get(key) == owner.node().get(key))
        };
        if named && !owners.iter().any(same) {
            owners.push(owner);
            out.set(&["metadata", "ownerReferences"], owners.into_iter().collect::<Value>());
        }
        Ok(out)
    }
}

/// The templates of a set.
#[derive(Debug, Default)]
pub(super) struct Expansions {
    list: Vec<Arc<Expansion>>,
    /// By name, the templates with which one goes round in a circle.
    cycles: BTreeMap<String, BTreeSet<String>>,
}

impl Expansions {
    /// Templates by name; of several of one name the last counts.
    pub(super) fn new(all: impl IntoIterator<Item = Arc<Expansion>>) -> Expansions {
        let by_name: BTreeMap<String, Arc<Expansion>> = all.into_iter().map(|e| (e.name.clone(), e)).collect();
        let list: Vec<Arc<Expansion>> = by_name.into_values().collect();
        // What follows, at some distance, from what a template makes.
        let follows = |start: usize| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
            while let Some(at) = open.pop() {
                for (next, template) in list.iter().enumerate() {
                    if template.is_for(&list[at].gvk) && seen.insert(next) {
                        open.push(next);
                    }
                }
            }
            seen
        };
        let reach: Vec<BTreeSet<usize>> = (0..list.len()).map(follows).collect();
        let mut cycles = BTreeMap::new();
        for (i, template) in list.iter().enumerate() {
            if reach[i].contains(&i) {
                let others = reach[i].iter().filter(|j| reach[**j].contains(&i) && **j != i);
                let others: BTreeSet<String> = others.map(|j| list[*j].name.clone()).collect();
                cycles.insert(template.name.clone(), others);
            }
        }
        Expansions { list, cycles }
    }

    pub(super) fn all(&self) -> &[Arc<Expansion>] {
        &self.list
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What keeps templates from being used, one fault for each.
    pub(super) fn faults(&self) -> impl Iterator<Item = CompileError> {
        self.cycles.iter().map(|(name, others)| {
            let position = self.list.iter().find(|t| t.name == *name).and_then(|t| t.position);
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            CompileError {
                policy: format!("ExpansionTemplate/{name}"),
                rule: String::new(),
                path: "spec.generatedGVK".into(),
                line: position.map_or(0, |p| p.line),
                column: position.map_or(0, |p| p.column),
                message: format!(
                    "it forms a circle with {}: each follows from what the other makes; none of them is used until the \
                     circle is broken",
                    others.join(", ")
                ),
            }
        })
    }

    /// All that will follow from an object, at any distance. `change` is asked to mutate each one before the next
    /// follows from it. The error names the template.
    pub(super) fn expand(
        &self,
        gvk: &Gvk,
        object: Node<'_>,
        namespace: &str,
        change: &mut dyn FnMut(&Gvk, Value) -> Value,
    ) -> Result<Vec<Made>, (String, String)> {
        let mut out: Vec<Made> = Vec::new();
        self.follow(gvk, object, namespace, &mut out, change)?;
        let (mut from, mut depth) = (0, 1);
        while from < out.len() {
            if depth >= DEEPEST {
                let name = out[from].template.name.clone();
                return Err((name, format!("expansion goes deeper than {DEEPEST} objects")));
            }
            let mut next = Vec::new();
            for made in &out[from..] {
                self.follow(&made.gvk, made.object.node(), namespace, &mut next, change)?;
            }
            from = out.len();
            out.append(&mut next);
            depth += 1;
        }
        Ok(out)
    }

    fn follow(
        &self,
        gvk: &Gvk,
        object: Node<'_>,
        namespace: &str,
        out: &mut Vec<Made>,
        change: &mut dyn FnMut(&Gvk, Value) -> Value,
    ) -> Result<(), (String, String)> {
        for template in &self.list {
            if !template.is_for(gvk) || self.cycles.contains_key(&template.name) {
                continue;
            }
            let object = template
                .expand(object, namespace)
                .map_err(|why| (template.name.clone(), why))?;
            out.push(Made {
                template: template.clone(),
                gvk: template.gvk.clone(),
                object: change(&template.gvk, object),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
