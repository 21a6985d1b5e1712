// The form that asks for an exception for one object.
import { Button, Select, TextInput, Textarea } from '@mantine/core';
import '@mantine/core/styles/Combobox.layer.css';
import '@mantine/core/styles/ScrollArea.layer.css';
import { type FormEvent, useState } from 'react';
import { api, take } from '../../api/client';
import type { Schema } from '../../api/client';
import { Failed } from '../../ui/Failed';
import { useAct } from '../../ui/useAct';
import { refresh } from './Exceptions';
import styles from './Exceptions.module.css';

const HOUR = 3600;
const LENGTHS = [
  { label: 'an hour', value: String(HOUR) },
  { label: 'a day', value: String(24 * HOUR) },
  { label: 'a week', value: String(7 * 24 * HOUR) },
  { label: '30 days', value: String(30 * 24 * HOUR) },
];

export function Ask({ policyId, violation, close }: { policyId: string; violation: Schema['Violation']; close: () => void }) {
  const { act, busy, failure } = useAct();
  const object = violation.refusal.object;
  const [owner, setOwner] = useState(violation.owner?.split('/').at(-1) ?? '');
  const [reason, setReason] = useState('');
  const [length, setLength] = useState(String(7 * 24 * HOUR));
  if (!object) return null;
  const send = (event: FormEvent) => {
    event.preventDefault();
    const body = {
      policyId,
      rule: violation.refusal.rule,
      objectKind: object.kind,
      namespace: object.namespace,
      objectName: object.name,
      owner,
      reason,
      expiresAt: new Date(Date.now() + Number(length) * 1000).toISOString(),
    };
    act(() =>
      take(api.POST('/policies/exceptions', { body }))
        .then(refresh)
        .then(close),
    );
  };
  return (
    <form className={styles.form} onSubmit={send} aria-label={`Exception for ${object.name}`}>
      <p className="dim small">
        {object.kind} {object.namespace ? `${object.namespace}/` : ''}
        {object.name} is let through and no longer counted, once somebody who may approve exceptions agrees, until the time is over.
      </p>
      <div className={styles.fields}>
        <TextInput label="Owner" description="Who answers for it" required value={owner} onChange={(event) => setOwner(event.currentTarget.value)} />
        <Select label="For" description="Then the rule counts again" data={LENGTHS} value={length} onChange={(next) => setLength(next ?? length)} allowDeselect={false} />
      </div>
      <Textarea label="Reason" description="Why the rule cannot be met now" required autosize minRows={2} value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
      {failure ? <Failed error={failure} /> : null}
      <div className="row">
        <Button type="submit" loading={busy}>
          Ask for it
        </Button>
        <Button variant="default" onClick={close}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
