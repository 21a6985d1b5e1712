//! The types that functions take and give: what is known to be wrong is told before evaluation.
//!
//! `s` is a string, `n` a number, `b` a boolean, `z` null, `.` anything; `a<s>`, `t<s>` and `o<s n>` are an array, a set
//! and an object of such, `[n s]` an array of just these, and `|` stands between alternatives.

use super::super::plan::Expr;
use super::super::value::{Type, Value};

/// A type as text.
type Text = &'static str;

const SIGNATURES: &[(&str, &[Text], Text)] = &[
    ("abs", &["n"], "n"),
    ("all", &["a|t"], "b"),
    ("and", &["t", "t"], "t"),
    ("any", &["a|t"], "b"),
    ("array.concat", &["a", "a"], "a"),
    ("array.flatten", &["a"], "a"),
    ("array.reverse", &["a"], "a"),
    ("array.slice", &["a", "n", "n"], "a"),
    ("base64.decode", &["s"], "s"),
    ("base64.encode", &["s"], "s"),
    ("base64.is_valid", &["s"], "b"),
    ("base64url.decode", &["s"], "s"),
    ("base64url.encode", &["s"], "s"),
    ("base64url.encode_no_pad", &["s"], "s"),
    ("bits.and", &["n", "n"], "n"),
    ("bits.lsh", &["n", "n"], "n"),
    ("bits.negate", &["n"], "n"),
    ("bits.or", &["n", "n"], "n"),
    ("bits.rsh", &["n", "n"], "n"),
    ("bits.xor", &["n", "n"], "n"),
    ("cast_array", &["."], "a"),
    ("cast_boolean", &["."], "b"),
    ("cast_null", &["."], "z"),
    ("cast_object", &["."], "o"),
    ("cast_set", &["."], "t"),
    ("cast_string", &["."], "s"),
    ("ceil", &["n"], "n"),
    ("concat", &["s", "a<s>|t<s>"], "s"),
    ("contains", &["s", "s"], "b"),
    ("count", &["s|a|o|t"], "n"),
    ("crypto.hmac.equal", &["s", "s"], "b"),
    ("crypto.hmac.md5", &["s", "s"], "s"),
    ("crypto.hmac.sha1", &["s", "s"], "s"),
    ("crypto.hmac.sha256", &["s", "s"], "s"),
    ("crypto.hmac.sha512", &["s", "s"], "s"),
    ("crypto.md5", &["s"], "s"),
    ("crypto.parse_private_keys", &["s"], "a<o<s .>>"),
    ("crypto.sha1", &["s"], "s"),
    ("crypto.sha256", &["s"], "s"),
    ("crypto.x509.parse_and_verify_certificates", &["s"], "[b a<o<s .>>]"),
    (
        "crypto.x509.parse_and_verify_certificates_with_options",
        &["s", "o<s .>"],
        "[b a<o<s .>>]",
    ),
    ("crypto.x509.parse_certificate_request", &["s"], "o<s .>"),
    ("crypto.x509.parse_certificates", &["s"], "a<o<s .>>"),
    ("crypto.x509.parse_keypair", &["s", "s"], "o<s .>"),
    ("crypto.x509.parse_rsa_private_key", &["s"], "o<s .>"),
    ("div", &["n", "n"], "n"),
    ("endswith", &["s", "s"], "b"),
    ("floor", &["n"], "n"),
    ("format_int", &["n", "n"], "s"),
    ("glob.match", &["s", "z|a<s>", "s"], "b"),
    ("glob.quote_meta", &["s"], "s"),
    ("graph.reachable", &["o<. a|t>", "a|t"], "t"),
    ("graph.reachable_paths", &["o<. a|t>", "a|t"], "t<a>"),
    ("graphql.is_valid", &["s|o", "s|o"], "b"),
    ("graphql.parse", &["s|o", "s|o"], "[o o]"),
    ("graphql.parse_and_verify", &["s|o", "s|o"], "[b o o]"),
    ("graphql.parse_query", &["s"], "o"),
    ("graphql.parse_schema", &["s"], "o"),
    ("graphql.schema_is_valid", &["s|o"], "b"),
    ("gt", &[".", "."], "b"),
    ("gte", &[".", "."], "b"),
    ("hex.decode", &["s"], "s"),
    ("hex.encode", &["s"], "s"),
    ("http.send", &["o<s .>"], "o"),
    ("indexof", &["s", "s"], "n"),
    ("indexof_n", &["s", "s"], "a<n>"),
    ("internal.member_2", &[".", "."], "b"),
    ("internal.member_3", &[".", ".", "."], "b"),
    ("intersection", &["t<t>"], "t"),
    ("io.jwt.decode", &["s"], "[o o s]"),
    ("io.jwt.decode_verify", &["s", "o<s .>"], "[b o o]"),
    ("io.jwt.encode_sign", &["o<s .>", "o<s .>", "o<s .>"], "s"),
    ("io.jwt.encode_sign_raw", &["s", "s", "s"], "s"),
    ("io.jwt.verify_eddsa", &["s", "s"], "b"),
    ("io.jwt.verify_es256", &["s", "s"], "b"),
    ("io.jwt.verify_es384", &["s", "s"], "b"),
    ("io.jwt.verify_es512", &["s", "s"], "b"),
    ("io.jwt.verify_hs256", &["s", "s"], "b"),
    ("io.jwt.verify_hs384", &["s", "s"], "b"),
    ("io.jwt.verify_hs512", &["s", "s"], "b"),
    ("io.jwt.verify_ps256", &["s", "s"], "b"),
    ("io.jwt.verify_ps384", &["s", "s"], "b"),
    ("io.jwt.verify_ps512", &["s", "s"], "b"),
    ("io.jwt.verify_rs256", &["s", "s"], "b"),
    ("io.jwt.verify_rs384", &["s", "s"], "b"),
    ("io.jwt.verify_rs512", &["s", "s"], "b"),
    ("is_array", &["."], "b"),
    ("is_boolean", &["."], "b"),
    ("is_null", &["."], "b"),
    ("is_number", &["."], "b"),
    ("is_object", &["."], "b"),
    ("is_set", &["."], "b"),
    ("is_string", &["."], "b"),
    ("json.filter", &["o", "a<s|a>|t<s|a>"], "o"),
    ("json.is_valid", &["s"], "b"),
    ("json.marshal", &["."], "s"),
    ("json.marshal_with_options", &[".", "o"], "s"),
    ("json.match_schema", &["s|o", "s|o"], "[b a<o>]"),
    ("json.patch", &[".", "a<o>"], "."),
    ("json.remove", &["o", "a<s|a>|t<s|a>"], "o"),
    ("json.unmarshal", &["s"], "."),
    ("json.verify_schema", &["s|o"], "[b z|s]"),
    ("lower", &["s"], "s"),
    ("lt", &[".", "."], "b"),
    ("lte", &[".", "."], "b"),
    ("max", &["a|t"], "."),
    ("min", &["a|t"], "."),
    ("minus", &["n|t", "n|t"], "n|t"),
    ("mul", &["n", "n"], "n"),
    ("neq", &[".", "."], "b"),
    ("net.cidr_contains", &["s", "s"], "b"),
    (
        "net.cidr_contains_matches",
        &["s|a<s|a>|o<s s|a>|t<s|a>", "s|a<s|a>|o<s s|a>|t<s|a>"],
        "t<[. .]>",
    ),
    ("net.cidr_expand", &["s"], "t<s>"),
    ("net.cidr_intersects", &["s", "s"], "b"),
    ("net.cidr_is_valid", &["s"], "b"),
    ("net.cidr_merge", &["a<s>|t<s>"], "t<s>"),
    ("net.cidr_overlap", &["s", "s"], "b"),
    ("net.lookup_ip_addr", &["s"], "t<s>"),
    ("numbers.range", &["n", "n"], "a<n>"),
    ("numbers.range_step", &["n", "n", "n"], "a<n>"),
    ("object.filter", &["o", "a|o|t"], "o"),
    ("object.get", &["o", ".", "."], "."),
    ("object.keys", &["o"], "t"),
    ("object.remove", &["o", "a|o|t"], "o"),
    ("object.subset", &["a|o|t", "a|o|t"], "b"),
    ("object.union", &["o", "o"], "o"),
    ("object.union_n", &["a<o>"], "o"),
    ("or", &["t", "t"], "t"),
    ("plus", &["n", "n"], "n"),
    ("product", &["a<n>|t<n>"], "n"),
    ("providers.aws.sign_req", &["o<s .>", "o<s .>", "n"], "o"),
    ("rand.intn", &["s", "n"], "n"),
    ("re_match", &["s", "s"], "b"),
    ("regex.find_all_string_submatch_n", &["s", "s", "n"], "a<a<s>>"),
    ("regex.find_n", &["s", "s", "n"], "a<s>"),
    ("regex.globs_match", &["s", "s"], "b"),
    ("regex.is_valid", &["s"], "b"),
    ("regex.match", &["s", "s"], "b"),
    ("regex.replace", &["s", "s", "s"], "s"),
    ("regex.split", &["s", "s"], "a<s>"),
    ("regex.template_match", &["s", "s", "s", "s"], "b"),
    ("rego.parse_module", &["s", "s"], "o<s .>"),
    ("rem", &["n", "n"], "n"),
    ("replace", &["s", "s", "s"], "s"),
    ("round", &["n"], "n"),
    ("semver.compare", &["s", "s"], "n"),
    ("semver.is_valid", &["."], "b"),
    ("set_diff", &["t", "t"], "t"),
    ("sort", &["a|t"], "a"),
    ("split", &["s", "s"], "a<s>"),
    ("sprintf", &["s", "a"], "s"),
    ("startswith", &["s", "s"], "b"),
    ("strings.any_prefix_match", &["s|a<s>|t<s>", "s|a<s>|t<s>"], "b"),
    ("strings.any_suffix_match", &["s|a<s>|t<s>", "s|a<s>|t<s>"], "b"),
    ("strings.count", &["s", "s"], "n"),
    ("strings.render_template", &["s", "o<s .>"], "s"),
    ("strings.replace_n", &["o<s s>", "s"], "s"),
    ("strings.reverse", &["s"], "s"),
    ("strings.split_n", &["s", "s", "n"], "a<s>"),
    ("substring", &["s", "n", "n"], "s"),
    ("sum", &["a<n>|t<n>"], "n"),
    ("time.add_date", &["n", "n", "n", "n"], "n"),
    ("time.clock", &["n|[n s]"], "[n n n]"),
    ("time.date", &["n|[n s]"], "[n n n]"),
    ("time.diff", &["n|[n s]", "n|[n s]"], "[n n n n n n]"),
    ("time.format", &["n|[n s]|[n s s]"], "s"),
    ("time.parse_duration_ns", &["s"], "n"),
    ("time.parse_ns", &["s", "s"], "n"),
    ("time.parse_rfc3339_ns", &["s"], "n"),
    ("time.weekday", &["n|[n s]"], "s"),
    ("to_number", &["z|b|n|s"], "n"),
    ("trace", &["s"], "b"),
    ("trim", &["s", "s"], "s"),
    ("trim_left", &["s", "s"], "s"),
    ("trim_prefix", &["s", "s"], "s"),
    ("trim_right", &["s", "s"], "s"),
    ("trim_space", &["s"], "s"),
    ("trim_suffix", &["s", "s"], "s"),
    ("type_name", &["."], "s"),
    ("union", &["t<t>"], "t"),
    ("units.parse", &["s"], "n"),
    ("units.parse_bytes", &["s"], "n"),
    ("upper", &["s"], "s"),
    ("uri.is_valid", &["s"], "b"),
    ("uri.parse", &["s"], "o<s s>"),
    ("urlquery.decode", &["s"], "s"),
    ("urlquery.decode_object", &["s"], "o<s a<s>>"),
    ("urlquery.encode", &["s"], "s"),
    ("urlquery.encode_object", &["o<s s|a<s>|t<s>>"], "s"),
    ("uuid.parse", &["s"], "o<s .>"),
    ("uuid.rfc4122", &["s"], "s"),
    ("yaml.is_valid", &["s"], "b"),
    ("yaml.marshal", &["."], "s"),
    ("yaml.unmarshal", &["s"], "."),
];

