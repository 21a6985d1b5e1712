//! Promotion: a revision walks from stage to stage, each step only after it proved itself in the one before.
//!
//! Pure: the Promotion's spec and status and what is seen of its Applications go in, the next status comes out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ridgeway_cluster::rfc3339;
use ridgeway_doc::{Node, Value};
use ridgeway_krm::GoDuration;

use crate::names::APPROVE;
use crate::spec::{AppKey, strings, text};

/// One stage as the spec has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name; the Application's where none is given.
    pub name: String,
    /// The Application that deploys it.
    pub app: AppKey,
    /// How long a revision must be healthy here before it goes on.
    pub soak: Duration,
    /// Whether a revision comes here by itself.
    pub automatic: bool,
}

/// A Promotion's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromotionSpec {
    /// Its stages, in order. The first one follows its Application's own target revision.
    pub stages: Vec<Stage>,
    /// Revisions (or prefixes of at least seven digits) that somebody approved for a stage that waits.
    pub approved: Vec<String>,
}

/// Where a stage stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StagePhase {
    /// Nothing has come here yet.
    #[default]
    Waiting,
    /// A revision is ready to come here and waits for approval.
    AwaitingApproval,
    /// The revision is being deployed.
    Deploying,
    /// The revision is healthy and must stay so for a while.
    Soaking,
    /// The revision proved itself.
    Passed,
    /// The revision proved bad here, and goes no further.
    Stopped,
}

impl StagePhase {
    const ALL: [StagePhase; 6] = [
        StagePhase::Waiting,
        StagePhase::AwaitingApproval,
        StagePhase::Deploying,
        StagePhase::Soaking,
        StagePhase::Passed,
        StagePhase::Stopped,
    ];

    /// As the status spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            StagePhase::Waiting => "Waiting",
            StagePhase::AwaitingApproval => "AwaitingApproval",
            StagePhase::Deploying => "Deploying",
            StagePhase::Soaking => "Soaking",
            StagePhase::Passed => "Passed",
            StagePhase::Stopped => "Stopped",
        }
    }
}

/// A stage's status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageStatus {
    /// The revision that is to run here; empty while none came.
    pub revision: String,
    /// Where it stands.
    pub phase: StagePhase,
    /// What runs here, and how it is.
    pub health: String,
    /// The revision that is deployed here now.
    pub deployed: String,
    /// Since when the revision has been healthy without a break, as RFC 3339.
    pub healthy_since: String,
    /// When the revision came here, as RFC 3339.
    pub promoted_at: String,
    /// The sentence for the reader.
    pub message: String,
}

/// What is seen of a stage's Application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageSeen {
    /// Whether the Application exists.
    pub exists: bool,
    /// The revision it wants to deploy: its branch's head.
    pub target: String,
    /// The revision it deployed last.
    pub deployed: String,
    /// Whether that sync succeeded and nothing differs from it.
    pub synced: bool,
    /// Its health, in Argo's words.
    pub health: String,
    /// Revisions that proved bad in it, with the reason.
    pub quarantined: Vec<(String, String)>,
}

impl PromotionSpec {
    /// Reads a Promotion; what is wrong with it is said in one sentence each.
    pub fn read(promotion: Node<'_>) -> (PromotionSpec, Vec<String>) {
        let mut faults = Vec::new();
        let own_namespace = text(promotion, &["metadata", "namespace"]);
        let spec = promotion.get("spec");
        let at = |path: &[&str]| spec.and_then(|spec| spec.at(path));
        let mut soak = |node: Option<Node<'_>>, field: &str| -> Option<Duration> {
            let node = node?;
            let parsed = match (node.as_i64(), node.as_str()) {
                (Some(seconds), _) => u64::try_from(seconds).ok().map(Duration::from_secs),
                (None, Some(text)) => GoDuration::parse(text).ok().and_then(GoDuration::to_std),
                _ => None,
            };
            if parsed.is_none() {
                faults.push(format!("{field}: {node} is not a number of seconds"));
            }
            parsed
        };
        let default_soak = soak(at(&["health", "soakSeconds"]), "spec.health.soakSeconds").unwrap_or_default();
        let automatic = at(&["autoPromote"]).and_then(Node::as_bool).unwrap_or(true);
        let mut stages = Vec::new();
        let mut nameless = Vec::new();
        for (index, stage) in at(&["stages"]).iter().flat_map(|list| list.items()).enumerate() {
            let application = text(stage, &["application"]);
            if application.is_empty() {
                nameless.push(format!(
                    "spec.stages[{index}].application: name the Application that deploys this stage"
                ));
                continue;
            }
            let namespace = stage
                .str_at(&["namespace"])
                .filter(|ns| !ns.is_empty())
                .unwrap_or(&own_namespace);
            let own_soak = stage
                .get("soakSeconds")
                .or_else(|| stage.at(&["health", "soakSeconds"]));
            stages.push(Stage {
                name: stage
                    .str_at(&["name"])
                    .filter(|name| !name.is_empty())
                    .unwrap_or(&application)
                    .into(),
                app: AppKey::new(namespace, &application),
                soak: soak(own_soak, &format!("spec.stages[{index}].soakSeconds")).unwrap_or(default_soak),
                automatic: stage.get("autoPromote").and_then(Node::as_bool).unwrap_or(automatic),
            });
        }
        faults.extend(nameless);
        if stages.is_empty() {
            faults.push("spec.stages: list the stages in order, as {application: <name>}".into());
        }
        for (index, stage) in stages.iter().enumerate() {
            if stages[..index].iter().any(|other| other.app == stage.app) {
                faults.push(format!(
                    "spec.stages[{index}]: Application {} is in the list already",
                    stage.app
                ));
            }
        }
        let mut approved = strings(at(&["approved"]));
        approved.extend(
            promotion
                .str_at(&["metadata", "annotations", APPROVE])
                .into_iter()
                .flat_map(|list| list.split(',').map(|revision| revision.trim().to_owned())),
        );
        (PromotionSpec { stages, approved }, faults)
    }

    fn approves(&self, revision: &str) -> bool {
        self.approved
            .iter()
            .any(|approved| approved.len() >= 7 && revision.starts_with(approved.as_str()))
    }
}

