// The demo organisation as the contract tells it. Times are relative to the start, so pages look alive.
import { Ledger } from './ledger.mjs';

const START = Date.now();
export const ago = (seconds) => new Date(START - seconds * 1000).toISOString();
const MIN = 60;
const HOUR = 3600;
const DAY = 86_400;

let seed = 7;
const random = () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
  return seed / 2 ** 31;
};
export const hex = (n) => Array.from({ length: n }, () => Math.floor(random() * 16).toString(16)).join('');

export const ref = (kind, namespace, name) => {
  const groups = { Deployment: 'apps/v1', ReplicaSet: 'apps/v1', NetworkPolicy: 'networking.k8s.io/v1', PodDisruptionBudget: 'policy/v1', EndpointSlice: 'discovery.k8s.io/v1', Application: 'argoproj.io/v1alpha1', ClusterPolicy: 'kyverno.io/v1', ClusterRole: 'rbac.authorization.k8s.io/v1' };
  const apiVersion = groups[kind] ?? 'v1';
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
  return { key: `${group}/${kind}/${namespace}/${name}`, apiVersion, kind, namespace, name };
};

const commit = (sha, message, author, seconds) => ({ sha, message, author, at: ago(seconds) });
const C = {
  checkout: commit(hex(40), 'Raise the memory limit for large baskets', 'carla', 22 * MIN),
  checkoutOld: commit(hex(40), 'Show the delivery date in the summary', 'carla', 3 * DAY),
  orders: commit(hex(40), 'Page the order list', 'deniz', 4 * MIN),
  ordersOld: commit(hex(40), 'Answer 404 for unknown orders', 'deniz', 2 * DAY),
  platform: commit(hex(40), 'Deny traffic by default in new namespaces', 'alice', 5 * HOUR),
  search: commit(hex(40), 'Try the new ranking', 'mika', 50 * MIN),
};

export const session = {
  name: 'carla', displayName: 'Carla', groups: ['team-checkout', 'system:authenticated'], csrfToken: 'mock-csrf',
  permissions: ['applications.sync', 'applications.rollback', 'promotions.create', 'templates.run', 'audit.verify'],
};

export const limitsRefusal = (name) => ({
  policy: 'require-resource-limits', policyId: 'clusterpolicy~require-resource-limits', rule: 'require-limits',
  message: `All containers must have resource limits: container \`${name}\` has none. Add CPU and memory limits to comply with cluster policies.`,
  path: 'spec.template.spec.containers[0].resources', value: null,
  remedy: 'Set requests and limits for cpu and memory.',
  patch: [{ op: 'add', path: '/spec/template/spec/containers/0/resources', value: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '500m', memory: '256Mi' } } }],
  object: ref('Deployment', 'search-staging', 'search'), ask: 'group:default/platform',
});

const app = (name, entity, environment, extra) => ({
  name, project: 'default', entity, environment,
  source: { repository: `http://127.0.0.1:7070/git/${entity ? entity.split('/')[1] : 'platform'}.git`, path: environment ? `deploy/overlays/${environment}` : 'cluster', targetRevision: 'main' },
  destination: { cluster: 'in-cluster', namespace: environment ? name : '' },
  autoSync: true, health: 'Healthy', healthMessage: '', sync: 'Synced', objects: 0, outOfSync: 0, refused: 0, operationPhase: 'Succeeded', ...extra,
});

