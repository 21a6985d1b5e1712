import { describe, expect, it } from 'vitest';
import { trail } from './nav';

describe('the trail', () => {
  it.each([
    ['/', ['Home']],
    ['/applications/checkout-staging', ['Applications', 'checkout-staging']],
    ['/catalog/component/default/checkout', ['Catalog', 'component', 'checkout']],
    ['/catalog/component/shop/checkout', ['Catalog', 'component', 'shop/checkout']],
    ['/audit/42', ['Audit', 'Entry 42']],
    ['/policies/clusterpolicy~require-labels', ['Policies', 'require-labels']],
    ['/runs/0123456789ab', ['Create', 'Run 01234567']],
  ])('%s', (path, labels) => {
    expect(trail(path).map((crumb) => crumb.label)).toEqual(labels);
  });
});
