//! Unpredictable parts of identities: uids, name suffixes, request ids.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where an identity's unpredictable parts come from: uids and name suffixes.
pub trait Randomness: Send + Sync {
    /// A fresh version 4 UUID.
    fn uid(&self) -> String;
    /// Bytes nobody can guess.
    fn fill(&self, out: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn uid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system's random generator works, or nothing here is safe");
    }
}

/// The same sequence for the same seed: for tests and simulations, never where secrecy matters.
#[derive(Debug)]
pub struct SeededRandomness(AtomicU64);

impl SeededRandomness {
    /// A sequence from a seed.
    pub fn new(seed: u64) -> SeededRandomness {
        SeededRandomness(AtomicU64::new(seed))
    }

    /// SplitMix64.
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Randomness for SeededRandomness {
    fn uid(&self) -> String {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_sequence_of_different_version_4_uids() {
        let (a, b) = (SeededRandomness::new(7), SeededRandomness::new(7));
        let first = a.uid();
        assert_eq!(first, b.uid());
        assert_ne!(first, a.uid());
        assert_eq!(first.as_bytes()[14], b'4');
    }
}
