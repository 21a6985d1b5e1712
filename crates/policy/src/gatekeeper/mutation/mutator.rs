//! One mutator: `Assign`, `AssignMetadata`, `ModifySet` or `AssignImage`.

use ridgeway_doc::{Node, Position, Value};

use super::change::{Change, Current, Walk};
use super::image::Image;
use super::location::{Location, PathTests, Step};
use crate::gatekeeper::matching::{Match, Origin, texts};
use crate::gatekeeper::template::fault;
use crate::request::{Operation, Request};
use crate::source::unknown_field;
use crate::verdict::CompileError;

/// How long the name of a mutator may be.
const NAME: usize = 63;

/// What a value is made of.
#[derive(Debug)]
enum Body {
    Fixed(Change),
    /// The object's name.
    Name,
    /// The object's namespace.
    Namespace,
}

/// What kind of value a location ends in, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// `Assign` may set anything.
    Anything,
    /// `ModifySet` changes a list of values.
    Set,
    /// `AssignImage` changes a text.
    Text,
}

/// The kinds that a mutator is for, and what may be done to their objects.
#[derive(Debug)]
pub(super) struct ApplyTo {
    groups: Vec<String>,
    versions: Vec<String>,
    kinds: Vec<String>,
    pub(super) create: bool,
    pub(super) update: bool,
}

impl ApplyTo {
    fn compile(entry: Node<'_>) -> Result<ApplyTo, (&'static str, String)> {
        let list = |key: &'static str| match texts(entry.get(key)) {
            list if list.is_empty() => Err((key, "name groups, versions and kinds, each at least once".to_owned())),
            list if list.iter().any(|item| item.contains('*')) => {
                Err((key, "wildcards are not allowed here; name each one".to_owned()))
            }
            list => Ok(list),
        };
        let operations = texts(entry.get("operations"));
        if let Some(other) = operations
            .iter()
            .find(|o| !matches!(o.as_str(), "CREATE" | "UPDATE" | "*"))
        {
            return Err((
                "operations",
                format!("{other:?} is not mutated; use CREATE, UPDATE or *"),
            ));
        }
        if operations.len() > 1 && operations.iter().any(|o| o == "*") {
            return Err(("operations", "`*` stands for all; leave out the others".into()));
        }
        let does = |name: &str| operations.is_empty() || operations.iter().any(|o| o == "*" || o == name);
        Ok(ApplyTo {
            groups: list("groups")?,
            versions: list("versions")?,
            kinds: list("kinds")?,
            create: does("CREATE"),
            update: does("UPDATE"),
        })
    }

    fn is_for(&self, request: &Request<'_>, origin: Origin) -> bool {
        let gvk = request.gvk;
        let does = match (origin, request.operation) {
            // What will follow from an object may be made and changed.
            (Origin::Generated, _) => self.create && self.update,
            (Origin::Original, Operation::Create) => self.create,
            (Origin::Original, Operation::Update) => self.update,
            (Origin::Original, _) => false,
        };
        does && self.groups.contains(&gvk.group)
            && self.versions.contains(&gvk.version)
            && self.kinds.contains(&gvk.kind)
    }

    /// Whether some change concerns both.
    pub(super) fn meets(&self, other: &ApplyTo) -> bool {
        let share = |a: &[String], b: &[String]| a.iter().any(|item| b.contains(item));
        (self.create && other.create || self.update && other.update)
            && share(&self.groups, &other.groups)
            && share(&self.versions, &other.versions)
            && share(&self.kinds, &other.kinds)
    }
}

/// A compiled mutator.
#[derive(Debug)]
pub(crate) struct Mutator {
    /// `Kind/name`.
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(super) location: Location,
    pub(super) end: End,
    /// The kinds that it is for; empty for `AssignMetadata`, which is for all.
    pub(super) applies: Vec<ApplyTo>,
    pub(super) position: Option<Position>,
    matches: Match,
    tests: PathTests,
    body: Body,
}

/// A fault before its object is known: path and sentence.
type Wrong = (String, String);

fn wrong(path: &str, why: impl Into<String>) -> Wrong {
    (path.to_owned(), why.into())
}

fn known(node: Option<Node<'_>>, path: &str, keys: &[&str]) -> Result<(), Wrong> {
    let mut members = node.into_iter().flat_map(Node::members);
    match members.find(|(key, _)| !keys.contains(key)) {
        Some((key, _)) => Err((format!("{path}.{key}"), unknown_field(key, keys))),
        None => Ok(()),
    }
}

fn values(node: Option<Node<'_>>) -> Vec<Value> {
    node.into_iter().flat_map(Node::items).map(Node::to_value).collect()
}

