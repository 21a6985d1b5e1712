// States: a colour, a shape and a word, always together.
import type { ReactNode } from 'react';
import type { Health, Outcome, SyncState } from '../api/client';
import styles from './State.module.css';

export type Tone = 'ok' | 'warn' | 'bad' | 'idle';

const SHAPES = {
  check: <path d="M4.6 8.3 7 10.6 11.5 5.7" />,
  cross: <path d="M5.5 5.5l5 5m0-5-5 5" />,
  pause: <path d="M6.3 5.4v5.2m3.4-5.2v5.2" />,
  bar: <path d="M4.8 8h6.4" />,
  question: <path d="M6.4 6.5c0-2 3.3-2 3.3 0 0 1.2-1.7 1.3-1.7 2.5M8 11v.1" />,
  equal: <path d="M4.8 6.3h6.4M4.8 9.7h6.4" />,
  drift: <path d="M5 6.4h6M9.3 4.7 11 6.4M11 9.6H5m1.7 1.7L5 9.6" />,
  exclamation: <path d="M8 4.8v3.6M8 10.9v.1" />,
};

type Shape = keyof typeof SHAPES | 'arc' | 'dashed';

/** The mark alone; whoever uses it says the word nearby or in `label`. */
export function Mark({ tone, shape, label, size = 16 }: { tone: Tone; shape: Shape; label?: string; size?: number }) {
  const named = label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': true };
  return (
    <svg className={styles.mark} data-tone={tone} width={size} height={size} viewBox="0 0 16 16" {...named}>
      {shape === 'arc' ? (
        <>
          <circle cx="8" cy="8" r="5.6" className={styles.track} />
          <path d="M8 2.4A5.6 5.6 0 0 1 13.6 8" className={styles.arc} />
        </>
      ) : shape === 'dashed' ? (
        <circle cx="8" cy="8" r="5.6" className={styles.dashed} />
      ) : (
        <>
          <circle cx="8" cy="8" r="7" className={styles.disc} />
          <g className={styles.glyph}>{SHAPES[shape]}</g>
        </>
      )}
    </svg>
  );
}

const HEALTH: { [state in Health]: [Tone, Shape] } = {
  Healthy: ['ok', 'check'],
  Progressing: ['warn', 'arc'],
  Degraded: ['bad', 'cross'],
  Suspended: ['idle', 'pause'],
  Missing: ['warn', 'dashed'],
  Unknown: ['idle', 'question'],
};

const SYNC: { [state in SyncState]: [Tone, Shape, string] } = {
  Synced: ['ok', 'equal', 'In sync'],
  OutOfSync: ['warn', 'drift', 'Differs from Git'],
  Unknown: ['idle', 'question', 'Sync unknown'],
};

const OUTCOME: { [outcome in Outcome]: [Tone, Shape, string] } = {
  allowed: ['ok', 'check', 'Allowed'],
  refused: ['bad', 'bar', 'Refused'],
  failed: ['warn', 'exclamation', 'Failed'],
};

export const toneOf = (health: Health): Tone => HEALTH[health][0];

type Look = { quiet?: boolean; title?: string };

export function HealthState({ health, quiet, title }: { health: Health } & Look) {
  const [tone, shape] = HEALTH[health];
  return <State tone={tone} shape={shape} word={health} {...(quiet ? { quiet } : {})} {...(title ? { title } : {})} />;
}

export function SyncMark({ sync, drift = 0, quiet, title }: { sync: SyncState; drift?: number } & Look) {
  const [tone, shape, word] = SYNC[sync];
  const counted = sync === 'OutOfSync' && drift > 0 ? `${drift} differ${drift === 1 ? 's' : ''}` : word;
  return <State tone={tone} shape={shape} word={counted} {...(quiet ? { quiet } : {})} {...(title ? { title } : {})} />;
}

export function OutcomeState({ outcome, quiet }: { outcome: Outcome; quiet?: boolean }) {
  const [tone, shape, word] = OUTCOME[outcome];
  return <State tone={tone} shape={shape} word={word} {...(quiet ? { quiet } : {})} />;
}

/** Mark and word; quiet leaves the word to readers that need it. */
export function State({ tone, shape, word, quiet, title }: { tone: Tone; shape: Shape; word: ReactNode } & Look) {
  return (
    <span className={styles.state} data-tone={tone} title={title ?? (quiet && typeof word === 'string' ? word : undefined)}>
      <Mark tone={tone} shape={shape} />
      <span className={quiet ? 'hidden-visually' : styles.word}>{word}</span>
    </span>
  );
}

export function Badge({ tone = 'idle', children }: { tone?: Tone | 'accent'; children: ReactNode }) {
  return (
    <span className={styles.badge} data-tone={tone}>
      {children}
    </span>
  );
}
