//! Get, list, watch, create, update, patch, delete and deletecollection of any kind.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ridgeway_cluster::{
    Body as Change, DeleteOptions, PatchKind, Preconditions, Propagation, Reason, Status, Write, WriteOptions,
};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Kind;
use ridgeway_store::{Entry, Revision};

use super::negotiate::{self, Form};
use super::table::partial;
use super::{Call, Target, body};
use crate::read::{ListQuery, PageToken, Selection};
use crate::write::{Asked, Written};
use crate::{codec, fault};

impl Call {
    /// A request for an object or a collection.
    pub(super) async fn object(self, kind: &Arc<Kind>, target: &Target, body: Body) -> Result<Response, Status> {
        if kind.namespaced && target.namespace.is_empty() && (!target.name.is_empty() || self.method == Method::POST) {
            return Err(fault::bad_request(format!(
                "{} is namespaced: the path needs a namespace",
                kind.gvk.kind
            )));
        }
        if !kind.namespaced && !target.namespace.is_empty() {
            return Err(super::not_found());
        }
        if !self.offers(kind, target) {
            let message = format!("{} does not support {} requests", kind.plural, self.method);
            return Err(Status::new(Reason::MethodNotAllowed, message));
        }
        match (self.method.as_str(), target.name.is_empty()) {
            ("POST", true) if kind.gvk.group.is_empty() && kind.plural == "bindings" => {
                Err(fault::not_implemented("POST bindings (use pods/binding)"))
            }
            ("GET" | "HEAD", true) => self.list_or_watch(kind, target).await,
            ("GET" | "HEAD", false) if self.query.flag("watch") => self.list_or_watch(kind, target).await,
            ("GET" | "HEAD", false) => self.get(kind, target).await,
            ("POST", true) => {
                let object = self.object_of(body).await?;
                let written = self
                    .run(kind, target, "", Change::Create(object.root().to_value()))
                    .await?;
                self.answer(kind, &written)
            }
            ("PUT", false) => {
                let object = self.object_of(body).await?;
                let written = self
                    .run(kind, target, "", Change::Update(object.root().to_value()))
                    .await?;
                self.answer(kind, &written)
            }
            ("PATCH", false) => {
                let (patch_kind, patch) = self.patch_of(body).await?;
                let written = self.run(kind, target, "", Change::Patch(patch_kind, patch)).await?;
                self.answer(kind, &written)
            }
            ("DELETE", false) => {
                let mut call = self;
                let options = call.delete_options(body).await?;
                let written = call.run(kind, target, "", Change::Delete(options)).await?;
                call.deleted(kind, &written)
            }
            ("DELETE", true) => self.delete_collection(kind, target, body).await,
            (method, _) => Err(Status::new(
                Reason::MethodNotAllowed,
                format!("{method} is not allowed here"),
            )),
        }
    }

    /// Whether the kind offers what the request wants to do with it.
    fn offers(&self, kind: &Kind, target: &Target) -> bool {
        let verb = super::verb(
            &self.method,
            Some(target),
            self.query.flag("watch") && self.method == Method::GET,
        );
        kind.allows(verb)
    }

    /// The document that a request must carry.
    pub(super) async fn document_of(&self, body: Body) -> Result<Doc, Status> {
        let bytes = body::read(body).await?;
        body::parse(&self.headers, &bytes)?.ok_or_else(|| fault::bad_request("the request has no body"))
    }

    /// The object that a request must carry.
    pub(super) async fn object_of(&self, body: Body) -> Result<Doc, Status> {
        let document = self.document_of(body).await?;
        if !document.root().is_object() {
            return Err(fault::bad_request(format!(
                "the body must be an object, found {}",
                document.root().kind()
            )));
        }
        Ok(document)
    }

    /// A patch with its kind, from the content type.
    pub(super) async fn patch_of(&self, body: Body) -> Result<(PatchKind, Doc), Status> {
        let kind = match body::content_type(&self.headers) {
            "application/json-patch+json" => PatchKind::Json,
            "application/merge-patch+json" => PatchKind::Merge,
            "application/strategic-merge-patch+json" => PatchKind::Strategic,
            "application/apply-patch+yaml" => PatchKind::Apply,
            other => {
                let message = format!(
                    "the body of the request was in an unknown format ({other}) - accepted media types include: \
                     application/json-patch+json, application/merge-patch+json, \
                     application/strategic-merge-patch+json, application/apply-patch+yaml"
                );
                return Err(Status::new(Reason::UnsupportedMediaType, message));
            }
        };
        Ok((kind, self.document_of(body).await?))
    }