impl Mutator {
    pub(crate) fn compile(node: Node<'_>) -> Result<Mutator, CompileError> {
        let matches = Match::compile(node)?;
        Mutator::read(node, matches).map_err(|(path, why)| fault(node, &path, why))
    }

    fn read(node: Node<'_>, matches: Match) -> Result<Mutator, Wrong> {
        const PARAMETERS: &str = "spec.parameters";
        let kind = node.str_at(&["kind"]).unwrap_or_default();
        let name = node.str_at(&["metadata", "name"]).unwrap_or_default();
        if name.len() > NAME {
            return Err(wrong(
                "metadata.name",
                format!("a mutator's name has at most {NAME} characters"),
            ));
        }
        let metadata = kind == "AssignMetadata";
        let spec: &[&str] = if metadata {
            &["match", "location", "parameters"]
        } else {
            &["applyTo", "match", "location", "parameters"]
        };
        known(node.get("spec"), "spec", spec)?;
        let parameters = node.at(&["spec", "parameters"]);
        known(
            parameters,
            PARAMETERS,
            match kind {
                "Assign" => &["assign", "pathTests", "assignIf"],
                "AssignMetadata" => &["assign"],
                "ModifySet" => &["operation", "values", "pathTests"],
                _ => &["assignDomain", "assignPath", "assignTag", "pathTests"],
            },
        )?;
        let text = node.str_at(&["spec", "location"]).unwrap_or_default();
        let location = Location::parse(text).map_err(|why| wrong("spec.location", why))?;
        at_home(kind, &location).map_err(|why| wrong("spec.location", why))?;
        let mut applies = Vec::new();
        let entries = node.at(&["spec", "applyTo"]).into_iter().flat_map(Node::items);
        for (i, entry) in entries.enumerate() {
            let path = |(key, why): (&str, String)| (format!("spec.applyTo[{i}].{key}"), why);
            applies.push(ApplyTo::compile(entry).map_err(path)?);
        }
        if applies.is_empty() && !metadata {
            return Err(wrong(
                "spec.applyTo",
                "name the groups, versions and kinds that it is for",
            ));
        }
        let mut tests = Vec::new();
        let written = parameters.and_then(|p| p.get("pathTests"));
        for (i, test) in written.into_iter().flat_map(Node::items).enumerate() {
            let path = format!("{PARAMETERS}.pathTests[{i}]");
            let sub = test.str_at(&["subPath"]).unwrap_or_default();
            let sub = Location::parse(sub).map_err(|why| (format!("{path}.subPath"), why))?;
            let there = match test.str_at(&["condition"]) {
                Some("MustExist") => true,
                Some("MustNotExist") => false,
                _ => return Err((format!("{path}.condition"), "use MustExist or MustNotExist".into())),
            };
            tests.push((sub, there));
            // Each test is looked at with those before it, so that the one at fault is named.
            PathTests::new(&location, &tests).map_err(|why| (format!("{path}.subPath"), why))?;
        }
        let tests = if metadata {
            PathTests::absent(&location)
        } else {
            PathTests::new(&location, &tests).map_err(|why| (format!("{PARAMETERS}.pathTests"), why))?
        };
        let body = match kind {
            "Assign" | "AssignMetadata" => assign(parameters, metadata, &location)?,
            "ModifySet" => Body::Fixed(modify(parameters)?),
            _ => {
                let part = |key: &str| parameters.and_then(|p| p.str_at(&[key])).unwrap_or_default().to_owned();
                let image = Image {
                    domain: part("assignDomain"),
                    path: part("assignPath"),
                    tag: part("assignTag"),
                };
                image.check().map_err(|(field, why)| {
                    let path = format!("{PARAMETERS}.{field}");
                    (path.trim_end_matches('.').to_owned(), why)
                })?;
                Body::Fixed(Change::Image(image))
            }
        };
        Ok(Mutator {
            name: format!("{kind}/{name}"),
            kind: kind.to_owned(),
            end: match kind {
                "ModifySet" => End::Set,
                "AssignImage" => End::Text,
                _ => End::Anything,
            },
            position: crate::source::position_of(node, "spec.location"),
            location,
            applies,
            matches,
            tests,
            body,
        })
    }

    /// Whether it is for an object.
    pub(super) fn selects(&self, request: &Request<'_>, subject: Node<'_>, origin: Origin) -> bool {
        (self.applies.is_empty() || self.applies.iter().any(|entry| entry.is_for(request, origin)))
            && self.matches.selects(request, subject, origin)
    }

