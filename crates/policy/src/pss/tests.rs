//! Messages and versions.

use super::*;
use ridgeway_doc::parse_yaml;

fn judge(standard: &str, pod: &str) -> String {
    let (level, version) = standard.split_once(':').unwrap();
    let docs = parse_yaml(pod).unwrap();
    let object = docs[0].root();
    let kind = object.str_at(&["kind"]).unwrap_or("Pod");
    details(&evaluate(Standard::parse(level, version).unwrap(), kind, object).unwrap())
}

#[test]
fn messages_are_those_of_kubernetes() {
    let bare = "spec: {containers: [{name: app, image: nginx}]}";
    assert_eq!(judge("baseline:latest", bare), "");
    assert_eq!(
        judge("restricted:latest", bare),
        "allowPrivilegeEscalation != false (container \"app\" must set securityContext.allowPrivilegeEscalation=false), \
         unrestricted capabilities (container \"app\" must set securityContext.capabilities.drop=[\"ALL\"]), \
         runAsNonRoot != true (pod or container \"app\" must set securityContext.runAsNonRoot=true), \
         seccompProfile (pod or container \"app\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
    );
    for (pod, want) in [
        (
            "spec: {hostNetwork: true, hostPID: true, containers: [{name: a}]}",
            "host namespaces (hostNetwork=true, hostPID=true)",
        ),
        (
            "spec: {containers: [{name: a, securityContext: {privileged: true}}, {name: b, securityContext: {privileged: true}}]}",
            "privileged (containers \"a\", \"b\" must not set securityContext.privileged=true)",
        ),
        (
            "spec: {volumes: [{name: v, hostPath: {path: /}}], containers: [{name: a}]}",
            "hostPath volumes (volume \"v\")",
        ),
        (
            "spec: {containers: [{name: a, ports: [{hostPort: 80}, {hostPort: 443}]}]}",
            "hostPort (container \"a\" uses hostPorts 443, 80)",
        ),
        (
            "spec: {containers: [{name: a, securityContext: {capabilities: {add: [SYS_ADMIN, CHOWN]}}}]}",
            "non-default capabilities (container \"a\" must not include \"SYS_ADMIN\" in securityContext.capabilities.add)",
        ),
        (
            "spec: {securityContext: {seLinuxOptions: {type: x, user: u}}, containers: [{name: a}]}",
            "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"x\"; user may not be set)",
        ),
        (
            "spec: {securityContext: {sysctls: [{name: kernel.msgmax}]}, containers: [{name: a}]}",
            "forbidden sysctls (kernel.msgmax)",
        ),
    ] {
        assert_eq!(judge("baseline:latest", pod), want, "{pod}");
    }
}

#[test]
fn controls_follow_their_versions() {
    let sysctl = "spec: {securityContext: {sysctls: [{name: net.ipv4.ip_local_reserved_ports}]}, containers: []}";
    assert_eq!(
        judge("baseline:v1.26", sysctl),
        "forbidden sysctls (net.ipv4.ip_local_reserved_ports)"
    );
    assert_eq!(judge("baseline:v1.27", sysctl), "");
    let windows = "spec: {os: {name: windows}, securityContext: {runAsNonRoot: true}, containers: [{name: a}]}";
    assert!(judge("restricted:v1.24", windows).starts_with("allowPrivilegeEscalation"));
    assert_eq!(judge("restricted:v1.25", windows), "");
}

#[test]
fn templates_are_judged_in_place() {
    let docs = parse_yaml("{kind: CronJob, spec: {jobTemplate: {spec: {template: {spec: {hostIPC: true}}}}}}").unwrap();
    let standard = Standard::parse("baseline", "").unwrap();
    let found = evaluate(standard, "CronJob", docs[0].root()).unwrap();
    assert_eq!(found[0].fields[0].path(), "spec.jobTemplate.spec.template.spec.hostIPC");
    assert_eq!(found[0].fields[0].fix(), &Fix::Set(false.into()));
    assert!(evaluate(standard, "ConfigMap", docs[0].root()).is_none());
    assert!(Standard::parse("strict", "").is_err());
}
