// A run: its steps as they happen, and where to go when it is done.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { IconArrowRight } from '@tabler/icons-react';
import type { Schema } from '../api/client';
import { run } from '../api/queries';
import { runRoute } from '../app/router';
import { Failed } from '../ui/Failed';
import { Page, Rows } from '../ui/Panel';
import { Refusals } from '../ui/Refusal';
import { Mark } from '../ui/State';
import { Ago, Clock, span } from '../ui/Time';
import styles from './Run.module.css';

const LOOK = {
  pending: { tone: 'idle', shape: 'dashed', word: 'waiting' },
  running: { tone: 'warn', shape: 'arc', word: 'under way' },
  succeeded: { tone: 'ok', shape: 'check', word: 'done' },
  failed: { tone: 'bad', shape: 'cross', word: 'failed' },
  skipped: { tone: 'idle', shape: 'bar', word: 'left out' },
} as const;

export function Run() {
  const { id } = runRoute.useParams();
  const { data, error, refetch } = useQuery(run(id));
  return (
    <Page
      name={data?.title ?? 'Run'}
      title={data?.title ?? 'Run'}
      about={
        data ? (
          <span className="dim">
            {data.state === 'running' ? 'Under way' : data.state === 'succeeded' ? 'Done' : 'Failed'} · {data.actor} · <Ago at={data.startedAt} />
            {data.state === 'running' ? ' · you can leave this page and find the run under Create' : ''} ·{' '}
            <Link to="/audit" search={{ causality: data.causality }} className="link">
              what it changed
            </Link>
          </span>
        ) : null
      }
    >
      {error ? <Failed error={error} again={() => void refetch()} /> : data ? <Body data={data} /> : <div className="panel"><Rows count={4} height={72} /></div>}
    </Page>
  );
}

function Body({ data }: { data: Schema['Run'] }) {
  const navigate = useNavigate();
  const done = data.steps.filter((step) => step.state === 'succeeded' || step.state === 'skipped').length;
  return (
    <>
      <div className={styles.bar} role="progressbar" aria-label="Steps done" aria-valuemin={0} aria-valuemax={data.steps.length} aria-valuenow={done} data-state={data.state}>
        <span style={{ width: `${(done / Math.max(1, data.steps.length)) * 100}%` }} />
      </div>
      {data.state === 'succeeded' && data.links.length ? (
        <ul className={styles.links}>
          {data.links.map((link) => (
            <li key={link.url}>
              <a
                href={link.url}
                className={`panel ${styles.link}`}
                onClick={(event) => {
                  if (!link.url.startsWith('/')) return;
                  event.preventDefault();
                  void navigate({ href: link.url });
                }}
              >
                {link.title} <IconArrowRight size={16} aria-hidden="true" />
              </a>
            </li>
          ))}
        </ul>
      ) : null}
      {data.error ? <p className={styles.error} role="alert"><Mark tone="bad" shape="cross" /> {data.error}</p> : null}
      {data.refusals.length ? <Refusals refusals={data.refusals} /> : null}
      <ol className={`panel ${styles.steps}`} aria-live="polite">
        {data.steps.map((step) => (
          <li key={step.id} className={styles.step} data-state={step.state}>
            <div className={styles.head}>
              <Mark {...LOOK[step.state]} label={LOOK[step.state].word} />
              <span className={step.state === 'pending' ? 'dim' : 'strong'}>{step.name}</span>
              <code className="dim">{step.action}</code>
              <span className="dim small push numbers">{step.startedAt && step.finishedAt ? span((Date.parse(step.finishedAt) - Date.parse(step.startedAt)) / 1000) : LOOK[step.state].word}</span>
            </div>
            {step.log.length ? (
              <pre className={styles.log} tabIndex={0} aria-label={`Log of ${step.name}`}>
                {step.log.map((line, i) => (
                  <div key={i}>
                    <span className="dim">
                      <Clock at={line.at} />
                    </span>{' '}
                    {line.text}
                  </div>
                ))}
              </pre>
            ) : null}
          </li>
        ))}
      </ol>
    </>
  );
}
