// The event stream: patches caches as things change, and tells the frame whether the page is live.
import { useSyncExternalStore } from 'react';
import type { Schema } from './client';
import { replaced, withSummary, withTree } from './patch';
import { application, applications, client, entities, policies } from './queries';

export type Connection = 'connecting' | 'live' | 'lost';

let state: Connection = 'connecting';
const listeners = new Set<() => void>();

function become(next: Connection) {
  if (state === next) return;
  state = next;
  listeners.forEach((listener) => listener());
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

/** Ledger entries arrive in bursts; the pages that summarise them read again once a burst is over. */
let pending: ReturnType<typeof setTimeout> | undefined;
function summariesLater() {
  clearTimeout(pending);
  pending = setTimeout(() => {
    for (const key of ['home', 'audit', 'promotions']) void client.invalidateQueries({ queryKey: [key] });
  }, 600);
}

const handlers: { [name: string]: (data: never) => void } = {
  application(event: Schema['ApplicationEvent']) {
    const summary = event.application;
    client.setQueryData(applications.queryKey, (old) => replaced(old, (item) => item.name, event.name, summary));
    if (summary) client.setQueryData(application(event.name).queryKey, (old) => withSummary(old, summary));
    summariesLater();
  },
  tree(event: Schema['TreeEvent']) {
    client.setQueryData(application(event.application).queryKey, (old) => withTree(old, event));
    for (const node of event.changed) {
      void client.invalidateQueries({ queryKey: ['object', event.application, node.ref.key] });
    }
  },
  operation(event: Schema['OperationEvent']) {
    const key = application(event.application).queryKey;
    client.setQueryData(key, (old) => old && { ...old, operation: event.operation, why: event.why });
    if (event.operation.phase !== 'Running') void client.invalidateQueries({ queryKey: key });
  },
  ledger() {
    summariesLater();
  },
  policy(event: Schema['PolicyEvent']) {
    client.setQueryData(policies.queryKey, (old) => replaced(old, (item) => item.id, event.id, event.policy));
    void client.invalidateQueries({ queryKey: ['policy', event.id] });
    void client.invalidateQueries({ queryKey: ['exceptions'] });
  },
  entity(event: Schema['EntityEvent']) {
    client.setQueryData(entities.queryKey, (old) => replaced(old, (item) => item.ref, event.ref, event.entity));
    void client.invalidateQueries({ queryKey: ['entity', event.ref] });
    void client.invalidateQueries({ queryKey: ['repositories'] });
  },
  run(event: Schema['RunEvent']) {
    client.setQueryData(['run', event.run.id], event.run);
    void client.invalidateQueries({ queryKey: ['runs'] });
  },
  resync() {
    void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
  },
};

/** Connects; returns how to disconnect. The browser itself connects again and resumes after the last event. */
export function connect(): () => void {
  const source = new EventSource('/api/v1/events');
  let opened = false;
  source.onopen = () => {
    if (opened) handlers.resync?.(undefined as never);
    opened = true;
    become('live');
  };
  source.onerror = () => become('lost');
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data) as never));
  }
  return () => {
    source.close();
    become('connecting');
  };
}
