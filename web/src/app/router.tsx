// The routes. Each page is its own chunk, fetched when a link to it is pointed at; loaders start reading data then too.
import { Outlet, createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import * as queries from '../api/queries';
import { client } from '../api/queries';
import { Failed } from '../ui/Failed';
import { Frame } from './Frame';
import { NotFound } from './NotFound';

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
const one = <T extends string>(value: unknown, ...allowed: T[]) => allowed.find((a) => a === value);

/** Only what is set stays in the URL. */
function compact<T extends object>(search: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(search).filter(([, v]) => v !== undefined)) as never;
}

const rootRoute = createRootRoute({
  component: Outlet,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => (
    <div style={{ padding: 24 }}>
      <Failed error={error} again={reset} />
    </div>
  ),
});

export const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sign-in',
  validateSearch: (search: Record<string, unknown>) => compact({ to: text(search.to) }),
  component: lazyRouteComponent(() => import('../pages/SignIn'), 'SignIn'),
});

const frameRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'frame',
  beforeLoad: async ({ location }) => {
    const session = await client.ensureQueryData(queries.session);
    if (!session) throw redirect({ to: '/sign-in', search: location.href === '/' ? {} : { to: location.href } });
  },
  component: Frame,
});

const frame = () => frameRoute;

const homeRoute = createRoute({
  getParentRoute: frame,
  path: '/',
  loader: () => void client.prefetchQuery(queries.home),
  component: lazyRouteComponent(() => import('../pages/Home'), 'Home'),
});

export const catalogRoute = createRoute({
  getParentRoute: frame,
  path: '/catalog',
  validateSearch: (search: Record<string, unknown>) =>
    compact({
      q: text(search.q),
      kind: text(search.kind),
      owner: text(search.owner),
      lifecycle: text(search.lifecycle),
      tag: text(search.tag),
      view: one(search.view, 'repositories'),
    }),
  loader: () => void client.prefetchQuery(queries.entities),
  component: lazyRouteComponent(() => import('../pages/Catalog'), 'Catalog'),
});

export const entityRoute = createRoute({
  getParentRoute: frame,
  path: '/catalog/$kind/$namespace/$name',
  loader: ({ params: { kind, namespace, name } }) => void client.prefetchQuery(queries.entity(kind, namespace, name)),
  component: lazyRouteComponent(() => import('../pages/Entity'), 'Entity'),
});

const createRoute_ = createRoute({
  getParentRoute: frame,
  path: '/create',
  loader: () => void client.prefetchQuery(queries.templates),
  component: lazyRouteComponent(() => import('../pages/Create'), 'Create'),
});

export const templateRoute = createRoute({
  getParentRoute: frame,
  path: '/create/$name',
  loader: ({ params }) => void client.prefetchQuery(queries.template(params.name)),
  component: lazyRouteComponent(() => import('../pages/Template'), 'Template'),
});

export const runRoute = createRoute({
  getParentRoute: frame,
  path: '/runs/$id',
  loader: ({ params }) => void client.prefetchQuery(queries.run(params.id)),
  component: lazyRouteComponent(() => import('../pages/Run'), 'Run'),
});

export const applicationsRoute = createRoute({
  getParentRoute: frame,
  path: '/applications',
  validateSearch: (search: Record<string, unknown>) =>
    compact({ q: text(search.q), state: text(search.state), view: one(search.view, 'tiles', 'promotion') }),
  loader: () => void client.prefetchQuery(queries.applications),
  component: lazyRouteComponent(() => import('../pages/Applications'), 'Applications'),
});

export const applicationRoute = createRoute({
  getParentRoute: frame,
  path: '/applications/$name',
  validateSearch: (search: Record<string, unknown>) =>
    compact({
      object: text(search.object),
      tab: one(search.tab, 'manifest', 'diff', 'events', 'history'),
      view: one(search.view, 'list', 'history'),
    }),
  loader: ({ params }) => void client.prefetchQuery(queries.application(params.name)),
  component: lazyRouteComponent(() => import('../pages/Application'), 'Application'),
});

const policiesRoute = createRoute({
  getParentRoute: frame,
  path: '/policies',
  loader: () => void client.prefetchQuery(queries.policies),
  component: lazyRouteComponent(() => import('../pages/Policies'), 'Policies'),
});

export const policyRoute = createRoute({
  getParentRoute: frame,
  path: '/policies/$id',
  loader: ({ params }) => void client.prefetchQuery(queries.policy(params.id)),
  component: lazyRouteComponent(() => import('../pages/Policy'), 'Policy'),
});

const exceptionsRoute = createRoute({
  getParentRoute: frame,
  path: '/policies/exceptions',
  loader: () => void client.prefetchQuery(queries.exceptions),
  component: lazyRouteComponent(() => import('../pages/PolicyExceptions'), 'PolicyExceptions'),
});

const playgroundRoute = createRoute({
  getParentRoute: frame,
  path: '/policies/playground',
  component: lazyRouteComponent(() => import('../pages/Playground'), 'Playground'),
});

export const auditRoute = createRoute({
  getParentRoute: frame,
  path: '/audit',
  validateSearch: (search: Record<string, unknown>) =>
    compact({
      q: text(search.q),
      from: text(search.from),
      to: text(search.to),
      actor: text(search.actor),
      verb: text(search.verb),
      object: text(search.object),
      namespace: text(search.namespace),
      outcome: one(search.outcome, 'allowed', 'refused', 'failed'),
      causality: text(search.causality),
    }),
  component: lazyRouteComponent(() => import('../pages/Audit'), 'Audit'),
});

export const entryRoute = createRoute({
  getParentRoute: frame,
  path: '/audit/$index',
  loader: ({ params }) => void client.prefetchQuery(queries.entry(Number(params.index))),
  component: lazyRouteComponent(() => import('../pages/Entry'), 'Entry'),
});

const docsRoute = createRoute({
  getParentRoute: frame,
  path: '/docs',
  component: lazyRouteComponent(() => import('../pages/Docs'), 'Docs'),
});

const nowhereRoute = createRoute({ getParentRoute: frame, path: '$', component: NotFound });

export const router = createRouter({
  routeTree: rootRoute.addChildren([
    signInRoute,
    frameRoute.addChildren([
      homeRoute,
      catalogRoute,
      entityRoute,
      createRoute_,
      templateRoute,
      runRoute,
      applicationsRoute,
      applicationRoute,
      policiesRoute,
      playgroundRoute,
      policyRoute,
      exceptionsRoute,
      auditRoute,
      entryRoute,
      docsRoute,
      nowhereRoute,
    ]),
  ]),
  defaultPreload: 'intent',
  defaultPreloadStaleTime: 0,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
