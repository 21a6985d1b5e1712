//! Global context entries: what rules read by name, kept fresh beside them.
//!
//! An entry holds the objects of a kind, or what a service answered last. Rules never wait for it: they read what is at
//! hand, and are told why nothing is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ridgeway_cluster::{Queue, Reason, rfc3339};
use ridgeway_doc::{Doc, Node, Value, parse_json};
use ridgeway_krm::{GoDuration, Gvk, KindTable, ObjectRef};
use ridgeway_policy::{CompileError, Expression, Global};

use crate::alarm::What;
use crate::guard::Shared;
use crate::interest::ApiPath;
use crate::snapshot::Snapshot;
use crate::source::{self, items, text};
use crate::status;

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often answers are asked for anew where nothing is said.
const REFRESH: i64 = 600;
/// The shortest time between two calls.
const SHORTEST: i64 = 1;
/// How often a call is tried where nothing is said.
const TRIES: i64 = 3;
/// The pause before another try.
const PAUSE: Duration = Duration::from_millis(500);

/// A call to a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Where to.
    pub url: String,
    /// `GET` or `POST`.
    pub method: String,
    /// Headers by name.
    pub headers: Vec<(String, String)>,
    /// The certificates to trust, in PEM; those of the machine where empty.
    pub authorities: String,
    /// What is sent, as JSON.
    pub body: Option<String>,
    /// How long it may take.
    pub patience: Duration,
}

/// Calls services. It may wait: it is asked on a thread of its own.
pub trait Fetch: Send + Sync {
    /// The body of the answer, or why there is none.
    fn fetch(&self, call: &Call) -> Result<Vec<u8>, String>;
}

/// Where an entry's content comes from.
#[derive(Clone, Debug)]
enum Origin {
    /// Objects of a kind: group, version and resource, and the namespace, empty for all.
    Objects([String; 3], String),
    /// What the Kubernetes API has at a path: a list or an object.
    Path(String),
    Service(Call),
}

impl Origin {
    /// The kind whose objects it holds.
    fn kind(&self, table: &KindTable) -> Option<Gvk> {
        match self {
            Origin::Objects([group, version, resource], _) => {
                table.by_resource(group, version, resource).map(|kind| kind.gvk.clone())
            }
            Origin::Path(path) => ApiPath::parse(path, table).map(|path| path.gvk),
            Origin::Service(_) => None,
        }
    }
}

/// An entry, compiled.
#[derive(Clone, Debug)]
struct Entry {
    version: u64,
    origin: Origin,
    refresh: i64,
    tries: i64,
    projections: Vec<(String, String)>,
    content: Option<Doc>,
    fault: String,
    refreshed: Option<Timestamp>,
}

/// All entries by name.
#[derive(Default)]
pub(crate) struct Globals {
    entries: Mutex<BTreeMap<String, Entry>>,
    queue: Queue<ObjectRef>,
    fetcher: Mutex<Option<Arc<dyn Fetch>>>,
}

fn fault(object: Node<'_>, path: &str, message: impl Into<String>) -> CompileError {
    CompileError {
        policy: text(object, &["metadata", "name"]).to_owned(),
        rule: String::new(),
        path: path.into(),
        line: 0,
        column: 0,
        message: message.into(),
    }
}

