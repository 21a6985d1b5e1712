//! `validate.podSecurity`: a Pod Security Standard with exclusions.

use ridgeway_doc::{Node, Value};

use super::validate::{Finding, Violation};
use super::wildcard;
use crate::image::pod_spec_path;
use crate::jmespath::Val;
use crate::pss::{self, Field, Standard};
use crate::refine;

/// A standard and what is excluded from it.
#[derive(Clone, Debug)]
pub(crate) struct PodSecurity {
    standard: Standard,
    exclude: Vec<Exclude>,
}

/// One exclusion: a control, perhaps only for some images, perhaps only some values of one field.
#[derive(Clone, Debug)]
pub(crate) struct Exclude {
    control: String,
    images: Vec<String>,
    field: String,
    values: Vec<String>,
}

impl Exclude {
    pub(crate) fn compile(node: Node<'_>) -> Result<Exclude, String> {
        let control = node.str_at(&["controlName"]).unwrap_or_default();
        if !pss::titles().any(|title| title == control) {
            let mut known: Vec<&str> = pss::titles().collect();
            known.dedup();
            return Err(format!(
                "there is no control {control:?}; known are {}",
                known.join(", ")
            ));
        }
        let texts = |key: &str| {
            let list = node.get(key).into_iter().flat_map(Node::items);
            list.map(|item| Val::of(item).render().into_owned()).collect()
        };
        Ok(Exclude {
            control: control.into(),
            images: texts("images"),
            field: node.str_at(&["restrictedField"]).unwrap_or_default().into(),
            values: texts("values"),
        })
    }

    fn covers(&self, title: &str, field: &Field) -> bool {
        if self.control != title {
            return false;
        }
        let image = match (&field.container, self.images.is_empty()) {
            (Some((_, image)), false) => self.images.iter().any(|pattern| wildcard(pattern, image)),
            (None, false) => false,
            (_, true) => true,
        };
        if !image || self.field.is_empty() {
            return image;
        }
        // `spec.containers[*].securityContext.privileged` is about that field of every container.
        let shape = |path: &str| {
            let mut out = String::new();
            let mut inside = false;
            for c in path.chars() {
                match c {
                    '[' => inside = true,
                    ']' => inside = false,
                    c if !inside => out.push(c),
                    _ => {}
                }
            }
            out
        };
        let (wanted, path) = (shape(&self.field), shape(&field.path.to_string()));
        if !path.ends_with(&wanted) {
            return false;
        }
        let found: Vec<String> = match &field.value {
            None => vec!["undefined".into()],
            Some(value) if value.node().is_array() => value
                .node()
                .items()
                .map(|item| Val::of(item).render().into_owned())
                .collect(),
            Some(value) => vec![Val::of(value.node()).render().into_owned()],
        };
        self.values.is_empty()
            || found
                .iter()
                .all(|value| self.values.iter().any(|want| wildcard(want, value)))
    }
}

/// What is left of violations after exclusions.
fn without<'e>(
    mut violations: Vec<pss::Violation>,
    exclude: impl Iterator<Item = &'e Exclude> + Clone,
) -> Vec<pss::Violation> {
    violations.retain_mut(|violation| {
        let title = violation.title;
        violation
            .fields
            .retain(|field| !exclude.clone().any(|e| e.covers(title, field)));
        !violation.fields.is_empty()
    });
    violations
}

impl PodSecurity {
    pub(crate) fn compile(node: Node<'_>) -> Result<PodSecurity, String> {
        let level = node.str_at(&["level"]).unwrap_or_default();
        let version = node.str_at(&["version"]).unwrap_or_default();
        let standard = Standard::parse(level, version).map_err(|e| e.to_string())?;
        let exclude = node
            .get("exclude")
            .into_iter()
            .flat_map(Node::items)
            .map(Exclude::compile);
        Ok(PodSecurity {
            standard,
            exclude: exclude.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn eval(&self, kind: &str, object: Node<'_>, excepted: &[&Exclude]) -> Finding {
        // What runs Pods and says nothing of them runs one that says nothing.
        let silent = || {
            let mut whole = object.to_value();
            whole.set(pod_spec_path(kind).filter(|_| kind != "PodTemplate")?, Value::object());
            pss::evaluate(self.standard, kind, whole.node())
        };
        let Some(violations) = pss::evaluate(self.standard, kind, object).or_else(silent) else {
            return Finding::Skip("the object has no Pod specification".into());
        };
        let violations = without(violations, self.exclude.iter().chain(excepted.iter().copied()));
        if violations.is_empty() {
            return Finding::Pass;
        }
        let first = violations.iter().flat_map(|v| &v.fields).next();
        Finding::Fail(Box::new(Violation {
            path: first.map(|field| field.path.to_string()).unwrap_or_default(),
            value: first.and_then(|field| field.value.clone()),
            sentences: refine::pod_security_sentences(&violations),
            patch: refine::pod_security_patch(&violations, object),
            author: format!(
                "violates PodSecurity \"{}\": {}",
                self.standard,
                pss::details(&violations)
            ),
            ..Violation::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_pods_and_says_nothing_of_them_is_judged() {
        let text = "{level: baseline, version: latest}";
        let rule = PodSecurity::compile(ridgeway_doc::parse_yaml(text).unwrap()[0].root()).unwrap();
        let judge = |kind: &str| {
            let object = ridgeway_doc::parse_yaml("{metadata: {name: a}}").unwrap().remove(0);
            rule.eval(kind, object.root(), &[])
        };
        assert!(matches!(judge("Pod"), Finding::Pass));
        assert!(matches!(judge("CronJob"), Finding::Pass));
        assert!(matches!(judge("ConfigMap"), Finding::Skip(_)));
    }
}