/// The next status of each stage, and when to look again if nothing changes meanwhile.
pub fn step(
    spec: &PromotionSpec,
    status: &[StageStatus],
    seen: &[StageSeen],
    now: Timestamp,
) -> (Vec<StageStatus>, Option<Duration>) {
    let mut next: Vec<StageStatus> = Vec::with_capacity(spec.stages.len());
    let mut look_again: Option<Duration> = None;
    for (index, stage) in spec.stages.iter().enumerate() {
        let mut state = status.get(index).cloned().unwrap_or_default();
        let unseen = StageSeen::default();
        let seen = seen.get(index).unwrap_or(&unseen);
        if !seen.exists {
            state.phase = StagePhase::Waiting;
            state.message = format!("there is no Application {}; create it", stage.app);
            state.health = "Missing".into();
            next.push(state);
            continue;
        }
        let before = index.checked_sub(1).map(|before| (&next[before], &spec.stages[before]));
        let blocked = arrive(stage, &mut state, seen, before, spec, now);
        state.health = seen.health.clone();
        state.deployed = seen.deployed.clone();
        if !blocked && let Some(wait) = prove(stage, &mut state, seen, now) {
            look_again = Some(look_again.map_or(wait, |other| other.min(wait)));
        }
        next.push(state);
    }
    (next, look_again)
}

/// Lets a revision come to a stage: the target of its Application to the first, what passed the one before to others.
/// Returns whether the stage's phase is decided by that.
fn arrive(
    stage: &Stage,
    state: &mut StageStatus,
    seen: &StageSeen,
    before: Option<(&StageStatus, &Stage)>,
    spec: &PromotionSpec,
    now: Timestamp,
) -> bool {
    let candidate = match before {
        None => seen.target.as_str(),
        Some((previous, _)) if previous.phase == StagePhase::Passed => previous.revision.as_str(),
        Some((previous, from)) => {
            if state.revision.is_empty() {
                state.phase = StagePhase::Waiting;
                state.message = format!("waiting for {} ({})", from.name, previous.phase.as_str());
                return true;
            }
            // What runs here stays, and its health is followed, while the stage before is busy.
            state.revision.as_str()
        }
    };
    if candidate.is_empty() || candidate == state.revision {
        if candidate.is_empty() {
            state.message = "waiting for its Application to find a revision".into();
        }
        return candidate.is_empty();
    }
    if before.is_some() && !stage.automatic && !spec.approves(candidate) {
        state.phase = StagePhase::AwaitingApproval;
        state.message = format!(
            "{} is ready for {}; approve it with the annotation {APPROVE}={}",
            short(candidate),
            stage.name,
            short(candidate)
        );
        return true;
    }
    *state = StageStatus {
        revision: candidate.to_owned(),
        phase: StagePhase::Deploying,
        promoted_at: rfc3339(now),
        ..StageStatus::default()
    };
    false
}

