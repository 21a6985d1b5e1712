//! What is served: discovery (aggregated and legacy), OpenAPI, version.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use ridgeway_doc::Value;
use ridgeway_krm::{GroupVersion, Kind};

use super::{Call, negotiate};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The Kubernetes release whose API this plane speaks; clients parse it.
const GIT_VERSION: &str = "v1.36.0+ridgeway";

fn object(kind: &str, api_version: &str) -> Value {
    let mut value = Value::object();
    value.set(&["kind"], kind);
    value.set(&["apiVersion"], api_version);
    value
}

fn strings<'a>(items: impl IntoIterator<Item = &'a String>) -> Value {
    items.into_iter().map(String::as_str).collect()
}

impl Call {
    /// The document at a path that is no resource; `None` when there is none.
    pub(super) fn discover(&self, path: &str) -> Option<Response> {
        let aggregated = self
            .headers
            .get("accept")
            .and_then(|v| v.to_str().ok())
            .is_some_and(|accept| accept.contains("as=APIGroupDiscoveryList") && accept.contains("v=v2"));
        let json = |value: Value| Some(negotiate::object(StatusCode::OK, value.node(), &[]));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["version"] => json(version()),
            ["metrics"] => Some(negotiate::text(StatusCode::OK, self.api.plane.metrics().render())),
            [".well-known", "openid-configuration"] => json(openid_configuration()),
            ["openid", "v1", "jwks"] => json(self.api.authenticator.jwks()),
            ["api"] | ["apis"] if aggregated => {
                let list = self.aggregated(parts == ["api"]);
                Some(negotiate::typed_json(AGGREGATED, list.to_json()))
            }
            ["api"] => {
                let mut versions = object("APIVersions", "v1");
                versions.set(&["versions"], ["v1"].into_iter().collect::<Value>());
                versions.set(&["serverAddressByClientCIDRs"], Value::array());
                json(versions)
            }
            ["apis"] => {
                let mut list = object("APIGroupList", "v1");
                list.set(
                    &["groups"],
                    self.groups().into_iter().map(|(g, v)| group(&g, &v)).collect::<Value>(),
                );
                json(list)
            }
            ["apis", name] => {
                let groups = self.groups();
                let (name, versions) = groups.iter().find(|(g, _)| g == name)?;
                let mut value = group(name, versions);
                value.set(&["kind"], "APIGroup");
                value.set(&["apiVersion"], "v1");
                json(value)
            }
            ["api", "v1"] => json(self.resource_list("", "v1")?),
            ["apis", group, version] => json(self.resource_list(group, version)?),
            ["openapi", "v3"] => json(self.openapi_index()),
            ["openapi", "v3", rest @ ..] => self.openapi_document(rest),
            ["openapi", "v2"] => Some(self.openapi_v2()),
            [""] => {
                let mut paths = Value::object();
                let all = [
                    "/api",
                    "/apis",
                    "/healthz",
                    "/livez",
                    "/metrics",
                    "/openapi/v3",
                    "/readyz",
                    "/version",
                ];
                paths.set(&["paths"], all.into_iter().collect::<Value>());
                json(paths)
            }
            _ => None,
        }
    }

    /// Groups but the core one, each with its versions, in serving order.
    fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for kind in self.api.plane.kinds().kinds() {
            let Kind { gvk, .. } = &*kind;
            if gvk.group.is_empty() {
                continue;
            }
            match groups.iter_mut().find(|(g, _)| *g == gvk.group) {
                Some((_, versions)) if versions.contains(&gvk.version) => {}
                Some((_, versions)) => versions.push(gvk.version.clone()),
                None => groups.push((gvk.group.clone(), vec![gvk.version.clone()])),
            }
        }
        groups
    }

    fn kinds_of(&self, group: &str, version: &str) -> Vec<Arc<Kind>> {
        let kinds = self.api.plane.kinds();
        kinds
            .kinds()
            .filter(|k| k.gvk.group == group && k.gvk.version == version)
            .collect()
    }

    /// `APIGroupDiscoveryList`: everything in one answer.
    fn aggregated(&self, core: bool) -> Value {
        let mut list = object("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2");
        list.set(&["metadata"], Value::object());
        let groups = if core {
            vec![(String::new(), vec!["v1".to_owned()])]
        } else {
            self.groups()
        };
        let items: Value = groups
            .into_iter()
            .map(|(group, versions)| {
                let mut item = Value::object();
                item.set(&["metadata"], Value::object());
                if !group.is_empty() {
                    item.set(&["metadata", "name"], group.as_str());
                }
                let versions: Value = versions
                    .iter()
                    .map(|version| {
                        let mut value = Value::object();
                        value.set(&["version"], version.as_str());
                        value.set(&["freshness"], "Current");
                        let kinds = self.kinds_of(&group, version);
                        value.set(&["resources"], kinds.iter().map(|k| discovered(k)).collect::<Value>());
                        value
                    })
                    .collect();
                item.set(&["versions"], versions);
                item
            })
            .collect();
        list.set(&["items"], items);
        list
    }

    /// `APIResourceList` of one group and version; `None` when it is not served.
    fn resource_list(&self, group: &str, version: &str) -> Option<Value> {
        let kinds = self.kinds_of(group, version);
        if kinds.is_empty() {
            return None;
        }
        let group_version = GroupVersion {
            group: group.into(),
            version: version.into(),
        };
        let mut list = object("APIResourceList", "v1");
        list.set(&["groupVersion"], group_version.to_string());
        let mut resources = Vec::new();
        for kind in &kinds {
            let mut value = Value::object();
            value.set(&["name"], kind.plural.as_str());
            value.set(&["singularName"], kind.singular.as_str());
            value.set(&["namespaced"], kind.namespaced);
            value.set(&["kind"], kind.gvk.kind.as_str());
            value.set(&["verbs"], strings(&kind.verbs));
            if !kind.short_names.is_empty() {
                value.set(&["shortNames"], strings(&kind.short_names));
            }
            if !kind.categories.is_empty() {
                value.set(&["categories"], strings(&kind.categories));
            }
            resources.push(value);
            for sub in &kind.subresources {
                let mut value = Value::object();
                value.set(&["name"], format!("{}/{}", kind.plural, sub.name));
                value.set(&["singularName"], "");
                value.set(&["namespaced"], kind.namespaced);
                if !sub.gvk.group.is_empty() || sub.gvk.group_version() != kind.gvk.group_version() {
                    value.set(&["group"], sub.gvk.group.as_str());
                    value.set(&["version"], sub.gvk.version.as_str());
                }
                value.set(&["kind"], sub.gvk.kind.as_str());
                value.set(&["verbs"], strings(&sub.verbs));
                resources.push(value);
            }
        }
        list.set(&["resources"], resources);
        Some(list)
    }

    fn group_versions(&self) -> BTreeMap<String, GroupVersion> {
        let mut all = BTreeMap::new();
        for kind in self.api.plane.kinds().kinds() {
            let gv = kind.gvk.group_version();
            let path = if gv.group.is_empty() {
                format!("api/{}", gv.version)
            } else {
                format!("apis/{gv}")
            };
            all.entry(path).or_insert(gv);
        }
        all
    }

    fn openapi_index(&self) -> Value {
        let mut index = Value::object();
        let kinds = self.api.plane.kinds();
        for (path, gv) in self.group_versions() {
            // The hash makes the document immutable for clients; it changes with the table.
            let url = format!("/openapi/v3/{path}?hash={}", kinds.hash(&gv));
            index.set(&["paths", &path, "serverRelativeURL"], url);
        }
        index
    }

    /// An OpenAPI v2 document that describes nothing: clients that ask for it look kinds up and go on without. Everything
    /// is described by v3.
    fn openapi_v2(&self) -> Response {
        const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
        let accept = self
            .headers
            .get("accept")
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if accept.contains("protobuf") {
            // No field set is an empty message.
            return negotiate::typed_json(PROTOBUF, "");
        }
        let mut document = Value::object();
        document.set(&["swagger"], "2.0");
        document.set(&["info", "title"], "described in OpenAPI v3 only: see /openapi/v3");
        document.set(&["info", "version"], GIT_VERSION);
        document.set(&["paths"], Value::object());
        document.set(&["definitions"], Value::object());
        negotiate::object(StatusCode::OK, document.node(), &[])
    }

    fn openapi_document(&self, rest: &[&str]) -> Option<Response> {
        let gv = self.group_versions().remove(&rest.join("/"))?;
        let kinds = self.api.plane.kinds();
        let json = kinds.openapi_v3(&gv)?;
        let custom = self
            .kinds_of(&gv.group, &gv.version)
            .iter()
            .any(|kind| !kind.schema_is_builtin);
        let json = if custom {
            without_strategic_patches(&json)?
        } else {
            json
        };
        Some(negotiate::json_bytes(StatusCode::OK, json))
    }
}

