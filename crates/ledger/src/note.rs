//! Signed tree heads as text: C2SP tlog-checkpoint (origin, size, root) inside a C2SP signed-note.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{Hash, SigningKey, VerifierKey};

/// Why a text is not a checkpoint signed by the expected key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text has not the form of a signed note.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// No signature line is by the expected key.
    #[error("no signature by `{0}`; compare the key file or ask for the key that signed")]
    NoSignature(String),
    /// The signature does not belong to the text.
    #[error("the signature by `{0}` does not fit the text: one of the two was changed")]
    BadSignature(String),
    /// The signed text is not a checkpoint.
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
}

/// What a checkpoint says: the log `origin` has `size` entries under `root`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The RFC 6962 root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Signs this checkpoint under the key name `verifier.name()`.
    pub(crate) fn sign(&self, key: &SigningKey, verifier: &VerifierKey) -> SignedNote {
        let text = self.to_string();
        let signature = [verifier.key_hash().as_slice(), &key.sign(text.as_bytes())].concat();
        SignedNote {
            text: format!("{text}\n\u{2014} {} {}\n", verifier.name(), STANDARD.encode(signature)),
        }
    }

    fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(NoteError::Checkpoint("expected three lines: origin, size, root"));
        };
        let number = size
            .parse()
            .map_err(|_| NoteError::Checkpoint("the second line is not a size"))?;
        let root = STANDARD
            .decode(root)
            .ok()
            .and_then(|root| Hash::try_from(root.as_slice()).ok())
            .ok_or(NoteError::Checkpoint("the third line is not a base64 SHA-256 root"))?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: number,
            root,
        };
        if !text.starts_with(&checkpoint.to_string()) {
            return Err(NoteError::Checkpoint(
                "the size has leading zeros or a line does not end in a line feed",
            ));
        }
        Ok(checkpoint)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root))
    }
}

/// A checkpoint with its signature line, as it is stored and handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
}

impl SignedNote {
    /// A note from its text; [`SignedNote::verify`] judges it.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// The whole note: text, empty line, signature lines.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The checkpoint, once a signature by `key` fits. Lines by other keys (witnesses) are ignored, as the
    /// specification asks.
    ///
    /// # Errors
    /// [`NoteError`] says what does not fit.
    pub fn verify(&self, key: &VerifierKey) -> Result<Checkpoint, NoteError> {
        let Some(split) = self.text.rfind("\n\n") else {
            return Err(NoteError::Form("no empty line before the signatures"));
        };
        let (text, signatures) = (&self.text[..=split], &self.text[split + 2..]);
        if !signatures.ends_with('\n') {
            return Err(NoteError::Form("the last line does not end in a line feed"));
        }
        let mut seen = false;
        for line in signatures.lines() {
            let parsed = line
                .strip_prefix("\u{2014} ")
                .and_then(|line| line.split_once(' '))
                .and_then(|(name, data)| Some((name, STANDARD.decode(data).ok()?)))
                .filter(|(_, data)| data.len() >= 5);
            let Some((name, data)) = parsed else {
                return Err(NoteError::Form("a signature line is not `\u{2014} name base64`"));
            };
            if name != key.name() || data[..4] != key.key_hash() {
                continue;
            }
            if !key.verifies(text.as_bytes(), &data[4..]) {
                return Err(NoteError::BadSignature(name.to_owned()));
            }
            seen = true;
        }
        if seen {
            Checkpoint::parse(text)
        } else {
            Err(NoteError::NoSignature(key.name().to_owned()))
        }
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_checkpoint_reads_back_and_no_byte_of_it_can_change() {
        let key = SigningKey::generate().unwrap();
        let verifier = key.verifier("ridgeway.example/ledger").unwrap();
        let checkpoint = Checkpoint {
            origin: "ridgeway.example/ledger".into(),
            size: 42,
            root: [7; 32],
        };
        let note = checkpoint.sign(&key, &verifier);
        assert_eq!(note.verify(&verifier), Ok(checkpoint));
        assert_eq!(note.as_str().lines().count(), 5);
        for at in 0..note.as_str().len() {
            for bit in 0..8 {
                let mut bytes = note.as_str().as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                if let Ok(text) = String::from_utf8(bytes) {
                    assert!(
                        SignedNote::from_text(text).verify(&verifier).is_err(),
                        "byte {at}, bit {bit}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_note_by_another_key_is_refused_and_a_witness_line_is_ignored() {
        let (ours, theirs) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let checkpoint = Checkpoint {
            origin: "log".into(),
            size: 0,
            root: [0; 32],
        };
        let verifier = ours.verifier("log").unwrap();
        let foreign = checkpoint.sign(&theirs, &theirs.verifier("log").unwrap());
        assert_eq!(foreign.verify(&verifier), Err(NoteError::NoSignature("log".into())));
        let note = checkpoint.sign(&ours, &verifier);
        let witness = foreign.as_str().lines().last().unwrap();
        let both = SignedNote::from_text(format!("{note}{witness}\n"));
        assert_eq!(both.verify(&verifier), Ok(checkpoint));
    }
}
