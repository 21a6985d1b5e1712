//! Jobs and their schedules.

use ridgeway_doc::{Node, Value};

use super::{Report, pod};
use crate::path::Path;
use crate::violation::Violation;

/// A Job.
pub(super) fn job(report: &mut Report, object: Node<'_>, old: Option<Node<'_>>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = object.get("spec");
    job_spec(report, &path, spec);
    if let Some(old) = old.and_then(|o| o.get("spec")) {
        let get = |key: &str| spec.and_then(|s| s.get(key));
        report.immutable(&path.field("selector"), get("selector"), old.get("selector"));
        report.immutable(
            &path.field("completionMode"),
            get("completionMode"),
            old.get("completionMode"),
        );
        // While a Job is suspended its template may still be placed elsewhere; after that it stands.
        if old.get("suspend").and_then(Node::as_bool) != Some(true) {
            report.immutable(&path.field("template"), get("template"), old.get("template"));
        }
    }
}

fn job_spec(report: &mut Report, path: &Path<'_>, spec: Option<Node<'_>>) {
    let get = |key: &str| spec.and_then(|s| s.get(key));
    for field in ["parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished"] {
        report.non_negative(&path.field(field), get(field));
    }
    report.positive(&path.field("activeDeadlineSeconds"), get("activeDeadlineSeconds"));
    report.one_of(
        &path.field("completionMode"),
        get("completionMode"),
        &["NonIndexed", "Indexed"],
    );
    let template_path = path.field("template");
    pod::template(report, &template_path, get("template"), &[]);
    let restart = get("template").and_then(|t| t.at(&["spec", "restartPolicy"]));
    let policy_path = template_path.field("spec");
    match restart.and_then(Node::as_str) {
        None | Some("") => {
            report.required(
                &policy_path.field("restartPolicy"),
                "valid values: \"OnFailure\", \"Never\"",
            );
        }
        Some("Always") => report.found.push(Violation::not_supported(
            &policy_path.field("restartPolicy"),
            Value::from("Always").node(),
            ["OnFailure", "Never"],
        )),
        Some(_) => {}
    }
}

/// A CronJob.
pub(super) fn cron_job(report: &mut Report, object: Node<'_>) {
    let root = Path::Root;
    let path = root.field("spec");
    let get = |key: &str| object.get("spec").and_then(|s| s.get(key));
    match get("schedule") {
        Some(schedule) if schedule.as_str().is_some_and(|s| !s.is_empty()) => {
            let text = schedule.as_str().unwrap_or_default();
            if text.contains("TZ") {
                report.invalid(
                    &path.field("schedule"),
                    schedule,
                    "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
                );
            } else if let Err(why) = cron(text) {
                report.invalid(&path.field("schedule"), schedule, why);
            }
        }
        schedule => report.not_empty(&path.field("schedule"), schedule),
    }
    report.one_of(
        &path.field("concurrencyPolicy"),
        get("concurrencyPolicy"),
        &["Allow", "Forbid", "Replace"],
    );
    for field in [
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
    ] {
        report.non_negative(&path.field(field), get(field));
    }
    let template = path.field("jobTemplate");
    job_spec(
        report,
        &template.field("spec"),
        get("jobTemplate").and_then(|t| t.get("spec")),
    );
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Checks a schedule of five fields, or one of the `@` words.
fn cron(text: &str) -> Result<(), String> {
    if let Some(word) = text.strip_prefix('@') {
        let every = word
            .strip_prefix("every ")
            .is_some_and(|d| ridgeway_krm::GoDuration::parse(d).is_ok());
        return match word {
            "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly" => Ok(()),
            _ if every => Ok(()),
            _ => Err(format!("unrecognized descriptor: {text}")),
        };
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != 5 {
        return Err(format!("expected exactly 5 fields, found {}: {fields:?}", fields.len()));
    }
    let bounds: [(u32, u32, &[&str]); 5] = [
        (0, 59, &[]),
        (0, 23, &[]),
        (1, 31, &[]),
        (1, 12, &MONTHS),
        (0, 7, &DAYS),
    ];
    for (field, (min, max, names)) in fields.iter().zip(bounds) {
        for part in field.split(',') {
            cron_range(part, min, max, names)?;
        }
    }
    Ok(())
}

fn cron_range(part: &str, min: u32, max: u32, names: &[&str]) -> Result<(), String> {
    let (range, step) = part
        .split_once('/')
        .map_or((part, None), |(range, step)| (range, Some(step)));
    if let Some(step) = step {
        match step.parse::<u32>() {
            Ok(0) => return Err(format!("step of range should be a positive number: {part}")),
            Ok(_) => {}
            Err(_) => return Err(format!("failed to parse int from {step}")),
        }
    }
    if matches!(range, "*" | "?") {
        return Ok(());
    }
    let first = if names.len() == 12 { 1 } else { 0 };
    let number = |text: &str| -> Result<u32, String> {
        let name = names
            .iter()
            .position(|n| text.eq_ignore_ascii_case(n))
            .map(|i| i as u32 + first);
        let value = name
            .or_else(|| text.parse().ok())
            .ok_or_else(|| format!("failed to parse int from {text}"))?;
        if value < min {
            return Err(format!("beginning of range ({value}) below minimum ({min}): {part}"));
        }
        if value > max {
            return Err(format!("end of range ({value}) above maximum ({max}): {part}"));
        }
        Ok(value)
    };
    match range.split_once('-') {
        None => number(range).map(drop),
        Some((from, to)) => {
            let (from, to) = (number(from)?, number(to)?);
            if from > to {
                return Err(format!(
                    "beginning of range ({from}) beyond end of range ({to}): {part}"
                ));
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for good in [
            "* * * * *",
            "*/5 0-6 1,15 jan-mar mon",
            "@daily",
            "@every 1h30m",
            "0 0 * * 7",
            "0 0 ? * *",
        ] {
            assert_eq!(cron(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "* * * *",
            "60 * * * *",
            "* * 0 * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "@never",
            "a * * * *",
        ] {
            assert!(cron(bad).is_err(), "{bad}");
        }
    }
}
