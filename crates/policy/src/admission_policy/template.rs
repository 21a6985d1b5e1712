//! Gatekeeper's templates in CEL (`K8sNativeValidation`): a validating policy whose parameters are a constraint's.

use ridgeway_doc::{Doc, Node, Value};

use super::definition::{self, Body, Definition, known, one_of};
use super::evaluation::{self, Evaluation};
use super::typing::Typing;
use super::validate;
use crate::cel::{Program, Type};
use crate::cel_policy::{Constraints, Named};
use crate::kyverno::Place;
use crate::request::Request;
use crate::verdict::Outcome;

/// Variables that every template has: the object, the old one when it goes, and the constraint's parameters.
const OWN: [(&str, &str); 2] = [
    (
        "anyObject",
        "has(request.operation) && request.operation == 'DELETE' && object == null ? oldObject : object",
    ),
    (
        "params",
        "!has(params.spec) ? null : !has(params.spec.parameters) ? null : params.spec.parameters",
    ),
];
/// Names that templates must not begin theirs with.
const RESERVED: &str = "gatekeeper_internal_";

/// A compiled source.
#[derive(Debug)]
pub(crate) struct TemplateCode(Definition);

impl TemplateCode {
    /// Compiles the `source` of a template's code; `path` is where it stands.
    pub(crate) fn compile(source: Node<'_>, path: &str) -> Result<TemplateCode, Place> {
        let moved = |place: Place| match place.path.strip_prefix("spec.") {
            Some(rest) => Place::new(format!("{path}.{rest}"), place.message),
            None => place,
        };
        TemplateCode::read(source).map_err(moved)
    }

    fn read(source: Node<'_>) -> Result<TemplateCode, Place> {
        let fields = [
            "validations",
            "variables",
            "matchCondition",
            "matchConditions",
            "failurePolicy",
            "generateVAP",
        ];
        known(source, "spec", &fields)?;
        for key in ["variables", "matchCondition", "matchConditions"] {
            let list = source.get(key).into_iter().flat_map(Node::items).enumerate();
            for (i, item) in list {
                let name = item.str_at(&["name"]).unwrap_or_default();
                let own = OWN.iter().any(|(own, _)| *own == name) && key == "variables";
                if own || name.starts_with(RESERVED) {
                    let why = format!("the name {name} is taken; choose another one");
                    return Err(Place::new(format!("spec.{key}[{i}].name"), why));
                }
            }
        }
        let mut typing = Typing::new(false);
        typing.open_variables();
        let mut variables: Vec<Named> = Vec::new();
        for (name, text) in OWN {
            let program = typing
                .parse(text)
                .map_err(|e| Place::new("spec.variables", e.to_string()))?;
            typing.variable(name, Type::Dyn);
            variables.push((name.into(), program));
        }
        variables.extend(definition::variables(source, &mut typing)?);
        let fail_open = one_of(source, "failurePolicy", "spec", &["Fail", "Ignore"])? == Some("Ignore");
        let mut conditions = Vec::new();
        for key in ["matchCondition", "matchConditions"] {
            conditions.extend(definition::conditions(source, key, &typing)?);
        }
        let validations = definition::validations(source, &typing)?;
        if validations.is_empty() {
            return Err(Place::new("spec.validations", "there is nothing to validate"));
        }
        Ok(TemplateCode(Definition {
            name: String::new(),
            title: String::new(),
            category: String::new(),
            constraints: Constraints::default(),
            conditions,
            variables,
            fail_open,
            param_kind: None,
            asks_who: false,
            body: Body::Validate {
                validations,
                annotations: Vec::new(),
            },
        }))
    }

    /// Whether it looks at what is being done, or at what was there before; what every template has does not count.
    pub(crate) fn names_operations(&self) -> bool {
        let looks = |program: &Program| program.reads("request", "operation") || program.names("oldObject");
        let of_all = |program: &Program| {
            let mut own = self.0.variables.iter().take(OWN.len());
            own.any(|(_, known)| std::ptr::eq(known, program))
        };
        self.0.programs().any(|program| !of_all(program) && looks(program))
    }

    /// A constraint's parameters as `violations` takes them: where expressions look for them.
    pub(crate) fn parameters(parameters: Option<Node<'_>>) -> Doc {
        let mut constraint = Value::object();
        if let Some(parameters) = parameters.filter(|parameters| !parameters.is_null()) {
            constraint.set(&["spec", "parameters"], parameters.to_value());
        }
        constraint.into_doc()
    }

