//! What is put before the rules.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, Gvr, Kind, KindTable};

/// What is being done to an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new object.
    #[default]
    Create,
    /// A changed object.
    Update,
    /// An object going away.
    Delete,
    /// A connection to an object (exec, proxy).
    Connect,
}

impl Operation {
    /// `CREATE`, as admission reviews and policies spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }

    /// Reads a spelling.
    pub fn parse(text: &str) -> Option<Operation> {
        [
            Operation::Create,
            Operation::Update,
            Operation::Delete,
            Operation::Connect,
        ]
        .into_iter()
        .find(|operation| operation.as_str() == text)
    }
}

/// Whether a change does no more to an object on its way out than to take finalizers away: nothing may hold that up. What
/// an object says of itself (labels, spec, subjects) counts until it is gone, so changing that is judged as ever.
pub fn only_releases(old: Node<'_>, new: Node<'_>) -> bool {
    /// What the platform writes into metadata.
    const BOOKKEEPING: [&str; 5] = [
        "finalizers",
        "managedFields",
        "resourceVersion",
        "generation",
        "deletionGracePeriodSeconds",
    ];
    let same = |a: Node<'_>, b: Node<'_>, but: &[&str]| {
        let kept = |node: Node<'_>, key: &str| node.get(key).is_some() || but.contains(&key);
        a.members()
            .all(|(key, value)| but.contains(&key) || b.get(key) == Some(value))
            && b.members().all(|(key, _)| kept(a, key))
    };
    let finalizers = |node: Node<'_>| {
        node.at(&["metadata", "finalizers"])
            .map_or(0, |list| list.items().count())
    };
    old.at(&["metadata", "deletionTimestamp"]).is_some()
        && finalizers(new) <= finalizers(old)
        && same(old, new, &["metadata", "status"])
        && match (old.get("metadata"), new.get("metadata")) {
            (Some(old), Some(new)) => same(old, new, &BOOKKEEPING),
            _ => false,
        }
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct User<'a> {
    /// User name.
    pub name: &'a str,
    /// The user's unique id, where the authenticator knows one.
    pub uid: &'a str,
    /// Groups.
    pub groups: &'a [String],
    /// Bound roles as `namespace:name`, where known.
    pub roles: &'a [String],
    /// Bound cluster roles, where known.
    pub cluster_roles: &'a [String],
    /// What else the authenticator says: lists of texts by name.
    pub extra: Option<Node<'a>>,
}

/// Objects beside the one at hand: what a policy's context reads. All of it was fetched beforehand.
pub trait Data: Send + Sync {
    /// One object; the version may be empty.
    fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc>;

    /// The object or list at an API path such as `/api/v1/namespaces/x/configmaps`; `None` where it is not known.
    fn api(&self, path: &str) -> Option<Value> {
        let _ = path;
        None
    }

    /// What a call is answered, of a service or, where `url` is a path, of the API server; `None` where nothing is known of
    /// it. Nobody is asked here: test files give answers.
    fn call(&self, method: &str, url: &str) -> Option<Answer> {
        let _ = (method, url);
        None
    }

    /// What a global context entry holds; `None` where there is none of that name.
    fn global(&self, name: &str) -> Option<Result<Global, String>> {
        let _ = name;
        None
    }

    /// What a registry says about an image, as far as it is known.
    fn image_metadata(&self, image: &str) -> Option<Value> {
        let _ = image;
        None
    }

    /// What the authorizer answers to a question of a policy; `None` where there is nobody to ask.
    fn authorize(&self, question: &Question<'_>) -> Option<Decision> {
        let _ = question;
        None
    }

    /// A kind, where it is known: its schema, and whether its objects lie in namespaces.
    fn kind(&self, gvk: &Gvk) -> Option<Arc<Kind>> {
        static BUILT_IN: LazyLock<KindTable> = LazyLock::new(KindTable::builtin);
        BUILT_IN.get(gvk)
    }

    /// The objects of a kind in a namespace (empty: in all); `None` where they are not known.
    fn list(&self, gvk: &Gvk, namespace: &str) -> Option<Vec<Doc>> {
        let plural = match self.kind(gvk) {
            Some(kind) => kind.plural.clone(),
            None => crate::cel_policy::plural(&gvk.kind),
        };
        let root = if gvk.group.is_empty() { "/api" } else { "/apis" };
        let within = match namespace {
            "" => String::new(),
            namespace => format!("/namespaces/{namespace}"),
        };
        let list = self.api(&format!("{root}/{}{within}/{plural}", gvk.api_version()))?;
        let items = list.node().get("items").into_iter().flat_map(Node::items);
        let whole = |item: Node<'_>| {
            let mut object = item.to_value();
            // Items of lists need not say what they are.
            object.set(&["apiVersion"], gvk.api_version());
            object.set(&["kind"], gvk.kind.as_str());
            object.into_doc()
        };
        Some(items.map(whole).collect())
    }

    /// The replicated objects for Rego's `data.inventory`, if any are.
    fn inventory(&self) -> Option<Value> {
        None
    }
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// What a global context entry holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// All of it.
    pub value: Value,
    /// Names for parts of it, each with its JMESPath expression.
    pub projections: Vec<(String, String)>,
}

