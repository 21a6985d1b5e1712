// Home: my services, what waits for me, what changed, how delivery goes.
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type Schema, api, take } from '../api/client';
import { home, session } from '../api/queries';
import { useScope } from '../app/scope';
import { Changes } from '../ui/Changes';
import { Delivery } from '../ui/Charts';
import { EntityLink } from '../ui/EntityLink';
import { Failed } from '../ui/Failed';
import { Empty, Page, Panel, Rows } from '../ui/Panel';
import { HealthState, Mark, type Tone } from '../ui/State';
import { Ago, span } from '../ui/Time';
import { useAct } from '../ui/useAct';
import styles from './Home.module.css';

export function Home() {
  const { data, error, refetch } = useQuery(home);
  const { data: me } = useQuery(session);
  const scope = useScope();
  const services = data?.services.filter((service) => !scope.team || service.owner === scope.team) ?? [];
  const environments = order(services.flatMap((s) => s.deployments.map((d) => d.environment))).filter((name) => !scope.environment || name === scope.environment);
  return (
    <Page title="Home" about={data ? <Sentence home={data} services={services} /> : `Signed in as ${me?.displayName ?? ''}`}>
      {error ? <Failed error={error} again={() => void refetch()} /> : null}
      <div className={styles.columns}>
        <div className="stack" style={{ gap: 16 }}>
          <Panel title="My services" note={services.length ? String(services.length) : ''} flush>
            {!data ? <Rows count={3} height={58} /> : services.length ? <Services services={services} environments={environments} /> : <NoServices />}
          </Panel>
          <Panel title="What changed" actions={<Link to="/audit" className="link small">All of it</Link>} flush>
            {!data ? (
              <Rows count={5} height={52} />
            ) : data.changes.length ? (
              <Changes groups={data.changes} />
            ) : (
              <Empty title="Nothing changed yet">Everything that anybody or anything changes is listed here, grouped by what caused it.</Empty>
            )}
          </Panel>
        </div>
        <div className="stack" style={{ gap: 16 }}>
          <Panel title="Waiting for me" note={data?.waiting.length ? String(data.waiting.length) : ''} flush>
            {!data ? (
              <Rows count={3} height={72} />
            ) : data.waiting.length ? (
              <ul>
                {data.waiting.map((item) => (
                  <Waiting key={item.id} item={item} />
                ))}
              </ul>
            ) : (
              <div className={styles.calm}>
                <Mark tone="ok" shape="check" /> Nothing waits for you.
              </div>
            )}
          </Panel>
          <Panel title="Delivery">
            {data ? (
              <>
                <dl className={styles.numbers}>
                  <Number name="Deployments" value={String(data.delivery.days.reduce((sum, day) => sum + day.deployments, 0))} unit="in 14 d" />
                  <Number name="Commit to running" value={data.delivery.medianLeadSeconds === null ? '–' : span(data.delivery.medianLeadSeconds)} unit="median" />
                  <Number name="Failed" value={data.delivery.failureRate === null ? '–' : `${Math.round(data.delivery.failureRate * 100)} %`} unit="of deployments" />
                </dl>
                <Delivery days={data.delivery.days} />
              </>
            ) : (
              <Rows count={2} height={40} />
            )}
          </Panel>
        </div>
      </div>
    </Page>
  );
}

/** Staging before production, whatever else between. */
function order(names: string[]): string[] {
  const weight = (name: string) => (/^prod/.test(name) ? 2 : /^(dev|test)/.test(name) ? 0 : 1);
  return [...new Set(names)].sort((a, b) => weight(a) - weight(b) || a.localeCompare(b));
}

function Sentence({ home: data, services }: { home: Schema['Home']; services: Schema['ServiceStatus'][] }) {
  const bad = services.filter((s) => s.deployments.some((d) => d.health === 'Degraded')).length;
  const last = data.changes[0];
  return (
    <>
      {services.length} {services.length === 1 ? 'service' : 'services'}
      {services.length ? (bad ? `, ${bad} of them degraded` : ', none of them degraded') : ''}
      {last ? (
        <>
          {' '}
          · last change <Ago at={last.at} />
        </>
      ) : null}
    </>
  );
}

function Services({ services, environments }: { services: Schema['ServiceStatus'][]; environments: string[] }) {
  return (
    <div className="scroll" tabIndex={-1}>
      <table className={`grid ${styles.services}`}>
        <thead>
          <tr>
            <th>Service</th>
            {environments.map((name) => (
              <th key={name}>{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {services.map((service) => (
            <tr key={service.ref}>
              <td>
                <div className={`strong ${styles.line}`}>
                  <EntityLink reference={service.ref}>
                    <span className={styles.name}>{service.title}</span>
                  </EntityLink>
                </div>
                <div className={`small ${styles.line}`}>{service.owner ? <EntityLink reference={service.owner} /> : 'nobody owns it'}</div>
              </td>
              {environments.map((name) => {
                const deployment = service.deployments.find((d) => d.environment === name);
                return <td key={name}>{deployment ? <Cell deployment={deployment} /> : <span className="dim">not deployed</span>}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cell({ deployment }: { deployment: Schema['Deployment'] }) {
  return (
    <Link to="/applications/$name" params={{ name: deployment.application }} className={styles.cell}>
      <span className="row">
        <HealthState health={deployment.health} quiet />
        <code>{deployment.version}</code>
        {deployment.sync === 'OutOfSync' ? <Mark tone="warn" shape="drift" label={`${deployment.drift} objects differ from Git`} size={14} /> : null}
      </span>
      <span className="dim small">{deployment.changedAt ? <Ago at={deployment.changedAt} /> : 'never synced'}</span>
    </Link>
  );
}

const TONES: { [severity in Schema['WaitingItem']['severity']]: Tone } = { high: 'bad', medium: 'warn', low: 'idle' };

function Waiting({ item }: { item: Schema['WaitingItem'] }) {
  const navigate = useNavigate();
  const { act, busy, failure } = useAct();
  const run = () => {
    if (item.action?.kind === 'sync') {
      const name = item.action.target;
      act(async () => {
        await take(api.POST('/applications/{name}/sync', { params: { path: { name } }, body: {} }));
        await navigate({ to: '/applications/$name', params: { name } });
      });
    } else if (item.action) {
      void navigate({ href: item.action.target });
    }
  };
  return (
    <li className={styles.waiting}>
      <Mark tone={TONES[item.severity]} shape={item.kind === 'outOfSync' ? 'drift' : item.kind === 'refused' || item.kind === 'violation' ? 'bar' : 'exclamation'} label={`${item.severity} priority`} />
      <div className={styles.waitingText}>
        <a href={item.link} onClick={(event) => { event.preventDefault(); void navigate({ href: item.link }); }} className={styles.waitingTitle}>
          {item.title}
        </a>
        <p className="dim small">{item.detail}</p>
        {failure ? <Failed error={failure} /> : null}
      </div>
      {item.action ? (
        <Button variant="default" loading={busy} onClick={run}>
          {item.action.label}
        </Button>
      ) : null}
    </li>
  );
}

function Number({ name, value, unit }: { name: string; value: string; unit: string }) {
  return (
    <div>
      <dt className="dim small">{name}</dt>
      <dd>
        <span className={styles.value}>{value}</span> <span className="dim small">{unit}</span>
      </dd>
    </div>
  );
}

function NoServices() {
  return (
    <Empty
      title="Your first service is a form away"
      action={
        <Button component={Link} to="/create">
          Create a service
        </Button>
      }
    >
      Services of the catalog appear here with their health and version in each environment.
    </Empty>
  );
}
