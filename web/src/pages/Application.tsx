// One application: why it is as it is, its objects, its past, and the two buttons that change it.
import { Button, Menu } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { IconChevronDown, IconRefresh } from '@tabler/icons-react';
import { useRef } from 'react';
import { type Schema, api, take } from '../api/client';
import { application, client, session } from '../api/queries';
import { applicationRoute } from '../app/router';
import { Hash } from '../ui/Copy';
import { EntityLink } from '../ui/EntityLink';
import { Failed } from '../ui/Failed';
import { Empty, Page, Rows } from '../ui/Panel';
import { Refusals } from '../ui/Refusal';
import { Badge, HealthState, Mark, SyncMark } from '../ui/State';
import { Switch } from '../ui/Tabs';
import { Ago } from '../ui/Time';
import { useAct } from '../ui/useAct';
import { Link } from '@tanstack/react-router';
import { ObjectDrawer } from './application/ObjectDrawer';
import { List, Tree } from './application/Tree';
import { Why } from './application/Why';
import styles from './Application.module.css';

type Detail = Schema['ApplicationDetail'];

export function Application() {
  const { name } = applicationRoute.useParams();
  const search = applicationRoute.useSearch();
  const { data, error, refetch } = useQuery(application(name));
  const navigate = useNavigate({ from: '/applications/$name' });
  const { act, busy, failure } = useAct();
  const view = search.view ?? 'tree';
  const start = (call: () => Promise<Schema['Operation']>) =>
    act(async () => {
      const key = application(name).queryKey;
      const before = client.getQueryData(key)?.operation?.startedAt;
      const operation = await call();
      // A short operation may have ended, and its event arrived, before this answer did.
      client.setQueryData(key, (old) => (old && old.operation?.startedAt === before ? { ...old, operation } : old));
      await client.invalidateQueries({ queryKey: key });
    });
  const sync = (body: Schema['SyncRequest']) => start(() => take(api.POST('/applications/{name}/sync', { params: { path: { name } }, body })));
  const rollback = (historyId: number) => start(() => take(api.POST('/applications/{name}/rollback', { params: { path: { name } }, body: { historyId } })));
  return (
    <Page
      name={name}
      title={
        <span className={styles.title}>
          {name}
          {data ? <code className={styles.version}>{data.version}</code> : null}
        </span>
      }
      about={data ? <About app={data} /> : null}
      actions={data ? <Actions app={data} busy={busy} sync={sync} rollback={rollback} /> : null}
    >
      {error ? <Failed error={error} again={() => void refetch()} /> : null}
      {failure ? <Failed error={failure} /> : null}
      {data ? (
        <>
          <Progress app={data} />
          <Why steps={data.why} />
          <div className="row wrap spread">
            <Switch
              label="View"
              value={view}
              onChange={(next) => void navigate({ search: (old) => ({ ...old, view: next === 'tree' ? undefined : next }), replace: true })}
              choices={[{ value: 'tree', label: 'Tree' }, { value: 'list', label: 'List' }, { value: 'history', label: 'History' }]}
            />
            <Summary app={data} />
          </div>
          {view === 'tree' ? <Tree app={data} open={search.object} /> : view === 'list' ? <List app={data} /> : <History app={data} busy={busy} rollback={rollback} />}
          {search.object ? <ObjectDrawer key={search.object} application={name} objectKey={search.object} tab={search.tab ?? 'summary'} /> : null}
        </>
      ) : error ? null : (
        <div className="panel">
          <Rows count={8} height={54} />
        </div>
      )}
    </Page>
  );
}

function About({ app }: { app: Detail }) {
  return (
    <span className="row wrap" style={{ gap: '4px 14px' }}>
      <HealthState health={app.health} title={app.healthMessage} />
      <SyncMark sync={app.sync} drift={app.outOfSync} />
      {app.entity ? <EntityLink reference={app.entity} /> : null}
      <span>
        <code>{app.source.path || '/'}</code> at {app.source.targetRevision}
        {app.revision ? (
          <>
            {' '}
            · <Hash value={app.revision} />
          </>
        ) : null}
      </span>
      <Badge>{app.autoSync ? 'syncs by itself' : 'synced by hand'}</Badge>
    </span>
  );
}

