import { describe, expect, it } from 'vitest';
import type { Schema } from '../api/client';
import { fold, shortActor } from './fold';

const group = (actor: string, count = 1, outcome = 'allowed') => ({ actor, count, outcome }) as Schema['ChangeGroup'];
const nodes = 'system:serviceaccount:ridgeway-system:nodes';

describe('changes', () => {
  it('fold runs of small steps by controllers, and nothing else', () => {
    const folded = fold([group('carla'), group(nodes), group(nodes), group(nodes, 1, 'refused'), group(nodes), group(nodes, 8), group('carla'), group('carla')]);
    expect(folded.map((item) => (item.type === 'small' ? item.groups.length : item.group.actor.slice(0, 5)))).toEqual(['carla', 2, 'syste', 'syste', 'syste', 'carla', 'carla']);
  });
  it('name controllers shortly', () => {
    expect([shortActor(nodes), shortActor('carla')]).toEqual(['nodes', 'carla']);
  });
});
