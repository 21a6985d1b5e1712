import { describe, expect, it } from 'vitest';
import { lineDiff } from './lines';

const told = (before: string, after: string) => lineDiff(before, after).map((hunk) => hunk.map((line) => line.sign + line.text).join('\n'));

describe('line differences', () => {
  it('show changes with their surroundings', () => {
    expect(told('a\nb\nc\n', 'a\nB\nc\n')).toEqual([' a\n−b\n+B\n c']);
    expect(told('a\n', 'a\n')).toEqual([]);
    expect(told('', 'x\ny')).toEqual(['+x\n+y']);
  });

  it('split far changes into parts', () => {
    const lines = Array.from({ length: 30 }, (_, i) => `l${i}`);
    const changed = lines.map((line, i) => (i === 2 || i === 25 ? `${line}!` : line));
    const parts = told(lines.join('\n'), changed.join('\n'));
    expect(parts).toHaveLength(2);
    expect(parts[1]).toContain('−l25\n+l25!');
  });
});
