//! Unified diffs of short texts.

/// The difference of two texts, with three lines around each change; empty when they are equal.
pub(super) fn unified(name: &str, old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let ops = script(&a, &b);
    if ops.iter().all(|op| op.0 == ' ') {
        return String::new();
    }
    let mut out = format!("--- a/{0}\n+++ b/{0}\n", name.trim_start_matches('/'));
    let changed: Vec<usize> = (0..ops.len()).filter(|i| ops[*i].0 != ' ').collect();
    let mut at = 0;
    while at < changed.len() {
        let mut end = at;
        while end + 1 < changed.len() && changed[end + 1] - changed[end] <= 6 {
            end += 1;
        }
        let (from, to) = (changed[at].saturating_sub(3), (changed[end] + 4).min(ops.len()));
        let count = |part: &[(char, &str)], without: char| part.iter().filter(|op| op.0 != without).count();
        let (first_old, first_new) = (count(&ops[..from], '+'), count(&ops[..from], '-'));
        let (len_old, len_new) = (count(&ops[from..to], '+'), count(&ops[from..to], '-'));
        let start = |first: usize, len: usize| if len == 0 { first } else { first + 1 };
        out.push_str(&format!(
            "@@ -{},{len_old} +{},{len_new} @@\n",
            start(first_old, len_old),
            start(first_new, len_new)
        ));
        for (sign, line) in &ops[from..to] {
            out.push(*sign);
            out.push_str(line);
            out.push('\n');
        }
        at = end + 1;
    }
    out
}

/// Lines kept, taken out and put in, by the longest common subsequence of what lies between equal ends.
fn script<'t>(a: &[&'t str], b: &[&'t str]) -> Vec<(char, &'t str)> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (ra, rb) = (&a[head..], &b[head..]);
    let tail = ra.iter().rev().zip(rb.iter().rev()).take_while(|(x, y)| x == y).count();
    let (ma, mb) = (&ra[..ra.len() - tail], &rb[..rb.len() - tail]);
    let mut out: Vec<(char, &str)> = a[..head].iter().map(|line| (' ', *line)).collect();
    // Texts without bounds would need memory without bounds: what is long is told as replaced.
    if ma.len().saturating_mul(mb.len()) > 16 << 20 {
        out.extend(ma.iter().map(|line| ('-', *line)));
        out.extend(mb.iter().map(|line| ('+', *line)));
    } else {
        let width = mb.len() + 1;
        let mut lengths = vec![0_u32; (ma.len() + 1) * width];
        for i in (0..ma.len()).rev() {
            for j in (0..mb.len()).rev() {
                lengths[i * width + j] = if ma[i] == mb[j] {
                    lengths[(i + 1) * width + j + 1] + 1
                } else {
                    lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < ma.len() || j < mb.len() {
            if i < ma.len() && j < mb.len() && ma[i] == mb[j] {
                out.push((' ', ma[i]));
                (i, j) = (i + 1, j + 1);
            } else if j == mb.len() || i < ma.len() && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
                out.push(('-', ma[i]));
                i += 1;
            } else {
                out.push(('+', mb[j]));
                j += 1;
            }
        }
    }
    out.extend(ra[ra.len() - tail..].iter().map(|line| (' ', *line)));
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    #[test]
    fn changes_with_what_is_around_them() {
        let old: String = (1..=20).map(|i| format!("{i}\n")).collect();
        let new = old.replace("5\n6\n", "5\nfive\n6\n").replace("18\n", "");
        expect![[r#"
            --- a/f.yaml
            +++ b/f.yaml
            @@ -3,6 +3,7 @@
             3
             4
             5
            +five
             6
             7
             8
            @@ -15,6 +16,5 @@
             15
             16
             17
            -18
             19
             20
        "#]]
        .assert_eq(&super::unified("f.yaml", &old, &new));
        assert_eq!(super::unified("f", &old, &old), "");
    }
}
