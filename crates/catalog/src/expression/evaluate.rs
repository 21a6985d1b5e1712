//! Expression trees to values.

use ridgeway_doc::{Kind, Map, Node, Value};

use super::filter::apply;
use super::parse::{Expression, Tree};
use super::{Evaluated, Fault, Fuel};

/// Names and their values; inner scopes come last.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    root: &'a Value,
    locals: Vec<(String, Value)>,
}

impl<'a> Scope<'a> {
    /// The members of an object as names.
    pub(crate) fn new(root: &'a Value) -> Scope<'a> {
        Scope {
            root,
            locals: Vec::new(),
        }
    }

    pub(crate) fn mark(&self) -> usize {
        self.locals.len()
    }

    pub(crate) fn push(&mut self, name: &str, value: Value) {
        self.locals.push((name.to_owned(), value));
    }

    pub(crate) fn reset(&mut self, mark: usize) {
        self.locals.truncate(mark);
    }

    fn get(&self, name: &str) -> Option<Value> {
        let local = self
            .locals
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone());
        local.or_else(|| self.root.node().get(name).map(Node::to_value))
    }

    fn known(&self) -> Vec<String> {
        let root = self.root.node().members().map(|(name, _)| name.to_owned());
        root.chain(self.locals.iter().map(|(name, _)| name.clone())).collect()
    }
}

/// What conditions make of a value.
pub(crate) fn truthy(value: &Value) -> bool {
    let node = value.node();
    match node.kind() {
        Kind::Null => false,
        Kind::Bool => node.as_bool() == Some(true),
        Kind::Number => node.as_f64() != Some(0.0),
        Kind::String => node.as_str() != Some(""),
        Kind::Array | Kind::Object => true,
    }
}

/// A value as text; objects have none.
pub(crate) fn printed(value: &Value, offset: usize) -> Result<String, Fault> {
    let node = value.node();
    Ok(match node.kind() {
        Kind::Null => String::new(),
        Kind::String => node.as_str().unwrap_or_default().to_owned(),
        Kind::Number => match (node.as_i64(), node.as_f64()) {
            (Some(int), _) => int.to_string(),
            (None, float) => float.unwrap_or_default().to_string(),
        },
        Kind::Bool => node.to_json(),
        Kind::Array => {
            let items: Result<Vec<String>, Fault> = node.items().map(|i| printed(&i.to_value(), offset)).collect();
            items?.join(",")
        }
        Kind::Object => {
            return Err(Fault::new(
                offset,
                "an object cannot be printed; name one of its fields, or use `| dump`",
            ));
        }
    })
}

impl Expression {
    /// The value; an undefined name is a fault.
    pub(crate) fn value(&self, scope: &Scope<'_>, fuel: &mut Fuel) -> Result<Value, Fault> {
        self.evaluate(scope, fuel)?.defined(self.offset)
    }

    /// Whether a condition holds; undefined does not.
    pub(crate) fn holds(&self, scope: &Scope<'_>, fuel: &mut Fuel) -> Result<bool, Fault> {
        Ok(match self.evaluate(scope, fuel)? {
            Evaluated::Value(value) => truthy(&value),
            Evaluated::Undefined { .. } => false,
        })
    }

    /// What the expression gives.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>, fuel: &mut Fuel) -> Result<Evaluated, Fault> {
        fuel.burn(self.offset)?;
        Ok(Evaluated::Value(match &self.node {
            Tree::Literal(value) => value.clone(),
            Tree::Name(name) => match scope.get(name) {
                Some(value) => value,
                None => {
                    return Ok(Evaluated::Undefined {
                        name: name.clone(),
                        known: scope.known(),
                    });
                }
            },
            Tree::Member(of, name) => return member(of, name, scope, fuel),
            Tree::Index(of, index) => {
                let index = index.value(scope, fuel)?;
                if let Some(key) = index.as_str() {
                    return member(of, key, scope, fuel);
                }
                let list = of.value(scope, fuel)?;
                let found = index
                    .node()
                    .as_i64()
                    .and_then(|i| list.node().item(usize::try_from(i).ok()?));
                match found {
                    Some(item) => item.to_value(),
                    None => {
                        return Ok(Evaluated::Undefined {
                            name: format!("{}[{index}]", of.spelled()),
                            known: vec![],
                        });
                    }
                }
            }
            Tree::Filter(of, name, arguments) => {
                let input = of.evaluate(scope, fuel)?;
                let arguments: Result<Vec<Value>, Fault> = arguments.iter().map(|a| a.value(scope, fuel)).collect();
                apply(name, input, &arguments?, self.offset, of.offset)?
            }
            Tree::Not(of) => (!of.holds(scope, fuel)?).into(),
            Tree::Negate(of) => {
                let value = of.value(scope, fuel)?;
                match (value.node().as_i64(), value.node().as_f64()) {
                    (Some(int), _) => int.wrapping_neg().into(),
                    (None, Some(float)) => (-float).into(),
                    _ => return Err(Fault::new(self.offset, "only a number can be negated")),
                }
            }
            Tree::IsDefined(of, negated) => {
                (matches!(of.evaluate(scope, fuel)?, Evaluated::Value(_)) != *negated).into()
            }
            Tree::Choose {
                condition,
                value,
                other,
            } => {
                return if condition.holds(scope, fuel)? {
                    value.evaluate(scope, fuel)
                } else {
                    other
                        .as_ref()
                        .map_or(Ok(Evaluated::Value(Value::NULL)), |other| other.evaluate(scope, fuel))
                };
            }
            Tree::Array(items) => {
                let items: Result<Vec<Value>, Fault> = items.iter().map(|item| item.value(scope, fuel)).collect();
                items?.into()
            }
            Tree::Object(members) => {
                let mut map = Map::new();
                for (key, value) in members {
                    map.insert(key.as_str(), value.value(scope, fuel)?);
                }
                map.into()
            }
            Tree::Binary(operator @ ("and" | "or"), left, right) => {
                let first = left.evaluate(scope, fuel)?;
                let holds = matches!(&first, Evaluated::Value(value) if truthy(value));
                return if holds == (*operator == "or") {
                    Ok(first)
                } else {
                    right.evaluate(scope, fuel)
                };
            }
            Tree::Binary(operator, left, right) => {
                let (a, b) = (left.value(scope, fuel)?, right.value(scope, fuel)?);
                binary(operator, &a, &b, self.offset)?
            }
        }))
    }

    /// The expression as it would be written, for names.
    fn spelled(&self) -> String {
        match &self.node {
            Tree::Name(name) => name.clone(),
            Tree::Member(of, name) => format!("{}.{name}", of.spelled()),
            _ => "the value".to_owned(),
        }
    }
}

