//! Signatures of requests to AWS, version 4.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::Value;
use super::digest::{hmac_sha256, sha256};
use super::encoding::hex;
use super::{Answer, Builtin, Env, builtin, num, object};

pub(super) const BUILTINS: &[Builtin] = &[builtin("providers.aws.sign_req", 3, sign)];

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The texts under some names; all must be there.
fn texts<'a, const N: usize>(
    at: usize,
    value: &Value<'_>,
    names: [&'a str; N],
    what: &str,
) -> Result<BTreeMap<&'a str, String>, Fault> {
    let listed = |names: Vec<&str>| {
        let mut names = names;
        names.sort_unstable();
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        format!("{{{}}}", quoted.join(", "))
    };
    let of = |fault: &str, names: Vec<&str>| {
        let names = listed(names);
        let fault = fault.replace('%', what);
        Err(Fault::Type(format!(
            "operand {} {fault} parameters(s): {names}",
            at + 1
        )))
    };
    let missing: Vec<&str> = names.into_iter().filter(|name| value.field(name).is_none()).collect();
    if !missing.is_empty() {
        return of("missing required %", missing);
    }
    let text = |name: &str| value.field(name).and_then(|value| value.as_str().map(str::to_owned));
    let wrong: Vec<&str> = names.into_iter().filter(|name| text(name).is_none()).collect();
    if !wrong.is_empty() {
        return of("invalid values for required %", wrong);
    }
    Ok(names.into_iter().filter_map(|name| Some((name, text(name)?))).collect())
}

fn sign<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    env.fuel.burn(500)?;
    let members = object(a, 0)?;
    object(a, 1)?;
    let request = texts(0, &a[0], ["method", "url"], "request")?;
    let names = ["aws_access_key", "aws_region", "aws_secret_access_key", "aws_service"];
    let config = texts(1, &a[1], names, "AWS config")?;
    let unsigned = match a[1].field("disable_payload_signing") {
        None => false,
        Some(Value::Bool(b)) => b,
        Some(_) => {
            return Err(Fault::Type(
                "operand 2 invalid value for 'disable_payload_signing' in AWS config".into(),
            ));
        }
    };
    let wrong_time = || Fault::Type("operand 3 could not convert time_ns value into a unix timestamp".into());
    let moment = match num(a, 2)? {
        Num::Int(ns) => Timestamp::from_nanosecond((*ns).into()).map_err(|_| wrong_time())?,
        _ => return Err(wrong_time()),
    };
    let stamp = moment.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &stamp[..8];
    let raw = a[0].field("raw_body").and_then(|body| body.as_str().map(str::to_owned));
    let body = raw.or_else(|| a[0].field("body").map(|body| body.to_json()));
    env.work(body.as_ref().map_or(0, String::len))?;
    let payload = if unsigned {
        UNSIGNED.to_owned()
    } else {
        hex(&sha256(body.unwrap_or_default().as_bytes()))
    };
    let url = &request["url"];
    let after_scheme = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let end = after_scheme.find(['/', '?', '#']).unwrap_or(after_scheme.len());
    let (host, rest) = after_scheme.split_at(end);
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut added = BTreeMap::from([
        ("host".to_owned(), host.to_owned()),
        ("x-amz-content-sha256".to_owned(), payload.clone()),
        ("x-amz-date".to_owned(), stamp.clone()),
    ]);
    if let Some(token) = a[1]
        .field("aws_session_token")
        .and_then(|t| t.as_str().map(str::to_owned))
    {
        added.insert("x-amz-security-token".into(), token);
    }
    let given = a[0].field("headers");
    let given = given
        .as_ref()
        .and_then(|headers| headers.as_object())
        .unwrap_or_default();
    // Headers of the request are signed with the values they came with.
    let mut signed = added.clone();
    for (name, value) in given.iter() {
        let name = name.as_str().unwrap_or_default().to_lowercase();
        let value = match value.as_list() {
            Some(values) => values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            None => value.json_key(),
        };
        signed.insert(name, value);
    }
    let names: Vec<&str> = signed.keys().map(String::as_str).collect();
    let names = names.join(";");
    let mut canonical = format!("{}\n{path}\n{query}\n", request["method"]);
    for (name, value) in &signed {
        canonical.push_str(&format!("{name}:{}\n", value.trim()));
    }
    canonical.push_str(&format!("\n{names}\n{payload}"));
    let scope = format!("{day}/{}/{}/aws4_request", config["aws_region"], config["aws_service"]);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}",
        hex(&sha256(canonical.as_bytes()))
    );
    let mut key = hmac_sha256(
        format!("AWS4{}", config["aws_secret_access_key"]).as_bytes(),
        day.as_bytes(),
    );
    for part in [&config["aws_region"], &config["aws_service"], "aws4_request"] {
        key = hmac_sha256(&key, part.as_bytes());
    }
    let signature = hex(&hmac_sha256(&key, to_sign.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
        config["aws_access_key"]
    );
    let replaced = |name: &Value<'_>| {
        name.as_str()
            .is_some_and(|name| added.contains_key(&name.to_lowercase()))
    };
    let mut headers: Vec<_> = given.iter().filter(|(name, _)| !replaced(name)).cloned().collect();
    headers.extend(
        added
            .iter()
            .map(|(name, value)| (Value::str(name.as_str()), Value::str(value.as_str()))),
    );
    headers.push((Value::str("Authorization"), Value::str(authorization)));
    let mut out: Vec<_> = members
        .iter()
        .filter(|(name, _)| name.as_str() != Some("headers"))
        .cloned()
        .collect();
    out.push((Value::str("headers"), Value::object(headers)));
    Ok(Value::object(out))
}
