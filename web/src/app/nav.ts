// The places of the rail, with the keys that lead there.
import { IconBook2, IconBox, IconHistory, IconHome, IconPlus, IconShieldCheck, IconStack2 } from '@tabler/icons-react';

export const PLACES = [
  { to: '/', label: 'Home', short: 'Home', key: 'h', icon: IconHome },
  { to: '/catalog', label: 'Catalog', short: 'Catalog', key: 'c', icon: IconBox },
  { to: '/create', label: 'Create', short: 'Create', key: 'n', icon: IconPlus },
  { to: '/applications', label: 'Applications', short: 'Apps', key: 'a', icon: IconStack2 },
  { to: '/policies', label: 'Policies', short: 'Policies', key: 'p', icon: IconShieldCheck },
  { to: '/audit', label: 'Audit', short: 'Audit', key: 'u', icon: IconHistory },
  { to: '/docs', label: 'Docs', short: 'Docs', key: 'd', icon: IconBook2 },
] as const;

/** The trail to a path, for the top bar. */
export function trail(path: string): { label: string; to?: string }[] {
  const parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  const [head, ...rest] = parts;
  if (!head) return [{ label: 'Home' }];
  if (head === 'runs') return [{ label: 'Create', to: '/create' }, { label: `Run ${(rest[0] ?? '').slice(0, 8)}` }];
  const place = PLACES.find((p) => p.to === `/${head}`);
  const crumbs: { label: string; to?: string }[] = [place ? { label: place.label, to: place.to } : { label: head }];
  if (head === 'catalog' && rest.length === 3) {
    const [kind = '', namespace, name = ''] = rest;
    crumbs.push({ label: kind }, { label: namespace === 'default' ? name : `${namespace}/${name}` });
  } else if (head === 'audit' && rest[0]) {
    crumbs.push({ label: `Entry ${rest[0]}` });
  } else if (rest[0]) {
    const named = rest[0].split('~').at(-1) ?? rest[0];
    crumbs.push({ label: named === 'playground' ? 'Playground' : named === 'exceptions' && head === 'policies' ? 'Exceptions' : named });
  }
  return crumbs;
}
