// How a policy's score went over the last two days, hour by hour.
import type { Schema } from '../../api/client';
import styles from './Exceptions.module.css';

export function Hours({ hours }: { hours: Schema['ScoreHour'][] }) {
  const most = Math.max(1, ...hours.map((hour) => hour.passed + hour.failed));
  const [first, last] = [hours[0], hours.at(-1)];
  const percent = (count: number) => `${(count / most) * 100}%`;
  return (
    <figure>
      <div className={styles.trend} role="img" aria-label={`Over ${hours.length} hours: from ${first?.failed ?? 0} to ${last?.failed ?? 0} failing, from ${first?.passed ?? 0} to ${last?.passed ?? 0} passing`}>
        {hours.map((hour) => (
          <span key={hour.at} className={styles.bar} title={`${new Date(hour.at).toLocaleString()}: ${hour.failed} fail, ${hour.passed} pass`}>
            <span className={styles.failed} style={{ height: percent(hour.failed) }} />
            <span className={styles.passed} style={{ height: percent(hour.passed) }} />
          </span>
        ))}
      </div>
      <figcaption className="dim small">
        Last {hours.length} hours: {last?.failed ?? 0} fail, {last?.passed ?? 0} pass now
      </figcaption>
    </figure>
  );
}