    /// Changes an object. Says whether anything is other than before.
    pub(super) fn apply(&self, object: &mut Value, request: &Request<'_>) -> Result<bool, String> {
        let from = |text: &str| Change::Set(Value::from(text), Current::default());
        let made;
        let change = match &self.body {
            Body::Fixed(change) => change,
            Body::Name => {
                made = from(request.name);
                &made
            }
            Body::Namespace => {
                made = from(request.namespace);
                &made
            }
        };
        let walk = Walk {
            steps: &self.location.0,
            tests: &self.tests,
            change,
        };
        walk.run(object)
    }
}

/// Whether a location is one that a kind of mutator may change.
fn at_home(kind: &str, location: &Location) -> Result<(), String> {
    location.keeps_keys()?;
    let ends_in_list = matches!(location.last(), Some(Step::Items { .. }));
    match kind {
        "AssignMetadata" => match location.0.as_slice() {
            [Step::Field(metadata), Step::Field(map), Step::Field(_)]
                if metadata == "metadata" && matches!(map.as_str(), "labels" | "annotations") =>
            {
                Ok(())
            }
            _ => Err(
                "AssignMetadata adds one label or annotation: metadata.labels.\"key\" or \
                      metadata.annotations.\"key\""
                    .into(),
            ),
        },
        _ if location.begins_with("metadata") => Err(format!(
            "{kind} does not change metadata; AssignMetadata adds labels and annotations"
        )),
        "ModifySet" | "AssignImage" if ends_in_list => {
            Err(format!("{kind} needs a field at the end, not an item of a list"))
        }
        _ => Ok(()),
    }
}

/// What `Assign` and `AssignMetadata` set.
fn assign(parameters: Option<Node<'_>>, metadata: bool, location: &Location) -> Result<Body, Wrong> {
    const ASSIGN: &str = "spec.parameters.assign";
    let field = parameters.and_then(|p| p.get("assign"));
    known(field, ASSIGN, &["value", "fromMetadata", "externalData"])?;
    let sources: Vec<(&str, Node<'_>)> = field.into_iter().flat_map(Node::members).collect();
    let [(source, node)] = sources.as_slice() else {
        return Err(wrong(ASSIGN, "set exactly one of `value` and `fromMetadata`"));
    };
    let path = format!("{ASSIGN}.{source}");
    let item = match location.last() {
        Some(Step::Items { key, value }) => Some((key, value)),
        _ => None,
    };
    match *source {
        "value" => {
            if metadata && node.as_str().is_none() {
                return Err((
                    path,
                    "labels and annotations are texts; write the value in quotes".into(),
                ));
            }
            match item {
                Some((_, None)) => {
                    let why = "an item cannot be put in the place of all items; name its key's value, or a field in it";
                    return Err(wrong("spec.location", why));
                }
                Some((key, Some(wanted))) if node.get(key) != Some(wanted.node()) => {
                    let why = format!(
                        "the item that is put there must be an object whose `{key}` is {}, as `location` says",
                        wanted.to_json()
                    );
                    return Err((path, why));
                }
                _ => {}
            }
            let list = |key: &str| values(parameters.and_then(|p| p.at(&["assignIf", key])));
            known(
                parameters.and_then(|p| p.get("assignIf")),
                "spec.parameters.assignIf",
                &["in", "notIn"],
            )?;
            let current = Current {
                one_of: list("in"),
                none_of: list("notIn"),
            };
            Ok(Body::Fixed(Change::Set(node.to_value(), current)))
        }
        "fromMetadata" if item.is_some() => Err((path, "a name cannot be put in the place of a list's item".into())),
        "fromMetadata" => match node.str_at(&["field"]) {
            Some("name") => Ok(Body::Name),
            Some("namespace") => Ok(Body::Namespace),
            _ => Err((format!("{path}.field"), "use name or namespace".into())),
        },
        _ => Err((
            path,
            "external data is not asked for: a mutation must not wait for another server. Use `value` or \
             `fromMetadata`"
                .into(),
        )),
    }
}

/// What `ModifySet` does.
fn modify(parameters: Option<Node<'_>>) -> Result<Change, Wrong> {
    let list = parameters.and_then(|p| p.at(&["values", "fromList"]));
    if list.is_none_or(|list| !list.is_array()) {
        return Err(wrong("spec.parameters.values.fromList", "name the values as a list"));
    }
    match parameters.and_then(|p| p.str_at(&["operation"])) {
        None | Some("merge" | "") => Ok(Change::Merge(values(list))),
        Some("prune") => Ok(Change::Prune(values(list))),
        Some(other) => Err(wrong(
            "spec.parameters.operation",
            format!("{other:?} is no operation; use merge or prune"),
        )),
    }
}
