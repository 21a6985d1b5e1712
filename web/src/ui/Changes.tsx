// What changed, grouped by cause.
import { Link } from '@tanstack/react-router';
import type { Schema } from '../api/client';
import { OutcomeState } from './State';
import { Ago } from './Time';
import styles from './Changes.module.css';

export function Changes({ groups }: { groups: Schema['ChangeGroup'][] }) {
  return (
    <ol className={styles.list}>
      {groups.map((group) => (
        <li key={`${group.causality} ${group.lastIndex}`} className={styles.group}>
          <OutcomeState outcome={group.outcome} quiet />
          <div className={styles.text}>
            <Link to="/audit" search={{ causality: group.causality }} className={styles.title}>
              {group.title}
            </Link>
            <div className="dim small">
              {group.actor} · {group.count} {group.count === 1 ? 'entry' : 'entries'}
              {group.refused > 0 ? ` · ${group.refused} refused` : ''}
            </div>
          </div>
          <span className="dim small">
            <Ago at={group.at} />
          </span>
        </li>
      ))}
    </ol>
  );
}
