//! The built-in kinds: published schemas and the tables beside them, made part of the binary.
//!
//! The data is checked in and tested, so what cannot be read here is a fault of the build, not of a user: it panics.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, LazyLock};

use ridgeway_doc::{Doc, Node};

use crate::column;
use crate::kind::{Kind, Scale, Subresource, fingerprint};
use crate::name::{GroupVersion, Gvk};
use crate::schema::SchemaSet;

/// The Kubernetes release that the schemas describe.
pub(crate) const RELEASE: &str = "v1.36.0";

const SCHEMAS: &[u8] = include_bytes!("../data/schemas-1.36.json.gz");
const DESCRIPTIONS: &[u8] = include_bytes!("../data/descriptions-1.36.json.gz");
const RESOURCES: &str = include_str!("../data/resources.txt");

fn unpack(packed: &[u8]) -> Doc {
    let mut text = Vec::with_capacity(packed.len() * 12);
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut text)
        .expect("the data file is whole gzip");
    Doc::parse_json(&text).expect("the data file is JSON")
}

/// Definition name to schema, without descriptions; references are those of OpenAPI v3.
pub(crate) static DEFINITIONS: LazyLock<Doc> = LazyLock::new(|| unpack(SCHEMAS));

/// Definition name to texts: its own under the empty key, and one for each property. Three times the size of the
/// schemas and wanted by OpenAPI documents only, so nothing that runs at start-up may touch it.
pub(crate) static TEXTS: LazyLock<Doc> = LazyLock::new(|| unpack(DESCRIPTIONS));

/// Definition names by kind.
pub(crate) fn definition_names(definitions: Node<'_>) -> HashMap<Gvk, String> {
    let mut names = HashMap::new();
    for (name, schema) in definitions.members() {
        for gvk in schema
            .get("x-kubernetes-group-version-kind")
            .map(Node::items)
            .into_iter()
            .flatten()
        {
            let part = |key| gvk.str_at(&[key]).unwrap_or_default();
            names.insert(Gvk::new(part("group"), part("version"), part("kind")), name.to_owned());
        }
    }
    names
}

/// A hash of the data, for the documents that are made from it.
pub(crate) static FINGERPRINT: LazyLock<u64> =
    LazyLock::new(|| fingerprint(fingerprint(fingerprint(0, SCHEMAS), DESCRIPTIONS), RESOURCES.as_bytes()));

/// The definitions that every object's metadata is made of, for the schemas of custom resources.
pub(crate) static METADATA: LazyLock<Doc> = LazyLock::new(|| {
    let all = &*DEFINITIONS;
    let mut wanted = ridgeway_doc::Map::new();
    for name in ["ObjectMeta", "OwnerReference", "ManagedFieldsEntry", "FieldsV1", "Time"] {
        let name = format!("{META}{name}");
        wanted.insert(name.as_str(), all.root().get(&name));
    }
    ridgeway_doc::Value::from(wanted).into_doc()
});

/// Where the definitions of metadata live.
pub(crate) const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

const ALL_VERBS: &str = "create,delete,deletecollection,get,list,patch,update,watch";

/// The built-in kinds in serving order.
pub(crate) fn kinds() -> Vec<Kind> {
    let definitions = &*DEFINITIONS;
    let names = definition_names(definitions.root());
    let mut set = SchemaSet::new();
    set.add_definitions(definitions.root())
        .expect("the published schemas are schemas");
    let set = Arc::new(set);
    let mut resources = Resources::default();
    let mut kinds = Vec::new();
    for line in RESOURCES.lines() {
        if let Some(mut kind) = resources.line(line) {
            let id = names.get(&kind.gvk).and_then(|name| set.by_name(name));
            kind.schema = Some((
                set.clone(),
                id.unwrap_or_else(|| panic!("no schema is published for {}", kind.gvk)),
            ));
            kinds.push(kind);
        }
    }
    kinds
}

/// The reader of `resources.txt`: what earlier lines said.
#[derive(Default)]
struct Resources {
    subresources: HashMap<&'static str, (&'static str, &'static str)>,
    scales: HashMap<&'static str, Scale>,
    group: GroupVersion,
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|part| *part != "-").map(Into::into).collect()
}

impl Resources {
    fn line(&mut self, line: &'static str) -> Option<Kind> {
        let words: Vec<&'static str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => None,
            [first, ..] if first.starts_with('#') => None,
            ["sub", name, kind, verbs] => {
                self.subresources.insert(name, (kind, verbs));
                None
            }
            ["scale", resource, spec, status, selector] => {
                let scale = Scale {
                    spec_replicas_path: (*spec).into(),
                    status_replicas_path: (*status).into(),
                    label_selector_path: (*selector != "-").then(|| (*selector).into()),
                };
                self.scales.insert(resource, scale);
                None
            }
            ["group", api_version] => {
                self.group = GroupVersion::parse(api_version);
                None
            }
            [plural, kind, scope, short_names, categories, subresources, rest @ ..] => {
                let gvk = Gvk::new(&self.group.group, &self.group.version, kind);
                let resource = if gvk.group.is_empty() {
                    (*plural).to_owned()
                } else {
                    format!("{plural}.{}", gvk.group)
                };
                Some(Kind {
                    plural: (*plural).into(),
                    singular: kind.to_lowercase(),
                    list_kind: format!("{kind}List"),
                    namespaced: *scope == "namespaced",
                    short_names: list(short_names),
                    categories: list(categories),
                    verbs: list(rest.first().unwrap_or(&ALL_VERBS)),
                    subresources: list(subresources)
                        .iter()
                        .map(|name| self.subresource(name, &gvk))
                        .collect(),
                    scale: self.scales.get(resource.as_str()).cloned(),
                    schema: None,
                    schema_is_builtin: true,
                    only_version: true,
                    columns: column::builtin(&gvk.group, kind),
                    selectable_fields: Vec::new(),
                    published: None,
                    fingerprint: 0,
                    gvk,
                })
            }
            _ => panic!("data/resources.txt: cannot read {line:?}"),
        }
    }

    fn subresource(&self, name: &str, parent: &Gvk) -> Subresource {
        let (kind, verbs) = self
            .subresources
            .get(name)
            .unwrap_or_else(|| panic!("data/resources.txt: no `sub {name}`"));
        let gvk = match kind.rsplit_once('/') {
            Some((api_version, kind)) => {
                let gv = GroupVersion::parse(api_version);
                Gvk::new(&gv.group, &gv.version, kind)
            }
            None => parent.clone(),
        };
        Subresource {
            name: name.into(),
            gvk,
            verbs: list(verbs),
        }
    }
}
