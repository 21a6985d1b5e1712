// Exceptions to policies: who asked, why, how long they last, and the approval by somebody else.
import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { api, take } from '../../api/client';
import type { Schema } from '../../api/client';
import { client } from '../../api/queries';
import { Failed } from '../../ui/Failed';
import { Mark } from '../../ui/State';
import { Ago, span } from '../../ui/Time';
import { useAct } from '../../ui/useAct';
import styles from './Exceptions.module.css';

type Exception = Schema['PolicyException'];

const HELD: { [state in Exception['state']]: string } = { Requested: 'Asks not to be held to ', Approved: 'Not held to ', Expired: 'Was not held to ' };

/** Reads everything anew that shows an exception. */
export function refresh() {
  return Promise.all([client.invalidateQueries({ queryKey: ['exceptions'] }), client.invalidateQueries({ queryKey: ['policy'] })]);
}

export function Exceptions({ items, policies = true }: { items: Exception[]; policies?: boolean }) {
  return (
    <ul className={styles.list}>
      {items.map((item) => (
        <Item key={item.id} item={item} policies={policies} />
      ))}
    </ul>
  );
}

function Item({ item, policies }: { item: Exception; policies: boolean }) {
  const { act, busy, failure } = useAct();
  const params = { params: { path: { id: item.id } } };
  const approve = () => act(() => take(api.POST('/policies/exceptions/{id}/approve', params)).then(refresh));
  const remove = () => act(() => take(api.DELETE('/policies/exceptions/{id}', params)).then(refresh));
  return (
    <li className={styles.item} data-state={item.state}>
      <div className="row wrap">
        <State item={item} />
        <span>{item.covers}</span>
        <span className="row push">
          {item.mayApprove ? (
            <Button size="compact-sm" loading={busy} onClick={approve} aria-label={`Approve ${item.name}`}>
              Approve
            </Button>
          ) : null}
          {item.mayRemove ? (
            <Button size="compact-sm" variant="default" loading={busy} onClick={remove} aria-label={`${item.state === 'Approved' ? 'End now' : 'Remove'}: ${item.name}`}>
              {item.state === 'Approved' ? 'End now' : 'Remove'}
            </Button>
          ) : null}
        </span>
      </div>
      {policies ? (
        <p className="small">
          {item.policyIds.length
            ? item.policyIds.map((id, i) => (
                <span key={id}>
                  {i ? ', ' : HELD[item.state]}
                  <Link to="/policies/$id" params={{ id }} className="link">
                    {id.split('~').at(-1)}
                  </Link>
                </span>
              ))
            : `Names ${item.policies.map((policy) => policy.name).join(', ')}, which is not in force.`}
        </p>
      ) : null}
      <p>{item.reason || <span className="dim">No reason is given.</span>}</p>
      <p className="dim small">
        {item.owner ? `${item.owner} answers for it · ` : ''}asked by {item.requestedBy || 'somebody'} <Ago at={item.requestedAt} />
        {item.approvedBy ? (
          <>
            {' '}
            · approved by {item.approvedBy} {item.approvedAt ? <Ago at={item.approvedAt} /> : null}
          </>
        ) : null}{' '}
        · <code>{item.name}</code>
      </p>
      {item.state === 'Requested' && item.own ? <p className="dim small">You asked for it, so somebody else has to approve it.</p> : null}
      {item.faults.map((fault) => (
        <p key={fault} className="small">
          <Mark tone="bad" shape="exclamation" /> {fault}
        </p>
      ))}
      {failure ? <Failed error={failure} /> : null}
    </li>
  );
}

function State({ item }: { item: Exception }) {
  const left = item.secondsLeft;
  if (item.state === 'Requested') {
    return (
      <span className={styles.state}>
        <Mark tone="warn" shape="pause" /> Waits for approval
      </span>
    );
  }
  if (item.state === 'Expired') {
    return (
      <span className={styles.state}>
        <Mark tone="idle" shape="bar" /> Over{' '}
        {item.expiresAt ? (
          <span className="dim">
            <Ago at={item.expiresAt} />
          </span>
        ) : null}
      </span>
    );
  }
  return (
    <span className={styles.state}>
      <Mark tone="ok" shape="check" /> {left === null ? 'Counts until removed' : `${span(left)} left`}
    </span>
  );
}
