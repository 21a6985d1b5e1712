// Packs every text file of dist with brotli (the server sends the .br files as they are) and measures the first load:
// the entry page with everything it loads at once, fonts apart. Fails over the budget.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

const BUDGET = 200;
const dist = new URL('../dist/', import.meta.url).pathname;
const packed = new Map();
for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.(html|js|css|svg|json|txt)$/.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const br = brotliCompressSync(await readFile(path), {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22 },
  });
  await writeFile(`${path}.br`, br);
  packed.set(path.slice(dist.length), br.length);
}

const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
const html = await readFile(join(dist, 'index.html'), 'utf8');
const first = ['index.html', ...[...html.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map((m) => m[1])];
const total = first.reduce((sum, name) => sum + (packed.get(name) ?? 0), 0);
for (const name of first) console.log(`${kib(packed.get(name) ?? 0).padStart(10)}  ${name}`);
console.log(`first load: ${kib(total)} brotli of ${BUDGET} KB`);
const later = [...packed].filter(([name]) => name.startsWith('assets/') && !first.includes(name));
later.sort((a, b) => b[1] - a[1]);
console.log(`largest of ${later.length} later parts: ${later.slice(0, 4).map(([n, b]) => `${n} ${kib(b)}`).join(', ')}`);
if (total > BUDGET * 1024) {
  console.error('the first load is over its budget: import the new part lazily, or leave it out');
  process.exit(1);
}
