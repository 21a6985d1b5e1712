#![allow(clippy::unwrap_used)]
use std::path::{Path, PathBuf};
use ridgeway_doc::{Doc, Node, Value, parse_yaml};
use ridgeway_krm::{Gvk, KindTable};

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for e in std::fs::read_dir(dir).unwrap() {
        let p = e.unwrap().path();
        if p.is_dir() { walk(&p, out) } else if matches!(p.extension().and_then(|e| e.to_str()), Some("yaml" | "yml" | "json")) { out.push(p) }
    }
}
fn docs(p: &Path) -> Vec<Doc> {
    let Ok(text) = std::fs::read_to_string(p) else { return vec![] };
    parse_yaml(&text).unwrap_or_default()
}
fn files(root: &str) -> Vec<PathBuf> { let mut v = vec![]; walk(Path::new(root), &mut v); v.sort(); v }

#[test]
fn defaults_match_live() {
    let kinds = KindTable::builtin();
    let (mut n, mut same) = (0, 0);
    for root in ["/work/shared/corpora/gitops-engine", "/work/shared/corpora/argo-cd-health", "/work/shared/corpora/kubescape-rules", "/work/shared/corpora/kyverno-policies"] {
        for f in files(root) {
            for d in docs(&f) {
                let objs: Vec<Node<'_>> = match d.root().get("items") { Some(i) => i.items().collect(), None => vec![d.root()] };
                for o in objs {
                    let Some(gvk) = Gvk::of(o) else { continue };
                    let Some(kind) = kinds.get(&gvk) else { continue };
                    let Some(last) = o.str_at(&["metadata","annotations","kubectl.kubernetes.io/last-applied-configuration"]) else { continue };
                    let Ok(last) = Doc::parse_json(last.as_bytes()) else { continue };
                    if Gvk::of(last.root()) != Some(gvk.clone()) { continue }
                    let mut v = last.root().to_value();
                    ridgeway_schema::default(kind.schema().unwrap(), &mut v);
                    let mut live = o.to_value();
                    ridgeway_schema::default(kind.schema().unwrap(), &mut live);
                    n += 1;
                    // live must be already fully defaulted
                    let mut diffs = vec![];
                    for (k, m) in o.members().filter(|(k,_)| !matches!(*k, "metadata"|"status")) {
                        let ours = v.node().get(k).map(Node::to_value).unwrap_or_default();
                        if ours.node() != m { diffs.push(ridgeway_apply::json_diff(ours.node(), m)); }
                    }
                    if diffs.is_empty() { same += 1 } else { println!("{} {}:", f.display(), gvk); for d in diffs { println!("   {}", d.to_json()); } }
                }
            }
        }
    }
    println!("defaults: {same} of {n} the same");
}

#[test]
fn managed_fields_round_trip() {
    let kinds = KindTable::builtin();
    let (mut n, mut noop) = (0, 0);
    for root in ["/work/shared/corpora"] {
        for f in files(root) {
            for d in docs(&f) {
                let o = d.root();
                let Some(list) = o.at(&["metadata","managedFields"]) else { continue };
                let Some(gvk) = Gvk::of(o) else { continue };
                if !list.is_array() || list.is_empty() { continue }
                n += 1;
                let kind = kinds.get(&gvk);
                let schema = kind.as_ref().and_then(|k| k.schema());
                // touching the object forces re-encoding of every entry that changes
                let mut new = o.to_value();
                new.set(&["metadata","labels","zz"], "1");
                let booked = ridgeway_apply::update(Some(o), new.node(), schema, "zz", "", "2030-01-01T00:00:00Z").unwrap();
                let mut undone = booked.clone();
                undone.remove(&["metadata","labels","zz"]);
                if o.at(&["metadata","labels"]).is_none() { undone.remove(&["metadata","labels"]); }
                let back = ridgeway_apply::update(Some(booked.node()), undone.node(), schema, "zz", "", "2030-01-01T00:00:01Z").unwrap();
                let sort = |n: Node<'_>| { let mut v: Vec<String> = n.at(&["metadata","managedFields"]).unwrap().items().map(|i| { let mut i = i.to_value(); i.make_object().sort_keys(); i.to_json() }).collect(); v.sort(); v };
                if sort(back.node()) == sort(o) { noop += 1 } else { println!("{}: {:?}\n   {:?}", f.display(), sort(back.node()), sort(o)); }
            }
        }
    }
    println!("managedFields: {noop} of {n} the same");
}

