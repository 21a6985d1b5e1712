// The promotion board: stages as columns, the version as the card.
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { IconArrowRight } from '@tabler/icons-react';
import { type Schema, api, take } from '../api/client';
import { promotions, session } from '../api/queries';
import { EntityLink } from '../ui/EntityLink';
import { Failed } from '../ui/Failed';
import { Empty, Rows } from '../ui/Panel';
import { Refusals } from '../ui/Refusal';
import { HealthState, SyncMark } from '../ui/State';
import { Ago } from '../ui/Time';
import { useAct } from '../ui/useAct';
import styles from './Board.module.css';

export function Board() {
  const { data, error, refetch } = useQuery(promotions);
  if (error) return <Failed error={error} again={() => void refetch()} />;
  if (!data) return <div className="panel"><Rows count={3} height={96} /></div>;
  if (data.length === 0) {
    return (
      <div className="panel">
        <Empty title="Nothing to promote">
          A <code>Promotion</code> names the applications of a service in order, such as staging and production. Then a version goes from one to the next
          with one button, and only when it was healthy before.
        </Empty>
      </div>
    );
  }
  return (
    <div className="stack">
      {data.map((board) => (
        <Lane key={board.entity + board.title} board={board} />
      ))}
    </div>
  );
}

function Lane({ board }: { board: Schema['PromotionBoard'] }) {
  const { data: me } = useQuery(session);
  const cache = useQueryClient();
  const navigate = useNavigate();
  const { act, busy, failure } = useAct();
  const next = board.next;
  const may = me?.permissions.includes('promotions.create') ?? false;
  const promote = () =>
    act(async () => {
      if (!next) return;
      const result = await take(api.POST('/promotions', { body: { entity: board.entity, to: next.to } }));
      await cache.invalidateQueries({ queryKey: promotions.queryKey });
      await navigate({ to: '/applications/$name', params: { name: result.application } });
    });
  const aside = next && next.blocked.length > 0;
  return (
    <section className={`panel ${styles.lane}`} aria-label={board.title}>
      <h2 className={styles.title}>
        <EntityLink reference={board.entity}>{board.title}</EntityLink>
      </h2>
      <div className={styles.stages}>
        {board.stages.map((stage, i) => (
          <div key={stage.name} className={styles.step}>
            {i > 0 ? (
              <div className={styles.between}>
                {next?.to === stage.name ? (
                  <Button rightSection={<IconArrowRight size={14} />} loading={busy} disabled={aside || !may} onClick={promote} title={may ? undefined : 'You may not promote; ask the owner for it'}>
                    Promote {next.version}
                  </Button>
                ) : (
                  <IconArrowRight size={16} aria-hidden="true" className="dim" />
                )}
              </div>
            ) : null}
            <Stage stage={stage} />
          </div>
        ))}
      </div>
      {aside ? <Refusals refusals={next.blocked} title={`Not yet to ${next.to}`} /> : null}
      {failure ? <Failed error={failure} /> : null}
    </section>
  );
}

function Stage({ stage }: { stage: Schema['PromotionStage'] }) {
  const { deployment, commit } = stage;
  return (
    <div className={styles.stage}>
      <div className="dim small">{stage.name}</div>
      {deployment ? (
        <>
          <Link to="/applications/$name" params={{ name: deployment.application }} className={styles.version}>
            {deployment.version || 'nothing yet'}
          </Link>
          <div className="row wrap">
            <HealthState health={deployment.health} />
            {deployment.sync === 'Synced' ? null : <SyncMark sync={deployment.sync} drift={deployment.drift} />}
          </div>
          <div className="dim small clip" title={commit?.message}>
            {commit ? `${commit.message}` : null}
          </div>
          <div className="dim small">
            {commit ? `${commit.author} · ` : null}
            {deployment.changedAt ? <Ago at={deployment.changedAt} /> : 'never synced'}
          </div>
        </>
      ) : (
        <div className="dim">Nothing is deployed here.</div>
      )}
    </div>
  );
}
