//! The snapshot: roles and bindings, indexed by subject, and the decision over them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use ridgeway_doc::Node;
use ridgeway_krm::LabelSelector;

use crate::index::{Compiled, Question, Symbols};
use crate::rule::PolicyRule;

/// Members of this group may do everything, whatever the roles say.
pub(crate) const MASTERS: &str = "system:masters";

const GROUP: &str = "rbac.authorization.k8s.io";

/// One request, as an authorizer sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// User name.
    pub user: &'a str,
    /// The user's groups.
    pub groups: &'a [String],
    /// Verb, such as `get` or `deletecollection`.
    pub verb: &'a str,
    /// API group, empty for core.
    pub group: &'a str,
    /// API version; RBAC does not look at it.
    pub version: &'a str,
    /// Plural resource.
    pub resource: &'a str,
    /// Subresource, or empty.
    pub subresource: &'a str,
    /// Object name, or empty.
    pub name: &'a str,
    /// Namespace, empty at the cluster scope.
    pub namespace: &'a str,
    /// The path of a request outside the resource API; empty for requests about resources.
    pub non_resource_path: &'a str,
}

/// The answer, and why.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why, in kube-apiserver's words. A refusal has a reason only when a binding that concerns the user points at a
    /// role that does not exist.
    pub reason: String,
    /// What kept the authorizer from seeing all rules: roles whose stored form cannot be read. Empty when allowed.
    pub evaluation_error: String,
    /// What granted it; `None` for refusals and for `system:masters`.
    pub proof: Option<Proof>,
}

/// The rule that allowed a request, and how it reached the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The binding and its subject.
    pub grant: Arc<Grant>,
    /// The rule of the role.
    pub rule: Arc<PolicyRule>,
}

/// One subject of one binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whether it is a `ClusterRoleBinding` (else a `RoleBinding`).
    pub cluster_wide: bool,
    /// The binding's name.
    pub binding: String,
    /// The binding's namespace; empty for cluster role bindings.
    pub namespace: String,
    /// `Role` or `ClusterRole`.
    pub role_kind: String,
    /// The role's name.
    pub role: String,
    /// Who was meant.
    pub subject: Subject,
    reason: String,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// A subject of a binding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user by name.
    User(String),
    /// Everybody in a group.
    Group(String),
    /// A service account.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::User(name) => write!(f, "User {name:?}"),
            Subject::Group(name) => write!(f, "Group {name:?}"),
            Subject::ServiceAccount { namespace, name } => write!(f, "ServiceAccount \"{name}/{namespace}\""),
        }
    }
}

impl Subject {
    /// Reads an item of `subjects`; a service account without namespace is of the binding's.
    fn of(subject: Node<'_>, namespace: &str) -> Option<Subject> {
        let text = |key| subject.str_at(&[key]).unwrap_or_default().to_owned();
        match subject.str_at(&["kind"])? {
            "User" => Some(Subject::User(text("name"))),
            "Group" => Some(Subject::Group(text("name"))),
            "ServiceAccount" => {
                let own = text("namespace");
                let namespace = if own.is_empty() { namespace.to_owned() } else { own };
                (!namespace.is_empty()).then(|| Subject::ServiceAccount {
                    namespace,
                    name: text("name"),
                })
            }
            _ => None,
        }
    }
}

/// A role with its effective rules.
#[derive(Debug, Default)]
pub(crate) struct Role {
    pub(crate) rules: Vec<Arc<PolicyRule>>,
    compiled: Vec<Compiled>,
    /// Why the rules are not all there.
    broken: Option<String>,
}

/// What one subject was granted, by where it holds.
#[derive(Debug, Default)]
struct Held {
    everywhere: Vec<Bound>,
    namespaces: HashMap<Box<str>, Vec<Bound>>,
}

#[derive(Debug)]
struct Bound {
    grant: Arc<Grant>,
    /// `None` when the role does not exist.
    role: Option<Arc<Role>>,
}

/// An immutable snapshot of all RBAC objects. Build it anew when one changes, and swap the `Arc`.
#[derive(Debug, Default)]
pub struct Rules {
    symbols: Symbols,
    cluster_roles: HashMap<Box<str>, Arc<Role>>,
    /// By namespace, then name.
    roles: HashMap<Box<str>, HashMap<Box<str>, Arc<Role>>>,
    users: HashMap<Box<str>, Held>,
    groups: HashMap<Box<str>, Held>,
}