fn compile(object: Node<'_>, version: u64) -> Result<Entry, CompileError> {
    let at = |path: &[&str]| object.get("spec").and_then(|spec| spec.at(path));
    let mut projections = Vec::new();
    for (i, item) in items(object, &["spec", "projections"]).enumerate() {
        let query = text(item, &["jmesPath"]);
        if let Err(error) = Expression::parse(query) {
            return Err(fault(
                object,
                &format!("spec.projections[{i}].jmesPath"),
                error.to_string(),
            ));
        }
        projections.push((text(item, &["name"]).to_owned(), query.to_owned()));
    }
    let (mut refresh, mut tries) = (REFRESH, TRIES);
    let origin = match (at(&["kubernetesResource"]), at(&["apiCall"])) {
        (Some(resource), None) => {
            let part = |key: &str| text(resource, &[key]).to_owned();
            if part("version").is_empty() || part("resource").is_empty() {
                let why = "name version and resource, such as v1 and configmaps";
                return Err(fault(object, "spec.kubernetesResource", why));
            }
            Origin::Objects([part("group"), part("version"), part("resource")], part("namespace"))
        }
        (None, Some(call)) => {
            let path = text(call, &["urlPath"]);
            if !path.is_empty() {
                if call.get("service").is_some() {
                    let why = "use exactly one of urlPath and service";
                    return Err(fault(object, "spec.apiCall", why));
                }
                if !path.starts_with("/api/") && !path.starts_with("/apis/") || path.contains("{{") {
                    let why = "name a list or an object of the Kubernetes API, such as /api/v1/namespaces";
                    return Err(fault(object, "spec.apiCall.urlPath", why));
                }
                if !matches!(text(call, &["method"]), "" | "GET") {
                    let why = "objects are read with GET";
                    return Err(fault(object, "spec.apiCall.method", why));
                }
                return Ok(Entry {
                    version,
                    origin: Origin::Path(path.to_owned()),
                    refresh,
                    tries,
                    projections,
                    content: None,
                    fault: String::new(),
                    refreshed: None,
                });
            }
            let url = text(call, &["service", "url"]);
            if !url.starts_with("http://") && !url.starts_with("https://") {
                let why = "name the service by a URL with http:// or https://, or what the Kubernetes API has by its \
                           urlPath";
                return Err(fault(object, "spec.apiCall.service.url", why));
            }
            if let Some(interval) = call.get("refreshInterval").and_then(Node::as_str) {
                let read = GoDuration::parse(interval).ok().and_then(GoDuration::to_std);
                let Some(read) = read.filter(|read| !read.is_zero()) else {
                    let why = format!("{interval:?} is no duration; write 30s or 10m");
                    return Err(fault(object, "spec.apiCall.refreshInterval", why));
                };
                refresh = i64::try_from(read.as_secs()).unwrap_or(REFRESH).max(SHORTEST);
            }
            tries = call
                .get("retryLimit")
                .and_then(Node::as_i64)
                .unwrap_or(TRIES)
                .clamp(1, 10);
            let method = match text(call, &["method"]) {
                "" => "GET",
                method @ ("GET" | "POST") => method,
                _ => return Err(fault(object, "spec.apiCall.method", "use GET or POST")),
            };
            let mut body = Value::object();
            for item in items(call, &["data"]) {
                let value = item.get("value").map_or(Value::NULL, Node::to_value);
                body.set(&[text(item, &["key"])], value);
            }
            let headers = items(call, &["service", "headers"])
                .map(|header| (text(header, &["key"]).to_owned(), text(header, &["value"]).to_owned()));
            Origin::Service(Call {
                url: url.to_owned(),
                method: method.to_owned(),
                headers: headers.collect(),
                authorities: text(call, &["service", "caBundle"]).to_owned(),
                body: (method == "POST").then(|| body.to_json()),
                patience: PATIENCE,
            })
        }
        _ => {
            return Err(fault(
                object,
                "spec",
                "use exactly one of kubernetesResource and apiCall",
            ));
        }
    };
    Ok(Entry {
        version,
        origin,
        refresh,
        tries,
        projections,
        content: None,
        fault: String::new(),
        refreshed: None,
    })
}

/// What is wrong with an entry that somebody wants to store.
pub(crate) fn faults(object: Node<'_>) -> Vec<CompileError> {
    compile(object, 0).err().into_iter().collect()
}

impl Globals {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes who calls services.
    pub(crate) fn fetch_with(&self, fetcher: Arc<dyn Fetch>) {
        *self.fetcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(fetcher);
    }

    /// Asks for an entry to be made fresh.
    pub(crate) fn ask(&self, entry: ObjectRef) {
        self.queue.add(entry);
    }

    /// The kinds whose objects entries hold.
    pub(crate) fn kinds(&self, table: &KindTable) -> Vec<Gvk> {
        let entries = self.entries();
        let objects = entries.values().filter_map(|entry| match &entry.origin {
            origin @ (Origin::Objects(..) | Origin::Path(_)) => origin.kind(table),
            Origin::Service(_) => None,
        });
        objects.collect()
    }

    /// The entries that hold objects of a kind.
    pub(crate) fn of_kind(&self, gvk: &Gvk, table: &KindTable) -> Vec<String> {
        let entries = self.entries();
        let about = entries
            .iter()
            .filter(|(_, entry)| entry.origin.kind(table).as_ref() == Some(gvk));
        about.map(|(name, _)| name.clone()).collect()
    }

    /// What rules find in an entry; `None` where there is none of that name. `list` tells the objects of a kind, `api` what is at a
    /// path.
    pub(crate) fn read(
        &self,
        name: &str,
        table: &KindTable,
        list: impl Fn(&Gvk, &str) -> Option<Vec<Doc>>,
        api: impl Fn(&str) -> Option<Value>,
    ) -> Option<Result<Global, String>> {
        let entry = self.entries().get(name)?.clone();
        let content = match &entry.origin {
            Origin::Objects([group, version, resource], namespace) => {
                let kind = table.by_resource(group, version, resource);
                let objects = kind.and_then(|kind| list(&kind.gvk, namespace));
                objects.map(|objects| objects.into_iter().map(Value::from).collect::<Value>())
            }
            Origin::Path(path) => {
                // Before the first list is in, what is missing may be there.
                let known = entry.origin.kind(table).and_then(|gvk| list(&gvk, ""));
                known.and_then(|_| api(path))
            }
            Origin::Service(_) => entry.content.map(Value::from),
        };
        Some(match content {
            Some(value) => Ok(Global {
                value,
                projections: entry.projections,
            }),
            None if entry.fault.is_empty() => Err("it has not been filled yet".into()),
            None => Err(entry.fault),
        })
    }
}

