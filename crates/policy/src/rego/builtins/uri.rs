//! URIs in parts.

use std::net::{IpAddr, Ipv6Addr};

use super::super::error::Fault;
use super::super::value::Value;
use super::{Answer, Builtin, Env, builtin, encoding, text};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("uri.parse", 1, parse),
    builtin("uri.is_valid", 1, |env, a| {
        let Some(whole) = a[0].as_str() else {
            return Ok(Value::Bool(false));
        };
        env.work(whole.len())?;
        Ok(Value::Bool(!whole.is_empty() && Uri::read(whole).is_ok()))
    }),
];

/// What a URI says, as far as policies ask.
#[derive(Default)]
struct Uri<'t> {
    scheme: String,
    hostname: Vec<u8>,
    port: Vec<u8>,
    path: Vec<u8>,
    raw_path: Option<&'t str>,
    query: &'t str,
    fragment: Vec<u8>,
}

fn parse<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let whole = text(a, 0)?;
    env.work(whole.len())?;
    let uri = Uri::read(whole).map_err(|why| Fault::value(format!("parse {whole:?}: {why}")))?;
    let mut members = Vec::new();
    let mut put = |name: &str, bytes: &[u8]| {
        if !bytes.is_empty() {
            members.push((Value::str(name), encoding::lossy(bytes)));
        }
    };
    put("scheme", uri.scheme.as_bytes());
    put("hostname", &uri.hostname);
    put("port", &uri.port);
    put("path", &uri.path);
    put("raw_path", uri.raw_path.map_or(&uri.path, str::as_bytes));
    put("raw_query", uri.query.as_bytes());
    put("fragment", &uri.fragment);
    Ok(Value::object(members))
}

/// The scheme of a text that is a URI or a reference; empty where it has none.
pub(super) fn reads(whole: &str) -> Option<String> {
    Uri::read(whole).ok().map(|uri| uri.scheme)
}

/// A URI as Go shows its parts.
pub(super) fn of_go<'d>(whole: &str) -> Option<Value<'d>> {
    let uri = Uri::read(whole).ok()?;
    let after = whole.split_once("://").map(|(_, after)| after);
    let authority = after.map(|after| after.split(['/', '?', '#']).next().unwrap_or_default());
    let host = authority.map(|authority| authority.rsplit('@').next().unwrap_or_default());
    Some(Value::named([
        ("ForceQuery", Value::Bool(uri.query.is_empty() && whole.ends_with('?'))),
        ("Fragment", encoding::lossy(&uri.fragment)),
        ("Host", Value::str(host.unwrap_or_default())),
        ("OmitHost", Value::Bool(false)),
        ("Opaque", Value::str("")),
        ("Path", encoding::lossy(&uri.path)),
        ("RawFragment", Value::str("")),
        ("RawPath", Value::str(uri.raw_path.unwrap_or_default())),
        ("RawQuery", Value::str(uri.query)),
        ("Scheme", Value::str(uri.scheme.as_str())),
        ("User", Value::Null),
    ]))
}

/// The part of a URI in which an escape stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Host,
    /// The zone of an address.
    Zone,
    Other,
}

impl<'t> Uri<'t> {
    fn read(whole: &'t str) -> Result<Uri<'t>, String> {
        let (rest, fragment) = whole.split_once('#').unwrap_or((whole, ""));
        let mut uri = Uri::default();
        uri.before_fragment(rest)?;
        uri.fragment = unescape(fragment, Place::Other)?;
        Ok(uri)
    }

    fn before_fragment(&mut self, whole: &'t str) -> Result<(), String> {
        if whole.bytes().any(|b| b < b' ' || b == 0x7f) {
            return Err("net/url: invalid control character in URL".into());
        }
        let (scheme, rest) = scheme(whole)?;
        self.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        self.query = query;
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                // `mailto:a@b` has nothing to take apart.
                return Ok(());
            }
            if rest.split('/').next().is_some_and(|first| first.contains(':')) {
                return Err("first path segment in URL cannot contain colon".into());
            }
        }
        if (!scheme.is_empty() || !rest.starts_with("///"))
            && let Some(after) = rest.strip_prefix("//")
        {
            let end = after.find('/').unwrap_or(after.len());
            rest = &after[end..];
            self.authority(&after[..end])?;
        }
        self.path = unescape(rest, Place::Other)?;
        self.raw_path = (escaped(&self.path) != rest).then_some(rest);
        Ok(())
    }

    fn authority(&mut self, authority: &str) -> Result<(), String> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let host = self.host(host)?;
        if let Some(user) = user {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
            if !user.chars().all(allowed) {
                return Err("net/url: invalid userinfo".into());
            }
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            unescape(name, Place::Other)?;
            unescape(password, Place::Other)?;
        }
        let colon = host.iter().rposition(|b| *b == b':');
        let colon = colon.filter(|at| is_port(&host[*at..]));
        let name = &host[..colon.unwrap_or(host.len())];
        self.port = colon.map_or_else(Vec::new, |at| host[at + 1..].to_vec());
        let bare = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]"));
        self.hostname = bare.unwrap_or(name).to_vec();
        Ok(())
    }

    /// Host and port without escapes.
    fn host(&self, host: &str) -> Result<Vec<u8>, String> {
        match host.rfind('[') {
            Some(0) => {
                let end = host.rfind(']').ok_or("missing ']' in host")?;
                let port = &host[end + 1..];
                if !is_port(port.as_bytes()) {
                    return Err(format!("invalid port {port:?} after host"));
                }
                let inner = &host[1..end];
                let zone = inner.find("%25").unwrap_or(inner.len());
                let mut name = unescape(&inner[..zone], Place::Host)?;
                let address = String::from_utf8_lossy(&name).into_owned();
                name.extend(unescape(&inner[zone..], Place::Zone)?);
                let shown = String::from_utf8_lossy(&name).into_owned();
                let unable = || format!("invalid host: ParseAddr({shown:?}): unable to parse IP");
                match address.parse::<IpAddr>() {
                    Ok(IpAddr::V4(_)) => return Err("invalid IP-literal".into()),
                    Ok(IpAddr::V6(v6)) if zone < inner.len() && (mapped(v6) || shown.ends_with('%')) => {
                        return Err(unable());
                    }
                    Ok(IpAddr::V6(_)) => {}
                    Err(_) => return Err(unable()),
                }
                Ok([b"[", &name[..], b"]", port.as_bytes()].concat())
            }
            Some(_) => Err("invalid IP-literal".into()),
            None => {
                let strict = matches!(self.scheme.as_str(), "http" | "https");
                let colon = if strict { host.find(':') } else { host.rfind(':') };
                if let Some(port) = colon.map(|at| &host[at..])
                    && !is_port(port.as_bytes())
                {
                    return Err(format!("invalid port {port:?} after host"));
                }
                unescape(host, Place::Host)
            }
        }
    }
}

