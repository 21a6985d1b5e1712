//! pkt-lines: the framing of Git's protocols, as far as a server that watches pushes needs it.

use std::str::FromStr;

use crate::oid::Oid;

/// One reference that a push asks to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) old: Oid,
    pub(crate) new: Oid,
    pub(crate) refname: String,
}

/// What stands at the start of a push.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// More bytes are needed.
    Incomplete,
    /// These bytes are no push.
    Malformed,
    /// The reference changes asked for.
    Commands(Vec<Command>),
}

/// One packet's payload (`None` for flush and other special packets) and what follows it.
type Packet<'a> = (Option<&'a [u8]>, &'a [u8]);

/// Splits one packet off; `None` when it is not complete.
fn packet(bytes: &[u8]) -> Result<Option<Packet<'_>>, ()> {
    let Some(length) = bytes.get(..4) else { return Ok(None) };
    let length = std::str::from_utf8(length)
        .ok()
        .and_then(|hex| usize::from_str_radix(hex, 16).ok())
        .ok_or(())?;
    match length {
        0..=3 => Ok(Some((None, &bytes[4..]))),
        _ => Ok(bytes.get(4..length).map(|payload| (Some(payload), &bytes[length..]))),
    }
}

/// Reads the commands that open a `git-receive-pack` request.
pub(crate) fn push_head(mut bytes: &[u8]) -> Head {
    let mut commands = Vec::new();
    loop {
        match packet(bytes) {
            Err(()) => return Head::Malformed,
            Ok(None) => return Head::Incomplete,
            Ok(Some((None, _))) => return Head::Commands(commands),
            Ok(Some((Some(payload), rest))) => {
                bytes = rest;
                // The first command carries the client's capabilities behind a NUL.
                let line = payload.split(|b| *b == 0).next().unwrap_or_default();
                let Ok(line) = std::str::from_utf8(line) else {
                    return Head::Malformed;
                };
                let line = line.trim_end_matches('\n');
                if line.starts_with("shallow ") {
                    continue;
                }
                let mut parts = line.splitn(3, ' ');
                let oid = |text: Option<&str>| text.and_then(|t| Oid::from_str(t).ok());
                let (Some(old), Some(new), Some(refname)) = (oid(parts.next()), oid(parts.next()), parts.next()) else {
                    return Head::Malformed;
                };
                commands.push(Command {
                    old,
                    new,
                    refname: refname.to_owned(),
                });
            }
        }
    }
}

/// The references that a `git-receive-pack` answer reports as updated, whether or not it is side-banded.
pub(crate) fn updated_refs(answer: &[u8]) -> Vec<String> {
    let mut report = Vec::new();
    let mut plain = Vec::new();
    let mut rest = answer;
    while let Ok(Some((payload, following))) = packet(rest) {
        rest = following;
        match payload {
            Some([1, data @ ..]) => report.extend_from_slice(data),
            Some([2 | 3, ..]) => {}
            Some(data) => plain.push(data),
            None => {}
        }
    }
    let mut lines = plain;
    let mut inner = report.as_slice();
    while let Ok(Some((payload, following))) = packet(inner) {
        inner = following;
        lines.extend(payload);
    }
    lines
        .into_iter()
        .filter_map(|line| {
            std::str::from_utf8(line)
                .ok()?
                .trim_end()
                .strip_prefix("ok ")
                .map(str::to_owned)
        })
        .collect()
}

/// A report that refuses every command of a push, as `git push` shows it.
pub(crate) fn refusal(head: &[u8], commands: &[Command], why: &str) -> Vec<u8> {
    let mut report = line("unpack ok\n");
    for command in commands {
        report.extend(line(&format!("ng {} {why}\n", command.refname)));
    }
    report.extend(b"0000");
    let banded = head.windows(SIDE_BAND.len()).any(|window| window == SIDE_BAND);
    if !banded {
        return report;
    }
    let mut out = Vec::new();
    for part in report.chunks(60_000) {
        out.extend(format!("{:04x}\u{1}", part.len() + 5).into_bytes());
        out.extend(part);
    }
    out.extend(b"0000");
    out
}

const SIDE_BAND: &[u8] = b"side-band-64k";

/// One packet.
pub(crate) fn line(payload: &str) -> Vec<u8> {
    format!("{:04x}{payload}", payload.len() + 4).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const Z: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn the_head_of_a_push_is_read_however_it_is_cut() {
        let mut bytes = line(&format!("shallow {A}"));
        bytes.extend(line(&format!("{Z} {A} refs/heads/main\0 report-status side-band-64k")));
        bytes.extend(line(&format!("{A} {Z} refs/heads/old\n")));
        bytes.extend(b"0000PACK....");
        let command = |old: &str, new: &str, name: &str| Command {
            old: old.parse().unwrap(),
            new: new.parse().unwrap(),
            refname: name.into(),
        };
        let expected = vec![command(Z, A, "refs/heads/main"), command(A, Z, "refs/heads/old")];
        assert_eq!(push_head(&bytes), Head::Commands(expected));
        for cut in 0..bytes.len() - 12 {
            assert_eq!(push_head(&bytes[..cut]), Head::Incomplete, "cut at {cut}");
        }
        assert_eq!(push_head(b"0000"), Head::Commands(vec![]));
        assert_eq!(push_head(b"zzzz"), Head::Malformed);
        assert_eq!(push_head(&line("hello")), Head::Malformed);
    }

    #[test]
    fn reports_are_read_with_and_without_side_band() {
        let mut report = line("unpack ok\n");
        report.extend(line("ok refs/heads/main\n"));
        report.extend(line("ng refs/heads/x non-fast-forward\n"));
        report.extend(b"0000");
        assert_eq!(updated_refs(&report), ["refs/heads/main"]);
        let mut banded = line("\u{2}Resolving deltas");
        // The report may be spread over several band packets.
        for part in report.chunks(7) {
            banded.extend(format!("{:04x}\u{1}", part.len() + 5).into_bytes());
            banded.extend(part);
        }
        banded.extend(b"0000");
        assert_eq!(updated_refs(&banded), ["refs/heads/main"]);
    }
}
