//! Reading an `AdmissionReview` of `admission.k8s.io/v1`.

use ridgeway_doc::{Doc, Node, ParseError};
use ridgeway_krm::{Gvk, Gvr};
use ridgeway_policy::{Operation, only_releases};

const API_VERSION: &str = "admission.k8s.io/v1";

/// Why a body is no review.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// It is no JSON.
    #[error("the body is no JSON document: {0}")]
    Json(#[from] ParseError),
    /// It is something else.
    #[error("the body is {found}; send an AdmissionReview of {API_VERSION} (`admissionReviewVersions: [v1]`)")]
    Kind {
        /// What it says it is.
        found: String,
    },
    /// A field is missing or wrong.
    #[error("{field} of the AdmissionReview {fault}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// What an API server asks.
#[derive(Clone, Debug)]
pub struct Review {
    doc: Doc,
    /// Identifies the question in the answer.
    pub uid: String,
    /// What is being done.
    pub operation: Operation,
    /// The kind of the object.
    pub gvk: Gvk,
    /// The resource.
    pub gvr: Gvr,
    /// The subresource, or empty.
    pub subresource: String,
    /// The object's namespace; empty for cluster-scoped objects, namespaces among them.
    pub namespace: String,
    /// The object's name; empty where the server will make one up.
    pub name: String,
    /// Who asks.
    pub user: String,
    /// The unique id of who asks, or empty.
    pub user_uid: String,
    /// Groups of who asks.
    pub groups: Vec<String>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

impl Review {
    /// Reads a request body.
    pub fn parse(body: &[u8]) -> Result<Review, ReviewError> {
        let doc = Doc::parse_json(body)?;
        let root = doc.root();
        let text = |path: &[&str]| root.str_at(path).unwrap_or_default().to_owned();
        if text(&["kind"]) != "AdmissionReview" || text(&["apiVersion"]) != API_VERSION {
            let (kind, version) = (text(&["kind"]), text(&["apiVersion"]));
            let found = match (kind.is_empty(), version.is_empty()) {
                (true, true) => "an object without kind".to_owned(),
                _ => format!("{kind} of {version}"),
            };
            return Err(ReviewError::Kind { found });
        }
        let missing = |field| ReviewError::Field {
            field,
            fault: "is missing",
        };
        let request = root.get("request").ok_or(missing("request"))?;
        let uid = text(&["request", "uid"]);
        if uid.is_empty() {
            return Err(missing("request.uid"));
        }
        let operation = Operation::parse(&text(&["request", "operation"])).ok_or(ReviewError::Field {
            field: "request.operation",
            fault: "must be CREATE, UPDATE, DELETE or CONNECT",
        })?;
        let part = |of: &str, key: &str| text(&["request", of, key]);
        let gvk = Gvk::new(&part("kind", "group"), &part("kind", "version"), &part("kind", "kind"));
        if gvk.kind.is_empty() {
            return Err(missing("request.kind.kind"));
        }
        let gvr = Gvr::new(
            &part("resource", "group"),
            &part("resource", "version"),
            &part("resource", "resource"),
        );
        // A namespace is said to be in itself; for rules it is an object of the cluster.
        let itself = gvk.group.is_empty() && gvk.kind == "Namespace";
        let namespace = if itself {
            String::new()
        } else {
            text(&["request", "namespace"])
        };
        let mut name = text(&["request", "name"]);
        if name.is_empty() {
            name = text(&["request", "object", "metadata", "name"]);
        }
        let groups = request.at(&["userInfo", "groups"]).into_iter().flat_map(Node::items);
        Ok(Review {
            uid,
            operation,
            subresource: text(&["request", "subResource"]),
            namespace,
            name,
            user: text(&["request", "userInfo", "username"]),
            user_uid: text(&["request", "userInfo", "uid"]),
            groups: groups.filter_map(|g| g.as_str().map(str::to_owned)).collect(),
            dry_run: request.get("dryRun").and_then(Node::as_bool).unwrap_or(false),
            gvk,
            gvr,
            doc,
        })
    }

    fn part(&self, key: &str) -> Option<Node<'_>> {
        self.doc.root().at(&["request", key]).filter(|node| !node.is_null())
    }

    /// The object as it would be stored; `None` on delete.
    pub fn object(&self) -> Option<Node<'_>> {
        self.part("object")
    }

    /// The object as it is; `None` on create.
    pub fn old_object(&self) -> Option<Node<'_>> {
        self.part("oldObject")
    }

    /// What else the authenticator says of who asks.
    pub fn user_extra(&self) -> Option<Node<'_>> {
        self.part("userInfo")?.get("extra").filter(|extra| extra.is_object())
    }

    /// The options of the operation.
    pub fn options(&self) -> Option<Node<'_>> {
        self.part("options")
    }

    /// Whether the object is on its way out and only loses finalizers.
    pub(crate) fn leaving(&self) -> bool {
        let both = self.old_object().zip(self.object());
        self.operation == Operation::Update && both.is_some_and(|(old, new)| only_releases(old, new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(request: &str) -> Result<Review, ReviewError> {
        let text = format!(r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{request}}}"#);
        Review::parse(text.as_bytes())
    }

    #[test]
    fn what_is_asked() {
        let pod = review(
            r#"{"uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
            "operation":"CREATE","namespace":"shop","userInfo":{"username":"alice","groups":["a","b"]},"dryRun":true,
            "object":{"metadata":{"name":"web"}},"oldObject":null}"#,
        )
        .unwrap();
        assert_eq!((&*pod.name, &*pod.namespace, pod.dry_run), ("web", "shop", true));
        assert_eq!((&*pod.user, pod.groups.len()), ("alice", 2));
        assert!(pod.object().is_some() && pod.old_object().is_none() && !pod.leaving());
        let namespace = review(
            r#"{"uid":"u","kind":{"group":"","version":"v1","kind":"Namespace"},"operation":"UPDATE","namespace":"shop","name":"shop",
            "object":{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}},
            "oldObject":{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["a"]}}}"#,
        )
        .unwrap();
        assert_eq!((&*namespace.name, &*namespace.namespace), ("shop", ""));
        assert!(namespace.leaving());
    }

    #[test]
    fn what_is_no_review() {
        for (text, want) in [
            ("{", "no JSON"),
            (r#"{"apiVersion":"v1","kind":"Pod"}"#, "the body is Pod of v1"),
            ("{}", "an object without kind"),
            (
                r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#,
                "admissionReviewVersions: [v1]",
            ),
            (
                r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#,
                "request of the",
            ),
        ] {
            let said = Review::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(want), "{said}");
        }
        for (request, want) in [
            ("{}", "request.uid"),
            (
                r#"{"uid":"u","operation":"PATCH"}"#,
                "CREATE, UPDATE, DELETE or CONNECT",
            ),
            (r#"{"uid":"u","operation":"CREATE"}"#, "request.kind.kind"),
        ] {
            let said = review(request).unwrap_err().to_string();
            assert!(said.contains(want), "{said}");
        }
    }
}
