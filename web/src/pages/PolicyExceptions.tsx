// All exceptions to policies, those that wait first.
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { exceptions } from '../api/queries';
import { Failed } from '../ui/Failed';
import { Empty, Page, Panel, Rows } from '../ui/Panel';
import { Exceptions } from './policy/Exceptions';

export function PolicyExceptions() {
  const { data, error, refetch } = useQuery(exceptions);
  const waiting = data?.filter((item) => item.state === 'Requested') ?? [];
  const open = data?.filter((item) => item.state === 'Approved') ?? [];
  const over = data?.filter((item) => item.state === 'Expired') ?? [];
  return (
    <Page
      title="Exceptions"
      about={data ? `${waiting.length} wait for approval · ${open.length} in force · ${over.length} over` : 'Objects for which a policy does not count, for a while.'}
      actions={
        <Button variant="default" component={Link} to="/policies">
          All policies
        </Button>
      }
    >
      {error ? (
        <Failed error={error} again={() => void refetch()} />
      ) : !data ? (
        <div className="panel">
          <Rows count={3} height={70} />
        </div>
      ) : data.length === 0 ? (
        <div className="panel">
          <Empty title="No exceptions" action={<Button component={Link} to="/policies">Open a policy</Button>}>
            An exception takes an object out of a policy: somebody asks with a reason and an end, somebody else approves. Ask for one at the object that breaks the rule.
          </Empty>
        </div>
      ) : (
        <>
          {waiting.length ? (
            <Panel title="Wait for approval" note={String(waiting.length)}>
              <Exceptions items={waiting} />
            </Panel>
          ) : null}
          {open.length ? (
            <Panel title="In force" note={String(open.length)}>
              <Exceptions items={open} />
            </Panel>
          ) : null}
          {over.length ? (
            <Panel title="Over" note={String(over.length)}>
              <Exceptions items={over} />
            </Panel>
          ) : null}
        </>
      )}
    </Page>
  );
}
