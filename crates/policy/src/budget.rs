//! Fuel: how much work one request may cost.

use std::cell::Cell;

/// The budget was used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rule took more than its budget of {steps} steps; simplify its expressions or narrow what it matches")]
pub struct Exhausted {
    /// The budget.
    pub steps: u64,
}

/// A counter of steps. One rule's evaluation gets one; when it is used up, the rule ends with an error that names it.
#[derive(Debug)]
pub struct Fuel {
    left: Cell<u64>,
    steps: u64,
}

/// Steps one rule may take: some ten milliseconds of work.
pub(crate) const RULE_STEPS: u64 = 1_000_000;

/// The longest text a regular expression is run over.
pub(crate) const MAX_REGEX_TEXT: usize = 1 << 20;

impl Fuel {
    /// A budget of so many steps.
    pub fn new(steps: u64) -> Fuel {
        Fuel {
            left: Cell::new(steps),
            steps,
        }
    }

    /// All steps again.
    pub(crate) fn refill(&self) {
        self.left.set(self.steps);
    }

    /// How many steps are left.
    pub(crate) fn left(&self) -> u64 {
        self.left.get()
    }

    /// Takes steps.
    pub fn burn(&self, steps: u64) -> Result<(), Exhausted> {
        match self.left.get().checked_sub(steps) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(Exhausted { steps: self.steps })
            }
        }
    }
}

impl Default for Fuel {
    fn default() -> Self {
        Fuel::new(RULE_STEPS)
    }
}
