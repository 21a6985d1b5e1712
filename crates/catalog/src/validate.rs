//! Judges one entity: envelope, field formats, and the `spec` of its kind.

use ridgeway_doc::{Kind, Node, Position};

use crate::field::{Format, shown, type_violation};
use crate::kind::{self, Field, Shape};

/// What is wrong with an entity, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Dotted field, empty for the whole entity.
    pub(crate) field: String,
    pub(crate) message: String,
    pub(crate) position: Option<Position>,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, at: Node<'_>, message: impl Into<String>) -> Fault {
        Fault {
            field: field.into(),
            message: message.into(),
            position: at.position(),
        }
    }
}

/// Judges an entity: the first fault decides, in the order in which the catalog's readers have always looked.
pub(crate) fn validate(entity: Node<'_>) -> Result<&'static [Field], Fault> {
    envelope(entity)?;
    formats(entity)?;
    let api_version = entity.str_at(&["apiVersion"]).unwrap_or_default();
    let kind = entity.str_at(&["kind"]).unwrap_or_default();
    let fields = kind::fields(api_version, kind).ok_or_else(|| {
        let at = entity.get("kind").unwrap_or(entity);
        Fault::new("kind", at, format!(
            "the catalog has no kind {kind} in {api_version}; known are Component, API, Resource, System, Domain, Group, \
             User and Location in backstage.io/v1alpha1, and Template in scaffolder.backstage.io/v1beta3"
        ))
    })?;
    spec(entity, fields)?;
    Ok(fields)
}

fn missing(path: &str, at: Node<'_>, name: &str) -> Fault {
    let field = path.trim_start_matches('/').replace('/', ".");
    let field = if field.is_empty() {
        name.to_owned()
    } else {
        format!("{field}.{name}")
    };
    Fault::new(
        field,
        at,
        format!(
            "{} must have required property '{name}' - missingProperty: {name}",
            shown(path)
        ),
    )
}

fn envelope(entity: Node<'_>) -> Result<(), Fault> {
    let malformed = |fault: Fault| Fault {
        message: format!("Malformed envelope, {}", fault.message),
        ..fault
    };
    if !entity.is_object() {
        return Err(malformed(Fault::new(
            "",
            entity,
            "<root> must be object - type: object",
        )));
    }
    for name in ["apiVersion", "kind", "metadata"] {
        let Some(value) = entity.get(name) else {
            return Err(malformed(missing("", entity, name)));
        };
        let expected = if name == "metadata" { Kind::Object } else { Kind::String };
        if let Some(message) = type_violation(&format!("/{name}"), value, expected) {
            return Err(malformed(Fault::new(name, value, message)));
        }
    }
    let metadata = entity.get("metadata").expect("looked at above");
    if metadata.get("name").is_none() {
        return Err(malformed(missing("/metadata", metadata, "name")));
    }
    for name in ["name", "namespace", "title", "description", "uid", "etag"] {
        if let Some(value) = metadata.get(name)
            && let Some(message) = type_violation(&format!("/metadata/{name}"), value, Kind::String)
        {
            return Err(malformed(Fault::new(format!("metadata.{name}"), value, message)));
        }
    }
    for (name, expected) in [
        ("labels", Kind::Object),
        ("annotations", Kind::Object),
        ("tags", Kind::Array),
        ("links", Kind::Array),
    ] {
        if let Some(value) = metadata.get(name)
            && let Some(message) = type_violation(&format!("/metadata/{name}"), value, expected)
        {
            return Err(malformed(Fault::new(format!("metadata.{name}"), value, message)));
        }
    }
    for (name, value) in entity.members() {
        match name {
            "apiVersion" | "kind" | "metadata" | "spec" => {}
            "relations" | "status" => return Err(Fault::new(name, value, format!("Unknown field {name}"))),
            _ => {
                return Err(malformed(Fault::new(
                    name,
                    value,
                    "<root> must NOT have additional properties",
                )));
            }
        }
    }
    Ok(())
}

fn formats(entity: Node<'_>) -> Result<(), Fault> {
    let metadata = entity.get("metadata").unwrap_or(entity);
    let check = |format: Format, field: String, value: Option<Node<'_>>| match value {
        Some(value) => match format.violation(&field, value) {
            Some(message) => Err(Fault::new(field, value, message)),
            None => Ok(()),
        },
        None => Ok(()),
    };
    check(Format::ApiVersion, "apiVersion".into(), entity.get("apiVersion"))?;
    check(Format::EntityKind, "kind".into(), entity.get("kind"))?;
    check(Format::Name, "metadata.name".into(), metadata.get("name"))?;
    check(
        Format::Namespace,
        "metadata.namespace".into(),
        metadata.get("namespace"),
    )?;
    for (map, format) in [("labels", Format::LabelValue), ("annotations", Format::AnnotationValue)] {
        for (key, value) in metadata.get(map).into_iter().flat_map(Node::members) {
            let field = format!("{map}.{key}");
            if !Format::Key.accepts(key) {
                return Err(Fault::new(&field, value, Format::Key.sentence(&field, key)));
            }
            check(format, field, Some(value))?;
        }
    }
    for (index, tag) in metadata.get("tags").into_iter().flat_map(Node::items).enumerate() {
        check(Format::Tag, format!("tags.{index}"), Some(tag))?;
    }
    for (index, link) in metadata.get("links").into_iter().flat_map(Node::items).enumerate() {
        let Some(url) = link.get("url") else {
            return Err(missing(&format!("/metadata/links/{index}"), link, "url"));
        };
        check(Format::Url, format!("links.{index}.url"), Some(url))?;
        check(Format::NotBlank, format!("links.{index}.title"), link.get("title"))?;
        check(Format::NotBlank, format!("links.{index}.icon"), link.get("icon"))?;
    }
    Ok(())
}

