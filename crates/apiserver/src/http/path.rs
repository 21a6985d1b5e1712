//! Request paths and query parameters.

/// A resource path: `/apis/{group}/{version}[/namespaces/{namespace}]/{resource}[/{name}[/{subresource}]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    /// Empty for cluster-scoped objects and for lists over all namespaces.
    pub(crate) namespace: String,
    pub(crate) resource: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
}

impl Target {
    /// Reads a path; `None` when it names no resource.
    pub(crate) fn parse(path: &str) -> Option<Target> {
        let parts: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
        let mut parts = parts.into_iter();
        let group = match parts.next()?.as_str() {
            "api" => String::new(),
            "apis" => parts.next()?,
            _ => return None,
        };
        let version = parts.next()?;
        let rest: Vec<String> = parts.collect();
        let target = Target {
            group,
            version,
            ..Target::default()
        };
        // `namespaces/{name}` and its subresources are the namespace itself; anything longer lies within it.
        let core = target.group.is_empty();
        match rest.as_slice() {
            [namespaces, namespace, resource, tail @ ..]
                if namespaces == "namespaces"
                    && !(core && tail.is_empty() && matches!(resource.as_str(), "status" | "finalize")) =>
            {
                let (name, subresource) = tail_parts(tail)?;
                Some(Target {
                    namespace: namespace.clone(),
                    resource: resource.clone(),
                    name,
                    subresource,
                    ..target
                })
            }
            [resource, tail @ ..] if !resource.is_empty() => {
                let (name, subresource) = tail_parts(tail)?;
                Some(Target {
                    resource: resource.clone(),
                    name,
                    subresource,
                    ..target
                })
            }
            _ => None,
        }
    }
}

fn tail_parts(tail: &[String]) -> Option<(String, String)> {
    match tail {
        [] => Some((String::new(), String::new())),
        [name] => Some((name.clone(), String::new())),
        [name, rest @ ..] => Some((name.clone(), rest.join("/"))),
    }
}

/// Percent-decoding; malformed escapes stay as they are.
fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) if bytes[i] == b'%' => {
                out.push(byte);
                i += 3;
            }
            _ => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Query parameters in order; a key may repeat.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`.
    pub(crate) fn parse(text: &str) -> Query {
        Query(
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
                })
                .collect(),
        )
    }

    /// The first value of a key, or nothing.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.0.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v)
    }

    /// Whether a key is there and not `false` or `0`.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.0
            .iter()
            .any(|(k, v)| k == key && !matches!(v.as_str(), "false" | "0"))
    }

    /// A number.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let check = |path: &str, want: Option<[&str; 6]>| {
            let got = Target::parse(path);
            let got = got.as_ref().map(|t| {
                [&t.group, &t.version, &t.namespace, &t.resource, &t.name, &t.subresource].map(String::as_str)
            });
            assert_eq!(got, want, "{path}");
        };
        check("/api/v1/namespaces", Some(["", "v1", "", "namespaces", "", ""]));
        check("/api/v1/namespaces/a", Some(["", "v1", "", "namespaces", "a", ""]));
        check(
            "/api/v1/namespaces/a/finalize",
            Some(["", "v1", "", "namespaces", "a", "finalize"]),
        );
        check("/api/v1/namespaces/a/pods", Some(["", "v1", "a", "pods", "", ""]));
        check(
            "/api/v1/namespaces/a/pods/p/log",
            Some(["", "v1", "a", "pods", "p", "log"]),
        );
        check(
            "/apis/apps/v1/deployments",
            Some(["apps", "v1", "", "deployments", "", ""]),
        );
        check(
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            Some(["apps", "v1", "a", "deployments", "d", "scale"]),
        );
        check(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax",
            Some(["rbac.authorization.k8s.io", "v1", "", "clusterroles", "system:x", ""]),
        );
        check("/apis/apps/v1", None);
        check("/version", None);
    }

    #[test]
    fn queries() {
        let query = Query::parse("labelSelector=a%3Db%2Cc&watch=1&limit=5&x");
        assert_eq!(query.get("labelSelector"), "a=b,c");
        assert!(query.flag("watch") && query.flag("x") && !query.flag("y"));
        assert_eq!(query.number("limit"), Some(5));
    }
}
