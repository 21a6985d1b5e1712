//! Rules compiled to symbols: each text of any rule becomes a number once, so that deciding compares integers.

use std::collections::HashMap;

use crate::rule::{PolicyRule, url_covers};
use crate::rules::Attributes;

/// A text that occurs in some rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Symbol(u32);

/// The texts of all rules.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    known: HashMap<Box<str>, Symbol>,
}

impl Symbols {
    fn intern(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.known.get(text) {
            return symbol;
        }
        let symbol =
            Symbol(u32::try_from(self.known.len()).expect("a cluster has fewer than 2^32 distinct words in its roles"));
        self.known.insert(text.into(), symbol);
        symbol
    }

    /// `None` for a text that no rule holds, which only wildcards can match.
    fn find(&self, text: &str) -> Option<Symbol> {
        self.known.get(text).copied()
    }

    /// A request in symbols, once for all rules that are tried.
    pub(crate) fn question<'a>(&self, attributes: &Attributes<'a>) -> Question<'a> {
        if !attributes.non_resource_path.is_empty() {
            return Question {
                verb: self.find(attributes.verb),
                asks: Asks::Path(attributes.non_resource_path),
            };
        }
        let combined = if attributes.subresource.is_empty() {
            self.find(attributes.resource)
        } else {
            let text = [attributes.resource, "/", attributes.subresource].concat();
            self.find(&text)
        };
        Question {
            verb: self.find(attributes.verb),
            asks: Asks::Resource {
                group: self.find(attributes.group),
                combined,
                subresource: Some(attributes.subresource)
                    .filter(|sub| !sub.is_empty())
                    .and_then(|sub| self.find(sub)),
                name: self.find(attributes.name),
            },
        }
    }
}

/// What is asked, in symbols.
pub(crate) struct Question<'a> {
    verb: Option<Symbol>,
    asks: Asks<'a>,
}

enum Asks<'a> {
    Resource {
        group: Option<Symbol>,
        combined: Option<Symbol>,
        subresource: Option<Symbol>,
        name: Option<Symbol>,
    },
    Path(&'a str),
}

/// Some texts, or all.
#[derive(Debug)]
enum Set {
    All,
    Of(Box<[Symbol]>),
}

impl Set {
    fn of(texts: &[String], symbols: &mut Symbols) -> Set {
        if texts.iter().any(|text| text == "*") {
            return Set::All;
        }
        Set::Of(texts.iter().map(|text| symbols.intern(text)).collect())
    }

    fn has(&self, wanted: Option<Symbol>) -> bool {
        match self {
            Set::All => true,
            Set::Of(symbols) => wanted.is_some_and(|wanted| symbols.contains(&wanted)),
        }
    }
}

/// One rule in symbols.
#[derive(Debug)]
pub(crate) struct Compiled {
    verbs: Set,
    groups: Set,
    resources: Set,
    /// The subresources of `*/sub`.
    subresources: Box<[Symbol]>,
    names: Box<[Symbol]>,
    urls: Box<[Box<str>]>,
}

impl Compiled {
    pub(crate) fn of(rule: &PolicyRule, symbols: &mut Symbols) -> Compiled {
        let mut subresources = Vec::new();
        for resource in &rule.resources {
            if let Some(subresource) = resource.strip_prefix("*/") {
                subresources.push(symbols.intern(subresource));
            }
        }
        Compiled {
            verbs: Set::of(&rule.verbs, symbols),
            groups: Set::of(&rule.api_groups, symbols),
            resources: Set::of(&rule.resources, symbols),
            subresources: subresources.into(),
            names: rule.resource_names.iter().map(|name| symbols.intern(name)).collect(),
            urls: rule.non_resource_urls.iter().map(|url| url.as_str().into()).collect(),
        }
    }

    pub(crate) fn allows(&self, question: &Question<'_>) -> bool {
        if !self.verbs.has(question.verb) {
            return false;
        }
        match &question.asks {
            Asks::Resource {
                group,
                combined,
                subresource,
                name,
            } => {
                self.groups.has(*group)
                    && (self.resources.has(*combined)
                        || subresource.is_some_and(|sub| self.subresources.contains(&sub)))
                    && (self.names.is_empty() || name.is_some_and(|name| self.names.contains(&name)))
            }
            Asks::Path(path) => self.urls.iter().any(|pattern| url_covers(pattern, path)),
        }
    }
}
