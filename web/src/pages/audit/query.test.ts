import { describe, expect, it } from 'vitest';
import { complete, parse, write } from './query';

describe('the query language', () => {
  it('reads words and pairs', () => {
    expect(parse('actor:alice verb:delete outcome:refused check out')).toEqual({ actor: 'alice', verb: 'delete', outcome: 'refused', q: 'check out' });
    expect(parse('actor:"system:serviceaccount:a:b" x:y')).toEqual({ actor: 'system:serviceaccount:a:b', q: 'x:y' });
    expect(parse('outcome:perhaps')).toEqual({});
    expect(parse('  ')).toEqual({});
  });

  it('writes what it reads', () => {
    for (const text of ['actor:alice verb:delete checkout', 'object:Deployment/web', 'causality:git:abc', '']) expect(write(parse(text))).toBe(text);
  });

  it('completes fields and values', () => {
    const facets = { actor: [{ value: 'alice', count: 3 }, { value: 'carla', count: 1 }] };
    expect(complete('ac', 2, facets)).toEqual([{ text: 'actor:', label: 'actor:' }]);
    expect(complete('verb:get actor:al', 17, facets)).toEqual([{ text: 'verb:get actor:alice ', label: 'alice', count: 3 }]);
    expect(complete('outcome:re', 10, {}).map((c) => c.label)).toEqual(['refused']);
    expect(complete('nothing:x', 9, facets)).toEqual([]);
  });
});
