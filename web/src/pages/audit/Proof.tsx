// The inclusion proof, computed here and drawn: the leaf at the bottom, its siblings beside the way up, the root on top.
import { useQuery } from '@tanstack/react-query';
import type { Schema } from '../../api/client';
import { type Bytes, type Verification, toHex, verify } from '../../merkle/proof';
import { CopyButton } from '../../ui/Copy';
import { Failed } from '../../ui/Failed';
import { Panel, Rows } from '../../ui/Panel';
import { Badge, Mark } from '../../ui/State';
import styles from './Proof.module.css';

const short = (hash: Bytes) => toHex(hash).slice(0, 8);
const ROW = 46;

export function Proof({ detail }: { detail: Schema['AuditEntryDetail'] }) {
  const { data, error } = useQuery({
    queryKey: ['verify', detail.entry.index, detail.checkpoint.note],
    queryFn: () => verify(detail.proof, detail.checkpoint),
    staleTime: Infinity,
    retry: false,
  });
  const good = data?.included === true && data.signed !== false;
  return (
    <Panel
      title="Proof"
      actions={
        data ? (
          <Badge tone={good ? 'ok' : 'bad'}>
            <span className="row" style={{ gap: 5 }}>
              <Mark tone={good ? 'ok' : 'bad'} shape={good ? 'check' : 'cross'} size={13} />
              {good ? 'Verified in this browser' : 'Does not verify'}
            </span>
          </Badge>
        ) : error ? (
          <Badge tone="bad">Does not verify</Badge>
        ) : null
      }
    >
      {error ? <Failed error={error} /> : data ? <Told data={data} detail={detail} /> : <Rows count={4} height={40} />}
    </Panel>
  );
}

function Told({ data, detail }: { data: Verification; detail: Schema['AuditEntryDetail'] }) {
  return (
    <div className="stack">
      <p className="dim">
        {data.included
          ? `${data.rungs.length} hashes lead from entry ${detail.entry.index} to the root over all ${data.note.size} entries.`
          : 'The hashes do not lead to the root: the entry, the proof or the checkpoint was changed.'}{' '}
        {data.signed === true ? 'The root is signed by the platform’s key.' : data.signed === false ? 'The signature does not fit.' : 'This browser cannot check Ed25519 signatures; the server can.'}{' '}
        Computed in {data.milliseconds.toFixed(1)} ms.
      </p>
      <Ladder data={data} index={detail.entry.index} />
      <details className={styles.details}>
        <summary>The numbers</summary>
        <dl className={styles.numbers}>
          <Number name="Leaf" value={toHex(data.leaf)} />
          <Number name="Root" value={toHex(data.root)} />
          <Number name="Checkpoint" value={detail.checkpoint.note} />
          <Number name="Key" value={detail.checkpoint.verifierKey} />
        </dl>
      </details>
    </div>
  );
}

function Number({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt className="row spread">
        <span className="dim">{name}</span>
        <CopyButton text={value} label={`Copy ${name.toLowerCase()}`} />
      </dt>
      <dd>
        <pre>{value}</pre>
      </dd>
    </div>
  );
}

function Ladder({ data, index }: { data: Verification; index: number }) {
  const levels = data.rungs.length;
  const height = (levels + 1) * ROW;
  const middle = 180;
  const y = (level: number) => height - ROW / 2 - level * ROW;
  // The way drifts towards the side it comes from, so that left and right siblings can be told apart.
  const xs: number[] = [middle];
  for (const rung of data.rungs) xs.push(Math.min(236, Math.max(124, (xs.at(-1) as number) + (rung.side === 'left' ? -14 : 14))));
  return (
    <svg className={styles.ladder} viewBox={`0 0 360 ${height}`} style={{ maxHeight: height * 1.1 }} role="img" aria-label={`Inclusion proof of entry ${index}: ${levels} steps from the leaf to the root`}>
      {data.rungs.map((rung, level) => {
        const x = xs[level] as number;
        const up = xs[level + 1] as number;
        const sx = rung.side === 'left' ? 44 : 316;
        const mid = (y(level) + y(level + 1)) / 2;
        return (
          <g key={level}>
            <path className={styles.way} d={`M${x} ${y(level) - 12} C${x} ${mid} ${up} ${mid} ${up} ${y(level + 1) + 12}`} />
            <path className={styles.join} d={`M${sx} ${y(level) - 11} C${sx} ${mid - 4} ${up} ${mid} ${up} ${y(level + 1) + 12}`} />
            <Plate x={sx} y={y(level)} text={short(rung.sibling)} kind="sibling" />
          </g>
        );
      })}
      {xs.map((x, level) => (
        <Plate
          key={level}
          x={x}
          y={y(level)}
          text={short(level === 0 ? data.leaf : (data.rungs[level - 1]?.node as Bytes))}
          kind={level === levels ? (data.included ? 'root' : 'wrong') : level === 0 ? 'leaf' : 'node'}
          label={level === levels ? 'root' : level === 0 ? `entry ${index}` : undefined}
          before={level === 0 && data.rungs[0]?.side === 'right'}
        />
      ))}
    </svg>
  );
}

function Plate({ x, y, text, kind, label, before = false }: { x: number; y: number; text: string; kind: 'sibling' | 'leaf' | 'node' | 'root' | 'wrong'; label?: string | undefined; before?: boolean }) {
  return (
    <g className={styles.plate} data-kind={kind}>
      <rect x={x - 36} y={y - 11} width={72} height={22} rx={5} />
      <text x={x} y={y + 4} textAnchor="middle">
        {text}
      </text>
      {label ? (
        <text x={before ? x - 44 : x + 44} y={y + 4} textAnchor={before ? 'end' : 'start'} className={styles.label}>
          {label}
        </text>
      ) : null}
    </g>
  );
}
