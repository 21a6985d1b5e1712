//! RFC 6962 section 2.1: hashes, the growing tree, inclusion and consistency proofs and their verification.

use aws_lc_rs::digest;

/// A SHA-256 tree hash.
pub type Hash = [u8; 32];

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of a leaf: SHA-256 of `0x00` and the entry, so that no leaf can pass for a node.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

/// The hash of an inner node: SHA-256 of `0x01` and both children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// A proof was asked for a position that the tree does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree has {len} leaves; no proof exists for {asked} in a tree of size {size}")]
pub struct OutOfRange {
    /// The leaf index or older size that was asked for.
    pub asked: u64,
    /// The tree size that the proof was to be about.
    pub size: u64,
    /// The leaves there are.
    pub len: u64,
}

/// A growing tree that keeps the hash of every complete subtree, so that appending costs O(1) hashes on average and
/// roots and proofs of any size O(log n). Memory: about 64 bytes for each leaf.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// `levels[l][i]` covers the leaves `i << l .. (i + 1) << l`.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of leaves.
    pub fn len(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Whether there is no leaf yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hash of the leaf at `index`.
    pub fn leaf(&self, index: u64) -> Option<&Hash> {
        self.levels.first()?.get(usize::try_from(index).ok()?)
    }

    /// Appends a leaf by its hash and returns its index.
    pub fn push(&mut self, leaf: Hash) -> u64 {
        let index = self.len();
        let mut carry = leaf;
        let mut level = 0;
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(carry);
            if row.len() % 2 == 1 {
                return index;
            }
            carry = node_hash(&row[row.len() - 2], &row[row.len() - 1]);
            level += 1;
        }
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        if self.is_empty() {
            empty_root()
        } else {
            self.range(0, self.len())
        }
    }

    /// The root over the first `size` leaves, or `None` when there are fewer.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        match size {
            0 => Some(empty_root()),
            _ if size <= self.len() => Some(self.range(0, size)),
            _ => None,
        }
    }

    /// The hash over the leaves `start..end`; `start` must be a multiple of the largest power of two below the length
    /// (true for every range that the proof algorithms visit), which makes the left half a stored node.
    fn range(&self, start: u64, end: u64) -> Hash {
        let size = end - start;
        if size.is_power_of_two() {
            let level = size.trailing_zeros();
            return self.levels[level as usize][(start >> level) as usize];
        }
        let split = split(size);
        node_hash(&self.range(start, start + split), &self.range(start + split, end))
    }

    /// The audit path of leaf `index` in the tree of the first `size` leaves (RFC 6962, 2.1.1).
    ///
    /// # Errors
    /// [`OutOfRange`] unless `index < size <= len`.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, OutOfRange> {
        if index >= size || size > self.len() {
            return Err(OutOfRange {
                asked: index,
                size,
                len: self.len(),
            });
        }
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(self.range(middle, end));
                end = middle;
            } else {
                path.push(self.range(start, middle));
                start = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// The proof that the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 6962, 2.1.2); empty when
    /// the sizes are equal or `old` is 0.
    ///
    /// # Errors
    /// [`OutOfRange`] unless `old <= new <= len`.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, OutOfRange> {
        if old > new || new > self.len() {
            return Err(OutOfRange {
                asked: old,
                size: new,
                len: self.len(),
            });
        }
        if old == 0 || old == new {
            return Ok(Vec::new());
        }
        let (mut start, mut end) = (0, new);
        let mut path = Vec::new();
        while end != old {
            let middle = start + split(end - start);
            if old <= middle {
                path.push(self.range(middle, end));
                end = middle;
            } else {
                path.push(self.range(start, middle));
                start = middle;
            }
        }
        // The verifier knows the old root already when the old tree is a complete subtree of the new one.
        if start != 0 {
            path.push(self.range(start, end));
        }
        path.reverse();
        Ok(path)
    }
}

