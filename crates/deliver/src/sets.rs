//! ApplicationSets, as far as a list generates their Applications.

use ridgeway_cluster::{DeleteOptions, EventType, Propagation, WriteOptions};
use ridgeway_doc::{Kind, Map, Node, Value};

use crate::controller::Deliver;
use crate::names;
use crate::spec::AppKey;

const MANAGER: &str = "argocd-applicationset-controller";

/// The Applications that a set generates, or why it cannot.
fn generated(set: Node<'_>) -> Result<Vec<Value>, String> {
    let spec = set.get("spec").ok_or("spec is missing")?;
    let template = spec.get("template").ok_or("spec.template is missing")?;
    let mut all = Vec::new();
    for (index, generator) in spec
        .get("generators")
        .into_iter()
        .flat_map(|list| list.items())
        .enumerate()
    {
        let elements = generator.at(&["list", "elements"]).ok_or_else(|| {
            let other = generator.members().next().map_or("nothing", |(name, _)| name);
            format!(
                "spec.generators[{index}]: generator {other:?} is not supported yet; write the elements out with `list`"
            )
        })?;
        for element in elements.items() {
            let mut parameters = Vec::new();
            flatten(element, "", &mut parameters);
            let mut app = filled(template, &parameters)?;
            app.set(&["apiVersion"], "argoproj.io/v1alpha1");
            app.set(&["kind"], "Application");
            app.set(&["metadata", "namespace"], set.str_at(&["metadata", "namespace"]));
            all.push(app);
        }
    }
    Ok(all)
}

fn flatten(node: Node<'_>, prefix: &str, out: &mut Vec<(String, String)>) {
    match node.kind() {
        Kind::Object => {
            for (key, member) in node.members() {
                let name = if prefix.is_empty() {
                    key.to_owned()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(member, &name, out);
            }
        }
        _ => out.push((
            prefix.to_owned(),
            node.as_str().map_or_else(|| node.to_json(), str::to_owned),
        )),
    }
}

/// A template with every `{{name}}` (or `{{ .name }}`) filled in.
fn filled(node: Node<'_>, parameters: &[(String, String)]) -> Result<Value, String> {
    Ok(match node.kind() {
        Kind::Object => {
            let members = node
                .members()
                .map(|(key, member)| Ok((fill(key, parameters)?, filled(member, parameters)?)));
            members
                .collect::<Result<Vec<_>, String>>()?
                .into_iter()
                .collect::<Map>()
                .into()
        }
        Kind::Array => {
            let items = node
                .items()
                .map(|item| filled(item, parameters))
                .collect::<Result<Vec<_>, String>>()?;
            items.into()
        }
        Kind::String => fill(node.as_str().unwrap_or_default(), parameters)?.into(),
        _ => node.to_value(),
    })
}

fn fill(text: &str, parameters: &[(String, String)]) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, tail) = after
            .split_once("}}")
            .ok_or_else(|| format!("{text:?}: `{{{{` without `}}}}`"))?;
        let name = name.trim().trim_start_matches('.');
        let value = parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str());
        out.push_str(before);
        out.push_str(value.ok_or_else(|| format!("{text:?}: the element has no {name:?}"))?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

impl Deliver {
    /// Makes the Applications of a set, and deletes those that it no longer generates.
    pub(crate) async fn generate(&self, key: &AppKey) {
        let Some(doc) = self.application_set(key) else { return };
        let root = doc.root();
        if root.at(&["metadata", "deletionTimestamp"]).is_some() {
            return;
        }
        let apps = match generated(root) {
            Ok(apps) => apps,
            Err(why) => return self.event(root, EventType::Warning, "ApplicationSetError", &why),
        };
        let uid = root.str_at(&["metadata", "uid"]).unwrap_or_default();
        let mut owner = Value::object();
        owner.set(&["apiVersion"], root.str_at(&["apiVersion"]));
        owner.set(&["kind"], root.str_at(&["kind"]));
        owner.set(&["name"], key.name.as_str());
        owner.set(&["uid"], uid);
        owner.set(&["controller"], true);
        owner.set(&["blockOwnerDeletion"], true);
        let options = WriteOptions::by(MANAGER, None).forced();
        let mut wanted = Vec::new();
        for mut app in apps {
            app.set(&["metadata", "ownerReferences"], Value::from(vec![owner.clone()]));
            wanted.push(app.node().str_at(&["metadata", "name"]).unwrap_or_default().to_owned());
            if let Err(status) = self.cluster.apply(app, options.clone()).await {
                self.event(root, EventType::Warning, "ApplicationSetError", &status.to_string());
            }
        }
        let mut surplus = Vec::new();
        self.each_application(|app| {
            let owners = app.doc.root().at(&["metadata", "ownerReferences"]);
            let ours = owners.is_some_and(|owners| owners.items().any(|owner| owner.str_at(&["uid"]) == Some(uid)));
            if ours && !wanted.contains(&app.key.name) && !app.is_deleting() {
                surplus.push(app.key);
            }
        });
        for app in surplus {
            let delete = DeleteOptions {
                propagation: Propagation::Foreground,
                ..DeleteOptions::default()
            };
            let gvk = names::application();
            if let Err(status) = self
                .cluster
                .delete(&gvk, &app.namespace, &app.name, delete, options.clone())
                .await
            {
                self.event(root, EventType::Warning, "ApplicationSetError", &status.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_fills_the_template() {
        let set = |generators: &str, name: &str| {
            let text = format!(
                "metadata: {{namespace: argocd}}\nspec:\n  generators: [{generators}]\n  template: {{metadata: {{name: \
                 '{name}'}}, spec: {{source: {{path: 'env/{{{{ .env.name }}}}'}}}}}}"
            );
            generated(ridgeway_doc::parse_yaml(&text).unwrap()[0].root())
        };
        let apps = set(
            "{list: {elements: [{env: {name: dev}, num: 1}, {env: {name: prod}, num: 2}]}}",
            "shop-{{num}}",
        )
        .unwrap();
        let seen: Vec<_> = apps
            .iter()
            .map(|app| {
                (
                    app.node().str_at(&["metadata", "name"]),
                    app.node().str_at(&["spec", "source", "path"]),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [(Some("shop-1"), Some("env/dev")), (Some("shop-2"), Some("env/prod"))]
        );
        assert!(
            set("{list: {elements: [{a: 1}]}}", "x")
                .unwrap_err()
                .contains("env.name")
        );
        assert!(
            set("{clusters: {}}", "x")
                .unwrap_err()
                .contains("\"clusters\" is not supported yet")
        );
    }
}