/// An IPv4 address in IPv6 has no zone.
fn mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}

/// Nothing, or a colon and digits.
fn is_port(port: &[u8]) -> bool {
    match port.split_first() {
        None => true,
        Some((colon, digits)) => *colon == b':' && digits.iter().all(u8::is_ascii_digit),
    }
}

fn scheme(whole: &str) -> Result<(&str, &str), String> {
    for (at, c) in whole.bytes().enumerate() {
        match c {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".into()),
            b':' => return Ok((&whole[..at], &whole[at + 1..])),
            _ => break,
        }
    }
    Ok(("", whole))
}

fn unescape(escaped: &str, place: Place) -> Result<Vec<u8>, String> {
    let in_host = |b: u8| b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&b);
    let mut out = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte == b'%' {
            let wrong = || {
                let shown = String::from_utf8_lossy(&rest[..rest.len().min(3)]).into_owned();
                Err(format!("invalid URL escape {shown:?}"))
            };
            let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
            let Some(code) = digit(0).zip(digit(1)).map(|(high, low)| high << 4 | low) else {
                return wrong();
            };
            let code = u8::try_from(code).unwrap_or_default();
            let refused = match place {
                Place::Host => code < 0x80 && code != b'%',
                Place::Zone => code != b'%' && code != b' ' && !in_host(code),
                Place::Other => false,
            };
            if refused {
                return wrong();
            }
            out.push(code);
            rest = &after[2..];
            continue;
        }
        if place != Place::Other && *byte < 0x80 && !in_host(*byte) {
            return Err(format!(
                "invalid character {:?} in host name",
                char::from(*byte).to_string()
            ));
        }
        out.push(*byte);
        rest = after;
    }
    Ok(out)
}

/// A path with the escapes it needs.
fn escaped(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    // A lone asterisk stands for itself.
    if path == b"*" { "*".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::value_of;

    #[test]
    fn a_uri_in_parts() {
        assert_eq!(
            value_of(r#"uri.parse("HTTPS://u:p@example.com:8443/a%2Fb?x=1&y#f%20g")"#),
            r#"{"fragment": "f g", "hostname": "example.com", "path": "/a/b", "port": "8443", "raw_path": "/a%2Fb", "raw_query": "x=1&y", "scheme": "https"}"#
        );
        assert_eq!(
            value_of(r#"uri.parse("/a%20b")"#),
            r#"{"path": "/a b", "raw_path": "/a b"}"#
        );
        assert_eq!(value_of(r#"uri.parse("mailto:a@b")"#), r#"{"scheme": "mailto"}"#);
        assert_eq!(value_of(r#"uri.parse("")"#), "{}");
        assert_eq!(
            value_of(r#"uri.parse("//[fe80::1%25en0]:80").hostname"#),
            r#""fe80::1%en0""#
        );
    }

    #[test]
    fn what_is_no_uri() {
        for (uri, why) in [
            (":a", "missing protocol scheme"),
            ("1:b", "first path segment in URL cannot contain colon"),
            ("http://a b/", r#"invalid character " " in host name"#),
            ("http://h:p/", r#"invalid port ":p" after host"#),
            ("http://a:1:2/", r#"invalid port ":1:2" after host"#),
            ("http://a%20b/", r#"invalid URL escape "%20""#),
            ("http://[::1", "missing ']' in host"),
            ("http://[1.2.3.4]/", "invalid IP-literal"),
            ("http://us er@h/", "net/url: invalid userinfo"),
            ("/%zz", r#"invalid URL escape "%zz""#),
        ] {
            let told = value_of(&format!("uri.parse({uri:?})"));
            assert_eq!(told, format!("eval_builtin_error: uri.parse: parse {uri:?}: {why}"));
            assert_eq!(value_of(&format!("uri.is_valid({uri:?})")), "false");
        }
        assert_eq!(value_of(r#"uri.is_valid("")"#), "false");
        assert_eq!(value_of(r#"uri.is_valid("postgres://a:1,b:2/x")"#), "true");
    }
}
