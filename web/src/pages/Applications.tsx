// Applications: table, tiles, and the promotion board.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { IconLayoutGrid, IconStairsUp, IconTable } from '@tabler/icons-react';
import { createColumnHelper, flexRender, getCoreRowModel, getSortedRowModel, useReactTable } from '@tanstack/react-table';
import { useMemo, useState } from 'react';
import type { Schema } from '../api/client';
import { applications } from '../api/queries';
import { applicationsRoute } from '../app/router';
import { useScope } from '../app/scope';
import { rank } from '../app/rank';
import { Failed } from '../ui/Failed';
import { FilterChip, Search, counted } from '../ui/Filter';
import { Empty, Page, Rows } from '../ui/Panel';
import { HealthState, Mark, SyncMark, toneOf } from '../ui/State';
import { Switch } from '../ui/Tabs';
import { Ago } from '../ui/Time';
import { Board } from './Board';
import styles from './Applications.module.css';

type App = Schema['ApplicationSummary'];

export function Applications() {
  const { data, error, refetch } = useQuery(applications);
  const search = applicationsRoute.useSearch();
  const navigate = useNavigate({ from: '/applications' });
  const scope = useScope();
  const set = (change: Partial<typeof search>) => void navigate({ search: (old) => ({ ...old, ...change }), replace: true });
  const view = search.view ?? 'table';
  const shown = useMemo(() => {
    const scoped = (data ?? []).filter((app) => (!scope.environment || app.environment === scope.environment) && (!search.state || app.health === search.state || app.sync === search.state));
    return rank(scoped, search.q ?? '', (app) => `${app.name} ${app.destination.namespace} ${app.version}`);
  }, [data, scope.environment, search.state, search.q]);
  const states = counted(data ?? [], (app) => app.health).concat(counted(data ?? [], (app) => (app.sync === 'OutOfSync' ? app.sync : null), () => 'Differs from Git'));
  const filtered = Boolean(search.q ?? search.state ?? scope.environment);
  return (
    <Page title="Applications" about="What runs, and whether it is what Git says.">
      <div className="row wrap">
        {view === 'promotion' ? null : (
          <>
            <Search value={search.q ?? ''} onChange={(q) => set({ q: q || undefined })} placeholder="Search applications" />
            <FilterChip label="State" value={search.state} choices={states} onChange={(state) => set({ state })} />
          </>
        )}
        <div className="push">
          <Switch
            label="View"
            value={view}
            onChange={(next) => set({ view: next === 'table' ? undefined : next })}
            choices={[
              { value: 'table', label: <><IconTable size={15} aria-hidden="true" /> Table</> },
              { value: 'tiles', label: <><IconLayoutGrid size={15} aria-hidden="true" /> Tiles</> },
              { value: 'promotion', label: <><IconStairsUp size={15} aria-hidden="true" /> Promotion</> },
            ]}
          />
        </div>
      </div>
      {error ? (
        <Failed error={error} again={() => void refetch()} />
      ) : view === 'promotion' ? (
        <Board />
      ) : !data ? (
        <div className="panel">
          <Rows count={6} height={44} />
        </div>
      ) : shown.length === 0 ? (
        <div className="panel">
          {filtered && data.length ? (
            <Empty title="No application fits">Clear the search, the state, or the scope at the top right.</Empty>
          ) : (
            <Empty title="No applications yet" action={<Link to="/create" className="link">Create a service</Link>}>
              An application keeps a namespace as a folder in Git says. <code>kubectl apply</code> an Argo CD <code>Application</code>, push one to
              the <code>platform</code> repository, or let a golden path make it.
            </Empty>
          )}
        </div>
      ) : view === 'tiles' ? (
        <Tiles apps={shown} />
      ) : (
        <Table apps={shown} />
      )}
    </Page>
  );
}

const column = createColumnHelper<App>();
const columns = [
  column.accessor('name', {
    header: 'Application',
    cell: ({ row: { original: app } }) => (
      <Link to="/applications/$name" params={{ name: app.name }} className={styles.name}>
        {app.name}
      </Link>
    ),
  }),
  column.accessor('health', { header: 'Health', cell: ({ row: { original: app } }) => <HealthState health={app.health} title={app.healthMessage} /> }),
  column.accessor('sync', { header: 'Git', cell: ({ row: { original: app } }) => (app.operationPhase === 'Running' ? <Syncing /> : <SyncMark sync={app.sync} drift={app.outOfSync} />) }),
  column.accessor('version', { header: 'Version', cell: ({ getValue }) => <code>{getValue() || '–'}</code> }),
  column.accessor((app) => app.environment ?? '', { id: 'environment', header: 'Environment', cell: ({ getValue }) => getValue() || <span className="dim">–</span> }),
  column.accessor((app) => app.destination.namespace, { id: 'namespace', header: 'Namespace', cell: ({ getValue }) => <code>{getValue() || '–'}</code> }),
  column.accessor('objects', { header: 'Objects', cell: ({ getValue }) => <span className="numbers">{getValue()}</span> }),
  column.accessor((app) => app.lastSyncedAt ?? '', { id: 'synced', header: 'Synced', cell: ({ getValue }) => <span className="dim">{getValue() ? <Ago at={getValue()} /> : 'never'}</span> }),
];

function Syncing() {
  return (
    <span className="row" style={{ gap: 6 }}>
      <Mark tone="warn" shape="arc" /> Syncing
    </span>
  );
}

function Table({ apps }: { apps: App[] }) {
  const [sorting, setSorting] = useState<{ id: string; desc: boolean }[]>([]);
  const table = useReactTable({ data: apps, columns, state: { sorting }, onSortingChange: setSorting, getCoreRowModel: getCoreRowModel(), getSortedRowModel: getSortedRowModel() });
  return (
    <div className={`panel scroll ${styles.table}`}>
      <table className="grid">
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const sorted = header.column.getIsSorted();
                return (
                  <th key={header.id} aria-sort={sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : 'none'}>
                    <button type="button" className={`unstyled ${styles.sort}`} onClick={header.column.getToggleSortingHandler()}>
                      {flexRender(header.column.columnDef.header, header.getContext())}
                      <span aria-hidden="true">{sorted === 'asc' ? ' ↑' : sorted === 'desc' ? ' ↓' : ''}</span>
                    </button>
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id}>
              {row.getVisibleCells().map((cell) => (
                <td key={cell.id}>{flexRender(cell.column.columnDef.cell, cell.getContext())}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Tiles({ apps }: { apps: App[] }) {
  return (
    <ul className={styles.tiles}>
      {apps.map((app) => (
        <li key={app.name}>
          <Link to="/applications/$name" params={{ name: app.name }} className={`panel ${styles.tile}`} data-tone={toneOf(app.health)}>
            <div className="row spread">
              <span className="strong clip">{app.name}</span>
              <code>{app.version}</code>
            </div>
            <div className="row spread">
              <HealthState health={app.health} />
              {app.operationPhase === 'Running' ? <Syncing /> : <SyncMark sync={app.sync} drift={app.outOfSync} />}
            </div>
            <div className="row spread dim small">
              <span className="clip">{app.healthMessage || `${app.objects} objects in ${app.destination.namespace || 'the cluster'}`}</span>
              {app.lastSyncedAt ? <Ago at={app.lastSyncedAt} /> : 'never synced'}
            </div>
          </Link>
        </li>
      ))}
    </ul>
  );
}
