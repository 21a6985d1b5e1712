// Differences: values by path with their reasons, and whole texts line by line.
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Schema } from '../api/client';
import { YamlLine } from './Code';
import { Switch } from './Tabs';
import { Ago } from './Time';
import { lineDiff } from './lines';
import { plain } from './value';
import styles from './Diff.module.css';

const KINDS = { git: 'Git is ahead', edited: 'Edited by hand', defaulted: 'Default', ignored: 'Ignored', missing: 'Missing', extra: 'Not in Git' } as const;

type Layout = 'unified' | 'split';

/** In Kubernetes a field that is null is a field that is not there. */
const unset = (value: unknown) => value === undefined || value === null;

export function LayoutSwitch({ value, onChange }: { value: Layout; onChange: (value: Layout) => void }) {
  return <Switch label="Layout of differences" value={value} onChange={onChange} choices={[{ value: 'unified', label: 'Unified' }, { value: 'split', label: 'Side by side' }]} />;
}

export function Entries({ entries, before, after, reasons = true }: { entries: Schema['DiffEntry'][]; before: string; after: string; reasons?: boolean }) {
  const [layout, setLayout] = useState<Layout>('unified');
  return (
    <div className="stack">
      <div className="row spread">
        <span className="dim small">
          {entries.length} {entries.length === 1 ? 'difference' : 'differences'}: − {before}, + {after}
        </span>
        <LayoutSwitch value={layout} onChange={setLayout} />
      </div>
      {entries.map((entry, i) => (
        <div key={i} className={styles.entry} data-quiet={entry.reason?.kind === 'defaulted' || entry.reason?.kind === 'ignored' || undefined}>
          <div className={styles.path}>
            <code>{entry.path || 'the whole object'}</code>
          </div>
          <div className={styles.values} data-layout={layout}>
            <Value sign="−" value={entry.before} absent={unset(entry.before)} layout={layout} />
            <Value sign="+" value={entry.after} absent={unset(entry.after)} layout={layout} />
          </div>
          {reasons && entry.reason ? (
            <p className={styles.reason}>
              <span className="strong">{KINDS[entry.reason.kind]}</span> {entry.reason.text}
              {entry.reason.at ? (
                <>
                  {' '}
                  <Ago at={entry.reason.at} />
                </>
              ) : null}
              {entry.reason.ledgerIndex !== null ? (
                <>
                  {' · '}
                  <Link to="/audit/$index" params={{ index: String(entry.reason.ledgerIndex) }} className="link">
                    entry {entry.reason.ledgerIndex}
                  </Link>
                </>
              ) : null}
            </p>
          ) : null}
        </div>
      ))}
    </div>
  );
}

function Value({ sign, value, absent, layout }: { sign: '−' | '+'; value: unknown; absent: boolean; layout: Layout }) {
  if (absent && layout === 'unified') return null;
  return (
    <pre className={styles.value} data-sign={absent ? undefined : sign}>
      {absent ? <span className="dim">not set</span> : `${sign} ${plain(value).replaceAll('\n', '\n  ')}`}
    </pre>
  );
}

/** Two texts line by line, with a few equal lines around each change. */
export function TextDiff({ before, after }: { before: string; after: string }) {
  const hunks = lineDiff(before, after);
  if (hunks.length === 0) return <p className="dim">Both are the same.</p>;
  return (
    <pre className={styles.text} tabIndex={0} aria-label="Line by line">
      {hunks.map((hunk, h) => (
        <div key={h} className={styles.hunk}>
          {hunk.map((line, i) => (
            <div key={i} className={styles.line} data-sign={line.sign === ' ' ? undefined : line.sign}>
              <span className={styles.sign}>{line.sign}</span>
              <span>
                <YamlLine line={line.text} />
              </span>
            </div>
          ))}
        </div>
      ))}
    </pre>
  );
}
