// A path that leads nowhere.
import { Link } from '@tanstack/react-router';
import { Empty, Page } from '../ui/Panel';

export function NotFound() {
  return (
    <Page title="Nothing here">
      <div className="panel">
        <Empty title="This path leads nowhere">
          The address may be old, or what it named is gone. <Link to="/">Home</Link> shows your services; press{' '}
          <kbd>Ctrl K</kbd> to jump to anything.
        </Empty>
      </div>
    </Page>
  );
}
