//! What a suite answers in place of a cluster and of services: `apiCallResponses` and `globalContextEntries`.

use ridgeway_doc::{Node, Value};

use super::{documents, join};
use crate::budget::Fuel;
use crate::corpus::Files;
use crate::global_context::Within;
use crate::jmespath::{Evaluator, Expression, Val};
use crate::request::{Answer, Global};
use crate::source::unknown_field;

/// The answers of a suite.
#[derive(Default)]
pub(super) struct Mocks {
    calls: Vec<Call>,
    entries: Vec<(String, Global)>,
}

/// An answer to a call.
struct Call {
    /// `GET` or `POST`; empty for both.
    method: String,
    /// The address, or the path of the API server.
    url: String,
    answer: Answer,
}

impl Mocks {
    /// Reads them.
    pub(super) fn read(files: &dyn Files, base: &str, test: Node<'_>) -> Result<Mocks, String> {
        let mut out = Mocks::default();
        let each = |key: &str| test.get(key).into_iter().flat_map(Node::items).enumerate();
        for (at, entry) in each("apiCallResponses") {
            let call = Call::read(entry).map_err(|why| format!("apiCallResponses[{at}]: {why}"))?;
            if out.calls.iter().any(|c| c.url == call.url && c.method == call.method) {
                return Err(format!(
                    "apiCallResponses[{at}]: {} has an answer already; give one for each method and address",
                    call.url
                ));
            }
            out.calls.push(call);
        }
        for (at, entry) in each("globalContextEntries") {
            let (name, held) = global(files, base, entry).map_err(|(name, why)| {
                format!(
                    "globalContextEntries[{at}]{}{name}: {why}",
                    if name.is_empty() { "" } else { " " }
                )
            })?;
            if out.entries.iter().any(|(known, _)| *known == name) {
                return Err(format!("globalContextEntries[{at}]: there are two entries {name}"));
            }
            out.entries.push((name, held));
        }
        Ok(out)
    }

    /// The answer to a call: the one for its method, or else the one for all.
    pub(super) fn call(&self, method: &str, url: &str) -> Option<Answer> {
        [method, ""]
            .into_iter()
            .find_map(|method| self.calls.iter().find(|c| c.url == url && c.method == method))
            .map(|call| call.answer.clone())
    }

    /// What an entry holds.
    pub(super) fn global(&self, name: &str) -> Option<Result<Global, String>> {
        let (_, held) = self.entries.iter().find(|(known, _)| known == name)?;
        Some(Ok(held.clone()))
    }
}

fn known(node: Node<'_>, fields: &[&str]) -> Result<(), String> {
    match node.members().find(|(key, _)| !fields.contains(key)) {
        Some((key, _)) => Err(unknown_field(key, fields)),
        None => Ok(()),
    }
}

impl Call {
    fn read(entry: Node<'_>) -> Result<Call, String> {
        known(entry, &["url", "urlPath", "method", "response"])?;
        let text = |key: &str| entry.str_at(&[key]).unwrap_or_default().trim();
        let url = match (text("url"), text("urlPath")) {
            ("", "") => return Err("`url` or `urlPath` must say what is called".into()),
            ("", path) if path.starts_with('/') => path,
            ("", path) => return Err(format!("urlPath: {path} must begin with `/`")),
            (url, "") if url.starts_with("http://") || url.starts_with("https://") => url,
            (url, "") => return Err(format!("url: {url} must begin with `http://` or `https://`")),
            _ => return Err("give `url` or `urlPath`, not both".into()),
        };
        let method = text("method").to_ascii_uppercase();
        if !matches!(method.as_str(), "" | "GET" | "POST") {
            return Err(format!("method: {method} must be GET or POST"));
        }
        let response = entry.get("response").ok_or("`response` is missing")?;
        known(response, &["statusCode", "body"]).map_err(|why| format!("response: {why}"))?;
        let body = response.get("body").filter(|body| body.is_object());
        let status = response.get("statusCode").and_then(Node::as_i64).unwrap_or(0);
        let status = match status {
            0 => 200,
            100..=599 => u16::try_from(status).unwrap_or(200),
            _ => return Err(format!("response.statusCode: {status} must lie between 100 and 599")),
        };
        Ok(Call {
            method,
            url: url.to_owned(),
            answer: Answer {
                status,
                body: body.ok_or("response.body: must be an object")?.to_value(),
            },
        })
    }
}

