//! The checks of built-in kinds, as a table over whole objects.

use ridgeway_doc::Doc;

use super::*;

fn doc(text: &str) -> Doc {
    Doc::parse_json(text.as_bytes()).unwrap()
}

fn findings(new: &str, old: Option<&str>) -> Vec<String> {
    let (new, old) = (doc(new), old.map(doc));
    let gvk = Gvk::of(new.root()).unwrap();
    let kind = ridgeway_krm::KindTable::builtin().get(&gvk).unwrap();
    let old = old.as_ref().map(Doc::root);
    let mut found = crate::validate(kind.schema().unwrap(), new.root(), old);
    found.extend(validate_builtin(&gvk, new.root(), old));
    let places: std::collections::BTreeSet<_> = found.iter().map(|v| (&v.path, v.reason())).collect();
    assert_eq!(places.len(), found.len(), "said twice: {found:?}");
    found.iter().map(ToString::to_string).collect()
}

fn deployment(spec: &str) -> String {
    format!(r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web"}},"spec":{spec}}}"#)
}

const TEMPLATE: &str = r#""selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"nginx"}]}}"#;

#[test]
fn workloads() {
    assert_eq!(
        findings(&deployment(&format!("{{{TEMPLATE}}}")), None),
        Vec::<String>::new()
    );
    assert_eq!(
        findings(&deployment("{}"), None),
        ["spec.selector: Required value", "spec.template: Required value"]
    );
    assert_eq!(
        findings(
            &deployment(
                r#"{"replicas":-1,"selector":{"matchLabels":{"app":"other"}},"template":{"metadata":{"labels":{"app":"web"}},
                "spec":{"restartPolicy":"Never","containers":[{"name":"Web","image":""},{"name":"b"}]}},
                "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":0,"maxUnavailable":"0%"}}}"#
            ),
            None
        )
        .iter()
        .map(|f| f.split(" a lowercase").next().unwrap_or_default().to_owned())
        .collect::<Vec<_>>(),
        [
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            r#"spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`"#,
            r#"spec.template.spec.containers[0].name: Invalid value: "Web":"#,
            "spec.template.spec.containers[0].image: Required value",
            "spec.template.spec.containers[1].image: Required value",
            r#"spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#,
            r#"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0"#,
        ]
    );
    let other = TEMPLATE.replace("\"app\":\"web\"", "\"app\":\"api\"");
    assert_eq!(
        findings(
            &deployment(&format!("{{{other}}}")),
            Some(&deployment(&format!("{{{TEMPLATE}}}")))
        ),
        [r#"spec.selector: Invalid value: {"matchLabels":{"app":"api"}}: field is immutable"#]
    );
}

