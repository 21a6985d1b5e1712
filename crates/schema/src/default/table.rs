//! The defaults of built-in kinds: `data/defaults.txt`, compiled once.

use std::collections::HashMap;
use std::sync::LazyLock;

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;

use super::computed::{self, Computed};

/// The compiled rules.
pub(super) struct Defaults {
    shapes: Vec<Vec<Rule>>,
    kinds: HashMap<(Box<str>, Box<str>), usize>,
}

struct Rule {
    path: Vec<Step>,
    action: Action,
    when: When,
}

enum Step {
    Member(&'static str),
    Items,
}

enum Action {
    /// Puts a value where there is none; the second value counts as none too.
    Put(Doc, Option<Doc>),
    Compute(Computed),
    Enter(usize),
}

enum When {
    Always,
    Equal(Vec<&'static str>, Doc),
    Present(Vec<&'static str>),
    Absent(Vec<&'static str>),
}

static DEFAULTS: LazyLock<Defaults> = LazyLock::new(|| {
    Defaults::read(include_str!("../../data/defaults.txt")).expect("the table is part of the crate and tested")
});

/// The table that ships with the crate.
pub(super) fn defaults() -> &'static Defaults {
    &DEFAULTS
}

impl Defaults {
    /// What the object becomes; `None` when it lacks nothing.
    pub(super) fn fill(&self, gvk: &Gvk, object: Node<'_>) -> Option<Value> {
        let shape = self.kinds.get(&(gvk.group.as_str().into(), gvk.kind.as_str().into()))?;
        self.shape(*shape, object)
    }

    fn shape(&self, shape: usize, node: Node<'_>) -> Option<Value> {
        let mut out: Option<Value> = None;
        for rule in &self.shapes[shape] {
            let current = out.as_ref().map_or(node, Value::node);
            if !rule.when.holds(current) {
                continue;
            }
            match &rule.action {
                Action::Enter(inner) => {
                    if let Some(changed) = self.enter(*inner, &rule.path, current) {
                        out = Some(changed);
                    }
                }
                Action::Put(value, zero) => {
                    if lacks(current, &rule.path, zero.as_ref()) {
                        let value = value.root().to_value();
                        put(out.get_or_insert_with(|| node.to_value()), &rule.path, value);
                    }
                }
                Action::Compute(compute) => {
                    if let Some(value) = compute(current) {
                        put(out.get_or_insert_with(|| node.to_value()), &rule.path, value);
                    }
                }
            }
        }
        out
    }

    fn enter(&self, shape: usize, path: &[Step], node: Node<'_>) -> Option<Value> {
        match path {
            [] => node.is_object().then(|| self.shape(shape, node)).flatten(),
            [Step::Member(name), rest @ ..] => {
                let changed = self.enter(shape, rest, node.get(name)?)?;
                let mut out = node.to_value();
                out.make_object().insert(*name, changed);
                Some(out)
            }
            [Step::Items, rest @ ..] => {
                let mut out: Option<Value> = None;
                for (index, item) in node.items().enumerate() {
                    if let Some(changed) = self.enter(shape, rest, item) {
                        out.get_or_insert_with(|| node.to_value()).make_array()[index] = changed;
                    }
                }
                out
            }
        }
    }

    fn read(text: &'static str) -> Result<Defaults, String> {
        let mut names: HashMap<&str, usize> = HashMap::new();
        let mut table = Defaults {
            shapes: Vec::new(),
            kinds: HashMap::new(),
        };
        let mut open = None;
        for line in text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
            if let Some(name) = line.strip_prefix("shape ") {
                open = Some(table.shape_named(&mut names, name.trim()));
            } else if let Some(kinds) = line.strip_prefix("kind ") {
                table.shapes.push(Vec::new());
                let shape = table.shapes.len() - 1;
                open = Some(shape);
                for kind in kinds.split_whitespace() {
                    let (group, kind) = kind
                        .split_once('/')
                        .ok_or_else(|| format!("{line}: write GROUP/KIND"))?;
                    table.kinds.insert((group.into(), kind.into()), shape);
                }
            } else {
                let rule = table
                    .rule(&mut names, line.trim())
                    .map_err(|why| format!("{line}: {why}"))?;
                let shape = open.ok_or_else(|| format!("{line}: a rule before the first shape"))?;
                table.shapes[shape].push(rule);
            }
        }
        match names.iter().find(|(_, shape)| table.shapes[**shape].is_empty()) {
            Some((name, _)) => Err(format!("shape {name} is used but has no rules")),
            None => Ok(table),
        }
    }

    fn shape_named(&mut self, names: &mut HashMap<&'static str, usize>, name: &'static str) -> usize {
        *names.entry(name).or_insert_with(|| {
            self.shapes.push(Vec::new());
            self.shapes.len() - 1
        })
    }

    fn rule(&mut self, names: &mut HashMap<&'static str, usize>, line: &'static str) -> Result<Rule, String> {
        let (rest, when) = match line.rsplit_once(" when ") {
            Some((rest, when)) => (rest.trim(), When::read(when.trim())?),
            None => (line, When::Always),
        };
        if let Some((path, value)) = rest.split_once(" = ") {
            let action = match value.trim().strip_prefix('@') {
                Some(name) => {
                    Action::Compute(computed::named(name).ok_or_else(|| format!("no function is called {name}"))?)
                }
                None => match value.split_once(" over ") {
                    Some((value, zero)) => Action::Put(json(value)?, Some(json(zero)?)),
                    // An empty text is Go's way to leave a text out.
                    None => Action::Put(json(value)?, Some(json("\"\"")?)),
                },
            };
            Ok(Rule {
                path: steps(path.trim()),
                action,
                when,
            })
        } else if let Some((path, shape)) = rest.split_once(" : ") {
            let shape = self.shape_named(names, shape.trim());
            Ok(Rule {
                path: steps(path.trim()),
                action: Action::Enter(shape),
                when,
            })
        } else {
            Err("neither ` = ` nor ` : `".into())
        }
    }
}

impl When {
    fn read(text: &'static str) -> Result<When, String> {
        let path = |text: &'static str| text.split('.').collect();
        Ok(if let Some((left, right)) = text.split_once(" == ") {
            When::Equal(path(left), json(right)?)
        } else if let Some(rest) = text.strip_prefix("no ") {
            When::Absent(path(rest))
        } else {
            When::Present(path(text))
        })
    }