/// Custom kinds take no strategic merge patches, and kubectl believes what the document offers.
fn without_strategic_patches(json: &str) -> Option<String> {
    let mut document: Value = ridgeway_doc::parse_json(json.as_bytes()).ok()?.into();
    for (_, path) in document.object_at(&["paths"]).iter_mut() {
        path.remove(&[
            "patch",
            "requestBody",
            "content",
            "application/strategic-merge-patch+json",
        ]);
    }
    Some(document.to_json())
}

/// Where verifiers of service account tokens find the keys.
fn openid_configuration() -> Value {
    let mut document = Value::object();
    document.set(&["issuer"], crate::authn::ISSUER);
    document.set(&["jwks_uri"], "/openid/v1/jwks");
    document.set(
        &["response_types_supported"],
        ["id_token"].into_iter().collect::<Value>(),
    );
    document.set(&["subject_types_supported"], ["public"].into_iter().collect::<Value>());
    document.set(
        &["id_token_signing_alg_values_supported"],
        ["ES256"].into_iter().collect::<Value>(),
    );
    document
}

fn version() -> Value {
    let mut version = Value::object();
    let mut numbers = GIT_VERSION.trim_start_matches('v').split('.');
    version.set(&["major"], numbers.next().unwrap_or_default());
    version.set(&["minor"], numbers.next().unwrap_or_default());
    version.set(&["gitVersion"], GIT_VERSION);
    version.set(&["gitCommit"], "");
    version.set(&["gitTreeState"], "clean");
    version.set(&["buildDate"], "1970-01-01T00:00:00Z");
    version.set(
        &["goVersion"],
        "none (Ridgeway embedded control plane; simulated runtime, no container runs)",
    );
    version.set(&["compiler"], "rustc");
    version.set(&["platform"], "linux/amd64");
    version
}

