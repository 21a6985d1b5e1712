// The scope: which environment and team the summaries are about. Kept by the browser, not by the URL.
import { useSyncExternalStore } from 'react';

export type Scope = { environment: string | null; team: string | null };

const KEY = 'ridgeway-scope';
const listeners = new Set<() => void>();
let scope: Scope = { environment: null, team: null };
try {
  scope = { ...scope, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Scope>) };
} catch {
  // No storage, or nothing sensible in it: the whole platform.
}

export function setScope(change: Partial<Scope>) {
  scope = { ...scope, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(scope));
  } catch {
    // It still holds until the page is closed.
  }
  listeners.forEach((listener) => listener());
}

export function useScope(): Scope {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => scope,
  );
}
