// Ledger entries as rows: when, who, what, how it ended.
import { Link } from '@tanstack/react-router';
import type { Schema } from '../../api/client';
import { OutcomeState } from '../../ui/State';
import { Ago } from '../../ui/Time';
import { shortActor } from '../../ui/fold';
import { told } from '../../ui/words';
import styles from './EntryRows.module.css';

export function EntryRow({ entry }: { entry: Schema['AuditEntry'] }) {
  return (
    <Link to="/audit/$index" params={{ index: String(entry.index) }} className={styles.row}>
      <OutcomeState outcome={entry.outcome} quiet />
      <span className={styles.actor} title={entry.actor.name} data-kind={entry.actor.kind}>
        {shortActor(entry.actor.name)}
      </span>
      <span className={styles.summary} title={entry.summary}>
        {told(entry.summary, entry.outcome)}
      </span>
      <span className={styles.index}>#{entry.index}</span>
      <span className={styles.at}>
        <Ago at={entry.at} />
      </span>
    </Link>
  );
}

export function EntryRows({ entries }: { entries: Schema['AuditEntry'][] }) {
  return (
    <ul className={styles.list}>
      {entries.map((entry) => (
        <li key={entry.index}>
          <EntryRow entry={entry} />
        </li>
      ))}
    </ul>
  );
}
