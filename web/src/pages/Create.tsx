// Golden paths to start from, and the runs that were started.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { IconArrowRight, IconCheck } from '@tabler/icons-react';
import type { Schema } from '../api/client';
import { runs, templates } from '../api/queries';
import { EntityLink } from '../ui/EntityLink';
import { Failed } from '../ui/Failed';
import { Bone, Empty, Page, Panel } from '../ui/Panel';
import { Mark } from '../ui/State';
import { Ago } from '../ui/Time';
import styles from './Create.module.css';

export const RUN_LOOK = {
  running: { tone: 'warn', shape: 'arc', word: 'runs' },
  succeeded: { tone: 'ok', shape: 'check', word: 'succeeded' },
  failed: { tone: 'bad', shape: 'cross', word: 'failed' },
} as const;

export function Create() {
  const { data, error, refetch } = useQuery(templates);
  const { data: past } = useQuery(runs);
  return (
    <Page title="Create" about="Golden paths: the short way to something that every policy lets pass.">
      {error ? <Failed error={error} again={() => void refetch()} /> : null}
      {data?.length === 0 ? (
        <div className="panel">
          <Empty title="No golden paths yet">
            A golden path is a Backstage template: a form, files, and steps. Put its folder with a <code>template.yaml</code> into the
            <code> platform</code> repository and push.
          </Empty>
        </div>
      ) : (
        <ul className={styles.cards}>{data ? data.map((template) => <Card key={template.name} template={template} />) : [0, 1].map((i) => <li key={i} className={`panel ${styles.card}`}><Bone width="40%" /><Bone /><Bone width="70%" /></li>)}</ul>
      )}
      {past?.length ? (
        <Panel title="Runs" flush>
          <ul>
            {past.map((run) => (
              <li key={run.id}>
                <Link to="/runs/$id" params={{ id: run.id }} className={styles.run}>
                  <Mark {...RUN_LOOK[run.state]} label={RUN_LOOK[run.state].word} />
                  <span className="clip">{run.title}</span>
                  <span className="dim small push">
                    {run.actor} · <Ago at={run.startedAt} />
                  </span>
                </Link>
              </li>
            ))}
          </ul>
        </Panel>
      ) : null}
    </Page>
  );
}

function Card({ template }: { template: Schema['TemplateSummary'] }) {
  return (
    <li className={`panel ${styles.card}`}>
      <h2>
        <Link to="/create/$name" params={{ name: template.name }} className={styles.cover}>
          {template.title}
        </Link>
      </h2>
      <p className="dim">{template.description}</p>
      <ul className={styles.makes}>
        {template.makes.map((what) => (
          <li key={what}>
            <IconCheck size={14} aria-hidden="true" /> {what}
          </li>
        ))}
      </ul>
      <div className={styles.foot}>
        {template.tags.map((tag) => (
          <span key={tag} className="chip">
            {tag}
          </span>
        ))}
        <span className="dim small push">{template.owner ? <>by <EntityLink reference={template.owner} /></> : null}</span>
        <IconArrowRight size={16} aria-hidden="true" />
      </div>
    </li>
  );
}
