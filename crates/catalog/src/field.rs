//! The formats of entity fields, and the fixed sentences in which violations are told.

use std::borrow::Cow;

use ridgeway_doc::{Kind, Node};

const LEARN: &str = "To learn more about catalog file format, visit: https://github.com/backstage/backstage/blob/master/docs/architecture-decisions/adr002-default-catalog-file-format.md";

/// A format that a field must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    ApiVersion,
    EntityKind,
    Name,
    Namespace,
    Key,
    LabelValue,
    AnnotationValue,
    Tag,
    Url,
    NotBlank,
}

impl Format {
    pub(crate) fn accepts(self, text: &str) -> bool {
        match self {
            Format::ApiVersion => match text.split('/').collect::<Vec<_>>()[..] {
                [version] => short(version, |c| c.is_ascii_alphanumeric()),
                [prefix, version] => subdomain(prefix) && short(version, |c| c.is_ascii_alphanumeric()),
                _ => false,
            },
            Format::EntityKind => {
                short(text, |c| c.is_ascii_alphanumeric()) && text.starts_with(|c: char| c.is_ascii_alphabetic())
            }
            Format::Name => object_name(text),
            Format::Namespace => dns_label(text),
            Format::Key => match text.split('/').collect::<Vec<_>>()[..] {
                [name] => object_name(name),
                [prefix, name] => subdomain(prefix) && object_name(name),
                _ => false,
            },
            Format::LabelValue => text.is_empty() || object_name(text),
            Format::AnnotationValue => true,
            Format::Tag => {
                text.len() <= 63
                    && text
                        .split('-')
                        .all(|part| !part.is_empty() && part.chars().all(tag_character))
            }
            Format::Url => url(text),
            Format::NotBlank => !text.trim().is_empty(),
        }
    }

    fn expectation(self) -> &'static str {
        match self {
            Format::ApiVersion | Format::Key => "a valid prefix and/or suffix",
            Format::EntityKind => "a string that is a sequence of [a-zA-Z][a-z0-9A-Z], at most 63 characters in total",
            Format::Name | Format::LabelValue => {
                "a string that is sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters in total"
            }
            Format::Namespace => {
                "a string that is sequences of [a-z0-9] separated by [-], at most 63 characters in total"
            }
            Format::Tag => "a string that is sequences of [a-z0-9+#] separated by [-], at most 63 characters in total",
            Format::AnnotationValue => "a string",
            Format::Url => "a string that is a valid url",
            Format::NotBlank => "a non empty string",
        }
    }

    /// The sentence for a value that has not this format; `None` when it has.
    pub(crate) fn violation(self, field: &str, value: Node<'_>) -> Option<String> {
        let text = match value.as_str() {
            Some(text) if self.accepts(text) => return None,
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(value.to_json()),
        };
        Some(self.sentence(field, &text))
    }

    /// The sentence itself.
    pub(crate) fn sentence(self, field: &str, found: &str) -> String {
        format!(
            "\"{field}\" is not valid; expected {} but found \"{found}\". {LEARN}",
            self.expectation()
        )
    }
}

fn short(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    (1..=63).contains(&text.len()) && text.chars().all(allowed)
}

fn tag_character(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, ':' | '+' | '#')
}

fn object_name(text: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    short(text, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && end(text.chars().next())
        && end(text.chars().next_back())
}

fn dns_label(text: &str) -> bool {
    short(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(dns_label)
}

/// An absolute URL: a scheme, and a host where the scheme has one.
fn url(text: &str) -> bool {
    let Some((scheme, rest)) = text.trim().split_once(':') else {
        return false;
    };
    let mut letters = scheme.chars();
    if !letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        || !letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    {
        return false;
    }
    if !matches!(
        scheme.to_ascii_lowercase().as_str(),
        "http" | "https" | "ws" | "wss" | "ftp"
    ) {
        return true;
    }
    let host = rest
        .trim_start_matches(['/', '\\'])
        .split(['/', '?', '#', '\\'])
        .next()
        .unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    !host.is_empty() && !host.starts_with(':') && !host.contains([' ', '<', '>', '^', '|', '%'])
}

/// The type that a schema asks for, in the words of JSON Schema.
pub(crate) fn type_violation(path: &str, value: Node<'_>, expected: Kind) -> Option<String> {
    (value.kind() != expected).then(|| format!("{} must be {expected} - type: {expected}", shown(path)))
}

/// The path of a violation; the root has a name of its own.
pub(crate) fn shown(path: &str) -> &str {
    if path.is_empty() { "<root>" } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_and_refuse() {
        let long = "a".repeat(64);
        for (format, good, bad) in [
            (
                Format::ApiVersion,
                &["backstage.io/v1alpha1", "v1"][..],
                &["a b/c", "", "x/", "a/b/c", "Up.io/v1"][..],
            ),
            (
                Format::EntityKind,
                &["Component", "API"],
                &["3d", "Com-ponent", "", &long],
            ),
            (
                Format::Name,
                &["checkout", "a.b_c-D"],
                &["abc-", "-a", "no spaces", "", &long],
            ),
            (Format::Namespace, &["default", "a-1"], &["Upper", "-a", "a.b", ""]),
            (
                Format::Key,
                &["zone", "example.org/zone"],
                &["Bad_Prefix/x", "a/b/c", "x/"],
            ),
            (Format::LabelValue, &["", "x"], &["-"]),
            (
                Format::Tag,
                &["c#", "c++", "a:b", "two-words"],
                &["Rust", "-a", "a--b", ""],
            ),
            (
                Format::Url,
                &["https://example.org/x", "mailto:a@b"],
                &["/x", "https://", "example.org", "1x:y"],
            ),
            (Format::NotBlank, &["x"], &["", "  "]),
        ] {
            for text in good {
                assert!(format.accepts(text), "{format:?} should accept {text}");
            }
            for text in bad {
                assert!(!format.accepts(text), "{format:?} should refuse {text}");
            }
        }
    }
}
