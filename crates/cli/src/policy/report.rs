//! Findings for people and for machines: table, JSON, JUnit, SARIF.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Result;
use serde_json::{Value, json};

use super::load::Problem;

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// Lines for people.
    #[default]
    Table,
    /// One JSON object.
    Json,
    /// JUnit XML, for CI.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// How a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Pass,
    Fail,
    Warn,
    Error,
    Skip,
}

impl Counted {
    fn word(self) -> &'static str {
        match self {
            Counted::Pass => "pass",
            Counted::Fail => "fail",
            Counted::Warn => "warn",
            Counted::Error => "error",
            Counted::Skip => "skip",
        }
    }
}

/// One line of a report.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) counted: Counted,
    /// What is grouped: the suite, or the file.
    pub(super) group: String,
    /// `policy/rule`, or the test.
    pub(super) check: String,
    /// What was judged.
    pub(super) object: String,
    pub(super) message: String,
    pub(super) remedy: String,
    /// Path in the object.
    pub(super) path: String,
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: u32,
    /// More for machines.
    pub(super) more: Value,
}

/// Counts by kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) pass: usize,
    pub(super) fail: usize,
    pub(super) warn: usize,
    pub(super) error: usize,
    pub(super) skip: usize,
}

impl Counts {
    pub(super) fn of(findings: &[Finding]) -> Counts {
        let mut out = Counts::default();
        for finding in findings {
            match finding.counted {
                Counted::Pass => out.pass += 1,
                Counted::Fail => out.fail += 1,
                Counted::Warn => out.warn += 1,
                Counted::Error => out.error += 1,
                Counted::Skip => out.skip += 1,
            }
        }
        out
    }
}

/// Prints findings. `summary` is the count line: the last line for people, on standard error beside data for machines.
pub(super) fn print(
    output: Output,
    findings: &[Finding],
    problems: &[Problem],
    summary: &str,
    shown: impl Fn(&Finding) -> bool,
    out: &mut dyn Write,
) -> Result<()> {
    match output {
        Output::Table => {
            let mut text = String::new();
            for finding in findings.iter().filter(|finding| shown(finding)) {
                line(finding, &mut text);
            }
            out.write_all(text.as_bytes())?;
            for problem in problems {
                eprintln!("{problem}");
            }
            writeln!(out, "{summary}")?;
            return Ok(());
        }
        Output::Json => {
            let counts = Counts::of(findings);
            let items: Vec<Value> = findings.iter().filter(|finding| shown(finding)).map(item).collect();
            let problems: Vec<Value> = problems
                .iter()
                .map(|p| json!({"file": p.file, "line": p.line, "column": p.column, "message": p.message}))
                .collect();
            let whole = json!({
                "results": items,
                "problems": problems,
                "summary": {"pass": counts.pass, "fail": counts.fail, "warn": counts.warn, "error": counts.error,
                            "skip": counts.skip, "text": summary},
            });
            serde_json::to_writer_pretty(&mut *out, &whole)?;
            writeln!(out)?;
        }
        Output::Junit => out.write_all(junit(findings, problems).as_bytes())?,
        Output::Sarif => {
            serde_json::to_writer_pretty(&mut *out, &sarif(findings, problems))?;
            writeln!(out)?;
        }
    }
    for problem in problems {
        eprintln!("{problem}");
    }
    eprintln!("{summary}");
    Ok(())
}

fn line(finding: &Finding, out: &mut String) {
    let word = match finding.counted {
        Counted::Fail => "FAIL",
        other => other.word(),
    };
    let _ = write!(out, "{word:<5} {}", finding.check);
    if !finding.object.is_empty() {
        let _ = write!(out, "  {}", finding.object);
    }
    if !finding.file.is_empty() {
        let _ = match finding.line {
            0 => write!(out, "  {}", finding.file),
            line => write!(out, "  {}:{line}:{}", finding.file, finding.column),
        };
    }
    out.push('\n');
    if matches!(finding.counted, Counted::Pass) {
        return;
    }
    for text in finding.message.lines().filter(|text| !text.trim().is_empty()) {
        let _ = writeln!(out, "      {text}");
    }
}

fn item(finding: &Finding) -> Value {
    let mut out = json!({
        "result": finding.counted.word(),
        "check": finding.check,
        "object": finding.object,
        "message": finding.message,
        "remedy": finding.remedy,
        "path": finding.path,
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
    });
    if let (Some(all), Some(more)) = (out.as_object_mut(), finding.more.as_object()) {
        all.extend(more.clone());
        all.retain(|_, value| !(value.is_null() || value == "" || value == 0));
    }
    out
}

fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            // XML 1.0 has no other control characters.
            c if c.is_control() && c != '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn junit(findings: &[Finding], problems: &[Problem]) -> String {
    let counts = Counts::of(findings);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"ridgeway policy\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
        findings.len() + problems.len(),
        counts.fail,
        counts.error + problems.len(),
        counts.skip
    );
    let mut groups: Vec<&str> = Vec::new();
    for finding in findings {
        if groups.last() != Some(&finding.group.as_str()) && !groups.contains(&finding.group.as_str()) {
            groups.push(&finding.group);
        }
    }
    for group in groups {
        let own: Vec<&Finding> = findings.iter().filter(|f| f.group == group).collect();
        let count = |counted: Counted| own.iter().filter(|f| f.counted == counted).count();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
            xml(group),
            own.len(),
            count(Counted::Fail),
            count(Counted::Error),
            count(Counted::Skip)
        );
        for finding in own {
            let name = match finding.object.as_str() {
                "" => finding.check.clone(),
                object => format!("{} {object}", finding.check),
            };
            let _ = write!(
                out,
                "    <testcase name=\"{}\" classname=\"{}\"",
                xml(&name),
                xml(&finding.check)
            );
            if !finding.file.is_empty() {
                let _ = write!(out, " file=\"{}\" line=\"{}\"", xml(&finding.file), finding.line);
            }
            let message = xml(&finding.message);
            let inner = match finding.counted {
                Counted::Pass => String::new(),
                Counted::Fail => format!("<failure message=\"{message}\"/>"),
                Counted::Error => format!("<error message=\"{message}\"/>"),
                Counted::Skip => format!("<skipped message=\"{message}\"/>"),
                Counted::Warn => format!("<system-out>warning: {message}</system-out>"),
            };
            let _ = match inner.as_str() {
                "" => writeln!(out, "/>"),
                inner => writeln!(out, ">{inner}</testcase>"),
            };
        }
        out.push_str("  </testsuite>\n");
    }
    if !problems.is_empty() {
        let _ = writeln!(
            out,
            "  <testsuite name=\"input\" tests=\"{0}\" failures=\"0\" errors=\"{0}\" skipped=\"0\">",
            problems.len()
        );
        for problem in problems {
            let _ = writeln!(
                out,
                "    <testcase name=\"{}\" classname=\"input\"><error message=\"{}\"/></testcase>",
                xml(&problem.file),
                xml(&problem.to_string())
            );
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn sarif(findings: &[Finding], problems: &[Problem]) -> Value {
    let told = |f: &&Finding| matches!(f.counted, Counted::Fail | Counted::Error | Counted::Warn);
    let mut rules: Vec<&str> = findings.iter().filter(told).map(|f| f.check.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let place = |file: &str, line: u32, column: u32| {
        let mut physical = json!({"artifactLocation": {"uri": file}});
        if line > 0 {
            physical["region"] = json!({"startLine": line, "startColumn": column.max(1)});
        }
        physical
    };
    let mut results: Vec<Value> = findings
        .iter()
        .filter(told)
        .map(|f| {
            let level = if f.counted == Counted::Warn { "warning" } else { "error" };
            let mut location = json!({"physicalLocation": place(&f.file, f.line, f.column)});
            if !f.object.is_empty() {
                location["logicalLocations"] = json!([{"fullyQualifiedName": f.object, "name": f.path}]);
            }
            json!({
                "ruleId": f.check,
                "ruleIndex": rules.binary_search(&f.check.as_str()).unwrap_or_default(),
                "level": level,
                "message": {"text": if f.message.is_empty() { &f.check } else { &f.message }},
                "locations": [location],
            })
        })
        .collect();
    results.extend(problems.iter().map(|p| {
        json!({
            "ruleId": "input",
            "level": "error",
            "message": {"text": p.message},
            "locations": [{"physicalLocation": place(&p.file, p.line, p.column)}],
        })
    }));
    let rules: Vec<Value> = rules.into_iter().map(|id| json!({"id": id, "name": id})).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "ridgeway", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": results,
        }],
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn finding(counted: Counted, message: &str) -> Finding {
        Finding {
            counted,
            group: "f.yaml".into(),
            check: "p/r".into(),
            object: "Pod a/b".into(),
            message: message.into(),
            remedy: String::new(),
            path: "spec.x".into(),
            file: "f.yaml".into(),
            line: 3,
            column: 5,
            more: json!({}),
        }
    }

    fn printed(output: Output) -> String {
        let findings = [finding(Counted::Pass, ""), finding(Counted::Fail, "say <\"why\">\nnow")];
        let problems = [Problem::new("g.yaml", "broken")];
        let mut out = Vec::new();
        print(output, &findings, &problems, "2 of 2", |_| true, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn for_people_and_for_ci() {
        expect![[r#"
            pass  p/r  Pod a/b  f.yaml:3:5
            FAIL  p/r  Pod a/b  f.yaml:3:5
                  say <"why">
                  now
            2 of 2
        "#]]
        .assert_eq(&printed(Output::Table));
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="ridgeway policy" tests="3" failures="1" errors="1" skipped="0">
              <testsuite name="f.yaml" tests="2" failures="1" errors="0" skipped="0">
                <testcase name="p/r Pod a/b" classname="p/r" file="f.yaml" line="3"/>
                <testcase name="p/r Pod a/b" classname="p/r" file="f.yaml" line="3"><failure message="say &lt;&quot;why&quot;&gt;&#10;now"/></testcase>
              </testsuite>
              <testsuite name="input" tests="1" failures="0" errors="1" skipped="0">
                <testcase name="g.yaml" classname="input"><error message="g.yaml: broken"/></testcase>
              </testsuite>
            </testsuites>
        "#]]
        .assert_eq(&printed(Output::Junit));
    }

    #[test]
    fn for_machines() {
        let json: Value = serde_json::from_str(&printed(Output::Json)).unwrap();
        assert_eq!(json["summary"]["fail"], 1);
        assert_eq!(json["results"][1]["line"], 3);
        assert_eq!(json["problems"][0]["file"], "g.yaml");
        let sarif: Value = serde_json::from_str(&printed(Output::Sarif)).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        let region = &results[0]["locations"][0]["physicalLocation"]["region"];
        assert_eq!(
            (region["startLine"].as_u64(), region["startColumn"].as_u64()),
            (Some(3), Some(5))
        );
        assert_eq!(sarif["runs"][0]["tool"]["driver"]["rules"][0]["id"], "p/r");
    }
}
