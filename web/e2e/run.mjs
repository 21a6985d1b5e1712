// The portal in a real browser.
//   npm run e2e                                          against the mock platform: journey, axe, screenshots
//   RIDGEWAY_URL=… RIDGEWAY_PASSWORD=… npm run e2e       against a running platform (RIDGEWAY_USER, default admin)
// Arguments choose parts: `journey`, `pages`. Screenshots and the axe report go to target/portal.
import { existsSync } from 'node:fs';
import { absent, withBrowser } from './browser.mjs';
import { journey } from './journey.mjs';
import { pages } from './pages.mjs';

if (absent()) {
  console.log('skipped: chromium absent; apt-get install chromium supplies it');
  process.exit(0);
}

const real = process.env.RIDGEWAY_URL;
let site;
if (real) {
  if (!process.env.RIDGEWAY_PASSWORD) {
    console.error('RIDGEWAY_URL is set, RIDGEWAY_PASSWORD is not: the journey has to sign in');
    process.exit(2);
  }
  site = { url: real.replace(/\/$/, ''), user: process.env.RIDGEWAY_USER ?? 'admin', password: process.env.RIDGEWAY_PASSWORD, mock: false, close() {} };
  // A policy that an object breaks, and an exception of somebody else that waits: what `demo` leaves behind.
  if (process.env.RIDGEWAY_WAITING) site.staged = { policy: process.env.RIDGEWAY_BROKEN, waiting: process.env.RIDGEWAY_WAITING };
} else {
  if (!existsSync(new URL('../dist/index.html', import.meta.url))) {
    console.error('the portal is not built; run `npm run build` first');
    process.exit(2);
  }
  const { start } = await import('../mock/server.mjs');
  site = { ...(await start()), user: 'carla', password: 'ridgeway', mock: true };
}

const parts = process.argv.slice(2);
const wanted = (part) => parts.length === 0 || parts.includes(part);
let failures = 0;
const check = async (name, run) => {
  const start = performance.now();
  try {
    const note = await run();
    console.log(`ok    ${name}${note ? ` (${note})` : ''} ${Math.round(performance.now() - start)} ms`);
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${name}\n      ${String(error.message ?? error).split('\n').slice(0, 12).join('\n      ')}`);
  }
};

try {
  await withBrowser(async (context) => {
    if (wanted('journey')) await journey(context, site, check);
    if (wanted('pages')) await pages(context, site, check);
  });
} finally {
  site.close();
}
console.log(failures ? `${failures} failed` : 'all passed');
process.exit(failures ? 1 : 0);
