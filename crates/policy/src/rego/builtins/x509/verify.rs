//! Chains of certificates.

use super::super::super::error::Fault;
use super::super::super::value::Value;
use super::super::{Answer, Env, keys};
use super::{Certificate, certificates, shown};

/// What a chain is held against.
#[derive(Default)]
pub(super) struct Wanted {
    /// The name or address the leaf stands for.
    name: Option<String>,
    /// Nanoseconds since 1970.
    at: Option<i64>,
    /// What the keys may be used for, by object identifiers: any of these will do.
    usages: Vec<&'static str>,
}

const ANY_USAGE: &str = "2.5.29.37.0";

const USAGES: [(&str, &str); 14] = [
    ("KeyUsageAny", ANY_USAGE),
    ("KeyUsageServerAuth", "1.3.6.1.5.5.7.3.1"),
    ("KeyUsageClientAuth", "1.3.6.1.5.5.7.3.2"),
    ("KeyUsageCodeSigning", "1.3.6.1.5.5.7.3.3"),
    ("KeyUsageEmailProtection", "1.3.6.1.5.5.7.3.4"),
    ("KeyUsageIPSECEndSystem", "1.3.6.1.5.5.7.3.5"),
    ("KeyUsageIPSECTunnel", "1.3.6.1.5.5.7.3.6"),
    ("KeyUsageIPSECUser", "1.3.6.1.5.5.7.3.7"),
    ("KeyUsageTimeStamping", "1.3.6.1.5.5.7.3.8"),
    ("KeyUsageOCSPSigning", "1.3.6.1.5.5.7.3.9"),
    ("KeyUsageMicrosoftServerGatedCrypto", "1.3.6.1.4.1.311.10.3.3"),
    ("KeyUsageNetscapeServerGatedCrypto", "2.16.840.1.113730.4.1"),
    ("KeyUsageMicrosoftCommercialCodeSigning", "1.3.6.1.4.1.311.2.1.22"),
    ("KeyUsageMicrosoftKernelCodeSigning", "1.3.6.1.4.1.311.61.1.1"),
];

impl Wanted {
    pub(super) fn of(options: &Value<'_>) -> Result<Wanted, Fault> {
        let mut wanted = Wanted::default();
        for (key, value) in options.as_object().unwrap_or_default().iter() {
            let whole = |why: &str| value.as_i64().ok_or_else(|| Fault::value(why));
            let number = |name: &str| match value.as_num() {
                Some(_) => Ok(()),
                None => Err(Fault::value(format!("'{name}' should be a number"))),
            };
            match key.as_str() {
                Some("DNSName") => {
                    let name = value.as_str();
                    let name = name.ok_or_else(|| Fault::value("'DNSName' should be a string"))?;
                    wanted.name = Some(name.trim_matches('"').to_owned()).filter(|name| !name.is_empty());
                }
                Some("CurrentTime") => {
                    number("CurrentTime")?;
                    wanted.at = Some(whole("'CurrentTime' should be a valid int64 number")?);
                }
                Some("MaxConstraintComparisons") => {
                    number("MaxConstraintComparisons")?;
                    whole("'MaxConstraintComparisons' should be a valid number")?;
                }
                Some("KeyUsages") => {
                    let items = value.as_list();
                    let items = items.ok_or_else(|| Fault::value("'KeyUsages' should be an Array or Set"))?;
                    let mut unknown = Vec::new();
                    for name in items.iter().filter_map(Value::as_str) {
                        let name = name.trim_matches('"');
                        match USAGES.iter().find(|(known, _)| *known == name) {
                            Some((_, oid)) => wanted.usages.push(oid),
                            None => unknown.push(name),
                        }
                    }
                    if !unknown.is_empty() {
                        let unknown = unknown.join(" ");
                        return Err(Fault::value(format!(
                            "invalid entries for 'KeyUsages' found: [{unknown}]"
                        )));
                    }
                }
                Some(_) => return Err(Fault::value("invalid key option")),
                None => {}
            }
        }
        Ok(wanted)
    }

    /// Whether a chain may be used for one of the purposes: where certificates limit it, all must allow it.
    fn fits(&self, chain: &[Certificate<'_>]) -> bool {
        let server = ["1.3.6.1.5.5.7.3.1"];
        let usages = if self.usages.is_empty() {
            &server[..]
        } else {
            &self.usages
        };
        let allows = |cert: &Certificate<'_>, usage: &str| {
            let Some(limits) = cert.extension("2.5.29.37") else {
                return true;
            };
            let mut limits = limits.children().into_iter().filter_map(|limit| limit.oid());
            limits.any(|limit| limit == usage || limit == ANY_USAGE)
        };
        let mut usages = usages.iter();
        usages.any(|usage| *usage == ANY_USAGE || chain.iter().all(|cert| allows(cert, usage)))
    }
}

/// Whether a certificate is for a host, by name or address.
fn is_for(cert: &Certificate<'_>, host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let names = cert.names();
    if let Ok(address) = bare.unwrap_or(host).parse::<std::net::IpAddr>() {
        let bytes = match address {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(address) => address.octets().to_vec(),
        };
        return names.iter().any(|name| name.tag == 0x87 && name.content == bytes);
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    names.iter().filter(|name| name.tag == 0x82).any(|name| {
        let pattern = String::from_utf8_lossy(name.content).to_ascii_lowercase();
        // An asterisk stands for one label, the first.
        match (pattern.strip_prefix("*."), host.split_once('.')) {
            (Some(rest), Some((label, domain))) => !label.is_empty() && rest == domain,
            _ => pattern == host,
        }
    })
}

/// A chain from the root to the leaf; told from the leaf to the root.
pub(super) fn chain<'d>(env: &Env<'_>, whole: &str, wanted: impl FnOnce() -> Result<Wanted, Fault>) -> Answer<'d> {
    env.work(whole.len())?;
    let refused = || Ok(Value::array(vec![Value::Bool(false), Value::array(Vec::new())]));
    let Ok(found) = certificates(whole) else {
        return refused();
    };
    let wanted = wanted()?;
    if found.len() < 2 {
        return refused();
    }
    let chain: Vec<Certificate<'_>> = found.iter().filter_map(|bytes| Certificate::read(bytes)).collect();
    let now = i64::try_from(env.now / 1_000_000_000).unwrap_or(i64::MAX);
    let now = wanted.at.map_or(now, |at| at.div_euclid(1_000_000_000));
    for (i, cert) in chain.iter().enumerate() {
        env.fuel.burn(2_000)?;
        let issuer = &chain[i.saturating_sub(1)];
        let signed = keys::of_spki(&issuer.spki)
            .is_some_and(|key| keys::verify_certificate(&cert.algorithm, &key, cert.tbs.whole, cert.signature));
        let named = cert.issuer.whole == issuer.subject.whole;
        let in_time = cert.period().is_some_and(|(from, to)| from <= now && now <= to);
        let may_sign = i + 1 == chain.len() || cert.is_authority();
        // The root is trusted as it stands.
        if !in_time || !may_sign || (i > 0 && (!named || !signed)) {
            return refused();
        }
    }
    let host = wanted.name.as_deref();
    let leaf_fits = host.is_none_or(|host| chain.last().is_some_and(|leaf| is_for(leaf, host)));
    if !leaf_fits || !wanted.fits(&chain) {
        return refused();
    }
    let told = found.iter().rev().filter_map(|bytes| shown(bytes)).collect();
    Ok(Value::array(vec![Value::Bool(true), Value::array(told)]))
}
