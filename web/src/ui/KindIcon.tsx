// A glyph a kind; the word stands nearby.
import { IconApi, IconBox, IconDatabase, IconMapPin, IconPuzzle, IconSitemap, IconTemplate, IconUser, IconUsersGroup, IconWorld } from '@tabler/icons-react';

const ICONS: { [kind: string]: typeof IconBox } = {
  Component: IconBox, API: IconApi, Resource: IconDatabase, System: IconSitemap, Domain: IconWorld, Group: IconUsersGroup, User: IconUser, Location: IconMapPin, Template: IconTemplate,
};

export function KindIcon({ kind, size = 18 }: { kind: string; size?: number }) {
  const Icon = ICONS[kind] ?? IconPuzzle;
  return <Icon size={size} stroke={1.6} color="var(--dim)" role="img" aria-label={kind} style={{ flex: 'none' }} />;
}

/** The glyph for the kind part of a reference, which is lower case. */
export function RefIcon({ reference, size }: { reference: string; size?: number }) {
  const kind = reference.split(':')[0] ?? '';
  const spelled = Object.keys(ICONS).find((known) => known.toLowerCase() === kind) ?? kind;
  return <KindIcon kind={spelled} {...(size ? { size } : {})} />;
}
