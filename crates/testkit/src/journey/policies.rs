//! Policies as people live with them: an exception with an approver and an end, and reports for kubectl.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::World;
use crate::kube::As;
use crate::report::{Report, ensure, until};

const DORA: As<'static> = As::User("dora", "exception-askers");
const ERIN: As<'static> = As::User("erin", "exception-approvers");
/// How long the exception lasts once it is approved.
const LASTS: Duration = Duration::from_secs(6);
/// How long a change may take to be seen.
const SOON: Duration = Duration::from_secs(10);

const ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: exception-askers}
rules:
- {apiGroups: [kyverno.io], resources: [policyexceptions], verbs: [create, get, list, patch, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: exception-approvers}
rules:
- {apiGroups: [kyverno.io], resources: [policyexceptions], verbs: [approve, get, list, patch, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: exception-askers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: exception-askers}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: exception-askers}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: exception-approvers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: exception-approvers}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: exception-approvers}]
";

/// A ConfigMap that a policy of these steps refuses. In block style: what begins with a brace is JSON to kubectl.
const OBJECT: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: imported, namespace: default}
data: {a: b}
";

const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: maps-name-their-source}
spec:
  validationFailureAction: Enforce
  rules:
  - name: source
    match: {any: [{resources: {kinds: [ConfigMap], namespaces: [default], names: ['import*']}}]}
    validate:
      message: say where the data comes from
      pattern: {metadata: {labels: {source: '?*'}}}
";

/// The exception that waits for an approver in the portal, and the policy that the object breaks meanwhile.
pub(super) const WAITING: &str = "imported-again";
pub(super) const BROKEN: &str = "maps-name-their-source";

fn exception(name: &str, expires: &str) -> String {
    format!(
        "
apiVersion: kyverno.io/v2
kind: PolicyException
metadata:
  name: {name}
  namespace: default
  annotations:
    ridgeway.dev/owner: team-checkout
    ridgeway.dev/reason: the importer learns to set the label this week
    ridgeway.dev/expires: {expires:?}
spec:
  match: {{any: [{{resources: {{kinds: [ConfigMap], names: [imported]}}}}]}}
  exceptions: [{{policyName: maps-name-their-source, ruleNames: [source]}}]
"
    )
}

