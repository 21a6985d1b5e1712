//! `allOf`, `anyOf`, `oneOf` and `not`.

use ridgeway_krm::{SchemaId, SchemaRef};

use super::{Judge, Place, wrong_type};
use crate::violation::{Fault, Violation, type_name};

impl Judge {
    pub(super) fn composite(&mut self, schema: SchemaRef<'_>, place: &Place<'_>) {
        let rules = schema.schema();
        for part in &rules.all_of {
            self.visit(schema.sibling(*part), place);
        }
        // The alternatives of int-or-string only restate its type.
        if !rules.any_of.is_empty() && !rules.int_or_string {
            self.alternatives(schema, &rules.any_of, place, false);
        }
        if !rules.one_of.is_empty() && !rules.int_or_string {
            self.alternatives(schema, &rules.one_of, place, true);
        }
        if let Some(not) = rules.not
            && self.faults(schema.sibling(not), place).is_empty()
        {
            let detail = format!("{:?} must not validate the schema (not)", place.path.to_string());
            self.invalid(place, place.new.to_json(), detail);
        }
    }

    /// The faults of one alternative, all of them.
    fn faults(&self, schema: SchemaRef<'_>, place: &Place<'_>) -> Vec<Violation> {
        let mut judge = Judge {
            found: Vec::new(),
            custom: self.custom,
            ratchets: false,
        };
        judge.visit(schema, place);
        judge.found
    }

    fn alternatives(&mut self, schema: SchemaRef<'_>, branches: &[SchemaId], place: &Place<'_>, exactly_one: bool) {
        let mut valid = 0;
        let mut closest: Option<Vec<Violation>> = None;
        for branch in branches {
            let faults = self.faults(schema.sibling(*branch), place);
            if faults.is_empty() {
                valid += 1;
                if !exactly_one {
                    return;
                }
            } else if closest.as_ref().is_none_or(|c| faults.len() < c.len()) {
                closest = Some(faults);
            }
        }
        if valid == 1 {
            return;
        }
        let types: Option<Vec<&str>> = branches
            .iter()
            .map(|branch| wrong_type(schema.sibling(*branch), place.new))
            .collect();
        if let Some(types) = types {
            let found = type_name(place.new);
            let detail = format!("{} in body must be of type {}: {found:?}", place.path, types.join(","));
            self.report(
                place,
                Violation::of(&place.path, Fault::TypeInvalid, Some(format!("{found:?}")), detail),
            );
            return;
        }
        let path = place.path.to_string();
        let detail = match (exactly_one, valid) {
            (false, _) => format!("{path:?} must validate at least one schema (anyOf)"),
            (true, 0) => format!("{path:?} must validate one and only one schema (oneOf). Found none valid"),
            (true, n) => {
                format!("{path:?} must validate one and only one schema (oneOf). Found {n} valid alternatives")
            }
        };
        self.invalid(place, place.new.to_json(), detail);
        if valid == 0 {
            // What the alternative that came closest misses says how to get there.
            for fault in closest.into_iter().flatten() {
                self.report(place, fault);
            }
        }
    }
}
