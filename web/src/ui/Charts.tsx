// Small charts, drawn as they are: no axes that nobody reads, a sentence for those who do not see them.
import type { Schema } from '../api/client';
import styles from './Charts.module.css';

export function Delivery({ days }: { days: Schema['DeliveryDay'][] }) {
  const most = Math.max(1, ...days.map((day) => day.deployments + day.refused));
  const total = days.reduce((sum, day) => sum + day.deployments, 0);
  const failed = days.reduce((sum, day) => sum + day.failed, 0);
  const refused = days.reduce((sum, day) => sum + day.refused, 0);
  return (
    <figure>
      <svg className={styles.delivery} viewBox={`0 0 ${days.length * 20} 72`} role="img" aria-label={`${total} deployments in ${days.length} days, ${failed} of them failed; ${refused} changes refused`}>
        {days.map((day, i) => {
          const unit = 64 / most;
          const good = (day.deployments - day.failed) * unit;
          const bad = day.failed * unit;
          const stopped = day.refused * unit;
          return (
            <g key={day.date}>
              <title>{`${day.date}: ${day.deployments} deployments, ${day.failed} failed, ${day.refused} refused`}</title>
              <rect x={i * 20} y={0} width={20} height={72} fill="transparent" />
              <rect className={styles.base} x={i * 20 + 3} y={69} width={14} height={1} />
              <rect className={styles.good} x={i * 20 + 3} y={68 - good} width={14} height={good} rx={1.5} />
              <rect className={styles.failed} x={i * 20 + 3} y={68 - good - bad} width={14} height={bad} rx={1.5} />
              <rect className={styles.refused} x={i * 20 + 3.5} y={68.5 - good - bad - stopped} width={13} height={Math.max(0, stopped - 1)} rx={1.5} />
            </g>
          );
        })}
      </svg>
      <figcaption className={styles.legend}>
        <span data-key="good">deployed</span>
        <span data-key="failed">failed</span>
        <span data-key="refused">refused</span>
        <span className="push">{days.length} days</span>
      </figcaption>
    </figure>
  );
}

export function Trend({ values, label }: { values: number[]; label: string }) {
  const most = Math.max(1, ...values);
  const points = values.map((value, i) => `${(i / Math.max(1, values.length - 1)) * 76 + 2},${20 - (value / most) * 17}`);
  return (
    <svg className={styles.trend} viewBox="0 0 80 22" width="80" height="22" role="img" aria-label={label}>
      <title>{label}</title>
      <polyline points={points.join(' ')} />
    </svg>
  );
}

/** How many pass and fail, as one bar with its numbers. */
export function PassBar({ passed, failed }: { passed: number; failed: number }) {
  const total = passed + failed;
  return (
    <div className={styles.pass}>
      <div className={styles.passBar} aria-hidden="true">
        {total > 0 ? (
          <>
            {failed > 0 ? <span data-key="failed" style={{ flexGrow: failed, minWidth: 6 }} /> : null}
            {passed > 0 ? <span data-key="good" style={{ flexGrow: passed }} /> : null}
          </>
        ) : null}
      </div>
      <span className="small numbers">
        {total === 0 ? (
          <span className="dim">nothing to judge</span>
        ) : failed > 0 ? (
          <>
            <span className={styles.failing}>{failed} fail</span> <span className="dim">of {total}</span>
          </>
        ) : (
          <span className="dim">all {total} pass</span>
        )}
      </span>
    </div>
  );
}
