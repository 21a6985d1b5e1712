//! Regular expressions in the authors' syntax (RE2, as Go has it) to ours.

use std::collections::HashSet;
use std::iter::Peekable;
use std::str::Chars;

const DIGIT: &str = "0-9";
const SPACE: &str = "\\t\\n\\f\\r ";
const WORD: &str = "0-9A-Za-z_";

/// The largest count of a repetition.
const MAX_REPEAT: u32 = 1000;

/// The same expression in our syntax, or what is wrong with it.
pub(super) fn translated(pattern: &str) -> Result<String, String> {
    let mut reader = Reader {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 8),
        names: HashSet::new(),
    };
    reader.read()?;
    Ok(reader.out)
}

struct Reader<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    names: HashSet<String>,
}

fn literal(c: char, out: &mut String) {
    let mut bytes = [0; 4];
    out.push_str(&regex::escape(c.encode_utf8(&mut bytes)));
}

/// `\d`, `\s` and `\w`: the characters, and whether all others are meant.
fn perl(c: char) -> Option<(&'static str, bool)> {
    let ranges = match c.to_ascii_lowercase() {
        'd' => DIGIT,
        's' => SPACE,
        'w' => WORD,
        _ => return None,
    };
    Some((ranges, c.is_ascii_uppercase()))
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), String> {
        // Whether what was read last repeats something.
        let mut repeated = false;
        while let Some(c) = self.rest.next() {
            let again = std::mem::replace(&mut repeated, false);
            match c {
                '*' | '+' | '?' => {
                    if again {
                        return Err(format!("invalid nested repetition operator: `{c}`"));
                    }
                    self.out.push(c);
                    self.lazy();
                    repeated = true;
                }
                '{' => match self.counts() {
                    None => self.out.push_str("\\{"),
                    Some((least, most)) => {
                        if again {
                            return Err("invalid nested repetition operator: `{`".into());
                        }
                        let top = most.flatten().unwrap_or(least);
                        if least > MAX_REPEAT || top > MAX_REPEAT || top < least {
                            return Err(format!("invalid repeat count: `{{{least},{top}}}`"));
                        }
                        self.out.push_str(&match most {
                            None => format!("{{{least}}}"),
                            Some(None) => format!("{{{least},}}"),
                            Some(Some(most)) => format!("{{{least},{most}}}"),
                        });
                        self.lazy();
                        repeated = true;
                    }
                },
                '(' => self.group()?,
                '[' => self.class()?,
                '\\' => self.escape()?,
                '^' | '$' | '.' | '|' | ')' => self.out.push(c),
                c => literal(c, &mut self.out),
            }
        }
        Ok(())
    }

    fn lazy(&mut self) {
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
    }

    /// The counts of `{n}`, `{n,}` and `{n,m}`; anything else is no repetition.
    fn counts(&mut self) -> Option<(u32, Option<Option<u32>>)> {
        let mut ahead = self.rest.clone();
        let mut number = || {
            let mut digits = String::new();
            while let Some(digit) = ahead.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            let leading = digits.len() > 1 && digits.starts_with('0');
            let number = (!digits.is_empty() && !leading).then(|| digits.parse().unwrap_or(u32::MAX));
            (number, ahead.next())
        };
        let (least, mark) = number();
        let most = match mark? {
            '}' => None,
            ',' => match number() {
                (most, Some('}')) => Some(most),
                _ => return None,
            },
            _ => return None,
        };
        let found = (least?, most);
        self.rest = ahead;
        Some(found)
    }

    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        let mut ahead = self.rest.clone();
        if ahead.next_if_eq(&'P').is_some() | ahead.next_if_eq(&'<').is_some() {
            self.rest.next_if_eq(&'P');
            let wrong = |name: &str| Err(format!("invalid named capture: `(?P<{name}`"));
            if self.rest.next() != Some('<') {
                return wrong("");
            }
            let mut name = String::new();
            loop {
                match self.rest.next() {
                    Some('>') if !name.is_empty() => break,
                    Some(c) if c.is_ascii_alphanumeric() || c == '_' => name.push(c),
                    _ => return wrong(&name),
                }
            }
            // A name that we cannot give again, or not at all, is left out.
            if !name.starts_with(|c: char| c.is_ascii_digit()) && self.names.insert(name.clone()) {
                self.out.push_str(&format!("?P<{name}>"));
            }
            return Ok(());
        }
        self.out.push('?');
        loop {
            match self.rest.next() {
                Some(c @ ('i' | 'm' | 's' | 'U' | '-')) => self.out.push(c),
                Some(c @ (':' | ')')) => {
                    self.out.push(c);
                    return Ok(());
                }
                other => {
                    let shown: String = other.into_iter().collect();
                    return Err(format!("invalid or unsupported Perl syntax: `(?{shown}`"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let c = self.rest.next().ok_or("trailing backslash at end of expression: ``")?;
        if let Some((ranges, others)) = perl(c) {
            let not = if others { "^" } else { "" };
            self.out.push_str(&format!("[{not}{ranges}]"));
            return Ok(());
        }
        match c {
            'b' => self.out.push_str("(?-u:\\b)"),
            'B' => self.out.push_str("\\B"),
            'A' | 'z' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'p' | 'P' => {
                let property = self.property(c)?;
                self.out.push_str(&property);
            }
            'Q' => {
                while let Some(c) = self.rest.next() {
                    if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                        break;
                    }
                    literal(c, &mut self.out);
                }
            }
            // The end of a quotation that did not begin.
            'E' => return Err("invalid escape sequence: `\\E`".into()),
            c => {
                let c = self.character(c)?;
                literal(c, &mut self.out);
            }
        }
        Ok(())
    }

    /// `\pN` or `\p{Greek}`.
    fn property(&mut self, c: char) -> Result<String, String> {
        let wrong = || "invalid character class range".to_owned();
        let name: String = match self.rest.next().ok_or_else(wrong)? {
            '{' => {
                let mut name = String::new();
                loop {
                    match self.rest.next().ok_or_else(wrong)? {
                        '}' => break name,
                        c => name.push(c),
                    }
                }
            }
            c => c.to_string(),
        };
        let (name, turned) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (&*name, false),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(wrong());
        }
        let p = if (c == 'P') == turned { 'p' } else { 'P' };
        Ok(format!("\\{p}{{{name}}}"))
    }

    /// The character that an escape stands for.
    fn character(&mut self, c: char) -> Result<char, String> {
        let wrong = || Err(format!("invalid escape sequence: `\\{c}`"));
        let code = match c {
            'a' => 7,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            '0'..='7' => {
                let octal = |c: &char| c.is_digit(8);
                // One digit alone would be a reference to a group.
                if c != '0' && !self.rest.peek().is_some_and(octal) {
                    return wrong();
                }
                let mut code = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    if let Some(digit) = self.rest.next_if(octal) {
                        code = code * 8 + digit.to_digit(8).unwrap_or(0);
                    }
                }
                code
            }
            'x' => {
                let hex = |c: &char| c.is_ascii_hexdigit();
                let mut digits = String::new();
                if self.rest.next_if_eq(&'{').is_some() {
                    while let Some(digit) = self.rest.next_if(hex) {
                        digits.push(digit);
                    }
                    if self.rest.next() != Some('}') {
                        return wrong();
                    }
                } else {
                    for _ in 0..2 {
                        digits.extend(self.rest.next_if(hex));
                    }
                    if digits.len() != 2 {
                        return wrong();
                    }
                }
                match u32::from_str_radix(&digits, 16) {
                    Ok(code) => code,
                    Err(_) => return wrong(),
                }
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
            _ => return wrong(),
        };
        char::from_u32(code).map_or_else(wrong, Ok)
    }

    fn class(&mut self) -> Result<(), String> {
        let missing = || "missing closing ]".to_owned();
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or_else(missing)?;
            if c == ']' && !first {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            if c == '['
                && self.rest.peek() == Some(&':')
                && let Some(named) = self.named_class()?
            {
                self.out.push_str(&named);
                continue;
            }
            if c == '\\' {
                let next = *self.rest.peek().ok_or_else(missing)?;
                if let Some((ranges, others)) = perl(next) {
                    self.rest.next();
                    self.out.push_str(&if others {
                        format!("[^{ranges}]")
                    } else {
                        ranges.to_owned()
                    });
                    continue;
                }
                if matches!(next, 'p' | 'P') {
                    self.rest.next();
                    let property = self.property(next)?;
                    self.out.push_str(&property);
                    continue;
                }
            }
            let low = self.class_character(c)?;
            let mut ahead = self.rest.clone();
            let mut high = low;
            if ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']') {
                self.rest.next();
                let c = self.rest.next().ok_or_else(missing)?;
                high = self.class_character(c)?;
                if high < low {
                    return Err(format!("invalid character class range: `{low}-{high}`"));
                }
            }
            self.out.push_str(&format!("\\x{{{:x}}}", u32::from(low)));
            if high != low {
                self.out.push_str(&format!("-\\x{{{:x}}}", u32::from(high)));
            }
        }
    }

    fn class_character(&mut self, c: char) -> Result<char, String> {
        if c != '\\' {
            return Ok(c);
        }
        let c = self.rest.next().ok_or("trailing backslash at end of expression: ``")?;
        self.character(c)
    }

    /// `[:alpha:]`, after its bracket.
    fn named_class(&mut self) -> Result<Option<String>, String> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
            "word", "xdigit",
        ];
        let text: String = self.rest.clone().collect();
        let Some((name, _)) = text[1..].split_once(":]") else {
            return Ok(None);
        };
        if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("invalid character class range: `[:{name}:]`"));
        }
        for _ in 0..name.chars().count() + 3 {
            self.rest.next();
        }
        Ok(Some(format!("[:{name}:]")))
    }
}

