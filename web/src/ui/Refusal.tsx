// A refusal looks the same everywhere: what, by which rule, where, what would make it pass, whom to ask.
import { Link } from '@tanstack/react-router';
import type { Refusal as Told } from '../api/client';
import { CopyButton } from './Copy';
import { Mark } from './State';
import { EntityLink } from './EntityLink';
import { dotted, plain, yaml } from './value';
import styles from './Refusal.module.css';

export function Refusals({ refusals, title }: { refusals: Told[]; title?: string }) {
  return (
    <div className={styles.list} role="group" aria-label={title ?? 'Refused'}>
      {title ? <p className={styles.lead}>{title}</p> : null}
      {refusals.map((refusal, i) => (
        <Refusal key={i} refusal={refusal} />
      ))}
    </div>
  );
}

/** `lead` says what the rule did; a rule that only reports refuses nothing. */
export function Refusal({ refusal, aside, lead = 'Refused by' }: { refusal: Told; aside?: React.ReactNode; lead?: string }) {
  const name = refusal.rule ? `${refusal.policy} › ${refusal.rule}` : refusal.policy;
  return (
    <article className={styles.refusal}>
      <div className={styles.head}>
        <Mark tone="bad" shape="bar" />
        <p>
          {lead}{' '}
          {refusal.policyId ? (
            <Link to="/policies/$id" params={{ id: refusal.policyId }} className="link strong">
              {name}
            </Link>
          ) : (
            <span className="strong">{name}</span>
          )}
        </p>
        {aside ? <div className="push">{aside}</div> : null}
      </div>
      <p>{refusal.message}</p>
      <dl className={styles.facts}>
        {refusal.path ? (
          <>
            <dt>Where</dt>
            <dd>
              <code>{refusal.path}</code>
              {refusal.value !== null && refusal.value !== undefined ? (
                <>
                  {' '}
                  is <code className={styles.value}>{plain(refusal.value)}</code>
                </>
              ) : (
                <span className="dim"> is not set</span>
              )}
            </dd>
          </>
        ) : null}
        {refusal.remedy ? (
          <>
            <dt>To pass</dt>
            <dd>{refusal.remedy}</dd>
          </>
        ) : null}
        {refusal.ask ? (
          <>
            <dt>Ask</dt>
            <dd>
              <EntityLink reference={refusal.ask} />
            </dd>
          </>
        ) : null}
      </dl>
      {refusal.patch ? <Patch patch={refusal.patch} /> : null}
    </article>
  );
}

function Patch({ patch }: { patch: NonNullable<Told['patch']> }) {
  return (
    <div className={styles.patch}>
      <div className={styles.patchHead}>
        <span>Smallest fix</span>
        <CopyButton text={JSON.stringify(patch, null, 2)} label="Copy as JSON patch" />
      </div>
      <pre tabIndex={0} aria-label="Smallest fix">
        {patch.map((operation, i) => (
          <div key={i} data-op={operation.op}>
            {operation.op === 'remove' ? '− ' : '+ '}
            {dotted(operation.path)}
            {operation.op === 'remove'
              ? ''
              : typeof operation.value === 'object' && operation.value !== null
                ? `:\n${yaml(operation.value, 4).trimEnd()}`
                : `: ${plain(operation.value)}`}
          </div>
        ))}
      </pre>
    </div>
  );
}
