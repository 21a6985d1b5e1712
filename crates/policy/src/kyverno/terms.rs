//! The terms of an exception: whose it is, why, until when, and who has agreed to it.

use jiff::Timestamp;
use ridgeway_doc::Node;

/// Who answers for the exception.
pub const OWNER: &str = "ridgeway.dev/owner";
/// Why it is needed.
pub const REASON: &str = "ridgeway.dev/reason";
/// When it ends, in RFC 3339.
pub const EXPIRES: &str = "ridgeway.dev/expires";
/// Who asked for it as it stands.
pub const REQUESTED_BY: &str = "ridgeway.dev/requested-by";
/// Who has agreed to it.
pub const APPROVED_BY: &str = "ridgeway.dev/approved-by";
/// When that was, in RFC 3339.
pub const APPROVED_AT: &str = "ridgeway.dev/approved-at";

/// What annotations (labels, for the short ones) of an exception say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Who answers for it.
    pub owner: String,
    /// Why it is needed.
    pub reason: String,
    /// When it ends; `None` when it does not by itself.
    pub expires: Option<Timestamp>,
    /// Who asked for it. Where this is said, it has to be approved by somebody else.
    pub requested_by: String,
    /// Who has agreed to it.
    pub approved_by: String,
    /// When that was.
    pub approved_at: Option<Timestamp>,
}

/// A time of an exception that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is no time; {}", self.remedy())]
pub struct TermsError {
    /// The annotation.
    pub key: &'static str,
    /// What it says.
    pub value: String,
}

impl TermsError {
    /// The annotation as a path.
    pub fn path(&self) -> String {
        format!("metadata.annotations.{}", self.key)
    }

    /// What to write instead.
    pub fn remedy(&self) -> String {
        format!(
            "write {} as a time of RFC 3339 with its offset, such as \"2027-01-31T18:00:00Z\"",
            self.key
        )
    }
}

/// An annotation, or the label of the same name.
fn said<'a>(exception: Node<'a>, key: &str) -> &'a str {
    ["annotations", "labels"]
        .iter()
        .find_map(|place| exception.str_at(&["metadata", place, key]))
        .unwrap_or_default()
        .trim()
}

fn time(exception: Node<'_>, key: &'static str) -> Result<Option<Timestamp>, TermsError> {
    match said(exception, key) {
        "" => Ok(None),
        value => value.parse().map(Some).map_err(|_| TermsError {
            key,
            value: value.to_owned(),
        }),
    }
}

impl Terms {
    /// Reads the terms of an exception.
    pub fn of(exception: Node<'_>) -> Result<Terms, TermsError> {
        let text = |key: &str| said(exception, key).to_owned();
        // Who asked and who agreed is written by the gate, as annotations; labels of the name mean nothing.
        let written = |key: &str| {
            exception
                .str_at(&["metadata", "annotations", key])
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Terms {
            owner: text(OWNER),
            reason: text(REASON),
            expires: time(exception, EXPIRES)?,
            requested_by: written(REQUESTED_BY),
            approved_by: written(APPROVED_BY),
            approved_at: written(APPROVED_AT).parse().ok(),
        })
    }

    /// Whether its time is over. Where nobody says what time it is, an exception that ends has ended.
    pub fn expired(&self, now: Option<Timestamp>) -> bool {
        self.expires.is_some_and(|expires| now.is_none_or(|now| now >= expires))
    }

    /// Whether somebody other than who asked for it has agreed.
    pub fn approved(&self) -> bool {
        !self.approved_by.is_empty() && self.approved_by != self.requested_by
    }

    /// Whether it counts: not expired, and approved where somebody asked for it.
    pub fn in_force(&self, now: Option<Timestamp>) -> bool {
        !self.expired(now) && (self.requested_by.is_empty() || self.approved())
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn terms(annotations: &str) -> Result<Terms, TermsError> {
        let text = format!("metadata: {{annotations: {{{annotations}}}, labels: {{ridgeway.dev/owner: team-a}}}}");
        Terms::of(parse_yaml(&text).unwrap().remove(0).root())
    }

    #[test]
    fn what_counts() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let expires = "ridgeway.dev/expires: \"2026-05-04T12:00:00+02:00\"";
        for (annotations, now, want) in [
            ("", None, true),
            (expires, at("2026-05-04T09:59:59Z"), true),
            (expires, at("2026-05-04T10:00:00Z"), false),
            (expires, None, false),
            ("ridgeway.dev/requested-by: a", None, false),
            ("ridgeway.dev/requested-by: a, ridgeway.dev/approved-by: a", None, false),
            ("ridgeway.dev/requested-by: a, ridgeway.dev/approved-by: b", None, true),
        ] {
            assert_eq!(terms(annotations).unwrap().in_force(now), want, "{annotations}");
        }
        assert_eq!(terms("").unwrap().owner, "team-a");
    }

    #[test]
    fn a_time_that_is_none_says_what_to_write() {
        let error = terms("ridgeway.dev/expires: tomorrow").unwrap_err();
        assert_eq!(error.path(), "metadata.annotations.ridgeway.dev/expires");
        assert!(error.to_string().contains("\"tomorrow\"") && error.to_string().contains("RFC 3339"));
    }
}
