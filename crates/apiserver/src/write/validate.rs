//! Validation of the composed object: metadata, schema, immutable fields, and rights that must not grow by themselves.

use ridgeway_cluster::{Cause, Status};
use ridgeway_doc::{Doc, Node};

use super::{Change, text};
use crate::plane::MASTERS;

impl Change<'_> {
    /// All faults of the object at once, or that its author would hand out rights that he does not have.
    pub(super) fn check(&self, object: Node<'_>, old: Option<&Doc>) -> Result<(), Status> {
        let mut causes = Vec::new();
        if old.is_none() {
            self.check_metadata(object, &mut causes);
        }
        if let Some(schema) = self.schema()
            // The status of built-in kinds comes from controllers, which owe nobody all required fields.
            && (self.write.subresource != "status" || !self.kind.schema_is_builtin)
        {
            let mut errors = ridgeway_schema::validate(schema, object, old.map(Doc::root));
            if self.kind.schema_is_builtin {
                errors.extend(ridgeway_schema::validate_builtin(
                    &self.kind.gvk,
                    object,
                    old.map(Doc::root),
                ));
            }
            causes.extend(errors.into_iter().map(|error| Cause {
                reason: error.reason().into(),
                message: error.message(),
                field: error.path.clone(),
            }));
        }
        if self.kind.gvk.group == "apiextensions.k8s.io"
            && let Err(error) = ridgeway_krm::Kind::from_crd(object)
        {
            causes.push(Cause {
                reason: "FieldValueInvalid".into(),
                message: format!("Invalid value: {error}"),
                field: "spec".into(),
            });
        }
        if !causes.is_empty() {
            return Err(Status::invalid(
                &self.kind.gvk.group,
                &self.kind.gvk.kind,
                &self.name,
                causes,
            ));
        }
        if old.is_none() && self.write.subresource.is_empty() {
            self.check_limits(object)?;
        }
        self.check_escalation(object, old.map(Doc::root))
    }

    fn check_metadata(&self, object: Node<'_>, causes: &mut Vec<Cause>) {
        let mut fail = |field: &str, value: &str, why: String| {
            causes.push(Cause {
                reason: "FieldValueInvalid".into(),
                message: format!("Invalid value: {value:?}: {why}"),
                field: field.into(),
            });
        };
        let name = text(object, &["metadata", "name"]);
        // RBAC names and a few others are path segments; everything else is a DNS subdomain.
        let checked = if self.kind.gvk.group == "rbac.authorization.k8s.io" {
            ridgeway_krm::validate_path_segment(name)
        } else if matches!(self.kind.gvk.kind.as_str(), "Namespace" | "Service") && self.kind.gvk.group.is_empty() {
            ridgeway_krm::validate_label(name)
        } else {
            ridgeway_krm::validate_subdomain(name)
        };
        if let Err(why) = checked {
            fail("metadata.name", name, why);
        }
        for (field, values) in [("metadata.labels", true), ("metadata.annotations", false)] {
            let Some(map) = object.at(&["metadata", if values { "labels" } else { "annotations" }]) else {
                continue;
            };
            for (key, value) in map.members() {
                if let Err(why) = ridgeway_krm::validate_label_key(key) {
                    fail(field, key, why);
                }
                match value.as_str() {
                    None => fail(field, &value.to_json(), format!("{key} must be a string; quote it")),
                    Some(text) if values => {
                        if let Err(why) = ridgeway_krm::validate_label_value(text) {
                            fail(field, text, why);
                        }
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// Nobody grants what he does not hold, unless he may `escalate` or `bind`.
    fn check_escalation(&self, object: Node<'_>, old: Option<Node<'_>>) -> Result<(), Status> {
        if self.kind.gvk.group != "rbac.authorization.k8s.io" || self.user.in_group(MASTERS) {
            return Ok(());
        }
        let rules = self.plane.rules();
        let binding = self.kind.gvk.kind.ends_with("Binding");
        let same = old.is_some_and(|old| {
            let parts: &[&str] = if binding {
                &["roleRef", "subjects"]
            } else {
                &["rules", "aggregationRule"]
            };
            parts.iter().all(|key| old.get(key) == object.get(key))
        });
        if same {
            return Ok(());
        }
        let role_name = text(object, &["roleRef", "name"]).to_owned();
        let role_resource = if text(object, &["roleRef", "kind"]) == "Role" {
            "roles"
        } else {
            "clusterroles"
        };
        let mut question = self.question(if binding { "bind" } else { "escalate" });
        if binding {
            question.resource = role_resource;
            question.name = &role_name;
        } else {
            question.name = &self.name;
        }
        if self.plane.decide(self.user, question).allowed {
            return Ok(());
        }
        let granted = if binding {
            rules.rules_of_role(object.get("roleRef"), &self.write.namespace)
        } else {
            rules.rules_in(object)
        };
        let granted =
            granted.map_err(|missing| Status::not_found("rbac.authorization.k8s.io", role_resource, &missing))?;
        rules
            .escalation_check(&self.user.name, &self.user.groups, &granted, &self.write.namespace)
            .map_err(|why| Status::forbidden(&self.kind.gvk.group, &self.kind.plural, &self.name, &why))
    }
}
