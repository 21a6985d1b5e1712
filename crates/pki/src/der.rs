//! The little of X.509 that is read here: a certificate's subject and when it ends.
//!
//! Chains and signatures are verified by rustls before anything gets here.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

/// Subject and end of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `CN`, the last one if there are several.
    pub common_name: String,
    /// All `O`.
    pub organizations: Vec<String>,
    /// `notAfter`.
    pub not_after: Timestamp,
}

/// Type-length-value elements of a DER byte string.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.len() > 4 {
                return None;
            }
            (bytes.iter().fold(0usize, |n, b| n << 8 | usize::from(*b)), rest)
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }
}

fn inside(der: &[u8], tag: u8) -> Option<Elements<'_>> {
    let (found, value) = Elements(der).next()?;
    (found == tag).then_some(Elements(value))
}

/// When a certificate ends; `None` when it is none.
pub fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    end_and_name(certificate).map(|(end, _)| end)
}

/// `notAfter`, and the subject's name as it is written.
fn end_and_name(certificate: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (_, to_be_signed) = inside(certificate, SEQUENCE)?.next()?;
    let mut fields = Elements(to_be_signed).peekable();
    fields.next_if(|(tag, _)| *tag == VERSION);
    // serial number, signature algorithm, issuer
    let mut fields = fields.skip(3);
    let (_, validity) = fields.next()?;
    let (tag, end) = Elements(validity).nth(1)?;
    let not_after = time(tag, std::str::from_utf8(end).ok()?)?;
    let (_, name) = fields.next()?;
    Some((not_after, name))
}

/// Reads a certificate; `None` when it is none.
pub fn subject(certificate: &[u8]) -> Option<Subject> {
    let (not_after, name) = end_and_name(certificate)?;
    let (mut common_name, mut organizations) = (String::new(), Vec::new());
    for (tag, set) in Elements(name) {
        if tag != SET {
            return None;
        }
        for (tag, attribute) in Elements(set) {
            let mut parts = Elements(attribute);
            let (oid_tag, oid) = parts.next()?;
            let (_, value) = parts.next()?;
            if tag != SEQUENCE || oid_tag != OID {
                return None;
            }
            let text = || std::str::from_utf8(value).ok().map(str::to_owned);
            match oid {
                COMMON_NAME => common_name = text()?,
                ORGANIZATION => organizations.push(text()?),
                _ => {}
            }
        }
    }
    Some(Subject {
        common_name,
        organizations,
        not_after,
    })
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let full = match (tag, digits.len()) {
        // RFC 5280: two-digit years below 50 are of this century.
        (UTC_TIME, 12) => format!("{}{digits}", if digits < "50" { "20" } else { "19" }),
        (GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return None,
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%S", &full).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_and_end_of_a_generated_certificate() {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, "team-a");
        params.distinguished_name.push(rcgen::DnType::CommonName, "älice");
        params.not_after = rcgen::date_time_ymd(2051, 3, 4);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let subject = subject(certificate.der()).unwrap();
        assert_eq!(subject.common_name, "älice");
        assert_eq!(subject.organizations, ["team-a"]);
        assert_eq!(subject.not_after.to_string(), "2051-03-04T00:00:00Z");
    }

    #[test]
    fn times_of_both_centuries() {
        assert_eq!(
            time(UTC_TIME, "491231235959Z").unwrap().to_string(),
            "2049-12-31T23:59:59Z"
        );
        assert_eq!(
            time(UTC_TIME, "500101000000Z").unwrap().to_string(),
            "1950-01-01T00:00:00Z"
        );
        assert_eq!(time(UTC_TIME, "5001010000Z"), None);
    }

    #[test]
    fn truncated_certificates_are_no_certificates() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let der = certificate.der();
        assert!(subject(der).is_some());
        // Every cut lies within the outermost element, so nothing can be read.
        for length in 0..der.len() {
            assert_eq!(subject(&der[..length]), None, "{length} bytes");
        }
    }
}