    /// What is wrong with a request under a constraint with these parameters.
    pub(crate) fn violations(&self, parameters: &Doc, request: &Request<'_>) -> Vec<String> {
        let Body::Validate { validations, .. } = &self.0.body else {
            return Vec::new();
        };
        match evaluation::matches(&self.0, Some(parameters), request) {
            Ok(true) => {}
            Ok(false) => return Vec::new(),
            Err(why) => return vec![why],
        }
        let evaluation = Evaluation::new(&self.0, Some(parameters), request);
        let said = validate::decide(validations, &evaluation);
        let counts = |outcome: Outcome| outcome != Outcome::Error || !self.0.fail_open;
        let counting = said.into_iter().filter(|(_, said)| counts(said.outcome));
        counting.map(|(_, said)| said.message).collect()
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;
    use ridgeway_krm::Gvk;

    use crate::{CompileError, Outcome, Point, Request, RuleSet};

    fn compile(source: &str, constraint: &str) -> (RuleSet, Vec<CompileError>) {
        let text = format!(
            "apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {{name: k8slabels}}
spec:
  crd: {{spec: {{names: {{kind: K8sLabels}}}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code:
    - engine: Rego
      source: {{rego: 'package k8slabels'}}
    - engine: K8sNativeValidation
      source:
        {}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sLabels
metadata: {{name: owner}}
spec: {constraint}
",
            source.replace('\n', "\n        ")
        );
        let docs = parse_yaml(&text).unwrap();
        RuleSet::compile(&[docs[0].root(), docs[1].root()])
    }

    const SOURCE: &str = "variables: [{name: wanted, expression: 'variables.params.labels'}]
matchCondition: [{name: named, expression: \"variables.anyObject.metadata.name != 'spare'\"}]
validations:
- expression: 'variables.wanted.all(l, has(variables.anyObject.metadata.labels) && l in variables.anyObject.metadata.labels)'
  messageExpression: \"'needs ' + variables.wanted.join(', ')\"
- {expression: 'variables.anyObject.metadata.name.size() < 5', message: too long}";

    #[test]
    fn cel_is_preferred_and_reads_parameters() {
        let said = |source: &str, constraint: &str, object: &str| -> Vec<(Outcome, String)> {
            let (rules, errors) = compile(source, constraint);
            assert!(errors.is_empty(), "{errors:?}");
            let object = parse_yaml(object).unwrap();
            let gvk = Gvk::new("", "v1", "Namespace");
            let results = rules.admit(&Request::create(&gvk, object[0].root())).results;
            results.into_iter().map(|r| (r.outcome, r.author)).collect()
        };
        let object = |name: &str, labels: &str| {
            format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}{labels}}}}}")
        };
        let fail = |text: &str| (Outcome::Fail, text.to_owned());
        let parameters = "{parameters: {labels: [owner]}}";
        for (constraint, object, want) in [
            (parameters, object("shop", ""), vec![fail("needs owner")]),
            (
                parameters,
                object("shopping", ""),
                vec![fail("needs owner"), fail("too long")],
            ),
            (parameters, object("spare", ""), vec![(Outcome::Pass, String::new())]),
            (
                parameters,
                object("shop", ", labels: {owner: a}"),
                vec![(Outcome::Pass, String::new())],
            ),
        ] {
            assert_eq!(said(SOURCE, constraint, &object), want, "{constraint} {object}");
        }
        // Without parameters they are null: what cannot be evaluated is a violation, or nothing at all.
        let without = said(SOURCE, "{}", &object("shop", ""));
        assert!(without[0].1.contains("resulted in error"), "{without:?}");
        let ignored = said(&format!("failurePolicy: Ignore\n{SOURCE}"), "{}", &object("shop", ""));
        assert_eq!(ignored, [(Outcome::Pass, String::new())]);
    }

    #[test]
    fn the_api_server_judges_by_templates_that_serve_it() {
        let said = |source: &str, point: Point| -> usize {
            let constraint = "{enforcementAction: scoped, scopedEnforcementActions: [{action: deny, enforcementPoints: \
                              [{name: vap.k8s.io}]}], parameters: {labels: [owner]}}";
            let (rules, errors) = compile(source, constraint);
            assert!(errors.is_empty(), "{errors:?}");
            let object = parse_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").unwrap();
            let gvk = Gvk::new("", "v1", "Namespace");
            let verdicts = rules.at(point).admit(&Request::create(&gvk, object[0].root()));
            verdicts.refusals().count()
        };
        assert_eq!(said(SOURCE, Point::Admission), 1);
        assert_eq!(said(&format!("generateVAP: true\n{SOURCE}"), Point::Plan), 1);
        assert_eq!(said(SOURCE, Point::Gator), 0);
        assert_eq!(said(&format!("generateVAP: false\n{SOURCE}"), Point::Admission), 0);
    }

    #[test]
    fn operations_are_named_by_expressions_not_by_words() {
        let asks = |source: &str| compile(source, "{}").0.asks_about_deletions();
        let of = |expression: &str| {
            format!("validations: [{{expression: {expression:?}, message: request.operation of oldObject}}]")
        };
        assert!(!asks(&of("variables.anyObject.metadata.name != 'a'")));
        assert!(asks(&of("request.operation != 'DELETE'")));
        assert!(asks(&of("oldObject == null")));
    }

    #[test]
    fn faults_have_their_place() {
        for (from, to, path, why) in [
            (
                "variables.wanted.all(",
                "variables.wated.all(",
                "validations[0].expression",
                "undefined field 'wated'",
            ),
            ("name: wanted", "name: params", "variables[0].name", "is taken"),
            (
                "name: named",
                "name: gatekeeper_internal_x",
                "matchCondition[0].name",
                "is taken",
            ),
            (
                "'variables.params.labels'",
                "'params.spec.parameters.labels'",
                "variables[0].expression",
                "undeclared reference to 'params'",
            ),
        ] {
            let (_, errors) = compile(&SOURCE.replace(from, to), "{}");
            let error = &errors[0];
            assert_eq!(error.path, format!("spec.targets[0].code[1].source.{path}"));
            assert!(error.message.contains(why) && error.line > 0, "{error:?}");
        }
    }
}
