//! The rules for names, labels and annotations, with the sentences that clients know.

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const QUALIFIED: &str = "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let bytes = text.as_bytes();
    !bytes.is_empty() && bytes.iter().all(|b| inner(*b)) && bytes[0] != b'-' && bytes[bytes.len() - 1] != b'-'
}

fn is_name_part(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn at_most(text: &str, max: usize, of: &str) -> Result<(), String> {
    if text.len() > max {
        return Err(format!("{of}must be no more than {max} bytes"));
    }
    Ok(())
}

/// A DNS label (RFC 1123): names of Namespaces and Services.
pub fn validate_label(text: &str) -> Result<(), String> {
    at_most(text, 63, "")?;
    if is_label(text) { Ok(()) } else { Err(LABEL.into()) }
}

/// A DNS subdomain (RFC 1123): names of most objects.
pub fn validate_subdomain(text: &str) -> Result<(), String> {
    at_most(text, 253, "")?;
    if !text.is_empty() && text.split('.').all(is_label) {
        Ok(())
    } else {
        Err(SUBDOMAIN.into())
    }
}

/// A name that may stand in a URL path: names of RBAC objects.
pub fn validate_path_segment(text: &str) -> Result<(), String> {
    match text {
        "" => Err("name or generateName is required".into()),
        "." => Err("may not be '.'".into()),
        ".." => Err("may not be '..'".into()),
        _ => match text.chars().find(|c| matches!(c, '/' | '%')) {
            Some(c) => Err(format!("may not contain '{c}'")),
            None => Ok(()),
        },
    }
}

/// The key of a label, annotation or taint: a name with an optional DNS prefix.
pub fn validate_label_key(text: &str) -> Result<(), String> {
    let (prefix, name) = match text.split_once('/') {
        None => (None, text),
        Some((_, name)) if name.contains('/') => return Err(QUALIFIED.into()),
        Some((prefix, name)) => (Some(prefix), name),
    };
    match prefix {
        Some("") => return Err("prefix part must be non-empty".into()),
        // Annotation keys may have capitals in their prefix; so do old label keys.
        Some(prefix) => validate_subdomain(&prefix.to_ascii_lowercase()).map_err(|why| format!("prefix part {why}"))?,
        None => {}
    }
    if name.is_empty() {
        return Err("name part must be non-empty".into());
    }
    at_most(name, 63, "name part ")?;
    if is_name_part(name) {
        Ok(())
    } else {
        Err(NAME_PART.into())
    }
}

/// The value of a label.
pub fn validate_label_value(text: &str) -> Result<(), String> {
    at_most(text, 63, "")?;
    if text.is_empty() || is_name_part(text) {
        Ok(())
    } else {
        Err(LABEL_VALUE.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        type Check = fn(&str) -> Result<(), String>;
        let long = "a".repeat(64);
        let cases: [(Check, &[&str], &[&str]); 5] = [
            (
                validate_label,
                &["a", "a-1", "9"],
                &["", "A", "a.b", "-a", "a-", "a_b", &long],
            ),
            (
                validate_subdomain,
                &["a.b-c.d", "1.2"],
                &["", ".", "a..b", "a.-b", "A.b"],
            ),
            (
                validate_path_segment,
                &["system:node", "A b"],
                &["", ".", "..", "a/b", "50%"],
            ),
            (
                validate_label_key,
                &["a", "A.b_c-d", "x.io/a"],
                &["", "/a", "a/", "a/b/c", "-a", "x_y/a", &long],
            ),
            (
                validate_label_value,
                &["", "A", "v1.2_3-x"],
                &["-a", "a b", "a/b", &long],
            ),
        ];
        for (check, good, bad) in cases {
            for text in good {
                assert_eq!(check(text), Ok(()), "{text}");
            }
            for text in bad {
                assert!(check(text).is_err(), "{text}");
            }
        }
    }
}