/// A question to the authorizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question<'q> {
    /// Namespace and name of the service account it is about; `None` for who makes the request.
    pub account: Option<(&'q str, &'q str)>,
    /// A path that is no resource's; the fields of resources are empty then.
    pub path: &'q str,
    /// The resource's group.
    pub group: &'q str,
    /// The resource.
    pub resource: &'q str,
    /// Its subresource.
    pub subresource: &'q str,
    /// The namespace.
    pub namespace: &'q str,
    /// The object.
    pub name: &'q str,
    /// What is to be done.
    pub verb: &'q str,
}

/// The authorizer's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// Why.
    pub reason: String,
    /// What went wrong in asking, if anything did.
    pub error: Option<String>,
}

/// No data at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoData;

impl Data for NoData {
    fn get(&self, _: &Gvk, _: &str, _: &str) -> Option<Doc> {
        None
    }
}

/// A change to be judged.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What is being done.
    pub operation: Operation,
    /// The kind.
    pub gvk: &'a Gvk,
    /// The resource, where known.
    pub gvr: Option<&'a Gvr>,
    /// The subresource, empty for the object itself.
    pub subresource: &'a str,
    /// The namespace, empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// The name; may be empty with `generateName`.
    pub name: &'a str,
    /// The object as it would be stored; `None` on delete.
    pub object: Option<Node<'a>>,
    /// The object as it is; `None` on create.
    pub old_object: Option<Node<'a>>,
    /// The namespace's own object.
    pub namespace_object: Option<Node<'a>>,
    /// Who asks; `None` when a stored object is judged in the background.
    pub user: Option<User<'a>>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// The options of the operation (`CreateOptions`, …), where they are known.
    pub options: Option<Node<'a>>,
    /// The present, for rules that read the time.
    pub now: Option<Timestamp>,
    /// Objects beside this one.
    pub data: &'a dyn Data,
    /// Variables given from outside (test files).
    pub variables: &'a [Given],
}

/// A variable given from outside, over what a rule's context would load.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The rule it is for; empty for all.
    pub rule: String,
    /// Its dotted name.
    pub name: String,
    /// Its value.
    pub value: Value,
}

impl Given {
    /// Whether it counts for a rule, or the rule that one was carried over from.
    pub(crate) fn counts_for(&self, rule: &str) -> bool {
        self.rule.is_empty()
            || rule == self.rule
            || rule.strip_prefix("autogen-").is_some_and(|rest| rest == self.rule)
            || rule
                .strip_prefix("autogen-cronjob-")
                .is_some_and(|rest| rest == self.rule)
    }
}

impl<'a> Request<'a> {
    /// The creation of an object that says itself what it is; the rest can be filled in.
    pub fn create(gvk: &'a Gvk, object: Node<'a>) -> Request<'a> {
        Request {
            operation: Operation::Create,
            gvk,
            gvr: None,
            subresource: "",
            namespace: object.str_at(&["metadata", "namespace"]).unwrap_or_default(),
            name: object.str_at(&["metadata", "name"]).unwrap_or_default(),
            object: Some(object),
            old_object: None,
            namespace_object: None,
            user: None,
            dry_run: false,
            options: None,
            now: None,
            data: &NoData,
            variables: &[],
        }
    }

    /// The object concerned: the new one, or the old one on delete.
    pub fn subject(&self) -> Option<Node<'a>> {
        self.object.or(self.old_object)
    }

    /// Whether it is about a namespace's own object, which lies in none.
    pub fn is_namespace(&self) -> bool {
        self.gvk.kind == "Namespace" && self.gvk.group.is_empty()
    }

    /// The namespace as admission reviews tell it: the own name of a namespace that somebody puts before the rules.
    pub fn told_namespace(&self) -> &'a str {
        if self.namespace.is_empty() && self.is_namespace() && self.user.is_some() {
            self.name
        } else {
            self.namespace
        }
    }

    /// The namespace's labels.
    pub fn namespace_labels(&self) -> Option<Node<'a>> {
        self.namespace_object
            .and_then(|namespace| namespace.at(&["metadata", "labels"]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_on_its_way_out_may_lose_finalizers_and_nothing_else() {
        let doc = |text: &str| ridgeway_doc::parse_yaml(text).unwrap().remove(0);
        let going = "{kind: Service, metadata: {name: a, labels: {b: c}, deletionTimestamp: x, finalizers: [f, g], \
                     resourceVersion: '1'}, spec: {type: ClusterIP}, status: {}}";
        let old = doc(going);
        for (from, to, released) in [
            ("[f, g]", "[g]", true),
            (", finalizers: [f, g]", "", true),
            ("resourceVersion: '1'", "managedFields: []", true),
            ("status: {}", "status: {a: b}", true),
            ("ClusterIP", "LoadBalancer", false),
            ("b: c", "b: d", false),
            (", labels: {b: c}", "", false),
            ("[f, g]", "[f, g, h]", false),
            (", spec: {type: ClusterIP}", "", false),
            ("status: {}", "other: {}", false),
        ] {
            assert!(going.contains(from), "{from}");
            let new = doc(&going.replace(from, to));
            assert_eq!(only_releases(old.root(), new.root()), released, "{from} -> {to}");
        }
        let staying = doc(&going.replace("deletionTimestamp: x, ", ""));
        assert!(!only_releases(staying.root(), staying.root()));
    }
}