fn spec(entity: Node<'_>, fields: &[Field]) -> Result<(), Fault> {
    let Some(spec) = entity.get("spec") else {
        return Err(missing("", entity, "spec"));
    };
    if let Some(message) = type_violation("/spec", spec, Kind::Object) {
        return Err(Fault::new("spec", spec, message));
    }
    for field in fields.iter().filter(|field| field.required) {
        if spec.get(field.name).is_none() {
            return Err(missing("/spec", spec, field.name));
        }
    }
    for field in fields {
        let Some(value) = spec.get(field.name) else { continue };
        let path = format!("/spec/{}", field.name);
        let dotted = format!("spec.{}", field.name);
        match field.shape {
            Shape::Text => text(&path, &dotted, value)?,
            Shape::Texts => {
                if let Some(message) = type_violation(&path, value, Kind::Array) {
                    return Err(Fault::new(dotted, value, message));
                }
                for (index, item) in value.items().enumerate() {
                    text(&format!("{path}/{index}"), &format!("{dotted}.{index}"), item)?;
                }
            }
            Shape::Object | Shape::Array => {
                let expected = if field.shape == Shape::Array {
                    Kind::Array
                } else {
                    Kind::Object
                };
                if let Some(message) = type_violation(&path, value, expected) {
                    return Err(Fault::new(dotted, value, message));
                }
            }
            Shape::Any => {}
        }
    }
    Ok(())
}

fn text(path: &str, field: &str, value: Node<'_>) -> Result<(), Fault> {
    // An API's definition may be read from another file.
    if value.is_object() && value.len() == 1 && ["$text", "$json", "$yaml"].iter().any(|key| value.get(key).is_some()) {
        return Ok(());
    }
    if let Some(message) = type_violation(path, value, Kind::String) {
        return Err(Fault::new(field, value, message));
    }
    if value.as_str() == Some("") {
        return Err(Fault::new(
            field,
            value,
            format!("{path} must NOT have fewer than 1 characters - limit: 1"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(yaml: &str, expected: Expect) {
        let docs = ridgeway_doc::parse_yaml(yaml).unwrap();
        let found = match validate(docs[0].root()) {
            Ok(_) => "valid".to_owned(),
            Err(fault) => {
                let line = fault.position.map_or(0, |p| p.line);
                let message = fault.message.split(". To learn more").next().unwrap_or_default();
                format!("{line} {}: {message}", fault.field)
            }
        };
        expected.assert_eq(&found);
    }

    const HEAD: &str = "apiVersion: backstage.io/v1alpha1\nkind: Component\n";

    #[test]
    fn the_first_fault_is_named_with_line_and_field() {
        let spec = "spec: {type: service, lifecycle: x, owner: a}\n";
        check(&format!("{HEAD}metadata: {{name: ok}}\n{spec}"), expect!["valid"]);
        check(
            &format!("{HEAD}metadata:\n  name: abc-\n{spec}"),
            expect![[
                r#"4 metadata.name: "metadata.name" is not valid; expected a string that is sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters in total but found "abc-""#
            ]],
        );
        check(
            &format!("{HEAD}metadata: {{name: ok, links: [{{url: /x}}]}}\n{spec}"),
            expect![[
                r#"3 links.0.url: "links.0.url" is not valid; expected a string that is a valid url but found "/x""#
            ]],
        );
        check(
            &format!("{HEAD}metadata: {{name: ok}}\n{spec}colour: blue\n"),
            expect!["5 colour: Malformed envelope, <root> must NOT have additional properties"],
        );
        check(
            &format!("{HEAD}metadata: {{name: ok}}\n{spec}relations: []\n"),
            expect!["5 relations: Unknown field relations"],
        );
    }

    #[test]
    fn the_spec_of_the_kind_is_judged() {
        check(
            &format!("{HEAD}metadata: {{name: ok}}\n"),
            expect!["1 spec: <root> must have required property 'spec' - missingProperty: spec"],
        );
        check(
            &format!("{HEAD}metadata: {{name: ok}}\nspec: {{type: service, lifecycle: x, owner: ''}}\n"),
            expect!["4 spec.owner: /spec/owner must NOT have fewer than 1 characters - limit: 1"],
        );
        check(
            "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: l}\nspec: {targets: [1]}\n",
            expect!["4 spec.targets.0: /spec/targets/0 must be string - type: string"],
        );
        check(
            "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: u}\nspec: {}\n",
            expect!["4 spec.memberOf: /spec must have required property 'memberOf' - missingProperty: memberOf"],
        );
    }
}
