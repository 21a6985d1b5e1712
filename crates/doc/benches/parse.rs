//! Parsing and printing a 6 KB Pod, beside `serde_json`.

use ridgeway_doc::{parse_json, parse_yaml};

/// A Pod as admission sees it: containers with probes, mounts and environment, managed fields left out.
fn pod() -> String {
    let container = |i: usize| {
        let env: Vec<String> = (0..8)
            .map(|n| format!(r#"{{"name":"SETTING_{n}","value":"some value of setting {n}"}}"#))
            .collect();
        format!(
            r#"{{"name":"container-{i}","image":"registry.example.com/team/app-{i}:1.2.{i}","imagePullPolicy":"IfNotPresent","ports":[{{"containerPort":80{i}0,"name":"http-{i}","protocol":"TCP"}}],"env":[{}],"resources":{{"limits":{{"cpu":"500m","memory":"256Mi"}},"requests":{{"cpu":"100m","memory":"128Mi"}}}},"livenessProbe":{{"httpGet":{{"path":"/healthz","port":80{i}0,"scheme":"HTTP"}},"initialDelaySeconds":5,"periodSeconds":10,"timeoutSeconds":1,"failureThreshold":3}},"securityContext":{{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"runAsNonRoot":true,"capabilities":{{"drop":["ALL"]}}}},"volumeMounts":[{{"name":"data","mountPath":"/var/lib/data"}},{{"name":"token","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","readOnly":true}}],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}}"#,
            env.join(",")
        )
    };
    let containers: Vec<String> = (0..4).map(container).collect();
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"web-5d9c7b8f6d-x2x4z","namespace":"checkout","labels":{{"app":"web","pod-template-hash":"5d9c7b8f6d","tier":"frontend"}},"annotations":{{"example.com/owner":"team-checkout"}}}},"spec":{{"serviceAccountName":"web","restartPolicy":"Always","dnsPolicy":"ClusterFirst","terminationGracePeriodSeconds":30,"containers":[{}],"volumes":[{{"name":"data","emptyDir":{{}}}},{{"name":"token","projected":{{"sources":[{{"serviceAccountToken":{{"path":"token","expirationSeconds":3607}}}}]}}}}],"tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}]}}}}"#,
        containers.join(",")
    )
}

#[divan::bench]
fn json_doc(bencher: divan::Bencher<'_, '_>) {
    let text = pod();
    bencher
        .counter(divan::counter::BytesCount::of_str(&text))
        .bench(|| parse_json(divan::black_box(text.as_bytes())).expect("the Pod is JSON"));
}

#[divan::bench]
fn json_serde_value(bencher: divan::Bencher<'_, '_>) {
    let text = pod();
    bencher
        .counter(divan::counter::BytesCount::of_str(&text))
        .bench(|| serde_json::from_str::<serde_json::Value>(divan::black_box(&text)).expect("the Pod is JSON"));
}

#[divan::bench]
fn yaml_doc(bencher: divan::Bencher<'_, '_>) {
    let text = parse_json(pod().as_bytes()).expect("the Pod is JSON").root().to_yaml();
    bencher
        .counter(divan::counter::BytesCount::of_str(&text))
        .bench(|| parse_yaml(divan::black_box(&text)).expect("the Pod is YAML"));
}

#[divan::bench]
fn yaml_print(bencher: divan::Bencher<'_, '_>) {
    let doc = parse_json(pod().as_bytes()).expect("the Pod is JSON");
    bencher.bench(|| divan::black_box(&doc).root().to_yaml());
}

fn main() {
    divan::main()
}
