// Every route in both themes at 1440 and 390 px: axe, no sideways scrolling, a screenshot.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { signIn } from './journey.mjs';

const out = new URL('../../target/portal/', import.meta.url);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SIZES = [[1440, 900], [390, 844]];

/** Routes with names found on the platform itself. */
async function routes(page, site) {
  const get = async (path) => (await page.request.get(`${site.url}/api/v1${path}`)).json();
  const apps = (await get('/applications')).items;
  const app = apps.find((a) => a.refused > 0)?.name ?? apps[0]?.name;
  const calm = apps.find((a) => a.name.endsWith('-staging') && a.refused === 0)?.name ?? app;
  const entity = (await get('/catalog/entities')).items.find((e) => e.kind === 'Component');
  const policy = (await get('/policies')).items.sort((a, b) => b.failed - a.failed)[0];
  const template = (await get('/templates')).items[0];
  const entries = (await get('/audit/entries?limit=500')).items;
  const tree = calm ? (await get(`/applications/${calm}`)).tree : [];
  const object = tree.find((n) => n.sync === 'OutOfSync') ?? tree.find((n) => n.ref.kind === 'Deployment') ?? tree[0];
  const run = (await get('/runs')).items[0];
  const entry = entries.find((e) => e.verb === 'patch') ?? entries[0];
  const refused = entries.find((e) => e.outcome === 'refused');
  const all = {
    home: '/', catalog: '/catalog', repositories: '/catalog?view=repositories', create: '/create', applications: '/applications', tiles: '/applications?view=tiles', promotion: '/applications?view=promotion',
    policies: '/policies', exceptions: '/policies/exceptions', playground: '/policies/playground', audit: '/audit', docs: '/docs', nowhere: '/nowhere',
  };
  if (entity) all.entity = `/catalog/${entity.kind.toLowerCase()}/${entity.namespace}/${entity.name}`;
  if (calm) all.application = `/applications/${calm}`;
  if (app !== calm) all['application-refused'] = `/applications/${app}`;
  if (calm) all['application-list'] = `/applications/${calm}?view=list`;
  if (calm) all['application-history'] = `/applications/${calm}?view=history`;
  if (object) all.object = `/applications/${calm}?object=${encodeURIComponent(object.ref.key)}`;
  if (object) all['object-manifest'] = `/applications/${calm}?object=${encodeURIComponent(object.ref.key)}&tab=manifest`;
  if (policy) all.policy = `/policies/${policy.id}`;
  if (template) all.template = `/create/${template.name}`;
  if (run) all.run = `/runs/${run.id}`;
  if (entry) all.entry = `/audit/${entry.index}`;
  if (refused) all['entry-refused'] = `/audit/${refused.index}`;
  if (site.mock) all['object-diff'] = `/applications/checkout-production?object=${encodeURIComponent('apps/Deployment/checkout-production/checkout')}&tab=diff`;
  return all;
}

async function settle(page) {
  await page.waitForLoadState('networkidle', { timeout: 1500 }).catch(() => undefined); // the event stream never rests
  await page.locator('[role=status][aria-label=Loading]').first().waitFor({ state: 'detached', timeout: 8000 }).catch(() => undefined);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
}

async function look(page, name, theme, width) {
  // The policy of the page forbids inline scripts, so axe comes through the debugger.
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
    return violations.map((v) => ({ id: v.id, help: v.help, nodes: v.nodes.slice(0, 4).map((n) => `${n.target.join(' ')} ${n.failureSummary?.split('\n')[1]?.trim() ?? ''}`) }));
  });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  const tall = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.screenshot({ path: new URL(`${name}-${theme}-${width}.png`, out).pathname, fullPage: width === 390 && tall < 4000 });
  const lines = found.map((v) => `${v.id}: ${v.help}\n  ${v.nodes.join('\n  ')}`);
  if (wide > 0) lines.push(`the page scrolls sideways by ${wide} px`);
  return lines;
}

export async function pages(context, site, check) {
  mkdirSync(out, { recursive: true });
  const page = await context.newPage();
  const only = process.env.ONLY?.split(',');
  const report = [];
  const visit = (name, path, theme, [width, height]) =>
    check(`${name} ${theme} ${width}`, async () => {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: theme });
      await page.goto(`${site.url}${path}`);
      await page.locator('h1').first().waitFor();
      await settle(page);
      if (name === 'template' && site.mock) {
        await page.getByLabel('Name').first().fill('order-history');
        await page.getByLabel('Owner').first().click();
        await page.getByRole('option').first().click();
        await page.getByText('Repository order-history').waitFor();
      }
      const lines = await look(page, name, theme, width);
      report.push({ name, theme, width, lines });
      if (lines.length) throw new Error(lines.join('\n'));
    });
  const each = async (name, path) => {
    if (only && !only.includes(name)) return;
    for (const size of SIZES) for (const theme of ['light', 'dark']) await visit(name, path, theme, size);
  };
  await each('sign-in', '/sign-in');
  await page.setViewportSize({ width: 1440, height: 900 });
  await signIn(page, site);
  const found = await routes(page, site);
  for (const [name, path] of Object.entries(found)) await each(name, path);
  if (!only || only.includes('palette')) {
    for (const theme of ['light', 'dark']) {
      await check(`palette ${theme} 1440`, async () => {
        await page.setViewportSize({ width: 1440, height: 900 });
        await page.emulateMedia({ colorScheme: theme });
        await page.goto(`${site.url}/`);
        await page.locator('h1').first().waitFor();
        await settle(page);
        await page.keyboard.press('Control+k');
        await page.getByRole('option').first().waitFor();
        const lines = await look(page, 'palette', theme, 1440);
        if (lines.length) throw new Error(lines.join('\n'));
      });
    }
  }
  writeFileSync(new URL('axe.json', out), `${JSON.stringify(report, null, 2)}\n`);
  await page.close();
}