const ENTRY: [&str; 6] = ["name", "data", "resources", "resourceFiles", "fieldPath", "projections"];

/// An entry's name and what it holds; why not, with the name as far as it is known.
fn global(files: &dyn Files, base: &str, entry: Node<'_>) -> Result<(String, Global), (String, String)> {
    let name = entry.str_at(&["name"]).unwrap_or_default().trim().to_owned();
    match holds(files, base, entry) {
        _ if name.is_empty() => Err((name, "`name` is missing".into())),
        Ok(held) => Ok((name, held)),
        Err(why) => Err((name, why)),
    }
}

fn holds(files: &dyn Files, base: &str, entry: Node<'_>) -> Result<Global, String> {
    known(entry, &ENTRY)?;
    let present = |key: &str| entry.get(key).filter(|node| !node.is_null());
    let mut value = match (present("data"), present("resources"), present("resourceFiles")) {
        (Some(data), None, None) if data.is_object() => data.to_value(),
        (Some(_), None, None) => return Err("data: must be an object".into()),
        (None, Some(list), None) => match list.items().position(|item| !item.is_object()) {
            Some(at) => return Err(format!("resources[{at}]: must be an object")),
            None => list.to_value(),
        },
        (None, None, Some(list)) => within(files, base, list)?,
        (None, None, None) => return Err("one of `data`, `resources` and `resourceFiles` is needed".into()),
        _ => return Err("give one of `data`, `resources` and `resourceFiles`, not more".into()),
    };
    if let Some(path) = entry.str_at(&["fieldPath"]).filter(|path| !path.is_empty()) {
        value = search(path, &value).map_err(|why| format!("fieldPath: {why}"))?;
    }
    // With projections, an entry is what they give, by their names.
    let mut parts = Value::object();
    let projections = entry.get("projections").into_iter().flat_map(Node::items);
    for (at, projection) in projections.enumerate() {
        let text = |key: &str| match projection.str_at(&[key]).unwrap_or_default().trim() {
            "" => Err(format!("projections[{at}]: `{key}` is missing")),
            text => Ok(text),
        };
        let (name, path) = (text("name")?, text("path")?);
        let part = search(path, &value).map_err(|why| format!("projections[{at}].path: {why}"))?;
        parts.set(&[name], part);
    }
    if !parts.node().is_empty() {
        value = parts;
    }
    let quoted = |name: &str| (name.to_owned(), Value::from(name).to_json());
    let projections = value.node().members().map(|(name, _)| quoted(name)).collect();
    Ok(Global { value, projections })
}

/// The objects of files below the suite's folder.
fn within(files: &dyn Files, base: &str, list: Node<'_>) -> Result<Value, String> {
    let mut out = Vec::new();
    for (at, file) in list.items().enumerate() {
        let file = file.as_str().unwrap_or_default().trim();
        let place = |why: String| format!("resourceFiles[{at}]: {why}");
        if file.is_empty() || file.starts_with('/') || join("", file).starts_with("..") {
            return Err(place(format!("{file:?} must be a file of the suite's folder")));
        }
        out.extend(documents(files, &join(base, file)).map_err(place)?);
    }
    Ok(out.into_iter().map(Value::from).collect())
}

fn search(path: &str, value: &Value) -> Result<Value, String> {
    let fuel = Fuel::default();
    let query = Expression::parse(path).map_err(|error| error.to_string())?;
    let scope = Within(Val::copy(value.node()));
    let found = Evaluator::new(&scope, &fuel, None).evaluate(&query);
    found.map(|found| found.to_value()).map_err(|fault| fault.to_string())
}