/// Which argument of a call cannot have the type it must have, with that type and what it is.
pub(in super::super) fn unfit(name: &str, args: &[Expr]) -> Option<(usize, String, &'static str)> {
    let (_, wanted, _) = of(name)?;
    let unfit = args
        .iter()
        .zip(*wanted)
        .position(|(arg, wanted)| !may_be(arg, wanted))?;
    let kind = kinds(&args[unfit]).first().map_or("any", |kind| kind.name());
    Some((unfit, in_words(wanted[unfit]), kind))
}

/// Whether two expressions can never be equal for the kinds they have.
pub(in super::super) fn apart(a: &Expr, b: &Expr) -> Option<(&'static str, &'static str)> {
    let (a, b) = (kinds(a), kinds(b));
    let (first, second) = (a.first()?, b.first()?);
    (!a.iter().any(|kind| b.contains(kind))).then(|| (first.name(), second.name()))
}

fn of(name: &str) -> Option<&'static (&'static str, &'static [Text], Text)> {
    SIGNATURES.iter().find(|(of, ..)| *of == name)
}

/// Splits at a mark that stands in no brackets.
fn split(text: &str, mark: char) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    text.split(move |c| {
        match c {
            '<' | '[' => depth += 1,
            '>' | ']' => depth -= 1,
            _ => {}
        }
        c == mark && depth == 0
    })
}

