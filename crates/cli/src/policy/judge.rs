//! Loading what all commands need, and judging one resource after the other.

use std::path::PathBuf;

use ridgeway_cluster::{Clock, SystemClock};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;
use ridgeway_policy::{Given, Operation, Point, Request, RuleSet, User, Verdicts};

use super::cluster;
use super::load::{self, Problem, Source};
use super::parse::Parser;
use super::world::{World, is_namespaced};

/// Where resources come from.
#[derive(Debug, clap::Args)]
pub(super) struct Resources {
    /// Resources: a file, a folder, a kustomization, or `-` for standard input (`helm template . | …`).
    #[arg(long = "resource", short = 'r', value_name = "FILE|DIR|-")]
    pub(super) resources: Vec<PathBuf>,
    /// How the resources are written; default by each file's name, YAML where that says nothing.
    #[arg(long, value_enum)]
    pub(super) parser: Option<Parser>,
    /// Judge what a cluster holds: the kinds that the rules match.
    #[arg(long, short = 'c')]
    pub(super) cluster: bool,
    /// The cluster's kubeconfig; implies --cluster. Default KUBECONFIG, the platform's own, ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Data directory of the platform on this machine, for its kubeconfig.
    #[arg(long, env = "RIDGEWAY_DATA_DIR", default_value = ".ridgeway")]
    pub(super) data_dir: PathBuf,
    /// The namespace of resources that name none; with --cluster only what lies in it.
    #[arg(long, short = 'n')]
    pub(super) namespace: Option<String>,
    /// Judge as if this user had asked.
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// A group of that user; more than once for more.
    #[arg(long = "as-group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Sets a variable that rules read: `request.operation=UPDATE`, `mode=dev`.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(super) variables: Vec<String>,
}

/// Everything that is judged, and by what.
pub(super) struct Bench {
    pub(super) rules: RuleSet,
    pub(super) policies: Vec<Source>,
    pub(super) resources: Vec<Prepared>,
    pub(super) world: World,
    pub(super) problems: Vec<Problem>,
    variables: Vec<Given>,
    operation: Operation,
    user: Option<String>,
    groups: Vec<String>,
}

/// A resource as it is put before the rules.
pub(super) struct Prepared {
    /// As it was read.
    pub(super) source: Source,
    /// With its namespace, where it named none.
    completed: Option<Doc>,
    pub(super) gvk: Gvk,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Prepared {
    pub(super) fn new(source: Source, default_namespace: &str) -> Prepared {
        let root = source.root();
        let gvk = Gvk::of(root).unwrap_or_default();
        let text = |key: &str| root.str_at(&["metadata", key]).unwrap_or_default().to_owned();
        let (mut namespace, name) = (text("namespace"), text("name"));
        let mut completed = None;
        if namespace.is_empty() && !gvk.kind.is_empty() && is_namespaced(&gvk) {
            namespace = default_namespace.to_owned();
            let mut value = root.to_value();
            value.set(&["metadata", "namespace"], namespace.as_str());
            completed = Some(value.into_doc());
        }
        Prepared {
            completed,
            gvk,
            namespace,
            name,
            source,
        }
    }

    /// The object as it is judged.
    pub(super) fn object(&self) -> Node<'_> {
        self.completed.as_ref().map_or_else(|| self.source.root(), Doc::root)
    }

    /// `Kind namespace/name`; the file, for what is no object.
    pub(super) fn shown(&self) -> String {
        if self.gvk.kind.is_empty() {
            return self.source.file.clone();
        }
        match self.namespace.as_str() {
            "" => format!("{} {}", self.gvk.kind, self.name),
            namespace => format!("{} {namespace}/{}", self.gvk.kind, self.name),
        }
    }
}

