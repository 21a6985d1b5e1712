import { describe, expect, it } from 'vitest';
import { titled, told } from './words';

describe('sentences', () => {
  it('tell bare verbs in the past and leave the rest', () => {
    expect(told('patch Pod web-1 in shop')).toBe('changed Pod web-1 in shop');
    expect(told('create Pod web-1', 'refused')).toBe('was refused to create Pod web-1');
    expect(told('patch Pod web-1', 'failed')).toBe('could not change Pod web-1');
    expect(told('sign-in')).toBe('signed in');
    expect(told('rendered 8 objects', 'refused')).toBe('rendered 8 objects');
    expect(titled('delete Pod x')).toBe('Deleted Pod x');
    expect(titled('Commit 1 was deployed')).toBe('Commit 1 was deployed');
  });
});
