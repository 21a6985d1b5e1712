//! `validate.pattern`: compiled to a tree, matched against nodes without allocating until something fails.

use ridgeway_doc::{Kind, Node, Value};

use super::anchor::{self, Anchor};
use super::context::Env;
use super::scalar::{Leaf, Scalar};
use super::template::{Template, TemplateFault, Tree, has_variables, member_path};
use super::wildcard;
use crate::jmespath::Fault;
use crate::path::{FieldPath, Path};
use crate::pattern_text::has_wildcard;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Map(Vec<Entry>),
    /// An empty array: matches nothing.
    EmptyArray,
    /// One map for every item.
    Each(Vec<Entry>),
    /// One leaf for every item.
    EachLeaf(Box<Pattern>),
    /// A pattern per item (nested arrays).
    Items(Vec<Pattern>),
    Leaf(Scalar),
    /// A leaf with variables.
    Variable(Template),
    /// A map with variables in its keys: compiled when they are known.
    Late(Tree),
}

/// One key of a map pattern.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    anchor: Anchor,
    key: Box<str>,
    /// `"*"`: the key must be there, whatever its value.
    star: bool,
    /// The key holds wildcards and stands where they are expanded (labels and annotations).
    expand: bool,
    pattern: Pattern,
}

impl Pattern {
    /// Compiles a pattern that applies at `at` (a JMESPath, for `{{@}}`).
    pub(crate) fn compile(node: Node<'_>, at: &str) -> Result<Pattern, TemplateFault> {
        Self::build(node, at, Place::Elsewhere, true)
    }

    /// Compiles a pattern that holds no variables any more: braces in it are data.
    pub(crate) fn plain(node: Node<'_>) -> Result<Pattern, TemplateFault> {
        Self::build(node, "", Place::Elsewhere, false)
    }

    fn build(node: Node<'_>, at: &str, place: Place, variables: bool) -> Result<Pattern, TemplateFault> {
        Ok(match node.kind() {
            Kind::Object if variables && node.members().any(|(key, _)| key.contains("{{")) => {
                Pattern::Late(Tree::compile(node, at)?)
            }
            Kind::Object => Pattern::Map(entries(node, at, place, variables)?),
            Kind::Array => match node.item(0).map(|item| (item, item.kind())) {
                None => Pattern::EmptyArray,
                Some((item, Kind::Object)) if variables && item.members().any(|(key, _)| key.contains("{{")) => {
                    Pattern::Late(Tree::compile(node, at)?)
                }
                Some((item, Kind::Object)) => Pattern::Each(entries(item, at, Place::Elsewhere, variables)?),
                Some((_, Kind::Array)) => {
                    let items = node
                        .items()
                        .map(|item| Self::build(item, at, Place::Elsewhere, variables));
                    Pattern::Items(items.collect::<Result<_, _>>()?)
                }
                Some((item, _)) => Pattern::EachLeaf(Box::new(Self::build(item, at, Place::Elsewhere, variables)?)),
            },
            Kind::String if variables && has_variables(node) => {
                match Template::compile(node.as_str().unwrap_or_default(), at)? {
                    Template::Text(text) => Pattern::Leaf(Scalar::compile(Value::from(&*text).node())),
                    template => Pattern::Variable(template),
                }
            }
            _ => Pattern::Leaf(Scalar::compile(node)),
        })
    }
}

/// Where keys with wildcards are expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Metadata,
    LabelsOrAnnotations,
    Elsewhere,
}

fn entries(node: Node<'_>, at: &str, place: Place, variables: bool) -> Result<Vec<Entry>, TemplateFault> {
    let mut out = Vec::with_capacity(node.len());
    for (raw, member) in node.members() {
        let (anchor, key) = anchor::parse(raw);
        let inner = match (place, key) {
            (_, "metadata") => Place::Metadata,
            (Place::Metadata, "labels" | "annotations") => Place::LabelsOrAnnotations,
            _ => Place::Elsewhere,
        };
        let below = member_path(at, key);
        let pattern = if anchor == Anchor::Existence && member.is_array() {
            let items = member
                .items()
                .map(|item| Pattern::build(item, &below, Place::Elsewhere, variables));
            Pattern::Items(items.collect::<Result<_, _>>()?)
        } else {
            Pattern::build(member, &below, inner, variables)?
        };
        out.push(Entry {
            anchor,
            key: key.into(),
            star: anchor == Anchor::None && member.as_str() == Some("*"),
            expand: place == Place::LabelsOrAnnotations && has_wildcard(key),
            pattern,
        });
    }
    // Kyverno's order: anchors decide before anything else is looked at; then what holds anchors, the last first; then the
    // rest. What skips a rule and what fails it can both be in one pattern: the first one counts.
    out.sort_by(|a, b| {
        a.rank().cmp(&b.rank()).then_with(|| match a.rank() {
            FRONT => b.place().cmp(&a.place()),
            _ => a.place().cmp(&b.place()),
        })
    });
    Ok(out)
}

