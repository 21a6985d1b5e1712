import { describe, expect, it } from 'vitest';
import { rank } from './rank';

describe('finding', () => {
  const items = ['Catalog', 'checkout-staging', 'Sync checkout-staging', 'recheck'];
  const find = (query: string) => rank(items, query, (item) => item);
  it('prefers beginnings and needs every word', () => {
    expect(find('check')).toEqual(['checkout-staging', 'Sync checkout-staging', 'recheck']);
    expect(find('stag check')).toEqual(['checkout-staging', 'Sync checkout-staging']);
    expect(find('sync')).toEqual(['Sync checkout-staging']);
    expect(find('nothing')).toEqual([]);
    expect(find(' ')).toEqual(items);
  });
});
