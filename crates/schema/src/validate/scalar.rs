//! Texts and numbers.

use ridgeway_doc::Number;
use ridgeway_krm::SchemaRef;

use super::{Judge, Place, format, pattern};
use crate::violation::{Fault, Violation, printed};

impl Judge {
    pub(super) fn text(&mut self, schema: SchemaRef<'_>, place: &Place<'_>) {
        let rules = schema.schema();
        let text = place.new.as_str().unwrap_or_default();
        let path = &place.path;
        if rules.length != (None, None) {
            let length = text.chars().count() as u64;
            if let Some(max) = rules.length.1.filter(|max| length > *max) {
                let detail = format!("may not be more than {max} bytes");
                self.report(place, Violation::of(path, Fault::TooLong, None, detail));
            }
            if let Some(min) = rules.length.0.filter(|min| length < *min) {
                let detail = format!("{path} in body should be at least {min} chars long");
                self.invalid(place, printed(place.new), detail);
            }
        }
        if let Some(wanted) = &rules.pattern
            && !pattern::matches(wanted, text)
        {
            self.invalid(
                place,
                printed(place.new),
                format!("{path} in body should match '{wanted}'"),
            );
        }
        if !format::accepts(&rules.format, text) {
            let detail = format!("{path} in body must be of type {}: {text:?}", rules.format);
            self.report(
                place,
                Violation::of(path, Fault::TypeInvalid, Some(printed(place.new)), detail),
            );
        }
    }

    pub(super) fn number(&mut self, schema: SchemaRef<'_>, place: &Place<'_>) {
        let rules = schema.schema();
        let Some(number) = place.new.as_number() else { return };
        let path = &place.path;
        if let Some((max, exclusive)) = rules.maximum
            && (greater(number, max) || exclusive && number == max)
        {
            let relation = if exclusive {
                "less than"
            } else {
                "less than or equal to"
            };
            self.invalid(
                place,
                number.to_string(),
                format!("{path} in body should be {relation} {max}"),
            );
        }
        if let Some((min, exclusive)) = rules.minimum
            && (greater(min, number) || exclusive && number == min)
        {
            let relation = if exclusive {
                "greater than"
            } else {
                "greater than or equal to"
            };
            self.invalid(
                place,
                number.to_string(),
                format!("{path} in body should be {relation} {min}"),
            );
        }
        if let Some(factor) = rules.multiple_of
            && !is_multiple(number, factor)
        {
            self.invalid(
                place,
                number.to_string(),
                format!("{path} in body should be a multiple of {factor}"),
            );
        }
        if &*rules.format == "int32" && number.as_i64().is_some_and(|n| i32::try_from(n).is_err()) {
            let detail = format!("{path} in body must be of type int32: \"{number}\"");
            self.report(
                place,
                Violation::of(path, Fault::TypeInvalid, Some(number.to_string()), detail),
            );
        }
    }
}

fn greater(a: Number, b: Number) -> bool {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a > b,
        (a, b) => a.as_f64() > b.as_f64(),
    }
}

fn is_multiple(number: Number, factor: Number) -> bool {
    match (number.as_i64(), factor.as_i64()) {
        (_, Some(0)) => true,
        (Some(number), Some(factor)) => number % factor == 0,
        _ => {
            let quotient = number.as_f64() / factor.as_f64();
            (quotient - quotient.round()).abs() < 1e-9
        }
    }
}
