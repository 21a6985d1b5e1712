//! The roles that a user is bound to, for rules that ask about them.

use ridgeway_cluster::Identity;
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::Gvk;

use crate::mirror::Mirror;
use crate::source::{items, text};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Roles as `namespace:name`, and cluster roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) roles: Vec<String>,
    pub(crate) cluster_roles: Vec<String>,
}

/// The kinds that have to be followed for this.
pub(crate) fn kinds() -> [Gvk; 2] {
    [
        Gvk::new(GROUP, "v1", "RoleBinding"),
        Gvk::new(GROUP, "v1", "ClusterRoleBinding"),
    ]
}

/// Whether some rule of a policy asks about roles.
pub(crate) fn asked_about(policy: Node<'_>) -> bool {
    items(policy, &["spec", "rules"]).any(|rule| {
        ["match", "exclude"]
            .iter()
            .filter_map(|key| rule.get(key))
            .any(|block| {
                let filters = [block]
                    .into_iter()
                    .chain(items(block, &["any"]))
                    .chain(items(block, &["all"]));
                filters
                    .into_iter()
                    .any(|filter| filter.get("roles").is_some() || filter.get("clusterRoles").is_some())
            })
    })
}

fn binds(binding: Node<'_>, user: &Identity) -> bool {
    items(binding, &["subjects"]).any(|subject| {
        let name = text(subject, &["name"]);
        match text(subject, &["kind"]) {
            "Group" => user.in_group(name),
            "ServiceAccount" => {
                let own = text(binding, &["metadata", "namespace"]);
                let namespace = subject.str_at(&["namespace"]).unwrap_or(own);
                user.name == format!("system:serviceaccount:{namespace}:{name}")
            }
            _ => user.name == name,
        }
    })
}

/// What a user is bound to, as far as the bindings are followed.
pub(crate) fn of(mirror: &Mirror, user: &Identity) -> Roles {
    let bindings = kinds()
        .into_iter()
        .flat_map(|gvk| mirror.objects(&gvk.group, &gvk.kind));
    from_bindings(bindings, user)
}

fn from_bindings(bindings: impl Iterator<Item = Doc>, user: &Identity) -> Roles {
    let mut out = Roles::default();
    for binding in bindings.filter(|binding| binds(binding.root(), user)) {
        let root = binding.root();
        let name = text(root, &["roleRef", "name"]);
        if text(root, &["roleRef", "kind"]) == "Role" {
            out.roles
                .push(format!("{}:{name}", text(root, &["metadata", "namespace"])));
        } else {
            out.cluster_roles.push(name.to_owned());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    #[test]
    fn bindings_name_users_groups_and_accounts() {
        let bindings = parse_yaml(
            "{metadata: {name: a}, roleRef: {kind: ClusterRole, name: admin}, subjects: [{kind: Group, name: ops}]}
---
{metadata: {name: b, namespace: shop}, roleRef: {kind: Role, name: reader}, subjects: [{kind: User, name: alice}]}
---
{metadata: {name: c, namespace: shop}, roleRef: {kind: ClusterRole, name: edit}, subjects: [{kind: ServiceAccount, name: ci}]}
",
        )
        .unwrap();
        for (user, groups, roles, cluster_roles) in [
            ("alice", vec!["ops"], vec!["shop:reader"], vec!["admin"]),
            ("system:serviceaccount:shop:ci", vec![], vec![], vec!["edit"]),
            ("bob", vec![], vec![], vec![]),
        ] {
            let found = from_bindings(bindings.iter().cloned(), &Identity::user(user, &groups, "test"));
            assert_eq!(
                (found.roles, found.cluster_roles),
                (
                    roles.iter().map(|r: &&str| (*r).to_owned()).collect(),
                    cluster_roles.iter().map(|r: &&str| (*r).to_owned()).collect()
                ),
                "{user}"
            );
        }
    }
}
