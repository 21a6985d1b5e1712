//! `fetch:template` and `fetch:plain`: skeleton files into the plan.

use std::collections::BTreeMap;

use ridgeway_doc::{Map, Node, Position, Value};

use super::{PlannedFile, TemplateError, TemplateFile};
use crate::expression::{Fault, Text};

/// The files a plan holds so far, by path.
pub(super) type Files = BTreeMap<String, PlannedFile>;

/// How many bytes all files of a plan may have.
const MAX_BYTES: usize = 16 << 20;

/// Copies the skeleton that `input` names; `values` renders it, `None` copies it as it is. Returns how many files.
pub(super) fn fetch(
    input: Node<'_>,
    values: Option<Node<'_>>,
    skeleton: &[TemplateFile],
    files: &mut Files,
    at: &dyn Fn(String) -> TemplateError,
) -> Result<usize, Vec<TemplateError>> {
    let url = input.str_at(&["url"]).unwrap_or("./skeleton");
    if url.contains("://") {
        let message = format!("`url: {url}` is not in the template's own folder; put the skeleton beside the template");
        return Err(vec![at(message)]);
    }
    let folder = clean(url).map_err(|message| vec![at(message)])?;
    let target = clean(input.str_at(&["targetPath"]).unwrap_or_default()).map_err(|message| vec![at(message)])?;
    let replace = input.get("replace").and_then(Node::as_bool) == Some(true);
    let verbatim: Vec<&str> = input
        .get("copyWithoutTemplating")
        .into_iter()
        .flat_map(Node::items)
        .filter_map(Node::as_str)
        .collect();
    let root = values.map(|values| {
        let mut map = Map::new();
        map.insert("values", values.to_value());
        Value::from(map)
    });
    let mut errors = Vec::new();
    let mut count = 0;
    for file in skeleton {
        let inside = if folder.is_empty() {
            Some(file.path.as_str())
        } else {
            below(&file.path, &folder)
        };
        let Some(path) = inside else { continue };
        match one(file, path, &target, root.as_ref(), &verbatim) {
            Ok(Some(planned)) => {
                if replace || !files.contains_key(&planned.path) {
                    files.insert(planned.path.clone(), planned);
                    count += 1;
                }
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    if count == 0 && errors.is_empty() {
        errors.push(at(format!("there are no files in `{url}`")));
    }
    if files.values().map(|file| file.content.len()).sum::<usize>() > MAX_BYTES {
        errors.push(at("the files are larger than 16 MiB together".to_owned()));
    }
    if errors.is_empty() { Ok(count) } else { Err(errors) }
}

/// One file; `None` when its rendered path has an empty part, which leaves it out.
fn one(
    file: &TemplateFile,
    path: &str,
    target: &str,
    root: Option<&Value>,
    verbatim: &[&str],
) -> Result<Option<PlannedFile>, TemplateError> {
    let render = |text: &str, of: &str| -> Result<String, TemplateError> {
        let Some(root) = root else { return Ok(text.to_owned()) };
        Text::parse(text)
            .and_then(|parsed| parsed.render(root))
            .map_err(|fault| in_file(of, text, &fault))
    };
    let rendered = render(path, &file.path)?;
    if rendered.split('/').any(str::is_empty) {
        return Ok(None);
    }
    let path = if target.is_empty() {
        rendered
    } else {
        format!("{target}/{rendered}")
    };
    let path = clean(&path).map_err(|message| TemplateError::at(&file.path, None, message))?;
    let as_it_is = verbatim.iter().any(|pattern| glob(pattern, &path));
    let content = match std::str::from_utf8(&file.content) {
        Ok(text) if !as_it_is => render(text, &file.path)?.into_bytes(),
        _ => file.content.clone(),
    };
    Ok(Some(PlannedFile {
        path,
        content,
        executable: file.executable,
    }))
}

fn in_file(file: &str, text: &str, fault: &Fault) -> TemplateError {
    TemplateError::at(file, Some(Position::in_text(text, fault.offset)), fault.message.clone())
}

fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// A relative path without `.` parts. One that would leave its folder is refused.
pub(super) fn clean(path: &str) -> Result<String, String> {
    if path.starts_with('/') || path.contains('\\') || path.contains('\0') {
        return Err(format!("`{path}` is not a relative path with forward slashes"));
    }
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        return Err(format!("`{path}` leaves its folder; write it without `..`"));
    }
    if parts.iter().any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err(format!("`{path}` lies in `.git`, which belongs to Git"));
    }
    Ok(parts.join("/"))
}

/// Whether a path fits a pattern: `*` within one part, `**` across parts.
fn glob(pattern: &str, path: &str) -> bool {
    match (pattern.split_once('/'), path.split_once('/')) {
        _ if pattern == "**" => true,
        (Some(("**", rest)), _) => {
            glob(rest, path) || path.split_once('/').is_some_and(|(_, deeper)| glob(pattern, deeper))
        }
        (Some((first, rest)), Some((part, deeper))) => segment(first, part) && glob(rest, deeper),
        (None, None) => segment(pattern, path),
        _ => false,
    }
}

fn segment(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((prefix, rest)) => text.strip_prefix(prefix).is_some_and(|text| {
            (0..=text.len())
                .filter(|i| text.is_char_boundary(*i))
                .any(|i| segment(rest, &text[i..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_paths() {
        for (pattern, path, expected) in [
            ("charts/**", "charts/a/b.yaml", true),
            ("**/*.tpl", "a/b/c.tpl", true),
            ("**/*.tpl", "c.tpl", true),
            ("*.md", "docs/a.md", false),
            ("docs/*.md", "docs/a.md", true),
            ("docs/*.md", "docs/a.mdx", false),
        ] {
            assert_eq!(glob(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn paths_stay_inside() {
        assert_eq!(clean("./a//b").as_deref(), Ok("a/b"));
        for path in ["/etc/x", "a/../../b", ".git/config", "a/.GIT/hooks/x", "a\\b"] {
            assert!(clean(path).is_err(), "{path}");
        }
    }
}
