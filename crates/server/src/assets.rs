//! The portal's own files: built and compressed ahead of time, immutable where their name carries a hash.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

/// What a page may load: itself, and nothing from elsewhere.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

struct Asset {
    kind: &'static str,
    plain: Bytes,
    brotli: Option<Bytes>,
    immutable: bool,
}

/// The files of the portal.
#[derive(Clone, Default)]
pub struct Assets(Arc<HashMap<String, Asset>>);

impl Assets {
    /// Takes files by path (`index.html`, `assets/app-1a2b.js`). A file `x.br` is the compressed form of `x`.
    pub fn new(files: impl IntoIterator<Item = (String, Cow<'static, [u8]>)>) -> Assets {
        let mut all: HashMap<String, Cow<'static, [u8]>> = files.into_iter().collect();
        let names: Vec<String> = all.keys().filter(|name| !name.ends_with(".br")).cloned().collect();
        let mut assets = HashMap::new();
        for name in names {
            let brotli = all.remove(&format!("{name}.br")).map(|b| Bytes::from(b.into_owned()));
            let Some(plain) = all.remove(&name) else { continue };
            let kind = media_type(&name);
            let immutable = name.starts_with("assets/");
            assets.insert(
                name,
                Asset {
                    kind,
                    plain: Bytes::from(plain.into_owned()),
                    brotli,
                    immutable,
                },
            );
        }
        Assets(Arc::new(assets))
    }

    /// Whether a portal was built in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A file; paths of the portal's own pages give its entry page.
    pub(crate) fn serve(&self, path: &str, headers: &HeaderMap) -> Response {
        let name = path.trim_start_matches('/');
        let asset = match self.0.get(if name.is_empty() { "index.html" } else { name }) {
            Some(asset) => asset,
            // A missing file is missing; a page of the single-page portal is its entry page.
            None if name.starts_with("assets/") || (name.contains('.') && !name.contains('/')) => return missing(),
            None => match self.0.get("index.html") {
                Some(index) => index,
                None => return not_built(),
            },
        };
        let accepts = headers
            .get(header::ACCEPT_ENCODING)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let packed = asset.brotli.as_ref().filter(|_| takes_brotli(accepts));
        let mut response = Response::new(axum::body::Body::from(packed.unwrap_or(&asset.plain).clone()));
        let out = response.headers_mut();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
        out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if packed.is_some() {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        }
        let caching = if asset.immutable {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        out.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        response
    }
}

/// Whether `br` is among the codings that a client takes.
fn takes_brotli(accepts: &str) -> bool {
    accepts.split(',').any(|coding| {
        let (name, weight) = coding.split_once(";q=").unwrap_or((coding, "1"));
        name.trim() == "br" && weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0)
    })
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "no such file\n").into_response()
}

fn not_built() -> Response {
    let text = "This binary was built without the portal. Run `cargo xtask up`, which builds it first.\n\
                The API is at /api/v1, Git at /git.\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets() -> Assets {
        let files = [
            ("index.html", "<html>portal</html>"),
            ("index.html.br", "packed"),
            ("assets/app-1a.js", "let x = 1;"),
        ];
        Assets::new(files.map(|(name, text)| (name.to_owned(), Cow::Borrowed(text.as_bytes()))))
    }

    #[test]
    fn pages_are_the_entry_page_and_files_are_files() {
        let headers = HeaderMap::new();
        for (path, code, cache) in [
            ("/", 200, "no-cache"),
            ("/applications/checkout", 200, "no-cache"),
            ("/assets/app-1a.js", 200, "public, max-age=31536000, immutable"),
            ("/catalog/component/default/shop.checkout", 200, "no-cache"),
            ("/assets/gone.js", 404, ""),
            ("/gone.js", 404, ""),
            ("/assets/../../etc/passwd", 404, ""),
        ] {
            let response = assets().serve(path, &headers);
            assert_eq!(response.status().as_u16(), code, "{path}");
            let found = response
                .headers()
                .get(header::CACHE_CONTROL)
                .map(|v| v.to_str().unwrap());
            assert_eq!(found.unwrap_or_default(), cache, "{path}");
        }
        assert_eq!(Assets::default().serve("/", &headers).status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn text_is_sent_packed_to_those_who_take_it() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
        let response = assets().serve("/", &headers);
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "br");
        let bare = assets().serve("/assets/app-1a.js", &headers);
        assert_eq!(bare.headers().get(header::CONTENT_ENCODING), None, "it was not packed");
        for (accepts, takes) in [
            ("br;q=0.8, *;q=0.1", true),
            ("br;q=0", false),
            ("gzip, vibrations", false),
            ("", false),
        ] {
            assert_eq!(takes_brotli(accepts), takes, "{accepts}");
        }
    }
}
