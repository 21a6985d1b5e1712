// The object tree, left to right. The list view beside it says the same in rows.
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { Schema } from '../../api/client';
import { Empty } from '../../ui/Panel';
import { HealthState, Mark, SyncMark, type Tone, toneOf } from '../../ui/State';
import { Ago } from '../../ui/Time';
import { BOX, type Box, curve, layout, worst } from './layout';
import styles from './Tree.module.css';

type Node = Schema['TreeNode'];
type Detail = Schema['ApplicationDetail'];

export function toneOfNode(node: Node): Tone {
  if (node.refusals.length > 0) return 'bad';
  if (node.health && node.health !== 'Healthy') return toneOf(node.health);
  return node.sync === 'OutOfSync' || node.prune ? 'warn' : 'ok';
}

export function Tree({ app, open }: { app: Detail; open: string | undefined }) {
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set());
  const drawn = useMemo(() => layout(app.tree, unfolded), [app.tree, unfolded]);
  if (app.tree.length === 0) return <NoObjects app={app} />;
  return (
    <div className={styles.scroll} tabIndex={0} role="region" aria-label="Object tree">
      <div className={styles.canvas} style={{ width: drawn.width, height: drawn.height }}>
        <svg width={drawn.width} height={drawn.height} className={styles.edges} aria-hidden="true">
          {drawn.edges.map((edge) => (
            <path key={`${edge.from.key}>${edge.to.key}`} d={curve(edge)} />
          ))}
        </svg>
        {drawn.boxes.map((box) => (
          <Placed key={box.key} box={box} app={app} open={open} unfold={(key) => setUnfolded(new Set([...unfolded, key]))} />
        ))}
      </div>
    </div>
  );
}

function Placed({ box, app, open, unfold }: { box: Box; app: Detail; open: string | undefined; unfold: (key: string) => void }) {
  const style = { left: box.x, top: box.y, width: BOX.width, height: BOX.height };
  if (box.type === 'root') {
    return (
      <div className={styles.box} data-root style={style}>
        <div className={styles.first}>
          <HealthState health={app.health} quiet />
          <span className="strong clip">{app.name}</span>
        </div>
        <div className={styles.second}>
          <span>Application</span>
          <SyncMark sync={app.sync} quiet />
        </div>
      </div>
    );
  }
  if (box.type === 'fold') {
    const health = worst(box.nodes);
    return (
      <button type="button" className={styles.box} data-fold style={style} onClick={() => unfold(box.key)} title="Show each">
        <div className={styles.first}>
          {health ? <HealthState health={health} quiet /> : null}
          <span className="strong clip">
            {box.nodes.length} × {box.kind}
          </span>
        </div>
        <div className={styles.second}>
          <span>Show each</span>
        </div>
      </button>
    );
  }
  const { node } = box;
  return (
    <Link
      from="/applications/$name"
      to="/applications/$name"
      params={{ name: app.name }}
      search={(old) => ({ ...old, object: node.ref.key })}
      replace
      resetScroll={false}
      className={styles.box}
      style={style}
      data-tone={toneOfNode(node)}
      data-open={open === node.ref.key || undefined}
      data-key={node.ref.key}
    >
      <div className={styles.first}>
        {node.refusals.length > 0 ? <Mark tone="bad" shape="bar" label="Refused" /> : node.health ? <HealthState health={node.health} quiet title={node.healthMessage || node.health} /> : <span className={styles.none} aria-hidden="true" />}
        <span className="clip" title={node.ref.name}>
          {node.ref.name}
        </span>
      </div>
      <div className={styles.second}>
        <span className="clip">
          {node.ref.kind}
          {node.info[0] ? ` · ${node.info[0].value}` : ''}
        </span>
        <span className="row" style={{ gap: 6 }}>
          {node.createdAt ? <Ago at={node.createdAt} /> : <span>missing</span>}
          {node.sync ? <SyncMark sync={node.sync} quiet /> : null}
        </span>
      </div>
    </Link>
  );
}

export function List({ app }: { app: Detail }) {
  if (app.tree.length === 0) return <NoObjects app={app} />;
  return (
    <div className="panel scroll">
      <table className="grid">
        <thead>
          <tr>
            <th>Object</th>
            <th>Kind</th>
            <th>Health</th>
            <th>Git</th>
            <th>Facts</th>
            <th>Created</th>
          </tr>
        </thead>
        <tbody>
          {app.tree.map((node) => (
            <tr key={node.ref.key}>
              <td>
                <Link from="/applications/$name" to="/applications/$name" params={{ name: app.name }} search={(old) => ({ ...old, object: node.ref.key })} replace resetScroll={false} className={styles.listName}>
                  {node.ref.name}
                </Link>
              </td>
              <td>{node.ref.kind}</td>
              <td>{node.health ? <HealthState health={node.health} title={node.healthMessage} /> : <span className="dim">–</span>}</td>
              <td>{node.refusals.length ? <span className="row" style={{ gap: 6 }}><Mark tone="bad" shape="bar" /> Refused</span> : node.sync ? <SyncMark sync={node.sync} /> : <span className="dim">owned</span>}</td>
              <td className="dim small">{node.info.map((fact) => `${fact.name} ${fact.value}`).join(', ')}</td>
              <td className="dim">{node.createdAt ? <Ago at={node.createdAt} /> : 'not yet'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function NoObjects({ app }: { app: Detail }) {
  return (
    <div className="panel">
      <Empty title="No objects yet">
        After the first sync the objects of <code>{app.source.path || 'the repository'}</code> appear here, with everything they own.
      </Empty>
    </div>
  );
}
