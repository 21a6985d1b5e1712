// Places the objects of an application: columns by depth, owners beside what they own, equal siblings folded together.
import type { Schema } from '../../api/client';

type Node = Schema['TreeNode'];

export const BOX = { width: 236, height: 54, column: 60, row: 10 };
/** More siblings of one kind than this are folded into one box. */
const FOLD = 4;

export type Box =
  | { type: 'root'; key: string; x: number; y: number }
  | { type: 'node'; key: string; x: number; y: number; node: Node }
  | { type: 'fold'; key: string; x: number; y: number; kind: string; nodes: Node[] };

export type Edge = { from: Box; to: Box };
export type Layout = { boxes: Box[]; edges: Edge[]; width: number; height: number };

const ORDER = ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job', 'ReplicaSet', 'Pod', 'Service', 'Ingress', 'EndpointSlice', 'ConfigMap', 'Secret'];
const weight = (kind: string) => (ORDER.indexOf(kind) + ORDER.length + 1) % (ORDER.length + 1);

function compare(a: Node, b: Node): number {
  const kinds = weight(a.ref.kind) - weight(b.ref.kind) || a.ref.kind.localeCompare(b.ref.kind);
  // Of several ReplicaSets the newest is the one that counts.
  const newest = a.ref.kind === 'ReplicaSet' ? (b.createdAt ?? '').localeCompare(a.createdAt ?? '') : 0;
  return kinds || newest || a.ref.name.localeCompare(b.ref.name);
}

export function layout(nodes: Node[], unfolded: ReadonlySet<string>): Layout {
  const known = new Map(nodes.map((node) => [node.ref.key, node]));
  const children = new Map<string, Node[]>();
  for (const node of nodes) {
    const owner = node.parents.find((key) => known.has(key) && key !== node.ref.key) ?? '';
    children.set(owner, [...(children.get(owner) ?? []), node]);
  }
  const boxes: Box[] = [];
  const edges: Edge[] = [];
  const root: Box = { type: 'root', key: '', x: 0, y: 0 };
  boxes.push(root);
  let cursor = 0;
  const placed = new Set<string>();

  const below = (owner: Box, depth: number): number[] => {
    const mine = (children.get(owner.key) ?? []).filter((node) => !placed.has(node.ref.key)).sort(compare);
    const centres: number[] = [];
    const x = depth * (BOX.width + BOX.column);
    for (let i = 0; i < mine.length; ) {
      const node = mine[i] as Node;
      const alike = mine.filter((other) => other.ref.kind === node.ref.kind);
      const fold = `${owner.key}>${node.ref.kind}`;
      const foldable = alike.length > FOLD && alike.every((other) => !children.has(other.ref.key));
      if (foldable && !unfolded.has(fold)) {
        const box: Box = { type: 'fold', key: fold, x, y: cursor, kind: node.ref.kind, nodes: alike };
        boxes.push(box);
        edges.push({ from: owner, to: box });
        centres.push(cursor + BOX.height / 2);
        cursor += BOX.height + BOX.row;
        i += alike.length;
        continue;
      }
      placed.add(node.ref.key);
      const box: Box = { type: 'node', key: node.ref.key, x, y: cursor, node };
      boxes.push(box);
      edges.push({ from: owner, to: box });
      const inner = below(box, depth + 1);
      if (inner.length === 0) cursor += BOX.height + BOX.row;
      else box.y = ((inner[0] as number) + (inner.at(-1) as number)) / 2 - BOX.height / 2;
      centres.push(box.y + BOX.height / 2);
      i += 1;
    }
    return centres;
  };

  const centres = below(root, 1);
  root.y = centres.length ? ((centres[0] as number) + (centres.at(-1) as number)) / 2 - BOX.height / 2 : 0;
  // A box that stands beside its only child may overlap nobody: boxes of one column never share rows.
  return {
    boxes,
    edges,
    width: Math.max(...boxes.map((box) => box.x)) + BOX.width,
    height: Math.max(BOX.height, cursor - BOX.row),
  };
}

export function curve({ from, to }: Edge): string {
  const x1 = from.x + BOX.width;
  const y1 = from.y + BOX.height / 2;
  const y2 = to.y + BOX.height / 2;
  const mid = (x1 + to.x) / 2;
  return `M${x1} ${y1} C${mid} ${y1} ${mid} ${y2} ${to.x} ${y2}`;
}

const RANK = ['Degraded', 'Missing', 'Progressing', 'Suspended', 'Unknown', 'Healthy'] as const;

/** The state that a folded box shows: that of its worst member. */
export function worst(nodes: Node[]): NonNullable<Node['health']> | null {
  return RANK.find((health) => nodes.some((node) => node.health === health)) ?? null;
}
