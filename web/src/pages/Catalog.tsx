// The catalog: one table with filters in the URL, columns to choose, views to keep; and the repositories.
import { Button, Menu } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { IconBookmark, IconCheck, IconColumns3, IconX } from '@tabler/icons-react';
import { useMemo, useRef, useState } from 'react';
import type { Schema } from '../api/client';
import { entities, repositories } from '../api/queries';
import { catalogRoute } from '../app/router';
import { rank } from '../app/rank';
import { useScope } from '../app/scope';
import { CopyButton, Hash } from '../ui/Copy';
import { EntityLink, parseRef } from '../ui/EntityLink';
import { Failed } from '../ui/Failed';
import { FilterChip, Search, counted } from '../ui/Filter';
import { KindIcon } from '../ui/KindIcon';
import { Empty, Page, Rows } from '../ui/Panel';
import { HealthState, Mark } from '../ui/State';
import { Switch } from '../ui/Tabs';
import { Ago } from '../ui/Time';
import styles from './Catalog.module.css';

type Entity = Schema['EntitySummary'];
type Search_ = ReturnType<typeof catalogRoute.useSearch>;

const COLUMNS = {
  type: { label: 'Type', width: '110px', cell: (e: Entity) => e.type },
  owner: { label: 'Owner', width: 'minmax(110px, 0.8fr)', cell: (e: Entity) => (e.owner ? <EntityLink reference={e.owner} /> : null) },
  system: { label: 'System', width: 'minmax(80px, 0.5fr)', cell: (e: Entity) => (e.system ? <EntityLink reference={e.system} /> : null) },
  lifecycle: { label: 'Lifecycle', width: '110px', cell: (e: Entity) => e.lifecycle },
  environments: { label: 'Environments', width: 'minmax(190px, 1fr)', cell: (e: Entity) => <Environments entity={e} /> },
  tags: { label: 'Tags', width: 'minmax(120px, 0.8fr)', cell: (e: Entity) => e.tags.map((tag) => <span key={tag} className="chip">{tag}</span>) },
};
type Column = keyof typeof COLUMNS;
const ALL = Object.keys(COLUMNS) as Column[];

function stored<T>(key: string, otherwise: T): T {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null') ?? otherwise;
  } catch {
    return otherwise;
  }
}

function useStored<T>(key: string, otherwise: T) {
  const [value, setValue] = useState<T>(() => stored(key, otherwise));
  const set = (next: T) => {
    setValue(next);
    try {
      localStorage.setItem(key, JSON.stringify(next));
    } catch {
      // It holds until the page is closed.
    }
  };
  return [value, set] as const;
}

export function Catalog() {
  const search = catalogRoute.useSearch();
  const navigate = useNavigate({ from: '/catalog' });
  const set = (change: Partial<Search_>) => void navigate({ search: (old) => ({ ...old, ...change }), replace: true });
  const view = search.view ?? 'entities';
  return (
    <Page title="Catalog" about="Everything the organisation has, who owns it and what depends on it.">
      {view === 'entities' ? <Entities search={search} set={set} /> : (
        <>
          <div className="row">
            <ViewSwitch view={view} set={set} />
          </div>
          <Repositories />
        </>
      )}
    </Page>
  );
}

function ViewSwitch({ view, set }: { view: 'entities' | 'repositories'; set: (change: Partial<Search_>) => void }) {
  return (
    <div className="push">
      <Switch label="View" value={view} onChange={(next) => set({ view: next === 'entities' ? undefined : next })} choices={[{ value: 'entities', label: 'Entities' }, { value: 'repositories', label: 'Repositories' }]} />
    </div>
  );
}