/// The ranks of anchors, and of what holds anchors.
const DECIDES: u8 = 0;
const FRONT: u8 = 1;

impl Entry {
    fn decides(&self) -> bool {
        use Anchor::{Condition, Equality, Existence, Negation};
        matches!(self.anchor, Condition | Existence | Equality | Negation)
    }

    fn rank(&self) -> u8 {
        match self.anchor {
            _ if self.decides() => DECIDES,
            Anchor::Global => FRONT,
            _ if self.pattern.has_anchors() => FRONT,
            _ => 2,
        }
    }

    /// Sorts as the key does as it is written, mark and all.
    fn place(&self) -> (&'static str, &str) {
        let mark = match self.anchor {
            // Names begin with letters, which sort behind the marks that stand beside them.
            Anchor::None => "~",
            Anchor::Condition => "(",
            Anchor::AddIfMissing => "+",
            Anchor::Global => "<",
            Anchor::Equality => "=",
            Anchor::Negation => "X",
            Anchor::Existence => "^",
        };
        (mark, &self.key)
    }
}

impl Pattern {
    fn has_anchors(&self) -> bool {
        match self {
            Pattern::Map(entries) | Pattern::Each(entries) => entries
                .iter()
                .any(|entry| entry.anchor != Anchor::None || entry.pattern.has_anchors()),
            Pattern::Items(items) => items.iter().any(Pattern::has_anchors),
            Pattern::EachLeaf(inner) => inner.has_anchors(),
            _ => false,
        }
    }
}

/// Where the condition stands that did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    /// In the map at hand, or for the whole rule.
    Here,
    /// Further down: what stands beside it may still apply.
    Below,
}

/// Why a pattern does not match.
#[derive(Debug)]
pub(crate) enum Mismatch {
    /// A condition did not hold: the rule does not apply.
    Skip(Skip),
    /// The object violates the pattern.
    Fail(Box<Failure>),
    /// A variable could not be evaluated.
    Fault(Fault),
}

/// What is expected at a place that failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    /// A leaf pattern, as text, and the value it stands for when it is one.
    Leaf(String, Option<Value>),
    /// Anything, but there.
    Present,
    /// Nothing.
    Absent,
    /// An item that matches.
    SomeItem,
    /// An object or array.
    Shape(&'static str),
}

/// One place where an object violates a pattern.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) path: FieldPath,
    pub(crate) expected: Expected,
    pub(crate) found: Option<Value>,
}

/// Matches patterns within one rule's environment.
pub(crate) struct Matcher<'m, 'a> {
    env: &'m Env<'a>,
    /// Collects every failure instead of ending at the first.
    all: Option<&'m mut Vec<Failure>>,
}

impl Pattern {
    /// Matches; ends at the first mismatch.
    pub(crate) fn check<'a>(&'a self, env: &Env<'a>, object: Option<Node<'_>>) -> Result<(), Mismatch> {
        Matcher { env, all: None }.value(self, object, Path::ROOT)
    }

    /// All places where the object violates the pattern; for sentences, after [`Pattern::check`] failed.
    pub(crate) fn failures<'a>(&'a self, env: &Env<'a>, object: Option<Node<'_>>) -> Vec<Failure> {
        let mut all = Vec::new();
        let ended = Matcher {
            env,
            all: Some(&mut all),
        }
        .value(self, object, Path::ROOT);
        if let Err(Mismatch::Fail(failure)) = ended {
            all.push(*failure);
        }
        all
    }
}

