//! Functions over text.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use ridgeway_doc::{Doc, Number};

use super::function::{number, string, text_or_number, wrong};
use super::{Ast, Evaluator, Fault, Val};
use crate::budget::MAX_REGEX_TEXT;
use crate::kyverno::wildcard;
use crate::{image, semver};

type Answer<'a> = Result<Val<'a>, Fault>;

pub(super) fn to_upper<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::text(string("to_upper", args, 0)?.to_uppercase()))
}

pub(super) fn to_lower<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::text(string("to_lower", args, 0)?.to_lowercase()))
}

pub(super) fn starts_with<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::Bool(string("starts_with", args, 0)?.starts_with(string(
        "starts_with",
        args,
        1,
    )?)))
}

pub(super) fn ends_with<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::Bool(string("ends_with", args, 0)?.ends_with(string(
        "ends_with",
        args,
        1,
    )?)))
}

pub(super) fn equal_fold<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let (a, b) = (string("equal_fold", args, 0)?, string("equal_fold", args, 1)?);
    Ok(Val::Bool(a.to_lowercase() == b.to_lowercase()))
}

pub(super) fn compare<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let order = string("compare", args, 0)?.cmp(string("compare", args, 1)?);
    Ok(Val::Number(Number::Int(order as i64)))
}

pub(super) fn replace<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let (text, from, to) = (
        string("replace", args, 0)?,
        string("replace", args, 1)?,
        string("replace", args, 2)?,
    );
    let count = number("replace", args, 3)?;
    Ok(Val::text(if count < 0.0 {
        text.replace(from, to)
    } else {
        text.replacen(from, to, count as usize)
    }))
}

pub(super) fn replace_all<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let name = "replace_all";
    Ok(Val::text(
        string(name, args, 0)?.replace(string(name, args, 1)?, string(name, args, 2)?),
    ))
}

pub(super) fn trim<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let cut = string("trim", args, 1)?;
    Ok(Val::text(string("trim", args, 0)?.trim_matches(|c| cut.contains(c))))
}

pub(super) fn trim_prefix<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let text = string("trim_prefix", args, 0)?;
    Ok(Val::text(
        text.strip_prefix(string("trim_prefix", args, 1)?).unwrap_or(text),
    ))
}

pub(super) fn split<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let (text, at) = (string("split", args, 0)?, string("split", args, 1)?);
    let parts = if at.is_empty() {
        text.chars().map(Val::text).collect()
    } else {
        text.split(at).map(Val::text).collect()
    };
    Ok(Val::array(parts))
}

pub(super) fn join<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let glue = string("join", args, 0)?;
    if !args[1].is_array() {
        return wrong("join", args, 1, "an array of strings");
    }
    let items = args[1].items();
    let mut parts = Vec::with_capacity(items.len());
    for (i, _) in items.iter().enumerate() {
        parts.push(string("join", &items, i)?);
    }
    Ok(Val::text(parts.join(glue)))
}

pub(super) fn truncate<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let len = number("truncate", args, 1)?.max(0.0) as usize;
    Ok(Val::text(
        string("truncate", args, 0)?.chars().take(len).collect::<String>(),
    ))
}

pub(super) fn to_boolean<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    match string("to_boolean", args, 0)?.to_lowercase().as_str() {
        "true" => Ok(Val::Bool(true)),
        "false" => Ok(Val::Bool(false)),
        _ => wrong("to_boolean", args, 0, "\"true\" or \"false\""),
    }
}

/// A compiled regular expression; size limits keep hostile ones from eating the budget.
fn regex(name: &str, args: &[Val<'_>], index: usize) -> Result<Arc<Regex>, Fault> {
    let source = text_or_number(name, args, index)?;
    crate::pattern_text::regex(&source).map_err(Fault::Invalid)
}

fn subject(name: &str, args: &[Val<'_>], index: usize) -> Result<String, Fault> {
    let text = text_or_number(name, args, index)?;
    if text.len() > MAX_REGEX_TEXT {
        return Fault::invalid(format!("`{name}` was given a text longer than {MAX_REGEX_TEXT} bytes"));
    }
    Ok(text)
}

pub(super) fn regex_match<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let regex = regex("regex_match", args, 0)?;
    Ok(Val::Bool(regex.is_match(&subject("regex_match", args, 1)?)))
}

pub(super) fn regex_replace_all<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let name = "regex_replace_all";
    let (regex, text, with) = (
        regex(name, args, 0)?,
        subject(name, args, 1)?,
        text_or_number(name, args, 2)?,
    );
    Ok(Val::text(regex.replace_all(&text, with.as_str())))
}