fn group(name: &str, versions: &[String]) -> Value {
    let mut value = Value::object();
    value.set(&["name"], name);
    let entry = |version: &String| {
        let mut value = Value::object();
        value.set(&["groupVersion"], format!("{name}/{version}"));
        value.set(&["version"], version.as_str());
        value
    };
    value.set(&["versions"], versions.iter().map(entry).collect::<Value>());
    value.set(&["preferredVersion"], versions.first().map(entry));
    value
}

fn response_kind(gvk: &ridgeway_krm::Gvk) -> Value {
    let mut value = Value::object();
    value.set(&["group"], gvk.group.as_str());
    value.set(&["version"], gvk.version.as_str());
    value.set(&["kind"], gvk.kind.as_str());
    value
}

fn discovered(kind: &Kind) -> Value {
    let mut value = Value::object();
    value.set(&["resource"], kind.plural.as_str());
    value.set(&["responseKind"], response_kind(&kind.gvk));
    value.set(&["scope"], if kind.namespaced { "Namespaced" } else { "Cluster" });
    value.set(&["singularResource"], kind.singular.as_str());
    value.set(&["verbs"], strings(&kind.verbs));
    if !kind.short_names.is_empty() {
        value.set(&["shortNames"], strings(&kind.short_names));
    }
    if !kind.categories.is_empty() {
        value.set(&["categories"], strings(&kind.categories));
    }
    if !kind.subresources.is_empty() {
        let subs: Value = kind
            .subresources
            .iter()
            .map(|sub| {
                let mut value = Value::object();
                value.set(&["subresource"], sub.name.as_str());
                value.set(&["responseKind"], response_kind(&sub.gvk));
                value.set(&["verbs"], strings(&sub.verbs));
                value
            })
            .collect();
        value.set(&["subresources"], subs);
    }
    value
}