impl Bench {
    /// Reads everything.
    pub(super) fn open(policies: &[PathBuf], from: &Resources) -> anyhow::Result<Bench> {
        let loaded = load::policies(policies);
        let mut problems = loaded.problems;
        let roots: Vec<Node<'_>> = loaded.sources.iter().map(Source::root).collect();
        let (rules, errors) = RuleSet::compile(&roots);
        let rules = rules.at(Point::Gator);
        problems.extend(load::compile_problems(&errors, &loaded.sources));
        load::tell_unbound(&loaded.sources);
        let mut resources = load::resources(&from.resources, from.parser);
        problems.append(&mut resources.problems);
        if from.cluster || from.kubeconfig.is_some() {
            let wanted = cluster::wanted(&roots);
            let client = cluster::Client::open(from.kubeconfig.as_deref(), &from.data_dir)?;
            let found = client.list(&wanted, from.namespace.as_deref())?;
            resources.sources.extend(found);
        }
        let default = from.namespace.as_deref().unwrap_or("default");
        let (mut variables, mut operation) = (Vec::new(), Operation::Create);
        for text in &from.variables {
            let Some((name, value)) = text.split_once('=') else {
                return Err(crate::Exit::unusable(format!("--set {text}: write NAME=VALUE")).into());
            };
            if name == "request.operation" {
                operation = Operation::parse(value).ok_or_else(|| {
                    crate::Exit::unusable(format!("--set {text}: use CREATE, UPDATE, DELETE or CONNECT"))
                })?;
            }
            variables.push(Given {
                rule: String::new(),
                name: name.to_owned(),
                value: ridgeway_doc::parse_yaml(value)
                    .ok()
                    .and_then(|docs| docs.into_iter().next())
                    .map_or_else(|| Value::from(value), |doc| doc.root().to_value()),
            });
        }
        Ok(Bench {
            rules,
            world: World::new(&[resources.sources.as_slice(), &loaded.parameters].concat(), default),
            resources: resources
                .sources
                .into_iter()
                .map(|source| Prepared::new(source, default))
                .collect(),
            policies: loaded.sources,
            problems,
            variables,
            operation,
            user: from.user.clone(),
            groups: from.groups.clone(),
        })
    }

    /// Puts a resource before a judge as a request.
    pub(super) fn with_request<T>(&self, resource: &Prepared, judge: impl FnOnce(&Request<'_>) -> T) -> T {
        let root = resource.object();
        let subject = Some(root);
        // A recorded AdmissionReview says itself what was asked.
        let review = root.get("request").filter(|_| resource.gvk.kind == "AdmissionReview");
        if let Some(asked) = review {
            return self.with_review(asked, judge);
        }
        judge(&Request {
            operation: self.operation,
            namespace: &resource.namespace,
            object: subject.filter(|_| self.operation != Operation::Delete),
            old_object: subject.filter(|_| matches!(self.operation, Operation::Update | Operation::Delete)),
            namespace_object: self.world.namespace(&resource.namespace),
            user: self.user.as_deref().map(|name| User {
                name,
                groups: &self.groups,
                ..User::default()
            }),
            now: Some(SystemClock.now()),
            data: &self.world,
            variables: &self.variables,
            ..Request::create(&resource.gvk, root)
        })
    }

    fn with_review<T>(&self, asked: Node<'_>, judge: impl FnOnce(&Request<'_>) -> T) -> T {
        let text = |path: &[&str]| asked.str_at(path).unwrap_or_default();
        let gvk = Gvk::new(
            text(&["kind", "group"]),
            text(&["kind", "version"]),
            text(&["kind", "kind"]),
        );
        let groups = asked.at(&["userInfo", "groups"]).into_iter().flat_map(Node::items);
        let groups: Vec<String> = groups.filter_map(Node::as_str).map(str::to_owned).collect();
        let object = |key: &str| asked.get(key).filter(|node| node.is_object());
        judge(&Request {
            operation: Operation::parse(text(&["operation"])).unwrap_or_default(),
            gvk: &gvk,
            gvr: None,
            subresource: text(&["subResource"]),
            namespace: text(&["namespace"]),
            name: text(&["name"]),
            object: object("object"),
            old_object: object("oldObject"),
            namespace_object: self.world.namespace(text(&["namespace"])),
            user: Some(User {
                name: text(&["userInfo", "username"]),
                groups: &groups,
                ..User::default()
            }),
            dry_run: false,
            options: None,
            now: Some(SystemClock.now()),
            data: &self.world,
            variables: &self.variables,
        })
    }

    /// What the rules say about a resource.
    pub(super) fn admit(&self, resource: &Prepared) -> Verdicts {
        self.with_request(resource, |request| {
            if resource.source.stored {
                // Rules that look at the request have nothing to say about what is stored.
                let results = self.rules.scan(request);
                return Verdicts {
                    results,
                    ..Verdicts::default()
                };
            }
            self.rules.admit(request)
        })
    }

    /// Where a dotted path of a resource stands.
    pub(super) fn place(resource: &Prepared, path: &str) -> (u32, u32) {
        let root = resource.source.root();
        let position = ridgeway_policy::explain::position(root, path).or_else(|| root.position());
        position.map_or((0, 0), |p| (p.line, p.column))
    }

    /// Says on standard error what could not be used.
    pub(super) fn complain(&self) {
        for problem in &self.problems {
            eprintln!("{problem}");
        }
    }

    /// Nothing to judge, or nothing to judge by, is no success.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.rules.is_empty() {
            self.complain();
            return Err(crate::Exit::unusable(
                "no policy can be used; name a file or folder with Kyverno policies, or constraint templates with their \
                 constraints",
            )
            .into());
        }
        Ok(())
    }
}
