//! Global context entries, as rules of every dialect read them.

use jiff::Timestamp;

use crate::budget::Fuel;
use crate::jmespath::{Evaluator, Expression, Fault, Scope, Val};
use crate::request::Data;

/// What an entry holds, or one of its projections where one is named.
pub(crate) fn read<'a>(
    data: &dyn Data,
    entry: &str,
    projection: &str,
    fuel: &Fuel,
    now: Option<Timestamp>,
) -> Result<Val<'a>, Fault> {
    let told = |why: &str| Fault::Invalid(format!("the global context entry {entry} cannot be read: {why}"));
    let held = match data.global(entry) {
        None => return Err(told("there is none of that name here")),
        Some(Err(why)) => return Err(told(&why)),
        Some(Ok(held)) => held,
    };
    let value = Val::copy(held.value.node());
    if projection.is_empty() {
        return Ok(value);
    }
    let Some((_, query)) = held.projections.iter().find(|(known, _)| known == projection) else {
        return Err(told(&format!("it has no projection {projection}")));
    };
    let query = Expression::parse(query).map_err(|error| told(&error.to_string()))?;
    Evaluator::new(&Within(value), fuel, now).evaluate(&query)
}

/// The names that a value alone makes known.
pub(crate) struct Within<'a>(pub(crate) Val<'a>);

impl<'a> Scope<'a> for Within<'a> {
    fn lookup(&self, name: &str) -> Option<Result<Val<'a>, Fault>> {
        self.0.get(name).map(Ok)
    }

    fn root(&self) -> Option<Val<'a>> {
        Some(self.0.clone())
    }
}
