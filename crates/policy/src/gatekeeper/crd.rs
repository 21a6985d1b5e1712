//! The definition of the kind that a template brings.

use ridgeway_doc::{Node, Value, parse_yaml};

use super::template::kind_of;

/// The CustomResourceDefinition of a template's constraints; `None` when the template names no kind.
pub fn constraint_crd(template: Node<'_>) -> Option<Value> {
    let kind = kind_of(template)?;
    let names = template.at(&["spec", "crd", "spec", "names"]);
    let plural = kind.to_lowercase();
    let text = format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {plural}.constraints.gatekeeper.sh
  labels: {{gatekeeper.sh/constraint: 'yes'}}
spec:
  group: constraints.gatekeeper.sh
  scope: Cluster
  names:
    kind: {kind}
    listKind: {kind}List
    plural: {plural}
    singular: {plural}
    categories: [constraint, constraints]
  versions:
  - name: v1beta1
    served: true
    storage: true
    subresources: {{status: {{}}}}
    additionalPrinterColumns:
    - {{name: enforcement-action, type: string, jsonPath: .spec.enforcementAction}}
    - {{name: total-violations, type: integer, jsonPath: .status.totalViolations}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          metadata: {{type: object, properties: {{name: {{type: string, maxLength: 63}}}}}}
          spec:
            type: object
            properties:
              enforcementAction: {{type: string, enum: [deny, dryrun, warn, scoped]}}
              scopedEnforcementActions: {{type: array, items: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
              match: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
              parameters: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
          status: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
"
    );
    let mut crd = Value::from(parse_yaml(&text).ok()?.into_iter().next()?);
    if let Some(short) = names.and_then(|names| names.get("shortNames")) {
        crd.set(&["spec", "names", "shortNames"], short.to_value());
    }
    Some(crd)
}
