// Inclusion proofs of the audit ledger, checked where the reader is: RFC 6962 hashing, C2SP signed checkpoints.

export type Bytes = Uint8Array<ArrayBuffer>;

export function fromBase64(text: string): Bytes {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

export function toBase64(bytes: Bytes): string {
  return btoa(String.fromCharCode(...bytes));
}

export function toHex(bytes: Bytes): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

async function sha256(...parts: Bytes[]): Promise<Bytes> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', all));
}

export const leafHash = (entry: Bytes) => sha256(Uint8Array.of(0), entry);
export const nodeHash = (left: Bytes, right: Bytes) => sha256(Uint8Array.of(1), left, right);

/** One level of the climb: the sibling, on which side it stands, and what both make. */
export type Rung = { sibling: Bytes; side: 'left' | 'right'; node: Bytes };

export class ProofFault extends Error {}

/** Climbs from a leaf to the root of a tree of `size` leaves; throws when the path does not have the right length. */
export async function climb(leaf: Bytes, index: number, size: number, path: Bytes[]): Promise<Rung[]> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) {
    throw new ProofFault(`entry ${index} cannot be in a ledger of ${size} entries`);
  }
  const rungs: Rung[] = [];
  let at = index;
  let last = size - 1;
  let node = leaf;
  for (const sibling of path) {
    if (sibling.length !== 32) throw new ProofFault('a hash of the path does not have 32 bytes');
    if (last === 0) throw new ProofFault('the path is too long');
    // Integers here may exceed 32 bits, so no bit operators.
    if (at % 2 === 1 || at === last) {
      node = await nodeHash(sibling, node);
      rungs.push({ sibling, side: 'left', node });
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else {
      node = await nodeHash(node, sibling);
      rungs.push({ sibling, side: 'right', node });
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw new ProofFault('the path is too short');
  return rungs;
}

export type Note = { origin: string; size: number; root: Bytes; text: string; signatures: { name: string; data: Bytes }[] };

/** Reads a signed note that holds a checkpoint. */
export function parseNote(note: string): Note {
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  const [origin, size, root] = text.split('\n');
  if (split < 0 || !origin || !size || !root || !/^(0|[1-9][0-9]*)$/.test(size)) {
    throw new ProofFault('the checkpoint is not a signed note of origin, size and root');
  }
  const signatures = note.slice(split + 2).trimEnd().split('\n').map((line) => {
    const [dash, name, data] = line.split(' ');
    if (dash !== '\u2014' || !name || !data) throw new ProofFault('a signature line of the checkpoint is damaged');
    return { name, data: fromBase64(data) };
  });
  return { origin, size: Number(size), root: fromBase64(root), text, signatures };
}

/** Whether the note is signed by the key `name+hash+base64`; null when this browser has no Ed25519. */
export async function signedBy(note: Note, verifierKey: string): Promise<boolean | null> {
  const [name, hash, ...rest] = verifierKey.split('+');
  const key = fromBase64(rest.join('+'));
  if (!name || !hash || key[0] !== 1) throw new ProofFault('the verifier key is not an Ed25519 key');
  const line = note.signatures.find((s) => s.name === name && toHex(s.data.slice(0, 4)) === hash);
  if (!line) return false;
  try {
    const imported = await crypto.subtle.importKey('raw', key.slice(1), 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', imported, line.data.slice(4), new TextEncoder().encode(note.text));
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotSupportedError') return null;
    throw error;
  }
}

const same = (a: Bytes, b: Bytes) => a.length === b.length && a.every((byte, i) => byte === b[i]);

export type Verification = {
  included: boolean;
  signed: boolean | null;
  leaf: Bytes;
  rungs: Rung[];
  root: Bytes;
  note: Note;
  milliseconds: number;
};

/** Everything the page claims about an entry, computed here and now. */
export async function verify(
  proof: { leaf: string; index: number; size: number; path: string[] },
  checkpoint: { note: string; verifierKey: string },
): Promise<Verification> {
  const start = performance.now();
  const note = parseNote(checkpoint.note);
  if (note.size !== proof.size) throw new ProofFault(`the proof is for ${proof.size} entries, the checkpoint for ${note.size}`);
  const leaf = await leafHash(fromBase64(proof.leaf));
  const rungs = await climb(leaf, proof.index, proof.size, proof.path.map(fromBase64));
  const root = rungs.at(-1)?.node ?? leaf;
  const signed = await signedBy(note, checkpoint.verifierKey);
  return { included: same(root, note.root), signed, leaf, rungs, root, note, milliseconds: performance.now() - start };
}
