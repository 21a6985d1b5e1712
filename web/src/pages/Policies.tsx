// All policies with how many objects pass and fail.
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { IconClockPause, IconFlask } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import type { Schema } from '../api/client';
import { policies } from '../api/queries';
import { rank } from '../app/rank';
import { PassBar, Trend } from '../ui/Charts';
import { Failed } from '../ui/Failed';
import { FilterChip, Search, counted } from '../ui/Filter';
import { Empty, Page, Rows } from '../ui/Panel';
import { Badge } from '../ui/State';
import styles from './Policies.module.css';

export function Policies() {
  const { data, error, refetch } = useQuery(policies);
  const [q, setQ] = useState('');
  const [category, setCategory] = useState<string>();
  const shown = useMemo(() => rank((data ?? []).filter((policy) => !category || policy.category === category), q, (policy) => `${policy.title} ${policy.name} ${policy.category}`), [data, q, category]);
  const failing = data?.reduce((sum, policy) => sum + policy.failed, 0) ?? 0;
  const refused = data?.reduce((sum, policy) => sum + policy.refused24h, 0) ?? 0;
  return (
    <Page
      title="Policies"
      about={data ? `${data.length} policies · ${failing} ${failing === 1 ? 'object fails' : 'objects fail'} · ${refused} requests refused in 24 h` : 'What may be in the cluster, and what is asked to change.'}
      actions={
        <>
          <Button variant="default" component={Link} to="/policies/exceptions" leftSection={<IconClockPause size={15} />}>
            Exceptions
          </Button>
          <Button variant="default" component={Link} to="/policies/playground" leftSection={<IconFlask size={15} />}>
            Playground
          </Button>
        </>
      }
    >
      <div className="row wrap">
        <Search value={q} onChange={setQ} placeholder="Search policies" />
        <FilterChip label="Category" value={category} choices={counted(data ?? [], (policy) => policy.category)} onChange={setCategory} />
      </div>
      {error ? (
        <Failed error={error} again={() => void refetch()} />
      ) : !data ? (
        <div className="panel">
          <Rows count={5} height={62} />
        </div>
      ) : shown.length === 0 ? (
        <div className="panel">
          {data.length ? (
            <Empty title="No policy fits">Clear the search or the category.</Empty>
          ) : (
            <Empty title="No policies yet" action={<Button component={Link} to="/policies/playground">Try one in the playground</Button>}>
              A policy says what objects must look like. Kyverno, Gatekeeper, ValidatingAdmissionPolicy and Pod Security Standards are read as they are:{' '}
              <code>kubectl apply -f policy.yaml</code>, or push it to the platform repository.
            </Empty>
          )}
        </div>
      ) : (
        <div className="panel scroll">
          <table className="grid">
            <thead>
              <tr>
                <th>Policy</th>
                <th>Objects now</th>
                <th>14 days</th>
                <th>Refused in 24 h</th>
                <th>Severity</th>
                <th>Effect</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((policy) => (
                <Row key={policy.id} policy={policy} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Page>
  );
}

function Row({ policy }: { policy: Schema['PolicySummary'] }) {
  return (
    <tr>
      <td className={styles.first}>
        <Link to="/policies/$id" params={{ id: policy.id }} className={styles.name}>
          {policy.title}
        </Link>
        <div className="dim small">
          <code>{policy.name}</code> · {policy.kind}
        </div>
      </td>
      <td>
        <PassBar passed={policy.passed} failed={policy.failed} />
      </td>
      <td>
        <Trend values={policy.trend} label={`Failing objects: from ${policy.trend[0] ?? 0} to ${policy.trend.at(-1) ?? 0} in ${policy.trend.length} days`} />
      </td>
      <td>
        {policy.refused24h ? (
          <Link to="/audit" search={{ outcome: 'refused', q: policy.name }} className="link numbers">
            {policy.refused24h}
          </Link>
        ) : (
          <span className="dim">0</span>
        )}
      </td>
      <td>
        <Severity severity={policy.severity} />
      </td>
      <td>{policy.mode === 'enforce' ? 'refuses' : <span className="dim">only reports</span>}</td>
    </tr>
  );
}

export function Severity({ severity }: { severity: Schema['PolicySummary']['severity'] }) {
  return <Badge tone={severity === 'high' ? 'bad' : severity === 'medium' ? 'warn' : 'idle'}>{severity}</Badge>;
}
