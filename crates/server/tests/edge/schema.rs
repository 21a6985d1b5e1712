//! The contract, and whether JSON keeps it: types, required and known members, enumerations, references.

use serde_json::Value;

/// `openapi.json`.
pub struct Contract(pub Value);

impl Contract {
    pub fn read() -> Contract {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        Contract(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// Asserts that JSON is as a named schema says.
    pub fn check_named(&self, value: &Value, name: &str) {
        self.check(
            value,
            &serde_json::json!({"$ref": format!("#/components/schemas/{name}")}),
            name,
        );
    }

    /// Asserts that the answer to an operation is as the contract says.
    pub fn check_answer(&self, method: &str, path: &str, status: &str, value: &Value, shown: &str) {
        let content = &self.0["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"];
        assert!(
            content.is_object(),
            "the contract has no JSON answer {status} to {method} {path}"
        );
        self.check(value, content, shown);
    }

    fn check(&self, value: &Value, schema: &Value, shown: &str) {
        let mut faults = Vec::new();
        self.walk(value, schema, "", &mut faults);
        assert!(
            faults.is_empty(),
            "{shown} is not as the contract says:\n{}\n{value:#.2000}",
            faults.join("\n")
        );
    }

    /// A schema, or what it refers to.
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.resolve(self.0.pointer(reference.trim_start_matches('#')).expect(reference)),
            None => schema,
        }
    }

    /// The members that a schema knows; `None` when it takes any.
    fn known<'a>(&'a self, schema: &'a Value) -> Option<Vec<(&'a str, &'a Value)>> {
        let schema = self.resolve(schema);
        if schema["additionalProperties"] == true {
            return None;
        }
        let mut known: Vec<_> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, s)| (name.as_str(), s))
            .collect();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            known.extend(self.known(part)?);
        }
        Some(known)
    }

    fn walk(&self, value: &Value, schema: &Value, at: &str, faults: &mut Vec<String>) {
        self.constraints(value, schema, at, faults);
        let schema = self.resolve(schema);
        // Which members there may be is known of a whole object only, not of one part of an `allOf`.
        if let (Value::Object(object), Some(known)) = (value, self.known(schema)) {
            let map = schema["additionalProperties"].is_object();
            if schema["oneOf"].is_null() && !map && !known.is_empty() {
                for name in object.keys().filter(|name| known.iter().all(|(k, _)| k != name)) {
                    faults.push(format!("{at}/{name}: the contract does not know it"));
                }
            }
        }
    }

    fn constraints(&self, value: &Value, schema: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.resolve(schema);
        let named: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !named.is_empty() && !named.iter().any(|name| is(value, name)) {
            return faults.push(format!("{at}: is {value:.100}, wants {named:?}"));
        }
        if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
            faults.push(format!("{at}: {value} is none of {}", schema["enum"]));
        }
        if let (Some("date-time"), Some(text)) = (schema["format"].as_str(), value.as_str())
            && text.parse::<jiff::Timestamp>().is_err()
        {
            faults.push(format!("{at}: {text:?} is no time"));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.constraints(value, part, at, faults);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let mut tried = Vec::new();
            let fits = choices.iter().filter(|choice| {
                let mut own = Vec::new();
                self.walk(value, choice, at, &mut own);
                tried.extend(own.iter().cloned());
                own.is_empty()
            });
            match fits.count() {
                1 => {}
                0 => faults.append(&mut tried),
                several => faults.push(format!("{at}: {several} of the choices fit")),
            }
        }
        if let Value::Object(object) = value {
            for name in schema["required"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                if !object.contains_key(name) {
                    faults.push(format!("{at}/{name}: is missing"));
                }
            }
            for (name, member) in object {
                let inner = match schema["properties"].get(name) {
                    Some(known) => known,
                    None => &schema["additionalProperties"],
                };
                if inner.is_object() {
                    self.walk(member, inner, &format!("{at}/{name}"), faults);
                }
            }
        }
        if let (Value::Array(items), true) = (value, schema["items"].is_object()) {
            for (place, item) in items.iter().enumerate() {
                self.walk(item, &schema["items"], &format!("{at}/{place}"), faults);
            }
        }
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the contract has a type {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deviations_are_found() {
        let contract = Contract::read();
        let good = json!({"sha": "a", "message": "m", "author": "b", "at": "2026-01-02T03:04:05Z"});
        let faults = |change: &dyn Fn(&mut Value)| {
            let mut value = json!({"name": "x", "deployment": null, "commit": good});
            change(&mut value);
            let mut faults = Vec::new();
            contract.walk(
                &value,
                &contract.0["components"]["schemas"]["PromotionStage"],
                "",
                &mut faults,
            );
            faults.len()
        };
        assert_eq!(faults(&|_| {}), 0);
        assert_eq!(faults(&|v| v["commit"] = Value::Null), 0);
        assert_eq!(faults(&|v| v["more"] = json!(1)), 1);
        assert_eq!(faults(&|v| v["name"] = json!(1)), 1);
        assert!(faults(&|v| v["commit"]["at"] = json!("yesterday")) > 0);
        assert!(faults(&|v| v["commit"] = json!({"sha": "a"})) > 0);
        let mut faults = Vec::new();
        contract.walk(
            &json!("Sick"),
            &contract.0["components"]["schemas"]["Health"],
            "",
            &mut faults,
        );
        assert_eq!(faults.len(), 1);
    }
}
