//! One recorded admission.

use ridgeway_doc::{Doc, Node};
use ridgeway_krm::Gvk;

use crate::request::{Data, Operation, Request, User};

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is no JSON.
    #[error("{0}")]
    Json(#[from] ridgeway_doc::ParseError),
    /// It lacks something.
    #[error("{0}")]
    Shape(String),
}

/// A request with what was decided.
#[derive(Clone, Debug)]
pub struct Admission {
    doc: Doc,
    gvk: Gvk,
    groups: Vec<String>,
    /// When.
    pub time: String,
    /// What was being done.
    pub operation: Operation,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Who asked.
    pub user: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// Which rules refused it.
    pub by: Vec<String>,
    /// What was answered.
    pub message: String,
}

impl Admission {
    /// Reads a line.
    pub fn read(line: &str) -> Result<Admission, RecordError> {
        Admission::of(ridgeway_doc::parse_json(line.as_bytes())?)
    }

    /// Reads a parsed record.
    pub fn of(doc: Doc) -> Result<Admission, RecordError> {
        let shape = |text: &str| RecordError::Shape(text.to_owned());
        let root = doc.root();
        let request = root
            .get("request")
            .filter(|node| node.is_object())
            .ok_or_else(|| shape("a record needs a `request`, as AdmissionReviews have it"))?;
        let text = |path: &[&str]| request.str_at(path).unwrap_or_default();
        let gvk = Gvk::new(
            text(&["kind", "group"]),
            text(&["kind", "version"]),
            text(&["kind", "kind"]),
        );
        if gvk.kind.is_empty() {
            return Err(shape("the request needs its `kind` with group, version and kind"));
        }
        let operation = text(&["operation"]);
        let operation = Operation::parse(operation).ok_or_else(|| {
            shape(&format!(
                "the request's operation is {operation:?}; it is CREATE, UPDATE, DELETE or CONNECT"
            ))
        })?;
        let present = |key: &str| request.get(key).is_some_and(Node::is_object);
        if !present("object") && !present("oldObject") {
            return Err(shape(
                "the request holds neither `object` nor `oldObject`; there is nothing to judge",
            ));
        }
        let groups = request.at(&["userInfo", "groups"]).into_iter().flat_map(Node::items);
        let groups = groups.filter_map(Node::as_str).map(str::to_owned).collect();
        let (decision, response) = (root.get("decision"), root.get("response"));
        let allowed = decision
            .or(response)
            .and_then(|d| d.get("allowed"))
            .and_then(Node::as_bool);
        let by = decision.and_then(|d| d.get("by")).into_iter().flat_map(Node::items);
        let by = by.filter_map(Node::as_str).map(str::to_owned).collect();
        let message = decision
            .and_then(|d| d.str_at(&["message"]))
            .or_else(|| response.and_then(|r| r.str_at(&["status", "message"])));
        let subject = request
            .get("object")
            .filter(|o| o.is_object())
            .or(request.get("oldObject"));
        let name = match text(&["name"]) {
            "" => subject
                .and_then(|s| s.str_at(&["metadata", "name"]))
                .unwrap_or_default(),
            name => name,
        };
        Ok(Admission {
            gvk,
            groups,
            time: root.str_at(&["time"]).unwrap_or_default().to_owned(),
            operation,
            namespace: text(&["namespace"]).to_owned(),
            name: name.to_owned(),
            user: text(&["userInfo", "username"]).to_owned(),
            allowed: allowed.unwrap_or(true),
            by,
            message: message.unwrap_or_default().to_owned(),
            doc,
        })
    }

    fn object(&self, key: &str) -> Option<Node<'_>> {
        self.doc.root().at(&["request", key]).filter(|node| node.is_object())
    }

    /// What the record says of the ledger's entry about it: `index`, and the digests `before` and `after`.
    pub fn ledger(&self) -> Option<Node<'_>> {
        self.doc.root().get("ledger").filter(|node| node.is_object())
    }

    /// `Kind/name`.
    pub fn object_name(&self) -> String {
        format!("{}/{}", self.gvk.kind, self.name)
    }

    /// The `team` label of the object, or of its namespace.
    pub fn team(&self) -> String {
        let of = |node: Option<Node<'_>>| {
            let labels = node?.at(&["metadata", "labels"])?;
            ["team", "ridgeway.dev/team", "owner"]
                .into_iter()
                .find_map(|key| labels.get(key).and_then(Node::as_str))
                .filter(|team| !team.is_empty())
                .map(str::to_owned)
        };
        of(self.object("object").or(self.object("oldObject")))
            .or_else(|| of(self.doc.root().get("namespaceObject")))
            .unwrap_or_default()
    }

    /// Puts the request before a judge.
    pub fn with_request<T>(&self, data: &dyn Data, judge: impl FnOnce(&Request<'_>) -> T) -> T {
        let text = |path: &[&str]| {
            self.doc
                .root()
                .at(&["request"])
                .and_then(|r| r.str_at(path))
                .unwrap_or_default()
        };
        let user = (!self.user.is_empty()).then(|| User {
            name: &self.user,
            groups: &self.groups,
            ..User::default()
        });
        judge(&Request {
            operation: self.operation,
            gvk: &self.gvk,
            gvr: None,
            subresource: text(&["subResource"]),
            namespace: &self.namespace,
            name: &self.name,
            object: self.object("object"),
            old_object: self.object("oldObject"),
            namespace_object: self.doc.root().get("namespaceObject").filter(|n| n.is_object()),
            user,
            dry_run: false,
            options: None,
            now: self.time.parse().ok(),
            data,
            variables: &[],
        })
    }
}
