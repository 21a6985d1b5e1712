//! Calls to services for global context entries, over HTTP.

use std::sync::Arc;

use ridgeway_guard::{Call, Fetch};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

/// The largest answer that is read.
const LARGEST: u64 = 8 << 20;

/// Calls services over HTTP, and over HTTPS with the certificates that each call names.
#[derive(Debug)]
pub(crate) struct Http;

fn agent(call: &Call) -> Result<ureq::Agent, String> {
    let mut tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    if call.url.starts_with("https://") {
        let items = ureq::tls::parse_pem(call.authorities.as_bytes());
        let found: Result<Vec<Certificate<'static>>, _> = items
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            })
            .collect();
        let found = found.map_err(|error| format!("the caBundle is no PEM: {error}"))?;
        if found.is_empty() {
            return Err("https needs the service's authority in spec.apiCall.service.caBundle".into());
        }
        tls = tls.root_certs(RootCerts::from(found));
    }
    let agent = ureq::Agent::config_builder()
        .tls_config(tls.build())
        .http_status_as_error(false)
        .timeout_global(Some(call.patience))
        .max_redirects(0)
        .user_agent("ridgeway")
        .build();
    Ok(agent.into())
}

impl Fetch for Http {
    fn fetch(&self, call: &Call) -> Result<Vec<u8>, String> {
        let mut request = ureq::http::Request::builder()
            .method(call.method.as_str())
            .uri(&call.url)
            .header("accept", "application/json");
        if call.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(call.body.clone().unwrap_or_default())
            .map_err(|error| error.to_string())?;
        let mut response = agent(call)?.run(request).map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("the service answers {}", response.status()));
        }
        let body = response.body_mut().with_config().limit(LARGEST).read_to_vec();
        body.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    /// A service that answers one call; its address, and what it was asked.
    fn service(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/all", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = String::new();
            let mut part = [0; 4096];
            while !asked.contains("\r\n\r\n") || asked.starts_with("POST") && !asked.ends_with('}') {
                let count = stream.read(&mut part).unwrap();
                asked.push_str(std::str::from_utf8(&part[..count]).unwrap());
            }
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        });
        (url, asked)
    }

    fn call(url: String) -> Call {
        Call {
            url,
            method: "POST".into(),
            headers: vec![("x-from".into(), "ridgeway".into())],
            body: Some("{\"a\":1}".into()),
            patience: Duration::from_secs(5),
            ..Call::default()
        }
    }

    #[test]
    fn a_service_is_called() {
        let (url, asked) = service("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]");
        assert_eq!(Http.fetch(&call(url)).unwrap(), b"[]");
        let asked = asked.join().unwrap();
        assert!(
            asked.starts_with("POST /all") && asked.contains("x-from: ridgeway") && asked.ends_with("{\"a\":1}"),
            "{asked}"
        );
    }

    #[test]
    fn what_goes_wrong_is_said() {
        let (url, asked) = service("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
        let why = Http.fetch(&call(url)).unwrap_err();
        assert!(why.contains("503"), "{why}");
        asked.join().unwrap();
        let why = Http.fetch(&call("https://127.0.0.1:1/".into())).unwrap_err();
        assert!(why.contains("caBundle"), "{why}");
    }
}
