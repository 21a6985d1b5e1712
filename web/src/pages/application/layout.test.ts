import { describe, expect, it } from 'vitest';
import type { Schema } from '../../api/client';
import { BOX, layout, worst } from './layout';

const node = (kind: string, name: string, ...parents: string[]) =>
  ({ ref: { key: `${kind}/${name}`, kind, name }, parents, health: 'Healthy' }) as Schema['TreeNode'];

describe('the tree', () => {
  const nodes = [
    node('Service', 'web'),
    node('Deployment', 'web'),
    node('ReplicaSet', 'web-1', 'Deployment/web'),
    node('Pod', 'web-1-a', 'ReplicaSet/web-1'),
    node('Pod', 'web-1-b', 'ReplicaSet/web-1'),
  ];

  it('puts owners left of what they own, workloads first', () => {
    const { boxes, edges } = layout(nodes, new Set());
    const column = BOX.width + BOX.column;
    expect(boxes.map((box) => [box.key, box.x / column])).toEqual([
      ['', 0], ['Deployment/web', 1], ['ReplicaSet/web-1', 2], ['Pod/web-1-a', 3], ['Pod/web-1-b', 3], ['Service/web', 1],
    ]);
    expect(edges.map(({ from, to }) => `${from.key}>${to.key}`)).toContain('ReplicaSet/web-1>Pod/web-1-b');
  });

  it('lets no two boxes overlap', () => {
    const many = [...nodes, ...Array.from({ length: 9 }, (_, i) => node('ConfigMap', `c${i}`)), node('Job', 'j'), node('Pod', 'j-1', 'Job/j')];
    for (const open of [new Set<string>(), new Set(['>ConfigMap'])]) {
      const { boxes } = layout(many, open);
      for (const a of boxes) for (const b of boxes) if (a !== b && a.x === b.x) expect(Math.abs(a.y - b.y)).toBeGreaterThanOrEqual(BOX.height);
    }
  });

  it('folds many equal siblings until asked', () => {
    const many = Array.from({ length: 9 }, (_, i) => node('ConfigMap', `c${i}`));
    expect(layout(many, new Set()).boxes.map((box) => box.type)).toEqual(['root', 'fold']);
    expect(layout(many, new Set(['>ConfigMap'])).boxes).toHaveLength(10);
  });

  it('survives owners that are missing or own each other', () => {
    const odd = [node('A', 'x', 'gone'), node('B', 'y', 'B/z'), node('B', 'z', 'B/y')];
    expect(layout(odd, new Set()).boxes.map((box) => box.key)).toEqual(['', 'A/x']);
  });

  it('shows the worst state of a fold', () => {
    expect(worst([node('P', 'a'), { ...node('P', 'b'), health: 'Degraded' }])).toBe('Degraded');
  });
});
