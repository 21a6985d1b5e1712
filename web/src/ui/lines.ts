// Line differences by longest common subsequence; texts here are manifests, so a table is small enough.

export type Line = { sign: '−' | '+' | ' '; text: string };

const CONTEXT = 3;
const MOST = 3000;

function script(a: string[], b: string[]): Line[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const x = a.slice(start, a.length - end);
  const y = b.slice(start, b.length - end);
  const same = (text: string): Line => ({ sign: ' ', text });
  const middle: Line[] = [];
  if (x.length > MOST || y.length > MOST) {
    middle.push(...x.map((text): Line => ({ sign: '−', text })), ...y.map((text): Line => ({ sign: '+', text })));
  } else {
    const width = y.length + 1;
    const table = new Uint16Array((x.length + 1) * width);
    for (let i = x.length - 1; i >= 0; i--) {
      for (let j = y.length - 1; j >= 0; j--) {
        table[i * width + j] = x[i] === y[j]
          ? (table[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(table[(i + 1) * width + j] ?? 0, table[i * width + j + 1] ?? 0);
      }
    }
    let i = 0;
    let j = 0;
    while (i < x.length || j < y.length) {
      if (i < x.length && j < y.length && x[i] === y[j]) {
        middle.push(same(x[i++] as string));
        j++;
      } else if (j >= y.length || (i < x.length && (table[(i + 1) * width + j] ?? 0) >= (table[i * width + j + 1] ?? 0))) {
        middle.push({ sign: '−', text: x[i++] as string });
      } else {
        middle.push({ sign: '+', text: y[j++] as string });
      }
    }
  }
  return [...a.slice(0, start).map(same), ...middle, ...a.slice(a.length - end).map(same)];
}

/** The changed parts of two texts, each with its surroundings. */
export function lineDiff(before: string, after: string): Line[][] {
  const split = (text: string) => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));
  const lines = script(split(before), split(after));
  const near = lines.map((_, i) => lines.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some((line) => line.sign !== ' '));
  const hunks: Line[][] = [];
  lines.forEach((line, i) => {
    if (!near[i]) return;
    if (i > 0 && near[i - 1]) hunks.at(-1)?.push(line);
    else hunks.push([line]);
  });
  return hunks;
}