/// Follows a revision in its stage. Returns when to look again.
fn prove(stage: &Stage, state: &mut StageStatus, seen: &StageSeen, now: Timestamp) -> Option<Duration> {
    let revision = short(&state.revision).to_owned();
    if let Some((_, reason)) = seen.quarantined.iter().find(|(bad, _)| *bad == state.revision) {
        state.phase = StagePhase::Stopped;
        state.healthy_since.clear();
        state.message = format!("{revision} proved bad in {} and goes no further: {reason}", stage.name);
        return None;
    }
    if seen.deployed != state.revision || !seen.synced {
        if state.phase != StagePhase::Passed || seen.deployed != state.revision {
            state.phase = StagePhase::Deploying;
            state.healthy_since.clear();
            state.message = format!("{revision} is being deployed to {}", stage.name);
        }
        return None;
    }
    if state.phase == StagePhase::Passed {
        // It proved itself; what happens to it later stops nothing that has gone on.
        state.message = format!("{revision} passed {}", stage.name);
        return None;
    }
    if seen.health != "Healthy" {
        state.phase = if seen.health == "Degraded" {
            StagePhase::Stopped
        } else {
            StagePhase::Deploying
        };
        state.healthy_since.clear();
        state.message = format!("{revision} is {} in {}", seen.health, stage.name);
        return None;
    }
    let since: Timestamp = match state.healthy_since.parse() {
        Ok(since) => since,
        Err(_) => {
            state.healthy_since = rfc3339(now);
            now
        }
    };
    let soaked = Duration::try_from(now.duration_since(since).max(SignedDuration::ZERO)).unwrap_or_default();
    match stage.soak.checked_sub(soaked).filter(|left| !left.is_zero()) {
        Some(left) => {
            state.phase = StagePhase::Soaking;
            state.message = format!(
                "{revision} is healthy in {} and soaks for {} s",
                stage.name,
                stage.soak.as_secs()
            );
            Some(left)
        }
        None => {
            state.phase = StagePhase::Passed;
            state.message = format!("{revision} passed {}", stage.name);
            None
        }
    }
}

fn short(revision: &str) -> &str {
    revision.get(..7).unwrap_or(revision)
}

impl StageStatus {
    /// Reads a stage's status.
    pub fn read(node: Node<'_>) -> StageStatus {
        let phase = node.str_at(&["phase"]).unwrap_or_default();
        StageStatus {
            revision: text(node, &["revision"]),
            phase: StagePhase::ALL
                .into_iter()
                .find(|known| known.as_str() == phase)
                .unwrap_or_default(),
            health: text(node, &["health"]),
            deployed: text(node, &["deployed"]),
            healthy_since: text(node, &["healthySince"]),
            promoted_at: text(node, &["promotedAt"]),
            message: text(node, &["message"]),
        }
    }