fn member(of: &Expression, name: &str, scope: &Scope<'_>, fuel: &mut Fuel) -> Result<Evaluated, Fault> {
    let container = of.value(scope, fuel)?;
    let node = container.node();
    if let Some(value) = node.get(name) {
        return Ok(Evaluated::Value(value.to_value()));
    }
    if name == "length" && matches!(node.kind(), Kind::Array | Kind::String) {
        let length = node.as_str().map_or(node.len(), |text| text.chars().count());
        return Ok(Evaluated::Value((length as i64).into()));
    }
    let known = node.members().map(|(name, _)| name.to_owned()).collect();
    Ok(Evaluated::Undefined {
        name: format!("{}.{name}", of.spelled()),
        known,
    })
}

fn binary(operator: &str, a: &Value, b: &Value, offset: usize) -> Result<Value, Fault> {
    let (x, y) = (a.node(), b.node());
    let numbers = || match (x.as_f64(), y.as_f64()) {
        (Some(x), Some(y)) => Ok((x, y)),
        _ => Err(Fault::new(
            offset,
            format!("`{operator}` needs two numbers, found {} and {}", x.kind(), y.kind()),
        )),
    };
    let number = |value: f64| -> Result<Value, Fault> {
        if !value.is_finite() {
            return Err(Fault::new(
                offset,
                format!("`{operator}` gives no number here (division by zero?)"),
            ));
        }
        Ok(if value.fract() == 0.0 && value.abs() < 9e15 {
            (value as i64).into()
        } else {
            value.into()
        })
    };
    Ok(match operator {
        "==" | "===" => (a.to_json() == b.to_json()).into(),
        "!=" | "!==" => (a.to_json() != b.to_json()).into(),
        "in" => match y.kind() {
            Kind::Array => y.items().any(|item| item.to_json() == a.to_json()).into(),
            Kind::Object => y.get(&printed(a, offset)?).is_some().into(),
            Kind::String => y.as_str().unwrap_or_default().contains(&printed(a, offset)?).into(),
            other => {
                return Err(Fault::new(
                    offset,
                    format!("`in` needs a list, an object or a text, found {other}"),
                ));
            }
        },
        "<" | ">" | "<=" | ">=" => {
            let order = match (x.as_str(), y.as_str()) {
                (Some(x), Some(y)) => x.partial_cmp(y),
                _ => {
                    let (x, y) = numbers()?;
                    x.partial_cmp(&y)
                }
            };
            order
                .is_some_and(|order| match operator {
                    "<" => order.is_lt(),
                    ">" => order.is_gt(),
                    "<=" => order.is_le(),
                    _ => order.is_ge(),
                })
                .into()
        }
        "~" => format!("{}{}", printed(a, offset)?, printed(b, offset)?).into(),
        "+" if x.as_str().is_some() || y.as_str().is_some() => {
            format!("{}{}", printed(a, offset)?, printed(b, offset)?).into()
        }
        "+" => numbers().and_then(|(x, y)| number(x + y))?,
        "-" => numbers().and_then(|(x, y)| number(x - y))?,
        "*" => numbers().and_then(|(x, y)| number(x * y))?,
        "/" => numbers().and_then(|(x, y)| number(x / y))?,
        "//" => numbers().and_then(|(x, y)| number((x / y).floor()))?,
        "%" => numbers().and_then(|(x, y)| number(x % y))?,
        "**" => numbers().and_then(|(x, y)| number(x.powf(y)))?,
        other => return Err(Fault::new(offset, format!("`{other}` is not an operator"))),
    })
}