function Entities({ search, set }: { search: Search_; set: (change: Partial<Search_>) => void }) {
  const { data, error, refetch } = useQuery(entities);
  const scope = useScope();
  const [columns, setColumns] = useStored<Column[]>('ridgeway-catalog-columns', ALL);
  const [views, setViews] = useStored<{ name: string; search: Search_ }[]>('ridgeway-catalog-views', []);
  const shown = useMemo(() => {
    const fits = (data ?? []).filter(
      (e) =>
        (!search.kind || e.kind === search.kind) &&
        (!search.owner || e.owner === search.owner) &&
        (!search.lifecycle || e.lifecycle === search.lifecycle) &&
        (!search.tag || e.tags.includes(search.tag)) &&
        (!scope.team || e.owner === scope.team || e.ref === scope.team),
    );
    return rank(fits, search.q ?? '', (e) => `${e.title} ${e.ref} ${e.description} ${e.tags.join(' ')}`);
  }, [data, search, scope.team]);
  const all = data ?? [];
  const title = (reference: string) => all.find((e) => e.ref === reference)?.title ?? parseRef(reference).name;
  const tags = counted(all.flatMap((e) => e.tags.map((tag) => ({ tag }))), (t) => t.tag);
  const filtered = Boolean(search.q ?? search.kind ?? search.owner ?? search.lifecycle ?? search.tag ?? scope.team);
  const keep = () => {
    const name = [search.kind, search.owner && title(search.owner), search.lifecycle, search.tag, search.q].filter(Boolean).join(' · ');
    setViews([...views.filter((v) => v.name !== name), { name, search }]);
  };
  return (
    <>
      <div className="row wrap">
        <Search value={search.q ?? ''} onChange={(q) => set({ q: q || undefined })} placeholder="Search the catalog" />
        <FilterChip label="Kind" value={search.kind} choices={counted(all, (e) => e.kind)} onChange={(kind) => set({ kind })} />
        <FilterChip label="Owner" value={search.owner} choices={counted(all, (e) => e.owner, title)} onChange={(owner) => set({ owner })} />
        <FilterChip label="Lifecycle" value={search.lifecycle} choices={counted(all, (e) => e.lifecycle)} onChange={(lifecycle) => set({ lifecycle })} />
        <FilterChip label="Tag" value={search.tag} choices={tags} onChange={(tag) => set({ tag })} />
        <ViewSwitch view="entities" set={set} />
      </div>
      <div className={`row wrap ${styles.second}`}>
        <span className="dim small" role="status">
          {data ? `${shown.length} of ${all.length} entities` : ' '}
        </span>
        {views.map((view) => (
          <span key={view.name} className="chip">
            <button type="button" className="unstyled" onClick={() => set({ q: undefined, kind: undefined, owner: undefined, lifecycle: undefined, tag: undefined, ...view.search })}>
              {view.name}
            </button>
            <button type="button" className={`unstyled ${styles.forget}`} onClick={() => setViews(views.filter((v) => v !== view))} aria-label={`Forget the view ${view.name}`}>
              <IconX size={12} />
            </button>
          </span>
        ))}
        <span className="row push" style={{ gap: 4 }}>
          {filtered && !scope.team ? (
            <Button variant="subtle" color="gray" size="compact-xs" leftSection={<IconBookmark size={14} />} onClick={keep} className={styles.quiet}>
              Keep this view
            </Button>
          ) : null}
          <Menu position="bottom-end" shadow="md" closeOnItemClick={false} width={180}>
            <Menu.Target>
              <Button variant="subtle" color="gray" size="compact-xs" leftSection={<IconColumns3 size={14} />} className={styles.quiet}>
                Columns
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {ALL.map((name) => (
                <Menu.Item
                  key={name}
                  role="menuitemcheckbox"
                  aria-checked={columns.includes(name)}
                  leftSection={<IconCheck size={14} style={{ visibility: columns.includes(name) ? 'visible' : 'hidden' }} />}
                  onClick={() => setColumns(columns.includes(name) ? columns.filter((c) => c !== name) : ALL.filter((c) => c === name || columns.includes(c)))}
                >
                  {COLUMNS[name].label}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
        </span>
      </div>
      {error ? (
        <Failed error={error} again={() => void refetch()} />
      ) : !data ? (
        <div className="panel">
          <Rows count={9} height={50} />
        </div>
      ) : shown.length ? (
        <Table entities={shown} columns={columns} />
      ) : (
        <div className="panel">
          {filtered ? (
            <Empty title="No entity fits">Clear a filter, or the team in the scope at the top right.</Empty>
          ) : (
            <Empty title="The catalog is empty" action={<Button component={Link} to="/create">Create a service</Button>}>
              Put a <code>catalog-info.yaml</code> into a repository of the platform and push: it appears here at once, with its owner and its relations.
            </Empty>
          )}
        </div>
      )}
    </>
  );
}

const ROW = 50;

function Table({ entities: shown, columns }: { entities: Entity[]; columns: Column[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 12 });
  const template = { gridTemplateColumns: `minmax(220px, 1.6fr) ${columns.map((name) => COLUMNS[name].width).join(' ')}` };
  const width = 240 + columns.length * 130;
  return (
    <div ref={scroller} className={`panel ${styles.table}`} role="table" aria-label="Entities" aria-rowcount={shown.length + 1} tabIndex={0}>
      <div style={{ minWidth: width }}>
        <div role="row" className={styles.head} style={template}>
          <span role="columnheader">Entity</span>
          {columns.map((name) => (
            <span key={name} role="columnheader">
              {COLUMNS[name].label}
            </span>
          ))}
        </div>
        <div style={{ height: rows.getTotalSize(), position: 'relative' }} role="rowgroup">
          {rows.getVirtualItems().map((item) => {
            const entity = shown[item.index] as Entity;
            return (
              <div key={entity.ref} role="row" aria-rowindex={item.index + 2} className={styles.row} style={{ ...template, transform: `translateY(${item.start}px)`, height: ROW }}>
                <div role="cell" className={styles.entity}>
                  <KindIcon kind={entity.kind} />
                  <div className="clip">
                    <div className="clip">
                      <EntityLink reference={entity.ref}>
                        <span className={styles.name}>{entity.title}</span>
                      </EntityLink>
                      {entity.problems.length ? <span className={styles.problem}><Mark tone="warn" shape="exclamation" label={entity.problems.join('; ')} size={14} /></span> : null}
                    </div>
                    <div className="dim small clip" title={entity.description}>
                      {entity.description || entity.kind}
                    </div>
                  </div>
                </div>
                {columns.map((name) => (
                  <div key={name} role="cell" className={`row ${styles.cell}`}>
                    {COLUMNS[name].cell(entity)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Environments({ entity }: { entity: Entity }) {
  return entity.deployments.map((d) => (
    <Link key={d.application} to="/applications/$name" params={{ name: d.application }} className={styles.environment} title={`${d.application}: ${d.health}, ${d.version}`}>
      <HealthState health={d.health} quiet />
      {d.environment}
    </Link>
  ));
}

function Repositories() {
  const { data, error, refetch } = useQuery(repositories);
  if (error) return <Failed error={error} again={() => void refetch()} />;
  if (!data) return <div className="panel"><Rows count={4} height={50} /></div>;
  if (data.length === 0) {
    return (
      <div className="panel">
        <Empty title="No repositories">
          The platform serves Git. A golden path makes a repository; <code>git push</code> to a new name under <code>/git/</code> does too.
        </Empty>
      </div>
    );
  }
  return (
    <div className="panel scroll">
      <table className="grid">
        <thead>
          <tr>
            <th>Repository</th>
            <th>Last commit</th>
            <th>Entities</th>
            <th>Applications</th>
            <th>Clone</th>
          </tr>
        </thead>
        <tbody>
          {data.map((repository) => (
            <tr key={repository.name}>
              <td className="strong">{repository.name}</td>
              <td>
                {repository.head ? (
                  <div>
                    <div className={`clip ${styles.message}`} title={repository.head.message}>{repository.head.message}</div>
                    <div className="dim small row" style={{ gap: 4 }}>
                      {repository.head.author} · <Ago at={repository.head.at} /> · <Hash value={repository.head.sha} />
                    </div>
                  </div>
                ) : (
                  <span className="dim">empty</span>
                )}
              </td>
              <td>{repository.entities.map((e) => <div key={e} className={styles.tall}><EntityLink reference={e} /></div>)}</td>
              <td>
                {repository.applications.map((name) => (
                  <div key={name} className={styles.tall}>
                    <Link to="/applications/$name" params={{ name }} className="link">
                      {name}
                    </Link>
                  </div>
                ))}
              </td>
              <td>
                <span className="row" style={{ gap: 2 }}>
                  <code className="dim">{repository.url}</code>
                  <CopyButton text={`git clone ${repository.url}`} label="Copy the clone command" />
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
