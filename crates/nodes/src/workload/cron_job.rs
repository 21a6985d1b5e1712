//! CronJobs: a Job at each time of a schedule.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ridgeway_cluster::{EventType, Reason, Status};
use ridgeway_doc::{Doc, Node, Value};

use crate::cron::Schedule;
use crate::object::{controlled_by, holds, number};
use crate::{Nodes, Worked};

/// Which time a Job was made for.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

impl Nodes {
    pub(crate) async fn cron_job(&self, cron: &Doc) -> Result<Option<Duration>, Status> {
        let node = cron.root();
        let jobs = self.owned(Worked::Job, node).await?;
        let over = |job: &&Doc| holds(job.root(), "Complete") || holds(job.root(), "Failed");
        let (finished, mut active): (Vec<&Doc>, Vec<&Doc>) = jobs.iter().partition(over);
        self.forget_finished(node, &finished).await?;
        let schedule = match Schedule::parse(node.text_at(&["spec", "schedule"])) {
            Ok(schedule) => schedule,
            Err(error) => {
                self.note(node, EventType::Warning, "UnparseableSchedule", &error.to_string());
                return Ok(None);
            }
        };
        let zone = node.text_at(&["spec", "timeZone"]);
        if !matches!(zone, "" | "UTC" | "Etc/UTC") {
            let message = format!("the time zone {zone:?} is not known here: the schedule is read in UTC");
            self.note(node, EventType::Warning, "UnknownTimeZone", &message);
        }
        let suspended = node.at(&["spec", "suspend"]).and_then(Node::as_bool) == Some(true);
        let now = self.clock.now();
        let time = |path: &[&str]| node.text_at(path).parse::<Timestamp>().ok();
        let last = time(&["status", "lastScheduleTime"]);
        let mut status = Value::object();
        let made;
        if let (Some(due), false) = (self.due(node, &schedule, last, now), suspended) {
            let policy = node.text_at(&["spec", "concurrencyPolicy"]);
            if policy == "Replace" {
                for job in active.drain(..) {
                    self.remove(job, None, None).await?;
                }
            }
            if policy != "Forbid" || active.is_empty() {
                made = self.make_job(node, due).await?;
                active.extend(made.as_ref());
                status.set(&["lastScheduleTime"], ridgeway_cluster::rfc3339(due));
            }
        }
        let succeeded = finished
            .iter()
            .filter_map(|job| job.root().str_at(&["status", "completionTime"]))
            .max();
        if let Some(succeeded) = succeeded {
            status.set(&["lastSuccessfulTime"], succeeded);
        }
        status.set(
            &["active"],
            active.iter().map(|job| reference(job.root())).collect::<Value>(),
        );
        self.set_status(cron, status).await?;
        if suspended {
            return Ok(None);
        }
        let next = schedule.next(now).map(|next| next.duration_since(now));
        Ok(next
            .filter(|left| left.is_positive())
            .map(|left| left.unsigned_abs() + Duration::from_millis(20)))
    }

    /// The latest time that has come and was not served yet; older ones that were missed are let go.
    fn due(&self, node: Node<'_>, schedule: &Schedule, last: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let created = node.text_at(&["metadata", "creationTimestamp"]).parse().ok();
        let mut from = last.or(created)?;
        let longest = number(node, &["spec", "startingDeadlineSeconds"]).unwrap_or(100 * 60);
        let earliest = now.checked_sub(SignedDuration::from_secs(longest)).ok()?;
        from = from.max(earliest);
        let mut due = None;
        while let Some(next) = schedule.next(from).filter(|next| *next <= now) {
            (due, from) = (Some(next), next);
        }
        due
    }

    async fn make_job(&self, node: Node<'_>, due: Timestamp) -> Result<Option<Doc>, Status> {
        let mut job = Value::object();
        job.set(&["apiVersion"], "batch/v1");
        job.set(&["kind"], "Job");
        for field in ["labels", "annotations"] {
            if let Some(value) = node.at(&["spec", "jobTemplate", "metadata", field]) {
                job.set(&["metadata", field], value);
            }
        }
        let name = format!("{}-{}", node.text_at(&["metadata", "name"]), due.as_second() / 60);
        job.set(&["metadata", "name"], name.as_str());
        job.set(&["metadata", "namespace"], node.text_at(&["metadata", "namespace"]));
        job.set(&["metadata", "annotations", SCHEDULED], ridgeway_cluster::rfc3339(due));
        job.set(&["metadata", "ownerReferences"], controlled_by(node));
        job.set(&["spec"], node.at(&["spec", "jobTemplate", "spec"]));
        match self.create(job).await {
            Ok(job) => {
                self.note(
                    node,
                    EventType::Normal,
                    "SuccessfulCreate",
                    &format!("Created job {name}"),
                );
                Ok(Some(job))
            }
            Err(status) if status.reason == Reason::AlreadyExists => Ok(None),
            Err(status) => {
                self.note(
                    node,
                    EventType::Warning,
                    "FailedCreate",
                    &format!("Error creating job: {status}"),
                );
                Err(status)
            }
        }
    }

    /// Deletes the oldest finished Jobs beyond the limits.
    async fn forget_finished(&self, node: Node<'_>, finished: &[&Doc]) -> Result<(), Status> {
        for (condition, field, default) in [
            ("Complete", "successfulJobsHistoryLimit", 3),
            ("Failed", "failedJobsHistoryLimit", 1),
        ] {
            let keep = number(node, &["spec", field]).unwrap_or(default).max(0) as usize;
            let mut ended: Vec<&&Doc> = finished.iter().filter(|job| holds(job.root(), condition)).collect();
            ended.sort_by_key(|job| job.root().text_at(&["status", "startTime"]).to_owned());
            for job in ended.iter().take(ended.len().saturating_sub(keep)) {
                self.remove(job, None, None).await?;
            }
        }
        Ok(())
    }
}

fn reference(job: Node<'_>) -> Value {
    let mut value = Value::object();
    value.set(&["apiVersion"], "batch/v1");
    value.set(&["kind"], "Job");
    for field in ["name", "namespace", "uid"] {
        value.set(&[field], job.text_at(&["metadata", field]));
    }
    value
}