pub(super) fn regex_replace_all_literal<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let name = "regex_replace_all_literal";
    let (regex, text, with) = (
        regex(name, args, 0)?,
        subject(name, args, 1)?,
        text_or_number(name, args, 2)?,
    );
    Ok(Val::text(regex.replace_all(&text, regex::NoExpand(&with))))
}

pub(super) fn pattern_match<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let pattern = string("pattern_match", args, 0)?;
    Ok(Val::Bool(wildcard(pattern, &text_or_number("pattern_match", args, 1)?)))
}

pub(super) fn base64_encode<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::text(STANDARD.encode(string("base64_encode", args, 0)?)))
}

pub(super) fn base64_decode<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    match STANDARD.decode(string("base64_decode", args, 0)?) {
        Ok(bytes) => Ok(Val::text(String::from_utf8_lossy(&bytes))),
        Err(_) => Fault::invalid("`base64_decode` was given a text that is not base64"),
    }
}

pub(super) fn parse_json<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    match Doc::parse_json(string("parse_json", args, 0)?.as_bytes()) {
        Ok(doc) => Ok(Val::copy(doc.root())),
        Err(error) => Fault::invalid(format!("`parse_json`: {error}")),
    }
}

pub(super) fn parse_yaml<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    match ridgeway_doc::parse_yaml(string("parse_yaml", args, 0)?) {
        Ok(docs) => Ok(docs.first().map_or(Val::Null, |doc| Val::copy(doc.root()))),
        Err(error) => Fault::invalid(format!("`parse_yaml`: {error}")),
    }
}

/// Cleans a path as Go's `filepath.Join` does: no empty parts, no `.`, `..` resolved.
pub(super) fn path_canonicalize<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let path = string("path_canonicalize", args, 0)?;
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    Ok(Val::text(if rooted { format!("/{joined}") } else { joined }))
}

pub(super) fn semver_compare<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let (version, range) = (string("semver_compare", args, 0)?, string("semver_compare", args, 1)?);
    semver::in_range(version, range).map(Val::Bool).map_err(Fault::Invalid)
}

pub(super) fn image_normalize<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    match image::parse(string("image_normalize", args, 0)?) {
        Some(image) => Ok(Val::text(image.reference())),
        None => Fault::invalid("`image_normalize` was given a text that is not an image reference"),
    }
}

/// Whether a URL names a host outside private, loopback and link-local addresses. Names count as external.
pub(super) fn is_external_url<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let url = string("is_external_url", args, 0)?;
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    if host == "localhost" || host.ends_with(".localhost") {
        return Ok(Val::Bool(false));
    }
    let external = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()),
        Ok(IpAddr::V6(ip)) => {
            let first = ip.segments()[0];
            !(ip.is_loopback() || ip.is_unspecified() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80)
        }
        Err(_) => true,
    };
    Ok(Val::Bool(external))
}

/// A text of a simple pattern such as `[a-z0-9]{6}`. Engines have no randomness of their own: the text follows from
/// the request's time and the pattern, so that it differs between requests and repeats in a replay.
pub(super) fn random<'a>(eval: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let pattern = string("random", args, 0)?;
    let mut seed: u64 = eval.now.map_or(0x9e37_79b9_7f4a_7c15, |now| now.as_nanosecond() as u64);
    for b in pattern.bytes() {
        seed = (seed ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    match crate::pattern_text::sample(pattern, seed) {
        Some(text) => Ok(Val::text(text)),
        None => wrong(
            "random",
            args,
            0,
            "a pattern of literals and classes such as \"[a-z]{8}\"",
        ),
    }
}