export const applications = [
  app('checkout-production', 'component:default/checkout', 'production', { version: 'v1.2.2', revision: C.checkoutOld.sha, images: ['registry.example.org/checkout:v1.2.2'], objects: 8, outOfSync: 1, sync: 'OutOfSync', lastSyncedAt: ago(3 * DAY - HOUR), autoSync: false }),
  app('checkout-staging', 'component:default/checkout', 'staging', { version: 'v1.2.3', revision: C.checkout.sha, images: ['registry.example.org/checkout:v1.2.3'], objects: 8, lastSyncedAt: ago(20 * MIN) }),
  app('orders-production', 'component:default/orders', 'production', { version: 'v0.9.1', revision: C.ordersOld.sha, images: ['registry.example.org/orders:v0.9.1'], objects: 7, lastSyncedAt: ago(2 * DAY) }),
  app('orders-staging', 'component:default/orders', 'staging', { version: 'v0.9.2', revision: C.orders.sha, images: ['registry.example.org/orders:v0.9.2'], objects: 7, health: 'Progressing', healthMessage: '1 of 2 replicas are ready', lastSyncedAt: ago(3 * MIN) }),
  app('platform', null, null, { version: C.platform.sha.slice(0, 7), revision: C.platform.sha, images: [], objects: 23, lastSyncedAt: ago(5 * HOUR) }),
  app('search-staging', 'component:default/search', 'staging', { version: 'v3.0.0', revision: C.search.sha, images: ['registry.example.org/search:v3.0.0'], objects: 6, outOfSync: 1, sync: 'OutOfSync', refused: 1, health: 'Degraded', healthMessage: 'The Deployment `search` could not be applied: refused by require-resource-limits', operationPhase: 'Failed', lastSyncedAt: ago(49 * MIN) }),
];

const node = (r, parents, extra = {}) => ({ ref: r, parents: parents.map((p) => p.key), health: null, healthMessage: '', sync: parents.length ? null : 'Synced', images: [], createdAt: ago(9 * DAY), prune: false, hook: false, info: [], refusals: [], ...extra });

export function tree(name) {
  const summary = applications.find((a) => a.name === name);
  if (name === 'platform') {
    return [
      ...['require-labels', 'require-non-root', 'require-resource-limits', 'namespace-defaults'].map((n) => node(ref('ClusterPolicy', '', n), [])),
      ...['checkout-staging', 'checkout-production', 'orders-staging', 'orders-production', 'search-staging'].map((n) => node(ref('Namespace', '', n), [], { health: 'Healthy' })),
      node(ref('ClusterRole', '', 'platform-developer'), []),
      ...['checkout-staging', 'checkout-production'].map((n) => node(ref('Application', 'argocd', n), [], { health: n === 'checkout-staging' ? 'Healthy' : 'Healthy' })),
    ];
  }
  const service = summary.entity?.split('/')[1] ?? name;
  const ns = summary.destination.namespace;
  const refused = summary.refused > 0;
  const drift = summary.outOfSync > 0;
  const deployment = ref('Deployment', ns, service);
  const rs = ref('ReplicaSet', ns, `${service}-7c9d8f6b5`);
  const old = ref('ReplicaSet', ns, `${service}-5b4f7d9c8`);
  const svc = ref('Service', ns, service);
  const moving = summary.health === 'Progressing';
  const nodes = [
    node(deployment, [], {
      health: summary.health, healthMessage: summary.healthMessage, sync: drift ? 'OutOfSync' : 'Synced', images: summary.images,
      createdAt: refused ? null : ago(9 * DAY), info: [{ name: 'Ready', value: refused ? '0/2' : moving ? '1/2' : '2/2' }], refusals: refused ? [limitsRefusal(service)] : [],
      ...(refused ? { health: 'Missing' } : {}),
    }),
    node(svc, [], { health: 'Healthy', info: [{ name: 'Port', value: '80 → 8080' }] }),
    node(ref('ConfigMap', ns, `${service}-settings-k6f9m2b8tc`), []),
    node(ref('NetworkPolicy', ns, service), []),
    node(ref('NetworkPolicy', ns, 'deny-all'), []),
    node(ref('ServiceAccount', ns, service), []),
    node(ref('PodDisruptionBudget', ns, service), [], { health: 'Healthy' }),
    node(ref('EndpointSlice', ns, `${service}-x7k2p`), [svc]),
  ];
  if (!refused) {
    nodes.push(
      node(rs, [deployment], { health: moving ? 'Progressing' : 'Healthy', images: summary.images, createdAt: ago(20 * MIN), info: [{ name: 'Revision', value: '7' }] }),
      node(old, [deployment], { health: 'Healthy', createdAt: ago(3 * DAY), info: [{ name: 'Revision', value: '6' }] }),
      node(ref('Pod', ns, `${service}-7c9d8f6b5-4xk2p`), [rs], { health: 'Healthy', images: summary.images, createdAt: ago(20 * MIN), info: [{ name: 'Ready', value: '1/1' }] }),
      node(ref('Pod', ns, `${service}-7c9d8f6b5-9qmzt`), [rs], { health: moving ? 'Progressing' : 'Healthy', healthMessage: moving ? 'waiting for the readiness probe' : '', images: summary.images, createdAt: ago(19 * MIN), info: [{ name: 'Ready', value: moving ? '0/1' : '1/1' }] }),
    );
  }
  return nodes;
}

