// The playground: an object, a policy, and the verdict as one types. Nothing is stored.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { api, take } from '../api/client';
import { Code } from '../ui/Code';
import { Editor } from '../ui/Editor';
import { Failed } from '../ui/Failed';
import { Page, Panel } from '../ui/Panel';
import { Refusal } from '../ui/Refusal';
import { Mark } from '../ui/State';
import styles from './Playground.module.css';

const RESOURCE = `apiVersion: v1
kind: Pod
metadata:
  name: my-app
spec:
  containers:
    - name: app
      image: nginx
`;

const POLICY = `apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: require-resource-limits
spec:
  validationFailureAction: Enforce
  rules:
    - name: require-limits
      match:
        any:
          - resources:
              kinds: [Pod]
      validate:
        message: "All containers must have resource limits"
        pattern:
          spec:
            containers:
              - resources:
                  limits:
                    memory: "?*"
                    cpu: "?*"
`;

export function Playground() {
  const [resource, setResource] = useState(RESOURCE);
  const [policy, setPolicy] = useState(POLICY);
  const [asked] = useDebouncedValue({ resource, policy }, 200);
  const { data, error } = useQuery({
    queryKey: ['judge', asked],
    queryFn: () => take(api.POST('/policies/playground', { body: asked })),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    retry: false,
  });
  const faulty = (source: 'resource' | 'policy') => new Set(data?.problems.filter((p) => p.source === source).flatMap((p) => p.line ?? []));
  return (
    <Page title="Policy playground" about="An object on the left, a policy on the right, the verdict below. Nothing is stored.">
      <div className={styles.editors}>
        <Panel title="Object" flush>
          <div className={styles.editor}>
            <Editor label="Object as YAML" value={resource} onChange={setResource} marked={faulty('resource')} />
          </div>
        </Panel>
        <Panel title="Policy" flush>
          <div className={styles.editor}>
            <Editor label="Policy as YAML" value={policy} onChange={setPolicy} marked={faulty('policy')} />
          </div>
        </Panel>
      </div>
      <Panel title="Verdict" note={data && data.verdicts.length ? `in ${data.microseconds} µs` : ''}>
        <div className="stack" aria-live="polite">
          {error ? <Failed error={error} /> : null}
          {data?.problems.map((problem) => (
            <p key={problem.source + problem.message} className="row">
              <Mark tone="warn" shape="exclamation" />
              <span>
                {problem.source === 'resource' ? 'Object' : 'Policy'}
                {problem.line ? ` line ${problem.line}` : ''}: {problem.message}
              </span>
            </p>
          ))}
          {data?.verdicts.map((verdict) =>
            verdict.refusal ? (
              <Refusal key={verdict.policy + verdict.rule + verdict.object} refusal={verdict.refusal} aside={<span className="dim small">{verdict.object}</span>} />
            ) : (
              <p key={verdict.policy + verdict.rule + verdict.object} className="row">
                <Mark
                  tone={verdict.result === 'pass' ? 'ok' : verdict.result === 'skip' ? 'idle' : 'warn'}
                  shape={verdict.result === 'pass' ? 'check' : verdict.result === 'skip' ? 'bar' : 'exclamation'}
                  label={verdict.result}
                />
                <span>
                  <span className="strong">{verdict.result === 'pass' ? 'Passes' : verdict.result === 'skip' ? 'Does not apply' : verdict.result}</span> {verdict.policy} › {verdict.rule}{' '}
                  <span className="dim">
                    {verdict.object} {verdict.message}
                  </span>
                </span>
              </p>
            ),
          )}
          {data && data.verdicts.length === 0 && data.problems.length === 0 ? <p className="dim">No rule applies to this object.</p> : null}
          {data?.mutated ? (
            <>
              <h3>The object as the policy changes it</h3>
              <Code text={data.mutated} label="changed object" />
            </>
          ) : null}
        </div>
      </Panel>
    </Page>
  );
}
