// Writes src/api/schema.d.ts from the server's contract; with --check it fails when the file is not what it would be.
import { readFile, writeFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';

const contract = new URL('../../crates/server/openapi.json', import.meta.url);
const target = new URL('../src/api/schema.d.ts', import.meta.url);
const head = '// Made from crates/server/openapi.json by `npm run api`; do not edit.\n\n';
const text = head + astToString(await openapiTS(contract));

if (process.argv.includes('--check')) {
  const found = await readFile(target, 'utf8').catch(() => '');
  if (found !== text) {
    console.error('src/api/schema.d.ts does not fit crates/server/openapi.json; run `npm run api` and commit it');
    process.exit(1);
  }
} else {
  await writeFile(target, text);
}
