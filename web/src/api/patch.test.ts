import { describe, expect, it } from 'vitest';
import type { Schema } from './client';
import { replaced, withTree } from './patch';

describe('lists', () => {
  const key = (item: { name: string; n?: number }) => item.name;
  const list = [{ name: 'a' }, { name: 'c' }];
  it('replace in place, add in order and remove', () => {
    expect(replaced(list, key, 'c', { name: 'c', n: 2 })).toEqual([{ name: 'a' }, { name: 'c', n: 2 }]);
    expect(replaced(list, key, 'b', { name: 'b' })?.map(key)).toEqual(['a', 'b', 'c']);
    expect(replaced(list, key, 'a', null)?.map(key)).toEqual(['c']);
    expect(replaced(undefined, key, 'a', { name: 'a' })).toBeUndefined();
  });
});

describe('trees', () => {
  const node = (key: string, healthMessage = '') => ({ ref: { key }, healthMessage }) as Schema['TreeNode'];
  it('take changed, new and removed objects', () => {
    const detail = { tree: [node('a'), node('b')] } as Schema['ApplicationDetail'];
    const next = withTree(detail, { application: 'x', changed: [node('b', 'new'), node('c')], removed: ['a'] });
    expect(next?.tree.map((n) => [n.ref.key, n.healthMessage])).toEqual([['b', 'new'], ['c', '']]);
  });
});