    /// Field manager, dry run and the like, from the query and headers.
    pub(super) fn write_options(&self) -> WriteOptions {
        let mut field_manager = self.query.get("fieldManager").to_owned();
        if field_manager.is_empty() && body::content_type(&self.headers) != "application/apply-patch+yaml" {
            // As upstream: the user agent up to the first slash.
            let agent = self
                .headers
                .get("user-agent")
                .and_then(|v| v.to_str().ok())
                .unwrap_or("unknown");
            field_manager = agent.split('/').next().unwrap_or(agent).to_owned();
        }
        WriteOptions {
            dry_run: self.dry_run,
            field_manager,
            force: self.query.flag("force"),
            causality: Some(self.causality.clone()),
            strict: self.query.get("fieldValidation") == "Strict",
        }
    }

    /// Runs a change of the request's target.
    pub(super) async fn run(
        &self,
        kind: &Kind,
        target: &Target,
        subresource: &str,
        change: Change,
    ) -> Result<Written, Status> {
        self.run_as(kind, target, subresource, change, None).await
    }

    /// The same where the request calls the change something else.
    pub(super) async fn run_as(
        &self,
        kind: &Kind,
        target: &Target,
        subresource: &str,
        change: Change,
        asked: Option<Asked>,
    ) -> Result<Written, Status> {
        let write = Write {
            gvk: kind.gvk.clone(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            subresource: subresource.into(),
            body: change,
            options: self.write_options(),
        };
        self.api.plane.execute_as(&self.user, write, asked).await
    }

    /// The object after a change, in the form the client wants.
    pub(super) fn answer(&self, kind: &Kind, written: &Written) -> Result<Response, Status> {
        let code = if written.created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        if negotiate::form(&self.headers) == Form::Object {
            let mut response = negotiate::json_bytes(code, written.json());
            negotiate::warn(&mut response, &written.warnings);
            return Ok(response);
        }
        Ok(self.render_one(kind, &written.doc()?, code, &written.warnings))
    }

    fn render_one(&self, kind: &Kind, object: &Doc, code: StatusCode, warnings: &[String]) -> Response {
        match negotiate::form(&self.headers) {
            Form::Object => negotiate::object(code, object.root(), warnings),
            Form::Table => {
                let table = self.table(kind, std::slice::from_ref(object), "", true);
                negotiate::object(code, table.node(), warnings)
            }
            Form::Metadata => negotiate::object(code, partial(object.root()).node(), warnings),
        }
    }

    fn deleted(&self, kind: &Kind, written: &Written) -> Result<Response, Status> {
        if !written.removed {
            return self.answer(kind, written);
        }
        let mut status = Value::object();
        status.set(&["kind"], "Status");
        status.set(&["apiVersion"], "v1");
        status.set(&["metadata"], Value::object());
        status.set(&["status"], "Success");
        let object = written.doc()?;
        let metadata = object.root().get("metadata");
        status.set(&["details", "name"], metadata.and_then(|m| m.str_at(&["name"])));
        if !kind.gvk.group.is_empty() {
            status.set(&["details", "group"], kind.gvk.group.as_str());
        }
        status.set(&["details", "kind"], kind.plural.as_str());
        status.set(&["details", "uid"], metadata.and_then(|m| m.str_at(&["uid"])));
        Ok(negotiate::object(StatusCode::OK, status.node(), &written.warnings))
    }

    async fn get(&self, kind: &Kind, target: &Target) -> Result<Response, Status> {
        self.may("get", kind, target).await?;
        self.read_one(kind, target)
    }

    /// The object as it is stored; the right to read it was decided before.
    pub(super) fn read_one(&self, kind: &Kind, target: &Target) -> Result<Response, Status> {
        let entry = self.api.plane.must_entry(kind, &target.namespace, &target.name)?;
        if negotiate::form(&self.headers) == Form::Object {
            return Ok(negotiate::json_bytes(StatusCode::OK, self.versioned(kind, &entry)));
        }
        Ok(self.render_one(kind, &codec::decode_as(kind, &entry)?, StatusCode::OK, &[]))
    }

    /// The stored object's JSON. All versions of a kind are stored alike; `apiVersion` says the one asked for.
    fn versioned(&self, kind: &Kind, entry: &Entry) -> Vec<u8> {
        let json = codec::render(&entry.value, entry.mod_revision);
        if kind.only_version {
            return json;
        }
        match Doc::parse_json(&json) {
            Ok(doc) => codec::in_version(kind, doc).root().to_json().into_bytes(),
            Err(_) => json,
        }
    }

    async fn list_or_watch(self, kind: &Arc<Kind>, target: &Target) -> Result<Response, Status> {
        let watch = self.query.flag("watch");
        let verb = if watch { "watch" } else { "list" };
        self.may(verb, kind, target).await?;
        let mut fields = self.query.get("fieldSelector").to_owned();
        if !target.name.is_empty() {
            fields = format!("metadata.name={}", target.name);
        }
        let selection = Selection::parse(self.query.get("labelSelector"), &fields)?;
        let namespace = (!target.namespace.is_empty()).then_some(target.namespace.as_str());
        if watch {
            return self.watch(kind, namespace, selection).await;
        }
        let token = match self.query.get("continue") {
            "" => None,
            text => Some(decode_token(text)?),
        };
        let exact = match (
            self.query.get("resourceVersion"),
            self.query.get("resourceVersionMatch"),
        ) {
            ("" | "0", _) => None,
            (version, matching) => {
                let version = parse_version(version)?;
                self.must_exist(version)?;
                (matching == "Exact").then_some(version)
            }
        };
        let limit = self.query.number("limit").unwrap_or(0) as usize;
        let query = ListQuery {
            selection,
            limit,
            token,
            exact,
        };
        let page = self.api.plane.page(kind, namespace, &query).await?;
        let next = page.next.as_ref().map(encode_token).unwrap_or_default();
        let form = negotiate::form(&self.headers);
        if form == Form::Object {
            return Ok(negotiate::json_bytes(
                StatusCode::OK,
                self.list_json(kind, &page, &next),
            ));
        }
        let docs = page
            .entries
            .iter()
            .map(|e| codec::decode_as(kind, e))
            .collect::<Result<Vec<_>, _>>()?;
        let mut answer = if form == Form::Table {
            self.table(kind, &docs, &page.revision.to_string(), true)
        } else {
            let mut list = Value::object();
            list.set(&["kind"], "PartialObjectMetadataList");
            list.set(&["apiVersion"], "meta.k8s.io/v1");
            list.set(&["metadata", "resourceVersion"], page.revision.to_string());
            list.set(&["items"], docs.iter().map(|d| partial(d.root())).collect::<Value>());
            list
        };
        if !next.is_empty() {
            answer.set(&["metadata", "continue"], next);
        }
        if let Some(remaining) = page.remaining {
            answer.set(&["metadata", "remainingItemCount"], remaining as i64);
        }
        Ok(negotiate::object(StatusCode::OK, answer.node(), &[]))
    }

    /// A version from the future is an error that tells the client to wait.
    pub(super) fn must_exist(&self, version: Revision) -> Result<(), Status> {
        let current = self.api.plane.inner.store.revision();
        if version > current {
            return Err(fault::store(ridgeway_store::StoreError::Future {
                requested: version,
                current,
            }));
        }
        Ok(())
    }

    /// A list without parsing its items: stored bytes between a head and a tail.
    fn list_json(&self, kind: &Kind, page: &crate::read::ListPage, next: &str) -> Vec<u8> {
        let size: usize = page.entries.iter().map(|e| e.value.len() + 64).sum();
        let mut out = Vec::with_capacity(size + 256);
        let mut head = Value::object();
        head.set(&["resourceVersion"], page.revision.to_string());
        if !next.is_empty() {
            head.set(&["continue"], next);
        }
        if let Some(remaining) = page.remaining {
            head.set(&["remainingItemCount"], remaining as i64);
        }
        let start = format!(
            r#"{{"kind":"{}","apiVersion":"{}","metadata":{head},"items":["#,
            kind.list_kind(),
            kind.gvk.api_version()
        );
        out.extend_from_slice(start.as_bytes());
        for (i, entry) in page.entries.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&self.versioned(kind, entry));
        }
        out.extend_from_slice(b"]}\n");
        out
    }

    /// `DeleteOptions` from the body, with the query as fallback. A dry run asked for in the body counts as one of the query.
    pub(super) async fn delete_options(&mut self, body: Body) -> Result<DeleteOptions, Status> {
        let bytes = body::read(body).await?;
        let doc = body::parse(&self.headers, &bytes)?;
        let root = doc.as_ref().map(Doc::root);
        let text = |path: &[&str]| root.and_then(|r| r.str_at(path)).map(str::to_owned);
        let mut dry_run = root
            .and_then(|r| r.get("dryRun"))
            .map(Node::items)
            .into_iter()
            .flatten();
        self.dry_run |= dry_run.any(|kind| kind.as_str() == Some("All"));
        let policy = text(&["propagationPolicy"]).unwrap_or_else(|| self.query.get("propagationPolicy").to_owned());
        let orphan = root
            .and_then(|r| r.get("orphanDependents"))
            .and_then(Node::as_bool)
            .unwrap_or(false);
        let propagation = match policy.as_str() {
            "" if orphan => Propagation::Orphan,
            "" | "Background" => Propagation::Background,
            "Foreground" => Propagation::Foreground,
            "Orphan" => Propagation::Orphan,
            other => {
                return Err(fault::bad_request(format!(
                    "propagationPolicy {other:?} is not Background, Foreground or Orphan"
                )));
            }
        };
        let grace_period_seconds = root
            .and_then(|r| r.get("gracePeriodSeconds"))
            .and_then(Node::as_i64)
            .or_else(|| self.query.number("gracePeriodSeconds").map(|n| n as i64));
        Ok(DeleteOptions {
            propagation,
            preconditions: Preconditions {
                uid: text(&["preconditions", "uid"]),
                resource_version: text(&["preconditions", "resourceVersion"]),
            },
            grace_period_seconds,
        })
    }

    async fn delete_collection(mut self, kind: &Arc<Kind>, target: &Target, body: Body) -> Result<Response, Status> {
        let plane = self.api.plane.clone();
        self.may("deletecollection", kind, target).await?;
        let options = self.delete_options(body).await?;
        let selection = Selection::parse(self.query.get("labelSelector"), self.query.get("fieldSelector"))?;
        let namespace = (!target.namespace.is_empty()).then_some(target.namespace.as_str());
        let query = ListQuery {
            selection,
            ..ListQuery::default()
        };
        let page = plane.page(kind, namespace, &query).await?;
        let asked = Asked {
            verb: "deletecollection",
            subresource: "",
        };
        for entry in &page.entries {
            let Some(parts) = crate::keys::parts(&entry.key) else {
                continue;
            };
            let one = Target {
                namespace: parts.namespace.into(),
                name: parts.name.into(),
                ..target.clone()
            };
            let change = Change::Delete(options.clone());
            match self.run_as(kind, &one, "", change, Some(asked)).await {
                Ok(_) => {}
                Err(status) if status.reason == Reason::NotFound => {}
                Err(status) => return Err(status),
            }
        }
        Ok(negotiate::json_bytes(StatusCode::OK, self.list_json(kind, &page, "")))
    }
}

/// A resource version is a number.
pub(super) fn parse_version(text: &str) -> Result<Revision, Status> {
    text.parse().map(Revision).map_err(|_| {
        fault::bad_request(format!(
            "Invalid value: {text:?}: resourceVersion: the version must be a number"
        ))
    })
}

fn encode_token(token: &PageToken) -> String {
    let mut bytes = token.revision.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(&token.after);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode_token(text: &str) -> Result<PageToken, Status> {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let (revision, after) = bytes.split_first_chunk::<8>().ok_or_else(|| {
        fault::bad_request("continue key is not valid: send the token of the previous page unchanged")
    })?;
    Ok(PageToken {
        revision: Revision(u64::from_be_bytes(*revision)),
        after: after.to_vec(),
    })
}
