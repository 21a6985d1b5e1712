//! The order in which go-yaml prints the keys of a map: numbers inside keys count as numbers.

/// Whether key `a` is printed before key `b`.
///
/// Digits compare by value (`a2` before `a10`), and what is no letter stands before letters. The order is not
/// transitive in contrived cases, so it must not be handed to `slice::sort_by`.
fn before(a: &str, b: &str) -> bool {
    // Most keys differ in plain letters: decide those without decoding.
    let (ab, bb) = (a.as_bytes(), b.as_bytes());
    let Some(at) = ab.iter().zip(bb).position(|(x, y)| x != y) else {
        return ab.len() < bb.len();
    };
    let (x, y) = (ab[at], bb[at]);
    if x.is_ascii() && y.is_ascii() {
        match (x.is_ascii_alphabetic(), y.is_ascii_alphabetic()) {
            (true, true) => return x < y,
            (false, false) => {}
            (_, letter) => return letter,
        }
        let zero_after_digits = (x == b'0' || y == b'0')
            && ab[..at]
                .iter()
                .rev()
                .take_while(|b| b.is_ascii_digit())
                .any(|&b| b != b'0');
        let run = |bytes: &[u8]| {
            bytes[at..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .fold((u64::from(zero_after_digits), 0usize), |(n, len), b| {
                    (n.wrapping_mul(10).wrapping_add(u64::from(b - b'0')), len + 1)
                })
        };
        let ((an, al), (bn, bl)) = (run(ab), run(bb));
        return if an != bn {
            (an as i64) < (bn as i64)
        } else if al != bl {
            al < bl
        } else {
            x < y
        };
    }
    // Some byte of a longer character differs: compare the characters.
    let start = (0..=at).rev().find(|&i| a.is_char_boundary(i)).unwrap_or(0);
    match (a[start..].chars().next(), b[start..].chars().next()) {
        (Some(x), Some(y)) => match (x.is_alphabetic(), y.is_alphabetic()) {
            (true, true) | (false, false) => x < y,
            (_, letter) => letter,
        },
        (x, y) => x < y,
    }
}

/// Sorts members by key: a stable merge sort that any comparison satisfies.
pub(crate) fn sort<T: Copy>(members: &mut [(&str, T)]) {
    let len = members.len();
    if len < 2 || members.windows(2).all(|w| !before(w[1].0, w[0].0)) {
        return;
    }
    if len <= 12 {
        for i in 1..len {
            let mut j = i;
            while j > 0 && before(members[j].0, members[j - 1].0) {
                members.swap(j, j - 1);
                j -= 1;
            }
        }
        return;
    }
    let half = len / 2;
    sort(&mut members[..half]);
    sort(&mut members[half..]);
    let mut merged = Vec::with_capacity(len);
    let (mut i, mut j) = (0, half);
    while i < half && j < len {
        let from = if before(members[j].0, members[i].0) {
            &mut j
        } else {
            &mut i
        };
        merged.push(members[*from]);
        *from += 1;
    }
    merged.extend_from_slice(&members[i..half]);
    merged.extend_from_slice(&members[j..]);
    members.copy_from_slice(&merged);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_go_yaml_sorts_them() {
        let sorted = |keys: &[&'static str]| {
            let mut members: Vec<(&str, ())> = keys.iter().map(|k| (*k, ())).collect();
            sort(&mut members);
            members.iter().map(|(k, ())| *k).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            sorted(&["spec", "kind", "metadata", "apiVersion"]),
            "apiVersion kind metadata spec"
        );
        assert_eq!(sorted(&["a10", "a2", "a1"]), "a1 a2 a10");
        assert_eq!(sorted(&["ab", "a-b", "a.b", "a/b", "aB"]), "a-b a.b a/b aB ab");
        assert_eq!(sorted(&["a", "B", "_", "é", "1"]), "_ 1 B a é");
        // A cycle in Go's order must not hurt.
        sorted(&["1a", "10", "2"]);
        let many: Vec<String> = (0..100).rev().map(|i| format!("k{i}")).collect();
        let mut members: Vec<(&str, ())> = many.iter().map(|k| (k.as_str(), ())).collect();
        sort(&mut members);
        assert!(members.iter().enumerate().all(|(i, (k, ()))| *k == format!("k{i}")));
    }
}