export const ledger = new Ledger();

const PEOPLE = ['carla', 'deniz', 'alice', 'mika'];
const CONTROLLERS = ['application-controller', 'deployment-controller', 'policy-controller'];
const person = (name) => ({ name, kind: 'person', impersonator: null });
const controller = (name) => ({ name: `system:serviceaccount:ridgeway-system:${name}`, kind: 'controller', impersonator: null });

function fill() {
  const moments = [];
  for (let i = 0; i < 320; i++) moments.push(Math.floor(random() ** 2 * 26 * HOUR) + 4 * MIN);
  moments.sort((a, b) => b - a);
  let causality = `git:${hex(40)}`;
  for (const moment of moments) {
    if (random() < 0.18) causality = random() < 0.6 ? `git:${hex(40)}` : `req:${hex(12)}`;
    const human = random() < 0.22;
    const service = ['checkout', 'orders', 'search'][Math.floor(random() * 3)];
    const ns = `${service}-${random() < 0.6 ? 'staging' : 'production'}`;
    const kind = ['Deployment', 'Pod', 'ReplicaSet', 'ConfigMap', 'Service'][Math.floor(random() * 5)];
    const suffix = { Pod: `-7c9d8f6b5-${hex(5)}`, ReplicaSet: '-7c9d8f6b5' }[kind] ?? '';
    const refused = random() < 0.05;
    const verb = refused ? 'create' : ['create', 'update', 'update', 'patch', 'delete'][Math.floor(random() * 5)];
    const actor = human ? person(PEOPLE[Math.floor(random() * 4)]) : controller(CONTROLLERS[Math.floor(random() * 3)]);
    const past = { create: 'created', update: 'updated', patch: 'patched', delete: 'deleted' }[verb];
    const object = ref(kind, ns, `${service}${suffix}`);
    ledger.append(
      { at: ago(moment), actor, verb, object, subresource: '', outcome: refused ? 'refused' : random() < 0.01 ? 'failed' : 'allowed', summary: `${refused ? 'was refused to create' : past} ${kind} ${object.name} in ${ns}`, causality, source: human ? '127.0.0.1 kubectl/v1.36.3' : 'controller' },
      { refusals: refused ? [{ ...limitsRefusal(service), object }] : [] },
    );
  }
}
fill();

const service = (name, revision) => `apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: ${name}\n  namespace: ${name}-staging\n  labels:\n    app: ${name}\n    team: team-${name}\nspec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: ${name}\n  template:\n    metadata:\n      labels:\n        app: ${name}\n        team: team-${name}\n    spec:\n      automountServiceAccountToken: false\n      securityContext:\n        runAsNonRoot: true\n        seccompProfile:\n          type: RuntimeDefault\n      containers:\n        - name: app\n          image: registry.example.org/${name}:${revision}\n          ports:\n            - containerPort: 8080\n              name: http\n          resources:\n            requests:\n              cpu: 100m\n              memory: 128Mi\n            limits:\n              cpu: 500m\n              memory: 256Mi\n`;
export const manifest = (r, version) => (r.kind === 'Deployment' ? service(r.name, version) : `apiVersion: ${r.apiVersion}\nkind: ${r.kind}\nmetadata:\n  name: ${r.name}\n${r.namespace ? `  namespace: ${r.namespace}\n` : ''}  labels:\n    app: ${r.name.split('-')[0]}\n`);