    /// Writes it.
    pub fn to_value(&self, stage: &Stage) -> Value {
        let mut value = Value::object();
        for (key, text) in [
            ("name", stage.name.as_str()),
            ("application", stage.app.name.as_str()),
            ("namespace", stage.app.namespace.as_str()),
            ("revision", self.revision.as_str()),
            ("phase", self.phase.as_str()),
            ("health", self.health.as_str()),
            ("deployed", self.deployed.as_str()),
            ("healthySince", self.healthy_since.as_str()),
            ("promotedAt", self.promoted_at.as_str()),
            ("message", self.message.as_str()),
        ] {
            if !text.is_empty() {
                value.set(&[key], text);
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "aaaaaaaaaa";
    const BAD: &str = "bbbbbbbbbb";

    fn spec(yaml: &str) -> PromotionSpec {
        let doc = ridgeway_doc::parse_yaml(yaml).unwrap();
        let (spec, faults) = PromotionSpec::read(doc[0].root());
        assert_eq!(faults, Vec::<String>::new());
        spec
    }

    fn three(extra: &str) -> PromotionSpec {
        spec(&format!(
            "metadata: {{namespace: argocd}}\nspec: {{stages: [{{application: dev}}, {{application: staging}}, \
             {{application: prod}}], health: {{soakSeconds: 30}}{extra}}}"
        ))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn runs(revision: &str, health: &str) -> StageSeen {
        StageSeen {
            exists: true,
            target: revision.into(),
            deployed: revision.into(),
            synced: true,
            health: health.into(),
            quarantined: vec![],
        }
    }

    fn phases(status: &[StageStatus]) -> Vec<(&str, &str)> {
        status.iter().map(|s| (s.revision.as_str(), s.phase.as_str())).collect()
    }

    #[test]
    fn a_good_revision_walks_through_all_stages() {
        let spec = three("");
        let mut seen = vec![runs(GOOD, "Healthy"), runs("", "Missing"), runs("", "Missing")];
        let (status, again) = step(&spec, &[], &seen, at(0));
        assert_eq!(phases(&status), [(GOOD, "Soaking"), ("", "Waiting"), ("", "Waiting")]);
        assert_eq!(again, Some(Duration::from_secs(30)));
        let (status, _) = step(&spec, &status, &seen, at(30));
        assert_eq!(
            phases(&status),
            [(GOOD, "Passed"), (GOOD, "Deploying"), ("", "Waiting")]
        );
        seen[1] = runs(GOOD, "Healthy");
        let (status, _) = step(&spec, &status, &seen, at(31));
        assert_eq!(phases(&status), [(GOOD, "Passed"), (GOOD, "Soaking"), ("", "Waiting")]);
        let (status, _) = step(&spec, &status, &seen, at(61));
        seen[2] = runs(GOOD, "Healthy");
        let (status, _) = step(&spec, &status, &seen, at(62));
        let (status, again) = step(&spec, &status, &seen, at(92));
        assert_eq!(phases(&status), [(GOOD, "Passed"), (GOOD, "Passed"), (GOOD, "Passed")]);
        assert_eq!(again, None);
    }

    #[test]
    fn a_bad_revision_stops_where_it_fails() {
        let spec = three("");
        let mut seen = vec![runs(GOOD, "Healthy"); 3];
        let mut status = Vec::new();
        for second in [0, 30, 60, 90, 120] {
            status = step(&spec, &status, &seen, at(second)).0;
        }
        assert!(status.iter().all(|s| s.phase == StagePhase::Passed));
        seen[0] = runs(BAD, "Healthy");
        status = step(&spec, &status, &seen, at(200)).0;
        status = step(&spec, &status, &seen, at(230)).0;
        assert_eq!(phases(&status), [(BAD, "Passed"), (BAD, "Deploying"), (GOOD, "Passed")]);
        // Staging rolled back to what was good, and says why.
        seen[1].quarantined = vec![(BAD.into(), "CrashLoopBackOff".into())];
        status = step(&spec, &status, &seen, at(240)).0;
        assert_eq!(phases(&status), [(BAD, "Passed"), (BAD, "Stopped"), (GOOD, "Passed")]);
        assert!(status[1].message.contains("CrashLoopBackOff"));
        // However long that lasts, production keeps what it has; the next good one overtakes.
        status = step(&spec, &status, &seen, at(9000)).0;
        assert_eq!(status[2].revision, GOOD);
        let next = "cccccccccc";
        seen[0] = runs(next, "Healthy");
        for second in [9100, 9130] {
            status = step(&spec, &status, &seen, at(second)).0;
        }
        assert_eq!(
            phases(&status),
            [(next, "Passed"), (next, "Deploying"), (GOOD, "Passed")]
        );
    }

    #[test]
    fn a_stage_without_automatic_promotion_waits_for_approval() {
        let yaml = |annotation: &str| {
            format!(
                "metadata: {{namespace: argocd, annotations: {{ridgeway.dev/approve: '{annotation}'}}}}\nspec: {{stages: \
                 [{{application: staging}}, {{application: prod, namespace: other, autoPromote: false}}]}}"
            )
        };
        let seen = [runs(GOOD, "Healthy"), runs("", "Missing")];
        let (status, _) = step(&spec(&yaml("")), &[], &seen, at(0));
        assert_eq!(phases(&status), [(GOOD, "Passed"), ("", "AwaitingApproval")]);
        let (status, _) = step(&spec(&yaml("bbbbbbb")), &status, &seen, at(1));
        assert_eq!(status[1].phase, StagePhase::AwaitingApproval);
        let (status, _) = step(&spec(&yaml("bbbbbbb, aaaaaaa")), &status, &seen, at(2));
        assert_eq!(phases(&status), [(GOOD, "Passed"), (GOOD, "Deploying")]);
    }

    #[test]
    fn soaking_starts_anew_when_health_breaks() {
        let spec = three("");
        let mut seen = vec![runs(GOOD, "Healthy"), runs("", ""), runs("", "")];
        let (status, _) = step(&spec, &[], &seen, at(0));
        seen[0].health = "Progressing".into();
        let (status, _) = step(&spec, &status, &seen, at(20));
        seen[0].health = "Healthy".into();
        let (status, _) = step(&spec, &status, &seen, at(25));
        let (status, _) = step(&spec, &status, &seen, at(40));
        assert_eq!(status[0].phase, StagePhase::Soaking);
        let (status, _) = step(&spec, &status, &seen, at(55));
        assert_eq!(status[0].phase, StagePhase::Passed);
        // A status survives being written and read.
        let value = status[0].to_value(&spec.stages[0]);
        assert_eq!(StageStatus::read(value.node()), status[0]);
    }

    #[test]
    fn faults_are_told() {
        let doc = ridgeway_doc::parse_yaml(
            "spec: {stages: [{name: x}, {application: a}, {application: a, soakSeconds: soon}]}",
        )
        .unwrap();
        let (_, faults) = PromotionSpec::read(doc[0].root());
        assert_eq!(faults.len(), 3, "{faults:?}");
        let missing = three("");
        let (status, _) = step(&missing, &[], &[], at(0));
        assert!(status[0].message.contains("there is no Application argocd/dev"));
    }
}
