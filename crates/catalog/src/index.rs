//! [`Catalog`]: all entities of all files, joined by their relations.

use std::collections::BTreeMap;

use ridgeway_doc::{Node, Position, parse_yaml};

use crate::entity::{Entity, Origin, reference_of};
use crate::kind::{Field, Relation};
use crate::reference::EntityRef;
use crate::validate::validate;

/// A file that holds entities.
#[derive(Clone, Copy, Debug)]
pub struct SourceFile<'a> {
    /// The repository's name.
    pub repository: &'a str,
    /// The file's path in it.
    pub path: &'a str,
    /// What it says: YAML, one or more documents.
    pub text: &'a str,
}

/// What kept an entity, a relation or a whole file out of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file and line.
    pub origin: Origin,
    /// The entity, when so much could be read.
    pub entity: Option<EntityRef>,
    /// The dotted field; empty for the whole entity or file.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}/{}:{}: {}",
            self.origin.repository, self.origin.path, self.origin.line, self.message
        )
    }
}

/// The catalog at one moment. Immutable; build another when files change.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    entities: BTreeMap<EntityRef, Entity>,
    relations: BTreeMap<EntityRef, Vec<Relation>>,
    problems: Vec<Problem>,
}

impl Catalog {
    /// Reads files. An entity that two files claim belongs to the first; faulty entities are left out and told in
    /// [`Catalog::problems`].
    pub fn build<'a>(files: impl IntoIterator<Item = SourceFile<'a>>) -> Catalog {
        let mut catalog = Catalog::default();
        for file in files {
            catalog.read(file);
        }
        for relations in catalog.relations.values_mut() {
            relations.sort();
            relations.dedup();
        }
        catalog
    }

    /// All entities, ordered by reference.
    pub fn entities(&self) -> impl ExactSizeIterator<Item = &Entity> {
        self.entities.values()
    }

    /// One entity.
    pub fn get(&self, reference: &EntityRef) -> Option<&Entity> {
        self.entities.get(reference)
    }

    /// The relations of an entity in both directions, ordered by name and target. A reference that others name has
    /// relations even when it is no entity itself.
    pub fn relations(&self, reference: &EntityRef) -> &[Relation] {
        self.relations.get(reference).map_or(&[], Vec::as_slice)
    }

    /// The first target of a relation, such as the owner (`ownedBy`) or system (`partOf`).
    pub fn related(&self, reference: &EntityRef, relation: &str) -> Option<&EntityRef> {
        self.relations(reference)
            .iter()
            .find(|r| r.name == relation)
            .map(|r| &r.target)
    }

    /// What was wrong with the files, in the order of reading.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn read(&mut self, file: SourceFile<'_>) {
        let origin = |position: Option<Position>| Origin {
            repository: file.repository.to_owned(),
            path: file.path.to_owned(),
            line: position.map_or(1, |p| p.line),
        };
        let docs = match parse_yaml(file.text) {
            Ok(docs) => docs,
            Err(error) => {
                self.problems.push(Problem {
                    origin: origin(Some(error.position)),
                    entity: None,
                    field: String::new(),
                    message: format!("the file is not YAML: {}", error.message),
                });
                return;
            }
        };
        for doc in docs.into_iter().filter(|doc| !doc.root().is_null()) {
            let at = origin(doc.root().position());
            match validate(doc.root()) {
                Err(fault) => {
                    let named = doc.root().str_at(&["metadata", "name"]).is_some();
                    self.problems.push(Problem {
                        origin: origin(fault.position),
                        entity: named.then(|| reference_of(doc.root())),
                        field: fault.field,
                        message: fault.message,
                    });
                }
                Ok(fields) => {
                    let entity = Entity::new(doc, at);
                    if let Some(first) = self.entities.get(entity.reference()) {
                        let first = first.origin();
                        let message = format!(
                            "{} is defined already, at {}/{}:{}; give one of the two another name or namespace",
                            entity.reference(),
                            first.repository,
                            first.path,
                            first.line
                        );
                        self.problems.push(Problem {
                            origin: entity.origin().clone(),
                            entity: Some(entity.reference().clone()),
                            field: "metadata.name".into(),
                            message,
                        });
                        continue;
                    }
                    self.relate(&entity, fields);
                    self.entities.insert(entity.reference().clone(), entity);
                }
            }
        }
    }

    /// Adds both directions of each relation that an entity's fields make.
    fn relate(&mut self, entity: &Entity, fields: &[Field]) {
        for field in fields {
            let Some(of) = field.relation else { continue };
            let Some(value) = entity.spec(field.name) else { continue };
            let texts: Vec<Node<'_>> = if value.is_array() {
                value.items().collect()
            } else {
                vec![value]
            };
            for node in texts {
                let Some(text) = node.as_str() else { continue };
                match EntityRef::parse(text, of.default_kind, entity.namespace()) {
                    Ok(target) => {
                        let source = entity.reference().clone();
                        let inward = Relation {
                            name: of.inward,
                            target: source.clone(),
                        };
                        self.relations.entry(target.clone()).or_default().push(inward);
                        self.relations.entry(source).or_default().push(Relation {
                            name: of.outward,
                            target,
                        });
                    }
                    Err(error) => self.problems.push(Problem {
                        origin: Origin {
                            line: node.position().map_or(entity.origin().line, |p| p.line),
                            ..entity.origin().clone()
                        },
                        entity: Some(entity.reference().clone()),
                        field: format!("spec.{}", field.name),
                        message: error.to_string(),
                    }),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const SHOP: &str = "\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: Checkout, tags: [rust]}
spec:
  type: service
  lifecycle: production
  owner: team-checkout
  system: shop
  providesApis: [checkout-api]
  dependsOn: [\"resource:checkout-db\", \"resource:checkout-db\"]
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: team-checkout}
spec: {type: team, children: [], members: [carla]}
---
# an empty document
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: carla}
spec: {memberOf: [team-checkout], profile: {displayName: Carla}}
";

    fn catalog(files: &[(&str, &str)]) -> Catalog {
        Catalog::build(files.iter().map(|(path, text)| SourceFile {
            repository: "shop",
            path,
            text,
        }))
    }

    #[test]
    fn relations_go_both_ways_once() {
        let catalog = catalog(&[("catalog-info.yaml", SHOP)]);
        assert_eq!(catalog.problems(), []);
        let mut told = String::new();
        for reference in catalog.relations.keys() {
            for relation in catalog.relations(reference) {
                told += &format!("{reference} {} {}\n", relation.name, relation.target);
            }
        }
        expect![[r#"
            api:default/checkout-api apiProvidedBy component:default/checkout
            component:default/checkout dependsOn resource:default/checkout-db
            component:default/checkout ownedBy group:default/team-checkout
            component:default/checkout partOf system:default/shop
            component:default/checkout providesApi api:default/checkout-api
            group:default/team-checkout hasMember user:default/carla
            group:default/team-checkout ownerOf component:default/checkout
            resource:default/checkout-db dependencyOf component:default/checkout
            system:default/shop hasPart component:default/checkout
            user:default/carla memberOf group:default/team-checkout
        "#]]
        .assert_eq(&told);
    }

    #[test]
    fn entities_are_read_with_their_place() {
        let catalog = catalog(&[("catalog-info.yaml", SHOP)]);
        let carla = catalog.get(&"user:carla".parse().unwrap()).unwrap();
        assert_eq!((carla.title(), carla.origin().line), ("Carla", 19));
        let checkout = catalog.get(&"component:CHECKOUT".parse().unwrap()).unwrap();
        assert_eq!(
            (checkout.name(), checkout.kind(), checkout.tags().count()),
            ("Checkout", "Component", 1)
        );
        let owner = catalog.related(checkout.reference(), "ownedBy").unwrap();
        assert_eq!(owner.to_string(), "group:default/team-checkout");
    }

    #[test]
    fn faults_are_told_and_good_siblings_stay() {
        let second = "kind: Component\n---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: checkout}\n\
                      spec: {type: s, lifecycle: x, owner: a}\n---\napiVersion: backstage.io/v1alpha1\nkind: Resource\n\
                      metadata: {name: db}\nspec: {type: database, owner: a, dependsOn: [just-a-name]}\n";
        let catalog = catalog(&[("a.yaml", SHOP), ("b.yaml", second), ("c.yaml", "a: [1")]);
        assert_eq!(catalog.entities().len(), 4);
        let told: Vec<String> = catalog.problems().iter().map(ToString::to_string).collect();
        assert!(
            told[0].starts_with("shop/b.yaml:1: Malformed envelope, <root> must have"),
            "{told:?}"
        );
        assert!(
            told[1].starts_with("shop/b.yaml:3: component:default/checkout is defined already, at shop/a.yaml:1"),
            "{told:?}"
        );
        assert!(
            told[2].starts_with("shop/b.yaml:11: `just-a-name` names no kind"),
            "{told:?}"
        );
        assert!(told[3].starts_with("shop/c.yaml:"), "{told:?}");
        assert_eq!(told.len(), 4);
    }
}
