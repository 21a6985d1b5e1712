// What changed, grouped by cause.
import { Link } from '@tanstack/react-router';
import type { Schema } from '../api/client';
import { OutcomeState } from './State';
import { Ago } from './Time';
import { fold, shortActor } from './fold';
import { titled } from './words';
import styles from './Changes.module.css';

export function Changes({ groups }: { groups: Schema['ChangeGroup'][] }) {
  return (
    <ol className={styles.list}>
      {fold(groups).map((item) => {
        if (item.type === 'small') return <Small key={`small ${item.groups[0]?.lastIndex}`} groups={item.groups} />;
        const { group } = item;
        return (
        <li key={`${group.causality} ${group.lastIndex}`} className={styles.group}>
          <OutcomeState outcome={group.outcome} quiet />
          <div className={styles.text}>
            <Link to="/audit" search={{ causality: group.causality }} className={styles.title}>
              {titled(group.title)}
            </Link>
            <div className="dim small">
              {shortActor(group.actor)} · {group.count} {group.count === 1 ? 'entry' : 'entries'}
              {group.refused > 0 ? ` · ${group.refused} refused` : ''}
            </div>
          </div>
          <span className="dim small">
            <Ago at={group.at} />
          </span>
        </li>
        );
      })}
    </ol>
  );
}

function Small({ groups }: { groups: Schema['ChangeGroup'][] }) {
  const actors = [...new Set(groups.map((group) => shortActor(group.actor)))];
  const from = Math.min(...groups.map((group) => group.firstIndex));
  return (
    <li className={styles.group}>
      <span className={styles.small} aria-hidden="true" />
      <div className={styles.text}>
        <details>
          <summary className="dim">
            {groups.length} small steps by {actors.join(', ')}
          </summary>
          <ul className={styles.inner}>
            {groups.map((group) => (
              <li key={group.lastIndex}>
                <Link to="/audit/$index" params={{ index: String(group.lastIndex) }} className="dim small">
                  {titled(group.title)}
                </Link>
              </li>
            ))}
          </ul>
        </details>
      </div>
      <span className="dim small" title={`from entry ${from}`}>
        <Ago at={groups[0]?.at ?? ''} />
      </span>
    </li>
  );
}
