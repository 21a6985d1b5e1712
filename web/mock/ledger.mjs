// A small ledger as the platform keeps it: RFC 6962 tree, signed checkpoints. Fixtures for the portal only.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';

const NAME = 'ridgeway.local/ledger';
const sha = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const ZERO = Buffer.from([0]);
const ONE = Buffer.from([1]);

export class Ledger {
  constructor() {
    this.entries = [];
    this.leaves = [];
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    this.privateKey = privateKey;
    const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    this.id = sha(Buffer.from(`${NAME}\n`), ONE, raw).subarray(0, 4);
    this.verifierKey = `${NAME}+${this.id.toString('hex')}+${Buffer.concat([ONE, raw]).toString('base64')}`;
  }

  append(entry, detail = {}) {
    const full = { index: this.entries.length, ...entry };
    const bytes = Buffer.from(JSON.stringify(full));
    this.entries.push({ ...full, detail, bytes });
    this.leaves.push(sha(ZERO, bytes));
    return full;
  }

  root(from = 0, to = this.leaves.length) {
    if (to === from) return sha(Buffer.alloc(0));
    if (to - from === 1) return this.leaves[from];
    const k = 2 ** Math.floor(Math.log2(to - from - 1));
    return sha(ONE, this.root(from, from + k), this.root(from + k, to));
  }

  path(index, from = 0, to = this.leaves.length) {
    if (to - from === 1) return [];
    const k = 2 ** Math.floor(Math.log2(to - from - 1));
    return index < k
      ? [...this.path(index, from, from + k), this.root(from + k, to)]
      : [...this.path(index - k, from + k, to), this.root(from, from + k)];
  }

  proof(index) {
    const path = this.path(index).map((hash) => hash.toString('base64'));
    return { leaf: this.entries[index].bytes.toString('base64'), index, size: this.leaves.length, path };
  }

  checkpoint() {
    const text = `${NAME}\n${this.leaves.length}\n${this.root().toString('base64')}\n`;
    const signature = Buffer.concat([this.id, sign(null, Buffer.from(text), this.privateKey)]).toString('base64');
    return { note: `${text}\n\u2014 ${NAME} ${signature}\n`, verifierKey: this.verifierKey };
  }
}
