//! Addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::error::Fault;
use super::super::value::{Type, Value};
use super::{Answer, Builtin, Env, builtin, text};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("net.cidr_contains", 2, |_, a| {
        let outer = Net::parse(text(a, 0)?)?;
        let inner = match text(a, 1)?.parse() {
            Ok(address) => Net::of(address),
            Err(_) => Net::parse(text(a, 1)?)?,
        };
        Ok(Value::Bool(outer.contains(&inner)))
    }),
    builtin("net.cidr_overlap", 2, |_, a| {
        let address = text(a, 1)?.parse().map_err(|_| Fault::value("invalid IP address"))?;
        Ok(Value::Bool(Net::parse(text(a, 0)?)?.contains(&Net::of(address))))
    }),
    builtin("net.cidr_intersects", 2, |_, a| {
        let (x, y) = (Net::parse(text(a, 0)?)?, Net::parse(text(a, 1)?)?);
        Ok(Value::Bool(x.contains(&y) || y.contains(&x)))
    }),
    builtin("net.cidr_is_valid", 1, |_, a| {
        Ok(Value::Bool(a[0].as_str().is_some_and(|text| Net::parse(text).is_ok())))
    }),
    builtin("net.cidr_expand", 1, |env, a| {
        const LARGEST: u32 = 16;
        let net = Net::parse(text(a, 0)?)?;
        let bits = net.width() - net.prefix;
        if bits > LARGEST {
            return Err(Fault::value("the network has too many addresses to list"));
        }
        env.fuel.burn(1 << bits)?;
        let addresses = (0..1u128 << bits).map(|i| Value::str(net.address(net.bits + i).to_string()));
        Ok(Value::set(addresses.collect()))
    }),
    builtin("net.cidr_merge", 1, merge),
    builtin("net.cidr_contains_matches", 2, contains_matches),
    builtin("net.lookup_ip_addr", 1, |_, a| {
        let name = text(a, 0)?;
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(Value::set(vec![Value::str(address.to_string())]));
        }
        if name == "localhost" {
            return Ok(Value::set(vec![Value::str("127.0.0.1"), Value::str("::1")]));
        }
        Err(Fault::value(
            "policies are evaluated without the network; pass addresses as input",
        ))
    }),
];

/// A network: the first address and how many leading bits are fixed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Net {
    v6: bool,
    bits: u128,
    prefix: u32,
}

impl Net {
    fn of(address: IpAddr) -> Net {
        match address {
            IpAddr::V4(address) => Net {
                v6: false,
                bits: u32::from(address).into(),
                prefix: 32,
            },
            IpAddr::V6(address) => Net {
                v6: true,
                bits: address.into(),
                prefix: 128,
            },
        }
    }

    fn parse(text: &str) -> Result<Net, Fault> {
        let invalid = || Fault::value(format!("invalid CIDR address: {text}"));
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let mut net = Net::of(address.parse().map_err(|_| invalid())?);
        let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix: u32 = prefix.parse().ok().filter(|_| digits).ok_or_else(invalid)?;
        if prefix > net.prefix {
            return Err(invalid());
        }
        net.prefix = prefix;
        net.bits &= net.mask();
        Ok(net)
    }

    fn width(&self) -> u32 {
        if self.v6 { 128 } else { 32 }
    }

    fn mask(&self) -> u128 {
        let all = if self.v6 { u128::MAX } else { u128::from(u32::MAX) };
        all & !all.checked_shr(self.prefix).unwrap_or(0)
    }

    fn contains(&self, other: &Net) -> bool {
        self.v6 == other.v6 && self.prefix <= other.prefix && other.bits & self.mask() == self.bits
    }

    fn address(&self, bits: u128) -> IpAddr {
        if self.v6 {
            Ipv6Addr::from(bits).into()
        } else {
            Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX)).into()
        }
    }

    fn size_bits(&self) -> u32 {
        self.width() - self.prefix
    }
}

impl std::fmt::Display for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address(self.bits), self.prefix)
    }
}

/// The fewest networks that cover the same addresses.
fn merge<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let mut nets = Vec::new();
    let items = a[0].as_list();
    for item in items.ok_or_else(|| Fault::value("operand must be an array"))?.iter() {
        env.work(16)?;
        let text = item.as_str().ok_or_else(|| Fault::value("element must be string"))?;
        nets.push(if text.contains('/') {
            Net::parse(text)?
        } else {
            let address: IpAddr = text
                .parse()
                .map_err(|_| Fault::value(format!("invalid CIDR address: {text}")))?;
            match address {
                IpAddr::V6(_) => return Err(Fault::value("IPv6 invalid: needs prefix length")),
                // Without a prefix, the class of the address tells it.
                IpAddr::V4(v4) => {
                    let mut net = Net::of(address);
                    net.prefix = match v4.octets()[0] {
                        0..128 => 8,
                        128..192 => 16,
                        _ => 24,
                    };
                    net.bits &= net.mask();
                    net
                }
            }
        });
    }
    nets.sort();
    let mut out: Vec<Net> = Vec::new();
    for net in nets {
        if out.last().is_some_and(|last| last.contains(&net)) {
            continue;
        }
        out.push(net);
        // Two halves make a whole, again and again.
        while let [.., left, right] = &out[..] {
            let joined = Net {
                prefix: left.prefix.saturating_sub(1),
                ..left.clone()
            };
            let halves = left.v6 == right.v6
                && left.prefix == right.prefix
                && left.prefix > 0
                && joined.bits & joined.mask() == joined.bits
                && left.bits + (1u128 << left.size_bits()) == right.bits;
            if !halves {
                break;
            }
            out.truncate(out.len() - 2);
            out.push(joined);
        }
    }
    Ok(Value::set(out.iter().map(|net| Value::str(net.to_string())).collect()))
}

/// Keys (or texts) with their networks.
fn entries<'d>(a: &[Value<'d>], at: usize) -> Result<Vec<(Value<'d>, Net)>, Fault> {
    let wrong = || Fault::value(format!("operand {}: element must be string or non-empty array", at + 1));
    let net = |text: &str| match text.parse() {
        Ok(address) => Ok(Net::of(address)),
        Err(_) => Net::parse(text),
    };
    if let Some(text) = a[at].as_str() {
        return Ok(vec![(a[at].clone(), net(text)?)]);
    }
    if !matches!(a[at].kind(), Type::Array | Type::Object | Type::Set) {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    a[at].each(|key, value| {
        let first = match value.as_array() {
            Some(items) => items.first().cloned(),
            None => Some(value),
        };
        let first = first.ok_or_else(wrong)?;
        out.push((key, net(first.as_str().ok_or_else(wrong)?)?));
        Ok::<bool, Fault>(true)
    })?;
    Ok(out)
}

fn contains_matches<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let (outer, inner) = (entries(a, 0)?, entries(a, 1)?);
    env.work(outer.len() * inner.len() * 16)?;
    let mut out = Vec::new();
    for (outer_key, net) in &outer {
        for (inner_key, other) in &inner {
            if net.contains(other) {
                out.push(Value::array(vec![outer_key.clone(), inner_key.clone()]));
            }
        }
    }
    Ok(Value::set(out))
}