impl Rules {
    /// A snapshot of the Roles, ClusterRoles, RoleBindings and ClusterRoleBindings among some objects; others are ignored.
    ///
    /// A ClusterRole with an `aggregationRule` has the rules of all ClusterRoles that its selectors choose, through any
    /// number of aggregations, and no others.
    pub fn from_objects<'a>(objects: impl Iterator<Item = Node<'a>>) -> Rules {
        let mut rules = Rules::default();
        let mut cluster_roles = BTreeMap::new();
        let mut bindings = Vec::new();
        for object in objects {
            let text = |path: &[&str]| object.str_at(path).unwrap_or_default();
            if !text(&["apiVersion"]).starts_with(GROUP) {
                continue;
            }
            let (name, namespace) = (text(&["metadata", "name"]), text(&["metadata", "namespace"]));
            match text(&["kind"]) {
                "ClusterRole" => {
                    cluster_roles.insert(name, object);
                }
                "Role" => {
                    let role = rules.compile(PolicyRule::all_of(object).into_iter().map(Arc::new).collect(), None);
                    rules
                        .roles
                        .entry(namespace.into())
                        .or_default()
                        .insert(name.into(), role);
                }
                kind @ ("ClusterRoleBinding" | "RoleBinding") => {
                    bindings.push((kind == "RoleBinding", namespace, name, object));
                }
                _ => {}
            }
        }
        rules.add_cluster_roles(&cluster_roles);
        // Cluster-wide first, then by name: of several grants always the same one is named.
        bindings.sort_by_key(|(namespaced, namespace, name, _)| (*namespaced, *namespace, *name));
        for (namespaced, namespace, name, binding) in bindings {
            rules.bind(namespaced, namespace, name, binding);
        }
        rules
    }

    fn compile(&mut self, rules: Vec<Arc<PolicyRule>>, broken: Option<String>) -> Arc<Role> {
        let compiled = rules.iter().map(|rule| Compiled::of(rule, &mut self.symbols)).collect();
        Arc::new(Role {
            rules,
            compiled,
            broken,
        })
    }

    fn add_cluster_roles(&mut self, objects: &BTreeMap<&str, Node<'_>>) {
        let own: BTreeMap<&str, Vec<Arc<PolicyRule>>> = objects
            .iter()
            .map(|(name, object)| (*name, PolicyRule::all_of(*object).into_iter().map(Arc::new).collect()))
            .collect();
        let mut chosen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut broken: BTreeMap<&str, String> = BTreeMap::new();
        for (&name, object) in objects {
            let Some(selectors) = object.get("aggregationRule").filter(|rule| rule.is_object()) else {
                continue;
            };
            let mut names = BTreeSet::new();
            for selector in selectors
                .get("clusterRoleSelectors")
                .map(Node::items)
                .into_iter()
                .flatten()
            {
                match LabelSelector::from_node(Some(selector)) {
                    Ok(selector) => names.extend(objects.iter().filter_map(|(other, object)| {
                        let labels = object.at(&["metadata", "labels"]);
                        (*other != name && selector.matches(labels)).then_some(*other)
                    })),
                    Err(error) => {
                        let why = format!("clusterrole {name:?}: aggregationRule.clusterRoleSelectors: {error}");
                        broken.insert(name, why);
                    }
                }
            }
            chosen.insert(name, names);
        }
        for &name in objects.keys() {
            // Everything reachable through aggregations; only roles that do not aggregate bring rules.
            let mut reached = BTreeSet::from([name]);
            let mut pending = vec![name];
            let mut why = None;
            while let Some(next) = pending.pop() {
                why = why.or_else(|| broken.get(next).cloned());
                for &other in chosen.get(next).into_iter().flatten() {
                    if reached.insert(other) {
                        pending.push(other);
                    }
                }
            }
            let mut rules: Vec<Arc<PolicyRule>> = Vec::new();
            for source in reached.into_iter().filter(|source| !chosen.contains_key(source)) {
                for rule in own.get(source).into_iter().flatten() {
                    if source == name || !rules.contains(rule) {
                        rules.push(rule.clone());
                    }
                }
            }
            let role = self.compile(rules, why);
            self.cluster_roles.insert(name.into(), role);
        }
    }

    fn bind(&mut self, namespaced: bool, namespace: &str, name: &str, binding: Node<'_>) {
        let text = |path: &[&str]| binding.str_at(path).unwrap_or_default().to_owned();
        let (role_kind, role_name) = (text(&["roleRef", "kind"]), text(&["roleRef", "name"]));
        let role = match role_kind.as_str() {
            "ClusterRole" => self.cluster_roles.get(role_name.as_str()),
            "Role" if namespaced => self
                .roles
                .get(namespace)
                .and_then(|roles| roles.get(role_name.as_str())),
            _ => return,
        }
        .cloned();
        let (kind, shown) = if namespaced {
            ("RoleBinding", format!("{name}/{namespace}"))
        } else {
            ("ClusterRoleBinding", name.to_owned())
        };
        for subject in binding.get("subjects").map(Node::items).into_iter().flatten() {
            let Some(subject) = Subject::of(subject, namespace) else {
                continue;
            };
            let reason = format!("RBAC: allowed by {kind} {shown:?} of {role_kind} {role_name:?} to {subject}");
            let held = match &subject {
                Subject::User(user) => self.users.entry(user.as_str().into()).or_default(),
                Subject::Group(group) => self.groups.entry(group.as_str().into()).or_default(),
                Subject::ServiceAccount { namespace, name } => {
                    let user = format!("system:serviceaccount:{namespace}:{name}");
                    self.users.entry(user.into()).or_default()
                }
            };
            let grant = Arc::new(Grant {
                cluster_wide: !namespaced,
                binding: name.to_owned(),
                namespace: namespace.to_owned(),
                role_kind: role_kind.clone(),
                role: role_name.clone(),
                subject,
                reason,
            });
            let bound = Bound {
                grant,
                role: role.clone(),
            };
            if namespaced {
                held.namespaces.entry(namespace.into()).or_default().push(bound);
            } else {
                held.everywhere.push(bound);
            }
        }
    }

    /// What reaches a user in a namespace (empty: the cluster scope): cluster-wide bindings first.
    fn bound<'a>(&'a self, user: &str, groups: &'a [String], namespace: &'a str) -> impl Iterator<Item = &'a Bound> {
        let user = self.users.get(user);
        let held = move || {
            user.into_iter()
                .chain(groups.iter().filter_map(|group| self.groups.get(group.as_str())))
        };
        let here = held()
            .filter(move |_| !namespace.is_empty())
            .filter_map(move |held| held.namespaces.get(namespace));
        held().flat_map(|held| &held.everywhere).chain(here.flatten())
    }

    /// Decides one request.
    pub fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        if attributes.groups.iter().any(|group| group == MASTERS) {
            let reason = format!("allowed to members of Group {MASTERS:?}");
            return Decision {
                allowed: true,
                reason,
                ..Decision::default()
            };
        }
        let question = self.symbols.question(attributes);
        let namespace = if attributes.non_resource_path.is_empty() {
            attributes.namespace
        } else {
            ""
        };
        let allowed = self
            .bound(attributes.user, attributes.groups, namespace)
            .find_map(|bound| allows(bound, &question));
        if let Some(proof) = allowed {
            let reason = proof.grant.reason.clone();
            return Decision {
                allowed: true,
                reason,
                evaluation_error: String::new(),
                proof: Some(proof),
            };
        }
        let (missing, broken) = self.gaps(attributes.user, attributes.groups, namespace);
        Decision {
            allowed: false,
            reason: aggregate(&missing)
                .map(|text| format!("RBAC: {text}"))
                .unwrap_or_default(),
            evaluation_error: aggregate(&broken).unwrap_or_default(),
            proof: None,
        }
    }

    /// The missing and the unreadable roles behind a user's bindings, each told once.
    pub(crate) fn gaps(&self, user: &str, groups: &[String], namespace: &str) -> (Vec<String>, Vec<String>) {
        let (mut missing, mut broken) = (Vec::new(), Vec::new());
        for bound in self.bound(user, groups, namespace) {
            let (list, text) = match bound.role.as_deref() {
                None => {
                    let kind = bound.grant.role_kind.to_lowercase();
                    (&mut missing, format!("{kind}.{GROUP} {:?} not found", bound.grant.role))
                }
                Some(Role { broken: Some(why), .. }) => (&mut broken, why.clone()),
                Some(_) => continue,
            };
            if !list.contains(&text) {
                list.push(text);
            }
        }
        (missing, broken)
    }

    /// Every rule that reaches a user in a namespace.
    pub(crate) fn effective<'a>(
        &'a self,
        user: &str,
        groups: &'a [String],
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Arc<PolicyRule>> {
        self.bound(user, groups, namespace)
            .filter_map(|bound| bound.role.as_ref())
            .flat_map(|role| &role.rules)
    }

    /// A role by reference: `Role` in the namespace, `ClusterRole` anywhere.
    pub(crate) fn role(&self, kind: &str, name: &str, namespace: &str) -> Option<&Arc<Role>> {
        match kind {
            "ClusterRole" => self.cluster_roles.get(name),
            "Role" => self.roles.get(namespace)?.get(name),
            _ => None,
        }
    }

    /// The rules that a ClusterRole has, aggregation included; `None` when there is no such role.
    pub fn cluster_role(&self, name: &str) -> Option<&[Arc<PolicyRule>]> {
        self.cluster_roles.get(name).map(|role| role.rules.as_slice())
    }

    /// Every subject that may do this, each with one grant that says so. The user and groups of the question are not read,
    /// and members of `system:masters`, who may do everything, are not listed.
    pub fn who_can(&self, attributes: &Attributes<'_>) -> BTreeMap<Subject, Arc<Grant>> {
        let question = self.symbols.question(attributes);
        let namespace = if attributes.non_resource_path.is_empty() {
            attributes.namespace
        } else {
            ""
        };
        let mut found = BTreeMap::new();
        for held in self.users.values().chain(self.groups.values()) {
            let here = (!namespace.is_empty())
                .then(|| held.namespaces.get(namespace))
                .flatten()
                .into_iter()
                .flatten();
            for proof in held
                .everywhere
                .iter()
                .chain(here)
                .filter_map(|bound| allows(bound, &question))
            {
                found.entry(proof.grant.subject.clone()).or_insert(proof.grant);
            }
        }
        found
    }
}

fn allows(bound: &Bound, question: &Question<'_>) -> Option<Proof> {
    let role = bound.role.as_deref()?;
    let rule = role.compiled.iter().position(|rule| rule.allows(question))?;
    Some(Proof {
        grant: bound.grant.clone(),
        rule: role.rules[rule].clone(),
    })
}

/// One text as it is, several in brackets; `None` without any.
pub(crate) fn aggregate(errors: &[String]) -> Option<String> {
    match errors {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}
