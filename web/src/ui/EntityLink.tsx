// A reference to a catalog entity, as a link to its page.
import { Link } from '@tanstack/react-router';

export function parseRef(reference: string) {
  const [, kind = '', namespace = 'default', name = reference] = /^(?:([^:/]+):)?(?:([^/]+)\/)?(.+)$/.exec(reference) ?? [];
  return { kind, namespace, name };
}

export function EntityLink({ reference, children }: { reference: string; children?: React.ReactNode }) {
  const { kind, namespace, name } = parseRef(reference);
  if (!kind) return <>{children ?? reference}</>;
  return (
    <Link to="/catalog/$kind/$namespace/$name" params={{ kind, namespace, name }} className="link" title={reference}>
      {children ?? (namespace === 'default' ? name : `${namespace}/${name}`)}
    </Link>
  );
}
