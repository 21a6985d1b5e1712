//! One line a step, and a count at the end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Steps so far.
#[derive(Default)]
pub struct Report {
    passed: usize,
    failed: usize,
}

impl Report {
    /// Runs a step and prints its line. A failed step does not end the journey.
    pub fn step(&mut self, name: &str, step: impl FnOnce() -> Result<String>) -> bool {
        let start = Instant::now();
        let outcome = step();
        let took = start.elapsed();
        match outcome {
            Ok(note) => {
                self.passed += 1;
                let note = if note.is_empty() { note } else { format!(" – {note}") };
                println!("ok    {name} ({took:.0?}){note}");
                true
            }
            Err(error) => {
                self.failed += 1;
                println!(
                    "FAIL  {name} ({took:.0?})\n      {}",
                    format!("{error:#}").replace('\n', "\n      ")
                );
                false
            }
        }
    }

    /// Steps that passed and failed.
    pub fn counts(&self) -> (usize, usize) {
        (self.passed, self.failed)
    }
}

/// Asks until the answer is there; the last complaint is the error.
pub fn until<T>(within: Duration, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if start.elapsed() >= within => {
                return Err(error.context(format!("still not so after {within:.0?}")));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// An error with a sentence unless the condition holds.
pub fn ensure(condition: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if condition { Ok(()) } else { bail!("{}", otherwise()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_counts_and_goes_on() {
        let mut report = Report::default();
        report.step("good", || Ok("note".into()));
        report.step("bad", || bail!("no"));
        assert_eq!(report.counts(), (1, 1));
    }

    #[test]
    fn until_gives_the_last_complaint() {
        let error = until(Duration::from_millis(30), || -> Result<()> { bail!("not yet") }).unwrap_err();
        assert_eq!(format!("{error:#}"), "still not so after 30ms: not yet");
    }
}
