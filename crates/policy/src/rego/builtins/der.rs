//! DER and PEM: as much as keys and certificates need.

use super::encoding;

/// One element: its tag, its content, and all its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;

/// The first element of some bytes, and what follows it.
pub(super) fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut len = usize::from(*first);
    if len >= 0x80 {
        let count = len & 0x7f;
        if count == 0 || count > 4 || rest.len() < count {
            return None;
        }
        len = rest[..count].iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        rest = &rest[count..];
    }
    let content = rest.get(..len)?;
    let after = &rest[len..];
    let whole = &bytes[..bytes.len() - after.len()];
    Some((
        Element {
            tag: *tag,
            content,
            whole,
        },
        after,
    ))
}

impl<'a> Element<'a> {
    /// The elements within.
    pub(super) fn children(&self) -> Vec<Element<'a>> {
        let mut out = Vec::new();
        let mut rest = self.content;
        while let Some((child, after)) = element(rest) {
            out.push(child);
            rest = after;
        }
        out
    }

    pub(super) fn is(&self, tag: u8) -> Option<&Self> {
        (self.tag == tag).then_some(self)
    }

    /// The bytes of a bit string.
    pub(super) fn bits(&self) -> Option<&'a [u8]> {
        self.is(BIT_STRING)?;
        self.content.get(1..)
    }

    /// An object identifier, dotted.
    pub(super) fn oid(&self) -> Option<String> {
        self.is(OID)?;
        let mut numbers = Vec::new();
        let mut number = 0u64;
        for byte in self.content {
            number = number.checked_mul(128)? | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                numbers.push(number);
                number = 0;
            }
        }
        let first = *numbers.first()?;
        let high = (first / 40).min(2);
        let mut out = format!("{high}.{}", first - high * 40);
        for number in &numbers[1..] {
            out.push_str(&format!(".{number}"));
        }
        Some(out)
    }

    /// The bytes of a positive integer, without leading zeros.
    pub(super) fn unsigned(&self) -> Option<&'a [u8]> {
        self.is(INTEGER)?;
        let zeros = self.content.iter().take_while(|byte| **byte == 0).count();
        Some(&self.content[zeros..])
    }
}

/// Writes an element.
pub(super) fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let len = content.len();
    if len < 0x80 {
        out.push(u8::try_from(len).unwrap_or(0));
    } else {
        let bytes: Vec<u8> = len.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0));
        out.extend(bytes);
    }
    out.extend(content);
    out
}

/// Writes a positive integer.
pub(super) fn write_unsigned(bytes: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    if content.first().is_none_or(|byte| *byte >= 0x80) {
        content.insert(0, 0);
    }
    write(INTEGER, &content)
}

/// The blocks of a PEM text by their labels, and what follows the last.
pub(super) fn pem(text: &str) -> (Vec<(String, Vec<u8>)>, &str) {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        let Some((label, body)) = rest[start + 11..].split_once("-----") else {
            break;
        };
        let end = format!("-----END {label}-----");
        let Some((body, after)) = body.split_once(&end) else {
            break;
        };
        let base64: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let Ok(bytes) = encoding::from_base64(&base64) else {
            break;
        };
        out.push((label.to_owned(), bytes));
        rest = after;
    }
    (out, rest)
}
