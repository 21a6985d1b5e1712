import { describe, expect, it } from 'vitest';
import { dotted, plain, yaml } from './value';

describe('values', () => {
  it('are written as YAML', () => {
    const value = { limits: { cpu: '500m', memory: '256Mi', 'a b': null }, list: [{ name: 'app', on: 'yes' }, 'x'], none: [], count: '3' };
    expect(yaml(value)).toBe(
      'limits:\n  cpu: "500m"\n  memory: "256Mi"\n  a b: null\nlist:\n  - name: app\n    "on": "yes"\n  - x\nnone: []\ncount: "3"\n',
    );
    expect([plain(undefined), plain(null), plain(''), plain(3), plain({ a: 1 })]).toEqual(['', 'null', '""', '3', 'a: 1']);
  });

  it('have dotted places', () => {
    expect(dotted('/spec/containers/0/image')).toBe('spec.containers[0].image');
    expect(dotted('/metadata/labels/app.kubernetes.io~1name')).toBe('metadata.labels["app.kubernetes.io/name"]');
  });
});
