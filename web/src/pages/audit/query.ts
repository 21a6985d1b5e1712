// The query bar's language: words, and `field:value` pairs. Quotes hold spaces together.
import type { AuditFilter } from '../../api/queries';

export const FIELDS = ['actor', 'verb', 'outcome', 'object', 'namespace', 'causality'] as const;
export type Field = (typeof FIELDS)[number];

const OUTCOMES = ['allowed', 'refused', 'failed'] as const;
const TOKEN = /(?:(\w+):)?(?:"([^"]*)"|(\S+))/g;

export type Parsed = Omit<AuditFilter, 'from' | 'to'>;

export function parse(text: string): Parsed {
  const filter: Parsed = {};
  const words: string[] = [];
  for (const [whole, name, quoted, bare] of text.matchAll(TOKEN)) {
    const field = FIELDS.find((known) => known === name);
    const value = quoted ?? bare ?? '';
    if (!field) words.push(whole);
    else if (field !== 'outcome') filter[field] = value;
    else {
      const outcome = OUTCOMES.find((known) => known === value);
      if (outcome) filter.outcome = outcome;
    }
  }
  if (words.length) filter.q = words.join(' ');
  return filter;
}

export function write(filter: Parsed): string {
  const pairs = FIELDS.flatMap((field) => {
    const value = filter[field];
    return value ? [`${field}:${/\s/.test(value) ? `"${value}"` : value}`] : [];
  });
  return [...pairs, ...(filter.q ? [filter.q] : [])].join(' ');
}

type Facets = { [field in Field]?: { value: string; count: number }[] };

export type Completion = { text: string; label: string; count?: number };

/** What could stand where the cursor is: a field, or a value of one. */
export function complete(text: string, cursor: number, facets: Facets): Completion[] {
  const start = text.lastIndexOf(' ', cursor - 1) + 1;
  const token = text.slice(start, cursor);
  const put = (replacement: string) => text.slice(0, start) + replacement + text.slice(cursor);
  const colon = token.indexOf(':');
  if (colon < 0) {
    return FIELDS.filter((field) => field.startsWith(token.toLowerCase()) && !text.includes(`${field}:`)).map((field) => ({ text: put(`${field}:`), label: `${field}:` }));
  }
  const field = FIELDS.find((known) => known === token.slice(0, colon));
  if (!field) return [];
  const typed = token.slice(colon + 1).toLowerCase();
  const known = field === 'outcome' ? OUTCOMES.map((value) => ({ value, count: undefined })) : (facets[field] ?? []);
  return known
    .filter(({ value }) => value.toLowerCase().includes(typed) && value.toLowerCase() !== typed)
    .slice(0, 8)
    .map(({ value, count }) => ({ text: put(`${field}:${/\s/.test(value) ? `"${value}"` : value} `), label: value, ...(count === undefined ? {} : { count }) }));
}
