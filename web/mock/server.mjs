// A mock of the platform's portal API: fixtures that follow crates/server/openapi.json, with syncs and runs that move.
// Serves web/dist too, under the same content security policy as the platform.
//   node mock/server.mjs [port]     user carla, password ridgeway
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { randomUUID } from 'node:crypto';
import * as template from './template.mjs';
import * as world from './world.mjs';

const dist = new URL('../dist/', import.meta.url);
const POLICY = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };
const streams = new Set();
const sessions = new Set();
const runs = [];
let eventId = 0;

function emit(event, data) {
  eventId += 1;
  for (const stream of streams) stream.write(`id: ${eventId}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

class Refused extends Error {
  constructor(status, code, message, extra = {}) {
    super(message);
    Object.assign(this, { status, code, extra });
  }
}
const missing = (what) => new Refused(404, 'not_found', `There is no ${what}.`);
const found = (value, what) => {
  if (!value) throw missing(what);
  return value;
};
const items = (list) => ({ items: list });

function record(verb, object, summary, detail) {
  const entry = world.ledger.append({ at: new Date().toISOString(), actor: { name: 'carla', kind: 'person', impersonator: null }, verb, object, subresource: '', outcome: 'allowed', summary, causality: `req:${randomUUID().slice(0, 8)}`, source: '127.0.0.1 portal' }, detail);
  emit('ledger', { size: world.ledger.entries.length, entries: [entry] });
  return entry;
}

function sync(name, kind = 'sync') {
  const app = found(world.applications.find((a) => a.name === name), `application ${name}`);
  if (app.operationPhase === 'Running') throw new Refused(409, 'conflict', `${name} is being synced already; wait for it to finish.`);
  record(kind, world.ref('Application', 'argocd', name), `started a ${kind} of ${name}`);
  app.operationPhase = 'Running';
  const operation = { kind, phase: 'Running', message: 'Planning', revision: app.revision, initiatedBy: 'carla', startedAt: new Date().toISOString(), finishedAt: null, done: 0, total: app.objects, causality: `req:${randomUUID().slice(0, 8)}`, refusals: [] };
  const tick = () => {
    operation.done += 1;
    operation.message = `${operation.done} of ${operation.total} objects`;
    if (operation.done >= operation.total - app.refused) {
      operation.finishedAt = new Date().toISOString();
      operation.phase = app.refused ? 'Failed' : 'Succeeded';
      operation.message = app.refused ? '1 object was refused' : `${app.objects} objects are as Git says`;
      operation.refusals = app.refused ? [world.limitsRefusal('search')] : [];
      app.operationPhase = operation.phase;
      app.lastSyncedAt = operation.finishedAt;
      if (!app.refused) Object.assign(app, { sync: 'Synced', outOfSync: 0 });
      emit('tree', { application: name, changed: world.tree(name), removed: [] });
    } else {
      setTimeout(tick, 180);
    }
    emit('operation', { application: name, operation, why: world.why(name) });
    emit('application', { name, application: app });
  };
  setTimeout(tick, 250);
  return { ...operation };
}

function startRun(parameters) {
  const planned = template.preview(parameters);
  if (planned.problems.length) throw new Refused(422, 'invalid', 'Some values are not valid.', { problems: planned.problems });
  const name = parameters.name;
  const run = {
    id: randomUUID(), template: 'golden-service', title: `${name} from golden-service`, actor: 'carla', state: 'running', startedAt: new Date().toISOString(), finishedAt: null,
    steps: template.detail.steps.map((s) => ({ ...s, state: 'pending', startedAt: null, finishedAt: null, log: [] })), links: [], causality: `run:${randomUUID().slice(0, 8)}`, error: null, refusals: [],
  };
  runs.unshift(run);
  const lines = { files: [`${planned.files.length} files rendered`, 'all policies pass'], publish: [`created repository ${name}`, 'pushed main'], register: [`component:default/${name} is in the catalog`], staging: [`applied Application ${name}-staging`, 'first sync started'] };
  let at = 0;
  const next = () => {
    const step = run.steps[at];
    const now = new Date().toISOString();
    if (step.state === 'pending') {
      Object.assign(step, { state: 'running', startedAt: now });
    } else {
      const done = step.log.length;
      if (done < lines[step.id].length) step.log.push({ at: now, text: lines[step.id][done] });
      else {
        Object.assign(step, { state: 'succeeded', finishedAt: now });
        at += 1;
      }
    }
    if (at === run.steps.length) {
      Object.assign(run, { state: 'succeeded', finishedAt: now, links: [{ title: 'Watch it start in staging', url: '/applications/checkout-staging' }, { title: 'Its page in the catalog', url: '/catalog/component/default/checkout' }] });
    } else setTimeout(next, 220);
    emit('run', { run });
  };
  setTimeout(next, 200);
  return { id: run.id };
}

function listAudit(search) {
  const get = (key) => search.get(key) ?? '';
  const words = get('q').toLowerCase().split(/\s+/).filter(Boolean);
  const all = world.ledger.entries.filter((e) => {
    const text = `${e.summary} ${e.actor.name} ${e.object?.key ?? ''}`.toLowerCase();
    const object = get('object');
    return words.every((w) => text.includes(w)) && (!get('from') || e.at >= get('from')) && (!get('to') || e.at < get('to')) &&
      (!get('actor') || e.actor.name === get('actor')) && (!get('verb') || e.verb === get('verb')) && (!get('outcome') || e.outcome === get('outcome')) &&
      (!get('causality') || e.causality === get('causality')) && (!get('namespace') || e.object?.namespace === get('namespace')) &&
      (!object || e.object?.key === object || e.object?.kind === object || `${e.object?.kind}/${e.object?.name}` === object);
  }).reverse();
  const limit = Number(get('limit') || 100);
  const start = Number(get('cursor') || 0);
  const page = all.slice(start, start + limit).map(({ detail, bytes, ...rest }) => rest);
  const answer = { items: page, nextCursor: start + limit < all.length ? String(start + limit) : null, total: all.length, histogram: null, facets: null };
  if (!get('cursor')) {
    const end = get('to') ? Date.parse(get('to')) : Date.now();
    const begin = get('from') ? Date.parse(get('from')) : Math.min(...all.map((e) => Date.parse(e.at)), end - 1000);
    const bucketSeconds = Math.max(1, Math.ceil((end - begin) / 60_000));
    const buckets = Array.from({ length: 60 }, (_, i) => ({ at: new Date(begin + i * bucketSeconds * 1000).toISOString(), allowed: 0, refused: 0, failed: 0 }));
    for (const e of all) {
      const bucket = buckets[Math.min(59, Math.max(0, Math.floor((Date.parse(e.at) - begin) / 1000 / bucketSeconds)))];
      bucket[e.outcome] += 1;
    }
    const facet = (pick) => {
      const counts = new Map();
      for (const e of all) if (pick(e)) counts.set(pick(e), (counts.get(pick(e)) ?? 0) + 1);
      return [...counts].sort((a, b) => b[1] - a[1]).slice(0, 20).map(([value, count]) => ({ value, count }));
    };
    answer.histogram = { bucketSeconds, buckets };
    answer.facets = { actors: facet((e) => e.actor.name), verbs: facet((e) => e.verb), kinds: facet((e) => e.object?.kind), namespaces: facet((e) => e.object?.namespace) };
  }
  return answer;
}

function auditEntry(index) {
  const stored = found(world.ledger.entries[index], `entry ${index}`);
  const { detail, bytes, ...entry } = stored;
  return { entry, before: null, after: null, changes: [], refusals: [], evaluated: [], ...detail, proof: world.ledger.proof(index), checkpoint: world.ledger.checkpoint() };
}

function objectDetail(name, key) {
  const node = found(world.tree(name).find((n) => n.ref.key === key), `object ${key} in ${name}`);
  const app = world.applications.find((a) => a.name === name);
  const drifts = node.sync === 'OutOfSync' && !app.refused;
  const desired = node.parents.length ? null : world.manifest(node.ref, app.version);
  return {
    ref: node.ref, application: name, health: node.health, healthMessage: node.healthMessage, sync: node.sync, refusals: node.refusals,
    live: node.createdAt ? world.manifest(node.ref, app.version).replace('replicas: 2', drifts ? 'replicas: 3' : 'replicas: 2') : null, desired,
    diff: drifts ? [
      { path: 'spec.replicas', before: 3, after: 2, reason: { kind: 'edited', text: 'changed by alice with kubectl-scale', actor: 'alice', at: world.ago(3 * 3600), ledgerIndex: 201 } },
      { path: 'spec.revisionHistoryLimit', before: 10, reason: { kind: 'defaulted', text: 'filled in by the server', actor: null, at: null, ledgerIndex: null } },
      { path: 'metadata.annotations["deployment.kubernetes.io/revision"]', before: '7', reason: { kind: 'ignored', text: 'by the rule for /metadata/annotations/deployment.kubernetes.io~1revision', actor: null, at: null, ledgerIndex: null } },
    ] : node.createdAt ? [] : [{ path: '', after: `${node.ref.kind} ${node.ref.name}`, reason: { kind: 'missing', text: 'in Git, not in the cluster', actor: null, at: null, ledgerIndex: null } }],
    events: node.createdAt && node.health ? [{ at: world.ago(1140), type: 'Normal', reason: 'ScalingReplicaSet', message: `Scaled up replica set ${node.ref.name}-7c9d8f6b5 to 2`, count: 1 }, { at: world.ago(1200), type: 'Warning', reason: 'Unhealthy', message: 'Readiness probe failed: connection refused', count: 3 }] : [],
    history: listAudit(new URLSearchParams({ object: key, limit: '20' })).items,
    facts: [{ name: 'Created', value: node.createdAt ? new Date(node.createdAt).toLocaleString() : 'not yet' }, ...node.info, ...node.images.map((value) => ({ name: 'Image', value }))],
  };
}

const routes = [
  ['GET', '/home', () => world.home()],
  ['GET', '/system', () => world.system()],
  ['GET', '/applications', () => items(world.applications)],
  ['GET', '/applications/:name', ({ name }) => found(world.detail(name), `application ${name}`)],
  ['GET', '/applications/:name/object', ({ name }, { search }) => objectDetail(name, search.get('key'))],
  ['POST', '/applications/:name/sync', ({ name }) => [202, sync(name)]],
  ['POST', '/applications/:name/rollback', ({ name }) => [202, sync(name, 'rollback')]],
  ['GET', '/promotions', () => items(world.promotions())],
  ['POST', '/promotions', (_, { body }) => {
    const board = found(world.promotions().find((b) => b.entity === body.entity), 'such service');
    if (board.next.blocked.length) throw new Refused(422, 'refused', 'The promotion is not allowed yet.', { refusals: board.next.blocked });
    const app = world.applications.find((a) => a.entity === body.entity && a.environment === body.to);
    Object.assign(app, { version: board.next.version });
    sync(app.name);
    return [201, { commit: board.stages[0].commit, application: app.name, causality: 'req:promotion' }];
  }],
  ['GET', '/policies', () => items(world.policies)],
  ['POST', '/policies/playground', (_, { body }) => judge(body)],
  ['GET', '/policies/exceptions', () => items(world.exceptions)],
  ['POST', '/policies/exceptions', (_, { body }) => {
    const { id, namespace, name } = world.askForException(body);
    return [201, { id, namespace, name }];
  }],
  ['POST', '/policies/exceptions/:id/approve', ({ id }) => [204, found(world.approveException(id), `exception ${id}`) && undefined]],
  ['DELETE', '/policies/exceptions/:id', ({ id }) => [204, found(world.removeException(id), `exception ${id}`) && undefined]],
  ['GET', '/policies/:id', ({ id }) => found(world.policyDetail(id), `policy ${id}`)],
  ['GET', '/audit/entries', (_, { search }) => listAudit(search)],
  ['GET', '/audit/entries/:index', ({ index }) => auditEntry(Number(index))],
  ['POST', '/audit/verify', () => ({ ok: true, size: world.ledger.entries.length, root: world.ledger.root().toString('base64'), milliseconds: 12, checkedAt: new Date().toISOString(), problem: null })],
  ['GET', '/catalog/entities', () => items(world.entities)],
  ['GET', '/catalog/entities/:kind/:namespace/:name', ({ kind, namespace, name }) => found(world.entityDetail(`${kind}:${namespace}/${name}`.toLowerCase()), `entity ${kind}:${namespace}/${name}`)],
  ['GET', '/repositories', () => items(world.repositories)],
  ['GET', '/templates', () => items([template.summary])],
  ['GET', '/templates/:name', ({ name }) => found(name === template.detail.name && template.detail, `template ${name}`)],
  ['POST', '/templates/:name/preview', (_, { body }) => template.preview(body.parameters)],
  ['POST', '/templates/:name/runs', (_, { body }) => [202, startRun(body.parameters)]],
  ['GET', '/runs', () => items(runs)],
  ['GET', '/runs/:id', ({ id }) => found(runs.find((r) => r.id === id), `run ${id}`)],
];

function judge({ resource, policy }) {
  const problems = [];
  if (!resource.trim()) problems.push({ source: 'resource', line: null, message: 'Write an object, such as a Pod.' });
  if (!policy.trim()) problems.push({ source: 'policy', line: null, message: 'Write a policy.' });
  if (problems.length) return { verdicts: [], problems, mutated: null, microseconds: 0 };
  const name = /name: (\S+)/.exec(resource)?.[1] ?? 'object';
  const kind = /kind: (\S+)/.exec(resource)?.[1] ?? 'Pod';
  const ok = resource.includes('limits:');
  const refusal = ok ? null : { ...world.limitsRefusal(name), path: 'spec.containers[0].resources', object: null, patch: [{ op: 'add', path: '/spec/containers/0/resources', value: { limits: { cpu: '500m', memory: '256Mi' } } }] };
  return { verdicts: [{ policy: 'require-resource-limits', rule: 'require-limits', object: `${kind}/${name}`, result: ok ? 'pass' : 'fail', message: ok ? '' : refusal.message, refusal }], problems, mutated: null, microseconds: 84 };
}

function match(pattern, path) {
  const a = pattern.split('/');
  const b = path.split('/');
  if (a.length !== b.length) return null;
  const params = {};
  for (const [i, part] of a.entries()) {
    if (part.startsWith(':')) params[part.slice(1)] = decodeURIComponent(b[i]);
    else if (part !== b[i]) return null;
  }
  return params;
}

async function bodyOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : {};
}

async function answer(request, response, url, path) {
  const cookie = /ridgeway_session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1];
  const signedIn = sessions.has(cookie);
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': id, ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  const id = randomUUID().slice(0, 13);
  try {
    if (path === '/session' && request.method === 'POST') {
      const { user, password } = await bodyOf(request);
      if (user !== 'carla' || password !== 'ridgeway') throw new Refused(401, 'unauthenticated', 'User and password do not belong together.');
      const token = randomUUID();
      sessions.add(token);
      return send(200, world.session, { 'set-cookie': `ridgeway_session=${token}; HttpOnly; SameSite=Strict; Path=/` });
    }
    if (!signedIn) throw new Refused(401, 'unauthenticated', 'Sign in first.');
    if (request.method !== 'GET' && request.headers['x-csrf-token'] !== world.session.csrfToken) throw new Refused(403, 'csrf', 'The CSRF token is missing; load the page again.');
    if (path === '/session') {
      if (request.method === 'GET') return send(200, world.session);
      sessions.delete(cookie);
      return send(204);
    }
    if (path === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': hello\n\n');
      streams.add(response);
      request.on('close', () => streams.delete(response));
      return undefined;
    }
    for (const [method, pattern, handle] of routes) {
      const params = method === request.method && match(pattern, path);
      if (!params) continue;
      const result = handle(params, { search: url.searchParams, body: method === 'POST' ? await bodyOf(request) : {} });
      return Array.isArray(result) ? send(...result) : send(200, result);
    }
    throw missing('such path');
  } catch (error) {
    const { status = 500, code = 'internal', extra = {} } = error;
    if (status === 500) console.error(error);
    return send(status, { error: { code, message: error.message, requestId: id, ...extra } });
  }
}

function file(response, path) {
  const wanted = new URL(path === '/' ? 'index.html' : path.slice(1), dist);
  const name = existsSync(wanted) && !path.endsWith('/') ? wanted : new URL('index.html', dist);
  const br = `${name.pathname}.br`;
  const packed = existsSync(br);
  response.writeHead(200, { 'content-type': TYPES[extname(name.pathname)] ?? 'application/octet-stream', 'content-security-policy': POLICY, ...(packed ? { 'content-encoding': 'br' } : {}), 'cache-control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache' });
  createReadStream(packed ? br : name).pipe(response);
}

export function start(port = 0) {
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://mock');
    if (url.pathname.startsWith('/api/v1/')) void answer(request, response, url, url.pathname.slice(7));
    else file(response, url.pathname);
  });
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => resolve({ url: `http://127.0.0.1:${server.address().port}`, close: () => { server.closeAllConnections(); server.close(); } }));
  });
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { url } = await start(Number(process.argv[2] ?? 7071));
  console.log(`mock platform at ${url} (user carla, password ridgeway)`);
}
