//! The golden path that ships with the product: what it makes, and what it says when something is wrong.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use ridgeway_catalog::{Effect, EntityRef, Plan, Requester, Template, TemplateError, TemplateFile};
use ridgeway_doc::{Doc, Node, parse_json, parse_yaml};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/templates/golden-service")
}

fn files(folder: &Path, below: &Path, out: &mut Vec<TemplateFile>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(folder, &path, out);
        } else {
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            out.push(TemplateFile {
                path: name,
                content: fs::read(&path).unwrap(),
                executable: false,
            });
        }
    }
}

fn template() -> Template {
    Template::parse(
        "template.yaml",
        &fs::read_to_string(folder().join("template.yaml")).unwrap(),
    )
    .unwrap()
}

fn plan_with(parameters: &str, change: impl Fn(&mut TemplateFile)) -> Result<Plan, Vec<TemplateError>> {
    let mut skeleton = Vec::new();
    files(&folder(), &folder(), &mut skeleton);
    skeleton.iter_mut().for_each(change);
    let requester = Requester {
        reference: EntityRef::new("user", "default", "carla"),
        name: "carla".into(),
    };
    template().plan(parse_json(parameters.as_bytes()).unwrap().root(), &skeleton, &requester)
}

fn plan(parameters: &str) -> Plan {
    plan_with(parameters, |_| {}).unwrap()
}

fn objects(plan: &Plan) -> Vec<Doc> {
    let yaml = plan
        .files
        .iter()
        .filter(|f| f.path.starts_with("deploy/") && !f.path.ends_with("kustomization.yaml"));
    yaml.flat_map(|f| parse_yaml(std::str::from_utf8(&f.content).unwrap()).unwrap())
        .collect()
}

fn of_kind<'a>(objects: &'a [Doc], kind: &str) -> Vec<Node<'a>> {
    objects
        .iter()
        .map(Doc::root)
        .filter(|o| o.str_at(&["kind"]) == Some(kind))
        .collect()
}

const ORDERS: &str = r#"{"name":"order-history","owner":"group:default/team-orders","callers":["web","api-gateway"]}"#;

#[test]
fn it_makes_a_repository_an_entity_and_an_application() {
    let plan = plan(ORDERS);
    let repository = plan.repository.as_ref().unwrap();
    assert_eq!(
        (repository.name.as_str(), repository.default_branch.as_str()),
        ("order-history", "main")
    );
    assert_eq!(plan.entities, [EntityRef::new("component", "default", "order-history")]);
    let application = plan.objects[0].node();
    assert_eq!(application.str_at(&["metadata", "name"]), Some("order-history-staging"));
    assert_eq!(application.str_at(&["metadata", "labels", "team"]), Some("team-orders"));
    assert_eq!(
        application.str_at(&["spec", "source", "repoURL"]),
        Some("order-history")
    );
    assert_eq!(
        application.str_at(&["spec", "destination", "namespace"]),
        Some("order-history-staging")
    );
    assert_eq!(plan.links[0].1, "/applications/order-history-staging");
    let effects: Vec<&Effect> = plan.steps.iter().map(|step| &step.effect).collect();
    assert!(
        matches!(
            effects[..],
            [
                Effect::Files(12),
                Effect::CreateRepository,
                Effect::Register(_),
                Effect::Apply(0)
            ]
        ),
        "{effects:?}"
    );
    assert!(plan.files.iter().all(|f| !f.content.windows(3).any(|w| w == b"${{")));
}

