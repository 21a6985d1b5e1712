//! Tables of built-in kinds: the cells that clients print.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use jiff::Timestamp;
use ridgeway_doc::{Doc, Value};
use ridgeway_krm::KindTable;

fn check(kind: &str, object: &str, want: &str) {
    let kind = KindTable::builtin().resolve(kind).unwrap();
    let object = Doc::parse_json(object.as_bytes()).unwrap();
    let now: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
    let cells = kind.cells(object.root(), now).into_iter().collect::<Value>().to_json();
    assert_eq!(cells, want, "{}", kind.gvk);
}

const META: &str = r#""metadata":{"name":"x","creationTimestamp":"2026-01-01T00:00:00Z"}"#;

#[test]
fn pods_in_every_state() {
    let pod = |spec: &str, status: &str| format!(r#"{{{META},"spec":{spec},"status":{status}}}"#);
    let one = r#"{"containers":[{"name":"a"}]}"#;
    let tail = r#""60m","<none>","<none>","<none>","<none>"]"#;
    for (spec, status, want) in [
        (one, r#"{"phase":"Pending"}"#, r#""0/1","Pending","0","#),
        (
            r#"{"containers":[{"name":"a"},{"name":"b"}]}"#,
            r#"{"phase":"Running","containerStatuses":[
                {"name":"a","ready":true,"restartCount":1,"state":{"running":{}}},
                {"name":"b","ready":false,"restartCount":2,"state":{"running":{}},
                 "lastState":{"terminated":{"finishedAt":"2026-01-01T00:58:00Z"}}}]}"#,
            r#""1/2","Running","3 (2m ago)","#,
        ),
        (
            one,
            r#"{"phase":"Running","containerStatuses":[{"name":"a","ready":false,"restartCount":4,
                "state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}"#,
            r#""0/1","CrashLoopBackOff","4","#,
        ),
        (
            one,
            r#"{"phase":"Failed","containerStatuses":[{"name":"a","restartCount":0,
                "state":{"terminated":{"exitCode":3}}}]}"#,
            r#""0/1","ExitCode:3","0","#,
        ),
        (
            one,
            r#"{"phase":"Succeeded","containerStatuses":[{"name":"a","restartCount":0,
                "state":{"terminated":{"exitCode":0,"reason":"Completed"}}}]}"#,
            r#""0/1","Completed","0","#,
        ),
        (
            r#"{"containers":[{"name":"a"}],"initContainers":[{"name":"i"},{"name":"j"}]}"#,
            r#"{"phase":"Pending","initContainerStatuses":[
                {"name":"i","restartCount":0,"state":{"terminated":{"exitCode":0}}},
                {"name":"j","restartCount":0,"state":{"running":{}}}]}"#,
            r#""0/1","Init:1/2","0","#,
        ),
        (
            one,
            r#"{"phase":"Failed","reason":"Evicted"}"#,
            r#""0/1","Evicted","0","#,
        ),
    ] {
        check("pods", &pod(spec, status), &format!(r#"["x",{want}{tail}"#));
    }
    let gone = format!(
        r#"{{"metadata":{{"name":"x","deletionTimestamp":"2026-01-01T00:00:00Z"}},"spec":{one},"status":{{"phase":"Running"}}}}"#
    );
    check(
        "pods",
        &gone,
        r#"["x","0/1","Terminating","0","<unknown>","<none>","<none>","<none>","<none>"]"#,
    );
}

#[test]
fn workloads_and_the_rest() {
    let template = r#""template":{"spec":{"containers":[{"name":"a","image":"i:1"},{"name":"b","image":"i:2"}]}}"#;
    let selector = r#""selector":{"matchLabels":{"app":"x"}}"#;
    for (kind, fields, want) in [
        (
            "deployments",
            format!(r#""spec":{{"replicas":3,{selector},{template}}},"status":{{"readyReplicas":2,"updatedReplicas":3}}"#),
            r#"["x","2/3",3,0,"60m","a,b","i:1,i:2","app=x"]"#,
        ),
        (
            "replicasets",
            format!(r#""spec":{{"replicas":3,{selector},{template}}},"status":{{"replicas":3}}"#),
            r#"["x",3,3,0,"60m","a,b","i:1,i:2","app=x"]"#,
        ),
        ("statefulsets", format!(r#""spec":{{"replicas":1,{template}}}"#), r#"["x","0/1","60m","a,b","i:1,i:2"]"#),
        (
            "jobs",
            format!(r#""spec":{{"completions":2,{template}}},"status":{{"succeeded":1,"startTime":"2026-01-01T00:59:50Z"}}"#),
            r#"["x","Running","1/2","10s","60m","a,b","i:1,i:2","<none>"]"#,
        ),
        (
            "services",
            r#""spec":{"type":"ClusterIP","clusterIP":"10.96.0.1","ports":[{"port":80},{"port":53,"protocol":"UDP","nodePort":3}]}"#.into(),
            r#"["x","ClusterIP","10.96.0.1","<none>","80/TCP,53:3/UDP","60m","<none>"]"#,
        ),
        (
            "nodes",
            r#""spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}],"nodeInfo":{"kubeletVersion":"v1"},
               "addresses":[{"type":"InternalIP","address":"10.0.0.1"}]}"#.into(),
            r#"["x","Ready,SchedulingDisabled","<none>","60m","v1","10.0.0.1","<none>","<unknown>","<unknown>","<unknown>"]"#,
        ),
        ("configmaps", r#""data":{"a":"1"},"binaryData":{"b":""}"#.into(), r#"["x",2,"60m"]"#),
        ("secrets", r#""type":"Opaque""#.into(), r#"["x","Opaque",0,"60m"]"#),
        ("namespaces", r#""status":{"phase":"Active"}"#.into(), r#"["x","Active","60m"]"#),
        ("networkpolicies", r#""spec":{"podSelector":{}}"#.into(), r#"["x","<none>","60m"]"#),
        ("roles", r#""rules":[]"#.into(), r#"["x","2026-01-01T00:00:00Z"]"#),
        (
            "rolebindings",
            r#""roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"User","name":"u"},{"kind":"User","name":"v"},
               {"kind":"ServiceAccount","name":"s","namespace":"n"}]"#.into(),
            r#"["x","Role/r","60m","u, v","","n/s"]"#,
        ),
        ("serviceaccounts", r#""kind":"ServiceAccount""#.into(), r#"["x",0,"60m"]"#),
        (
            "ingresses",
            r#""spec":{"rules":[{"host":"a.io"}],"tls":[{}]}"#.into(),
            r#"["x","<none>","a.io",null,"80, 443","60m"]"#,
        ),
        (
            "persistentvolumeclaims",
            r#""kind":"PersistentVolumeClaim","spec":{"volumeName":"v"},"status":{"phase":"Bound","capacity":{"storage":"1Gi"},
               "accessModes":["ReadWriteOnce"]}"#.into(),
            r#"["x","Bound","v","1Gi","RWO",null,"<unset>","60m","<unset>"]"#,
        ),
        (
            "resourcequotas",
            r#""spec":{"hard":{"pods":"10","limits.cpu":"2"}},"status":{"used":{"pods":"1"}}"#.into(),
            r#"["x","pods: 1/10","limits.cpu: 0/2","60m"]"#,
        ),
        ("cronjobs", format!(r#""spec":{{"schedule":"* * * * *","suspend":false,"jobTemplate":{{"spec":{{{template}}}}}}}"#),
            r#"["x","* * * * *","<none>","False",0,"<none>","60m","a,b","i:1,i:2","<none>"]"#),
        ("priorityclasses", r#""value":7,"preemptionPolicy":"Never""#.into(), r#"["x",7,false,"60m","Never"]"#),
    ] {
        let empty_address = want.replace("null", "\"\"");
        let want = if kind == "ingresses" { &empty_address } else { want };
        check(kind, &format!("{{{META},{fields}}}"), want);
    }
    check(
        "events",
        r#"{"metadata":{"name":"e"},"type":"Normal","reason":"Started","message":"ok\n","count":3,
            "lastTimestamp":"2026-01-01T00:59:00Z","firstTimestamp":"2026-01-01T00:50:00Z",
            "involvedObject":{"kind":"Pod","name":"p"},"source":{"component":"kubelet","host":"n"}}"#,
        r#"["60s","Normal","Started","pod/p",null,"kubelet, n","ok","10m",3,"e"]"#,
    );
}
