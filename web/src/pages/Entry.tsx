// One ledger entry: who did what, before and after, who was asked, and the proof.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { IconArrowLeft, IconArrowRight } from '@tabler/icons-react';
import { useState } from 'react';
import { shortActor } from '../ui/fold';
import { told } from '../ui/words';
import type { Schema } from '../api/client';
import { entry } from '../api/queries';
import { entryRoute } from '../app/router';
import { Code } from '../ui/Code';
import { Entries, TextDiff } from '../ui/Diff';
import { Failed } from '../ui/Failed';
import { Page, Panel, Rows } from '../ui/Panel';
import { Refusals } from '../ui/Refusal';
import { Mark, OutcomeState } from '../ui/State';
import { Switch } from '../ui/Tabs';
import { Ago, when } from '../ui/Time';
import { Proof } from './audit/Proof';
import styles from './Entry.module.css';

export function Entry() {
  const { index } = entryRoute.useParams();
  const { data, error, refetch } = useQuery(entry(Number(index)));
  const at = Number(index);
  return (
    <Page
      name={`Entry ${index}`}
      title={<span className="numbers">Entry {index}</span>}
      about={data ? <Sentence entry={data.entry} /> : null}
      actions={
        <>
          {at > 0 ? (
            <Link to="/audit/$index" params={{ index: String(at - 1) }} className={styles.step}>
              <IconArrowLeft size={15} aria-hidden="true" /> Earlier
            </Link>
          ) : null}
          {data && at + 1 < data.proof.size ? (
            <Link to="/audit/$index" params={{ index: String(at + 1) }} className={styles.step}>
              Later <IconArrowRight size={15} aria-hidden="true" />
            </Link>
          ) : null}
        </>
      }
    >
      {error ? <Failed error={error} again={() => void refetch()} /> : data ? <Body data={data} /> : <div className="panel"><Rows count={6} height={48} /></div>}
    </Page>
  );
}

function Sentence({ entry: e }: { entry: Schema['AuditEntry'] }) {
  return (
    <span className="row wrap">
      <OutcomeState outcome={e.outcome} />
      <span>
        <span className="strong" style={{ color: 'var(--text)' }}>{shortActor(e.actor.name)}</span> {told(e.summary, e.outcome)}
      </span>
    </span>
  );
}

function Body({ data }: { data: Schema['AuditEntryDetail'] }) {
  return (
    <div className={styles.columns}>
      <div className="stack" style={{ gap: 16 }}>
        {data.refusals.length ? <Refusals refusals={data.refusals} /> : null}
        <Change data={data} />
        {data.evaluated.length ? (
          <Panel title="Who was asked" note={String(data.evaluated.length)} flush>
            <ul className={styles.asked}>
              {data.evaluated.map((rule) => {
                const good = /^(pass|allow|skip)/i.test(rule.result);
                return (
                  <li key={rule.rule}>
                    <Mark tone={good ? 'ok' : 'bad'} shape={good ? 'check' : 'bar'} /> <span>{rule.rule}</span> <span className="dim push">{rule.result}</span>
                  </li>
                );
              })}
            </ul>
          </Panel>
        ) : null}
      </div>
      <div className="stack" style={{ gap: 16 }}>
        <Panel title="Facts">
          <Facts entry={data.entry} />
        </Panel>
        <Proof detail={data} />
      </div>
    </div>
  );
}

function Change({ data }: { data: Schema['AuditEntryDetail'] }) {
  const [view, setView] = useState<'fields' | 'lines' | 'after'>(data.changes.length ? 'fields' : 'lines');
  if (data.before === null && data.after === null && data.changes.length === 0) {
    return (
      <Panel title="Change">
        <p className="dim">This entry records an action, not a change of an object.</p>
      </Panel>
    );
  }
  const choices = [
    ...(data.changes.length ? [{ value: 'fields' as const, label: 'Fields' }] : []),
    { value: 'lines' as const, label: 'Lines' },
    ...(data.after ? [{ value: 'after' as const, label: 'Whole object' }] : []),
  ];
  return (
    <Panel title="Change" actions={<Switch label="View" value={view} onChange={setView} choices={choices} />}>
      {view === 'fields' ? <Entries entries={data.changes} before="before" after="after" reasons={false} /> : view === 'after' && data.after ? <Code text={data.after} label="object after the change" /> : <TextDiff before={data.before ?? ''} after={data.after ?? ''} />}
    </Panel>
  );
}

function Facts({ entry: e }: { entry: Schema['AuditEntry'] }) {
  const facts: [string, React.ReactNode][] = [
    ['When', <span key="at">{when(e.at)} <span className="dim">(<Ago at={e.at} />)</span></span>],
    ['Actor', <Link key="actor" to="/audit" search={{ actor: e.actor.name }} className="link">{e.actor.name}</Link>],
    ['On behalf of', e.actor.impersonator],
    ['Verb', e.subresource ? `${e.verb} ${e.subresource}` : e.verb],
    ['Object', e.object ? <Link key="object" to="/audit" search={{ object: e.object.key }} className="link">{e.object.kind} {e.object.namespace ? `${e.object.namespace}/` : ''}{e.object.name}</Link> : null],
    ['Cause', e.causality ? <Link key="cause" to="/audit" search={{ causality: e.causality }} className="link mono">{e.causality}</Link> : null],
    ['From', e.source],
  ];
  return (
    <dl className={styles.facts}>
      {facts.filter(([, value]) => value).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
