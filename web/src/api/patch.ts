// How events change the caches. Pure functions over a cache's value, so that they can be tested without a server.
import type { Schema } from './client';

type Application = Schema['ApplicationSummary'];
type Detail = Schema['ApplicationDetail'];

/** The list with one item replaced, added or (null) removed; the order by `key` stays. */
export function replaced<T>(items: T[] | undefined, key: (item: T) => string, id: string, item: T | null) {
  if (!items) return items;
  const rest = items.filter((known) => key(known) !== id);
  if (!item) return rest;
  const at = items.findIndex((known) => key(known) === id);
  if (at >= 0) return items.map((known) => (key(known) === id ? item : known));
  const before = rest.filter((known) => key(known) < id).length;
  return [...rest.slice(0, before), item, ...rest.slice(before)];
}

/** The detail with its summary part replaced. */
export function withSummary(detail: Detail | undefined, summary: Application): Detail | undefined {
  return detail && { ...detail, ...summary };
}

/** The detail with some of its objects replaced or removed. */
export function withTree(detail: Detail | undefined, event: Schema['TreeEvent']): Detail | undefined {
  if (!detail) return detail;
  const changed = new Map(event.changed.map((node) => [node.ref.key, node]));
  const removed = new Set(event.removed);
  const kept = detail.tree.filter((node) => !removed.has(node.ref.key)).map((node) => {
    const next = changed.get(node.ref.key);
    changed.delete(node.ref.key);
    return next ?? node;
  });
  return { ...detail, tree: [...kept, ...changed.values()] };
}
