//! JSON Web Tokens.

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::{Type, Value};
use super::encoding::{from_base64url, from_json, hex, to_base64url};
use super::keys::{self, Key, Material};
use super::{Answer, Builtin, Env, builtin, object, text};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("io.jwt.decode", 1, |env, a| {
        let mut token = text(a, 0)?.to_owned();
        for _ in 0..8 {
            env.work(token.len())?;
            let parts = Parts::split(&token)?;
            let header = parts.header()?;
            let payload = parts.payload()?;
            if is_nested(&header) {
                token = inner_token(&payload)?;
                continue;
            }
            let payload = parts.json(&payload)?;
            let signature = Value::str(hex(&parts.signature()?));
            return Ok(Value::array(vec![header, payload, signature]));
        }
        Err(Fault::value("tokens are nested too deeply"))
    }),
    builtin("io.jwt.verify_rs256", 2, |env, a| verify(env, a, "RS256")),
    builtin("io.jwt.verify_rs384", 2, |env, a| verify(env, a, "RS384")),
    builtin("io.jwt.verify_rs512", 2, |env, a| verify(env, a, "RS512")),
    builtin("io.jwt.verify_ps256", 2, |env, a| verify(env, a, "PS256")),
    builtin("io.jwt.verify_ps384", 2, |env, a| verify(env, a, "PS384")),
    builtin("io.jwt.verify_ps512", 2, |env, a| verify(env, a, "PS512")),
    builtin("io.jwt.verify_es256", 2, |env, a| verify(env, a, "ES256")),
    builtin("io.jwt.verify_es384", 2, |env, a| verify(env, a, "ES384")),
    builtin("io.jwt.verify_es512", 2, |env, a| verify(env, a, "ES512")),
    builtin("io.jwt.verify_eddsa", 2, |env, a| verify(env, a, "EdDSA")),
    builtin("io.jwt.verify_hs256", 2, |env, a| verify(env, a, "HS256")),
    builtin("io.jwt.verify_hs384", 2, |env, a| verify(env, a, "HS384")),
    builtin("io.jwt.verify_hs512", 2, |env, a| verify(env, a, "HS512")),
    builtin("io.jwt.decode_verify", 2, decode_verify),
    builtin("io.jwt.encode_sign_raw", 3, |env, a| {
        encode(env, text(a, 0)?, text(a, 1)?, text(a, 2)?)
    }),
    builtin("io.jwt.encode_sign", 3, |env, a| {
        encode(env, &a[0].to_json(), &a[1].to_json(), &a[2].to_json())
    }),
];

/// What one check of a signature costs.
const SIGNATURE: u64 = 2_000;

/// The three sections of a token.
struct Parts<'t> {
    signed: &'t str,
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    fn split(token: &'t str) -> Result<Parts<'t>, Fault> {
        let sections: Vec<&str> = token.split('.').collect();
        match sections[..] {
            [_] => Err(Fault::value("encoded JWT had no period separators")),
            [header, payload, signature] => Ok(Parts {
                signed: &token[..token.len() - signature.len() - 1],
                header,
                payload,
                signature,
            }),
            _ => Err(Fault::value(format!(
                "encoded JWT must have 3 sections, found {}",
                sections.len()
            ))),
        }
    }

    fn decode(what: &str, section: &str) -> Result<Vec<u8>, Fault> {
        from_base64url(section).map_err(|fault| match fault {
            Fault::Value(why) => Fault::value(format!("JWT {what} had invalid encoding: {why}")),
            other => other,
        })
    }

    fn header<'d>(&self) -> Answer<'d> {
        let header = self.json(&Self::decode("header", self.header)?)?;
        if header.kind() != Type::Object {
            return Err(Fault::value("JWT header is not an object"));
        }
        if header.field("enc").is_some() {
            return Err(Fault::value("JWT is a JWE object, which is not supported"));
        }
        Ok(header)
    }

    fn payload(&self) -> Result<Vec<u8>, Fault> {
        Self::decode("payload", self.payload)
    }

    fn signature(&self) -> Result<Vec<u8>, Fault> {
        Self::decode("signature", self.signature)
    }

    fn json<'d>(&self, bytes: &[u8]) -> Answer<'d> {
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::value("the token holds no text"))?;
        from_json(text)
    }
}