function Actions({ app, busy, sync, rollback }: { app: Detail; busy: boolean; sync: (body: Schema['SyncRequest']) => void; rollback: (id: number) => void }) {
  const { data: me } = useQuery(session);
  const may = (right: 'applications.sync' | 'applications.rollback') => me?.permissions.includes(right) ?? false;
  const running = app.operationPhase === 'Running' || app.operation?.phase === 'Running';
  const past = app.history.filter((entry) => !entry.current);
  const why = (right: 'applications.sync' | 'applications.rollback') => (may(right) ? undefined : 'You do not have the right; ask the owner for it');
  return (
    <>
      <Menu position="bottom-end" shadow="md" width={300}>
        <Menu.Target>
          <Button variant="default" disabled={!may('applications.rollback') || running || past.length === 0} rightSection={<IconChevronDown size={14} />} title={why('applications.rollback')}>
            Roll back
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Back to</Menu.Label>
          {past.slice(0, 8).map((entry) => (
            <Menu.Item key={entry.id} onClick={() => rollback(entry.id)}>
              <span className="row">
                <code>{entry.version || entry.revision.slice(0, 7)}</code>
                <span className="dim small push">
                  <Ago at={entry.deployedAt} />
                </span>
              </span>
              <span className="dim small">{entry.commit?.message}</span>
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Button.Group>
        <Button leftSection={<IconRefresh size={15} />} loading={busy} disabled={!may('applications.sync') || running} onClick={() => sync({})} title={why('applications.sync')}>
          Sync
        </Button>
        <Menu position="bottom-end" shadow="md" width={260}>
          <Menu.Target>
            <Button px={7} disabled={!may('applications.sync') || running} aria-label="Other ways to sync">
              <IconChevronDown size={14} />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => sync({ prune: true })}>Sync and delete what left Git</Menu.Item>
            <Menu.Item onClick={() => sync({ dryRun: true })}>Only plan and judge</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Button.Group>
    </>
  );
}

function Progress({ app }: { app: Detail }) {
  const operation = app.operation;
  // An old success is not news; what fails or runs is.
  const watched = useRef(false);
  if (operation?.phase === 'Running') watched.current = true;
  if (!operation || (operation.phase === 'Succeeded' && !watched.current)) return <Conditions app={app} />;
  const running = operation.phase === 'Running';
  const share = operation.total ? operation.done / operation.total : 0;
  return (
    <>
      <div className={`panel ${styles.operation}`} role="status">
        <Mark tone={running ? 'warn' : operation.phase === 'Succeeded' ? 'ok' : 'bad'} shape={running ? 'arc' : operation.phase === 'Succeeded' ? 'check' : 'cross'} />
        <span>
          <span className="strong">
            {operation.kind === 'sync' ? 'Sync' : 'Rollback'} {running ? 'runs' : operation.phase.toLowerCase()}
          </span>{' '}
          <span className="dim">{operation.message}</span>
        </span>
        <span className="dim small push">
          {operation.initiatedBy} · <Ago at={operation.finishedAt ?? operation.startedAt} />
        </span>
        {running ? <span className={styles.bar} style={{ width: `${Math.max(4, share * 100)}%` }} aria-hidden="true" /> : null}
      </div>
      {operation.refusals.length ? <Refusals refusals={operation.refusals} /> : <Conditions app={app} />}
    </>
  );
}

function Conditions({ app }: { app: Detail }) {
  return app.conditions.map((condition) => (
    <div key={condition.type + condition.message} className={`panel ${styles.operation}`}>
      <Mark tone="warn" shape="exclamation" />
      <span>
        <span className="strong">{condition.type}</span> <span className="dim">{condition.message}</span>
      </span>
      {condition.at ? (
        <span className="dim small push">
          <Ago at={condition.at} />
        </span>
      ) : null}
    </div>
  ));
}

function Summary({ app }: { app: Detail }) {
  return (
    <span className="dim small">
      {app.tree.length} objects, {app.objects} from Git
      {app.destination.namespace ? (
        <>
          {' '}
          · namespace <code>{app.destination.namespace}</code>
        </>
      ) : null}
    </span>
  );
}

function History({ app, busy, rollback }: { app: Detail; busy: boolean; rollback: (id: number) => void }) {
  const { data: me } = useQuery(session);
  const may = me?.permissions.includes('applications.rollback') ?? false;
  if (app.history.length === 0) {
    return (
      <div className="panel">
        <Empty title="No deployments yet">Each sync that changes the revision is listed here, and each can be gone back to.</Empty>
      </div>
    );
  }
  return (
    <div className="panel scroll">
      <table className="grid">
        <thead>
          <tr>
            <th>Version</th>
            <th>Commit</th>
            <th>What changed</th>
            <th>By</th>
            <th>Deployed</th>
            <th>
              <span className="hidden-visually">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {app.history.map((entry) => (
            <tr key={entry.id}>
              <td>
                <span className="row">
                  <code>{entry.version}</code>
                  {entry.current ? <Badge tone="accent">current</Badge> : null}
                </span>
              </td>
              <td>
                <Hash value={entry.revision} />
              </td>
              <td>{entry.commit?.message ?? <span className="dim">unknown</span>}</td>
              <td className="dim">{entry.initiatedBy}</td>
              <td className="dim">
                <Ago at={entry.deployedAt} />
                {entry.ledgerIndex !== null ? (
                  <>
                    {' · '}
                    <Link to="/audit/$index" params={{ index: String(entry.ledgerIndex) }} className="link">
                      entry {entry.ledgerIndex}
                    </Link>
                  </>
                ) : null}
              </td>
              <td style={{ textAlign: 'right' }}>
                {entry.current ? null : (
                  <Button variant="default" disabled={!may} loading={busy} onClick={() => rollback(entry.id)}>
                    Go back to it
                  </Button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
