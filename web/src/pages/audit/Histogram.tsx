// Entries over time; dragging over it chooses a time range.
import { useRef, useState } from 'react';
import type { Schema } from '../../api/client';
import styles from './Histogram.module.css';

type Data = NonNullable<Schema['AuditPage']['histogram']>;

const day = new Intl.DateTimeFormat(undefined, { weekday: 'short', hour: '2-digit', minute: '2-digit', hour12: false });

export function Histogram({ data, choose }: { data: Data; choose: (from: string, to: string) => void }) {
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const area = useRef<HTMLDivElement>(null);
  const { buckets, bucketSeconds } = data;
  const most = Math.max(1, ...buckets.map((b) => b.allowed + b.refused + b.failed));
  const sum = (pick: (b: Data['buckets'][number]) => number) => buckets.reduce((total, b) => total + pick(b), 0);
  const at = (event: React.PointerEvent) => {
    const box = area.current?.getBoundingClientRect();
    if (!box) return 0;
    return Math.min(buckets.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * buckets.length)));
  };
  const finish = () => {
    if (!drag) return;
    const [a, b] = [Math.min(...drag), Math.max(...drag)];
    const from = buckets[a];
    const to = buckets[b];
    setDrag(null);
    if (from && to) choose(from.at, new Date(Date.parse(to.at) + bucketSeconds * 1000).toISOString());
  };
  const first = buckets[0];
  const last = buckets.at(-1);
  const chosen = (i: number) => drag !== null && i >= Math.min(...drag) && i <= Math.max(...drag);
  return (
    <figure className={styles.figure}>
      <div
        ref={area}
        className={styles.area}
        role="img"
        aria-label={`Entries over time: ${sum((b) => b.allowed)} allowed, ${sum((b) => b.refused)} refused, ${sum((b) => b.failed)} failed`}
        title="Drag to choose a time"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag([at(event), at(event)]);
        }}
        onPointerMove={(event) => (drag ? setDrag([drag[0], at(event)]) : undefined)}
        onPointerUp={finish}
        onPointerCancel={() => setDrag(null)}
      >
        {buckets.map((bucket, i) => (
          <div key={bucket.at} className={styles.bucket} data-chosen={chosen(i) || undefined} title={`${day.format(new Date(bucket.at))}: ${bucket.allowed} allowed, ${bucket.refused} refused, ${bucket.failed} failed`}>
            {bucket.failed ? <span data-outcome="failed" style={{ height: `${Math.max(4, (bucket.failed / most) * 100)}%` }} /> : null}
            {bucket.refused ? <span data-outcome="refused" style={{ height: `${Math.max(4, (bucket.refused / most) * 100)}%` }} /> : null}
            {bucket.allowed ? <span data-outcome="allowed" style={{ height: `${Math.max(2, (bucket.allowed / most) * 100)}%` }} /> : null}
          </div>
        ))}
      </div>
      <figcaption className={styles.caption}>
        <span>{first ? day.format(new Date(first.at)) : null}</span>
        <span className={styles.legend}>
          <span data-outcome="allowed">allowed {sum((b) => b.allowed)}</span>
          <span data-outcome="refused">refused {sum((b) => b.refused)}</span>
          <span data-outcome="failed">failed {sum((b) => b.failed)}</span>
        </span>
        <span>{last ? day.format(new Date(Date.parse(last.at) + bucketSeconds * 1000)) : null}</span>
      </figcaption>
    </figure>
  );
}