// The story that the why lines point to.
const story = `git:${C.checkout.sha}`;
const note = (seconds, actor, verb, object, summary, detail) => ledger.append({ at: ago(seconds), actor, verb, object, subresource: '', outcome: 'allowed', summary, causality: story, source: actor.kind === 'person' ? '127.0.0.1 git/2.39' : 'controller' }, detail);
export const STORY = {
  commit: note(3 * MIN, person('carla'), 'push', null, `pushed ${C.checkout.sha.slice(0, 7)} to checkout: ${C.checkout.message}`).index,
  render: note(3 * MIN - 1, controller('application-controller'), 'render', ref('Application', 'argocd', 'checkout-staging'), 'rendered deploy/overlays/staging: 8 objects from 6 files').index,
  apply: note(3 * MIN - 2, controller('application-controller'), 'patch', ref('Deployment', 'checkout-staging', 'checkout'), 'patched Deployment checkout in checkout-staging', {
    before: service('checkout', 'v1.2.2'), after: service('checkout', 'v1.2.3').replace('memory: 256Mi', 'memory: 512Mi'),
    changes: [{ path: 'spec.template.spec.containers[0].image', before: 'registry.example.org/checkout:v1.2.2', after: 'registry.example.org/checkout:v1.2.3' }, { path: 'spec.template.spec.containers[0].resources.limits.memory', before: '256Mi', after: '512Mi' }],
    evaluated: [{ rule: 'access: platform-developer', result: 'allow' }, { rule: 'require-non-root/run-as-non-root', result: 'pass' }, { rule: 'require-resource-limits/require-limits', result: 'pass' }, { rule: 'require-labels/require-team-label', result: 'pass' }, { rule: 'pod-security/restricted', result: 'pass' }],
  }).index,
};

const step = (id, title, text, state, seconds, ledgerIndex) => ({ id, title, text, state, at: seconds === null ? null : ago(seconds), ledgerIndex });

export function why(name) {
  const a = applications.find((x) => x.name === name);
  const short = a.revision.slice(0, 7);
  const bad = a.refused > 0;
  const moving = a.health === 'Progressing';
  return [
    step('commit', `${short} by ${name.startsWith('orders') ? 'deniz' : 'carla'}`, 'Raise the memory limit for large baskets', 'done', 3 * MIN, STORY.commit),
    step('render', `${a.objects} objects`, `Rendered ${a.source.path} in 9 ms`, 'done', 3 * MIN, STORY.render),
    step('verdict', bad ? '1 refused' : '14 rules passed', bad ? 'require-resource-limits refused Deployment search' : 'No rule refused anything', bad ? 'failed' : 'done', 3 * MIN, STORY.apply),
    step('apply', bad ? '5 of 6 applied' : `${a.objects} applied`, bad ? 'The refused object was left as it is' : '2 changed, the others were as they should be', bad ? 'failed' : 'done', 3 * MIN, STORY.apply),
    step('running', bad ? 'Not running' : moving ? '1 of 2 ready' : '2 of 2 ready', bad ? 'Nothing to run yet' : moving ? 'Waiting for the readiness probe' : `${a.version} answers`, bad ? 'waiting' : moving ? 'active' : 'done', bad ? null : 2 * MIN, null),
  ];
}

export function detail(name) {
  const a = applications.find((x) => x.name === name);
  if (!a) return null;
  const history = [
    { id: 3, revision: a.revision, commit: name.startsWith('orders') ? C.orders : C.checkout, deployedAt: a.lastSyncedAt, initiatedBy: 'automated', version: a.version, ledgerIndex: STORY.apply, current: true },
    { id: 2, revision: C.checkoutOld.sha, commit: C.checkoutOld, deployedAt: ago(3 * DAY), initiatedBy: 'automated', version: 'v1.2.2', ledgerIndex: 12, current: false },
    { id: 1, revision: C.ordersOld.sha, commit: C.ordersOld, deployedAt: ago(6 * DAY), initiatedBy: 'carla', version: 'v1.2.1', ledgerIndex: 4, current: false },
  ];
  return {
    ...a, tree: tree(name), history, why: why(name), headCommit: C.checkout,
    conditions: a.refused ? [{ type: 'SyncError', message: 'one object was refused by a policy', at: ago(49 * MIN) }] : [],
    operation: { kind: 'sync', phase: a.operationPhase, message: a.refused ? '5 of 6 objects applied, 1 refused' : `${a.objects} objects are as Git says`, revision: a.revision, initiatedBy: 'automated', startedAt: a.lastSyncedAt, finishedAt: a.lastSyncedAt, done: a.objects - a.refused, total: a.objects, causality: story, refusals: a.refused ? [limitsRefusal('search')] : [] },
  };
}

