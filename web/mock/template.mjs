// The golden path for the mock: the real skeleton, rendered by simple replacement (the platform has the real engine).
import { readFileSync, readdirSync } from 'node:fs';
import { ref } from './world.mjs';

const folder = new URL('../../examples/templates/golden-service/skeleton/', import.meta.url);

export const summary = {
  name: 'golden-service', title: 'Golden service',
  description: 'A service that every policy lets pass, with its repository, its catalog entry and a running staging environment.',
  type: 'service', owner: 'group:default/platform', tags: ['recommended', 'kubernetes', 'gitops'],
  makes: ['Write the files', 'Create the repository', 'Enter it into the catalog', 'Deploy to staging'],
};

export const detail = {
  ...summary,
  pages: [
    { title: 'The service', description: '', required: ['name', 'owner'], order: ['name', 'description', 'owner'], properties: {
      name: { title: 'Name', type: 'string', pattern: '^[a-z]([a-z0-9-]*[a-z0-9])?$', minLength: 3, maxLength: 40, 'ui:placeholder': 'order-history', 'ui:help': 'Lower-case letters, digits and dashes. Names the repository and all objects.' },
      description: { title: 'What it does', type: 'string', maxLength: 200, default: 'A new service', 'ui:placeholder': 'Answers what a customer bought' },
      owner: { title: 'Owner', type: 'string', description: 'The team that answers for it.', 'ui:field': 'OwnerPicker', 'ui:options': { catalogFilter: { kind: 'Group' } } },
    } },
    { title: 'What runs', description: '', required: [], properties: {
      image: { title: 'Image', type: 'string', default: 'docker.io/nginxinc/nginx-unprivileged', 'ui:help': 'Without its tag.' },
      version: { title: 'Version', type: 'string', default: '1.29', 'ui:help': 'The image’s tag.' },
      port: { title: 'Port', type: 'integer', default: 8080, minimum: 1024, maximum: 65535, 'ui:help': 'Where it listens; above 1023, because it does not run as root.' },
      callers: { title: 'Who may call it', type: 'array', description: 'Namespaces. Everybody else is shut out.', default: [], items: { type: 'string' } },
    } },
  ],
  steps: [['files', 'Write the files', 'fetch:template'], ['publish', 'Create the repository', 'publish'], ['register', 'Enter it into the catalog', 'catalog:register'], ['staging', 'Deploy to staging', 'ridgeway:application']].map(([id, name, action]) => ({ id, name, action })),
};

export function preview(parameters) {
  const problems = [];
  const name = parameters.name ?? '';
  if (!name) problems.push({ field: '/name', message: 'Name is missing; set the parameter `name`' });
  else if (!/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name)) problems.push({ field: '/name', message: `\`${name}\` does not fit the pattern (lower-case letters, digits and dashes)` });
  else if (name.length < 3) problems.push({ field: '/name', message: 'is too short; at least 3 characters' });
  if (!parameters.owner) problems.push({ field: '/owner', message: 'Owner is missing; set the parameter `owner`' });
  if (parameters.port !== undefined && parameters.port < 1024) problems.push({ field: '/port', message: 'must be at least 1024' });
  if (problems.length) return { problems, files: [], objects: [], verdicts: [], outcomes: [] };
  const values = { name, description: 'A new service', image: 'docker.io/nginxinc/nginx-unprivileged', version: '1.29', port: 8080, ...parameters, team: parameters.owner.split('/').at(-1) };
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => {
    const path = `${f.parentPath}/${f.name}`.slice(folder.pathname.length).replace(/^\//, '');
    const content = readFileSync(new URL(path, folder), 'utf8').replace(/\$\{\{\s*values\.(\w+)[^}]*\}\}/g, (_, key) => String(values[key] ?? '')).replace(/\n?\{%-?[^%]*%\}/g, '').replace(/\$\{\{[^}]*\}\}/g, '');
    return { path, content };
  }).sort((a, b) => a.path.localeCompare(b.path));
  const ns = `${name}-staging`;
  const verdict = (policy, rule, object) => ({ policy, rule, object, result: 'pass', message: '', refusal: null });
  return {
    problems, files,
    objects: [ref('Namespace', '', ns), ref('Deployment', ns, name), ref('Service', ns, name), ref('NetworkPolicy', ns, name), ref('NetworkPolicy', ns, 'deny-all'), ref('PodDisruptionBudget', ns, name), ref('ServiceAccount', ns, name), ref('Application', 'argocd', ns)],
    verdicts: [verdict('require-non-root', 'run-as-non-root', `Deployment/${name}`), verdict('require-resource-limits', 'require-limits', `Deployment/${name}`), verdict('require-labels', 'require-team-label', `Deployment/${name}`), verdict('restricted', 'pod-security', `Deployment/${name}`)],
    outcomes: [`Repository ${name} with ${files.length} files`, `component:default/${name} in the catalog`, `Application ${ns}, which keeps namespace ${ns} as deploy/overlays/staging says`],
  };
}
