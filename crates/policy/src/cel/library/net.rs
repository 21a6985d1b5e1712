//! IP addresses and address ranges.

use std::net::{IpAddr, Ipv6Addr};

use crate::cel::eval::{Answer, fail};
use crate::cel::value::Cel;

use super::overload;

/// An address; IPv4 in IPv6 is not accepted, nor are zones.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let parsed: IpAddr = text.parse().ok()?;
    match parsed {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() && text.contains('.') => None,
        other => Some(other),
    }
}

pub(super) fn range(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = text.split_once('/')?;
    let ip = address(ip)?;
    let plain = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    let bits: u8 = if plain { bits.parse().ok()? } else { return None };
    (bits <= width(ip)).then_some((ip, bits))
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// The address with all but its prefix cleared.
fn masked(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

fn contains(ip: IpAddr, bits: u8, other: IpAddr) -> bool {
    ip.is_ipv4() == other.is_ipv4() && masked(ip, bits) == masked(other, bits)
}

fn v6_link_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfe80
}

fn link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6_link_local(v6),
    }
}

pub(super) fn ip<'a>(text: &str) -> Answer<'a> {
    match address(text) {
        Some(ip) => Ok(Cel::Ip(ip)),
        None => fail(format!(
            "{text:?} is not an IP address such as 192.0.2.1 or 2001:db8::1"
        )),
    }
}

pub(super) fn cidr<'a>(text: &str) -> Answer<'a> {
    match range(text) {
        Some((ip, bits)) => Ok(Cel::Cidr(ip, bits)),
        None => fail(format!("{text:?} is not a range of addresses such as 192.0.2.0/24")),
    }
}

pub(super) fn of_ip<'a>(ip: IpAddr, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    Ok(match (name, arguments) {
        ("family", []) => Cel::Int(if ip.is_ipv4() { 4 } else { 6 }),
        ("isUnspecified", []) => Cel::Bool(ip.is_unspecified()),
        ("isLoopback", []) => Cel::Bool(ip.is_loopback()),
        ("isLinkLocalUnicast", []) => Cel::Bool(link_local(ip)),
        ("isLinkLocalMulticast", []) => Cel::Bool(match ip {
            IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
            IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
        }),
        ("isGlobalUnicast", []) => {
            let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
            let other = ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || link_local(ip);
            Cel::Bool(!broadcast && !other)
        }
        _ => return overload(name, Some(&Cel::Ip(ip)), arguments),
    })
}

pub(super) fn of_cidr<'a>(ip: IpAddr, bits: u8, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let other = match (name, arguments) {
        ("containsIP", [Cel::Text(text)]) => Some(self::ip(text)?),
        ("containsCIDR", [Cel::Text(text)]) => Some(cidr(text)?),
        (_, [other]) => Some(other.clone()),
        _ => None,
    };
    Ok(match (name, other) {
        ("containsIP", Some(Cel::Ip(other))) => Cel::Bool(contains(ip, bits, other)),
        ("containsCIDR", Some(Cel::Cidr(other, longer))) => Cel::Bool(longer >= bits && contains(ip, bits, other)),
        ("ip", None) => Cel::Ip(ip),
        ("masked", None) => Cel::Cidr(masked(ip, bits), bits),
        ("prefixLength", None) => Cel::Int(bits.into()),
        _ => return overload(name, Some(&Cel::Cidr(ip, bits)), arguments),
    })
}