/// Takes in the stored entries.
pub(crate) fn plan(shared: &Shared, next: &Snapshot) {
    let globals = &shared.mirror.globals;
    let mut entries = globals.entries();
    let named = |name: &str| next.globals.keys().any(|key| key.name == name);
    entries.retain(|name, _| named(name));
    for (key, stored) in &next.globals {
        if entries
            .get(&key.name)
            .is_some_and(|entry| entry.version == stored.version)
        {
            continue;
        }
        match compile(stored.doc.root(), stored.version) {
            Ok(entry) => {
                entries.insert(key.name.clone(), entry);
                shared.alarm.set(What::Global(key.clone()), None);
                globals.ask(key.clone());
            }
            Err(fault) => {
                tracing::warn!(entry = key.name, %fault, "a global context entry is not filled");
                entries.remove(&key.name);
            }
        }
    }
}

/// Works the queue until the future is dropped.
pub(crate) async fn work(shared: Arc<Shared>) {
    let globals = &shared.mirror.globals;
    loop {
        let key = globals.queue.next().await;
        refresh(&shared, &key).await;
        globals.queue.done(&key);
    }
}

/// Calls a service until it answers, a few times.
async fn call(shared: &Shared, call: &Call, tries: i64) -> Result<Doc, String> {
    let fetcher = shared
        .mirror
        .globals
        .fetcher
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let Some(fetcher) = fetcher else {
        return Err("this platform calls no services".into());
    };
    let mut last = String::new();
    for i in 0..tries {
        if i > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let (fetcher, asked) = (fetcher.clone(), call.clone());
        let answer = tokio::task::spawn_blocking(move || fetcher.fetch(&asked));
        last = match tokio::time::timeout(call.patience * 2, answer).await {
            Ok(Ok(Ok(body))) => match parse_json(&body) {
                Ok(doc) => return Ok(doc),
                Err(error) => format!("the answer is no JSON: {error}"),
            },
            Ok(Ok(Err(why))) => why,
            Ok(Err(_)) => "the call was cut off".into(),
            Err(_) => format!("there was no answer within {} s", call.patience.as_secs()),
        };
    }
    Err(format!("{} {}: {last} (tried {tries} times)", call.method, call.url))
}

/// Makes an entry fresh, and says in its status how it stands.
async fn refresh(shared: &Shared, key: &ObjectRef) {
    let globals = &shared.mirror.globals;
    let Some(entry) = globals.entries().get(&key.name).cloned() else {
        return;
    };
    let answer = match &entry.origin {
        Origin::Objects(..) | Origin::Path(_) => Ok(None),
        Origin::Service(asked) => call(shared, asked, entry.tries).await.map(Some),
    };
    let now = shared.clock.now();
    let fault = answer.as_ref().err().cloned().unwrap_or_default();
    let news = {
        let mut entries = globals.entries();
        let Some(known) = entries
            .get_mut(&key.name)
            .filter(|known| known.version == entry.version)
        else {
            return;
        };
        let before = (
            known.fault.clone(),
            known.content.as_ref().map(|doc| doc.root().to_json()),
        );
        let first = known.refreshed.is_none();
        known.fault.clone_from(&fault);
        if let Ok(content) = answer {
            known.refreshed = Some(now);
            // Old content counts until there is newer.
            known.content = content.or(known.content.take());
        }
        first
            || before
                != (
                    known.fault.clone(),
                    known.content.as_ref().map(|doc| doc.root().to_json()),
                )
    };
    if news {
        shared.ask_by_global(&key.name);
    }
    if matches!(entry.origin, Origin::Service(_)) {
        let due = now.checked_add(SignedDuration::from_secs(entry.refresh)).ok();
        shared.alarm.set(What::Global(key.clone()), due);
    }
    let refreshed = globals.entries().get(&key.name).and_then(|entry| entry.refreshed);
    tell(shared, key, &fault, refreshed, now).await;
}

async fn tell(shared: &Shared, key: &ObjectRef, fault: &str, refreshed: Option<Timestamp>, now: Timestamp) {
    let gvk = source::written(key);
    let Ok(live) = shared.cluster.get(&gvk, "", &key.name).await else {
        return;
    };
    let known = items(live.root(), &["status", "conditions"]).find(|c| text(*c, &["type"]) == "Ready");
    let ready = if fault.is_empty() { "True" } else { "False" };
    let since = known
        .filter(|known| text(*known, &["status"]) == ready)
        .map(|known| text(known, &["lastTransitionTime"]).to_owned());
    let mut condition = Value::object();
    condition.set(&["type"], "Ready");
    condition.set(&["status"], ready);
    condition.set(&["reason"], if fault.is_empty() { "Succeeded" } else { "Failed" });
    condition.set(&["message"], if fault.is_empty() { "Ready" } else { fault });
    condition.set(&["lastTransitionTime"], since.unwrap_or_else(|| rfc3339(now)));
    let mut out = Value::object();
    out.set(&["ready"], fault.is_empty());
    out.set(&["conditions"], vec![condition]);
    if let Some(at) = refreshed {
        out.set(&["lastRefreshTime"], rfc3339(at));
    }
    match status::store(shared, &live, out, format!("global-context:{}", key.name)).await {
        Err(status) if !matches!(status.reason, Reason::NotFound | Reason::Conflict) => {
            tracing::warn!(entry = key.name, %status, "the status of a global context entry could not be written");
        }
        _ => {}
    }
}