/// The largest power of two below `size`, for `size >= 2`.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// Why a proof does not convince.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf index is not inside the tree.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    IndexBeyondSize {
        /// The claimed index.
        index: u64,
        /// The claimed tree size.
        size: u64,
    },
    /// The newer tree is smaller than the older, or the older is empty (everything is consistent with nothing, so such
    /// a proof says nothing).
    #[error("a tree of {old} leaves cannot be shown to be a prefix of a tree of {new}")]
    Sizes {
        /// The older size.
        old: u64,
        /// The newer size.
        new: u64,
    },
    /// The number of hashes does not fit the sizes.
    #[error("the proof has {got} hashes; {want} are needed")]
    Length {
        /// Hashes given.
        got: usize,
        /// Hashes needed.
        want: usize,
    },
    /// A hash is not 32 bytes long.
    #[error("a hash of {0} bytes; SHA-256 has 32")]
    HashSize(usize),
    /// The recomputed root differs from the claimed one.
    #[error("the recomputed {0} root differs from the claimed one")]
    Root(&'static str),
}

fn hash_of(bytes: &[u8]) -> Result<Hash, ProofError> {
    Hash::try_from(bytes).map_err(|_| ProofError::HashSize(bytes.len()))
}

/// The lengths of the two parts of an audit path: below and above the point where the paths to `index` and to the last
/// leaf part.
fn path_parts(index: u64, size: u64) -> (usize, usize) {
    let inner = (u64::BITS - (index ^ (size - 1)).leading_zeros()) as usize;
    let border = index.checked_shr(inner as u32).unwrap_or(0).count_ones() as usize;
    (inner, border)
}

fn chain_inner(seed: Hash, proof: &[Hash], index: u64) -> Hash {
    proof
        .iter()
        .enumerate()
        .fold(seed, |hash, (level, sibling)| match (index >> level) & 1 {
            0 => node_hash(&hash, sibling),
            _ => node_hash(sibling, &hash),
        })
}

fn chain_left(seed: Hash, proof: &[Hash]) -> Hash {
    proof.iter().fold(seed, |hash, sibling| node_hash(sibling, &hash))
}