fn approval(name: &str) -> String {
    format!(r#"{{"metadata":{{"annotations":{{"ridgeway.dev/approved-by":"{name}"}}}}}}"#)
}

/// The moment in which an exception that lasts so long from now ends.
fn after(span: Duration) -> Result<String> {
    let end = format!("@{}", date(&["+%s"])?.parse::<u64>()? + span.as_secs());
    date(&["-u", "-d", &end, "+%Y-%m-%dT%H:%M:%SZ"])
}

fn date(args: &[&str]) -> Result<String> {
    let output = std::process::Command::new("date").args(args).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn refused(world: &World, who: As<'_>, manifest: &str) -> Result<String> {
    match world.kube.apply(who, manifest) {
        Ok(()) => bail!("it was let in"),
        Err(refusal) => Ok(refusal.to_string()),
    }
}

fn approve(world: &World, who: As<'_>, name: &str) -> Result<()> {
    world.kube.merge_patch(
        who,
        "policyexceptions.kyverno.io",
        "default",
        "imported",
        &approval(name),
    )
}

pub(super) fn play(world: &World, report: &mut Report) {
    report.step("an exception is asked for and does not count yet", || {
        world.kube.apply(As::Admin, ROLES)?;
        world.kube.apply(As::Admin, POLICY)?;
        until(SOON, || refused_by_policy(world))?;
        let malformed = refused(world, DORA, &exception("imported", "next week"))?;
        ensure(
            malformed.contains("ridgeway.dev/expires") && malformed.contains("RFC 3339"),
            || format!("unclear refusal: {malformed}"),
        )?;
        world.kube.apply(DORA, &exception("imported", &after(LASTS)?))?;
        refused_by_policy(world)?;
        Ok(format!(
            "asked for by dora; {}",
            malformed
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(110)
                .collect::<String>()
        ))
    });
    report.step("who asked cannot approve, nor who lacks the verb", || {
        let own = approve(world, DORA, "dora")
            .err()
            .context("dora approved her own")?
            .to_string();
        ensure(own.contains("themselves"), || format!("unclear refusal: {own}"))?;
        refused_by_policy(world)?;
        Ok(own.chars().take(140).collect())
    });
    report.step("approved by another user, it counts; after its end it does not", || {
        // The end is measured from the approval, so that a slow machine has the time.
        world.kube.apply(DORA, &exception("imported", &after(LASTS)?))?;
        until(SOON, || approve(world, ERIN, "erin"))?;
        until(LASTS, || world.kube.apply(As::Admin, OBJECT))?;
        until(LASTS + SOON, || {
            let state = world.kube.get("policyexceptions.kyverno.io", "default", "imported")?;
            let state = state.context("the exception is gone")?["status"]["state"].clone();
            ensure(state == "Expired", || format!("the exception is {state}"))
        })?;
        let page = world.portal()?.get("/policies/exceptions")?;
        let shown = page["items"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["name"] == "imported"))
            .context("the portal does not list the exception")?;
        ensure(shown["state"] == "Expired" && shown["approvedBy"] == "erin", || {
            format!("the portal shows {shown}")
        })?;
        Ok(format!("approved by erin, over after {} s", LASTS.as_secs()))
    });
    report.step("the policy report tells of the violation", || {
        until(SOON, || {
            let reports = world.kube.list("policyreports.wgpolicyk8s.io", "default")?;
            let of = reports.iter().find(|r| r["scope"]["name"] == "imported");
            let of = of.context("no report of the object")?;
            let failed = of["results"].as_array().into_iter().flatten();
            let failed = failed.filter(|r| r["policy"] == "maps-name-their-source" && r["result"] == "fail");
            ensure(failed.count() == 1, || format!("the report says {}", of["results"]))
        })?;
        let all = world.kube.list("policyreports.wgpolicyk8s.io", "")?;
        let open = world.kube.list("reports.openreports.io", "")?;
        ensure(all.len() == open.len(), || {
            format!("{} and {} reports", all.len(), open.len())
        })?;
        // Gone and made anew it is refused as before.
        world.kube.delete("configmaps", "default", "imported")?;
        refused_by_policy(world)?;
        Ok(format!("{} reports of {} objects", all.len() + open.len(), all.len()))
    });
    report.step(
        "a policy that only reports lets it in, and the portal shows the violation with a way out",
        || {
            let audit = r#"{"spec":{"validationFailureAction":"Audit"}}"#;
            world
                .kube
                .merge_patch(As::Admin, "clusterpolicies.kyverno.io", "", BROKEN, audit)?;
            until(SOON, || world.kube.apply(As::Admin, OBJECT))?;
            let portal = world.portal()?;
            let violation = until(SOON, || {
                let policies = portal.get("/policies")?;
                let items = policies["items"].as_array().into_iter().flatten();
                let id = items
                    .filter_map(|policy| policy["id"].as_str())
                    .find(|id| id.ends_with(BROKEN))
                    .context("the portal does not list the policy")?;
                let policy = portal.get(&format!("/policies/{id}"))?;
                let mut violations = policy["violations"].as_array().into_iter().flatten();
                let found = violations.find(|one| one.to_string().contains("imported"));
                found
                    .cloned()
                    .with_context(|| format!("the policy's page has no violation: {policy:.600}"))
            })?;
            let text = violation.to_string();
            ensure(
                text.contains("say where the data comes from") && text.contains("source"),
                || format!("the violation names no message or path: {text}"),
            )?;
            ensure(violation["application"].is_null(), || {
                format!(
                    "no application deploys it, the portal says {}",
                    violation["application"]
                )
            })?;
            world
                .kube
                .apply(DORA, &exception(WAITING, &after(Duration::from_secs(7200))?))?;
            Ok(text.chars().take(140).collect())
        },
    );
}

fn refused_by_policy(world: &World) -> Result<()> {
    let refusal = refused(world, As::Admin, OBJECT)?;
    ensure(refusal.contains("maps-name-their-source"), || {
        format!("refused for another reason: {refusal}")
    })
}
