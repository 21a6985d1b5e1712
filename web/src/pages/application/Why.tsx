// The why line: commit → render → verdict → apply → running. Each step leads to the ledger entry that records it.
import { Link } from '@tanstack/react-router';
import type { Schema } from '../../api/client';
import { Mark } from '../../ui/State';
import { Ago } from '../../ui/Time';
import styles from './Why.module.css';

const NAMES = { commit: 'Commit', render: 'Render', verdict: 'Verdict', apply: 'Apply', running: 'Running' };
const LOOK = {
  done: { tone: 'ok', shape: 'check', word: 'done' },
  active: { tone: 'warn', shape: 'arc', word: 'under way' },
  failed: { tone: 'bad', shape: 'cross', word: 'failed' },
  waiting: { tone: 'idle', shape: 'dashed', word: 'waiting' },
} as const;

export function Why({ steps }: { steps: Schema['WhyStep'][] }) {
  return (
    <ol className={`panel ${styles.line}`} aria-label="Why this is running">
      {steps.map((step) => {
        const look = LOOK[step.state];
        const body = (
          <>
            <span className={styles.name}>
              <Mark tone={look.tone} shape={look.shape} label={look.word} />
              {NAMES[step.id]}
              {step.at ? (
                <span className={styles.at}>
                  <Ago at={step.at} />
                </span>
              ) : null}
            </span>
            <span className={styles.title}>{step.title}</span>
            <span className={styles.text} title={step.text}>
              {step.text}
            </span>
          </>
        );
        return (
          <li key={step.id} className={styles.step} data-state={step.state}>
            {step.ledgerIndex === null ? (
              <div className={styles.body}>{body}</div>
            ) : (
              <Link to="/audit/$index" params={{ index: String(step.ledgerIndex) }} className={styles.body}>
                {body}
              </Link>
            )}
          </li>
        );
      })}
    </ol>
  );
}