#[cfg(test)]
mod tests {
    use super::translated;

    #[test]
    fn expressions_mean_what_they_mean_to_the_authors() {
        for (pattern, text, matches) in [
            ("^\\w$", "é", false),
            ("\\bé", "é", false),
            ("\\s", "\u{b}", false),
            ("^{$", "{", true),
            ("a{,2}", "a{,2}", true),
            ("a{x", "a{x", true),
            ("^a{2,3}?$", "aaa", true),
            ("[a&&b]", "&", true),
            ("^[[a]]$", "[]", true),
            ("[a~~b]", "~", true),
            ("[]a]", "]", true),
            ("[^]a]", "b", true),
            ("^[\\D]$", "x", true),
            ("[[:^alpha:]]", "1", true),
            ("\\<a", "a", false),
            ("\\123", "S", true),
            ("\\x{263a}", "☺", true),
            ("^\\Qa.b\\E+$", "a.bb", true),
            ("(?P<n>a)(?P<n>b)", "ab", true),
            ("(?<1n>a)", "a", true),
            ("(?i-s:A.)", "ab", true),
            ("\\pL\\P{^Greek}\\p{Nd}", "aα1", true),
            ("a#b", "a#b", true),
            ("[+--]", ",", true),
        ] {
            let ours = translated(pattern).unwrap();
            let regex = regex::Regex::new(&ours).unwrap_or_else(|error| panic!("{pattern} as {ours}: {error}"));
            assert_eq!(regex.is_match(text), matches, "{pattern} as {ours}");
        }
    }

    #[test]
    fn what_the_authors_refuse() {
        for pattern in [
            "a**",
            "a++",
            "a{2}{3}",
            "x{1001}",
            "x{2,1}",
            "[a--b]",
            "(?x)a",
            "(?u)a",
            "(?=a)",
            "\\u0041",
            "[[:foo:]]",
            "\\1",
            "\\Z",
            "\\8",
            "(?P<a-b>x)",
            "(?P=a)",
            "[a-\\d]",
            "a\\",
        ] {
            assert!(translated(pattern).is_err(), "{pattern}");
        }
    }
}
