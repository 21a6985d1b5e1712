// One policy: its rules in plain words, what breaks them, and what would make it pass.
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Schema } from '../api/client';
import { policy } from '../api/queries';
import { policyRoute } from '../app/router';
import { PassBar, Trend } from '../ui/Charts';
import { Code } from '../ui/Code';
import { EntityLink } from '../ui/EntityLink';
import { Failed } from '../ui/Failed';
import { Page, Panel, Rows } from '../ui/Panel';
import { Refusal } from '../ui/Refusal';
import { Badge, Mark } from '../ui/State';
import { Ago } from '../ui/Time';
import { Severity } from './Policies';
import styles from './Policy.module.css';
import { Ask } from './policy/Ask';
import { Exceptions } from './policy/Exceptions';
import { Hours } from './policy/Hours';

export function Policy() {
  const { id } = policyRoute.useParams();
  const { data, error, refetch } = useQuery(policy(id));
  return (
    <Page name={data?.title ?? 'Policy'} title={data?.title ?? 'Policy'} about={data?.description}>
      {error ? <Failed error={error} again={() => void refetch()} /> : data ? <Body data={data} /> : <div className="panel"><Rows count={5} height={70} /></div>}
    </Page>
  );
}

function Body({ data }: { data: Schema['PolicyDetail'] }) {
  return (
    <>
      <div className={`panel ${styles.facts}`}>
        <code>{data.name}</code>
        <span className="dim">{data.kind}</span>
        <Severity severity={data.severity} />
        <Badge>{data.mode === 'enforce' ? 'refuses' : 'only reports'}</Badge>
        {data.category ? <span className="dim">{data.category}</span> : null}
        <span className="row push" style={{ gap: 20 }}>
          <Link to="/audit" search={{ outcome: 'refused', q: data.name }} className="link">
            {data.refused24h} refused in 24 h
          </Link>
          <Trend values={data.trend} label={`Failing objects over ${data.trend.length} days`} />
          <PassBar passed={data.passed} failed={data.failed} />
        </span>
      </div>
      {data.violations.length ? null : (
        <div className={`panel ${styles.facts}`} role="status">
          <Mark tone="ok" shape="check" /> {data.passed ? `All ${data.passed} objects it applies to pass.` : 'It applies to no object yet, or only makes and changes objects.'}
        </div>
      )}
      <div className={styles.columns}>
        {data.violations.length ? <Breaks data={data} /> : <Rules data={data} />}
        <div className="stack" style={{ gap: 16 }}>
          {data.violations.length ? <Rules data={data} /> : null}
          {data.exceptions.length ? (
            <Panel title="Exceptions" note={String(data.exceptions.length)}>
              <Exceptions items={data.exceptions} policies={false} />
            </Panel>
          ) : null}
          <Panel title="Trend">
            <Hours hours={data.hours} />
          </Panel>
          <Panel title="As written">
            <Code text={data.yaml} label="policy" />
          </Panel>
        </div>
      </div>
    </>
  );
}

function Breaks({ data }: { data: Schema['PolicyDetail'] }) {
  const [asking, setAsking] = useState<number>();
  return (
    <Panel title="Breaks it now" note={String(data.failed)}>
      <div className="stack">
        {data.violations.map((violation, i) => (
          <div key={i} className="stack" style={{ gap: 6 }}>
            <div className="row wrap">
              {violation.refusal.object ? (
                <span>
                  <span className="dim">{violation.refusal.object.kind}</span> <code>{violation.refusal.object.namespace ? `${violation.refusal.object.namespace}/` : ''}{violation.refusal.object.name}</code>
                </span>
              ) : null}
              {violation.application ? (
                <Link to="/applications/$name" params={{ name: violation.application }} search={violation.refusal.object ? { object: violation.refusal.object.key } : {}} className="link">
                  {violation.application}
                </Link>
              ) : null}
              {violation.owner ? <EntityLink reference={violation.owner} /> : null}
              {violation.since ? (
                <span className="dim small push">
                  since <Ago at={violation.since} />
                </span>
              ) : null}
            </div>
            <Refusal refusal={violation.refusal} lead="Breaks" />
            {!data.excepts || !violation.refusal.object ? null : asking === i ? (
              <Ask policyId={data.id} violation={violation} close={() => setAsking(undefined)} />
            ) : (
              <div>
                <Button size="compact-sm" variant="default" onClick={() => setAsking(i)} aria-label={`Ask for an exception for ${violation.refusal.object.name}`}>
                  Ask for an exception
                </Button>
              </div>
            )}
          </div>
        ))}
        {data.violations.length < data.failed ? <p className="dim small">The first {data.violations.length} of {data.failed}.</p> : null}
      </div>
    </Panel>
  );
}

function Rules({ data }: { data: Schema['PolicyDetail'] }) {
  return (
    <Panel title="Rules" note={String(data.ruleList.length)} flush>
      <ul>
        {data.ruleList.map((rule) => (
          <li key={rule.name} className={styles.rule}>
            <div className="row spread">
              <span className="strong">{rule.name}</span>
              <span className="dim small">
                {rule.kind} · line {rule.line}
              </span>
            </div>
            <p>{rule.words}</p>
            <p className="dim small">Applies to {rule.applies}.</p>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
