//! Enforcement points: where a constraint is looked at, and what it does there.

use ridgeway_doc::Node;

use crate::verdict::Action;

/// Where rules are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Point {
    /// At admission.
    #[default]
    Admission,
    /// At admission of what the platform delivers from Git.
    Sync,
    /// When a change is tried without being made.
    Plan,
    /// Over what is stored.
    Audit,
    /// On the command line and before a merge.
    Gator,
    /// While somebody writes.
    Editor,
}

impl Point {
    /// All points.
    pub const ALL: [Point; 6] = [
        Point::Admission,
        Point::Sync,
        Point::Plan,
        Point::Audit,
        Point::Gator,
        Point::Editor,
    ];

    /// The names that constraints know a point by, the nearest first.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Point::Admission => &["validation.gatekeeper.sh"],
            Point::Sync => &["sync.ridgeway.dev", "validation.gatekeeper.sh"],
            Point::Plan => &["plan.ridgeway.dev", "validation.gatekeeper.sh"],
            Point::Audit => &["audit.gatekeeper.sh"],
            Point::Gator => &["ci.ridgeway.dev", "gator.gatekeeper.sh"],
            Point::Editor => &["editor.ridgeway.dev", "ci.ridgeway.dev", "gator.gatekeeper.sh"],
        }
    }
}

/// What a constraint does at which points.
#[derive(Debug)]
pub(super) enum Actions {
    /// The same everywhere.
    Everywhere(Action),
    /// By the names of points.
    Scoped(Vec<(Vec<String>, Action)>),
}

/// Points that are named and that others serve.
const OTHERS: [&str; 2] = ["*", VAP];
/// Where the API server judges by the `ValidatingAdmissionPolicy` that Gatekeeper makes of a template in CEL.
const VAP: &str = "vap.k8s.io";

impl Actions {
    /// Reads `enforcementAction` and `scopedEnforcementActions`; the field at fault and why.
    pub(super) fn compile(spec: Option<Node<'_>>) -> Result<Actions, (String, String)> {
        let action = |text: Option<&str>| match text {
            None | Some("deny" | "") => Some(Action::Enforce),
            Some("warn") => Some(Action::Warn),
            Some("dryrun") => Some(Action::Audit),
            Some(_) => None,
        };
        let said = spec.and_then(|spec| spec.str_at(&["enforcementAction"]));
        if said != Some("scoped") {
            let why = || {
                format!(
                    "{:?} is no action; use deny, warn, dryrun or scoped",
                    said.unwrap_or_default()
                )
            };
            return action(said)
                .map(Actions::Everywhere)
                .ok_or_else(|| ("spec.enforcementAction".into(), why()));
        }
        let list = spec.and_then(|spec| spec.get("scopedEnforcementActions"));
        let mut out = Vec::new();
        for (i, entry) in list.into_iter().flat_map(Node::items).enumerate() {
            let path = format!("spec.scopedEnforcementActions[{i}]");
            let said = entry.str_at(&["action"]).filter(|said| !said.is_empty());
            let Some(action) = said.and_then(|said| action(Some(said))) else {
                return Err((format!("{path}.action"), "use deny, warn or dryrun".into()));
            };
            let points = entry.get("enforcementPoints").into_iter().flat_map(Node::items);
            let names: Vec<String> = points
                .map(|p| p.str_at(&["name"]).unwrap_or_default().to_owned())
                .collect();
            let known: Vec<&str> = Point::ALL
                .iter()
                .flat_map(|p| p.names())
                .chain(&OTHERS)
                .copied()
                .collect();
            if let Some(other) = names.iter().find(|name| !known.contains(&name.as_str())) {
                let mut known = known;
                known.sort_unstable();
                known.dedup();
                let why = format!("{other:?} is no enforcement point; use {}", known.join(", "));
                return Err((format!("{path}.enforcementPoints"), why));
            }
            out.push((names, action));
        }
        Ok(Actions::Scoped(out))
    }

    /// What is done at a point; `None` where the constraint has nothing to say. Where a change is admitted, or tried, the
    /// API server judges too, by a template that serves it.
    pub(super) fn at(&self, point: Point, serves_vap: bool) -> Option<Action> {
        let list = match self {
            Actions::Everywhere(action) => return Some(*action),
            Actions::Scoped(list) => list,
        };
        let strictest = |name: &str| {
            let about = list.iter().filter(|(names, _)| names.iter().any(|other| other == name));
            about.map(|(_, action)| *action).max()
        };
        // `*` adds to what is said of a point by name, as upstream has it; of a point's own names the nearest counts.
        let named = point.names().iter().copied().find_map(strictest);
        let admits = matches!(point, Point::Admission | Point::Sync | Point::Plan);
        let api_server = if admits && serves_vap { strictest(VAP) } else { None };
        named.max(strictest("*")).max(api_server)
    }

    /// The strictest of all.
    pub(super) fn strictest(&self) -> Action {
        match self {
            Actions::Everywhere(action) => *action,
            Actions::Scoped(list) => list.iter().map(|(_, action)| *action).max().unwrap_or_default(),
        }
    }
}