    fn holds(&self, node: Node<'_>) -> bool {
        match self {
            When::Always => true,
            When::Equal(path, value) => node.at(path).is_some_and(|n| n == value.root()),
            When::Present(path) => node.at(path).is_some_and(|n| !n.is_null()),
            When::Absent(path) => node.at(path).is_none_or(Node::is_null),
        }
    }
}

fn json(text: &str) -> Result<Doc, String> {
    Doc::parse_json(text.trim().as_bytes()).map_err(|e| e.to_string())
}

fn steps(path: &'static str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        match part.strip_suffix("[]") {
            Some(name) => steps.extend([Step::Member(name), Step::Items]),
            None => steps.push(Step::Member(part)),
        }
    }
    steps
}

/// Whether the path's end is absent and may be put there: what lies on the way is an object or nothing.
fn lacks(node: Node<'_>, path: &[Step], zero: Option<&Doc>) -> bool {
    let mut node = node;
    for step in path {
        let Step::Member(name) = step else { return false };
        if !node.is_object() {
            return node.is_null();
        }
        match node.get(name) {
            Some(child) => node = child,
            None => return true,
        }
    }
    node.is_null() || zero.is_some_and(|zero| zero.root() == node)
}

fn put(object: &mut Value, path: &[Step], value: Value) {
    let keys: Vec<&str> = path
        .iter()
        .filter_map(|s| if let Step::Member(name) = s { Some(*name) } else { None })
        .collect();
    object.set(&keys, value);
}

#[cfg(test)]
mod tests {
    use ridgeway_krm::{KindTable, SchemaRef};

    use super::*;

    fn filled(text: &str) -> String {
        let doc = Doc::parse_json(text.as_bytes()).unwrap();
        let gvk = Gvk::of(doc.root()).unwrap();
        let once = defaults()
            .fill(&gvk, doc.root())
            .unwrap_or_else(|| doc.root().to_value());
        assert!(
            defaults().fill(&gvk, once.node()).is_none(),
            "defaulting twice changes {text}"
        );
        once.to_json()
    }

    #[test]
    fn the_table_is_well_formed() {
        Defaults::read(include_str!("../../data/defaults.txt")).unwrap();
    }

    fn unknown_paths(table: &Defaults, shape: usize, schema: SchemaRef<'_>, at: &str, found: &mut Vec<String>) {
        for rule in &table.shapes[shape] {
            let mut here = (schema, at.to_owned());
            let mut known = true;
            for step in &rule.path {
                let next = match step {
                    Step::Member(name) => here.0.member(name).map(|s| (s, format!("{}.{name}", here.1))),
                    Step::Items => here.0.items_schema().map(|s| (s, format!("{}[]", here.1))),
                };
                match next {
                    Some(next) => here = next,
                    None => {
                        found.push(format!("{} has no such part", here.1));
                        known = false;
                        break;
                    }
                }
            }
            if let (Action::Enter(inner), true) = (&rule.action, known) {
                unknown_paths(table, *inner, here.0, &here.1, found);
            }
        }
    }

