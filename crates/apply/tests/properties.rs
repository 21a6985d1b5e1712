//! Laws that hold for every object: what goes out of a diff comes back through its patch, and apply is idempotent,
//! polite and forgetful.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use ridgeway_apply::{apply, json_diff, json_patch, merge_diff, merge_patch, three_way, update};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::SchemaSet;

const SCHEMA: &str = r#"{"type":"object","properties":{"spec":{"type":"object","properties":{
    "a":{"type":"integer"},"b":{"type":"integer"},
    "part":{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}},
    "map":{"type":"object","additionalProperties":{"type":"integer"}},
    "set":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}},
    "atomic":{"type":"array","items":{"type":"integer"}},
    "list":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object",
        "properties":{"k":{"type":"string"},"a":{"type":"integer"},"b":{"type":"integer"}}}}}}}}"#;

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        "[a-c~/\"é]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-c/~]{0,2}", inner, 0..4)
                .prop_map(|m| Value::from(m.into_iter().collect::<ridgeway_doc::Map>())),
        ]
    })
}

fn maybe(
    name: &'static str,
    value: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Option<(&'static str, Value)>> {
    proptest::option::of(value.prop_map(move |v| (name, v))).boxed()
}

fn members(parts: Vec<BoxedStrategy<Option<(&'static str, Value)>>>) -> impl Strategy<Value = Value> {
    parts.prop_map(|members| Value::from(members.into_iter().flatten().collect::<ridgeway_doc::Map>()))
}

fn number() -> impl Strategy<Value = Value> {
    (0i64..3).prop_map(Value::from)
}

fn small(names: [&'static str; 2]) -> impl Strategy<Value = Value> {
    members(vec![maybe(names[0], number()), maybe(names[1], number())])
}

fn config() -> impl Strategy<Value = Doc> {
    let list = btree_map("[x-z]", small(["a", "b"]), 0..3).prop_map(|items| {
        items
            .into_iter()
            .map(|(key, mut item)| {
                item.set(&["k"], key.as_str());
                item
            })
            .collect::<Value>()
    });
    let set = proptest::sample::subsequence(vec!["p", "q", "r"], 0..=3)
        .prop_shuffle()
        .prop_map(|items| items.into_iter().collect::<Value>());
    let map =
        btree_map("[m-o]", number(), 0..3).prop_map(|m| Value::from(m.into_iter().collect::<ridgeway_doc::Map>()));
    let spec = members(vec![
        maybe("a", number()),
        maybe("b", number()),
        maybe("part", small(["a", "b"])),
        maybe("map", map),
        maybe("set", set),
        maybe("atomic", vec(number(), 0..3).prop_map(Value::from)),
        maybe("list", list),
    ]);
    spec.prop_map(|spec| {
        let mut object = Value::object();
        object.set(&["apiVersion"], "x.dev/v1");
        object.set(&["kind"], "Thing");
        object.set(&["metadata", "name"], "a");
        object.set(&["spec"], spec);
        object.into_doc()
    })
}

fn schema() -> (SchemaSet, ridgeway_krm::SchemaId) {
    let mut set = SchemaSet::new();
    let id = set.add(Doc::parse_json(SCHEMA.as_bytes()).unwrap().root()).unwrap();
    (set, id)
}

/// Every field of a configuration has its value in the object; lists by key.
fn holds(config: Node<'_>, object: Node<'_>, path: &str) -> Result<(), TestCaseError> {
    if config.is_object() {
        for (name, wanted) in config.members() {
            let found = object.get(name);
            prop_assert!(
                found.is_some() || wanted.is_empty() && (wanted.is_array() || wanted.is_object()),
                "{path}.{name} is gone"
            );
            if let Some(found) = found {
                holds(wanted, found, &format!("{path}.{name}"))?;
            }
        }
    } else if path.ends_with(".set") {
        prop_assert!(config.items().all(|i| object.items().any(|o| o == i)), "{path}");
    } else if path.ends_with(".list") {
        for item in config.items() {
            let found = object.items().find(|o| o.get("k") == item.get("k"));
            prop_assert!(found.is_some(), "{path}");
            if let Some(found) = found {
                holds(item, found, path)?;
            }
        }
    } else {
        prop_assert!(config == object, "{path}: {config} is not {object}");
    }
    Ok(())
}

fn spec(object: &Value) -> Value {
    object.node().get("spec").map_or(Value::NULL, Node::to_value)
}

/// Every owned path leads somewhere in the object.
fn owned_paths_exist(fields: Node<'_>, object: Option<Node<'_>>, path: &str) -> Result<(), TestCaseError> {
    prop_assert!(object.is_some(), "{path} is owned but gone");
    let Some(object) = object else { return Ok(()) };
    for (step, below) in fields.members().filter(|(step, _)| *step != ".") {
        let (kind, rest) = step.split_at(2);
        let child = match kind {
            "f:" => object.get(rest),
            "v:" => {
                let value = Doc::parse_json(rest.as_bytes()).unwrap();
                object.items().find(|item| *item == value.root())
            }
            _ => {
                let keys = Doc::parse_json(rest.as_bytes()).unwrap();
                object
                    .items()
                    .find(|item| keys.root().members().all(|(key, value)| item.get(key) == Some(value)))
            }
        };
        owned_paths_exist(below, child, &format!("{path} {step}"))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merge_patches_lead_where_their_diff_came_from(a in json(), b in json()) {
        let (a, b) = (a.into_doc(), b.into_doc());
        let patch = merge_diff(a.root(), b.root());
        prop_assert_eq!(merge_patch(a.root(), patch.node()), b.root().to_value());
    }

    #[test]
    fn json_patches_lead_where_their_diff_came_from(a in json(), b in json()) {
        let (a, b) = (a.into_doc(), b.into_doc());
        let patch = json_diff(a.root(), b.root());
        prop_assert_eq!(json_patch(a.root(), patch.node()).unwrap(), b.root().to_value());
    }

    #[test]
    fn applying_twice_is_applying_once(first in config(), second in config()) {
        let (set, id) = schema();
        let ty = Some(set.get(id));
        let live = apply(None, first.root(), ty, "other", false, "", "t0").unwrap().object;
        let once = apply(Some(live.node()), second.root(), ty, "me", true, "", "t1").unwrap();
        holds(second.root().get("spec").unwrap(), once.object.node().get("spec").unwrap(), "spec")?;
        let twice = apply(Some(once.object.node()), second.root(), ty, "me", false, "", "t2").unwrap();
        prop_assert!(!twice.changed, "{} became {}", once.object, twice.object);
    }

    #[test]
    fn what_others_own_stays(mine in config(), theirs in config(), next in config()) {
        let (set, id) = schema();
        let ty = Some(set.get(id));
        let live = apply(None, theirs.root(), ty, "them", false, "", "t0").unwrap().object;
        let Ok(live) = apply(Some(live.node()), mine.root(), ty, "me", false, "", "t1") else { return Ok(()) };
        let Ok(live) = apply(Some(live.object.node()), next.root(), ty, "me", false, "", "t2") else { return Ok(()) };
        holds(theirs.root().get("spec").unwrap(), live.object.node().get("spec").unwrap(), "spec")?;
    }

    #[test]
    fn leaving_takes_everything_along(mine in config(), theirs in config()) {
        let (set, id) = schema();
        let ty = Some(set.get(id));
        let alone = apply(None, theirs.root(), ty, "them", false, "", "t0").unwrap().object;
        let Ok(both) = apply(Some(alone.node()), mine.root(), ty, "me", false, "", "t1") else { return Ok(()) };
        let mut nothing = mine.root().to_value();
        nothing.set(&["spec"], Value::object());
        let left = apply(Some(both.object.node()), nothing.node(), ty, "me", false, "", "t2").unwrap();
        let (left, alone) = (spec(&left.object), spec(&alone));
        // Empty containers are owned by nobody, so they may go; the order of sets is the last applier's.
        holds(alone.node(), left.node(), "spec")?;
        holds(left.node(), alone.node(), "spec")?;
    }

    #[test]
    fn updates_are_stored_as_sent(old in config(), new in config()) {
        let (set, id) = schema();
        let ty = Some(set.get(id));
        let live = apply(None, old.root(), ty, "a", false, "", "t0").unwrap().object;
        let booked = update(Some(live.node()), new.root(), ty, "b", "", "t1").unwrap();
        prop_assert_eq!(spec(&booked), new.root().get("spec").unwrap().to_value());
        // Whatever the update changed is now the editor's: applying it as somebody else conflicts only there.
        let again = apply(Some(booked.node()), new.root(), ty, "c", false, "", "t2");
        prop_assert!(again.is_ok(), "{:?}", again.err());
    }

    #[test]
    fn three_ways_agree_with_ownership(first in config(), second in config(), extra in config()) {
        let (set, id) = schema();
        let ty = Some(set.get(id));
        let live = merge_patch(extra.root(), first.root());
        let got = three_way(first.root(), live.node(), second.root(), ty);
        holds(second.root().get("spec").unwrap(), got.node().get("spec").unwrap(), "spec")?;
        let again = three_way(second.root(), got.node(), second.root(), ty);
        prop_assert_eq!(again, got);
    }

    #[test]
    fn ownership_never_outlives_the_field(steps in vec((0..3usize, 0..3usize, config()), 1..8)) {
        let (set, id) = schema();
        let ty = Some(set.get(id));
        let mut live: Option<Doc> = None;
        for (number, (who, how, config)) in steps.into_iter().enumerate() {
            let manager = ["a", "b", "c"][who];
            let time = format!("t{number}");
            let old = live.as_ref().map(Doc::root);
            let next = match how {
                0 => update(old, config.root(), ty, manager, "", &time).unwrap(),
                _ => match apply(old, config.root(), ty, manager, how == 1, "", &time) {
                    Ok(applied) => {
                        let again = apply(Some(applied.object.node()), config.root(), ty, manager, false, "", "later");
                        prop_assert!(!again.unwrap().changed);
                        applied.object
                    }
                    Err(_) => continue,
                },
            };
            let next = next.into_doc();
            for entry in next.root().at(&["metadata", "managedFields"]).map(Node::items).into_iter().flatten() {
                owned_paths_exist(entry.get("fieldsV1").unwrap(), Some(next.root()), "")?;
            }
            live = Some(next);
        }
    }
}