#[test]
fn the_workload_is_restricted_bounded_and_labelled() {
    let made = objects(&plan(ORDERS));
    let deployment = of_kind(&made, "Deployment")[0];
    for label in ["team", "app"] {
        assert!(
            deployment
                .str_at(&["metadata", "labels", label])
                .is_some_and(|value| !value.is_empty()),
            "{label}"
        );
    }
    let pod = deployment.at(&["spec", "template", "spec"]).unwrap();
    assert_eq!(
        pod.str_at(&["securityContext", "seccompProfile", "type"]),
        Some("RuntimeDefault")
    );
    for volume in pod.get("volumes").unwrap().items() {
        assert!(volume.get("hostPath").is_none());
    }
    for container in pod.get("containers").unwrap().items() {
        let context = container.get("securityContext").unwrap();
        assert_eq!(context.get("runAsNonRoot").and_then(Node::as_bool), Some(true));
        assert_eq!(
            context.get("allowPrivilegeEscalation").and_then(Node::as_bool),
            Some(false)
        );
        let dropped = context.at(&["capabilities", "drop"]).unwrap();
        assert_eq!(dropped.to_json(), r#"["ALL"]"#);
        for (kind, resource) in [
            ("limits", "cpu"),
            ("limits", "memory"),
            ("requests", "cpu"),
            ("requests", "memory"),
        ] {
            assert!(
                container.str_at(&["resources", kind, resource]).is_some(),
                "{kind} {resource}"
            );
        }
    }
    let namespace = of_kind(&made, "Namespace")[0];
    let enforced = namespace.str_at(&["metadata", "labels", "pod-security.kubernetes.io/enforce"]);
    assert_eq!(enforced, Some("restricted"));
}

#[test]
fn only_named_callers_reach_it() {
    let made = objects(&plan(ORDERS));
    let policies = of_kind(&made, "NetworkPolicy");
    assert_eq!(policies[0].at(&["spec", "podSelector"]).map(Node::len), Some(0));
    let from = policies[1]
        .at(&["spec", "ingress"])
        .and_then(|rules| rules.item(0)?.get("from"))
        .unwrap();
    let named: Vec<&str> = from
        .items()
        .filter_map(|f| f.str_at(&["namespaceSelector", "matchLabels", "kubernetes.io/metadata.name"]))
        .collect();
    assert_eq!(named, ["web", "api-gateway"]);
    let alone = objects(&plan(r#"{"name":"lonely","owner":"team-a"}"#));
    assert_eq!(
        of_kind(&alone, "NetworkPolicy")[1]
            .at(&["spec", "ingress"])
            .map(Node::len),
        Some(0)
    );
}

#[test]
fn parameters_are_judged_all_at_once() {
    let wrong = r#"{"name":"Order History","port":80,"callers":["ok","Not_ok"],"colour":"red"}"#;
    let told: Vec<String> = plan_with(wrong, |_| {})
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    let starts = [
        "name: `Order History` does not fit",
        "owner: Owner is missing; set the parameter `owner`",
        "port: must be at least 1024",
        "callers/1: `Not_ok`",
        "colour: this template has no such parameter",
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told} / {start}");
    }
}

#[test]
fn a_missing_variable_names_file_line_and_variable() {
    let broken = plan_with(ORDERS, |file| {
        if file.path == "skeleton/deploy/base/service.yaml" {
            file.content = String::from_utf8(file.content.clone())
                .unwrap()
                .replace("values.team", "values.tema")
                .into();
        }
    });
    let told: Vec<String> = broken.unwrap_err().iter().map(ToString::to_string).collect();
    let expected = "skeleton/deploy/base/service.yaml:7:15: `values.tema` is not defined; did you mean `values.team`?";
    assert_eq!(told, [expected]);
}

#[test]
fn an_entity_that_the_catalog_would_refuse_fails_the_plan() {
    let broken = plan_with(ORDERS, |file| {
        if file.path == "skeleton/catalog-info.yaml" {
            file.content = String::from_utf8(file.content.clone())
                .unwrap()
                .replace("golden-path", "Golden Path")
                .into();
        }
    });
    let told = broken.unwrap_err()[0].to_string();
    assert!(told.starts_with("template.yaml:"), "{told}");
    assert!(
        told.contains("step `register`: the new `catalog-info.yaml` is faulty at line 6: \"tags.0\" is not valid"),
        "{told}"
    );
}

#[test]
fn templates_that_cannot_work_are_refused_when_read() {
    let text = "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\nmetadata: {name: t}\nspec:\n  type: x\n  \
                parameters: {required: [a], properties: {b: {type: string, pattern: '('}}, allOf: []}\n  steps:\n    - action: rocket:launch\n";
    let told: Vec<String> = Template::parse("t.yaml", text)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[0].contains("t.yaml:6: `allOf` is not supported"), "{told:#?}");
    assert!(
        told[3].contains("t.yaml:8: step `step-1` uses the action `rocket:launch`"),
        "{told:#?}"
    );
}