#[test]
fn pods() {
    let pod = |spec: &str| format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"spec":{spec}}}"#);
    for (spec, want) in [
        (r#"{"containers":[]}"#, vec!["spec.containers: Required value"]),
        (
            r#"{"containers":[{"name":"a","image":"x","volumeMounts":[{"name":"v","mountPath":"/v"},{"name":"w","mountPath":"/v"}],
                "ports":[{"containerPort":0},{"containerPort":80,"name":"not-a-good-port-name"}],
                "resources":{"limits":{"cpu":"1","memory":"1Gx"},"requests":{"cpu":"1500m"}}}],
                "volumes":[{"name":"v","emptyDir":{},"secret":{"secretName":"s"}}]}"#,
            vec![
                "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
                "spec.containers[0].ports[0].containerPort: Invalid value: 0: must be between 1 and 65535, inclusive",
                r#"spec.containers[0].ports[1].name: Invalid value: "not-a-good-port-name": must be no more than 15 characters"#,
                r#"spec.containers[0].volumeMounts[1].name: Not found: "w""#,
                r#"spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/v": must be unique"#,
                r#"spec.containers[0].resources.limits[memory]: Invalid value: "1Gx": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"#,
                r#"spec.containers[0].resources.requests: Invalid value: "1500m": must be less than or equal to cpu limit of 1"#,
            ],
        ),
        (
            r#"{"restartPolicy":"Sometimes","containers":[{"name":"a","image":"x","livenessProbe":{"successThreshold":2}},
                {"name":"a","image":" y","env":[{"name":"A=B"},{"name":"C","value":"1","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}]}]}"#,
            vec![
                r#"spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never""#,
                "spec.containers[0].livenessProbe: Required value: must specify a handler type",
                "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
                r#"spec.containers[1].image: Invalid value: " y": must not have leading or trailing whitespace"#,
                r#"spec.containers[1].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than '='"#,
                r#"spec.containers[1].env[1].valueFrom: Invalid value: "": may not be specified when `value` is not empty"#,
                r#"spec.containers[1].name: Duplicate value: "a""#,
            ],
        ),
    ] {
        assert_eq!(findings(&pod(spec), None), want, "{spec}");
    }
    let old = pod(r#"{"containers":[{"name":"a","image":"x:1"}]}"#);
    assert_eq!(
        findings(&pod(r#"{"containers":[{"name":"a","image":"x:2"}]}"#), Some(&old)),
        Vec::<String>::new()
    );
    let changed = findings(
        &pod(r#"{"containers":[{"name":"a","image":"x:1","command":["sh"]}]}"#),
        Some(&old),
    );
    assert!(
        changed[0].starts_with("spec: Forbidden: pod updates may not change fields"),
        "{changed:?}"
    );
}

#[test]
fn other_kinds() {
    for (object, want) in [
        (
            r#"{"apiVersion":"apps/v1","kind":"StatefulSet","spec":{"serviceName":"db","selector":{"matchLabels":{"a":"b"}},
            "template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"db","image":"db",
            "volumeMounts":[{"name":"data","mountPath":"/d"}]}]}},"volumeClaimTemplates":[{"metadata":{"name":"data"}}]}}"#,
            vec![],
        ),
        (
            r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"x"},"subjects":[{"kind":"ServiceAccount","name":"a"}]}"#,
            vec![],
        ),
        (
            r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","image":"x"}],"volumes":[{"name":"v","scaleIO":{"gateway":"g","system":"s","secretRef":null}}]}}"#,
            vec![],
        ),
        (
            r#"{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":80},{"port":70000,"name":"a"}]}}"#,
            vec![
                "spec.ports[0].name: Required value",
                "spec.ports[1].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ],
        ),
        (
            r#"{"apiVersion":"v1","kind":"Service","spec":{"clusterIP":"None"}}"#,
            vec![],
        ),
        (
            r#"{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":{"containers":[{"name":"a","image":"x"}]}}}}"#,
            vec![r#"spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never""#],
        ),
        (
            r#"{"apiVersion":"batch/v1","kind":"CronJob","spec":{"schedule":"* * *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"x"}]}}}}}}"#,
            vec![r#"spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: ["*", "*", "*"]"#],
        ),
        (
            r#"{"apiVersion":"v1","kind":"ConfigMap","data":{"a b":"1","ok.key":"2"},"binaryData":{"ok.key":""}}"#,
            vec![
                "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                "data[ok.key]: Invalid value: \"ok.key\": duplicate of key present in binaryData",
            ],
        ),
        (
            r#"{"apiVersion":"v1","kind":"Secret","type":"kubernetes.io/tls","data":{"tls.crt":""}}"#,
            vec!["data[tls.key]: Required value"],
        ),
        (
            r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","rules":[{"resources":["pods"]}]}"#,
            vec![
                "rules[0].verbs: Required value",
                "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
            ],
        ),
        (
            r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","roleRef":{"kind":"Role","name":"x"},"subjects":[{"kind":"ServiceAccount","name":"a"}]}"#,
            vec![
                r#"roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole""#,
                "subjects[0].namespace: Required value",
            ],
        ),
        (
            r#"{"apiVersion":"v1","kind":"PersistentVolumeClaim","spec":{"resources":{"requests":{"storage":"0"}}}}"#,
            vec![
                "spec.accessModes: Required value: at least 1 access mode is required",
                r#"spec.resources[storage]: Invalid value: "0": must be greater than zero"#,
            ],
        ),
        (
            r#"{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","spec":{"minReplicas":5,"maxReplicas":3,"scaleTargetRef":{"kind":"Deployment"}}}"#,
            vec![
                "spec.scaleTargetRef.name: Required value",
                "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`",
            ],
        ),
        (
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","spec":{"rules":[{"http":{"paths":[{"path":"x","pathType":"Prefix","backend":{"service":{"name":"s"}}}]}}]}}"#,
            vec![
                r#"spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path"#,
                "spec.rules[0].http.paths[0].backend.service: Required value: port name or number is required",
            ],
        ),
        (
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","spec":{"podSelector":{"matchExpressions":[{"key":"a","operator":"In"}]},"ingress":[{"from":[{}]}]}}"#,
            vec![
                "spec.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
                "spec.ingress[0].from[0]: Required value: must specify a peer",
            ],
        ),
        (r#"{"apiVersion":"v1","kind":"Node","spec":{}}"#, vec![]),
    ] {
        assert_eq!(findings(object, None), want, "{object}");
    }
}
