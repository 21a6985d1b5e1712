// Controllers often act in many small steps. A run of them is one line, so that what people did stays in sight.
import type { Schema } from '../api/client';

type Group = Schema['ChangeGroup'];

export type Folded = { type: 'group'; group: Group } | { type: 'small'; groups: Group[] };

const SERVICE = /^system:serviceaccount:[^:]+:/;

export const shortActor = (name: string) => name.replace(SERVICE, '');

const small = (group: Group) => SERVICE.test(group.actor) && group.count === 1 && group.outcome === 'allowed';

export function fold(groups: Group[]): Folded[] {
  const out: Folded[] = [];
  for (const group of groups) {
    const last = out.at(-1);
    if (small(group) && last?.type === 'small') last.groups.push(group);
    else out.push(small(group) ? { type: 'small', groups: [group] } : { type: 'group', group });
  }
  return out.map((item) => (item.type === 'small' && item.groups.length === 1 ? { type: 'group', group: item.groups[0] as Group } : item));
}
