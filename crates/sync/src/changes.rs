//! Comparing two objects field by field.

use ridgeway_doc::{Kind, Node};
use ridgeway_krm::Quantity;

/// What calls back for each smallest part that differs: path, before, after.
pub(crate) type Found<'f, 'a> = dyn FnMut(&[String], Option<Node<'a>>, Option<Node<'a>>) + 'f;

/// Finds what differs between what is there and what is wanted.
///
/// What means the same is the same: a quantity however written, and `null`, `{}` or `[]` for nothing at all.
pub(crate) fn compare<'a>(live: Node<'a>, wanted: Node<'a>, path: &mut Vec<String>, found: &mut Found<'_, 'a>) {
    match (live.kind(), wanted.kind()) {
        (Kind::Object, Kind::Object) => {
            for (key, member) in live.members() {
                path.push(key.to_owned());
                match wanted.get(key) {
                    Some(other) => compare(member, other, path, found),
                    None if is_nothing(member) => {}
                    None => found(path, Some(member), None),
                }
                path.pop();
            }
            for (key, member) in wanted.members().filter(|(key, _)| live.get(key).is_none()) {
                if !is_nothing(member) {
                    path.push(key.to_owned());
                    found(path, None, Some(member));
                    path.pop();
                }
            }
        }
        (Kind::Array, Kind::Array) => lists(live, wanted, path, found),
        _ if live == wanted || is_nothing(live) && is_nothing(wanted) => {}
        _ if same_quantity(path, live, wanted) => {}
        _ => found(path, Some(live), Some(wanted)),
    }
}

/// Nothing, said in some words.
fn is_nothing(node: Node<'_>) -> bool {
    node.is_null() || matches!(node.kind(), Kind::Array | Kind::Object) && node.is_empty()
}

/// Fields whose members, or which themselves, are amounts.
const AMOUNTS: [&str; 12] = [
    "limits",
    "requests",
    "capacity",
    "allocatable",
    "hard",
    "default",
    "defaultRequest",
    "max",
    "min",
    "maxLimitRequestRatio",
    "overhead",
    "podFixed",
];

/// Whether two scalars are the same amount, where amounts stand.
fn same_quantity(path: &[String], a: Node<'_>, b: Node<'_>) -> bool {
    let [.., parent, last] = path else { return false };
    if !AMOUNTS.contains(&parent.as_str()) && !matches!(last.as_str(), "sizeLimit" | "averageValue" | "divisor") {
        return false;
    }
    let amount = |node: Node<'_>| match node.kind() {
        Kind::String => node.as_str().and_then(|text| Quantity::parse(text).ok()),
        Kind::Number => Quantity::parse(&node.to_json()).ok(),
        _ => None,
    };
    match (amount(a), amount(b)) {
        (Some(a), Some(b)) => a.cmp(&b).is_eq(),
        _ => false,
    }
}

/// Fields that tell the items of a list apart, the first that all items have counts.
const KEYS: [&str; 8] = ["name", "key", "mountPath", "containerPort", "port", "ip", "uid", "type"];

/// Compares lists: item by item where they are as long; by their keys where one is longer.
fn lists<'a>(live: Node<'a>, wanted: Node<'a>, path: &mut Vec<String>, found: &mut Found<'_, 'a>) {
    let key = (live.len() != wanted.len())
        .then(|| {
            KEYS.into_iter()
                .find(|key| tells_apart(live, key) && tells_apart(wanted, key))
        })
        .flatten();
    let Some(key) = key else {
        for index in 0..live.len().max(wanted.len()) {
            path.push(index.to_string());
            match (live.item(index), wanted.item(index)) {
                (Some(a), Some(b)) => compare(a, b, path, found),
                (a, b) => found(path, a, b),
            }
            path.pop();
        }
        return;
    };
    let partner = |list: Node<'a>, item: Node<'a>| list.items().find(|other| other.get(key) == item.get(key));
    for (index, item) in live.items().enumerate() {
        path.push(index.to_string());
        match partner(wanted, item) {
            Some(other) => compare(item, other, path, found),
            None => found(path, Some(item), None),
        }
        path.pop();
    }
    for (index, item) in wanted
        .items()
        .enumerate()
        .filter(|(_, item)| partner(live, *item).is_none())
    {
        path.push(index.to_string());
        found(path, None, Some(item));
        path.pop();
    }
}

fn tells_apart(list: Node<'_>, key: &str) -> bool {
    let items: Vec<Option<Node<'_>>> = list.items().map(|item| item.get(key)).collect();
    let unique = items.iter().enumerate().all(|(i, a)| items[..i].iter().all(|b| a != b));
    !items.is_empty() && unique && items.iter().all(Option::is_some)
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn check(live: &str, wanted: &str, want: &[&str]) {
        let doc = |text: &str| parse_yaml(text).unwrap().remove(0);
        let (live, wanted) = (doc(live), doc(wanted));
        let mut got = Vec::new();
        compare(
            live.root(),
            wanted.root(),
            &mut Vec::new(),
            &mut |path, before, after| {
                let show = |n: Option<Node<'_>>| n.map_or("-".into(), Node::to_json);
                got.push(format!("{} {} {}", path.join("/"), show(before), show(after)));
            },
        );
        assert_eq!(got, want);
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        check("{a: {}, b: [], c: 1}", "{c: 1.0, d: null}", &[]);
        check(
            "{limits: {cpu: 1, memory: 1Gi}}",
            "{limits: {cpu: 1000m, memory: 1024Mi}}",
            &[],
        );
        check("{limits: {cpu: '1'}}", "{limits: {cpu: 2}}", &["limits/cpu \"1\" 2"]);
        check("{version: '1'}", "{version: '1.0'}", &["version \"1\" \"1.0\""]);
    }

    #[test]
    fn lists_of_one_length_by_place_and_others_by_key() {
        check(
            "{l: [{name: a, v: 1}, {name: b}]}",
            "{l: [{name: a, v: 2}, {name: b}]}",
            &["l/0/v 1 2"],
        );
        check(
            "{l: [{name: a}, {name: b, v: 1}]}",
            "{l: [{name: b, v: 2}]}",
            &["l/0 {\"name\":\"a\"} -", "l/1/v 1 2"],
        );
        check(
            "{l: [{name: b}]}",
            "{l: [{name: a}, {name: b}]}",
            &["l/0 - {\"name\":\"a\"}"],
        );
        check("{l: [1]}", "{l: [1, 2]}", &["l/1 - 2"]);
    }
}
