import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Bytes, ProofFault, climb, fromBase64, leafHash, parseNote, toBase64, toHex, verify } from './proof';

// A second, recursive reading of RFC 6962 to hold the verifier against.
const hash = (...parts: Uint8Array[]) => new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest());
const bytes = (text: string) => new TextEncoder().encode(text) as Bytes;
const leaf = (text: string) => hash(Uint8Array.of(0), bytes(text));
const split = (n: number) => 2 ** Math.floor(Math.log2(n - 1));

function root(leaves: string[]): Uint8Array {
  if (leaves.length === 0) return hash();
  if (leaves.length === 1) return leaf(leaves[0] as string);
  const k = split(leaves.length);
  return hash(Uint8Array.of(1), root(leaves.slice(0, k)), root(leaves.slice(k)));
}

function path(index: number, leaves: string[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return index < k
    ? [...path(index, leaves.slice(0, k)), root(leaves.slice(k))]
    : [...path(index - k, leaves.slice(k)), root(leaves.slice(0, k))];
}

const entries = (n: number) => Array.from({ length: n }, (_, i) => `entry ${i}`);
const b64 = (raw: Uint8Array) => toBase64(new Uint8Array(raw));

describe('the climb', () => {
  it('hashes a leaf as RFC 6962 says', async () => {
    expect(toHex(await leafHash(new Uint8Array()))).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
  });

  it('reaches the root from every leaf of every small tree', async () => {
    for (let size = 1; size <= 33; size++) {
      const all = entries(size);
      for (let index = 0; index < size; index++) {
        const siblings = path(index, all).map((p) => new Uint8Array(p));
        const rungs = await climb(new Uint8Array(leaf(all[index] as string)), index, size, siblings);
        expect(toHex(rungs.at(-1)?.node ?? new Uint8Array(leaf(all[0] as string)))).toBe(toHex(new Uint8Array(root(all))));
      }
    }
  });

  it('refuses a path of another length, another place and a broken hash', async () => {
    const all = entries(7);
    const start = new Uint8Array(leaf('entry 3'));
    const siblings = path(3, all).map((p) => new Uint8Array(p));
    await expect(climb(start, 3, 7, siblings.slice(1))).rejects.toThrow(ProofFault);
    await expect(climb(start, 3, 7, [...siblings, siblings[0] as Bytes])).rejects.toThrow(ProofFault);
    await expect(climb(start, 7, 7, siblings)).rejects.toThrow('cannot be in a ledger');
    await expect(climb(start, 3, 7, [new Uint8Array(31), ...siblings.slice(1)])).rejects.toThrow('32 bytes');
    const elsewhere = await climb(start, 2, 7, siblings);
    expect(toHex(elsewhere.at(-1)?.node as Bytes)).not.toBe(toHex(new Uint8Array(root(all))));
  });
});

describe('a signed checkpoint', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const name = 'ridgeway.test/ledger';
  const id = hash(bytes(`${name}\n`), Uint8Array.of(1), raw).subarray(0, 4);
  const verifierKey = `${name}+${toHex(new Uint8Array(id))}+${b64(Buffer.concat([Uint8Array.of(1), raw]))}`;
  const noted = (size: number, of: Uint8Array) => {
    const text = `${name}\n${size}\n${b64(of)}\n`;
    return `${text}\n\u2014 ${name} ${b64(Buffer.concat([id, sign(null, Buffer.from(text), privateKey)]))}\n`;
  };
  const all = entries(11);
  const proof = { leaf: b64(bytes('entry 6')), index: 6, size: 11, path: path(6, all).map(b64) };

  it('carries an entry', async () => {
    const result = await verify(proof, { note: noted(11, root(all)), verifierKey });
    expect([result.included, result.signed, result.rungs.length]).toEqual([true, true, 4]);
  });

  it('does not carry a changed entry, root or signature', async () => {
    const good = noted(11, root(all));
    const changed = await verify({ ...proof, leaf: b64(bytes('entry 5')) }, { note: good, verifierKey });
    expect([changed.included, changed.signed]).toEqual([false, true]);
    const forged = good.replace('\n11\n', '\n12\n');
    await expect(verify(proof, { note: forged, verifierKey })).rejects.toThrow('for 12');
    const sneaky = await verify({ ...proof, size: 11 }, { note: noted(11, root(entries(10))), verifierKey });
    expect(sneaky.included).toBe(false);
    const other = good.replace(b64(root(all)), b64(root(entries(10))));
    expect((await verify(proof, { note: other, verifierKey })).signed).toBe(false);
  });

  it('must have its form', () => {
    expect(() => parseNote('no note')).toThrow(ProofFault);
    expect(() => parseNote(`${name}\n01\n${b64(root(all))}\n\n\u2014 a b\n`)).toThrow(ProofFault);
    expect(fromBase64('AQID')).toEqual(Uint8Array.of(1, 2, 3));
  });
});
