//! Workload controllers.

use super::{Health, HealthStatus, Look};

use HealthStatus::{Degraded, Healthy, Progressing, Suspended};

pub(super) fn deployment(look: Look<'_>) -> Health {
    if look.flag(&["spec", "paused"]) {
        return Health::new(Suspended, "Deployment is paused");
    }
    let waiting = |rest: String| Health::new(Progressing, format!("Waiting for rollout to finish: {rest}"));
    if !look.is_observed() {
        return waiting("observed deployment generation less then desired generation".into());
    }
    let status = |field: &str| look.number(&["status", field]);
    let (updated, replicas) = (status("updatedReplicas"), status("replicas"));
    let available = status("availableReplicas");
    let late = look
        .condition("Progressing")
        .is_some_and(|c| c.str_at(&["reason"]) == Some("ProgressDeadlineExceeded"));
    match look.optional(&["spec", "replicas"]) {
        _ if late => {
            let name = look.text(&["metadata", "name"]);
            Health::new(Degraded, format!("Deployment {name:?} exceeded its progress deadline"))
        }
        Some(wanted) if updated < wanted => {
            waiting(format!("{updated} out of {wanted} new replicas have been updated..."))
        }
        _ if replicas > updated => waiting(format!(
            "{} old replicas are pending termination...",
            replicas - updated
        )),
        _ if available < updated => waiting(format!("{available} of {updated} updated replicas are available...")),
        _ => Health::new(Healthy, ""),
    }
}

pub(super) fn stateful_set(look: Look<'_>) -> Health {
    let status = |field: &str| look.number(&["status", field]);
    let wanted = look.optional(&["spec", "replicas"]);
    let (ready, updated) = (status("readyReplicas"), status("updatedReplicas"));
    if status("observedGeneration") == 0 || !look.is_observed() {
        return Health::new(Progressing, "Waiting for statefulset spec update to be observed...");
    }
    if let Some(wanted) = wanted.filter(|w| ready < *w) {
        return Health::new(
            Progressing,
            format!("Waiting for {} pods to be ready...", wanted - ready),
        );
    }
    let strategy = look.text(&["spec", "updateStrategy", "type"]);
    let rolling = look.0.at(&["spec", "updateStrategy", "rollingUpdate"]);
    if strategy == "RollingUpdate" && rolling.is_some_and(|r| !r.is_null()) {
        let partition = look.optional(&["spec", "updateStrategy", "rollingUpdate", "partition"]);
        if let (Some(wanted), Some(partition)) = (wanted, partition)
            && updated < wanted - partition
        {
            let message = format!(
                "Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...",
                wanted - partition
            );
            return Health::new(Progressing, message);
        }
        let message = format!("partitioned roll out complete: {updated} new pods have been updated...");
        return Health::new(Healthy, message);
    }
    if strategy == "OnDelete" {
        return Health::new(Healthy, format!("statefulset has {ready} ready pods"));
    }
    let (current, update) = (
        look.text(&["status", "currentRevision"]),
        look.text(&["status", "updateRevision"]),
    );
    if update != current {
        let message =
            format!("waiting for statefulset rolling update to complete {updated} pods at revision {update}...");
        return Health::new(Progressing, message);
    }
    let pods = status("currentReplicas");
    let message = format!("statefulset rolling update complete {pods} pods at revision {current}...");
    Health::new(Healthy, message)
}

pub(super) fn daemon_set(look: Look<'_>) -> Health {
    let status = |field: &str| look.number(&["status", field]);
    if !look.is_observed() {
        let message = "Waiting for rollout to finish: observed daemon set generation less then desired generation";
        return Health::new(Progressing, message);
    }
    let (updated, wanted) = (status("updatedNumberScheduled"), status("desiredNumberScheduled"));
    let available = status("numberAvailable");
    if look.text(&["spec", "updateStrategy", "type"]) == "OnDelete" {
        let message = format!("daemon set {updated} out of {wanted} new pods have been updated");
        return Health::new(Healthy, message);
    }
    let waiting = |rest: String| {
        let name = look.text(&["metadata", "name"]);
        Health::new(
            Progressing,
            format!("Waiting for daemon set {name:?} rollout to finish: {rest}"),
        )
    };
    if updated < wanted {
        return waiting(format!("{updated} out of {wanted} new pods have been updated..."));
    }
    if available < wanted {
        return waiting(format!("{available} of {wanted} updated pods are available..."));
    }
    Health::new(Healthy, "")
}

pub(super) fn replica_set(look: Look<'_>) -> Health {
    if !look.is_observed() {
        let message = "Waiting for rollout to finish: observed replica set generation less then desired generation";
        return Health::new(Progressing, message);
    }
    let failure = look.condition("ReplicaFailure");
    if let Some(failure) = failure.filter(|c| c.str_at(&["status"]) == Some("True")) {
        return Health::new(Degraded, failure.str_at(&["message"]).unwrap_or_default());
    }
    let available = look.number(&["status", "availableReplicas"]);
    match look.optional(&["spec", "replicas"]) {
        Some(wanted) if available < wanted => {
            let message =
                format!("Waiting for rollout to finish: {available} out of {wanted} new replicas are available...");
            Health::new(Progressing, message)
        }
        _ => Health::new(Healthy, ""),
    }
}

pub(super) fn job(look: Look<'_>) -> Health {
    let (mut failure, mut complete, mut message, mut suspended) = (None, false, "", false);
    for condition in look.items(&["status", "conditions"]) {
        let text = condition.str_at(&["message"]).unwrap_or_default();
        match condition.str_at(&["type"]) {
            Some("Failed") => failure = Some(text),
            Some("Complete") => (complete, message) = (true, text),
            Some("Suspended") => {
                (complete, message) = (true, text);
                suspended |= condition.str_at(&["status"]) == Some("True");
            }
            _ => {}
        }
    }
    match failure {
        Some(failure) => Health::new(Degraded, failure),
        None if !complete => Health::new(Progressing, message),
        None if suspended => Health::new(Suspended, message),
        None => Health::new(Healthy, message),
    }
}

pub(super) fn cron_job(look: Look<'_>) -> Health {
    if look.flag(&["spec", "suspend"]) {
        return Health::new(Healthy, "CronJob is Suspended");
    }
    if look.0.get("status").is_none() {
        return Health::new(Progressing, "Waiting for CronJob");
    }
    // Timestamps of one format compare as texts.
    let (scheduled, succeeded) = (
        look.text(&["status", "lastScheduleTime"]),
        look.text(&["status", "lastSuccessfulTime"]),
    );
    let active = look.items(&["status", "active"]).next().is_some();
    match (scheduled, succeeded) {
        ("", _) => Health::new(Healthy, "CronJob has not been scheduled yet"),
        (_, "") => Health::new(
            Healthy,
            "The CronJob never completed successfully. It may not be healthy",
        ),
        _ if active => Health::new(
            Healthy,
            "The job is running. Its last execution may not have been successful",
        ),
        (scheduled, succeeded) if succeeded < scheduled => {
            Health::new(Degraded, "CronJob has not completed its last execution successfully")
        }
        _ => Health::new(Healthy, "CronJob has completed its last execution successfully"),
    }
}