const deployment = (name) => {
  const a = applications.find((x) => x.name === name);
  return { environment: a.environment, application: a.name, health: a.health, sync: a.sync, version: a.version, revision: a.revision, changedAt: a.lastSyncedAt, drift: a.outOfSync };
};
const deploymentsOf = (entity) => applications.filter((a) => a.entity === entity).sort((x, y) => (x.environment === 'staging' ? -1 : 1) - (y.environment === 'staging' ? -1 : 1)).map((a) => deployment(a.name));

const e = (kind, name, extra = {}) => {
  const r = `${kind.toLowerCase()}:default/${name}`;
  return { ref: r, kind, namespace: 'default', name, title: name, description: '', type: '', lifecycle: '', owner: null, system: null, tags: [], health: null, deployments: deploymentsOf(r), problems: [], ...extra };
};

export const entities = [
  e('API', 'checkout-api', { description: 'Orders over HTTP', type: 'openapi', lifecycle: 'production', owner: 'group:default/team-checkout', system: 'system:default/shop' }),
  e('API', 'orders-api', { description: 'What a customer bought', type: 'openapi', lifecycle: 'production', owner: 'group:default/team-orders', system: 'system:default/shop' }),
  e('Component', 'checkout', { title: 'Checkout', description: 'Turns a basket into an order', type: 'service', lifecycle: 'production', owner: 'group:default/team-checkout', system: 'system:default/shop', tags: ['rust', 'payments'], health: 'Healthy' }),
  e('Component', 'orders', { title: 'Orders', description: 'Keeps and answers what was bought', type: 'service', lifecycle: 'production', owner: 'group:default/team-orders', system: 'system:default/shop', tags: ['rust'], health: 'Progressing' }),
  e('Component', 'search', { title: 'Search', description: 'Finds articles by words', type: 'service', lifecycle: 'experimental', owner: 'group:default/team-orders', system: 'system:default/shop', tags: ['go', 'golden-path'], health: 'Degraded', problems: ['dependsOn: `search-index` names no kind; write it out, such as `resource:search-index`'] }),
  e('Domain', 'commerce', { description: 'Everything between the basket and the money', owner: 'group:default/platform' }),
  e('Group', 'platform', { title: 'Platform', description: 'Runs the platform', type: 'team' }),
  e('Group', 'team-checkout', { title: 'Team Checkout', description: 'Owns the checkout service', type: 'team' }),
  e('Group', 'team-orders', { title: 'Team Orders', description: 'Owns orders and search', type: 'team' }),
  e('Resource', 'checkout-db', { description: 'Orders in progress', type: 'database', owner: 'group:default/team-checkout', system: 'system:default/shop' }),
  e('System', 'shop', { title: 'Shop', description: 'The web shop', owner: 'group:default/platform' }),
  e('User', 'carla', { title: 'Carla' }),
];

const relations = {
  'component:default/checkout': [['dependsOn', 'resource:default/checkout-db'], ['consumesApi', 'api:default/orders-api'], ['ownedBy', 'group:default/team-checkout'], ['partOf', 'system:default/shop'], ['providesApi', 'api:default/checkout-api']],
  'component:default/orders': [['ownedBy', 'group:default/team-orders'], ['partOf', 'system:default/shop'], ['providesApi', 'api:default/orders-api']],
  'component:default/search': [['dependsOn', 'resource:default/search-index'], ['ownedBy', 'group:default/team-orders'], ['partOf', 'system:default/shop']],
  'system:default/shop': [['hasPart', 'component:default/checkout'], ['hasPart', 'component:default/orders'], ['hasPart', 'component:default/search'], ['ownedBy', 'group:default/platform'], ['partOf', 'domain:default/commerce']],
  'group:default/team-checkout': [['hasMember', 'user:default/carla'], ['ownerOf', 'component:default/checkout'], ['ownerOf', 'api:default/checkout-api'], ['ownerOf', 'resource:default/checkout-db']],
};