impl<'m, 'a> Matcher<'m, 'a> {
    fn fail(&mut self, path: Path<'_>, expected: Expected, found: Option<Node<'_>>) -> Result<(), Mismatch> {
        self.look(path, || expected.clone(), found, false);
        let failure = Failure {
            path: path.to_field(),
            expected,
            found: found.map(Node::to_value),
        };
        match &mut self.all {
            Some(all) => {
                all.push(failure);
                Ok(())
            }
            None => Err(Mismatch::Fail(Box::new(failure))),
        }
    }

    /// Writes down what was looked at, when somebody asked.
    fn look(&self, path: Path<'_>, expected: impl FnOnce() -> Expected, found: Option<Node<'_>>, holds: bool) {
        if let Some(trace) = self.env.trace {
            trace.pattern(&path.to_field(), &expected(), found, holds);
        }
    }

    fn value(&mut self, pattern: &'a Pattern, found: Option<Node<'_>>, path: Path<'_>) -> Result<(), Mismatch> {
        self.env.fuel.burn(1).map_err(|e| Mismatch::Fault(e.into()))?;
        match pattern {
            Pattern::Map(entries) => match found {
                Some(node) if node.is_object() => self.map(entries, node, path),
                // Naming the missing leaves says more than naming the missing object.
                None if self.all.is_some() => self.map(entries, Value::object().node(), path),
                _ => self.fail(path, Expected::Shape("an object"), found),
            },
            Pattern::Each(entries) => match found {
                Some(node) if node.is_array() => self.each(entries, node, path),
                _ => self.fail(path, Expected::Shape("a list"), found),
            },
            Pattern::EmptyArray => self.fail(path, Expected::Shape("a list"), found),
            Pattern::EachLeaf(inner) => match found {
                Some(node) if node.is_array() => self.value(inner, found, path),
                _ => self.fail(path, Expected::Shape("a list"), found),
            },
            Pattern::Items(patterns) => match found {
                Some(node) if node.is_array() && node.len() >= patterns.len() => {
                    let mut skipped = 0;
                    for (i, pattern) in patterns.iter().enumerate() {
                        match self.value(pattern, node.item(i), path.index(i)) {
                            Err(Mismatch::Skip(_)) => skipped += 1,
                            other => other?,
                        }
                    }
                    if skipped > 0 && skipped == patterns.len() {
                        Err(Mismatch::Skip(Skip::Below))
                    } else {
                        Ok(())
                    }
                }
                _ => self.fail(path, Expected::Shape("a list"), found),
            },
            Pattern::Leaf(scalar) => self.leaf(scalar, found, path),
            Pattern::Variable(template) => {
                let value = template.eval(self.env).map_err(Mismatch::Fault)?.to_value();
                self.late(&value, found, path)
            }
            Pattern::Late(tree) => {
                let value = tree.eval(self.env).map_err(Mismatch::Fault)?;
                self.late(&value, found, path)
            }
        }
    }

    /// A pattern that is only known now. Its texts hold no variables any more: what they hold is data.
    fn late(&mut self, value: &Value, found: Option<Node<'_>>, path: Path<'_>) -> Result<(), Mismatch> {
        let node = value.node();
        if !node.is_object() && !node.is_array() {
            return self.leaf(&Scalar::compile(node), found, path);
        }
        let pattern = Pattern::plain(node).map_err(|e| Mismatch::Fault(Fault::Invalid(e)))?;
        // The pattern lives only here; its failures are carried over.
        let fuel = crate::budget::Fuel::default();
        let mut env = Env::bare(self.env.request, &fuel);
        env.trace = self.env.trace;
        let mut collected = Vec::new();
        let mut matcher = Matcher {
            env: &env,
            all: self.all.is_some().then_some(&mut collected),
        };
        let ended = matcher.value(&pattern, found, path);
        if let Some(all) = &mut self.all {
            all.append(&mut collected);
        }
        ended
    }

    fn leaf(&mut self, scalar: &Scalar, found: Option<Node<'_>>, path: Path<'_>) -> Result<(), Mismatch> {
        if let Some(node) = found
            && node.is_array()
        {
            for (i, item) in node.items().enumerate() {
                if !scalar.matches(Leaf::of(Some(item))) {
                    return self.fail(path.index(i), expected(scalar), Some(item));
                }
                self.look(path.index(i), || expected(scalar), Some(item), true);
            }
            return Ok(());
        }
        if scalar.matches(Leaf::of(found)) {
            self.look(path, || expected(scalar), found, true);
            return Ok(());
        }
        self.fail(path, expected(scalar), found)
    }