fn kind_of(one: &str) -> Option<Type> {
    Some(match one.chars().next()? {
        's' => Type::String,
        'n' => Type::Number,
        'b' => Type::Boolean,
        'z' => Type::Null,
        'a' | '[' => Type::Array,
        't' => Type::Set,
        'o' => Type::Object,
        _ => return None,
    })
}

/// The kinds that an expression may have; none when that is not known.
fn kinds(expr: &Expr) -> Vec<Type> {
    match expr {
        Expr::Const(value) => vec![value.kind()],
        Expr::Array(_) | Expr::ArrayOf(..) => vec![Type::Array],
        Expr::Set(_) | Expr::SetOf(..) => vec![Type::Set],
        Expr::Object(_) | Expr::ObjectOf(..) => vec![Type::Object],
        Expr::Template(_) => vec![Type::String],
        Expr::Builtin(builtin, ..) => {
            let result = of(builtin.name).map_or(".", |(_, _, result)| result);
            split(result, '|')
                .map(kind_of)
                .collect::<Option<_>>()
                .unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn may_be(expr: &Expr, wanted: &str) -> bool {
    match expr {
        Expr::Const(value) => fits(value, wanted),
        Expr::Array(items) => split(wanted, '|').any(|one| match one.strip_prefix('[') {
            Some(list) => {
                let list: Vec<&str> = split(list.trim_end_matches(']'), ' ').collect();
                list.len() == items.len() && items.iter().zip(list).all(|(item, one)| may_be(item, one))
            }
            None => one == "." || inner(one, 'a').is_some_and(|of| items.iter().all(|item| may_be(item, of))),
        }),
        Expr::Set(items) => split(wanted, '|')
            .any(|one| one == "." || inner(one, 't').is_some_and(|of| items.iter().all(|item| may_be(item, of)))),
        Expr::ArrayOf(head, _) => split(wanted, '|')
            .any(|one| one == "." || one.starts_with('[') || inner(one, 'a').is_some_and(|of| may_be(head, of))),
        Expr::SetOf(head, _) => {
            split(wanted, '|').any(|one| one == "." || inner(one, 't').is_some_and(|of| may_be(head, of)))
        }
        other => {
            let kinds = kinds(other);
            kinds.is_empty() || split(wanted, '|').any(|one| kind_of(one).is_none_or(|kind| kinds.contains(&kind)))
        }
    }
}

/// What the members of a collection are: `a<s>` has `s`, `a` has anything.
fn inner(one: &str, kind: char) -> Option<&str> {
    let rest = one.strip_prefix(kind)?;
    Some(
        rest.strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'))
            .unwrap_or("."),
    )
}

fn fits(value: &Value<'_>, wanted: &str) -> bool {
    split(wanted, '|').any(|one| {
        let Some(kind) = kind_of(one) else { return true };
        if kind != value.kind() {
            return false;
        }
        if let Some(list) = one.strip_prefix('[') {
            let list: Vec<&str> = split(list.trim_end_matches(']'), ' ').collect();
            let items = value.as_array().unwrap_or_default();
            return list.len() == items.len() && items.iter().zip(list).all(|(item, one)| fits(item, one));
        }
        match kind {
            Type::Array | Type::Set => {
                let of = inner(one, if kind == Type::Set { 't' } else { 'a' }).unwrap_or(".");
                let items = value.as_list().unwrap_or_default();
                items.iter().all(|item| fits(item, of))
            }
            Type::Object => {
                let mut of = split(inner(one, 'o').unwrap_or("."), ' ');
                let (key, member) = (of.next().unwrap_or("."), of.next().unwrap_or("."));
                let members = value.as_object().unwrap_or_default();
                members.iter().all(|(k, v)| fits(k, key) && fits(v, member))
            }
            _ => true,
        }
    })
}

fn in_words(wanted: &str) -> String {
    let names: Vec<&str> = split(wanted, '|')
        .map(|one| kind_of(one).map_or("any", Type::name))
        .collect();
    names.join(" or ")
}
