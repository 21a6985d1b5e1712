// What pages read, one entry a query. Events patch these caches, so nothing is polled.
import { QueryClient, infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { Failure, api, setCsrfToken, take } from './client';

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      retry: (count, error) => count < 2 && !(error instanceof Failure && error.status >= 400 && error.status < 500),
    },
  },
});

export const session = queryOptions({
  queryKey: ['session'],
  staleTime: Infinity,
  queryFn: async () => {
    try {
      const found = await take(api.GET('/session'));
      setCsrfToken(found.csrfToken);
      return found;
    } catch (error) {
      if (error instanceof Failure && error.status === 401) return null;
      throw error;
    }
  },
});

export const system = queryOptions({
  queryKey: ['system'],
  staleTime: Infinity,
  queryFn: () => take(api.GET('/system')),
});

export const home = queryOptions({ queryKey: ['home'], queryFn: () => take(api.GET('/home')) });

export const applications = queryOptions({
  queryKey: ['applications'],
  queryFn: async () => (await take(api.GET('/applications'))).items,
});

export const application = (name: string) =>
  queryOptions({
    queryKey: ['application', name],
    queryFn: () => take(api.GET('/applications/{name}', { params: { path: { name } } })),
  });

export const object = (name: string, key: string) =>
  queryOptions({
    queryKey: ['object', name, key],
    queryFn: () => take(api.GET('/applications/{name}/object', { params: { path: { name }, query: { key } } })),
  });

export const promotions = queryOptions({
  queryKey: ['promotions'],
  queryFn: async () => (await take(api.GET('/promotions'))).items,
});

export const policies = queryOptions({
  queryKey: ['policies'],
  queryFn: async () => (await take(api.GET('/policies'))).items,
});

export const policy = (id: string) =>
  queryOptions({
    queryKey: ['policy', id],
    queryFn: () => take(api.GET('/policies/{id}', { params: { path: { id } } })),
  });

export const exceptions = queryOptions({
  queryKey: ['exceptions'],
  queryFn: async () => (await take(api.GET('/policies/exceptions'))).items,
});

export type AuditFilter = {
  q?: string;
  from?: string;
  to?: string;
  actor?: string;
  verb?: string;
  object?: string;
  namespace?: string;
  outcome?: 'allowed' | 'refused' | 'failed';
  causality?: string;
};

export const audit = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ['audit', filter],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      take(api.GET('/audit/entries', { params: { query: { ...filter, ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (page) => page.nextCursor ?? undefined,
  });

export const entry = (index: number) =>
  queryOptions({
    queryKey: ['entry', index],
    queryFn: () => take(api.GET('/audit/entries/{index}', { params: { path: { index } } })),
  });

export const entities = queryOptions({
  queryKey: ['entities'],
  queryFn: async () => (await take(api.GET('/catalog/entities'))).items,
});

export const entity = (kind: string, namespace: string, name: string) =>
  queryOptions({
    queryKey: ['entity', `${kind}:${namespace}/${name}`.toLowerCase()],
    queryFn: () =>
      take(api.GET('/catalog/entities/{kind}/{namespace}/{name}', { params: { path: { kind, namespace, name } } })),
  });

export const repositories = queryOptions({
  queryKey: ['repositories'],
  queryFn: async () => (await take(api.GET('/repositories'))).items,
});

export const templates = queryOptions({
  queryKey: ['templates'],
  queryFn: async () => (await take(api.GET('/templates'))).items,
});

export const template = (name: string) =>
  queryOptions({
    queryKey: ['template', name],
    queryFn: () => take(api.GET('/templates/{name}', { params: { path: { name } } })),
  });

export const runs = queryOptions({ queryKey: ['runs'], queryFn: async () => (await take(api.GET('/runs'))).items });

export const run = (id: string) =>
  queryOptions({ queryKey: ['run', id], queryFn: () => take(api.GET('/runs/{id}', { params: { path: { id } } })) });
