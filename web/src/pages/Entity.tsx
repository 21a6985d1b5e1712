// One entity with everything that belongs to it: where it runs, what it relates to, what it breaks, what changed.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { IconExternalLink } from '@tabler/icons-react';
import type { Schema } from '../api/client';
import { entity } from '../api/queries';
import { entityRoute } from '../app/router';
import { Changes } from '../ui/Changes';
import { Code } from '../ui/Code';
import { EntityLink } from '../ui/EntityLink';
import { Failed } from '../ui/Failed';
import { KindIcon } from '../ui/KindIcon';
import { Markdown } from '../ui/Markdown';
import { Empty, Page, Panel, Rows } from '../ui/Panel';
import { Refusal } from '../ui/Refusal';
import { HealthState, Mark, SyncMark } from '../ui/State';
import { Ago } from '../ui/Time';
import { Relations } from './Relations';
import styles from './Entity.module.css';

export function Entity() {
  const { kind, namespace, name } = entityRoute.useParams();
  const { data, error, refetch } = useQuery(entity(kind, namespace, name));
  return (
    <Page
      name={data?.title ?? name}
      title={
        <span className={styles.title}>
          {data ? <KindIcon kind={data.kind} size={24} /> : null}
          {data?.title ?? name}
        </span>
      }
      about={data?.description}
      actions={data?.links.map((link) => (
        <a key={link.url} href={link.url} target="_blank" rel="noreferrer" className={styles.link}>
          {link.title}
          <IconExternalLink size={14} aria-label="opens elsewhere" />
        </a>
      ))}
    >
      {error ? <Failed error={error} again={() => void refetch()} /> : data ? <Body data={data} /> : <div className="panel"><Rows count={6} height={60} /></div>}
    </Page>
  );
}

function Body({ data }: { data: Schema['EntityDetail'] }) {
  return (
    <>
      {data.problems.map((problem) => (
        <div key={problem} className={`panel ${styles.problem}`}>
          <Mark tone="warn" shape="exclamation" /> {problem}
        </div>
      ))}
      {data.deployments.length ? (
        <ul className={styles.strip} aria-label="Environments">
          {data.deployments.map((deployment) => (
            <Environment key={deployment.application} deployment={deployment} />
          ))}
        </ul>
      ) : null}
      <div className={styles.columns}>
        <div className="stack" style={{ gap: 16 }}>
          <Panel title="Relations">
            {data.relations.length ? <Relations entity={data} /> : <Empty title="No relations">Name an owner, a system or a dependency in its file; relations appear on both sides.</Empty>}
          </Panel>
          {data.violations.length ? (
            <Panel title="Breaks policies" note={String(data.violations.length)}>
              <div className="stack">
                {data.violations.map((violation, i) => (
                  <Refusal key={i} refusal={violation.refusal} aside={violation.application ? <Link to="/applications/$name" params={{ name: violation.application }} className="link small">{violation.application}</Link> : null} />
                ))}
              </div>
            </Panel>
          ) : null}
          {data.readme ? (
            <Panel title="Documentation">
              <Markdown text={data.readme} />
            </Panel>
          ) : null}
        </div>
        <div className="stack" style={{ gap: 16 }}>
          <Panel title="About">
            <About data={data} />
          </Panel>
          <Panel title="Last changes" flush>
            {data.changes.length ? <Changes groups={data.changes} /> : <p className={`dim ${styles.none}`}>Nothing changed yet.</p>}
          </Panel>
          <Panel title="Definition" note={data.source ? `${data.source.repository}/${data.source.path}:${data.source.line}` : undefined}>
            <Code text={data.yaml} label="definition" />
          </Panel>
        </div>
      </div>
    </>
  );
}

function Environment({ deployment }: { deployment: Schema['Deployment'] }) {
  return (
    <li>
      <Link to="/applications/$name" params={{ name: deployment.application }} className={`panel ${styles.environment}`}>
        <span className="row spread">
          <span className="strong">{deployment.environment}</span>
          <HealthState health={deployment.health} />
        </span>
        <code className={styles.version}>{deployment.version || 'nothing yet'}</code>
        <span className="row spread dim small">
          <SyncMark sync={deployment.sync} drift={deployment.drift} />
          {deployment.changedAt ? <Ago at={deployment.changedAt} /> : 'never synced'}
        </span>
      </Link>
    </li>
  );
}

function About({ data }: { data: Schema['EntityDetail'] }) {
  const facts: [string, React.ReactNode][] = [
    ['Kind', data.kind],
    ['Owner', data.owner ? <EntityLink reference={data.owner} /> : null],
    ['System', data.system ? <EntityLink reference={data.system} /> : null],
    ['Type', data.type],
    ['Lifecycle', data.lifecycle],
    ['Tags', data.tags.length ? <span className="row wrap" style={{ gap: 4 }}>{data.tags.map((tag) => <Link key={tag} to="/catalog" search={{ tag }} className="chip">{tag}</Link>)}</span> : null],
    ...Object.entries(data.labels).map(([key, value]): [string, React.ReactNode] => [key, <code key={key}>{value}</code>]),
    ...Object.entries(data.annotations).map(([key, value]): [string, React.ReactNode] => [key, <code key={key}>{value}</code>]),
  ];
  return (
    <dl className={styles.facts}>
      {facts.filter(([, value]) => value).map(([name, value]) => (
        <div key={name} data-long={name.length > 14 || undefined}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
