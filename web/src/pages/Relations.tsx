// Relations around one entity: what it belongs to on the left, what belongs to it on the right.
import type { Schema } from '../api/client';
import { EntityLink, parseRef } from '../ui/EntityLink';
import { RefIcon } from '../ui/KindIcon';
import { Mark } from '../ui/State';
import styles from './Relations.module.css';

type Relation = Schema['Relation'];

const WORDS: { [type in Relation['type']]: string } = {
  ownedBy: 'owned by', partOf: 'part of', childOf: 'child of', memberOf: 'member of', apiProvidedBy: 'provided by', dependencyOf: 'needed by', apiConsumedBy: 'used by',
  ownerOf: 'owns', hasPart: 'consists of', parentOf: 'parent of', hasMember: 'members', providesApi: 'provides', dependsOn: 'needs', consumesApi: 'uses',
};
const LEFT = new Set<Relation['type']>(['ownedBy', 'partOf', 'childOf', 'memberOf', 'apiProvidedBy', 'dependencyOf', 'apiConsumedBy']);
const HEIGHT = 32;
const GAP = 6;

export function Relations({ entity }: { entity: Schema['EntityDetail'] }) {
  const left = entity.relations.filter((relation) => LEFT.has(relation.type));
  const right = entity.relations.filter((relation) => !LEFT.has(relation.type));
  const rows = Math.max(left.length, right.length, 1);
  const height = rows * (HEIGHT + GAP) - GAP;
  return (
    <div className={styles.graph}>
      <Side relations={left} total={height} />
      <Edges relations={left} height={height} towards="right" />
      <div className={styles.self}>
        <span className="strong clip">{entity.title}</span>
      </div>
      <Edges relations={right} height={height} towards="left" />
      <Side relations={right} total={height} />
    </div>
  );
}

const centre = (i: number, count: number, height: number) => (height - (count * (HEIGHT + GAP) - GAP)) / 2 + i * (HEIGHT + GAP) + HEIGHT / 2;

function Edges({ relations, height, towards }: { relations: Relation[]; height: number; towards: 'left' | 'right' }) {
  return (
    <svg className={styles.edges} viewBox={`0 0 56 ${height}`} height={height} preserveAspectRatio="none" aria-hidden="true">
      {relations.map((relation, i) => {
        const y = centre(i, relations.length, height);
        const [from, to] = towards === 'right' ? [y, height / 2] : [height / 2, y];
        return <path key={relation.type + relation.targetRef} d={`M0 ${from} C28 ${from} 28 ${to} 56 ${to}`} />;
      })}
    </svg>
  );
}

function Side({ relations, total }: { relations: Relation[]; total: number }) {
  return (
    <ul className={styles.side} style={{ minHeight: total }}>
      {relations.map((relation) => (
        <li key={relation.type + relation.targetRef} className={styles.node}>
          <RefIcon reference={relation.targetRef} size={16} />
          <span className={styles.word}>{WORDS[relation.type]}</span>
          <span className="clip">
            {relation.known ? (
              <EntityLink reference={relation.targetRef} />
            ) : (
              <span className={styles.unknown} title={`${relation.targetRef} is not in the catalog`}>
                {parseRef(relation.targetRef).name} <Mark tone="warn" shape="question" label="not in the catalog" size={13} />
              </span>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
