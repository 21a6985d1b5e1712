//! Inputs: pieces of what was good before, cut, repeated, crossed, and sprinkled with what parsers stumble over.

/// Pieces that mean something to some parser.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "\n",
    "\n  ",
    "\n- ",
    "- ",
    "\"",
    "'",
    "\\",
    "#",
    " #",
    "&a ",
    "*a",
    "!!",
    "!!str ",
    "|",
    ">-",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "<<: ",
    "~",
    "null",
    "true",
    "on",
    "0x1f",
    "0o7",
    "1e9",
    "-.inf",
    ".nan",
    "\t",
    "\r\n",
    "\u{feff}",
    "\u{2028}",
    "\u{0}",
    "é",
    "\u{1f600}",
    "$(VAR)",
    "/",
    "~1",
    "~0",
    "*",
    "=",
    "==",
    "!=",
    " in (",
    ")",
    "!",
    "Ki",
    "m",
    "E",
    "e-3",
    "9999999999999999999",
    "\n====\n",
    "\\u12",
    "\\ud800",
];

/// A small generator of numbers (xorshift); the same seed gives the same inputs.
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number under `bound`, which is not 0.
    pub fn under(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// An input made of one from the pool.
pub fn mutate(random: &mut Random, pool: &[Vec<u8>]) -> Vec<u8> {
    let mut input = pool[random.under(pool.len())].clone();
    for _ in 0..=random.under(4) {
        let at = random.under(input.len() + 1);
        match random.under(8) {
            0 | 1 => drop(input.splice(at..at, PIECES[random.under(PIECES.len())].bytes())),
            2 => {
                let end = (at + 1 + random.under(8)).min(input.len());
                input.drain(at..end);
            }
            3 => {
                let end = (at + 1 + random.under(24)).min(input.len());
                let piece = input[at..end].to_vec();
                let to = random.under(input.len() + 1);
                input.splice(to..to, piece);
            }
            4 => {
                let other = &pool[random.under(pool.len())];
                let from = random.under(other.len() + 1);
                let end = (from + random.under(64)).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
            5 if at < input.len() => input[at] = random.under(256) as u8,
            6 if at < input.len() => input[at] ^= 1 << random.under(8),
            _ => input.truncate(at.max(input.len() / 2)),
        }
    }
    input.truncate(4096);
    input
}