const README = `# Checkout

Turns a basket into an order. It asks **payments** for the money and \`orders\` to keep the result.

## Run it

1. \`git clone http://127.0.0.1:7070/git/checkout.git\`
2. \`cargo run\`

| setting | meaning |
|---|---|
| \`CURRENCY\` | what the customer pays in |
| \`PAYMENT_PROVIDER\` | \`sandbox\` in staging |

> The runbook is linked above; read it before you are on call.
`;

export function entityDetail(reference) {
  const summary = entities.find((x) => x.ref === reference);
  if (!summary) return null;
  const known = new Set(entities.map((x) => x.ref));
  return {
    ...summary,
    annotations: summary.kind === 'Component' ? { 'argocd/app-name': `${summary.name}-production`, 'backstage.io/techdocs-ref': 'dir:.' } : {},
    labels: {}, links: summary.name === 'checkout' ? [{ url: 'https://example.org/runbooks/checkout', title: 'Runbook' }, { url: 'https://example.org/dashboards/checkout', title: 'Dashboard' }] : [],
    relations: (relations[reference] ?? []).map(([type, targetRef]) => ({ type, targetRef, known: known.has(targetRef) })),
    source: { repository: summary.kind === 'Component' ? summary.name : 'platform', path: 'catalog-info.yaml', line: 1 },
    violations: summary.name === 'search' ? [{ refusal: limitsRefusal('search'), application: 'search-staging', owner: 'group:default/team-orders', since: ago(49 * MIN) }] : [],
    changes: changes.slice(0, 3), readme: summary.kind === 'Component' ? README.replaceAll('Checkout', summary.title) : null,
    yaml: `apiVersion: backstage.io/v1alpha1\nkind: ${summary.kind}\nmetadata:\n  name: ${summary.name}\n  description: ${summary.description}\nspec:\n  type: ${summary.type}\n  lifecycle: ${summary.lifecycle}\n  owner: ${summary.owner}\n`,
  };
}

export const changes = [
  { causality: story, title: `Commit ${C.checkout.sha.slice(0, 7)} went to checkout-staging`, actor: 'carla', at: ago(2 * MIN), count: 14, refused: 0, outcome: 'allowed', firstIndex: STORY.commit, lastIndex: STORY.apply, objects: [ref('Deployment', 'checkout-staging', 'checkout'), ref('Pod', 'checkout-staging', 'checkout-7c9d8f6b5-4xk2p')] },
  { causality: `git:${C.orders.sha}`, title: `Commit ${C.orders.sha.slice(0, 7)} went to orders-staging`, actor: 'deniz', at: ago(4 * MIN), count: 11, refused: 0, outcome: 'allowed', firstIndex: 280, lastIndex: 291, objects: [ref('Deployment', 'orders-staging', 'orders')] },
  { causality: `git:${C.search.sha}`, title: 'Deployment search was refused in search-staging', actor: 'mika', at: ago(49 * MIN), count: 6, refused: 1, outcome: 'refused', firstIndex: 240, lastIndex: 246, objects: [ref('Deployment', 'search-staging', 'search')] },
  { causality: 'req:4f1c', title: 'Replicas of checkout set to 3 by hand in production', actor: 'alice', at: ago(3 * HOUR), count: 1, refused: 0, outcome: 'allowed', firstIndex: 201, lastIndex: 201, objects: [ref('Deployment', 'checkout-production', 'checkout')] },
  { causality: `git:${C.platform.sha}`, title: `Commit ${C.platform.sha.slice(0, 7)} went to platform`, actor: 'alice', at: ago(5 * HOUR), count: 27, refused: 0, outcome: 'allowed', firstIndex: 150, lastIndex: 177, objects: [ref('ClusterPolicy', '', 'namespace-defaults')] },
];