    fn map(&mut self, entries: &'a [Entry], node: Node<'_>, path: Path<'_>) -> Result<(), Mismatch> {
        let anchors = entries.iter().take_while(|entry| entry.decides()).count();
        let (deciding, rest) = entries.split_at(anchors);
        let (mut applied, mut skipped, mut here) = (false, false, false);
        for entry in deciding {
            match self.any(entry, node, path) {
                Ok(()) => applied = true,
                Err(Mismatch::Skip(skip)) => {
                    skipped = true;
                    here |= skip == Skip::Here;
                }
                // Where a condition does not hold, nothing is asked for.
                Err(Mismatch::Fail(_)) if here => {}
                Err(other) => return Err(other),
            }
        }
        if skipped && (here || !applied) {
            return Err(Mismatch::Skip(Skip::Below));
        }
        rest.iter().try_for_each(|entry| self.any(entry, node, path))
    }

    fn any(&mut self, entry: &'a Entry, node: Node<'_>, path: Path<'_>) -> Result<(), Mismatch> {
        if entry.expand {
            self.expanded(entry, node, path)
        } else {
            self.entry(entry, &entry.key, node, path)
        }
    }

    /// A label key with wildcards stands for the first key of the object that matches it.
    fn expanded(&mut self, entry: &'a Entry, node: Node<'_>, path: Path<'_>) -> Result<(), Mismatch> {
        match node.members().find(|(key, _)| wildcard(&entry.key, key)) {
            Some((key, _)) => self.entry(entry, key, node, path),
            None => self.entry(entry, &entry.key, node, path),
        }
    }

    fn entry(&mut self, entry: &'a Entry, key: &str, node: Node<'_>, path: Path<'_>) -> Result<(), Mismatch> {
        let found = node.get(key);
        let here = path.key(key);
        match entry.anchor {
            Anchor::None | Anchor::AddIfMissing => {
                if entry.star {
                    return match found {
                        Some(value) if !value.is_null() => Ok(()),
                        _ => self.fail(here, Expected::Present, found),
                    };
                }
                self.value(&entry.pattern, found, here)
            }
            Anchor::Equality => match found {
                Some(value) => self.value(&entry.pattern, Some(value), here),
                None => Ok(()),
            },
            Anchor::Negation => match found {
                Some(value) => self.fail(here, Expected::Absent, Some(value)),
                None => {
                    self.look(here, || Expected::Absent, None, true);
                    Ok(())
                }
            },
            Anchor::Condition => match found {
                Some(value) => self.condition(&entry.pattern, value, here),
                None => {
                    self.look(here, || Expected::Present, None, false);
                    Err(Mismatch::Skip(Skip::Here))
                }
            },
            Anchor::Global => match found {
                Some(value) => self.condition(&entry.pattern, value, here),
                None => Ok(()),
            },
            Anchor::Existence => match found {
                Some(value) => self.existence(&entry.pattern, value, here),
                None => Ok(()),
            },
        }
    }

    /// Any mismatch within a condition means that the rule does not apply.
    fn condition(&mut self, pattern: &'a Pattern, value: Node<'_>, path: Path<'_>) -> Result<(), Mismatch> {
        let mut plain = Matcher {
            env: self.env,
            all: None,
        };
        match plain.value(pattern, Some(value), path) {
            Err(Mismatch::Fail(_) | Mismatch::Skip(_)) => Err(Mismatch::Skip(Skip::Here)),
            other => other,
        }
    }

    fn existence(&mut self, pattern: &'a Pattern, list: Node<'_>, path: Path<'_>) -> Result<(), Mismatch> {
        let Pattern::Items(wanted) = pattern else {
            return self.fail(path, Expected::Shape("a list"), Some(list));
        };
        if !list.is_array() {
            return self.fail(path, Expected::Shape("a list"), Some(list));
        }
        let mut plain = Matcher {
            env: self.env,
            all: None,
        };
        for want in wanted {
            let found = list
                .items()
                .enumerate()
                .any(|(i, item)| plain.value(want, Some(item), path.index(i)).is_ok());
            if !found {
                self.fail(path, Expected::SomeItem, Some(list))?;
            }
        }
        Ok(())
    }