    #[test]
    fn every_path_is_one_of_the_schemas() {
        let kinds = KindTable::builtin();
        let mut found = Vec::new();
        for ((group, kind), shape) in &defaults().kinds {
            let Some(kind) = kinds.by_kind(group, kind) else {
                continue;
            };
            unknown_paths(defaults(), *shape, kind.schema().unwrap(), &kind.gvk.kind, &mut found);
        }
        // Autoscaling has two versions; the rules for the other one do nothing here.
        found.retain(|f| !f.starts_with("HorizontalPodAutoscaler"));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn bad_tables_are_refused() {
        for (text, want) in [
            ("shape A\n  x : B\n", "shape B is used but has no rules"),
            ("  x = 1\n", "before the first shape"),
            ("shape A\n  x = @nothing\n", "no function is called nothing"),
            ("shape A\n  x = {\n", "x = {"),
            ("kind Pod\n", "write GROUP/KIND"),
        ] {
            let error = Defaults::read(text).err().unwrap_or_default();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn conditional_and_computed_defaults() {
        for (input, want) in [
            (
                r#"{"apiVersion":"apps/v1","kind":"Deployment","spec":{"strategy":{"type":"Recreate"}}}"#,
                r#"{"apiVersion":"apps/v1","kind":"Deployment","spec":{"strategy":{"type":"Recreate"},"replicas":1,"revisionHistoryLimit":10,"progressDeadlineSeconds":600}}"#,
            ),
            (
                r#"{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":0,"strategy":{"rollingUpdate":{"maxSurge":1}}}}"#,
                r#"{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":0,"strategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":"25%"},"type":"RollingUpdate"},"revisionHistoryLimit":10,"progressDeadlineSeconds":600}}"#,
            ),
            (
                r#"{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":80},{"port":8080,"targetPort":"web","protocol":"UDP"}]}}"#,
                r#"{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":80,"protocol":"TCP","targetPort":80},{"port":8080,"targetPort":"web","protocol":"UDP"}],"type":"ClusterIP","sessionAffinity":"None","internalTrafficPolicy":"Cluster"}}"#,
            ),
            (
                r#"{"apiVersion":"batch/v1","kind":"Job","spec":{"parallelism":2}}"#,
                r#"{"apiVersion":"batch/v1","kind":"Job","spec":{"parallelism":2,"completionMode":"NonIndexed","backoffLimit":6,"suspend":false,"manualSelector":false,"podReplacementPolicy":"TerminatingOrFailed"}}"#,
            ),
            (
                r#"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","spec":{"podSelector":{},"egress":[{"ports":[{"port":53}]}]}}"#,
                r#"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","spec":{"podSelector":{},"egress":[{"ports":[{"port":53,"protocol":"TCP"}]}],"policyTypes":["Ingress","Egress"]}}"#,
            ),
            (
                r#"{"apiVersion":"v1","kind":"Secret"}"#,
                r#"{"apiVersion":"v1","kind":"Secret","type":"Opaque"}"#,
            ),
            (
                r#"{"apiVersion":"v1","kind":"Pod"}"#,
                r#"{"apiVersion":"v1","kind":"Pod"}"#,
            ),
            (
                r#"{"apiVersion":"v1","kind":"Pod","spec":7}"#,
                r#"{"apiVersion":"v1","kind":"Pod","spec":7}"#,
            ),
        ] {
            assert_eq!(filled(input), want, "{input}");
        }
    }

    #[test]
    fn pods() {
        let pod = filled(
            r#"{"apiVersion":"v1","kind":"Pod","spec":{"hostNetwork":true,"containers":[
                {"name":"a","image":"nginx","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m"}}},
                {"name":"b","image":"nginx:1.27","livenessProbe":{"httpGet":{"port":80}}}],
                "volumes":[{"name":"e"},{"name":"c","configMap":{"name":"x"}}]}}"#,
        );
        let doc = Doc::parse_json(pod.as_bytes()).unwrap();
        let spec = doc.root().get("spec").unwrap();
        let container = |i| spec.get("containers").unwrap().item(i).unwrap();
        assert_eq!(container(0).str_at(&["imagePullPolicy"]), Some("Always"));
        assert_eq!(container(1).str_at(&["imagePullPolicy"]), Some("IfNotPresent"));
        assert_eq!(
            container(0).at(&["ports"]).unwrap().to_json(),
            r#"[{"containerPort":80,"protocol":"TCP","hostPort":80}]"#
        );
        assert_eq!(
            container(0).at(&["resources", "requests"]).unwrap().to_json(),
            r#"{"cpu":"500m","memory":"1Gi"}"#
        );
        assert_eq!(
            container(1).get("livenessProbe").unwrap().to_json(),
            r#"{"httpGet":{"port":80,"path":"/","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}"#
        );
        assert_eq!(
            spec.get("volumes").unwrap().to_json(),
            r#"[{"name":"e","emptyDir":{}},{"name":"c","configMap":{"name":"x","defaultMode":420}}]"#
        );
        assert_eq!(spec.str_at(&["dnsPolicy"]), Some("ClusterFirst"));
    }
}