/// Checks that the leaf with hash `leaf` stands at `index` in the tree of `size` leaves with `root`.
///
/// # Errors
/// [`ProofError`] says what does not fit.
pub fn verify_inclusion(
    leaf: &[u8],
    index: u64,
    size: u64,
    proof: &[impl AsRef<[u8]>],
    root: &[u8],
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexBeyondSize { index, size });
    }
    let leaf = hash_of(leaf)?;
    let (inner, border) = path_parts(index, size);
    if proof.len() != inner + border {
        return Err(ProofError::Length {
            got: proof.len(),
            want: inner + border,
        });
    }
    let proof = proof
        .iter()
        .map(|hash| hash_of(hash.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;
    let hash = chain_left(chain_inner(leaf, &proof[..inner], index), &proof[inner..]);
    if hash.as_slice() == root {
        Ok(())
    } else {
        Err(ProofError::Root("new"))
    }
}

/// Checks that the tree of `old` leaves with `old_root` is a prefix of the tree of `new` leaves with `new_root`.
///
/// # Errors
/// [`ProofError`] says what does not fit; `old == 0` is refused, because it proves nothing.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &[u8],
    new_root: &[u8],
    proof: &[impl AsRef<[u8]>],
) -> Result<(), ProofError> {
    if old == 0 || old > new {
        return Err(ProofError::Sizes { old, new });
    }
    if old == new {
        return match proof.len() {
            0 if old_root == new_root => Ok(()),
            0 => Err(ProofError::Root("new")),
            got => Err(ProofError::Length { got, want: 0 }),
        };
    }
    // The path climbs from the last leaf of the old tree; the complete subtree that ends there is its first node.
    let (inner, border) = path_parts(old - 1, new);
    let skipped = old.trailing_zeros() as usize;
    let inner = inner - skipped;
    // When the old tree is one complete subtree, its root is that node and the proof leaves it out.
    let given = usize::from(!old.is_power_of_two());
    if proof.len() != given + inner + border {
        return Err(ProofError::Length {
            got: proof.len(),
            want: given + inner + border,
        });
    }
    let proof = proof
        .iter()
        .map(|hash| hash_of(hash.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;
    let (seed, path) = match given {
        0 => (hash_of(old_root)?, &proof[..]),
        _ => (proof[0], &proof[1..]),
    };
    let position = (old - 1) >> skipped;
    let in_old = path[..inner]
        .iter()
        .enumerate()
        .filter(|(level, _)| (position >> level) & 1 == 1)
        .fold(seed, |hash, (_, sibling)| node_hash(sibling, &hash));
    if chain_left(in_old, &path[inner..]).as_slice() != old_root {
        return Err(ProofError::Root("old"));
    }
    let in_new = chain_left(chain_inner(seed, &path[..inner], position), &path[inner..]);
    if in_new.as_slice() == new_root {
        Ok(())
    } else {
        Err(ProofError::Root("new"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962, as slow as it reads.
    fn reference_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node_hash(&reference_root(left), &reference_root(right))
            }
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    fn tree(leaves: &[Hash]) -> Tree {
        let mut tree = Tree::new();
        for leaf in leaves {
            tree.push(*leaf);
        }
        tree
    }

    #[test]
    fn roots_equal_the_definition_at_every_size() {
        let leaves = leaves(130);
        let tree = tree(&leaves);
        for size in 0..=leaves.len() {
            assert_eq!(
                tree.root_at(size as u64),
                Some(reference_root(&leaves[..size])),
                "size {size}"
            );
        }
        assert_eq!(tree.root_at(131), None);
    }

    #[test]
    fn every_inclusion_proof_convinces_and_no_mutated_one_does() {
        let leaves = leaves(200);
        let tree = tree(&leaves);
        for size in 1..=200 {
            let root = tree.root_at(size).unwrap();
            for index in 0..size {
                let leaf = &leaves[index as usize];
                let proof = tree.inclusion_proof(index, size).unwrap();
                assert_eq!(
                    verify_inclusion(leaf, index, size, &proof, &root),
                    Ok(()),
                    "{index} in {size}"
                );
                if size % 7 != 0 {
                    continue;
                }
                assert!(verify_inclusion(leaf, (index + 1) % size.max(2), size, &proof, &root).is_err());
                for at in 0..proof.len() {
                    let mut wrong = proof.clone();
                    wrong[at][at % 32] ^= 1;
                    assert!(verify_inclusion(leaf, index, size, &wrong, &root).is_err());
                    wrong.remove(at);
                    assert!(verify_inclusion(leaf, index, size, &wrong, &root).is_err());
                }
            }
        }
        assert!(tree.inclusion_proof(200, 200).is_err());
        assert!(tree.inclusion_proof(0, 201).is_err());
    }

    #[test]
    fn every_consistency_proof_convinces_and_no_mutated_one_does() {
        let tree = tree(&leaves(200));
        for new in 1..=200 {
            let new_root = tree.root_at(new).unwrap();
            for old in 1..=new {
                let old_root = tree.root_at(old).unwrap();
                let proof = tree.consistency_proof(old, new).unwrap();
                assert_eq!(
                    verify_consistency(old, new, &old_root, &new_root, &proof),
                    Ok(()),
                    "{old} to {new}"
                );
                if new % 7 != 0 {
                    continue;
                }
                for at in 0..proof.len() {
                    let mut wrong = proof.clone();
                    wrong[at][at % 32] ^= 1;
                    assert!(verify_consistency(old, new, &old_root, &new_root, &wrong).is_err());
                    wrong.remove(at);
                    assert!(verify_consistency(old, new, &old_root, &new_root, &wrong).is_err());
                }
                if old != new {
                    assert!(verify_consistency(old, new, &new_root, &new_root, &proof).is_err());
                    assert!(verify_consistency(old, new, &old_root, &old_root, &proof).is_err());
                }
            }
        }
        assert!(tree.consistency_proof(3, 2).is_err());
    }
}
