// One object of an application: summary, manifest, differences with reasons, events, history.
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { Schema } from '../../api/client';
import { object } from '../../api/queries';
import { Code } from '../../ui/Code';
import { Entries } from '../../ui/Diff';
import { Drawer } from '../../ui/Drawer';
import { Failed } from '../../ui/Failed';
import { Empty, Rows } from '../../ui/Panel';
import { Refusals } from '../../ui/Refusal';
import { HealthState, Mark, SyncMark } from '../../ui/State';
import { Tabs } from '../../ui/Tabs';
import { Ago } from '../../ui/Time';
import { EntryRows } from '../audit/EntryRows';
import styles from './ObjectDrawer.module.css';

type Tab = 'summary' | 'manifest' | 'diff' | 'events' | 'history';

export function ObjectDrawer({ application, objectKey, tab }: { application: string; objectKey: string; tab: Tab }) {
  const { data, error, refetch } = useQuery(object(application, objectKey));
  const navigate = useNavigate({ from: '/applications/$name' });
  const [, kind = '', , name = ''] = objectKey.split('/');
  const close = () => void navigate({ search: ({ object: _, tab: __, ...rest }) => rest, replace: true, resetScroll: false });
  const choose = (next: Tab) => void navigate({ search: (old) => ({ ...old, tab: next === 'summary' ? undefined : next }), replace: true, resetScroll: false });
  const count = (n: number | undefined) => (n ? <span className="dim numbers"> {n}</span> : null);
  return (
    <Drawer
      label={`${kind} ${name}`}
      close={close}
      title={
        <>
          <span className={styles.kind}>{kind}</span>
          {name}
        </>
      }
    >
      <Tabs
        label="Parts of the object"
        value={tab}
        onChange={choose}
        choices={[
          { value: 'summary', label: 'Summary' },
          { value: 'manifest', label: 'Manifest' },
          { value: 'diff', label: <>Diff{count(data?.diff.length)}</> },
          { value: 'events', label: <>Events{count(data?.events.length)}</> },
          { value: 'history', label: <>History{count(data?.history.length)}</> },
        ]}
      />
      {error ? <Failed error={error} again={() => void refetch()} /> : !data ? <Rows count={5} /> : <Body data={data} tab={tab} />}
    </Drawer>
  );
}

function Body({ data, tab }: { data: Schema['ObjectDetail']; tab: Tab }) {
  switch (tab) {
    case 'summary':
      return (
        <>
          {data.refusals.length ? <Refusals refusals={data.refusals} title="Its last change was refused" /> : null}
          <dl className={styles.facts}>
            <dt>Health</dt>
            <dd>
              {data.health ? <HealthState health={data.health} /> : <span className="dim">this kind has none</span>}
              {data.healthMessage ? <p className="dim small">{data.healthMessage}</p> : null}
            </dd>
            <dt>Git</dt>
            <dd>{data.sync ? <SyncMark sync={data.sync} drift={data.diff.length} /> : <span className="dim">owned by another object</span>}</dd>
            {data.ref.namespace ? (
              <>
                <dt>Namespace</dt>
                <dd>
                  <code>{data.ref.namespace}</code>
                </dd>
              </>
            ) : null}
            <dt>API</dt>
            <dd>
              <code>{data.ref.apiVersion}</code>
            </dd>
            {data.facts.map((fact) => (
              <div key={fact.name + fact.value} className={styles.fact}>
                <dt>{fact.name}</dt>
                <dd>{fact.value}</dd>
              </div>
            ))}
          </dl>
        </>
      );
    case 'manifest':
      return data.live ? (
        <Code text={data.live} label="manifest in the cluster" />
      ) : (
        <>
          <p className="dim">It is not in the cluster. Git says:</p>
          {data.desired ? <Code text={data.desired} label="manifest in Git" /> : null}
        </>
      );
    case 'diff':
      return data.diff.length ? (
        <Entries entries={data.diff} before="the cluster" after="Git" />
      ) : (
        <Empty title={data.desired ? 'It is what Git says' : 'It does not come from Git'}>
          {data.desired ? 'Every difference would be listed here with its reason.' : 'Another object made it; look at that one.'}
        </Empty>
      );
    case 'events':
      return data.events.length ? (
        <ul className={styles.events}>
          {data.events.map((event, i) => (
            <li key={i}>
              <Mark tone={event.type === 'Warning' ? 'warn' : 'idle'} shape={event.type === 'Warning' ? 'exclamation' : 'bar'} label={event.type} />
              <div>
                <p>
                  <span className="strong">{event.reason}</span>
                  {event.count > 1 ? <span className="dim"> {event.count} times</span> : null}
                </p>
                <p className="dim">{event.message}</p>
              </div>
              <span className="dim small push">
                <Ago at={event.at} />
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <Empty title="No events">What controllers report about the object appears here.</Empty>
      );
    case 'history':
      return data.history.length ? <EntryRows entries={data.history} /> : <Empty title="No entries yet">Every change of the object, allowed or refused, is listed here.</Empty>;
  }
}