export function home() {
  return {
    services: ['checkout', 'orders', 'search'].map((name) => {
      const entity = entities.find((x) => x.ref === `component:default/${name}`);
      return { ref: entity.ref, title: entity.title, owner: entity.owner, deployments: entity.deployments };
    }),
    waiting: [
      { id: 'refused search', kind: 'refused', severity: 'high', title: 'search cannot start in staging', detail: 'require-resource-limits refused its Deployment: a container has no limits.', link: '/applications/search-staging', at: ago(49 * MIN), action: { label: 'See the fix', kind: 'open', target: '/policies/clusterpolicy~require-resource-limits' } },
      { id: 'drift checkout-production', kind: 'outOfSync', severity: 'medium', title: 'checkout-production differs from Git', detail: 'alice set spec.replicas to 3 by hand 3 h ago.', link: '/applications/checkout-production', at: ago(3 * HOUR), action: { label: 'Sync', kind: 'sync', target: 'checkout-production' } },
      { id: 'problem search', kind: 'problem', severity: 'low', title: 'search: a relation cannot be followed', detail: 'dependsOn: `search-index` names no kind.', link: '/catalog/component/default/search', at: ago(2 * DAY), action: null },
    ],
    changes,
    delivery: { days: Array.from({ length: 14 }, (_, i) => ({ date: ago((13 - i) * DAY).slice(0, 10), deployments: [3, 5, 2, 0, 0, 6, 4, 7, 5, 3, 0, 1, 8, 6][i], failed: [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1][i], refused: [1, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 3, 1][i] })), medianLeadSeconds: 96, failureRate: 0.06 },
  };
}

export const promotions = () => ['checkout', 'orders'].map((name) => {
  const stages = deploymentsOf(`component:default/${name}`);
  return {
    entity: `component:default/${name}`, title: entities.find((x) => x.name === name).title,
    stages: stages.map((d) => ({ name: d.environment, deployment: d, commit: d.environment === 'staging' ? (name === 'checkout' ? C.checkout : C.orders) : name === 'checkout' ? C.checkoutOld : C.ordersOld })),
    next: { from: 'staging', to: 'production', version: stages[0].version, blocked: name === 'orders' ? [{ policy: 'promotion', policyId: null, rule: 'healthy-before', message: 'orders is not healthy in staging yet: 1 of 2 replicas are ready.', path: '', value: null, remedy: 'Wait until staging is healthy.', patch: null, object: null, ask: 'group:default/team-orders' }] : [] },
  };
});

const POLICY_YAML = `apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: require-resource-limits
  annotations:
    policies.kyverno.io/title: Containers state what they need
spec:
  validationFailureAction: Enforce
  rules:
    - name: require-limits
      match:
        any:
          - resources:
              kinds: [Pod]
      validate:
        message: "All containers must have resource limits"
        pattern:
          spec:
            containers:
              - resources:
                  limits:
                    memory: "?*"
                    cpu: "?*"
                  requests:
                    memory: "?*"
                    cpu: "?*"
`;

const p = (name, title, description, category, severity, passed, failed, refused24h, kind = 'ClusterPolicy', mode = 'enforce') => ({ id: `${kind.toLowerCase()}~${name}`, name, kind, title, description, category, severity, mode, rules: 1, passed, failed, refused24h, trend: Array.from({ length: 14 }, (_, i) => Math.max(0, failed + Math.round(Math.sin(i) * 1.2 + (13 - i) / 5 - (failed ? 0 : 1.4)))) });
export const policies = [
  p('require-resource-limits', 'Containers state what they need', 'Every container has requests and limits for cpu and memory, so that one service cannot starve another.', 'Resources', 'high', 21, 1, 6),
  p('require-labels', 'Workloads name their team', 'Deployments and StatefulSets carry the labels team and app, so that somebody can be asked.', 'Ownership', 'medium', 8, 0, 1),
  p('require-non-root', 'Nothing runs as root', 'Containers run as a user other than root and cannot gain privileges.', 'Pod security', 'high', 22, 0, 2),
  p('namespace-defaults', 'Namespaces start closed and bounded', 'Default-deny network, a resource quota and a limit range for each new namespace.', 'Zero trust', 'high', 5, 0, 0),
  p('restricted', 'Pod Security: restricted', 'The strictest Pod Security Standard, in the namespaces that ask for it.', 'Pod security', 'high', 22, 0, 0, 'PodSecurity'),
];