/// Whether the payload is a token again.
fn is_nested(header: &Value<'_>) -> bool {
    let kind = header.field("cty");
    kind.as_ref()
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("JWT"))
}

fn inner_token(payload: &[u8]) -> Result<String, Fault> {
    let text = std::str::from_utf8(payload).map_err(|_| Fault::value("the token holds no text"))?;
    // It may stand bare or as a JSON text.
    match from_json(text) {
        Ok(value) => Ok(value.as_str().unwrap_or(text).to_owned()),
        Err(_) => Ok(text.to_owned()),
    }
}

fn algorithm(header: &Value<'_>) -> Option<String> {
    header.field("alg")?.as_str().map(str::to_owned)
}

fn verify<'d>(env: &mut Env<'_>, a: &[Value<'d>], alg: &str) -> Answer<'d> {
    let parts = Parts::split(text(a, 0)?)?;
    let keys = match alg {
        "HS256" | "HS384" | "HS512" => vec![Key {
            id: None,
            alg: None,
            material: Material::Secret(text(a, 1)?.as_bytes().to_vec()),
        }],
        _ => keys::read(text(a, 1)?)?,
    };
    let header = parts.header()?;
    let signature = parts.signature()?;
    Ok(Value::Bool(any_fits(
        env,
        &keys,
        &header,
        alg,
        parts.signed,
        &signature,
    )?))
}

/// Whether a key that the header may mean made the signature.
fn any_fits(
    env: &Env<'_>,
    keys: &[Key],
    header: &Value<'_>,
    alg: &str,
    signed: &str,
    signature: &[u8],
) -> Result<bool, Fault> {
    let id = header.field("kid");
    let id = id.as_ref().and_then(Value::as_str);
    // A named key is the only candidate, where one has the name.
    let named = id.is_some() && keys.iter().any(|key| key.id.as_deref() == id);
    for key in keys.iter().filter(|key| !named || key.id.as_deref() == id) {
        if key.alg.as_ref().is_some_and(|own| own != alg) {
            continue;
        }
        env.fuel.burn(SIGNATURE)?;
        if keys::verify(alg, &key.material, signed.as_bytes(), signature) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a token must satisfy.
#[derive(Default)]
struct Constraints {
    keys: Vec<Key>,
    alg: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
    time: Option<Num>,
}

impl Constraints {
    fn read(value: &Value<'_>) -> Result<Constraints, Fault> {
        let mut out = Constraints::default();
        for (key, value) in value.as_object().unwrap_or_default().iter() {
            let name = key.as_str().unwrap_or_default().to_owned();
            let string = || {
                let wrong = || Fault::value(format!("{name} constraint: must be a string"));
                value.as_str().map(str::to_owned).ok_or_else(wrong)
            };
            match name.as_str() {
                "cert" => out.keys.extend(keys::read(&string()?)?),
                "secret" => out.keys.push(Key {
                    id: None,
                    alg: None,
                    material: Material::Secret(string()?.into_bytes()),
                }),
                "alg" => out.alg = Some(string()?),
                "iss" => out.issuer = Some(string()?),
                "aud" => out.audience = Some(string()?),
                "time" => {
                    let wrong = || Fault::value("token time constraint: must be a number");
                    out.time = Some(value.as_num().cloned().ok_or_else(wrong)?);
                }
                other => return Err(Fault::value(format!("unknown token validation constraint: {other}"))),
            }
        }
        if out.keys.is_empty() {
            return Err(Fault::value("no key constraint"));
        }
        Ok(out)
    }
}

fn decode_verify<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    object(a, 1)?;
    let constraints = Constraints::read(&a[1])?;
    let empty = || Value::object(Vec::new());
    let refused = || Ok(Value::array(vec![Value::Bool(false), empty(), empty()]));
    let mut token = text(a, 0)?.to_owned();
    for _ in 0..8 {
        env.work(token.len())?;
        let parts = Parts::split(&token)?;
        let header = parts.header()?;
        let payload = parts.payload()?;
        let signature = parts.signature()?;
        let Some(alg) = algorithm(&header) else {
            return refused();
        };
        let critical = header.field("crit").is_some();
        let other_alg = constraints.alg.as_ref().is_some_and(|wanted| *wanted != alg);
        if critical || other_alg || !any_fits(env, &constraints.keys, &header, &alg, parts.signed, &signature)? {
            return refused();
        }
        if is_nested(&header) {
            token = inner_token(&payload)?;
            continue;
        }
        let payload = parts.json(&payload)?;
        if !claims_fit(env, &constraints, &payload)? {
            return refused();
        }
        return Ok(Value::array(vec![Value::Bool(true), header, payload]));
    }
    Err(Fault::value("tokens are nested too deeply"))
}

fn claims_fit(env: &Env<'_>, constraints: &Constraints, payload: &Value<'_>) -> Result<bool, Fault> {
    if let Some(issuer) = &constraints.issuer
        && payload.field("iss").as_ref().and_then(Value::as_str) != Some(issuer)
    {
        return Ok(false);
    }
    let audience = payload.field("aud");
    let audience_fits = match (&constraints.audience, &audience) {
        (None, None) => true,
        (Some(wanted), Some(found)) => match found.as_array() {
            Some(list) => list.iter().any(|item| item.as_str() == Some(wanted)),
            None => found.as_str() == Some(wanted),
        },
        _ => false,
    };
    if !audience_fits {
        return Ok(false);
    }
    let now = constraints
        .time
        .clone()
        .unwrap_or_else(|| Num::big(num_bigint::BigInt::from(env.now)));
    let instant = |name: &str| -> Result<Option<Num>, Fault> {
        match payload.field(name) {
            None => Ok(None),
            Some(value) => match value.as_num() {
                Some(seconds) => Ok(Some(seconds.mul(&Num::Int(1_000_000_000)))),
                None => Err(Fault::value(format!("{name} value must be a number"))),
            },
        }
    };
    let alive = instant("exp")?.is_none_or(|end| now < end);
    let begun = instant("nbf")?.is_none_or(|start| now >= start);
    Ok(alive && begun)
}

fn encode<'d>(env: &mut Env<'_>, header: &str, payload: &str, key: &str) -> Answer<'d> {
    env.fuel.burn(SIGNATURE)?;
    if header.is_empty() {
        return Err(Fault::value(
            "missing or invalid 'alg' header: cannot parse JSON: cannot parse empty string",
        ));
    }
    let headers = from_json(header).map_err(|_| Fault::value("missing or invalid 'alg' header: cannot parse JSON"))?;
    let alg = algorithm(&headers)
        .ok_or_else(|| Fault::value("missing or invalid 'alg' header: jwsbb: header \"alg\" not found"))?;
    let kind = headers.field("typ");
    let is_token = kind.as_ref().and_then(Value::as_str).is_none_or(|kind| kind == "JWT");
    if is_token && from_json(payload).is_err() {
        return Err(Fault::value("type is JWT but payload is not JSON"));
    }
    let jwk = from_json(key).map_err(|_| Fault::value("failed to parse the JWK key"))?;
    let signed = format!(
        "{}.{}",
        to_base64url(header.as_bytes()),
        to_base64url(payload.as_bytes())
    );
    let signature = keys::sign(&alg, &jwk, signed.as_bytes())?;
    Ok(Value::str(format!("{signed}.{}", to_base64url(&signature))))
}
