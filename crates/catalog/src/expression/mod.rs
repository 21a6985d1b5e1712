//! The template language: `${{ expression }}` and `{% tags %}` over plain text.
//!
//! A closed language: no calls into anything, no recursion, a bound on work and output. Unlike its models it does not
//! print nothing for a name that is not defined: that is an error with file, line and name, unless `default`, `is
//! defined` or a condition deals with it.

mod evaluate;
mod filter;
mod lex;
mod parse;
mod text;

use ridgeway_doc::Value;

pub(crate) use text::Text;

/// A fault in a template text, with the byte offset where it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Fault {
        Fault {
            offset,
            message: message.into(),
        }
    }
}

/// What an expression gives.
#[derive(Clone, Debug)]
pub(crate) enum Evaluated {
    Value(Value),
    /// A name that is not defined: the name as written, and what is defined beside it.
    Undefined {
        name: String,
        known: Vec<String>,
    },
}

impl Evaluated {
    /// The value; an undefined name is a fault that says what was meant, as far as one can guess.
    pub(crate) fn defined(self, offset: usize) -> Result<Value, Fault> {
        match self {
            Evaluated::Value(value) => Ok(value),
            Evaluated::Undefined { name, known } => Err(Fault::new(offset, undefined(&name, &known))),
        }
    }
}

fn undefined(name: &str, known: &[String]) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    let prefix = &name[..name.len() - last.len()];
    let near = known
        .iter()
        .map(|k| (distance(last, k), k))
        .filter(|(d, _)| *d <= 1 + last.len() / 3)
        .min();
    let hint = match near {
        Some((_, near)) => format!("did you mean `{prefix}{near}`?"),
        None if known.is_empty() => "nothing is defined there".to_owned(),
        None => {
            let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
            known.sort_unstable();
            format!(
                "defined {}: {}",
                if prefix.is_empty() { "are" } else { "beside it are" },
                known.join(", ")
            )
        }
    };
    format!("`{name}` is not defined; {hint}")
}

/// Edit distance, small words only.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// How much work a text may make.
#[derive(Debug)]
pub(crate) struct Fuel(u32);

impl Fuel {
    /// Enough for any honest template file.
    pub(crate) fn full() -> Fuel {
        Fuel(200_000)
    }

    pub(crate) fn burn(&mut self, offset: usize) -> Result<(), Fault> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(Fault::new(
                offset,
                "the template does more than 200,000 steps; make its loops smaller",
            )),
        }
    }
}
