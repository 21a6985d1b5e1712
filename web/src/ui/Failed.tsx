// What a page shows when an answer did not come, with the id to ask about it.
import { Button } from '@mantine/core';
import { Failure } from '../api/client';
import { Mark } from './State';
import { Refusals } from './Refusal';
import styles from './Failed.module.css';

export function Failed({ error, again }: { error: unknown; again?: () => void }) {
  const failure = error instanceof Failure ? error : new Failure(0, { message: (error as Error).message });
  if (failure.refusals.length > 0) return <Refusals refusals={failure.refusals} title={failure.message} />;
  return (
    <div className={styles.failed} role="alert">
      <Mark tone="bad" shape="exclamation" />
      <div>
        <p>{failure.message}</p>
        {failure.problems.map((problem) => (
          <p key={problem.field + problem.message} className="small">
            <code>{problem.field.slice(1) || 'input'}</code> {problem.message}
          </p>
        ))}
        {failure.requestId ? (
          <p className="dim small">
            Request <code>{failure.requestId}</code>
          </p>
        ) : null}
      </div>
      {again ? (
        <Button variant="default" onClick={again} className="push">
          Try again
        </Button>
      ) : null}
    </div>
  );
}
