// The ledger, to be asked.
import { Button } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { IconRosetteDiscountCheck } from '@tabler/icons-react';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { type Schema, api, take } from '../api/client';
import { audit, session, system } from '../api/queries';
import { auditRoute } from '../app/router';
import { Failed } from '../ui/Failed';
import { Bone, Empty, Page, Rows } from '../ui/Panel';
import { Mark } from '../ui/State';
import { Switch } from '../ui/Tabs';
import { when } from '../ui/Time';
import { useAct } from '../ui/useAct';
import { EntryRow } from './audit/EntryRows';
import { Histogram } from './audit/Histogram';
import { QueryBar } from './audit/QueryBar';
import styles from './Audit.module.css';

const SPANS = { '15m': 15 * 60, '1h': 3600, '24h': 86_400, '7d': 7 * 86_400 };
type Span = keyof typeof SPANS | 'all' | 'own';

export function Audit() {
  const filter = auditRoute.useSearch();
  const navigate = useNavigate({ from: '/audit' });
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery(audit(filter));
  const [span, setSpan] = useState<Span>(filter.from ? 'own' : 'all');
  const first = data?.pages[0];
  const entries = data?.pages.flatMap((page) => page.items) ?? [];
  const chooseSpan = (next: Span) => {
    setSpan(next);
    const seconds = next === 'all' || next === 'own' ? null : SPANS[next];
    void navigate({
      search: ({ from: _, to: __, ...rest }) => (seconds ? { ...rest, from: new Date(Date.now() - seconds * 1000).toISOString() } : rest),
      replace: true,
    });
  };
  return (
    <Page title="Audit" about="Every decision and every change, in an append-only log that anybody can verify." actions={<Verify />}>
      <div className="row wrap">
        <QueryBar
          filter={filter}
          facets={first?.facets}
          onChange={(next) => void navigate({ search: ({ from, to }) => ({ ...next, ...(from ? { from } : {}), ...(to ? { to } : {}) }), replace: true })}
        />
        <Switch
          label="Time"
          value={span}
          onChange={chooseSpan}
          choices={[
            { value: '15m', label: '15 min' }, { value: '1h', label: '1 h' }, { value: '24h', label: '24 h' }, { value: '7d', label: '7 d' }, { value: 'all', label: 'All' },
            ...(span === 'own' ? [{ value: 'own' as const, label: 'Chosen' }] : []),
          ]}
        />
      </div>
      {error ? <Failed error={error} again={() => void refetch()} /> : null}
      <div className="panel">
        {first?.histogram ? (
          <Histogram
            data={first.histogram}
            choose={(from, to) => {
              setSpan('own');
              void navigate({ search: (old) => ({ ...old, from, to }) });
            }}
          />
        ) : (
          <div className={styles.chart}>{data ? null : <Bone height={84} />}</div>
        )}
        {span === 'own' && filter.from ? (
          <p className={`dim small ${styles.range}`}>
            {when(filter.from)} – {filter.to ? when(filter.to) : 'now'}
          </p>
        ) : null}
        <p className={`dim small ${styles.count}`} role="status">
          {first ? `${first.total} ${first.total === 1 ? 'entry' : 'entries'}` : 'Reading'}
        </p>
        {!data ? (
          error ? null : <Rows count={10} />
        ) : entries.length ? (
          <List entries={entries} more={hasNextPage && !isFetchingNextPage ? () => void fetchNextPage() : undefined} />
        ) : (
          <Empty title="No entry fits">
            Take a word or a <code>field:value</code> out of the query, or choose a longer time. Known fields: actor, verb, outcome, object, namespace,
            causality.
          </Empty>
        )}
      </div>
    </Page>
  );
}

const narrow = () => window.matchMedia('(max-width: 720px)').matches;

function List({ entries, more }: { entries: Schema['AuditEntry'][]; more: (() => void) | undefined }) {
  const list = useRef<HTMLDivElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => setOffset(list.current?.offsetTop ?? 0), []);
  const rows = useVirtualizer({
    count: entries.length,
    getScrollElement: () => document.documentElement,
    observeElementOffset: (_, report) => {
      const onScroll = () => report(window.scrollY, true);
      report(window.scrollY, false);
      window.addEventListener('scroll', onScroll, { passive: true });
      return () => window.removeEventListener('scroll', onScroll);
    },
    observeElementRect: (_, report) => {
      const onResize = () => report({ width: window.innerWidth, height: window.innerHeight });
      onResize();
      window.addEventListener('resize', onResize);
      return () => window.removeEventListener('resize', onResize);
    },
    scrollMargin: offset,
    estimateSize: () => (narrow() ? 78 : 39),
    overscan: 20,
  });
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= entries.length - 10) more?.();
  }, [last, entries.length, more]);
  return (
    <div ref={list} role="list" aria-label="Entries" style={{ height: rows.getTotalSize(), position: 'relative' }}>
      {items.map((item) => {
        const entry = entries[item.index] as Schema['AuditEntry'];
        return (
          <div key={entry.index} role="listitem" ref={rows.measureElement} data-index={item.index} className={styles.item} style={{ transform: `translateY(${item.start - offset}px)` }}>
            <EntryRow entry={entry} />
          </div>
        );
      })}
    </div>
  );
}

function Verify() {
  const { data: me } = useQuery(session);
  const { data: about } = useQuery(system);
  const { act, busy, failure } = useAct();
  const [result, setResult] = useState<Schema['LedgerVerification'] | null>(null);
  const may = me?.permissions.includes('audit.verify') ?? false;
  const run = () => act(async () => setResult(await take(api.POST('/audit/verify'))));
  return (
    <>
      <span className="dim small" role="status">
        {failure ? (
          <span className="row" style={{ gap: 6 }}><Mark tone="bad" shape="cross" /> {(failure as Error).message}</span>
        ) : result ? (
          <span className="row" style={{ gap: 6 }}>
            <Mark tone={result.ok ? 'ok' : 'bad'} shape={result.ok ? 'check' : 'cross'} />
            {result.ok ? `${result.size} entries verified in ${result.milliseconds} ms` : `Damaged${result.problem?.index === null || !result.problem ? '' : ` at entry ${result.problem.index}`}: ${result.problem?.message ?? ''}`}
          </span>
        ) : about ? (
          `${about.ledger.size} entries`
        ) : null}
      </span>
      <Button variant="default" leftSection={<IconRosetteDiscountCheck size={16} />} loading={busy} disabled={!may} onClick={run} title={may ? 'Recomputes every hash from the files' : 'You may not verify the ledger'}>
        Verify all
      </Button>
    </>
  );
}
