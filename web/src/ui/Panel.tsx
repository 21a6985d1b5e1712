// Pages and their parts: headers, panels, waiting shapes, empty states.
import { type ReactNode, useEffect } from 'react';
import styles from './Panel.module.css';

export function Page({ title, about, actions, children, name }: { title: ReactNode; name?: string; about?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  const text = name ?? (typeof title === 'string' ? title : 'Ridgeway');
  useEffect(() => {
    document.title = `${text} · Ridgeway`;
  }, [text]);
  return (
    <div className={styles.page}>
      <header className={styles.header}>
        <div className={styles.heading}>
          <h1>{title}</h1>
          {about ? <div className={styles.about}>{about}</div> : null}
        </div>
        {actions ? <div className={styles.actions}>{actions}</div> : null}
      </header>
      {children}
    </div>
  );
}

export function Panel({ title, note, actions, children, flush }: { title?: ReactNode; note?: ReactNode; actions?: ReactNode; children: ReactNode; flush?: boolean }) {
  return (
    <section className={`panel ${styles.panel}`}>
      {title ? (
        <div className={styles.title}>
          <h2>{title}</h2>
          {note ? <span className="dim small">{note}</span> : null}
          {actions ? <div className="row push">{actions}</div> : null}
        </div>
      ) : null}
      <div className={flush ? styles.flush : styles.body}>{children}</div>
    </section>
  );
}

/** What this is, why one wants it, and the first step. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <svg width="56" height="28" viewBox="0 0 56 28" aria-hidden="true" className={styles.ridge}>
        <path d="M2 25 L16 10 L24 18 L37 3 L54 25" />
      </svg>
      <p className="strong">{title}</p>
      {children ? <div className="dim prose">{children}</div> : null}
      {action ? <div className={styles.emptyAction}>{action}</div> : null}
    </div>
  );
}

export function Bone({ width = '100%', height = 14 }: { width?: string | number; height?: number }) {
  return <span className={styles.bone} style={{ width, height }} aria-hidden="true" />;
}

/** Rows of the right height while a list is read. */
export function Rows({ count = 6, height = 38 }: { count?: number; height?: number }) {
  return (
    <div role="status" aria-label="Loading">
      {Array.from({ length: count }, (_, i) => (
        <div key={i} className={styles.bones} style={{ height }}>
          <Bone width={`${24 - (i % 3) * 4}%`} />
          <Bone width="12%" />
          <Bone width="10%" />
          <Bone width="16%" />
        </div>
      ))}
    </div>
  );
}