#[test]
fn predicted_live() {
    let kinds = KindTable::builtin();
    let base = "/work/shared/corpora/gitops-engine/diff/testdata/";
    for (live, config, want) in [
        ("ssd-configmap-live.yaml","ssd-configmap-config.yaml","ssd-configmap-predicted-live.json"),
        ("ssd-deploy-composite-key-live.yaml","ssd-deploy-composite-key-config.yaml","ssd-deploy-composite-key-predicted-live.json"),
        ("ssd-deploy-nested-live.yaml","ssd-deploy-nested-config.yaml","ssd-deploy-nested-predicted-live.json"),
        ("ssd-deploy-with-manual-apply-live.yaml","ssd-deploy-with-manual-apply-config.yaml","ssd-deploy-with-manual-apply-predicted-live.json"),
        ("ssd-service-live.yaml","ssd-service-config.yaml","ssd-service-predicted-live.json"),
        ("ssd-svc-label-live.yaml","ssd-svc-no-label-config.yaml","ssd-svc-no-label-predicted-live.json"),
        ("smd-deploy2-live.yaml","smd-deploy2-config.yaml","smd-deploy2-predicted-live.json"),
    ] {
        let read = |n: &str| docs(Path::new(&format!("{base}{n}"))).remove(0);
        let (live, config, want) = (read(live), read(config), read(want));
        let kind = kinds.get(&Gvk::of(live.root()).unwrap()).unwrap();
        let manager = live.root().at(&["metadata","managedFields"]).map(|l| l.items().filter(|e| e.str_at(&["operation"]) == Some("Apply")).map(|e| e.str_at(&["manager"]).unwrap().to_owned()).collect::<Vec<_>>()).unwrap_or_default();
        let m = if manager.iter().any(|m| m == "argocd-controller") { "argocd-controller" } else { manager.first().map_or("argocd-controller", |m| m) };
        let got = ridgeway_apply::apply(Some(live.root()), config.root(), kind.schema(), m, true, "", "2030-01-01T00:00:00Z").unwrap();
        let mut obj = got.object.clone();
        ridgeway_schema::default(kind.schema().unwrap(), &mut obj);
        println!("{want:.0?}{m} changed={}", got.changed);
        for part in ["spec", "data"] {
            let (a, b) = (obj.node().get(part).map(Node::to_value).unwrap_or_default(), want.root().get(part).map(Node::to_value).unwrap_or_default());
            println!("  {part} {}", ridgeway_apply::json_diff(a.node(), b.node()));
        }
        let e: Value = obj.node().get("metadata").map(Node::to_value).unwrap_or_default();
        println!("  meta {}", ridgeway_apply::json_diff(e.node(), want.root().get("metadata").unwrap()));
    }
}

#[test]
fn valid_pods_are_valid() {
    let kinds = KindTable::builtin();
    let (mut n, mut bad) = (0, 0);
    for f in files("/work/shared/corpora/pod-security-standards") {
        for d in docs(&f) {
            let Some(gvk) = Gvk::of(d.root()) else { continue };
            let Some(kind) = kinds.get(&gvk) else { continue };
            n += 1;
            let mut v = d.root().to_value();
            let schema = kind.schema().unwrap();
            let mut all: Vec<String> = ridgeway_schema::unknown_fields(schema, v.node());
            ridgeway_schema::default(schema, &mut v);
            all.extend(ridgeway_schema::validate(schema, v.node(), None).iter().map(|v| v.to_string()));
            all.extend(ridgeway_schema::validate_builtin(&gvk, v.node(), None).iter().map(|v| v.to_string()));
            if !all.is_empty() { bad += 1; if bad < 30 { println!("{} {all:?}", f.display()); } }
        }
    }
    println!("pods: {bad} of {n} refused");
}

#[test]
fn charts_are_valid() {
    let kinds = KindTable::builtin();
    let (mut n, mut bad) = (0, 0);
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for root in ["/work/shared/corpora/helm-goldens", "/work/shared/corpora/kustomize-goldens", "/work/shared/corpora/kyverno-policies"] {
    for f in files(root) {
        for d in docs(&f) {
            let Some(gvk) = Gvk::of(d.root()) else { continue };
            let Some(kind) = kinds.get(&gvk) else { continue };
            n += 1;
            let mut v = d.root().to_value();
            let schema = kind.schema().unwrap();
            let mut all: Vec<String> = ridgeway_schema::unknown_fields(schema, v.node());
            ridgeway_schema::default(schema, &mut v);
            all.extend(ridgeway_schema::validate(schema, v.node(), None).iter().map(|v| v.to_string()));
            all.extend(ridgeway_schema::validate_builtin(&gvk, v.node(), None).iter().map(|v| v.to_string()));
            if !all.is_empty() { bad += 1; for a in all { *seen.entry(format!("{} {a}", gvk.kind)).or_default() += 1; if seen.len() < 0 { println!("{}", f.display()); } } }
        }
    }}
    for (k, c) in seen { println!("{c:5} {k}"); }
    println!("charts: {bad} of {n} refused");
}