    fn each(&mut self, entries: &'a [Entry], list: Node<'_>, path: Path<'_>) -> Result<(), Mismatch> {
        let (mut applied, mut skipped) = (0, 0);
        for (i, item) in list.items().enumerate() {
            let here = path.index(i);
            if !item.is_object() {
                self.fail(here, Expected::Shape("an object"), Some(item))?;
                continue;
            }
            let before = self.all.as_ref().map(|all| all.len());
            match self.map(entries, item, here) {
                Err(Mismatch::Skip(_)) => {
                    // What failed before the condition was met does not count.
                    if let (Some(all), Some(before)) = (&mut self.all, before) {
                        all.truncate(before);
                    }
                    skipped += 1;
                }
                other => {
                    other?;
                    applied += 1;
                }
            }
        }
        if applied == 0 && skipped > 0 {
            Err(Mismatch::Skip(Skip::Below))
        } else {
            Ok(())
        }
    }
}

/// What a leaf pattern asks for.
fn expected(scalar: &Scalar) -> Expected {
    match scalar {
        Scalar::Null => Expected::Leaf("null".into(), None),
        Scalar::Bool(b) => Expected::Leaf(b.to_string(), Some((*b).into())),
        Scalar::Number(n) => Expected::Leaf(n.to_string(), Some((*n).into())),
        Scalar::Text(pattern) => {
            let raw = &*pattern.raw;
            let literal = !has_wildcard(raw) && !raw.contains(['|', '&', '!', '<', '>']);
            Expected::Leaf(raw.into(), literal.then(|| raw.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;
    use crate::budget::Fuel;
    use crate::request::Request;

    #[test]
    fn what_skips_and_what_fails_come_in_kyvernos_order() {
        let object = parse_yaml(
            "{kind: Pod, metadata: {annotations: {path: ''}, name: x}, spec: {class: b, hostNetwork: true, \
             containers: [{name: a, image: a}], initContainers: [{name: i, image: i}]}}",
        )
        .unwrap()
        .remove(0);
        let gvk = ridgeway_krm::Gvk::new("", "v1", "Pod");
        let request = Request::create(&gvk, object.root());
        let outcome = |pattern: &str| {
            let pattern = parse_yaml(pattern).unwrap().remove(0);
            let pattern = Pattern::compile(pattern.root(), "").unwrap();
            let fuel = Fuel::default();
            match pattern.check(&Env::bare(&request, &fuel), Some(object.root())) {
                Ok(()) => "pass",
                Err(Mismatch::Skip(_)) => "skip",
                Err(Mismatch::Fail(_)) => "fail",
                Err(Mismatch::Fault(_)) => "error",
            }
        };
        for (pattern, want) in [
            // The last of what holds anchors is looked at first.
            (
                "{metadata: {annotations: {=(path): '?*'}}, spec: {<(class): a}}",
                "skip",
            ),
            (
                "{metadata: {annotations: {=(path): '?*'}}, spec: {<(class): b}}",
                "fail",
            ),
            ("{spec: {=(hostNetwork): false}, metadata: {(name): y}}", "fail"),
            // A condition counts before other anchors beside it, whatever its name.
            ("{spec: {X(class): null, (hostNetwork): false}}", "skip"),
            ("{spec: {=(class): a, (hostNetwork): false}}", "skip"),
            // A condition further down leaves alone what stands beside it, unless nothing else there applied.
            (
                "{spec: {=(initContainers): [{(name): z, image: x}], =(volumes): [{}], containers: [{image: x}]}}",
                "fail",
            ),
            (
                "{spec: {=(initContainers): [{(name): z, image: x}], containers: [{image: x}]}}",
                "skip",
            ),
            (
                "{spec: {=(initContainers): [{(name): z, image: x}], (class): b, containers: [{image: a}]}}",
                "pass",
            ),
            (
                "{spec: {=(initContainers): [{<(name): z}], =(class): b, containers: [{image: x}]}}",
                "fail",
            ),
        ] {
            assert_eq!(outcome(pattern), want, "{pattern}");
        }
    }
}
