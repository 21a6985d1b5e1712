//! Objects with one field dropped, renamed or of another type.

use serde_json::{Value, json};

/// A small source of numbers that look random; the same seed gives the same ones.
pub struct Chance(u64);

impl Chance {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below another.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or_default() % limit.max(1)
    }
}

/// Every place below a value as a JSON pointer.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let place = format!("{at}/{}", escaped(key));
                places(member, &place, out);
                out.push(place);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let place = format!("{at}/{i}");
                places(item, &place, out);
                out.push(place);
            }
        }
        _ => {}
    }
}

/// What makes an object an object: a tool may refuse it without.
const KEPT: [&str; 5] = [
    "/apiVersion",
    "/kind",
    "/metadata",
    "/metadata/name",
    "/metadata/namespace",
];

/// Changes one field. `None` when the object has none that may change.
pub fn mutate(object: &mut Value, chance: &mut Chance) -> Option<String> {
    let mut all = Vec::new();
    places(object, "", &mut all);
    all.retain(|place| !KEPT.contains(&place.as_str()));
    if all.is_empty() {
        return None;
    }
    let place = all.swap_remove(chance.below(all.len()));
    let (parent, key) = place.rsplit_once('/')?;
    let key = key.replace("~1", "/").replace("~0", "~");
    let parent = object.pointer_mut(parent)?;
    match (chance.below(4), parent) {
        (0, Value::Object(members)) => {
            members.remove(&key);
            Some(format!("drop {place}"))
        }
        (0, Value::Array(items)) => {
            items.remove(key.parse().ok()?);
            Some(format!("drop {place}"))
        }
        (1, Value::Object(members)) => {
            let value = members.remove(&key)?;
            members.insert(format!("{key}X"), value);
            Some(format!("rename {place}"))
        }
        (_, parent) => {
            let old = match parent {
                Value::Object(members) => members.get_mut(&key)?,
                Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?)?,
                _ => return None,
            };
            let new = retyped(old, chance);
            let told = format!("retype {place} to {new}");
            *old = new;
            Some(told)
        }
    }
}

/// A value of another type, or another one of the same.
fn retyped(old: &Value, chance: &mut Chance) -> Value {
    let text = match old {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let choices = match old {
        Value::String(_) => vec![
            json!(7),
            json!(true),
            Value::Null,
            json!([text]),
            json!({"x": text}),
            json!(""),
            json!(format!("{text}x")),
        ],
        Value::Number(number) => vec![
            json!(text),
            json!(false),
            Value::Null,
            json!([number]),
            json!(0),
            json!(-1),
            json!(1.5),
        ],
        Value::Bool(b) => vec![json!(text), json!(!b), Value::Null, json!(1), json!([b])],
        Value::Null => vec![json!("x"), json!(false), json!(0), json!({}), json!([])],
        Value::Array(items) => vec![
            json!({}),
            json!("x"),
            Value::Null,
            json!([]),
            items.first().cloned().unwrap_or(json!(3)),
        ],
        Value::Object(_) => vec![json!([]), json!("x"), Value::Null, json!({}), json!([old])],
    };
    let at = chance.below(choices.len());
    choices.into_iter().nth(at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_changes_and_names_stay() {
        let object =
            json!({"kind": "Pod", "metadata": {"name": "a", "labels": {"x/y": "z"}}, "spec": {"n": [1, {"b": true}]}});
        let mut told = std::collections::BTreeSet::new();
        for seed in 1..200 {
            let mut copy = object.clone();
            let what = mutate(&mut copy, &mut Chance::new(seed)).unwrap();
            assert_ne!(copy, object, "{what}");
            assert_eq!(copy["metadata"]["name"], "a");
            told.insert(what.split(' ').next().unwrap().to_owned());
        }
        assert_eq!(told.len(), 3, "{told:?}");
    }
}
