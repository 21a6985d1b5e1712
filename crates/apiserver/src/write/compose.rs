//! Composing the object that a create, update or patch asks for.

use ridgeway_apply::ApplyError;
use ridgeway_cluster::{Body, Cause, PatchKind, Reason, Status};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::SchemaRef;

use super::{Change, Outcome, strategy, text};
use crate::fault;

impl Change<'_> {
    /// The schema of the kind, if it has one.
    pub(super) fn schema(&self) -> Option<SchemaRef<'_>> {
        self.kind.schema.as_ref().map(|(set, id)| set.get(*id))
    }

    /// The object as the change wants it, with metadata settled, defaults in and ownership booked.
    pub(super) fn compose(&self, old: Option<&Doc>, warnings: &mut Vec<String>) -> Result<Outcome, Status> {
        let (group, plural) = (&self.kind.gvk.group, &self.kind.plural);
        match (&self.write.body, old) {
            (Body::Create(_), Some(_)) if self.write.subresource.is_empty() => {
                Err(Status::already_exists(group, plural, &self.name))
            }
            (Body::Create(object), None) => {
                let mut object = object.clone();
                self.decode(&mut object, warnings)?;
                self.prepare_new(&mut object)?;
                Ok(Outcome::Put { object, book: true })
            }
            (Body::Update(_), None) | (Body::Create(_), Some(_)) => Err(Status::not_found(group, plural, &self.name)),
            (Body::Patch(PatchKind::Apply, patch), old) => self.compose_apply(patch, old, warnings),
            (Body::Patch(..), None) => Err(Status::not_found(group, plural, &self.name)),
            (Body::Update(object), Some(old)) => {
                let mut object = object.clone();
                self.check_version(object.node(), old.root())?;
                self.decode(&mut object, warnings)?;
                self.compose_update(object, old)
            }
            (Body::Patch(kind, patch), Some(old)) => {
                self.check_version(patch.root(), old.root())?;
                let mut object = self.patched(*kind, patch, old)?;
                self.decode(&mut object, warnings)?;
                self.compose_update(object, old)
            }
            (Body::Delete(_), _) => Err(fault::internal("a delete is not composed here")),
        }
    }

    /// What a new object gets from the server: metadata, defaults, and what its namespace adds.
    fn prepare_new(&self, object: &mut Value) -> Result<(), Status> {
        strategy::before_create(self, object)?;
        self.default(object)?;
        self.default_from_namespace(object)
    }

    /// Books the fields that a create, update or patch has set to its field manager.
    pub(super) fn book(&self, object: &Value, old: Option<&Doc>) -> Result<Value, Status> {
        let manager = match self.write.options.field_manager.as_str() {
            "" => "unknown",
            named => named,
        };
        let (schema, subresource) = (self.schema(), &self.write.subresource);
        ridgeway_apply::update(
            old.map(Doc::root),
            object.node(),
            schema,
            manager,
            subresource,
            &self.now,
        )
        .map_err(|e| self.apply_fault(e))
    }

    fn patched(&self, kind: PatchKind, patch: &Doc, old: &Doc) -> Result<Value, Status> {
        let result = match kind {
            PatchKind::Json => ridgeway_apply::json_patch(old.root(), patch.root()),
            PatchKind::Merge => Ok(ridgeway_apply::merge_patch(old.root(), patch.root())),
            PatchKind::Strategic if self.kind.schema_is_builtin => {
                ridgeway_apply::strategic_merge_patch(old.root(), patch.root(), self.schema())
            }
            PatchKind::Strategic => {
                return Err(Status::new(
                    Reason::UnsupportedMediaType,
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                ));
            }
            PatchKind::Apply => return Err(fault::internal("apply is composed elsewhere")),
        };
        result.map_err(|error| Status::new(Reason::Invalid, error.to_string()))
    }

    fn compose_update(&self, mut object: Value, old: &Doc) -> Result<Outcome, Status> {
        self.keep_identity(&mut object, old.root());
        self.default(&mut object)?;
        strategy::separate_status(self, &mut object, old.root());
        // A client may also rewrite `managedFields`, as kubectl does when it turns to server-side apply.
        if object.node() == old.root() {
            return Ok(Outcome::Unchanged);
        }
        Ok(Outcome::Put { object, book: true })
    }

    fn compose_apply(&self, patch: &Doc, old: Option<&Doc>, warnings: &mut Vec<String>) -> Result<Outcome, Status> {
        if self.write.options.field_manager.is_empty() {
            return Err(Status::invalid(
                "meta.k8s.io",
                "PatchOptions",
                "",
                vec![Cause {
                    reason: "FieldValueRequired".into(),
                    message: "Required value: is required for apply patch".into(),
                    field: "fieldManager".into(),
                }],
            ));
        }
        let mut applied = patch.root().to_value();
        let named = text(patch.root(), &["metadata", "name"]);
        if !named.is_empty() && named != self.name {
            return Err(fault::bad_request(format!(
                "the name in the object ({named:?}) is not the name in the URL ({:?})",
                self.name
            )));
        }
        applied.set(&["metadata", "name"], self.name.as_str());
        self.decode(&mut applied, warnings)?;
        if let (Some(wanted), Some(old)) = (
            patch
                .root()
                .str_at(&["metadata", "resourceVersion"])
                .filter(|v| !v.is_empty()),
            old,
        ) && wanted != text(old.root(), &["metadata", "resourceVersion"])
        {
            return Err(self.stale());
        }
        applied.remove(&["metadata", "resourceVersion"]);
        let result = ridgeway_apply::apply(
            old.map(Doc::root),
            applied.node(),
            self.schema(),
            &self.write.options.field_manager,
            self.write.options.force,
            &self.write.subresource,
            &self.now,
        )
        .map_err(|e| self.apply_fault(e))?;
        let mut object = result.object;
        match old {
            None => self.prepare_new(&mut object)?,
            Some(old) => {
                if !result.changed {
                    return Ok(Outcome::Unchanged);
                }
                self.keep_identity(&mut object, old.root());
                self.default(&mut object)?;
                strategy::separate_status(self, &mut object, old.root());
            }
        }
        Ok(Outcome::Put { object, book: false })
    }

    fn apply_fault(&self, error: ApplyError) -> Status {
        let message = error.to_string();
        match error {
            ApplyError::Conflicts(conflicts) => {
                let causes = conflicts
                    .iter()
                    .map(|c| Cause {
                        reason: "FieldManagerConflict".into(),
                        message: c.message(),
                        field: c.path.clone(),
                    })
                    .collect();
                Status::new(Reason::Conflict, message).with_causes(causes)
            }
            _ => Status::new(Reason::Invalid, message).about(&self.kind.gvk.group, &self.kind.plural, &self.name),
        }
    }

    /// Kind and names as the request says; unknown fields warned about or refused, then pruned.
    fn decode(&self, object: &mut Value, warnings: &mut Vec<String>) -> Result<(), Status> {
        let node = object.node();
        if !node.is_object() {
            return Err(fault::bad_request(format!(
                "the body must be an object, found {}",
                node.kind()
            )));
        }
        for (field, wanted) in [
            ("kind", &self.kind.gvk.kind),
            ("apiVersion", &self.kind.gvk.api_version()),
        ] {
            match object.node().str_at(&[field]) {
                None | Some("") => object.set(&[field], wanted.as_str()),
                Some(found) if found == wanted => {}
                Some(found) => {
                    return Err(fault::bad_request(format!(
                        "the {field} in the data ({found}) does not match the expected {field} ({wanted})"
                    )));
                }
            }
        }
        let namespace = text(object.node(), &["metadata", "namespace"]).to_owned();
        if self.kind.namespaced {
            if !namespace.is_empty() && namespace != self.write.namespace {
                return Err(fault::bad_request(format!(
                    "the namespace of the provided object does not match the namespace sent on the request: \
                     {namespace} and {}",
                    self.write.namespace
                )));
            }
            object.set(&["metadata", "namespace"], self.write.namespace.as_str());
        } else {
            object.object_at(&["metadata"]).remove("namespace");
        }
        let named = text(object.node(), &["metadata", "name"]).to_owned();
        if named.is_empty() {
            object.set(&["metadata", "name"], self.name.as_str());
        } else if named != self.name {
            return Err(fault::bad_request(format!(
                "the name of the object ({named}) does not match the name on the URL ({})",
                self.name
            )));
        }
        if let Some(schema) = self.schema() {
            let unknown = ridgeway_schema::unknown_fields(schema, object.node());
            if !unknown.is_empty() {
                if self.write.options.strict {
                    let list: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
                    let message = format!(
                        "{} in version {:?} cannot be handled as a {}: strict decoding error: {}",
                        self.kind.gvk.kind,
                        self.kind.gvk.version,
                        self.kind.gvk.kind,
                        list.join(", ")
                    );
                    return Err(fault::bad_request(message));
                }
                warnings.extend(unknown.iter().map(|path| format!("unknown field {path:?}")));
                ridgeway_schema::prune(schema, object);
            }
        }
        Ok(())
    }

    /// Fills in what the schema and the kind's own rules say about fields that were left out.
    pub(super) fn default(&self, object: &mut Value) -> Result<(), Status> {
        if let Some(schema) = self.schema() {
            ridgeway_schema::default(schema, object);
        }
        strategy::default(self, object)
    }

    fn check_version(&self, asked: Node<'_>, old: Node<'_>) -> Result<(), Status> {
        let wanted = text(asked, &["metadata", "resourceVersion"]);
        if !wanted.is_empty() && wanted != text(old, &["metadata", "resourceVersion"]) {
            return Err(self.stale());
        }
        let uid = text(asked, &["metadata", "uid"]);
        let have = text(old, &["metadata", "uid"]);
        if !uid.is_empty() && uid != have {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {have}");
            return Err(Status::conflict(
                &self.kind.gvk.group,
                &self.kind.plural,
                &self.name,
                &why,
            ));
        }
        Ok(())
    }

    /// What no client may change comes from the stored object.
    fn keep_identity(&self, object: &mut Value, old: Node<'_>) {
        let metadata = object.object_at(&["metadata"]);
        for field in [
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generateName",
            "resourceVersion",
        ] {
            match old.at(&["metadata", field]) {
                Some(value) => {
                    metadata.insert(field, value);
                }
                None => {
                    metadata.remove(field);
                }
            }
        }
        if !metadata.contains_key("managedFields")
            && let Some(managed) = old.at(&["metadata", "managedFields"])
        {
            metadata.insert("managedFields", managed);
        }
    }
}