const exception = (name, state, extra) => ({
  id: `kyverno.io~search-staging~${name}`, namespace: 'search-staging', name, kind: 'kyverno.io/PolicyException', policies: [{ name: 'require-resource-limits', rules: ['require-limits'] }],
  policyIds: ['clusterpolicy~require-resource-limits'], covers: 'Deployment named search and Pod named search-* in search-staging', owner: 'team-orders', reason: 'The new ranking is being sized this week.', requestedBy: 'mika', requestedAt: ago(3 * HOUR),
  approvedBy: null, approvedAt: null, expiresAt: ago(-5 * DAY), secondsLeft: 5 * DAY, state, faults: [], own: false, mayApprove: state === 'Requested', mayRemove: true, ...extra,
});
export const exceptions = [
  exception('ranking', 'Requested', {}),
  exception('indexer', 'Approved', { approvedBy: 'alice', approvedAt: ago(2 * HOUR), mayApprove: false }),
  exception('import', 'Expired', { expiresAt: ago(DAY), secondsLeft: 0, approvedBy: 'alice', approvedAt: ago(8 * DAY), requestedAt: ago(9 * DAY) }),
];

export function approveException(id) {
  const one = exceptions.find((x) => x.id === id);
  if (one) Object.assign(one, { state: 'Approved', approvedBy: session.name, approvedAt: new Date().toISOString(), mayApprove: false });
  return one;
}

export function askForException(body) {
  const one = exception(`asked-${exceptions.length}`, 'Requested', { owner: body.owner, reason: body.reason, requestedBy: session.name, requestedAt: new Date().toISOString(), expiresAt: body.expiresAt, secondsLeft: Math.round((Date.parse(body.expiresAt) - Date.now()) / 1000), own: true, mayApprove: false });
  exceptions.unshift(one);
  return one;
}

export function removeException(id) {
  const at = exceptions.findIndex((x) => x.id === id);
  return at < 0 ? null : exceptions.splice(at, 1)[0];
}

export function policyDetail(id) {
  const summary = policies.find((x) => x.id === id);
  if (!summary) return null;
  const text = POLICY_YAML.replaceAll('require-resource-limits', summary.name);
  return {
    ...summary, yaml: text, excepts: summary.kind === 'ClusterPolicy', exceptions: exceptions.filter((x) => x.policyIds.includes(id)),
    hours: Array.from({ length: 48 }, (_, i) => ({ at: ago((47 - i) * HOUR), passed: summary.passed - (i % 5 === 0 ? 1 : 0), failed: Math.max(0, summary.failed + (i < 20 ? 2 : 0)) })),
    ruleList: [{ name: summary.name === 'require-resource-limits' ? 'require-limits' : 'rule', kind: 'validate', words: summary.description, applies: 'Pods, and what makes Pods, when created or updated', line: 10, passed: summary.passed, failed: summary.failed }],
    violations: summary.failed ? [{ refusal: limitsRefusal('search'), application: 'search-staging', owner: 'group:default/team-orders', since: ago(49 * MIN) }] : [],
  };
}

export const repositories = ['checkout', 'orders', 'platform', 'search'].map((name) => ({
  name, url: `http://127.0.0.1:7070/git/${name}.git`, defaultBranch: 'main', head: C[name],
  entities: entities.filter((x) => x.kind === 'Component' && x.name === name).map((x) => x.ref), applications: applications.filter((a) => a.name.startsWith(name)).map((a) => a.name),
}));

export const system = () => ({
  version: '0.1.0', startedAt: ago(9 * HOUR),
  runtime: { kind: 'simulated', note: 'Pods are simulated: their state is computed, no container runs.' },
  urls: { portal: 'http://127.0.0.1:7070', kubernetes: 'https://127.0.0.1:6443', git: 'http://127.0.0.1:7070/git', kubeconfig: '.ridgeway/kubeconfig' },
  ledger: { size: ledger.entries.length, origin: 'ridgeway.local/ledger' },
});
